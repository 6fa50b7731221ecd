"""Indicators of closed bars."""

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.ta.memo import active
from bwsresearch.ta.sums import means, prefix, room

__all__ = ["atr", "crossover", "ema", "rsi", "sma", "std", "zscore"]

Floats: TypeAlias = npt.NDArray[np.float64]
Line = TypeVar("Line", "pd.Series[Any]", npt.NDArray[Any])
"""One value per bar: a Series or an array."""

_COPIES_ON_WRITE: Final = int(pd.__version__.split(".")[0]) >= 3


def sma(values: Line, window: int) -> Line:
    """Return the mean of the last `window` values, without drift: equal windows have equal means.

    Raises:
        ValueError: when `window` is no whole number of 1 or more.
        TypeError: when values are neither a Series nor an array of numbers.
    """
    return _of_each(values, "sma", window, _sma)


def ema(values: Line, span: int) -> Line:
    """Return the exponential average, alpha = 2 / (span + 1), from the first value on.

    The first `span` − 1 are NaN, since they hang on the first value too much.

    Raises:
        ValueError: when `span` is no whole number of 1 or more.
    """
    return _of_each(values, "ema", span, _ema)


def std(values: Line, window: int) -> Line:
    """Return the standard deviation of the last `window` values, ddof 1.

    Raises:
        ValueError: when `window` is below 2: one value has no deviation.
    """
    return _of_each(values, "std", window, _std, least=2)


def zscore(values: Line, window: int) -> Line:
    """Return how many standard deviations a value lies above the mean of the last `window`.

    NaN where all of them are equal.
    """
    return _of_each(values, "zscore", window, _zscore, least=2)


def rsi(values: Line, window: int = 14) -> Line:
    """Return Wilder's relative strength index, 0 to 100; 50 where nothing moved.

    Gains and losses are averaged as Wilder does: the mean of the first `window` changes, then
    a part of 1 / window of each later one. The first `window` values are NaN.
    """
    return _of_each(values, "rsi", window, _rsi)


def atr(klines: pd.DataFrame, window: int = 14) -> "pd.Series[float]":
    """Return Wilder's average true range of klines, in quote; the first `window` are NaN.

    The true range is that of the bar and of the close before it, so the first bar has none.
    """
    _check(window, 1)
    high, low, close = (klines[name].to_numpy(np.float64) for name in ("high", "low", "close"))
    before = close[:-1]
    ranges = np.maximum(high[1:], before) - np.minimum(low[1:], before)
    return pd.Series(_wilder(ranges, window), index=klines.index, name="atr", copy=False)


def crossover(fast: Line, slow: "Line | float") -> Line:
    """Return where `fast` was below `slow` a bar ago and is above it now, as True and False.

    A touch alone, and leaving it, is no crossing. `crossover(slow, fast)` is the way down.
    """
    left, right = _numbers(fast), slow if isinstance(slow, (int, float)) else _numbers(slow)
    crossed = np.zeros(len(left), np.bool_)
    above, below = left > right, left < right  # False beside NaN
    np.logical_and(above[1:], below[:-1], out=crossed[1:])
    return _as(fast, crossed)


def _of_each(
    values: Line, name: str, window: int, make: Callable[[Floats, int], Floats], *, least: int = 1
) -> Line:
    """Return the indicator of one line; within a sweep that of the sweep's own columns once."""
    _check(window, least)
    array, memo = _numbers(values), active()
    place = None if memo is None else memo.place(array)
    if memo is None or place is None:
        return _as(values, make(array, int(window)))
    key: Hashable = name, int(window), type(values), getattr(values, "name", None), place
    made = memo.recall(key, array.nbytes, lambda: _as(values, make(array, int(window))))
    return _own(made)


def _own(remembered: Line) -> Line:
    """Return what its receiver may write to: a Series is copied when that is done, an array now."""
    if isinstance(remembered, pd.Series):
        return remembered.copy(deep=not _COPIES_ON_WRITE)
    return remembered.copy()


def _sma(values: Floats, window: int) -> Floats:
    bits, memo = room(window), active()
    place = None if memo is None else memo.place(values)
    if memo is None or place is None:
        return means(prefix(values, bits), window)
    key: Hashable = "prefix", bits, place
    return means(memo.recall(key, values.nbytes, lambda: prefix(values, bits)), window)


def _ema(values: Floats, span: int) -> Floats:
    averages = pd.Series(values).ewm(span=span, adjust=False, min_periods=span).mean()
    return averages.to_numpy(copy=True)


def _std(values: Floats, window: int) -> Floats:
    return pd.Series(values).rolling(window).std().to_numpy(copy=True)


def _zscore(values: Floats, window: int) -> Floats:
    deviation = _std(values, window)
    away = values - _sma(values, window)
    result = np.full(len(values), np.nan)
    np.divide(away, deviation, out=result, where=deviation > 0)
    return result


def _rsi(values: Floats, window: int) -> Floats:
    changes = np.diff(values)
    up, down = (_wilder(np.maximum(sign * changes, 0.0), window) for sign in (1.0, -1.0))
    both = up + down
    still = np.where(np.isnan(both), np.nan, 50.0)
    np.divide(100.0 * up, both, out=still, where=both > 0)
    return still


def _wilder(parts: Floats, window: int) -> Floats:
    """Return Wilder's averages of parts that begin at the second bar, one per bar."""
    result = np.full(len(parts) + 1, np.nan)
    begin = int(np.argmax(~np.isnan(parts))) if len(parts) else 0
    known = parts[begin:]
    if len(known) >= window:
        seeded = known[window - 1 :].copy()
        seeded[0] = known[:window].mean()
        average = pd.Series(seeded).ewm(alpha=1.0 / window, adjust=False).mean()
        result[begin + window :] = average.to_numpy()
    return result


def _check(window: int, least: int) -> None:
    if isinstance(window, bool) or int(window) != window or window < least:
        raise ValueError(f"window is {window!r}, must be a whole number of {least} or more")


def _numbers(values: object) -> Floats:
    if not isinstance(values, (pd.Series, np.ndarray)):
        raise TypeError(f"values are a {type(values).__name__}, must be a Series or an array")
    if values.ndim != 1:
        raise TypeError(f"values have shape {values.shape}, must be one number per bar")
    if isinstance(values, pd.Series):
        return values.to_numpy(np.float64)
    return values.astype(np.float64, copy=False)


def _as(values: Line, array: npt.NDArray[Any]) -> Line:
    """Return an array of this module's as what `values` are."""
    if isinstance(values, pd.Series):
        return pd.Series(array, index=values.index, name=values.name, copy=False)
    return array
