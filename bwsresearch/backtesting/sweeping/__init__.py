"""One strategy under many parameters: a table of figures, by the kernel in NumPy."""

from bwsresearch.backtesting.sweeping.running import sweep
from bwsresearch.backtesting.sweeping.table import Sweep

__all__ = ["Sweep", "sweep"]
