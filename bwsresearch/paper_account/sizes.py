"""Prices and quantities as people give them, as the exchange takes them."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bwsresearch.protocol.amounts import Amount, amount
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["price_of", "quantity_of"]


def price_of(value: Amount, info: SymbolInfo, *, is_buy: bool) -> Decimal:
    """Return a limit price; a float is rounded to the tick, so that nobody pays more than it says.

    Text, int and Decimal are meant as they are written.
    """
    number = amount(value, "price")
    rounding = ROUND_FLOOR if is_buy else ROUND_CEILING
    return _stepped(number, info.tick_size, rounding) if isinstance(value, float) else number


def quantity_of(value: Amount, info: SymbolInfo) -> Decimal:
    """Return a quantity; a float is rounded down to the step."""
    number = amount(value, "quantity")
    return _stepped(number, info.step_size, ROUND_FLOOR) if isinstance(value, float) else number


def _stepped(number: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (number / step).to_integral_value(rounding) * step
