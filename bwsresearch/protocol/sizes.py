"""Prices and quantities as people give them, as the exchange takes them.

Text, int and Decimal are meant as they are written. A float is rounded to the symbol's steps, towards
the safe side: what is nearer to a step than floats are exact is that step.
"""

import functools
import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from bwsresearch.protocol.amounts import Amount, amount
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["bought_for", "price_of", "quantity_of", "quote_of", "stepped"]

_NOISE: Final = 8
"""Units in the last place by which the sum of a few floats may be off."""


def price_of(value: Amount, info: SymbolInfo, name: str, *, is_floor: bool) -> Decimal:
    """Return a price; a float is rounded to the tick, downwards or upwards.

    Raises:
        ValueError: when it is no number, or a float below the first tick.
    """
    return stepped(value, info.tick_size, name, is_floor=is_floor)


def quantity_of(value: Amount, info: SymbolInfo) -> Decimal:
    """Return a quantity of base; a float is rounded down to the step.

    Raises:
        ValueError: when it is no number, or a float below the first step.
    """
    return stepped(value, info.step_size, "quantity", is_floor=True)


def quote_of(value: Amount, info: SymbolInfo) -> Decimal:
    """Return an amount of quote; a float is rounded down to the asset's precision.

    Raises:
        ValueError: when it is no number, or a float below the smallest amount.
    """
    return stepped(value, Decimal(1).scaleb(-info.quote_asset_precision), "quote", is_floor=True)


def bought_for(quote: Decimal, price: Decimal, info: SymbolInfo) -> Decimal:
    """Return the quantity that is worth `quote` at most, in whole steps.

    Raises:
        ValueError: when that is not one step.
    """
    if price <= 0:
        raise ValueError(f"limit is {price}, must be above 0")
    quantity = _rounded(quote / price, info.step_size, ROUND_FLOOR)
    if quantity <= 0 < quote:
        raise ValueError(
            f"quote is {quote}, buys less than {info.step_size.normalize():f} at {price}; give more"
        )
    return quantity


def stepped(value: Amount, step: Decimal, name: str, *, is_floor: bool) -> Decimal:
    """Return a number; a float is rounded to the step, downwards or upwards.

    Raises:
        ValueError: when it is no number, or a float below the first step.
    """
    number = amount(value, name)
    if isinstance(value, str | int | Decimal) or step <= 0:
        return number
    nearest = _rounded(number, step, ROUND_HALF_EVEN)
    is_meant = abs(nearest - number) <= _NOISE * Decimal(math.ulp(float(number)))
    rounding = ROUND_FLOOR if is_floor else ROUND_CEILING
    stepped = nearest if is_meant else _rounded(number, step, rounding)
    if not stepped and number:
        raise ValueError(f"{name} is {value!r}, less than the step {step.normalize():f}; give more")
    return stepped


@functools.cache
def _plain(step: Decimal) -> Decimal:
    return step.normalize()


def _rounded(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    """Return the multiple of a step next to a number, with the step's decimals."""
    exact = _plain(step)
    return (number / exact).to_integral_value(rounding) * exact
