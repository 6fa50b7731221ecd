import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.sampling.exact import counted, product, sums

START = np.zeros(1, np.int64)


def total(amounts):
    return float(sums(amounts, START)[0])


@given(st.integers(0, 8), st.lists(st.integers(0, 10**15), min_size=1, max_size=50))
def test_a_sum_of_decimals_is_the_exact_one_rounded_once(places, steps):
    values = np.array([n / 10**places for n in steps])
    amounts = counted(values)
    assert isinstance(amounts.per, int)
    assert total(amounts) == sum(steps) / 10**places


@given(
    st.lists(
        st.tuples(st.integers(1, 10**7), st.integers(0, 10**9), st.booleans()),
        min_size=1,
        max_size=50,
    )
)
def test_a_turnover_is_the_exact_one_rounded_once(rows):
    price = np.array([p / 100 for p, _, _ in rows])
    qty = np.array([q / 10**5 for _, q, _ in rows])
    of = np.array([taken for _, _, taken in rows])
    amounts = product(price, counted(price), qty, counted(qty))
    assert total(amounts) == sum(p * q for p, q, _ in rows) / 10**7
    taken = sums(amounts, START, of)[0]
    assert taken == sum(p * q for p, q, is_taken in rows if is_taken) / 10**7


def test_sums_that_floats_do_not_hold_are_rounded_once():
    # 2**53 + 1, over 10: NumPy's conversion to float would lose the 1 before the division.
    steps = [2**51 + 3, 2**51 + 3, 2**51 - 1, 2**51 + 8]
    amounts = counted(np.array(steps) / 10)
    assert total(amounts) == float(Fraction(sum(steps), 10))


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e30])
def test_numbers_that_are_no_decimals_are_summed_as_floats_are(scale):
    values = np.random.default_rng(4).random(5000) * scale
    first = np.array([0, 1, 2000, 4999])
    found = sums(counted(values), first)
    edges = [*first, 5000]
    assert found.tolist() == [math.fsum(values[a:b]) for a, b in pairwise(edges)]
    of = values > np.median(values)
    assert sums(counted(values), START, of)[0] == math.fsum(values[of])


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e30])
def test_what_is_rounded_stays_near_and_within_64_bits(scale):
    values = np.random.default_rng(4).random(5000) * scale
    amounts = counted(values)
    assert np.allclose(amounts.numbers / amounts.per, values, rtol=0, atol=values.sum() * 2.0**-61)
    assert 2**59 < int(amounts.numbers.sum()) < 2**62


def test_a_turnover_that_64_bits_do_not_hold_is_summed_as_floats_are():
    price, qty = np.array([123456789.01, 98765432.1]), np.array([987654321.12345, 1.00001])
    amounts = product(price, counted(price), qty, counted(qty))
    assert total(amounts) == math.fsum(price * qty)


def test_decimals_may_differ_from_chunk_to_chunk():
    values = np.concatenate([np.ones(70_000), np.full(70_000, 0.5), np.full(70_000, 0.00000001)])
    amounts = counted(values)
    assert amounts.per == 10**8
    assert total(amounts) == 105000.0007


def test_nothing_is_counted_as_nothing():
    amounts = counted(np.zeros(0))
    assert (amounts.numbers.tolist(), amounts.per) == ([], 1)
    assert total(counted(np.zeros(3))) == 0.0
