"""What is told of a live server: its time, its trades once, and a book that is not too new."""

from decimal import Decimal

import pytest

from bwsresearch.client.sync import Client
from bwsresearch.exchange.market import Ids
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.liquidity import BookSeen, Print
from bwsresearch.local import LocalEndpoint
from bwsresearch.paper_account.live import LiveMarket, Reach, ServerClock, Watch

from .lab import NOON, Clock, Server

MINUTE = 60_000


@pytest.fixture
def server():
    return Server(SyntheticMarket(1))


@pytest.fixture
def client(server):
    client = Client(LocalEndpoint(server, server.clock))
    yield client.aio
    client.close()


@pytest.fixture
def watch(client, server):
    return Watch(client, server.clock, 30.0)


def trades(events):
    return [event for event in events if isinstance(event, Print)]


async def news(watch, last=None, *, is_watched=False, reach=None):
    return await watch.news("BTCUSDT", last, reach or Reach(), is_watched=is_watched)


async def test_the_first_look_sees_five_minutes_and_the_book(watch, server):
    events = await news(watch)
    *prints, book = events
    assert isinstance(book, BookSeen)
    assert trades(events) == prints
    assert NOON - 5 * MINUTE <= prints[0].time <= prints[-1].time <= NOON
    rows = server.market.agg_trades("BTCUSDT", Ids(None, 1), NOON)
    assert (prints[-1].trade_id, prints[-1].price) == (rows.first_id[0], rows.price[0])
    assert (len(book.bids), len(book.asks)) == (100, 100)
    assert book.time == NOON


async def test_later_looks_see_what_is_new_by_id(watch, server):
    seen = trades(await news(watch))
    for _ in range(5):
        server.clock.pass_by(20)
        seen += trades(await news(watch, seen[-1]))
    server.clock.pass_by(3600)
    seen += trades(await news(watch, seen[-1], is_watched=True))
    assert server.asked["trades.aggregate"] < 30
    all_ = await Watch(watch.client, server.clock, 30.0).news(
        "BTCUSDT", seen[0]._replace(trade_id=seen[0].trade_id - 1), Reach(), is_watched=True
    )
    assert seen == trades(all_)


async def test_a_symbol_without_open_orders_is_not_made_up_for(watch, server):
    last = trades(await news(watch))[-1]
    server.clock.pass_by(86_400)
    found = trades(await news(watch, last))
    assert found[0].time >= server.clock() - 5 * MINUTE
    assert server.asked["trades.aggregate"] <= 4


async def test_what_a_journal_has_seen_is_not_seen_again(watch, client, server):
    first = trades(await news(watch))
    server.clock.pass_by(30)
    # Another process goes on: it knows the last trade, but not the aggregate's id.
    again = Watch(client, server.clock, 30.0)
    more = trades(await news(again, first[-1], is_watched=True))
    assert more
    assert more[0].trade_id > first[-1].trade_id
    assert len({one.trade_id for one in first + more}) == len(first + more)


async def test_the_book_is_asked_for_again_when_it_became_old_meanwhile(watch, server):
    last = trades(await news(watch))[-1]
    server.clock.pass_by(24 * 3600)
    server.asked.clear()
    found = await news(watch, last, is_watched=True)
    pages = server.asked["trades.aggregate"]
    assert pages > 3
    assert server.asked["depth"] == 2
    assert len(trades(found)) > 1000 * (pages - 3)


async def test_a_market_without_trades_has_its_last_one():
    class Quiet(Server):
        def handle(self, call, session, address, now_ms):
            if any(name in ("startTime", "fromId") for name, _ in call.params):
                self.asked["windows"] += 1
                now_ms = 1_500_000_000_000  # before anything
            return super().handle(call, session, address, now_ms)

    server = Quiet(SyntheticMarket(1))
    client = Client(LocalEndpoint(server, server.clock))
    (trade, book) = await Watch(client.aio, server.clock, 30.0).news(
        "BTCUSDT", None, Reach(), is_watched=False
    )
    assert trade.price > 0
    assert isinstance(book, BookSeen)
    assert server.asked["windows"] == 1
    await client.aio.close()


async def test_trades_that_came_after_the_book_stand_behind_it(client):
    behind = Clock(NOON - 700)
    events = await Watch(client, behind, 30.0).news("BTCUSDT", None, Reach(), is_watched=False)
    (at,) = (n for n, event in enumerate(events) if isinstance(event, BookSeen))
    assert all(event.time <= behind() for event in events[:at])
    assert all(event.time > behind() for event in events[at + 1 :])
    assert events[at].time >= max(event.time for event in events[:at])
    assert at > 0


def test_a_shallow_look_reaches_to_own_orders():
    bids = [((100 - n) * UNIT, UNIT) for n in range(60)]
    asks = [((101 + n) * UNIT, UNIT) for n in range(60)]
    assert (Reach().bids(bids), Reach().asks(asks)) == (tuple(bids), tuple(asks))
    assert len(Reach.shallow([], []).bids(bids)) == 20
    reach = Reach.shallow([70 * UNIT, 95 * UNIT], [104 * UNIT])
    assert reach.bids(bids) == tuple(bids[:31])
    assert reach.asks(asks) == tuple(asks[:20])


async def test_a_servers_clock_is_carried_on_and_learned_anew(client, server):
    clock = ServerClock(client, 30.0)
    await clock.learn()
    assert NOON - 50 <= clock() <= NOON + 30_000
    server.clock.pass_by(3600)
    await clock.learn()
    assert server.asked["time"] == 1
    await clock.learn(anew=True)
    assert server.asked["time"] == 2
    assert NOON + 3_600_000 - 50 <= clock() <= NOON + 3_630_000
    clock._learned_s -= 601
    await clock.learn()
    assert server.asked["time"] == 3
    clock._wall_s -= 5  # this machine has slept
    await clock.learn()
    assert server.asked["time"] == 4


def test_a_live_market_is_never_asked():
    market = LiveMarket("production")
    for ask in (
        lambda: market.klines("BTCUSDT", "1m", None, 0),
        lambda: market.trades("BTCUSDT", None, 0),
        lambda: market.agg_trades("BTCUSDT", None, 0),
        lambda: market.depth("BTCUSDT", 5, 0),
        lambda: market.summary("BTCUSDT", 0, 1),
    ):
        with pytest.raises(
            AssertionError, match="BTCUSDT: a watched market is asked at its server"
        ):
            ask()
    assert Decimal(UNIT) == 10**8
