"""Figures of an equity curve and of trades; each says how it is computed.

Returns are arithmetic, per UTC day (per bar where bars are longer); a year has 365 of them, since the
market never closes; standard deviations have ddof 1; CAGR counts years of 365.25 days. What cannot be
computed is NaN.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["CONVENTIONS", "daily_returns", "drawdown", "statistics"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

CONVENTIONS: Final = (
    "daily UTC returns, arithmetic, 365 days a year, ddof 1; CAGR on 365.25 days; "
    "profit factor and trade returns in quote, after fees; closed trades only"
)
_DAY_S: Final = 86_400.0
_YEAR_DAYS: Final = 365.0
_CAGR_DAYS: Final = 365.25


def daily_returns(equity: "pd.Series[float]", initial: float) -> "pd.Series[float]":
    """Return the return of every UTC day, the first one on `initial`; per bar if bars are longer.

    `equity` is indexed by the open time of bars and holds their value at the close.
    """
    if _bar_days(equity.index) > 1.0:
        ends = equity
    else:
        days = pd.DatetimeIndex(equity.index).floor("D")
        last = np.append(days[1:] != days[:-1], True)
        ends = equity[last]
        ends.index = days[last]
    before = np.concatenate([[initial], ends.to_numpy()[:-1]])
    return pd.Series(ends.to_numpy() / before - 1.0, index=ends.index, name="returns")


def _bar_days(index: pd.Index) -> float:
    """Return the length of a bar in days: the median distance of open times."""
    if len(index) < 2 or not isinstance(index, pd.DatetimeIndex):
        return 1.0
    return float(np.median(np.diff(index.as_unit("us").asi8))) / 1e6 / _DAY_S


def drawdown(equity: Floats) -> Floats:
    """Return how far each value lies below the highest before it, as a negative part."""
    peak = np.maximum.accumulate(equity)
    return equity / peak - 1.0


def statistics(
    equity: "pd.Series[float]",
    initial: float,
    benchmark: Floats,
    trade_pnl: Sequence[float],
    trade_return: Sequence[float],
    *,
    fees: float,
    exposure: float,
) -> "pd.Series[float]":
    """Return all figures by name, float64; parts, not percents; fees and profits in quote."""
    values = equity.to_numpy(np.float64)
    days = len(equity) * _bar_days(equity.index)
    returns = daily_returns(equity, initial).to_numpy(np.float64)
    periods = _YEAR_DAYS / max(_bar_days(equity.index), 1.0)
    down = drawdown(np.concatenate([[initial], values]))
    cagr = _ratio(values[-1], initial) ** (_CAGR_DAYS / days) - 1.0 if days else np.nan
    figures = {
        "return": values[-1] / initial - 1.0,
        "buy_and_hold_return": benchmark[-1] / initial - 1.0,
        "cagr": cagr,
        "volatility": _deviation(returns) * np.sqrt(periods),
        "sharpe": _ratio(_mean(returns), _deviation(returns)) * np.sqrt(periods),
        "sortino": _ratio(_mean(returns), _downside(returns)) * np.sqrt(periods),
        "max_drawdown": float(down.min()),
        "max_drawdown_days": _longest(down) * _bar_days(equity.index),
        "calmar": _ratio(cagr, -float(down.min())),
        "exposure": exposure,
        "trades": float(len(trade_pnl)),
        "win_rate": _mean(np.asarray(trade_pnl) > 0),
        "profit_factor": _profit_factor(np.asarray(trade_pnl)),
        "best_trade": max(trade_return, default=np.nan),
        "worst_trade": min(trade_return, default=np.nan),
        "average_trade": _mean(np.asarray(trade_return)),
        "fees": fees,
        "final_equity": values[-1],
    }
    return pd.Series(figures, dtype=np.float64, name="stats")


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(np.mean(values.astype(np.float64))) if len(values) else float("nan")


def _deviation(returns: Floats) -> float:
    return float(np.std(returns, ddof=1)) if len(returns) > 1 else float("nan")


def _downside(returns: Floats) -> float:
    """Return the root mean square of the losses, over all periods."""
    return float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else float("nan")


def _longest(down: Floats) -> int:
    """Return the greatest number of bars below an earlier peak."""
    under = np.concatenate([[False], down < 0, [False]])
    edges = np.flatnonzero(under[1:] != under[:-1])
    lengths = edges[1::2] - edges[::2]
    return int(lengths.max()) if len(lengths) else 0


def _profit_factor(pnl: Floats) -> float:
    """Return the sum of profits over the sum of losses."""
    lost = -float(pnl[pnl < 0].sum()) if len(pnl) else 0.0
    return _ratio(float(pnl[pnl > 0].sum()), lost) if len(pnl) else float("nan")
