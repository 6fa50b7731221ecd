"""Sums of windows that do not drift: values as whole numbers, prefix sums in 64 bits.

A window's sum is the difference of two prefix sums, exact even where these wrap around.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Prefix", "means", "prefix", "room"]

Floats: TypeAlias = npt.NDArray[np.float64]

_SCALES: Final = (1.0, 1e2, 1e4, 1e6, 1e8)
"""Prices and amounts are whole numbers of a decimal part, 1e-8 at the least."""
_BITS: Final = 62
_ROOM: Final = 10
_GLANCE: Final = 1_000


@dataclass(frozen=True)
class Prefix:
    """Prefix sums of `values × scale` as whole numbers, one more than there are values.

    `unknown` counts the values before that are not finite, None where all are.
    """

    sums: npt.NDArray[np.int64]
    scale: float
    unknown: npt.NDArray[np.int64] | None


def room(window: int) -> int:
    """Return how many bits a sum of `window` values needs beside those of a value."""
    return max(_ROOM, window.bit_length())


def prefix(values: Floats, bits: int) -> Prefix:
    """Return prefix sums whose differences are exact for windows of up to 2**bits values.

    Decimal numbers of up to eight places are taken as such: two means that are equal in decimals
    are equal. Others are rounded to a part of the largest that is as fine as float64 is.
    """
    is_known = np.isfinite(values)
    all_known = bool(is_known.all())
    known = values if all_known else np.where(is_known, values, 0.0)
    largest = float(max(known.max(initial=0.0), -known.min(initial=0.0)))
    scale = _decimal(known, largest, bits)
    if scale is None:
        scale = math.ldexp(1.0, min(_BITS - bits - math.frexp(largest)[1], 1_000))
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.rint(known * scale).astype(np.int64), out=sums[1:])
    if all_known:
        return Prefix(sums, scale, None)
    return Prefix(sums, scale, np.concatenate([[0], np.cumsum(~is_known)]))


def _decimal(values: Floats, largest: float, bits: int) -> float | None:
    """Return the power of ten by which all values are whole, None when there is none."""
    for scale in _SCALES:
        if largest * scale >= math.ldexp(1.0, _BITS - bits):
            return None
        if all(_is_whole(part, scale) for part in (values[:_GLANCE], values)):
            return scale
    return None


def _is_whole(values: Floats, scale: float) -> bool:
    return bool((np.rint(values * scale) / scale == values).all())


def means(sums: Prefix, window: int) -> Floats:
    """Return the mean of each value and the `window` − 1 before it, NaN where one is missing."""
    result = np.empty(len(sums.sums) - 1)
    result[: window - 1] = np.nan
    if window > len(result):
        return result
    ready = result[window - 1 :]
    whole = ready.view(np.int64)  # in the same memory: a year of minutes is 4 MB
    np.subtract(sums.sums[window:], sums.sums[:-window], out=whole)
    np.divide(whole, sums.scale * window, out=ready)
    if sums.unknown is not None:
        ready[sums.unknown[window:] > sums.unknown[:-window]] = np.nan
    return result
