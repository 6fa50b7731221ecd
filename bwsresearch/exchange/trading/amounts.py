"""Exact amounts: whole numbers of 1e-8, rounded where and as the exchange rounds.

A trade's notional is rounded down, a commission half up, each per trade. Source: observed on the
exchange; faqs/commission_faq.md.
"""

from decimal import Decimal

from bwsresearch.exchange.market import UNIT

__all__ = ["UNIT", "fee_of", "floored", "notional", "units"]


def units(amount: Decimal) -> int:
    """Return an amount in units.

    Raises:
        ValueError: when it has more than eight decimals.
    """
    scaled = amount.scaleb(8)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{amount} has more than eight decimals")
    return whole


def notional(price: int, qty: int) -> int:
    """Return price × qty in the quote asset, rounded down."""
    return price * qty // UNIT


def fee_of(amount: int, rate: int) -> int:
    """Return a part of an amount, rounded half up; the rate is in units too (0.1 % is 100,000)."""
    return (2 * amount * rate + UNIT) // (2 * UNIT)


def floored(qty: int, step: int) -> int:
    """Return the greatest multiple of `step` that is not above `qty`; a step of 0 counts as 1."""
    return qty - qty % step if step else qty
