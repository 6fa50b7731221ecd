"""The command line: `bwsresearch demo`, `serve`, `pull`, `import` and `cache`."""

from bwsresearch.cli.app import main

__all__ = ["main"]
