from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.sampling.exact import Counted, counted
from bwsresearch.sampling.grid import grid
from bwsresearch.sampling.rules import Full, full, rule


def one_by_one(numbers, least):
    """The positions behind the trades that fill bars, found trade by trade."""
    found, held = [], 0
    for at, number in enumerate(numbers):
        held += number
        if held >= least:
            found.append(at + 1)
            held = 0
    return found


@given(st.lists(st.integers(0, 50), max_size=300), st.integers(1, 2000))
def test_bars_are_full_where_counting_one_by_one_fills_them(numbers, least):
    amounts = Counted(np.array(numbers, np.int64), 1)
    assert full(amounts, least).tolist() == one_by_one(numbers, least)


@pytest.mark.parametrize("least", [1, 10, 60, 400, 3_000, 10**6, 10**9])
def test_few_long_bars_and_many_short_ones_are_found_alike(least):
    numbers = np.random.default_rng(2).integers(0, 40, 50_000)
    assert full(Counted(numbers, 1), least).tolist() == one_by_one(numbers.tolist(), least)


def test_an_amount_is_a_decimal_not_the_float_next_to_it():
    tenths = counted(np.array([0.1] * 30))
    assert full(tenths, 0.3).tolist() == list(range(3, 31, 3))  # 0.1 + 0.1 + 0.1 > 0.3 as floats
    assert full(tenths, 0.25).tolist() == list(range(3, 31, 3))
    assert full(tenths, 1e-9).tolist() == list(range(1, 31))


def test_amounts_that_are_no_decimals_fill_bars_too():
    thirds = counted(np.full(30, 1 / 3))
    assert full(thirds, 1).tolist() == list(range(3, 31, 3))


def test_a_rule_is_what_was_given():
    assert rule("5m", None, None, None) == grid("5m")
    assert rule(None, np.int64(10), None, None) == Full("ticks", 10)
    assert rule(None, None, Decimal("0.5"), None) == Full("volume", 0.5)
    assert rule(None, None, None, 1e6) == Full("quote", 1_000_000)
    assert repr(rule(None, None, None, 1e6).amount) == "1000000"
