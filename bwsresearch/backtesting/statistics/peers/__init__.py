"""The figures of other packages, each under its own names and conventions, by our own formulas."""
