"""Amounts of money: given as any number, kept as Decimal, sent as plain digits.

A float means the shortest decimal that is equal to it, as Python prints it: 0.1 is sent as "0.1".
Nothing is rounded, and nothing is ever written with an exponent, which the exchange refuses.
"""

from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

__all__ = ["Amount", "amount", "digits"]

Amount: TypeAlias = Decimal | str | int | float
"""What a caller may give for a price or a quantity."""

_MOST_DIGITS: Final = 40


def amount(value: Amount, name: str = "amount") -> Decimal:
    """Return an amount as Decimal, its trailing zeros kept.

    Raises:
        ValueError: when it is not a finite number, or has more digits than any amount of money.
    """
    try:
        number = value if type(value) is Decimal else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f'{name} is {value!r}, must be a number such as "0.001"') from None
    if not number.is_finite() or number.adjusted() not in range(-_MOST_DIGITS, _MOST_DIGITS):
        raise ValueError(
            f"{name} is {value!r}, must be finite and have at most {_MOST_DIGITS} digits on "
            'either side of the point; give it as a str such as "0.001"'
        )
    return number


def digits(number: Decimal) -> str:
    """Return an amount as the exchange reads it: Decimal("1E-7") → "0.0000001"."""
    return format(number, "f")
