"""When a bar is over: at a time, or with the trade that makes it full."""

import datetime as dt
import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import numpy as np

from bwsresearch.sampling.exact import Counted, Ints
from bwsresearch.sampling.grid import Grid, grid

__all__ = ["Full", "Rule", "full", "rule"]

_NEARLY: Final = 1 - Decimal(2) ** -50
_DENSE: Final = 32
"""With fewer trades a bar it is faster to look for the end of a bar from every trade at once."""


@dataclass(frozen=True, slots=True)
class Full:
    """A bar is over with the trade that brings it to `amount` of `what`."""

    what: Literal["ticks", "volume", "quote"]
    amount: int | float


Rule: TypeAlias = Grid | Full


def rule(every: str | dt.timedelta | None, ticks: object, volume: object, quote: object) -> Rule:
    """Return the one rule that is given.

    Raises:
        ValueError: when it is none or several, or one that cannot be meant.
    """
    __tracebackhide__ = True
    given = {"every": every, "ticks": ticks, "volume": volume, "quote": quote}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise ValueError(
            f"{' and '.join(names) or 'no rule'} given, must be one; "
            "use '5m', ticks=1000, volume=50 or quote=1e6"
        )
    if every is not None:
        return grid(every)
    if ticks is not None:
        if not isinstance(ticks, (int, np.integer)) or isinstance(ticks, bool) or ticks < 1:
            raise ValueError(f"ticks is {ticks!r}, must be a whole number of trades from 1")
        return Full("ticks", int(ticks))
    if volume is not None:
        return Full("volume", _amount("volume", volume))
    return Full("quote", _amount("quote", quote))


def _amount(name: str, value: object) -> int | float:
    __tracebackhide__ = True
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, Decimal, np.integer, np.floating))
        or not 0 < value < math.inf
    ):
        raise ValueError(f"{name} is {value!r}, must be a number above 0")
    return int(value) if value == int(value) else float(value)


def full(amounts: Counted, amount: float) -> Ints:
    """Return the positions behind the trades that bring a bar to `amount`, each from 0 again.

    A trade is not split: what it has beyond the amount is part of the bar that it ends.
    """
    wanted = Decimal(str(amount)) * Decimal(amounts.per)
    # Three times a third, rounded, is 1.
    least = max(1, math.ceil(wanted if amounts.floats is None else wanted * _NEARLY))
    upto = np.cumsum(amounts.numbers)
    total = int(upto[-1]) if len(upto) else 0
    if least > total:
        return np.empty(0, np.int64)
    if total // least * _DENSE > len(upto):
        return _walked(np.searchsorted(upto, upto - amounts.numbers + least))
    return _searched(upto, least)


def _searched(upto: Ints, least: int) -> Ints:
    """Return the ends of bars, each looked for from the one before."""
    found, at, before, sums = array("q"), 0, 0, upto.data
    while (at := bisect_left(sums, before + least, at)) < len(sums):
        before = sums[at]
        at += 1
        found.append(at)
    return np.array(found, np.int64)


def _walked(reached: Ints) -> Ints:
    """Return the ends of bars; `reached` is which trade ends a bar that begins with each."""
    found, at, ends, count = array("q"), 0, reached.data, len(reached)
    while at < count and (at := ends[at] + 1) <= count:
        found.append(at)
    return np.array(found, np.int64)
