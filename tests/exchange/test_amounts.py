import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.exchange.amounts import UNIT, Amounts, counted, product, scaled, split, summed

FIVE_YEARS_OF_A_MEME = 9 * 10**17


def ints(*values):
    return np.array(values, np.int64)


@given(st.integers(0, 9 * 10**18), st.integers(1, 9 * 10**10))
def test_steps_of_so_many_units_are_counted_exactly(count, step):
    if count * step // UNIT < 2**63:
        assert scaled(ints(count), step).at(0) == count * step


@given(
    st.lists(
        st.tuples(st.integers(0, FIVE_YEARS_OF_A_MEME), st.integers(0, UNIT - 1)),
        min_size=1,
        max_size=9,
    )
)
def test_sums_do_not_wrap_where_64_bits_of_units_would(values):
    whole, parts = (ints(*column) for column in zip(*values, strict=True))
    total = summed(Amounts(whole, parts), ints(0))
    assert total.at(0) == sum(w * UNIT + p for w, p in values)
    assert 0 <= total.parts[0] < UNIT


def test_stretches_are_summed_apart():
    total = summed(Amounts(ints(1, 2, 4), ints(UNIT - 1, 1, 5)), ints(0, 2))
    assert [total.at(0), total.at(1)] == [4 * UNIT, 4 * UNIT + 5]
    assert total.part(slice(1, 2)).at(0) == 4 * UNIT + 5


@given(st.integers(0, 90_000_000 * UNIT))
def test_eight_decimals_survive_as_floats(units):
    text = f"{units // UNIT}.{units % UNIT:08d}"
    assert split(np.array([float(text)])).at(0) == units


def test_a_number_that_rounds_up_carries():
    assert split(np.array([0.999999999999])) == Amounts(ints(1), ints(0))


@given(st.integers(0, 10**15), st.sampled_from([1, 1_000, UNIT, 10 * UNIT, 5_000_000]))
def test_numbers_are_counted_to_the_nearest_step(count, step):
    value = count * step / UNIT
    if value < 2**53 / UNIT:
        assert counted(np.array([value]), step)[0] == count


@pytest.mark.parametrize(
    ("value", "step", "most"), [(92_233_720_369.0, 1, 92_233_720_367), (1e20, UNIT, 2**63 - 1)]
)
def test_what_64_bits_do_not_hold_is_refused(value, step, most):
    with pytest.raises(ValueError) as caught:
        counted(np.array([value]), step)
    assert str(caught.value) == f"an amount is {int(value)}, must be at most {most}"


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_price_times_a_quantity_is_rounded_down(price, qty):
    exact = price * qty // UNIT
    if exact < 2**63:
        assert product(ints(price), ints(qty))[0] == exact
