import base64
import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.dates import num2date
from matplotlib.image import imread

from bwsresearch import plot, tables


@pytest.fixture
def ax():
    return plot.figure(6, 3).subplots()


def stamps(count):
    return np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(60_000_000, "us")


def ticks(ax):
    ax.figure.canvas.draw()
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("count", [6_001, 9_000, 100_003, 525_600])
def test_thinning_keeps_every_extreme_and_both_ends(count):
    values = np.cumsum(np.random.default_rng(3).normal(0, 1, count))
    values[777], values[-5] = 9_999.0, -9_999.0
    when, kept = plot.thinned(stamps(count), values)
    assert len(kept) <= 4 * 1_501
    assert (kept.max(), kept.min()) == (9_999.0, -9_999.0)
    assert (when[0], when[-1]) == (stamps(count)[0], stamps(count)[-1])
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    assert (np.diff(when) > np.timedelta64(0, "us")).all()
    row = np.searchsorted(stamps(count), when)
    np.testing.assert_array_equal(values[row], kept)
    # Between two points that are kept nothing lies outside their strip's range.
    per = -(-count // 1_500)
    edges = np.arange(0, count, per)
    assert np.isin(edges, row).all()
    assert np.isin(edges[1:] - 1, row).all()
    lowest = np.minimum.reduceat(values, np.arange(0, count, per))
    np.testing.assert_array_equal(
        np.minimum.reduceat(kept, np.searchsorted(row, np.arange(0, count, per))), lowest
    )


def test_a_short_series_is_drawn_whole():
    values = np.arange(6_000.0)
    assert plot.thinned(stamps(6_000), values)[1] is values


def test_prices_have_thousands_and_no_exponent(ax):
    plot.price(ax, stamps(5), np.array([9e6, 1e7, 1.1e7, 1.2e7, 9e6]), "BTCIDRT", "IDRT")
    assert ax.get_ylabel() == "IDRT"
    assert ax.get_title("left") == "BTCIDRT close"
    assert "10,000,000" in ticks(ax)
    cheap = plot.figure(6, 3).subplots()
    plot.price(cheap, stamps(3), np.array([0.0000102, 0.0000141, 0.0000119]), "SHIBUSDT", "USDT")
    assert "0.000012" in ticks(cheap)


def test_fills_are_marked_and_counted(ax):
    plot.fills(ax, stamps(3), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["buy (2)", "sell (1)"]
    assert [len(marks.get_offsets()) for marks in ax.collections] == [2, 1]


def test_no_side_without_fills_is_in_the_legend(ax):
    plot.price(ax, stamps(3), np.ones(3), "BTCUSDT", "USDT")
    plot.fills(ax, stamps(1), np.ones(1), np.array([True]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["close", "buy (1)"]


def test_more_fills_than_a_picture_can_show_are_told_instead(ax):
    plot.fills(ax, stamps(11_863), np.ones(11_863), np.ones(11_863, np.bool_))
    assert ax.get_title("right") == "11,863 fills, too many to mark"
    assert not ax.collections


def test_equity_of_a_wide_range_has_a_logarithmic_axis(ax):
    worth = np.array([1e6, 1e4, 6.0])
    plot.equity(ax, stamps(3), worth, np.array([1e6, 1e6, 1e6]), "USDT")
    assert ax.get_yscale() == "log"
    assert ax.get_title("left") == "Equity at the close, logarithmic"
    assert {"10", "1,000,000"} <= set(ticks(ax))
    narrow = plot.figure(6, 3).subplots()
    plot.equity(narrow, stamps(3), np.array([1.0, 2.0, 3.0]), np.ones(3), "USDT")
    assert (narrow.get_yscale(), narrow.get_title("left")) == ("linear", "Equity at the close")
    ruined = plot.figure(6, 3).subplots()
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
    assert ax.get_title("left") == "Exposure, means of 20 bars"
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert set(heights.tolist()) == {0.0, 50.0}
    few = plot.figure(6, 3).subplots()
    plot.exposure(few, stamps(5), np.array([0.0, 1.0, 0.5, 0.0]))
    assert few.get_title("left") == "Exposure"
    edges = few.collections[0].get_paths()[0].vertices[:, 0]
    assert num2date(edges.max()).minute == 4  # the last bar has its width


def test_depth_is_drawn_from_a_book():
    bids = [(99.5, 1.0), (99.0, 2.0)]
    asks = [(100.5, 3.0), (101.0, 4.0), (102.0, 1.0)]
    book = tables.depth_frame(bids, asks, {"symbol": "BTCUSDT"})
    ax = plot.depth(plot.figure(6, 3).subplots(), book)
    assert ax.get_title("left") == "BTCUSDT depth"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("price, quote", "cumulated qty, base")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["bids (2)", "asks (3)"]
    assert ax.lines[0].get_xydata().tolist() == [[99.5, 1.0], [99.0, 3.0]]
    assert ax.lines[1].get_xydata().tolist() == [[100.5, 3.0], [101.0, 7.0], [102.0, 8.0]]
    assert ax.get_ylim()[0] == 0.0
    ax.figure.canvas.draw()


def test_a_png_is_the_size_that_was_asked_for():
    figure = plot.figure(4, 2)
    pixels = imread(io.BytesIO(base64.b64decode(plot.png(figure, dpi=50))))
    assert pixels.shape[:2] == (100, 200)


def test_a_dark_figure_has_light_words_and_the_same_places():
    figure = plot.figure(6, 4)
    axes = plot.panels(figure, (2, 1))
    plot.equity(axes[0], stamps(3), np.array([1.0, 2.0, 3.0]), np.ones(3), "USDT")
    plot.drawdown(axes[1], stamps(3), np.array([0.0, -0.5, 0.0]))
    plot.png(figure)
    places = [ax.get_position().bounds for ax in axes]
    plot.darken(figure)
    plot.png(figure)
    assert [ax.get_position().bounds for ax in axes] == places
    to_grey = mpl.colors.to_rgb
    assert sum(to_grey(figure.get_facecolor())) < 0.4
    words = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert len(words) > 10
    assert all(sum(to_grey(text.get_color())) > 2.5 for text in words)


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = "import sys, bwsresearch.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
