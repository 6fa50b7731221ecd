"""Sums of decimal numbers that were read as floats: exact, rounded once in the end.

Prices and quantities have few decimals, so that they are small whole numbers of a step; those are
added in 64 bits. The exchange's own sums are exact decimals, which a reader rounds once as well.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt

__all__ = ["Counted", "Floats", "Ints", "counted", "product", "sums"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_DECIMALS: Final = 8
"""The exchange writes, and keeps, no more."""
_EXACT: Final = 2**53
_SURE: Final = 2.0**52
"""Up to here no two whole numbers of a step are the same float."""
_MOST: Final = 2.0**62
_BITS: Final = 62
_CHUNK: Final = 1 << 16
"""Rows at a time, so that what is calculated on the way stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Amounts that are not negative, as whole numbers of 1/`per`; all together below 2**62.

    They are exact when `per` is an int, a power of ten. Those with more than eight decimals, or too
    large, are rounded to the smallest power of two, and are there as `floats` too.
    """

    numbers: Ints
    per: int | float
    floats: Floats | None = None


def counted(values: Floats) -> Counted:
    """Return amounts as whole numbers of the largest power of ten that all are multiples of."""
    decimals, most = 0, float(values.max(initial=0.0))
    for part in _chunks(values):
        while decimals <= _DECIMALS and not _is_whole(part, 10**decimals):
            decimals += 1
    per = 10**decimals
    if decimals > _DECIMALS or most * per >= _SURE or float(values.sum()) * per >= _MOST:
        return _rounded(values)
    return Counted(_steps(values, per), per)


def product(prices: Floats, price: Counted, quantities: Floats, qty: Counted) -> Counted:
    """Return prices × quantities, each cut off behind eight decimals as the exchange does."""
    per = price.per * qty.per
    most = float(price.numbers.max(initial=0)) * float(qty.numbers.max(initial=0))
    if not isinstance(per, int) or most >= _MOST:
        return _rounded(prices * quantities)
    numbers = price.numbers * qty.numbers
    if per > 10**_DECIMALS:
        numbers //= per // 10**_DECIMALS
        per = 10**_DECIMALS
    if float(numbers.sum(dtype=np.float64)) >= _MOST:
        return _rounded(prices * quantities)
    return Counted(numbers, per)


def sums(amounts: Counted, first: Ints, of: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return the sums of stretches that begin at `first`, of all rows or of those in a mask."""
    if amounts.floats is not None:
        return _float_sums(amounts.floats if of is None else amounts.floats * of, first)
    totals = np.add.reduceat(amounts.numbers if of is None else amounts.numbers * of, first)
    result = totals / amounts.per
    # NumPy rounds a large number before it divides; Python rounds once.
    for at in np.flatnonzero(totals >= _EXACT).tolist():
        result[at] = int(totals[at]) / amounts.per
    return result


def _float_sums(values: Floats, first: Ints) -> Floats:
    """Return the sums of stretches of floats, each rounded once."""
    edges = [*first.tolist(), len(values)]
    return np.array([math.fsum(values[a:b].tolist()) for a, b in pairwise(edges)])


def _chunks(values: Floats) -> list[Floats]:
    return [values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK)]


def _is_whole(values: Floats, per: int) -> bool:
    """Whether all are what reading a whole number of 1/`per` gives."""
    return bool((np.rint(values * per) / per == values).all())


def _steps(values: Floats, per: float) -> Ints:
    result = np.empty(len(values), np.int64)
    for at, part in zip(range(0, len(values), _CHUNK), _chunks(values), strict=True):
        result[at : at + _CHUNK] = np.rint(part * per)
    return result


def _rounded(values: Floats) -> Counted:
    """Return amounts as whole numbers of the smallest power of two with which 64 bits hold them all."""
    total = float(values.sum())
    per = cast("float", np.ldexp(1.0, _BITS - 1 - int(np.frexp(total)[1])))
    return Counted(_steps(values, per), float(per), values)
