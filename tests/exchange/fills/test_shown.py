import random

import pytest

from bwsresearch.exchange.fills.shown import ShownSide


@pytest.mark.parametrize("is_bid", [True, False])
def test_changes_lead_to_the_same_side_as_the_whole_of_it(is_bid):
    dice, sizes = random.Random(5), {}
    side = ShownSide(is_bid=is_bid)
    for _ in range(300):
        changed = {dice.randrange(1, 60): dice.choice([0, 0, 1, 2, 9]) for _ in range(4)}
        sizes = {p: q for p, q in (sizes | changed).items() if q}
        side.change(changed.items())
        whole = ShownSide(is_bid=is_bid)
        whole.replace(sizes.items())
        assert side.top() == whole.top() == tuple(sorted(sizes.items(), reverse=is_bid))
        assert side.best == (max if is_bid else min)(sizes, default=None)
        assert list(side.walk()) == list(side.top())


def test_a_size_is_known_as_far_as_the_book_reaches():
    side = ShownSide(is_bid=True)
    assert side.shown(100) is None
    side.replace([(100, 5), (98, 5)])
    assert [side.shown(p) for p in (101, 100, 99, 98, 97)] == [0, 5, 0, 5, None]
    side.change([(98, 0), (97, 3)])
    assert [side.shown(p) for p in (98, 97, 96)] == [0, 3, None]


def test_an_empty_side_reaches_nowhere():
    side = ShownSide(is_bid=False)
    side.replace([])
    assert (side.best, side.shown(100), side.top(), list(side.walk())) == (None, None, (), [])


def test_the_best_levels_are_cut_at_a_limit():
    side = ShownSide(is_bid=False)
    side.replace([(100, 1), (101, 2), (102, 3)])
    assert side.top(2) == ((100, 1), (101, 2))


@pytest.fixture
def asks():
    side = ShownSide(is_bid=False)
    side.replace([(100, 1), (101, 2), (102, 3)])
    side.printed(1_000, 101, 1)
    side.printed(1_010, 100, 1)  # a new order, of which the book does not know
    return side


def test_trades_take_all_better_levels_and_their_part_of_their_own(asks):
    assert list(asks.walk()) == [(101, 1), (102, 3)]


def test_a_change_after_a_trade_is_believed_at_the_levels_that_it_names(asks):
    asks.change(named := [(101, 5), (103, 1)])
    asks.settle(1_000, named)
    assert list(asks.walk()) == [(101, 5), (102, 3), (103, 1)]
    asks.settle(1_009, [(100, 1)])  # from before the trade there
    assert list(asks.walk()) == [(101, 5), (102, 3), (103, 1)]
    asks.settle(1_010, [(100, 1)])
    assert list(asks.walk()) == [(100, 1), (101, 5), (102, 3), (103, 1)]


def test_a_whole_book_after_a_trade_is_believed_everywhere(asks):
    asks.settle(1_009)
    assert list(asks.walk()) == [(101, 2), (102, 3)]
    asks.settle(1_010)
    assert list(asks.walk()) == [(100, 1), (101, 2), (102, 3)]


def test_a_level_that_no_change_names_is_believed_a_second_after_the_last_trade(asks):
    asks.printed(1_500, 101, 1)
    asks.settle(2_499, [])
    assert list(asks.walk()) == [(102, 3)]
    asks.settle(2_500, [])
    assert list(asks.walk()) == [(100, 1), (101, 2), (102, 3)]


def test_a_new_level_between_is_no_part_of_what_was_traded(asks):
    asks.change([(99, 4)])
    asks.settle(990, [(99, 4)])
    assert list(asks.walk()) == [(99, 4), (101, 1), (102, 3)]
