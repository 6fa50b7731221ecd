"""Orders against a real recording: ten minutes of BTCUSDT, its whole book and every trade."""

import random
from bisect import bisect_right
from operator import itemgetter

import numpy as np
import pytest

from bwsresearch import tables
from bwsresearch.exchange.fills import DepthTrades, ModelConfig, TradesOnly
from bwsresearch.exchange.fills.shown import ShownSide
from bwsresearch.exchange.replay import RecordedBook, RecordedStreams
from bwsresearch.exchange.trading.liquidity import BookSeen, Print
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.store.streams import read_streams
from bwsresearch.tables import BOOK_TICKERS, DEPTH, TRADES

from .evidence import check, table
from .lab import NAMES, STEP, SYMBOL, TICK
from .play import Amend, Cancel, Place, Run

DAYS = ("20240808", "20240809")
KINDS = (
    "LIMIT", "LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT",
    "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)  # fmt: skip


@pytest.fixture(scope="session")
def recorded(real_data):
    return [read_streams(real_data / f"raw_streams/btcusdt_{day}.gz") for day in DAYS]


@pytest.fixture(scope="session")
def streams(recorded):
    return RecordedStreams(
        SYMBOL,
        tables.concat(TRADES, [one.trades for one in recorded]),
        tables.concat(DEPTH, [one.depth for one in recorded]),
    )


def test_the_replayed_book_never_crosses_and_agrees_with_the_book_ticker(recorded, streams):
    tops = tables.concat(BOOK_TICKERS, [one.book_tickers for one in recorded])
    names = ("bid_price", "bid_qty", "ask_price", "ask_qty")
    rows = zip(
        *(np.rint(tops[name] * 1e8).astype(np.int64).tolist() for name in names), strict=True
    )
    told = dict(zip(tops["update_id"].tolist(), rows, strict=True))
    bids, asks = ShownSide(is_bid=True), ShownSide(is_bid=False)
    books = compared = 0
    for event in streams.events():
        if isinstance(event, Print):
            continue
        books += 1
        for side, levels in ((bids, event.bids), (asks, event.asks)):
            (side.replace if isinstance(event, BookSeen) else side.change)(levels)
        assert bids.best < asks.best
        if event.update_id in told:
            compared += 1
            best = bids.best, bids.sizes[bids.best], asks.best, asks.sizes[asks.best]
            assert best == told[event.update_id]
    # Two of the 6,495 recorded changes came before the snapshot.
    assert (books, compared) == (6_493, 1_072)


def test_no_moment_of_the_recorded_book_shows_what_was_traded_through_before(recorded):
    trades = tables.concat(TRADES, [one.trades for one in recorded])
    changes = tables.concat(DEPTH, [one.depth for one in recorded])
    book = RecordedBook(SYMBOL, changes, trades)
    as_sent, named = RecordedBook(SYMBOL, changes), {}
    rows = (changes[n].tolist() for n in ("time", "is_bid", "price"))
    for time, is_bid, price in zip(*rows, strict=True):
        named.setdefault((is_bid, round(price * 1e8)), []).append(time // 1000)
    columns = (trades[n].tolist() for n in ("time", "price", "is_buyer_maker"))
    prints = [(t // 1000, round(p * 1e8), m) for t, p, m in zip(*columns, strict=True)]
    first, last = (int(t) // 100 * 100 for t in (book.times[0] + 2_000, book.times[-1]))
    mended = 0
    for moment in range(first, last, 100):
        seen, sent = book.at(moment, 50), as_sent.at(moment, 50)
        until = bisect_right(prints, moment, key=itemgetter(0))
        since = bisect_right(prints, moment - 300, key=itemgetter(0))
        for time, price, is_sale in prints[since:until]:
            levels = seen.bids if is_sale else seen.asks
            for better in (p for p, _ in levels if (p > price if is_sale else p < price)):
                told = named[is_sale, better]
                assert time <= told[bisect_right(told, moment) - 1]
        assert seen.bids[0][0] < seen.asks[0][0]
        mended += (seen.bids, seen.asks) != (sent.bids, sent.asks)
    assert mended > 1_000


def order(dice, bid, ask):
    """Return an order near the market: some marketable, most to rest, stops on both sides."""
    kind, is_buy = dice.choice(KINDS), dice.random() < 0.5
    near, far = (bid, ask) if is_buy else (ask, bid)
    away = dice.choice([0, 0, 1, 2, 10, 100, 400]) * TICK * (-1 if is_buy else 1)
    given = {"qty": dice.choice([20, 100, 500, 2_000, 30_000]) * STEP * dice.randrange(1, 10)}
    if kind == "MARKET" and dice.random() < 0.4:
        given = {"quote_order_qty": dice.randrange(50, 200_000) * 100_000_000}
    if "LIMIT" in kind:
        is_marketable = kind != "LIMIT_MAKER" and dice.random() < 0.2
        given["price"] = far if is_marketable else near + away
    if kind == "LIMIT":
        given["time_in_force"] = dice.choice(["GTC", "GTC", "GTC", "GTC", "IOC", "FOK"])
        if given["time_in_force"] == "GTC" and dice.random() < 0.2:
            given["iceberg_qty"] = max(given["qty"] // 4 // STEP * STEP, STEP)
    if kind.startswith(("STOP", "TAKE")):
        rises = kind.startswith("STOP") == is_buy
        given["stop_price"] = (ask if rises else bid) + dice.randrange(1, 800) * TICK * (
            1 if rises else -1
        )
        if dice.random() < 0.3:
            given["trailing_delta"] = dice.randrange(1, 8)
    return Ticket(SYMBOL, is_buy=is_buy, type=kind, **given)


def played(model, streams, *, seed, orders):
    """Play the recording, with orders at random moments of it."""
    dice = random.Random(seed)
    start, end = streams.span
    times = sorted(dice.randrange(start + 2_000, end - 1_000) for _ in range(orders))
    made, bids, asks, placed = Run(model), ShownSide(is_bid=True), ShownSide(is_bid=False), 0
    for event in streams.events():
        while times and times[0] < event.time:
            now = times.pop(0)
            made.do(Place(now, dice.choice(NAMES), order(dice, bids.best, asks.best)))
            placed += 1
            if dice.random() < 0.15:
                made.do(Cancel(now, dice.randrange(1 << 20)))
            if dice.random() < 0.05:
                made.do(Amend(now, dice.randrange(1 << 20), dice.randrange(20, 90)))
        if not isinstance(event, Print):
            for side, levels in ((bids, event.bids), (asks, event.asks)):
                (side.replace if isinstance(event, BookSeen) else side.change)(levels)
        made.do(event)
    assert placed == orders
    return made


def test_600_orders_fill_only_with_evidence_from_books_and_trades(streams):
    made = played(DepthTrades(), streams, seed=1, orders=600)
    rules = check(made.tape, made.fills, made.orders)
    assert set(rules) >= {"walk", "through", "touch"}
    assert {one.ticket.type for one in made.orders} == set(KINDS)
    found = table(made.tape, made.fills)
    assert len(found) == len(made.fills) > 600
    assert (found["qty"] <= found["available"]).all()
    assert (found["available"] <= found["ev_size"]).all()
    makers = found[found["role"] == "MAKER"]
    assert (makers["at"] > makers["working"]).all()


def test_600_orders_fill_only_with_evidence_from_trades_alone(streams):
    model = TradesOnly(ModelConfig(id="trades@1"), tick=TICK, step=STEP)
    made = played(model, streams, seed=3, orders=600)
    assert set(check(made.tape, made.fills, made.orders)) == {"ladder", "through"}
