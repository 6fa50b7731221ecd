"""Bars, days and years: when bars end, and what an equity curve returned per day and per month.

Times are int64 epoch microseconds, UTC. Returns are arithmetic: of days, and of bars where these are
longer than a day.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "DAY_US",
    "Floats",
    "Ints",
    "Returns",
    "bar_days",
    "bar_ends",
    "changes",
    "month_returns",
    "per_year",
    "period_returns",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

DAY_US: Final = 86_400_000_000
_YEAR_DAYS: Final = 365.0
_MONTH_DAYS: Final = (28.0, 31.0)


class Returns(NamedTuple):
    """Returns of periods, by when each of them began."""

    began: Ints
    parts: Floats


def bar_days(opened: Ints) -> float:
    """Return the length of a bar in days, the median distance of open times; NaN of one bar."""
    if len(opened) < 2:
        return float("nan")
    steps = np.diff(opened)
    is_even = bool((steps == steps[0]).all())  # the rule, and much faster to see than a median
    return float(steps[0] if is_even else np.median(steps)) / DAY_US


def bar_ends(opened: Ints, bar: float) -> Ints:
    """Return when each bar of so many days is over; one of unknown length (NaN) when it opens."""
    if np.isnan(bar):
        return opened
    if _MONTH_DAYS[0] <= bar <= _MONTH_DAYS[1]:
        months = opened.astype("M8[us]").astype("M8[M]") + 1
        return months.astype("M8[us]").astype(np.int64)
    return opened + round(bar * DAY_US)


def per_year(bar: float) -> float:
    """Return how many returns a year has: of days, of calendar months, or of longer bars."""
    if _MONTH_DAYS[0] <= bar <= _MONTH_DAYS[1]:
        return 12.0
    return _YEAR_DAYS / bar if bar > 1.0 else _YEAR_DAYS


def changes(values: Floats, before: float | None = None) -> Floats:
    """Return each value's change as part of the one before it; the first one's on `before`.

    Without `before` there is one change less than values. What begins with nothing has none: NaN.
    """
    earlier = values[:-1] if before is None else np.concatenate([[before], values[:-1]])
    later = values[1:] if before is None else values
    with np.errstate(all="ignore"):
        parts: Floats = (later - earlier) / earlier  # exact to the last digit, also near 0
    if not earlier.all():
        parts[earlier == 0.0] = np.nan
    return parts


def period_returns(opened: Ints, worth: Floats, initial: float, bar: float) -> Returns:
    """Return what every UTC day returned, the first one on `initial`; each bar where bars are longer.

    `worth` is the value at each bar's close, `bar` the length of one in days. A day without bars
    returns 0.
    """
    if bar > 1.0:
        return Returns(opened, changes(worth, initial))
    days = opened // DAY_US
    every = np.arange(days[0], days[-1] + 1)
    last = np.searchsorted(days, every, side="right") - 1
    return Returns(every * DAY_US, changes(worth[last], initial))


def month_returns(opened: Ints, worth: Floats, initial: float) -> Returns:
    """Return what every calendar month with bars returned; a bar belongs to the month it opens in."""
    days = opened // DAY_US
    last = np.flatnonzero(np.append(days[1:] != days[:-1], True))
    months = days[last].astype("M8[D]").astype("M8[M]")  # of days: the calendar is slow
    ends = np.append(months[1:] != months[:-1], True)
    months, last = months[ends], last[ends]
    began = months.astype("M8[us]").astype(np.int64)
    return Returns(began, changes(worth[last], initial))
