"""Trades sampled as bars: by time, by number, by volume, by turnover."""

from bwsresearch.sampling.made import bars

__all__ = ["bars"]
