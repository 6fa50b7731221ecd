import numpy as np
import pytest
from matplotlib.dates import date2num

from bwsresearch import plot

from .lab import axes, bars, legend, stamps, ticks, walk


@pytest.fixture
def ax():
    return axes()


def test_prices_have_thousands_and_no_exponent(ax):
    plot.price(ax, stamps(5), np.array([9e6, 1e7, 1.1e7, 1.2e7, 9e6]), "BTCIDRT", "IDRT")
    assert ax.get_ylabel() == "IDRT"
    assert ax.get_title("left") == "BTCIDRT close"
    assert "10,000,000" in ticks(ax)
    cheap = axes()
    plot.price(cheap, stamps(3), np.array([0.0000102, 0.0000141, 0.0000119]), "SHIBUSDT", "USDT")
    assert "0.000012" in ticks(cheap)


def test_fills_are_marked_and_counted(ax):
    plot.fills(ax, stamps(3), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    assert legend(ax) == ["buy (2)", "sell (1)"]
    assert [len(marks.get_offsets()) for marks in ax.collections] == [2, 1]


def test_no_side_without_fills_is_in_the_legend(ax):
    plot.price(ax, stamps(3), np.ones(3), "BTCUSDT", "USDT")
    plot.fills(ax, stamps(1), np.ones(1), np.array([True]))
    assert legend(ax) == ["close", "buy (1)"]


def test_more_fills_than_a_picture_can_show_are_told_instead(ax):
    plot.fills(ax, stamps(11_863), np.ones(11_863), np.ones(11_863, np.bool_))
    assert ax.get_title("right") == "11,863 fills, too many to mark"
    assert not ax.collections


def bodies(ax):
    """Corners of the boxes, (count, 4, 2), in the order of time."""
    boxes = [np.array([p.vertices[:4] for p in c.get_paths()]) for c in ax.collections[1::2]]
    every = np.concatenate([some for some in boxes if len(some)])
    return every[every[:, 0, 0].argsort(kind="stable")]


def wicks(ax):
    lines = [np.array(c.get_segments()) for c in ax.collections[::2]]
    return np.concatenate([some for some in lines if len(some)])


def test_few_bars_are_drawn_one_by_one_from_open_to_close_and_low_to_high(ax):
    some = bars([10.0, 12.0, 11.0, 11.0])
    assert plot.candles(ax, some, "BTCUSDT", "USDT") is ax
    assert ax.get_title("left") == "BTCUSDT, 4 bars"
    drawn = bodies(ax)
    np.testing.assert_array_equal(drawn[:, 0, 1], np.minimum(some.open, some.close))
    np.testing.assert_array_equal(drawn[:, 1, 1], np.maximum(some.open, some.close))
    assert (drawn[:, 0, 0] > date2num(some.opened)).all()
    assert (drawn[:, 2, 0] < date2num(some.ended)).all()
    reach = wicks(ax)[..., 1]
    assert (reach.min(), reach.max()) == (some.low.min(), some.high.max())
    assert len(reach) == 8  # above and below each body
    low, high = ax.get_ylim()
    assert low < some.low.min() < some.high.max() < high


def test_rising_and_falling_bars_have_their_colours(ax):
    plot.candles(ax, bars([10.0, 12.0, 11.0]), "BTCUSDT", "USDT")
    rising, falling = ax.collections[1::2]
    assert (len(rising.get_paths()), len(falling.get_paths())) == (2, 1)
    assert rising.get_facecolor().tolist() != falling.get_facecolor().tolist()


def test_half_a_million_bars_are_drawn_as_fewer_that_keep_the_extremes(ax):
    whole = bars(walk(525_600), volume=np.arange(525_600))
    plot.candles(ax, whole, "BTCUSDT", "USDT")
    assert ax.get_title("left").startswith("BTCUSDT, candles of 12h")
    assert len(bodies(ax)) == 730
    reach = np.concatenate([wicks(ax)[..., 1].ravel(), bodies(ax)[..., 1].ravel()])
    assert (reach.min(), reach.max()) == (whole.low.min(), whole.high.max())
    below = axes()
    plot.volume(below, whole, "BTC")
    assert (below.get_title("left"), below.get_ylabel()) == ("Volume in 12h", "BTC")
    heights = [path.vertices[1, 1] for path in below.collections[0].get_paths()]
    assert sum(heights) == whole.volume.sum()


def test_bars_of_any_length_are_as_wide_as_they_last(ax):
    opened = stamps(1)[0] + np.array([0, 1_000_000, 61_000_000, 61_000_000]).astype("m8[us]")
    plot.candles(ax, bars([1.0, 2.0, 3.0, 2.0], opened), "BTCUSDT", "USDT")
    drawn = bodies(ax)
    widths = (drawn[:, 2, 0] - drawn[:, 0, 0]) * 86_400
    assert sorted(widths) == pytest.approx([0.0, 0.7, 42.0, 42.0], abs=1e-4)
    ax.figure.canvas.draw()


def test_prices_of_a_wide_range_have_a_logarithmic_axis(ax):
    plot.candles(ax, bars([100.0, 4_000.0]), "BTCUSDT", "USDT")
    assert ax.get_yscale() == "log"
    assert ax.get_title("left") == "BTCUSDT, 2 bars, logarithmic"
    assert {"100", "200", "500", "1,000", "2,000"} <= set(ticks(ax))


def test_every_fill_of_few_stands_where_it_was_made(ax):
    when, at = stamps(400), walk(400)
    bought = np.arange(400) % 3 == 0
    plot.fills(ax, when, at, bought)
    buys, sales = (marks.get_offsets() for marks in ax.collections)
    np.testing.assert_array_equal(buys, np.column_stack([date2num(when[bought]), at[bought]]))
    np.testing.assert_array_equal(sales, np.column_stack([date2num(when[~bought]), at[~bought]]))
    assert legend(ax) == ["buy (134)", "sell (266)"]
