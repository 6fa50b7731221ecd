import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.listing import listed
from bwsresearch.protocol.amounts import digits
from bwsresearch.protocol.sizes import bought_for, price_of, quantity_of, quote_of

INFO = listed("BTCUSDT", "BTC", "USDT", Grid(1_000_000, 1_000))
"""Tick 0.01, step 0.00001."""


def price(value, *, is_floor=True):
    return price_of(value, INFO, "limit", is_floor=is_floor)


@pytest.mark.parametrize("value", ["1.234567891", Decimal("1.234567891"), 7, "1E-3"])
def test_what_is_written_exactly_is_meant_exactly(value):
    assert price(value) == Decimal(str(value))
    assert quantity_of(value, INFO) == Decimal(str(value))
    assert quote_of(value, INFO) == Decimal(str(value))


def test_floats_are_rounded_to_the_safe_side():
    assert digits(price(20000.129)) == "20000.12"
    assert digits(price(20000.121, is_floor=False)) == "20000.13"
    assert digits(quantity_of(0.0123456, INFO)) == "0.01234"
    assert digits(quote_of(500 / 3, INFO)) == "166.66666666"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (0.1 + 0.2, "0.3"),
        (0.3 - 0.1, "0.2"),
        (1.1 * 3, "3.3"),
        (0.1 * 3, "0.3"),
        (4.35 * 100, "435"),
    ],
)
def test_what_float_arithmetic_blurs_is_what_was_meant(value, meant):
    for is_floor in (True, False):
        assert price(value, is_floor=is_floor) == Decimal(meant)
    assert quantity_of(value, INFO) == Decimal(meant)


def test_small_floats_are_never_written_with_an_exponent():
    assert digits(quantity_of(1e-5, INFO)) == "0.00001"
    assert digits(quote_of(1e-8, INFO)) == "0.00000001"
    assert digits(quantity_of(1e22, INFO)) == "10000000000000000000000"


def test_numpys_floats_are_floats():
    assert quantity_of(np.float64(0.123456789), INFO) == Decimal("0.12345")
    assert quantity_of(np.float32(0.5), INFO) == Decimal("0.5")
    assert quantity_of(np.int64(3), INFO) == 3


@given(st.floats(1e-4, 1e9))
def test_a_rounded_float_is_a_whole_number_of_steps_on_the_safe_side(value):
    slack = Decimal(8 * math.ulp(value))
    low, high = price(value) if value >= 0.01 else None, price(value, is_floor=False)
    assert high % Decimal("0.01") == 0
    assert Decimal(value) - slack * 2 <= high < Decimal(value) + Decimal("0.01") + slack
    if low is not None:
        assert low % Decimal("0.01") == 0
        assert Decimal(value) - Decimal("0.01") - slack < low <= Decimal(value) + slack * 2
    assert not set("eE") & set(digits(quantity_of(value, INFO)))


def test_less_than_a_step_is_an_error_with_the_step():
    with pytest.raises(
        ValueError, match=r"^quantity is 1e-06, less than the step 0.00001; give more"
    ):
        quantity_of(1e-6, INFO)
    with pytest.raises(ValueError, match=r"^limit is 0.001, less than the step 0.01; give more"):
        price(0.001)


@pytest.mark.parametrize("value", [math.nan, math.inf, "one", None, True])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^quantity is .*, must be "):
        quantity_of(value, INFO)


def test_money_buys_what_it_pays_for_at_most():
    quantity = bought_for(Decimal(500), Decimal(60_001), INFO)
    assert digits(quantity) == "0.00833"
    assert quantity * 60_001 <= 500 < (quantity + Decimal("0.00001")) * 60_001
    with pytest.raises(ValueError, match=r"^quote is 0.1, buys less than 0.00001 at 60001"):
        bought_for(Decimal("0.1"), Decimal(60_001), INFO)
    with pytest.raises(ValueError, match="limit is 0, must be above 0"):
        bought_for(Decimal(1), Decimal(0), INFO)
