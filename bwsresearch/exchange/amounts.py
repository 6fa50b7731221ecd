"""Exact amounts: whole numbers of 1e-8 ("units"), and sums of them that 64 bits do not hold."""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "UNIT",
    "Amounts",
    "Ints",
    "counted",
    "divided",
    "product",
    "scaled",
    "split",
    "summed",
]

Ints: TypeAlias = npt.NDArray[np.int64]

UNIT: Final = 100_000_000
"""Units in 1: the exchange writes eight decimals."""
_MOST_STEPS: Final = 2**63


class Amounts(NamedTuple):
    """Amounts as whole numbers and units below 1: a month's turnover is more than 2**63 units."""

    whole: Ints
    parts: Ints

    def at(self, index: int) -> int:
        """Return one of the amounts in units."""
        return int(self.whole[index]) * UNIT + int(self.parts[index])

    def part(self, where: slice) -> "Amounts":
        """Return some of the amounts."""
        return Amounts(self.whole[where], self.parts[where])


def divided(numbers: Ints, by: int) -> tuple[Ints, Ints]:
    """Return quotients and remainders of numbers that are not negative."""
    quotient = numbers // by  # NumPy divides by a constant several times faster than divmod does
    return quotient, numbers - quotient * by


def scaled(counts: Ints, step: int) -> Amounts:
    """Return `counts` steps of so many units."""
    many, few = divided(counts, UNIT)
    whole, parts = divided(few * step, UNIT)
    return Amounts(many * step + whole, parts)


def summed(amounts: Amounts, first: Ints) -> Amounts:
    """Return the sums of stretches; each begins at one of `first`."""
    carried, parts = divided(np.add.reduceat(amounts.parts, first), UNIT)
    return Amounts(np.add.reduceat(amounts.whole, first) + carried, parts)


def split(values: npt.NDArray[np.generic]) -> Amounts:
    """Return decimal numbers as amounts; the whole part is cut off first, so that nothing is rounded."""
    numbers = values.astype(np.float64)
    whole = np.floor(numbers)
    carried, parts = divided(np.rint((numbers - whole) * UNIT).astype(np.int64), UNIT)
    return Amounts(whole.astype(np.int64) + carried, parts)


def product(price: Ints, qty: Ints) -> Ints:
    """Return price × quantity in units, rounded down; only a result beyond 64 bits overflows."""
    (whole, parts), (many, few) = divided(price, UNIT), divided(qty, UNIT)
    return whole * qty + parts * many + parts * few // UNIT


def counted(values: npt.NDArray[np.generic], step: int = 1) -> Ints:
    """Return decimal numbers in steps of so many units, to the nearest one.

    Raises:
        ValueError: when one is too large for 64 bits.
    """
    most = min(_MOST_STEPS * step // UNIT, _MOST_STEPS) - 1
    if len(values) and float(values.max()) > most:
        raise ValueError(f"an amount is {float(values.max()):.0f}, must be at most {most}")
    whole, parts = split(values)
    if not UNIT % step:
        return whole * (UNIT // step) + (parts + step // 2) // step
    return (counted(values) + step // 2) // step
