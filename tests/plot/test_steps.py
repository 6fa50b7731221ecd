import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch import plot

from .lab import axes


def drawn(amounts, **options):
    labels = [f"reason {n}" for n in range(len(amounts))]
    return plot.waterfall(axes(), labels, amounts, unit="USDT", **options)


def test_each_step_begins_where_the_last_one_ended():
    ax = drawn([-12.5, 2.5], start=100.0, end=90.0, names=("backtest", "paper"))
    boxes = [(box.get_x(), box.get_width()) for box in ax.patches[2:]]
    assert boxes == [(100.0, -12.5), (87.5, 2.5)]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["backtest", "reason 0", "reason 1", "paper"]
    assert [text.get_text() for text in ax.texts] == ["100", "-12.5", "+2.5", "90"]
    assert ax.get_title("left") == "From backtest to paper: -10 USDT"


def test_what_the_amounts_leave_over_is_a_step_of_its_own():
    ax = drawn([1.0], start=100.0, end=103.0)
    assert [label.get_text() for label in ax.get_yticklabels()][-2:] == ["unexplained", "end"]
    assert ax.patches[-1].get_width() == 2.0
    exact = drawn([0.1, 0.2], start=0.0, end=0.3)  # but for rounding
    assert "unexplained" not in [label.get_text() for label in exact.get_yticklabels()]


@settings(max_examples=20)
@given(st.lists(st.floats(-1e3, 1e3), max_size=8), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_steps_lead_from_the_start_to_the_end_and_all_are_in_the_picture(amounts, start, end):
    ax = drawn(amounts, start=start, end=end)
    steps = [box.get_width() for box in ax.patches[2:]]
    assert start + sum(steps) == pytest.approx(end, abs=1e-6)
    low, high = ax.get_xlim()
    assert all(low <= box.get_x() <= high for box in ax.patches)


def test_a_label_for_each_amount_is_asked_for():
    with pytest.raises(ValueError, match="1 labels for 2 amounts, give one for each"):
        plot.waterfall(axes(), ["a"], [1.0, 2.0], start=0.0, end=3.0, unit="USDT")
