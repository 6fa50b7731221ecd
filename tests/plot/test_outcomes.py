import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.dates import date2num

from bwsresearch import plot

from .lab import axes, legend, stamps


@pytest.fixture
def ax():
    return axes()


def test_every_trade_is_marked_at_its_return_and_end(ax):
    returns = np.array([0.02, -0.01, 0.0])
    assert plot.trades(ax, stamps(3), returns, np.array([1.0, 2.0, 3.0])) is ax
    wins, losses = (marks.get_offsets() for marks in ax.collections)
    np.testing.assert_array_equal(wins, [[date2num(stamps(3)[0]), 2.0]])
    np.testing.assert_array_equal(losses[:, 1], [-1.0, 0.0])  # nothing won is no win
    assert legend(ax) == ["win (1)", "loss (2)"]


def test_marks_grow_with_what_was_paid(ax):
    plot.trades(ax, stamps(3), np.full(3, 0.1), np.array([1.0, 2.0, 4.0]))
    sizes = ax.collections[0].get_sizes()
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]))


@pytest.mark.parametrize(
    ("seconds", "label", "first"),
    [
        ([60.0, 120.0], "held, seconds", 60.0),
        ([600.0, 1_200.0], "held, minutes", 10.0),
        ([7_200.0, 86_400.0], "held, hours", 2.0),
        ([864_000.0, 864_000.0], "held, days", 10.0),
    ],
)
def test_lengths_are_told_in_the_unit_that_suits_them(ax, seconds, label, first):
    plot.durations(ax, np.array(seconds), np.array([0.1, 0.2]), np.ones(2))
    assert ax.get_xlabel() == label
    assert ax.collections[0].get_offsets()[0, 0] == first


def test_lengths_of_a_wide_range_have_a_logarithmic_axis(ax):
    plot.durations(ax, np.array([60.0, 6_000.0]), np.array([0.1, 0.2]), np.ones(2))
    assert ax.get_xscale() == "log"
    none = axes()
    plot.durations(none, np.array([0.0, 6_000.0]), np.array([0.1, 0.2]), np.ones(2))
    assert none.get_xscale() == "linear"  # a trade within one bar has no place on the other


def test_no_trade_is_told(ax):
    plot.trades(ax, stamps(0), np.zeros(0), np.zeros(0))
    assert [text.get_text() for text in ax.texts] == ["no closed trade"]
    ax.figure.canvas.draw()


@settings(max_examples=20)
@given(st.lists(st.floats(-1, 5, width=32), min_size=1, max_size=400))
def test_a_histogram_counts_every_return_once_and_parts_losses_from_gains(returns):
    ax = plot.histogram(axes(), np.array(returns))
    boxes = [(box.get_x(), box.get_x() + box.get_width(), box.get_height()) for box in ax.patches]
    assert sum(height for *_, height in boxes) == len(returns)
    assert not any(left < -1e-9 < 1e-9 < right for left, right, _ in boxes)


def test_outliers_of_many_returns_count_in_the_outermost_bars_and_that_is_told(ax):
    returns = np.concatenate([np.linspace(-0.01, 0.01, 1_000), [9.0]])
    plot.histogram(ax, returns, "Returns of trades")
    assert ax.get_title("left") == "Returns of trades (1,001)"
    assert ax.get_xlabel() == "% (the outermost bars hold all beyond)"
    assert max(box.get_x() for box in ax.patches) < 2.0
    few = plot.histogram(axes(), np.array([-0.01, 9.0]))
    assert few.get_xlabel() == "%"


def test_a_histogram_of_nothing_is_told(ax):
    plot.histogram(ax, np.array([np.nan]))
    assert [text.get_text() for text in ax.texts] == ["none"]
