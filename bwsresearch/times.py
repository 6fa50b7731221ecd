"""Epoch times, kline intervals and the ranges that people write.

All times are int milliseconds since the epoch, UTC; ranges are half-open.
Rules of the calendar: weeks open on Monday 00:00, months on their first day, three-day bars
on the days that the exchange's own history uses (the first is 2017-08-17); all others are
multiples of their length since the epoch.
"""

import datetime as dt
import difflib
import re
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import INTERVALS, Interval

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "MONTHS",
    "STEP_MS",
    "Ms",
    "TimeLike",
    "as_interval",
    "epoch_ms",
    "iso",
    "next_open",
    "next_opens",
    "open_time",
    "open_times",
    "opens",
    "period_start",
]

Ms: TypeAlias = npt.NDArray[np.int64]
TimeLike: TypeAlias = str | int | float | dt.date | dt.datetime | np.datetime64
"""What a person may write for a time: ISO text, "now", "-2h", epoch ms, date, datetime, Timestamp."""

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
_UNIT_MS: Final = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}

MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip

STEP_MS: Final[dict[Interval, int]] = {
    i: int(i[:-1]) * _UNIT_MS[i[-1]] for i in INTERVALS if i != "1M"
}
"""Length of every interval but the calendar month."""

_ANCHOR_MS: Final[dict[Interval, int]] = {"1w": 4 * DAY_MS, "3d": DAY_MS}
"""A time at which a bar opens, where that is not the epoch: Monday 1970-01-05; 1970-01-02."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RELATIVE: Final = re.compile(r"-(\d+)(s|min|m|h|d|w|mo|y)")
_PERIOD: Final = re.compile(r"(\d+)(s|min|m|h|d|w|mo|y)")
_PARTIAL: Final = re.compile(r"\d{4}(-\d{2})?")
_LENGTH: Final = re.compile(r"(\d*)\s*([a-zA-Z]+)")
_MIN_MS: Final = 0
_MAX_MS: Final = 4_102_444_800_000  # 2100-01-01
_SECONDS_UNTIL: Final = 10**11
"""Below it a number is a time in seconds: as milliseconds it would lie before March 1973."""


def as_interval(text: str) -> Interval:
    """Return `text` as an interval.

    Raises:
        ValueError: naming the interval that is probably meant when it is not one of the 16.
    """
    if text in INTERVALS:
        return text
    meant = _meant(str(text))
    hint = f"; did you mean {meant!r}?" if meant else ""
    raise ValueError(f"interval is {text!r}, must be one of {' '.join(INTERVALS)}{hint}")


def _meant(text: str) -> str | None:
    """Return the interval of the same length ("60min" is 1h), or the one that looks most alike."""
    match = _LENGTH.fullmatch(text.strip())
    if match and match[2] != "M":
        unit, count = match[2].lower(), int(match[1] or 1)
        if unit.startswith("mo"):
            return "1M"
        length = count * _UNIT_MS.get(unit[0], 0)
        same = [interval for interval, step in STEP_MS.items() if step == length]
        if same:
            return same[0]
    near = difflib.get_close_matches(text, INTERVALS, n=1)
    return near[0] if near else None


def open_times(interval: Interval, times_ms: Ms) -> Ms:
    """Return, for every time, the open time of the bar that contains it."""
    if interval == "1M":
        months = times_ms.astype("M8[ms]").astype("M8[M]")
        return months.astype("M8[ms]").astype(np.int64)
    step, anchor = STEP_MS[interval], _ANCHOR_MS.get(interval, 0)
    return (times_ms - anchor) // step * step + anchor


def open_time(interval: Interval, time_ms: int) -> int:
    """Return the open time of the bar that contains `time_ms`."""
    if interval == "1M":
        return int(open_times(interval, np.array([time_ms], np.int64))[0])
    step, anchor = STEP_MS[interval], _ANCHOR_MS.get(interval, 0)
    return (time_ms - anchor) // step * step + anchor


def next_open(interval: Interval, time_ms: int, bars: int = 1) -> int:
    """Return the open time of the bar `bars` after the one that contains `time_ms`."""
    if interval == "1M":
        month = np.datetime64(time_ms, "ms").astype("M8[M]") + np.timedelta64(bars, "M")
        return int(month.astype("M8[ms]").astype(np.int64))
    return open_time(interval, time_ms) + bars * STEP_MS[interval]


def next_opens(interval: Interval, times_ms: Ms) -> Ms:
    """Return, for every time, when the bar that contains it is over and the next one opens."""
    if interval == "1M":
        months = times_ms.astype("M8[ms]").astype("M8[M]") + 1
        return months.astype("M8[ms]").astype(np.int64)
    return open_times(interval, times_ms) + STEP_MS[interval]


def opens(interval: Interval, start_ms: int, end_ms: int) -> Ms:
    """Return every open time in [start_ms, end_ms), ascending."""
    first = open_time(interval, start_ms)
    if first < start_ms:
        first = next_open(interval, first)
    if interval == "1M":
        after = np.datetime64(end_ms - 1, "ms").astype("M8[M]") + np.timedelta64(1, "M")
        months = np.arange(np.datetime64(first, "ms").astype("M8[M]"), after)
        return months.astype("M8[ms]").astype(np.int64)
    return np.arange(first, end_ms, STEP_MS[interval], dtype=np.int64)


def epoch_ms(value: TimeLike, now_ms: int, *, name: str = "start") -> int:
    """Return `value` as UTC epoch milliseconds; naive times are read as UTC.

    Raises:
        ValueError: naming `name`, the value and the accepted forms.
    """
    if isinstance(value, (bool, np.bool_)):
        raise _bad_time(name, value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _from_number(value, name)
    if isinstance(value, str):
        return _bounded(name, value, _from_text(value.strip(), now_ms, name))
    if isinstance(value, (dt.date, np.datetime64)):
        if str(value) == "NaT":  # pandas' NaT is a datetime too
            raise _bad_time(name, value)
        return _bounded(name, value, _from_stamp(value))
    raise _bad_time(name, value)


def _from_number(value: float | np.integer[Any] | np.floating[Any], name: str) -> int:
    if not isinstance(value, int) and not np.isfinite(value):
        raise _bad_time(name, value)
    ms = int(value)
    if 0 < ms < _SECONDS_UNTIL or not _MIN_MS <= ms <= _MAX_MS:
        raise ValueError(
            f"{name} is {value!r}, not epoch milliseconds (0, or 1973 to 2100); "
            "seconds × 1000 and microseconds ÷ 1000 are milliseconds"
        )
    return ms


def _from_text(text: str, now_ms: int, name: str) -> int:
    if text == "now":
        return now_ms
    if match := _RELATIVE.fullmatch(text):
        return _back(now_ms, int(match[1]), match[2])
    if _PARTIAL.fullmatch(text):
        text = text + "-01-01"[len(text) - 4 :]
    try:
        return _from_stamp(dt.datetime.fromisoformat(text))
    except ValueError:
        raise _bad_time(name, text) from None


def _from_stamp(value: dt.date | np.datetime64) -> int:
    if isinstance(value, np.datetime64):
        return int(value.astype("M8[ms]").astype(np.int64))
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return (aware - _EPOCH) // dt.timedelta(milliseconds=1)
    return (value - _EPOCH.date()).days * DAY_MS


def _bounded(name: str, value: object, ms: int) -> int:
    if not _MIN_MS <= ms <= _MAX_MS:
        raise ValueError(f"{name} is {value!r}, must lie between 1970 and 2100")
    return ms


def _bad_time(name: str, value: object) -> ValueError:
    return ValueError(
        f"{name} is {value!r}, not a time; use '2024-01-31', '2024-01-31T12:00', '-2h', 'now', "
        "epoch milliseconds, a date, a datetime or a Timestamp"
    )


def _back(end_ms: int, count: int, unit: str) -> int:
    if unit in ("mo", "y"):
        end = _EPOCH + dt.timedelta(milliseconds=end_ms)
        months = end.year * 12 + end.month - 1 - count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        if year < 1970:
            return 0
        last = (dt.date(year + month // 11, (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
        return (
            end.replace(year=year, month=month + 1, day=min(end.day, last)) - _EPOCH
        ) // dt.timedelta(milliseconds=1)
    return max(0, end_ms - count * _UNIT_MS["m" if unit == "min" else unit])


def period_start(period: str, end_ms: int) -> int:
    """Return the start of the range of length `period` that ends at `end_ms`.

    A period is a count and one of s, m (minutes), h, d, w, mo (calendar months), y; or "ytd" (from
    the first of January); or "max" (from 0, the caller clips to what exists).

    Raises:
        ValueError: naming the accepted forms.
    """
    if period == "max":
        return 0
    if period == "ytd":
        return (
            dt.datetime((_EPOCH + dt.timedelta(milliseconds=end_ms)).year, 1, 1, tzinfo=dt.UTC)
            - _EPOCH
        ) // dt.timedelta(milliseconds=1)
    if match := _PERIOD.fullmatch(str(period)):
        return _back(end_ms, int(match[1]), match[2])
    raise ValueError(f"period is {period!r}, must be like 90m 12h 7d 4w 3mo 1y, ytd or max")


def iso(time_ms: int) -> str:
    """Return a time as people write it, down to its last part that is not zero: 2024-01-31 12:00."""
    stamp = _EPOCH + dt.timedelta(milliseconds=time_ms)
    if time_ms % DAY_MS == 0:
        return f"{stamp:%Y-%m-%d}"
    if time_ms % MINUTE_MS == 0:
        return f"{stamp:%Y-%m-%d %H:%M}"
    whole = f"{stamp:%Y-%m-%d %H:%M:%S}"
    return whole if time_ms % SECOND_MS == 0 else f"{whole}.{time_ms % SECOND_MS:03d}"
