"""Backtests of target exposures in NumPy: continuous amounts in float64, no step and no minimum.

The exact engine is the truth; this is what a thousand runs can be made with, and agrees with it to
1e-9 where steps and minimums do not matter.
"""

from bwsresearch.backtesting.kernel.headlines import HEADLINES, headlines, judged, returns, spans
from bwsresearch.backtesting.kernel.market import Floats, Market
from bwsresearch.backtesting.kernel.result import Balances, KernelResult, run, start_of
from bwsresearch.backtesting.kernel.terms import Terms
from bwsresearch.backtesting.kernel.track import Start, Track, follow

__all__ = [
    "HEADLINES",
    "Balances",
    "Floats",
    "KernelResult",
    "Market",
    "Start",
    "Terms",
    "Track",
    "follow",
    "headlines",
    "judged",
    "returns",
    "run",
    "spans",
    "start_of",
]
