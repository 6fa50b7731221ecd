import numpy as np
import pytest
from matplotlib.dates import num2date

from bwsresearch import plot

from .lab import axes, stamps, ticks, walk


@pytest.fixture
def ax():
    return axes()


def test_equity_of_a_wide_range_has_a_logarithmic_axis(ax):
    worth = np.array([1e6, 1e4, 6.0])
    plot.equity(ax, stamps(3), worth, np.array([1e6, 1e6, 1e6]), "USDT")
    assert ax.get_yscale() == "log"
    assert ax.get_title("left") == "Equity at the close, logarithmic"
    assert {"10", "1,000,000"} <= set(ticks(ax))
    narrow = axes()
    plot.equity(narrow, stamps(3), np.array([1.0, 2.0, 3.0]), np.ones(3), "USDT")
    assert (narrow.get_yscale(), narrow.get_title("left")) == ("linear", "Equity at the close")
    ruined = axes()
    plot.equity(ruined, stamps(3), np.array([1.0, 0.0, 0.0]), np.ones(3), "USDT")
    assert ruined.get_yscale() == "linear"


def test_drawdown_hangs_from_zero(ax):
    plot.drawdown(ax, stamps(3), np.array([0.0, -0.25, -0.1]))
    assert ax.get_ylim()[1] == 0.0
    assert ax.lines[0].get_ydata().tolist() == [0.0, -25.0, -10.0]
    assert ax.get_ylabel() == "%"


def test_exposure_of_many_bars_is_drawn_as_means(ax):
    parts = np.tile([1.0, 0.0], 3_000)
    plot.exposure(ax, stamps(6_001), parts)
    assert ax.get_title("left") == "Exposure, means of 30m"
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert set(heights.tolist()) == {0.0, 50.0}
    few = axes()
    plot.exposure(few, stamps(5), np.array([0.0, 1.0, 0.5, 0.0]))
    assert few.get_title("left") == "Exposure"
    edges = few.collections[0].get_paths()[0].vertices[:, 0]
    assert num2date(edges.max()).minute == 4  # the last bar has its width


def test_a_drawdown_names_its_deepest_day(ax):
    plot.drawdown(ax, stamps(3, 86_400_000_000), np.array([0.0, -0.25, -0.1]))
    assert ax.get_title("right") == "deepest -25.0 %, 2024-01-02"
    nearly = axes()
    plot.drawdown(nearly, stamps(2), np.array([0.0, -0.999999]))
    assert nearly.get_title("right") == "deepest -99.9999 %, 2024-01-01"
    none = axes()
    plot.drawdown(none, stamps(2), np.zeros(2))
    assert none.get_title("right") == ""


def test_half_a_million_points_of_equity_keep_their_extremes(ax):
    worth = walk(525_600)
    plot.equity(ax, stamps(525_600), worth, np.full(525_600, 1_000.0), "USDT")
    drawn = ax.lines[1].get_ydata()
    assert len(drawn) < 6_100
    assert (drawn.min(), drawn.max(), drawn[-1]) == (worth.min(), worth.max(), worth[-1])


def test_a_figure_that_moves_begins_where_it_is_known(ax):
    values = np.array([np.nan, np.nan, 1.0, -2.0])
    plot.rolling(ax, stamps(4), values, "Sharpe of 3 days", "")
    assert ax.lines[1].get_ydata().tolist() == [1.0, -2.0]
    assert ax.get_title("left") == "Sharpe of 3 days"
