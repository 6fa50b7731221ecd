"""Frames of a performance: figures, daily returns, drawdowns, rolling figures, months."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from bwsresearch.backtesting.statistics import ours, periods
from bwsresearch.backtesting.statistics.drawdowns import account_drawdowns, troughs
from bwsresearch.backtesting.statistics.peers import backtesting_py, quantstats, vectorbt
from bwsresearch.backtesting.statistics.performance import Performance
from bwsresearch.backtesting.statistics.periods import DAY_US, Ints, Returns
from bwsresearch.backtesting.statistics.rolling import rolling
from bwsresearch.times import MONTHS

__all__ = [
    "bar_days",
    "drawdown_frame",
    "ends",
    "monthly_frame",
    "returns_series",
    "rolling_frame",
    "stats",
]

_PEERS: Final[dict[str, tuple[str, Callable[[Performance], dict[str, object]]]]] = {
    "backtesting.py": (backtesting_py.CONVENTIONS, backtesting_py.rows),
    "vectorbt": (vectorbt.CONVENTIONS, vectorbt.rows),
    "quantstats": (quantstats.CONVENTIONS, quantstats.rows),
}


def stats(performance: Performance, convention: str | None = None) -> "pd.Series[float]":
    """Return the figures by name, float64, parts of one and quote; `attrs["conventions"]` says how.

    A peer's convention gives its rows under its names, in its units, as objects: its percents, its
    Timestamps (UTC) and Timedeltas.

    Raises:
        ValueError: for a convention that is none.
    """
    if convention is None:
        result = pd.Series(ours.rows(performance), dtype=np.float64, name="stats")
        result.attrs["conventions"] = ours.CONVENTIONS
        return result
    if convention not in _PEERS:
        raise ValueError(
            f"convention is {convention!r}, must be {', '.join(map(repr, _PEERS))} or None for ours"
        )
    conventions, rows = _PEERS[convention]
    result = pd.Series(rows(performance), dtype=object, name=convention)
    result.attrs["conventions"] = conventions
    return result


def returns_series(returns: Returns, name: str = "returns") -> "pd.Series[float]":
    """Return returns as a Series, float64, by the day (or longer bar) that they are of, UTC."""
    index = _times(returns.began).rename("open_time")
    return pd.Series(returns.parts.copy(), index=index, name=name, copy=False)


def drawdown_frame(performance: Performance) -> pd.DataFrame:
    """Return one row per drawdown of the account, oldest first.

    Columns: peak_time, trough_time, recovery_time (NaT while it lasts), depth (a negative part), days
    (peak to recovery or to the end), decline_days (peak to trough), recovery_days (trough to recovery,
    NaN while it lasts). Times are ends of bars, and the first open for the start.
    """
    found, times, down = account_drawdowns(performance)
    lowest = troughs(down, found)
    peak, trough, end = times[found.peak], times[lowest], times[found.end]
    recovered = _times(end).where(~found.is_open)
    return pd.DataFrame(
        {
            "peak_time": _times(peak),
            "trough_time": _times(trough),
            "recovery_time": recovered,
            "depth": found.depth,
            "days": (end - peak) / DAY_US,
            "decline_days": (trough - peak) / DAY_US,
            "recovery_days": np.where(found.is_open, np.nan, (end - trough) / DAY_US),
        }
    )


def rolling_frame(
    performance: Performance, window: str | int | pd.Timedelta = "30D"
) -> pd.DataFrame:
    """Return figures of every window of returns, one row per day (or longer bar), float64.

    `window` is a length of time in whole days ("30D"), or a count of returns. Columns: return,
    volatility, sharpe, sortino, max_drawdown, beta, alpha, correlation (the last three against buy and
    hold), as `stats` has them, NaN until a window is full.

    Raises:
        ValueError: for a window of less than two returns, or one that is no length.
    """
    own, market = performance.returns, performance.benchmark_returns
    count = _count(window, max(performance.bar_days, 1.0))
    figures = rolling(own.parts, market.parts, count, performance.per_year)
    return pd.DataFrame(figures, index=_times(own.began).rename("open_time"))


def _count(window: str | int | pd.Timedelta, days: float) -> int:
    """Return how many returns of so many days a window has."""
    try:
        count = (
            window
            if isinstance(window, int)
            else int(pd.Timedelta(window) / pd.Timedelta(days, "D"))
        )
    except ValueError:
        raise ValueError(
            f"window is {window!r}, must be a length such as '30D', or a count"
        ) from None
    if count < 2:
        raise ValueError(
            f"window is {window!r}, must have 2 returns or more, of {days:g} days each"
        )
    return count


def monthly_frame(performance: Performance) -> pd.DataFrame:
    """Return the return of each month, a row per year (int64), columns Jan to Dec and year, float64.

    A bar belongs to the month it opens in; a month without bars is NaN. A year is its months, one after
    the other.
    """
    began, values = periods.month_returns(
        performance.opened, performance.equity, performance.initial
    )
    months = began.astype("M8[us]").astype("M8[M]").astype(np.int64) + 1970 * 12
    years = np.arange(months[0] // 12, months[-1] // 12 + 1)
    table = np.full((len(years), 12), np.nan)
    table[months // 12 - years[0], months % 12] = values
    whole = np.nanprod(table + 1.0, axis=1) - 1.0
    index = pd.Index(years, name="year", dtype=np.int64)
    frame = pd.DataFrame(table, index=index, columns=list(MONTHS))
    frame["year"] = whole
    return frame


def bar_days(index: pd.Index) -> float:
    """Return the length of a bar in days, the median distance of open times; NaN of one bar."""
    return periods.bar_days(_micros(index))


def ends(index: pd.Index) -> Ints:
    """Return when each bar of an index of open times is over, epoch microseconds."""
    opened = _micros(index)
    return periods.bar_ends(opened, periods.bar_days(opened))


def _micros(index: pd.Index) -> Ints:
    return pd.DatetimeIndex(index).as_unit("us").asi8


def _times(micros: Ints) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(micros.astype("M8[us]")).tz_localize("UTC")
