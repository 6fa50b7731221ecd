from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.protocol.amounts import amount, digits


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("0.00010000", "0.00010000"),
        ("1e-7", "0.0000001"),
        (1e-7, "0.0000001"),
        (0.1, "0.1"),
        (60_000, "60000"),
        (60_000.0, "60000.0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-8"), "0.00000000"),
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
    ],
)
def test_an_amount_is_sent_as_it_was_meant_and_never_with_an_exponent(given, sent):
    assert digits(amount(given)) == sent


@pytest.mark.parametrize("given", ["", "1,5", "a lot", True, [], object(), b"1"])
def test_what_is_no_number_is_named_with_an_example(given):
    with pytest.raises(ValueError, match=r'quantity is .*, must be a number such as "0.001"'):
        amount(given, "quantity")


@pytest.mark.parametrize("given", [float("nan"), float("inf"), "-Infinity", "1e40", "1e-41", 1e300])
def test_what_is_no_amount_of_money_is_refused(given):
    with pytest.raises(ValueError, match=r"price is .*, must be finite and have at most 40 digits"):
        amount(given, "price")


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_float_survives_the_wire(number):
    assert float(digits(amount(number))) == number


@given(st.decimals(min_value=0, max_value=10**12, places=8))
def test_a_decimal_is_not_rounded(number):
    assert Decimal(digits(amount(number))) == number
