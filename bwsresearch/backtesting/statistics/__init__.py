"""Statistics of a backtest: pure functions of a `Performance`, with their conventions written on them."""

from bwsresearch.backtesting.statistics.drawdowns import drawdown
from bwsresearch.backtesting.statistics.frames import (
    bar_days,
    drawdown_frame,
    ends,
    monthly_frame,
    returns_series,
    rolling_frame,
    stats,
)
from bwsresearch.backtesting.statistics.ours import CONVENTIONS
from bwsresearch.backtesting.statistics.performance import Performance, Trades
from bwsresearch.backtesting.statistics.selection import (
    Overfitting,
    deflated_sharpe,
    expected_max_sharpe,
    overfitting,
    probabilistic_sharpe,
)

__all__ = [
    "CONVENTIONS",
    "Overfitting",
    "Performance",
    "Trades",
    "bar_days",
    "deflated_sharpe",
    "drawdown",
    "drawdown_frame",
    "ends",
    "expected_max_sharpe",
    "monthly_frame",
    "overfitting",
    "probabilistic_sharpe",
    "returns_series",
    "rolling_frame",
    "stats",
]
