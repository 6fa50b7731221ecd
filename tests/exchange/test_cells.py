import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid, joined, merged, shares


def ints(*values):
    return np.array(values, np.int64)


def cells(*rows):
    """Cells of one minute each, from (open, high, low, close, trades bought, trades sold)."""
    o, h, low, c, bought, sold = (ints(*column) for column in zip(*rows, strict=True))
    opens = 60_000 * np.arange(len(rows))
    sides = np.stack([bought, sold])
    return Cells(
        opens, opens + 60_000, np.roll(c, 1), o, h, low, c, sides, sides, sides * 10, sides * 100
    )


@pytest.mark.parametrize(
    ("tick", "step", "ratio", "atom"),
    [
        (1_000_000, 1_000, (10, 1), 10),
        (1, 10**8, (1, 1), 1),
        (1_000, 10_000, (1, 10), 1),
        (5_000_000, 50, (5, 2), 1),
    ],
)
def test_an_atom_is_a_lot_at_a_tick_or_the_unit_that_the_quote_is_rounded_to(
    tick, step, ratio, atom
):
    grid = Grid(tick, step)
    assert (grid.ratio, grid.atom) == (ratio, atom)
    price, lots = 12_345, 6_789
    exact = price * tick * lots * step // 10**8
    assert int(grid.worth(ints(price * lots))[0]) * grid.atom == exact
    assert grid.price(grid.worth(ints(price * lots)), ints(lots))[0] == pytest.approx(
        price, rel=1e-6
    )


def test_cells_become_bars_on_the_grid():
    bars = cells((5, 9, 3, 7, 2, 1)).bars(Grid(100, 10**6))
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0]) == (500, 900, 300, 700)
    assert (bars.volume.at(0), bars.taker_buy_volume.at(0)) == (30 * 10**6, 20 * 10**6)
    assert (bars.quote_volume.at(0), bars.taker_buy_quote_volume.at(0)) == (300, 200)
    assert (bars.trades[0], bars.close_time[0]) == (3, 59_999)


def test_longer_cells_have_first_last_extremes_and_sums():
    some = cells((5, 9, 3, 7, 2, 1), (7, 8, 2, 2, 0, 4), (3, 3, 3, 3, 1, 0))
    whole = merged(some, ints(0, 0, 120_000), ints(120_000, 120_000, 240_000))
    assert whole.open.tolist() == [5, 3]
    assert (whole.high.tolist(), whole.low.tolist(), whole.close.tolist()) == (
        [9, 3],
        [2, 3],
        [2, 3],
    )
    assert whole.trades.tolist() == [[2, 1], [5, 0]]
    assert whole.lots[BUY].tolist() == [20, 10]
    assert whole.atoms[SELL].tolist() == [500, 0]
    assert whole.before.tolist() == [3, 2]


def test_cells_without_trades_have_no_say_in_prices_but_the_last():
    some = cells((99, 99, 99, 99, 0, 0), (5, 6, 4, 5, 1, 1), (5, 5, 5, 5, 0, 0), (1, 1, 1, 1, 0, 0))
    whole = merged(some, ints(0, 0, 0, 180_000), ints(180_000, 180_000, 180_000, 240_000))
    assert (whole.open[0], whole.high[0], whole.low[0], whole.close[0]) == (5, 6, 4, 5)
    assert (whole.open[1], whole.high[1], whole.low[1], whole.close[1]) == (1, 1, 1, 1)


def test_cells_within_a_time_are_those_that_overlap_it():
    some = cells(*[(1, 1, 1, 1, 1, 1)] * 4)
    assert some.within(0, 240_000) is some
    assert some.within(59_999, 60_001).open_time.tolist() == [0, 60_000]
    assert some.within(60_000, 120_000).open_time.tolist() == [60_000]
    assert len(some.within(240_000, 300_000)) == len(some.within(90_000, 30_000)) == 0
    assert joined([some.part(slice(0, 1)), some.part(slice(2, 4))]).open_time.tolist() == [
        0,
        120_000,
        180_000,
    ]


@given(st.integers(0, 10**12), st.lists(st.integers(0, 2**20), min_size=1, max_size=40))
def test_shares_add_up_and_follow_the_weights(total, weights):
    parts = shares(ints(total), ints(*weights)[None, :])[0]
    whole = sum(weights)
    assert parts.sum() == (total if whole else 0)
    if whole:
        for part, weight in zip(parts.tolist(), weights, strict=True):
            assert abs(part - total * weight / whole) <= 1 + total * 1e-12
            assert part == 0 or weight > 0
