import numpy as np
import pytest

from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.ladder import ladder
from bwsresearch.exchange.market import Trades

GRID = Grid(100, 1_000)
NOW = 1_700_000_000_000


def last(price, *, was_sold, number=5):
    one = np.array([price])
    return Trades(np.array([number]), one, one, one, one, np.array([was_sold]))


def book(price=500_000, *, was_sold=True, now=NOW, limit=50, number=5):
    return ladder(7, last(price, was_sold=was_sold, number=number), GRID, limit, now, lots=1_000)


@pytest.mark.parametrize(
    ("was_sold", "bid", "ask"), [(True, 500_000, 500_100), (False, 499_900, 500_000)]
)
def test_the_side_that_the_last_trade_took_stands_at_its_price(was_sold, bid, ask):
    found = book(was_sold=was_sold)
    assert (found.bids[0][0], found.asks[0][0]) == (bid, ask)


def test_levels_are_ordered_on_the_grid_and_never_empty():
    found = book(limit=5000)
    bids, asks = np.array(found.bids), np.array(found.asks)
    assert (np.diff(bids[:, 0]) < 0).all()
    assert (np.diff(asks[:, 0]) > 0).all()
    for side in (bids, asks):
        assert (side[:, 0] % 100 == 0).all()
        assert (side[:, 1] % 1_000 == 0).all()
        assert (side > 0).all()


def test_a_book_ends_at_zero():
    found = book(price=900, limit=100)
    assert found.bids[-1][0] > 0
    assert len(found.bids) < 9 < len(found.asks) == 100


def test_most_levels_stay_from_one_moment_to_the_next_and_some_change():
    one, other = dict(book(limit=500).bids), dict(book(limit=500, now=NOW + 100).bids)
    assert one.keys() == other.keys()
    assert 5 <= sum(one[price] != other[price] for price in one) <= 100
    assert book(limit=500, now=NOW + 99).bids == book(limit=500).bids


def test_the_update_id_tells_moment_and_trade():
    assert book().last_update_id == book(now=NOW + 99).last_update_id
    assert book(now=NOW + 100).last_update_id == book().last_update_id + 1
    assert book(number=6).last_update_id == book().last_update_id + 1


def test_without_trades_there_is_no_book():
    none = np.array([], np.int64)
    found = ladder(7, Trades(none, none, none, none, none, none == 1), GRID, 5, NOW, lots=1)
    assert (found.bids, found.asks) == ((), ())
