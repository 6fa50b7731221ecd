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

__all__ = ["CONVENTIONS", "bar_days", "daily_returns", "drawdown", "ends", "statistics"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

CONVENTIONS: Final = (
    "daily UTC returns, arithmetic, 365 days a year, ddof 1; CAGR on 365.25 days; drawdown on bars; "
    "profit factor and trade returns in quote, after fees, of closed round trips"
)
_DAY_US: Final = 86_400_000_000
_YEAR_DAYS: Final = 365.0
_CAGR_DAYS: Final = 365.25
_MONTH_DAYS: Final = (28.0, 31.0)


def daily_returns(equity: "pd.Series[float]", initial: float) -> "pd.Series[float]":
    """Return the return of every UTC day, the first one on `initial`; per bar if bars are longer.

    `equity` is indexed by the open time of bars and holds their value at the close. A day without
    bars returns 0.
    """
    if bar_days(equity.index) > 1.0:
        index, values = equity.index, equity.to_numpy(np.float64)
    else:
        days = _micros(equity.index) // _DAY_US
        every = np.arange(days[0], days[-1] + 1)
        values = equity.to_numpy(np.float64)[np.searchsorted(days, every, side="right") - 1]
        index = pd.DatetimeIndex((every * _DAY_US).astype("M8[us]"), name=equity.index.name)
        index = index.tz_localize("UTC")
    before = np.concatenate([[initial], values[:-1]])
    with np.errstate(all="ignore"):  # a day that begins with nothing has no return: NaN
        changes = values / before - 1.0
    return pd.Series(changes, index=index, name="returns")


def bar_days(index: pd.Index) -> float:
    """Return the length of a bar in days, the median distance of open times; NaN of one bar."""
    if len(index) < 2:
        return float("nan")
    steps = np.diff(_micros(index))
    is_even = bool((steps == steps[0]).all())  # the rule, and much faster to see than a median
    return float(steps[0] if is_even else np.median(steps)) / _DAY_US


def ends(index: pd.Index) -> npt.NDArray[np.int64]:
    """Return when each bar of an index of open times is over, epoch microseconds."""
    length = bar_days(index)
    opened = _micros(index)
    if len(opened) < 2:
        return opened
    if _MONTH_DAYS[0] <= length <= _MONTH_DAYS[1]:
        months = opened.astype("M8[us]").astype("M8[M]") + 1
        return months.astype("M8[us]").astype(np.int64)
    return opened + round(length * _DAY_US)


def _micros(index: pd.Index) -> npt.NDArray[np.int64]:
    return pd.DatetimeIndex(index).as_unit("us").asi8


def drawdown(equity: Floats, initial: float) -> Floats:
    """Return how far each value lies below the highest before it or `initial`, a negative part."""
    peak = np.maximum(np.maximum.accumulate(equity), initial)
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
    returns = daily_returns(equity, initial).to_numpy(np.float64)
    scale = np.sqrt(_periods(bar_days(equity.index)))
    down = drawdown(values, initial)
    worst = float(down.min())
    cagr = _cagr(equity, initial)
    pnl, parts = np.asarray(trade_pnl, np.float64), np.asarray(trade_return, np.float64)
    figures = {
        "return": values[-1] / initial - 1.0,
        "buy_and_hold_return": benchmark[-1] / initial - 1.0,
        "cagr": cagr,
        "volatility": _deviation(returns) * scale,
        "sharpe": _ratio(_mean(returns), _deviation(returns)) * scale,
        "sortino": _ratio(_mean(returns), _downside(returns)) * scale,
        "max_drawdown": worst,
        "max_drawdown_days": _longest(down, equity.index),
        "calmar": _ratio(cagr, -worst),
        "exposure": exposure,
        "trades": float(len(pnl)),
        "win_rate": _mean(pnl > 0),
        "profit_factor": _ratio(float(pnl[pnl > 0].sum()), -float(pnl[pnl < 0].sum())),
        "best_trade": max(parts, default=np.nan),
        "worst_trade": min(parts, default=np.nan),
        "average_trade": _mean(parts),
        "fees": fees,
        "final_equity": values[-1],
    }
    result = pd.Series(figures, dtype=np.float64, name="stats")
    result.attrs["conventions"] = CONVENTIONS
    return result


def _periods(bar: float) -> float:
    """Return how many returns a year has: of days, of calendar months, or of longer bars."""
    if _MONTH_DAYS[0] <= bar <= _MONTH_DAYS[1]:
        return 12.0
    return _YEAR_DAYS / bar if bar > 1.0 else _YEAR_DAYS


def _cagr(equity: "pd.Series[float]", initial: float) -> float:
    """Return the growth per year of 365.25 days, from the first open to the end of the last bar."""
    years = (ends(equity.index)[-1] - _micros(equity.index)[0]) / _DAY_US / _CAGR_DAYS
    if not years:
        return float("nan")
    with np.errstate(over="ignore"):
        growth = float(np.float64(equity.iloc[-1] / initial) ** (1.0 / years) - 1.0)
    return growth if np.isfinite(growth) else float("nan")


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(np.mean(values.astype(np.float64))) if len(values) else float("nan")


def _deviation(returns: Floats) -> float:
    return float(np.std(returns, ddof=1)) if len(returns) > 1 else float("nan")


def _downside(returns: Floats) -> float:
    """Return the root mean square of the losses, over all periods."""
    return float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else float("nan")


def _longest(down: Floats, index: pd.Index) -> float:
    """Return the days of the longest drawdown, from its peak to the recovery or to the last bar."""
    times = np.concatenate([_micros(index)[:1], ends(index)])
    under = np.concatenate([[False], down < 0])  # at the first open nothing is lost yet
    begins = np.flatnonzero(~under[:-1] & under[1:])
    recovered = np.flatnonzero(under[:-1] & ~under[1:]) + 1
    over = np.append(recovered, len(under) - 1)[: len(begins)]
    return float((times[over] - times[begins]).max(initial=0)) / _DAY_US
