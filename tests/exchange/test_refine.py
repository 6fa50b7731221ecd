"""Cells are taken apart and put together again: what comes out is what went in."""

import numpy as np
import pytest

from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid, merged
from bwsresearch.exchange.refine import refined
from bwsresearch.exchange.sides import ENOUGH, worth
from bwsresearch.exchange.ticks import agg_trades, ticks, trades

HOUR = 3_600_000
GRIDS = [Grid(1_000_000, 1_000), Grid(1_000, 10_000), Grid(1, 1_000_000)]
"""A lot at a tick is worth ten units, a tenth and a hundredth."""
FIELDS = ("open", "high", "low", "close", "aggs", "trades", "lots", "atoms")


def random_cells(seed, count, *, aggs, span, grid, lots_each=500):
    """Cells that trades can make: their sums lie well inside their prices."""
    rng = np.random.default_rng(seed)
    opens = np.arange(count) * HOUR
    low = rng.integers(50_000, 60_000, count)
    high = low + rng.integers(min(1, span), span + 1, count)
    o, c = (rng.integers(low, high + 1) for _ in range(2))
    number = rng.integers(aggs, 3 * aggs, (2, count))
    single = number + rng.integers(0, aggs + 1, (2, count))
    lots = single * rng.integers(lots_each, 2 * lots_each, (2, count))
    mean = low + (high - low) * rng.uniform(0.35, 0.65, (2, count))
    atoms = grid.worth((lots * mean).astype(np.int64))
    return Cells(
        opens,
        opens + HOUR,
        o + rng.integers(-9, 10, count),
        o,
        high,
        low,
        c,
        number,
        single,
        lots,
        atoms,
    )


def together(children):
    opens = children.open_time // HOUR * HOUR
    return merged(children, opens, opens + HOUR)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("aggs", "span"), [(400, 900), (400, 3), (60, 5_000), (4, 100), (1, 0)])
@pytest.mark.parametrize("k", [2, 24, 60])
def test_children_make_up_their_parent(grid, aggs, span, k):
    parents = random_cells(
        aggs * 7 + span + k,
        40,
        aggs=aggs,
        span=span,
        grid=grid,
    )
    if aggs < 4:  # so few trades have no room for extremes of their own
        parents = Cells(
            *(
                parents.open if name in ("high", "low", "close") else getattr(parents, name)
                for name in Cells.__slots__
            )
        )
        parents = Cells(*(
            grid.worth(parents.lots * parents.open) if name == "atoms" else getattr(parents, name)
            for name in Cells.__slots__
        ))  # fmt: skip
    children = refined(parents, k, 99, grid, least=ENOUGH)
    assert len(children) == 40 * k
    assert same(together(children), parents)
    assert (children.low <= np.minimum(children.open, children.close)).all()
    assert (children.high >= np.maximum(children.open, children.close)).all()
    assert (children.trades >= children.aggs).all()
    assert (children.lots >= children.trades).all()
    quiet = ~children.is_busy
    assert (children.high == children.low)[quiet].all()
    assert (children.lots.sum(axis=0) == 0)[quiet].all()
    assert (children.atoms.sum(axis=0) == 0)[quiet].all()
    length = HOUR // k
    assert (children.end_time - children.open_time == length).all()
    assert (np.diff(children.open_time) > 0).all()


def test_a_child_does_not_depend_on_who_is_asked_for_beside_its_parent():
    grid = GRIDS[0]
    parents = random_cells(5, 30, aggs=300, span=700, grid=grid)
    every = refined(parents, 60, 7, grid, least=ENOUGH)
    some = refined(parents.part(np.array([3, 17])), 60, 7, grid, least=ENOUGH)
    at = np.isin(every.open_time // HOUR, [3, 17])
    assert same(some, every.part(at))
    assert np.array_equal(some.before, every.before[at])


def test_a_quiet_child_lies_at_the_price_before_it_even_before_the_first_trade():
    grid = GRIDS[0]
    parents = random_cells(6, 50, aggs=4, span=300, grid=grid)
    children = refined(parents, 60, 7, grid, least=ENOUGH)
    first = children.open_time % HOUR == 0
    assert np.array_equal(children.before[first], parents.before)
    quiet = ~children.is_busy
    assert quiet.sum() > 1000
    assert (children.close == children.before)[quiet].all()


def test_where_there_are_enough_trades_every_child_has_some_of_each_side():
    grid = GRIDS[0]
    children = refined(
        random_cells(7, 20, aggs=60 * ENOUGH, span=700, grid=grid), 60, 7, grid, least=ENOUGH
    )
    assert children.aggs.min() >= ENOUGH


# ---- trades of cells


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("aggs", "span"), [(300, 700), (50, 2), (20, 1), (9, 4_000), (ENOUGH, 50)])
def test_trades_make_up_their_cell(grid, aggs, span):
    cells = random_cells(aggs + span, 60, aggs=aggs, span=span, grid=grid)
    found = ticks(cells, 31, grid)
    total = cells.aggs.sum(axis=0)
    assert len(found.time) == total.sum()
    cell = np.repeat(np.arange(len(cells)), total)
    assert (found.time >= cells.open_time[cell]).all()
    assert (found.time < cells.end_time[cell]).all()
    assert (np.diff(found.time) >= 0).all()
    last = np.cumsum(total) - 1
    first = last - total + 1
    assert np.array_equal(found.price[first], cells.open)
    assert np.array_equal(found.price[last], cells.close)
    assert np.array_equal(np.maximum.reduceat(found.price, first), cells.high)
    assert np.array_equal(np.minimum.reduceat(found.price, first), cells.low)
    atoms = worth(found.price, found.lots, found.count, grid)
    for side in (BUY, SELL):
        mine = found.is_sell == bool(side)
        for values, expected in (
            (mine, cells.aggs), (found.count * mine, cells.trades), (found.lots * mine, cells.lots),
            (atoms * mine, cells.atoms),
        ):  # fmt: skip
            assert np.array_equal(np.add.reduceat(values.astype(np.int64), first), expected[side])
    assert (found.lots >= found.count).all()
    single = trades(found, grid, 500)
    assert single.id.tolist() == list(range(500, 500 + int(found.count.sum())))
    assert (single.qty >= grid.step).all()
    quote = [
        p * q // 10**8 for p, q in zip(single.price.tolist(), single.qty.tolist(), strict=True)
    ]
    assert single.quote_qty.tolist() == quote
    assert sum(quote) == int(cells.atoms.sum()) * grid.atom
    rows = agg_trades(found, grid, 70, 500)
    assert rows.first_id[0] == 500
    assert np.array_equal(rows.last_id[:-1] + 1, rows.first_id[1:])


def test_at_a_tight_spread_buyers_pay_the_higher_price_and_sellers_get_the_lower():
    # As on the exchange in a calm minute: all buys at one price, all sales a tick below.
    count, grid = 40, GRIDS[0]
    rng = np.random.default_rng(3)
    number = rng.integers(5, 60, (2, count))
    lots = number * 50
    low = np.full(count, 50_000)
    edge = rng.integers(0, 2, (2, count))
    cells = Cells(
        np.arange(count) * HOUR, (np.arange(count) + 1) * HOUR, low, low + edge[0], low + 1, low,
        low + edge[1], number, number, lots, lots * np.stack([low + 1, low]),
    )  # fmt: skip
    found = ticks(cells, 5, grid)
    assert (found.price == 50_000 + ~found.is_sell).all()
    total = cells.aggs.sum(axis=0)
    first = np.cumsum(total) - total
    assert np.array_equal(found.price[first], cells.open)


@pytest.mark.parametrize(("bought", "sold"), [(1, 0), (1, 1), (2, 1), (0, 3), (2, 2), (3, 2)])
def test_the_fewest_trades_keep_prices_counts_and_quantity(bought, sold):
    rng = np.random.default_rng(bought * 10 + sold)
    count, grid = 30, GRIDS[0]
    low = rng.integers(50_000, 51_000, count)
    high = low + (rng.integers(0, 40, count) if bought + sold > 1 else 0)
    number = np.stack([np.full(count, bought), np.full(count, sold)])
    lots = number * rng.integers(5, 90, (2, count))
    opens = np.arange(count) * HOUR
    cells = Cells(
        opens,
        opens + HOUR,
        low,
        low,
        high,
        low,
        high,
        number,
        number,
        lots,
        lots * ((low + high) // 2),
    )
    found = ticks(cells, 5, grid)
    first = np.arange(count) * (bought + sold)
    assert np.array_equal(found.price[first], low)
    assert np.array_equal(found.price[first + bought + sold - 1], high)
    for side in (BUY, SELL):
        mine = found.is_sell == bool(side)
        assert np.array_equal(np.add.reduceat(found.lots * mine, first), lots[side])
        assert np.array_equal(np.add.reduceat(mine.astype(int), first), number[side])
    atoms = np.add.reduceat(found.price * found.lots, first)
    assert (np.abs(atoms - cells.atoms.sum(axis=0)) <= lots.sum(axis=0) * 41).all()
