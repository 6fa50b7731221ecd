"""Where bars of time begin and end: the exchange's intervals, and any other length."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from bwsresearch.enums import INTERVALS
from bwsresearch.times import DAY_MS, STEP_MS, Ms, open_time

__all__ = ["Grid", "grid"]

_LENGTH: Final = re.compile(r"(\d+) ?(ms|s|sec|m|min|h|d|w|M|mo)")
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_MOST_MONTHS: Final = 1200


@dataclass(frozen=True, slots=True)
class Grid:
    """Bars that are `step` long, one of which opens at `anchor_ms`; `step` is ms, or months.

    `name` is that of the exchange's interval where there is one.
    """

    name: str
    step: int
    anchor_ms: int = 0
    is_months: bool = False

    def opens(self, times_ms: Ms) -> Ms:
        """Return, for every time, the open time of the bar that contains it."""
        if self.is_months:
            months = times_ms.astype("M8[ms]").astype("M8[M]").astype(np.int64)
            return _ms(months // self.step * self.step)
        if self.anchor_ms:
            return (times_ms - self.anchor_ms) // self.step * self.step + self.anchor_ms
        return times_ms // self.step * self.step

    def ends(self, opens_ms: Ms) -> Ms:
        """Return when bars end, exclusive."""
        if self.is_months:
            return _ms(opens_ms.astype("M8[ms]").astype("M8[M]").astype(np.int64) + self.step)
        return opens_ms + self.step

    def count(self, first_ms: int, last_ms: int) -> int:
        """Return about how many bars there are from one open time to another."""
        return (last_ms - first_ms) // (self.step * (28 * DAY_MS if self.is_months else 1)) + 1

    def every(self, first_ms: int, last_ms: int) -> Ms:
        """Return all open times from one to another, both included."""
        if self.is_months:
            ends = np.array([first_ms, last_ms], "M8[ms]").astype("M8[M]").astype(np.int64)
            return _ms(np.arange(ends[0], ends[1] + 1, self.step))
        return np.arange(first_ms, last_ms + 1, self.step, dtype=np.int64)


def _ms(months: Ms) -> Ms:
    return months.astype("M8[M]").astype("M8[ms]").astype(np.int64)


def grid(every: object) -> Grid:
    """Return the bars of a length: an interval of the exchange, "90s", "7min", "2w", a timedelta.

    What is as long as an interval of the exchange lies as that does: weeks from Monday. All else
    counts from 1970, weeks from its first Monday, months from January.

    Raises:
        ValueError: when it is no length.
    """
    __tracebackhide__ = True
    if isinstance(every, dt.timedelta):
        return _of_length(every, every // dt.timedelta(milliseconds=1))
    match = _LENGTH.fullmatch(every) if isinstance(every, str) else None
    if match is None or not int(match[1]):
        raise _bad(every)
    count, unit = int(match[1]), match[2]
    if unit in ("M", "mo"):
        if count > _MOST_MONTHS:
            raise _bad(every)
        return Grid(f"{count}M", count, is_months=True)
    return _of_length(every, count * (_UNIT_MS.get(unit) or _UNIT_MS[unit[0]]))


def _of_length(every: object, step: int) -> Grid:
    if not 1 <= step <= 36_525 * DAY_MS:
        raise _bad(every)
    for interval in INTERVALS:
        if STEP_MS.get(interval) == step:
            return Grid(interval, step, open_time(interval, 0))
    is_weeks = step % (7 * DAY_MS) == 0
    name = every if isinstance(every, str) else f"{step}ms"
    return Grid(name, step, open_time("1w", 0) if is_weeks else 0)


def _bad(every: object) -> ValueError:
    return ValueError(
        f"every is {every!r}, must be a length such as '90s', '7m', '4h', '1d', '1w', '1M' (months), "
        "from 1 ms to 100 years"
    )
