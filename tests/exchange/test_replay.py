"""Recorded books and trades as events: whole books, changes, gaps, and the order of a moment."""

import random

import numpy as np
import pytest

from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.replay import RecordedBook, RecordedStreams
from bwsresearch.exchange.trading.liquidity import BookChange, BookSeen, Print

UNIT = 100_000_000


def depth(*updates):
    """Rows of updates (time, first, last, bids, asks); first 0 is a whole book."""
    rows = [
        (time * 1_000, first, last, is_bid, price, qty)
        for time, first, last, bids, asks in updates
        for is_bid, side in ((False, asks), (True, bids))
        for price, qty in side.items()
    ]
    names = ("time", "first_update_id", "last_update_id", "is_bid", "price", "qty")
    kinds = (np.int64, np.int64, np.int64, np.bool_, np.float64, np.float64)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {n: np.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)}


def trades(*rows):
    """Rows of trades (time, id, price)."""
    times, ids, prices = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "time": np.array(times, np.int64) * 1_000,
        "id": np.array(ids, np.int64),
        "price": np.array(prices, np.float64),
        "qty": np.ones(len(ids)),
        "is_buyer_maker": np.zeros(len(ids), np.bool_),
    }


def levels(**sides):
    return {side: tuple((int(p) * UNIT, int(q * UNIT)) for p, q in s) for side, s in sides.items()}


WHOLE = (100, 0, 10, {99: 1, 98: 2}, {101: 1, 102: 2})
FIRST = (100, 9, 11, {99: 3}, {})
SECOND = (200, 12, 12, {98: 0}, {101: 5})


def test_a_whole_book_is_seen_with_the_first_change_that_goes_beyond_it():
    found = list(RecordedBook("X", depth(WHOLE, FIRST, SECOND)).changes(-1, 1_000))
    assert found == [
        BookSeen("X", 100, 11, **levels(bids=[(99, 3), (98, 2)], asks=[(101, 1), (102, 2)])),
        BookChange("X", 200, 12, **levels(bids=[(98, 0)], asks=[(101, 5)])),
    ]


@pytest.mark.parametrize("at", [0, 1])
def test_changes_that_the_whole_book_knows_are_left_out(at):
    updates = [WHOLE, (100, 11, 11, {99: 3}, {})]
    updates.insert(at, (50, 8, 10, {99: 7}, {}))
    found = list(RecordedBook("X", depth(*updates)).changes(-1, 999))
    assert [(type(e), e.update_id) for e in found] == [(BookSeen, 11)]
    assert found[0].bids == ((99 * UNIT, 3 * UNIT), (98 * UNIT, 2 * UNIT))


def test_a_part_of_the_time_begins_with_the_whole_book_as_it_is_then():
    book = RecordedBook("X", depth(WHOLE, FIRST, SECOND, (300, 13, 13, {97: 1}, {})))
    found = list(book.changes(100, 200))
    assert found == [
        BookSeen("X", 200, 12, **levels(bids=[(99, 3)], asks=[(101, 5), (102, 2)])),
    ]


def test_behind_a_gap_the_book_is_not_known_before_the_next_whole_one():
    lost = (300, 14, 15, {97: 1}, {})
    again = (400, 0, 20, {90: 1}, {110: 1})
    after = (400, 20, 21, {91: 1}, {})
    book = RecordedBook("X", depth(WHOLE, FIRST, lost, again, after))
    assert [(type(e), e.update_id) for e in book.changes(-1, 999)] == [
        (BookSeen, 11), (BookSeen, 21),
    ]  # fmt: skip
    assert book.at(100, 5).last_update_id == 11
    assert book.at(101, 5) is None  # a change is missing since
    assert book.at(300, 5) is None
    assert book.at(400, 5).bids == ((91 * UNIT, UNIT), (90 * UNIT, UNIT))


def test_the_book_can_be_asked_for_any_time_forth_and_back():
    book = RecordedBook("X", depth(WHOLE, FIRST, SECOND))
    assert book.at(99, 5) is None
    for now, bids, asks in (
        (100, [(99, 3)], [(101, 1)]),
        (200, [(99, 3)], [(101, 5)]),
        (199, [(99, 3)], [(101, 1)]),
    ):
        found = book.at(now, 1)
        assert (found.bids, found.asks) == tuple(levels(b=bids, a=asks).values())
    assert book.at(99, 5) is None
    assert book.at(201, 5) is None  # nobody knows when the next change came


def test_asking_for_the_book_does_not_disturb_a_replay():
    book = RecordedBook("X", depth(WHOLE, FIRST, SECOND))
    replay = book.changes(-1, 999)
    first = next(replay)
    book.at(50, 1)
    assert [first, *replay] == list(book.changes(-1, 999))


def test_events_come_by_time_and_trades_before_the_book_of_their_moment():
    streams = RecordedStreams(
        "X",
        trades((50, 1, 100), (200, 2, 101), (150, 3, 102), (900, 4, 103)),
        depth(WHOLE, FIRST, SECOND),
    )
    found = [(type(e), e.time) for e in streams.events()]
    assert found == [
        (Print, 50), (BookSeen, 100), (Print, 200), (Print, 200), (BookChange, 200), (Print, 900),
    ]  # fmt: skip
    assert streams.span == (50, 900)


def test_two_parts_are_the_whole_but_for_the_book_that_begins_the_second():
    streams = RecordedStreams(
        "X", trades((50, 1, 100), (200, 2, 101), (300, 3, 1)), depth(WHOLE, FIRST, SECOND)
    )
    parts = [*streams.events(-1, 150), *streams.events(150, 999)]
    assert [(e.time, e[2]) for e in parts] == [(e.time, e[2]) for e in streams.events()]
    assert [e for e in parts if isinstance(e, Print)] == [
        e for e in streams.events() if isinstance(e, Print)
    ]


def test_trades_keep_price_quantity_and_side():
    (found,) = RecordedStreams("X", trades((50, 7, 61_837.63)), depth()).events()
    assert found == Print("X", 50, 7, 6_183_763_000_000, UNIT, is_buyer_maker=False)


@pytest.mark.parametrize("rows", [depth(), depth(FIRST, SECOND)])
def test_without_a_whole_book_there_is_none(rows):
    book = RecordedBook("X", rows)
    assert list(book.changes(-1, 999)) == []
    assert book.at(999, 5) is None


def market(depth_rows):
    columns = trades((50, 1, 100), (150, 2, 101))
    columns["quote_qty"] = columns["price"] * columns["qty"]
    return RecordedMarket({"BTCUSDT": Recording({}, columns, depth=depth_rows)})


def test_a_market_with_a_recorded_book_shows_it_and_implies_none():
    made = market(depth(WHOLE, FIRST, SECOND))
    found = made.depth("BTCUSDT", 1, 149)
    assert found.last_update_id == 11
    assert (found.bids, found.asks) == (((99 * UNIT, 3 * UNIT),), ((101 * UNIT, UNIT),))
    for unknown in (60, 300):
        assert (made.depth("BTCUSDT", 1, unknown).bids, made.recorded) == (
            (), {"BTCUSDT": ("trades", "depth")},
        )  # fmt: skip


def test_what_was_traded_is_gone_from_the_recorded_book_until_a_change_names_it():
    made = market(depth(WHOLE, FIRST, SECOND, (300, 13, 13, {97: 1}, {})))
    asks = {now: made.depth("BTCUSDT", 2, now).asks for now in (149, 150, 199, 200, 150)}
    before, gone, after = (
        tuple((price * UNIT, qty * UNIT) for price, qty in side)
        for side in ([(101, 1), (102, 2)], [(102, 2)], [(101, 5), (102, 2)])
    )
    assert asks == {149: before, 150: gone, 199: gone, 200: after}


@pytest.mark.parametrize("seed", range(40))
def test_the_book_is_a_function_of_time_however_it_is_asked_for(seed):
    dice, now, last = random.Random(seed), 100, 10
    updates, rows = [WHOLE], []
    for number in range(60):
        now += dice.choice([100, 100, 100, 700, 2_500])
        if dice.random() < 0.05:
            updates.append((now, 0, last, {99: 1}, {101: 2, 102: 2}))
        else:
            sides = ({dice.randrange(90, 100): dice.randrange(9)} for _ in range(2))
            bids, asks = next(sides), {201 - p: q for p, q in next(sides).items()}
            updates.append((now, last + 1, last + 3, bids, asks))
            last += 3
        if dice.random() < 0.7:
            rows.append((now - dice.randrange(90), number, dice.randrange(97, 106)))
    recorded = depth(*updates), trades(*sorted(rows))
    book, moments = RecordedBook("X", *recorded), [dice.randrange(now) for _ in range(120)]
    for moment in moments:
        assert book.at(moment, 20) == RecordedBook("X", *recorded).at(moment, 20)


def test_a_market_without_a_recorded_book_implies_one_and_is_another():
    bare = market(None)
    assert bare.depth("BTCUSDT", 1, 150).bids
    assert bare.recorded == {"BTCUSDT": ("trades",)}
    assert bare.identity != market(depth(WHOLE, FIRST, SECOND)).identity
