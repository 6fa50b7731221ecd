import re
import warnings

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch import plot
from bwsresearch.history.liquidity import books_of, heat_of
from bwsresearch.tables import BOOKS, books_frame, concat, empty, wide_books_frame

SECOND = 1_000_000
START = 1_704_067_200 * SECOND


def book(second, bids, asks):
    """Rows of a book: [(price, qty), …] of each side."""
    count = len(bids) + len(asks)
    levels = np.array([*bids, *asks], np.float64).reshape(count, 2)
    return {
        "time": np.full(count, START + second * SECOND),
        "last_update_id": np.full(count, second + 1),
        "is_ask": np.repeat([False, True], [len(bids), len(asks)]),
        "level": np.concatenate([np.arange(len(bids)), np.arange(len(asks))]) + 1,
        "price": levels[:, 0],
        "qty": levels[:, 1],
        "request_time": np.full(count, START + second * SECOND),
        "reply_time": np.full(count, START + second * SECOND),
    }


def walk(seconds, depth=10):
    """Books of a price that walks, one each of `seconds`."""
    draw, count, sides = np.random.default_rng(3), len(seconds), 2 * depth
    mids = 100 + np.cumsum(draw.choice([-0.01, 0.0, 0.01], count))
    levels = np.tile(np.arange(1, depth + 1), 2 * count)
    is_ask = np.tile(np.repeat([False, True], depth), count)
    due = START + np.repeat(np.asarray(seconds), sides) * SECOND
    return {
        "time": due,
        "last_update_id": due // SECOND - START // SECOND + 1,
        "is_ask": is_ask,
        "level": levels,
        "price": np.round(np.repeat(mids, sides) + np.where(is_ask, 0.01, -0.01) * levels, 2),
        "qty": draw.exponential(size=sides * count) + 0.1,
        "request_time": due,
        "reply_time": due,
    }


def frame(columns):
    return books_frame(columns, ["price", "qty"], {"symbol": "BTCUSDT"})


def test_a_long_frame_and_a_wide_one_are_the_same_books():
    columns = concat(BOOKS, [walk(range(20)), book(30, [(99.0, 1.0)], [])])
    long, wide = (
        books_of(one)
        for one in (frame(columns), wide_books_frame(columns, ["price", "qty"], 10, {}))
    )
    np.testing.assert_array_equal(long.times, wide.times)
    np.testing.assert_array_equal(long.prices, wide.prices)
    np.testing.assert_array_equal(long.qtys, wide.qtys)
    assert long.bids[-1] == 99.0
    assert np.isnan(long.asks[-1])


def test_a_cell_is_the_mean_of_the_books_that_reach_it():
    columns = concat(
        BOOKS,
        [
            book(0, [(10.0, 1.0), (9.0, 8.0)], [(11.0, 2.0), (13.0, 6.0)]),
            book(1, [(10.0, 3.0)], [(11.0, 4.0)]),
        ],
    )
    heat = heat_of(books_of(frame(columns)), strips=1, bands=160)
    assert heat.height == 1.0
    assert len(heat.times) == 2
    cells = dict(zip((heat.prices[:-1] + 0.5).round(6).tolist(), heat.sizes[0], strict=True))
    # The second book does not reach 9, 12 and 13: there the first one alone counts.
    known = {9.0: 8.0, 10.0: 2.0, 11.0: 3.0, 12.0: 0.0, 13.0: 6.0}
    assert {price: cells[price] for price in known} == known
    assert all(np.isnan(size) for price, size in cells.items() if price not in known)


def test_no_quantity_is_lost_in_the_cells():
    books = books_of(frame(walk(range(500), depth=3)))
    heat = heat_of(books, strips=500, bands=10_000)
    assert np.nansum(heat.sizes) == pytest.approx(books.qtys.sum())
    one = heat_of(books, strips=1, bands=10_000)
    assert len(one.times) == 2
    assert one.height == pytest.approx(0.01)


def test_more_ticks_than_bands_are_drawn_as_bands_of_whole_ticks():
    heat = heat_of(books_of(frame(walk(range(2000)))), strips=50, bands=20)
    assert heat.height / 0.01 == pytest.approx(round(heat.height / 0.01))
    assert 10 <= len(heat.prices) <= 25
    assert len(heat.times) == 51
    assert set(np.diff(heat.times).astype(int).tolist()) == {40 * SECOND}


def test_one_order_far_away_is_not_the_whole_picture():
    columns = walk(range(100))
    columns["price"][19] = 9_000.0
    heat = heat_of(books_of(frame(columns)))
    assert heat.prices[-1] < 110


def test_where_books_are_missing_nothing_is_drawn_and_lines_end():
    books = books_of(frame(walk([*range(10), *range(40, 50)])))
    assert (books.holes.astype(np.int64) - START).tolist() == [10 * SECOND, 50 * SECOND]
    heat = heat_of(books)
    column = (heat.times[:-1].astype(np.int64) - START) // SECOND
    missing = (column >= 10) & (column < 40)
    assert missing.sum() == 30
    assert np.isnan(heat.sizes[missing]).all()
    assert not np.isnan(heat.sizes[~missing]).all(axis=1).any()
    ax = bws.plot_depth_history(
        frame(walk([*range(10), *range(40, 50)])), plot.figure(6, 4).subplots()
    )
    shown = ax.lines[0].get_ydata()
    assert np.isnan(shown).nonzero()[0].tolist() == [10, 21]


@pytest.mark.parametrize("is_wide", [False, True])
def test_a_history_is_drawn_with_its_best_prices_and_its_spread(is_wide, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    columns = walk(range(300))
    attrs = {"symbol": "BTCUSDT"}
    history = wide_books_frame(columns, ["price", "qty"], 10, attrs) if is_wide else frame(columns)
    ax = bws.plot_depth_history(history)
    assert ax.get_title("left") == "BTCUSDT depth, 300 books (grey: not recorded)"
    assert [line.get_label() for line in ax.lines] == ["best ask", "best bid", "mid"]
    main, below, scale = ax.figure.axes
    assert main is ax
    assert below.get_title("left") == "Spread, median 0.02"
    assert below.get_ylim()[0] == 0.0
    assert re.fullmatch(r"mean qty in 0\.01 quote, base", scale.get_ylabel())
    low, high = ax.get_ylim()
    assert low < columns["price"].min()
    assert high > columns["price"].max()
    ax.figure.canvas.draw()


def test_half_a_day_of_books_keeps_every_extreme():
    count = 43_200
    columns = walk(range(count), depth=1)
    columns["price"][2 * 7777 + 1] = 777.0
    ax = bws.plot_depth_history(frame(columns), plot.figure(6, 4).subplots())
    best = ax.lines[0].get_ydata()
    assert np.nanmax(best) == 777.0
    assert len(best) < 7_000


def test_given_axes_get_the_quantities_alone():
    figure = plot.figure(6, 4)
    ax = figure.subplots()
    assert bws.plot_depth_history(frame(walk(range(30))), ax) is ax
    assert len(figure.axes) == 2  # the scale


def test_a_history_without_books_says_so():
    ax = bws.plot_depth_history(frame(empty(BOOKS)), plot.figure(6, 4).subplots())
    assert ax.get_title("left") == "BTCUSDT depth: no books"


def test_books_of_one_side_and_of_one_moment_are_drawn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for columns in (
            book(0, [(9.0, 1.0), (8.0, 1.0)], []),
            walk([5]),
            book(0, [], [(1.0, 2.0)]),
        ):
            ax = bws.plot_depth_history(frame(columns), plot.figure(6, 4).subplots())
            ax.figure.canvas.draw()


@pytest.mark.parametrize(
    "history",
    [pd.DataFrame({"close": [1.0]}), pd.DataFrame({"side": ["bid"], "level": [1], "price": [1.0]})],
)
def test_a_frame_of_something_else_is_refused(history):
    with pytest.raises(ValueError, match=r"give what bws\.depth_history\(…\) returns"):
        bws.plot_depth_history(history)
