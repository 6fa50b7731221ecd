"""A spot exchange in memory: deterministic, without I/O, clock or random numbers of its own."""
