"""An account on a live server: what it sees, when, and that it sees it once."""

import asyncio
import gc
import itertools
import threading

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.client.bridge import default_bridge
from bwsresearch.client.sync import Client
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Window
from bwsresearch.exchange.recovery import replayed
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.journals import read
from bwsresearch.local import LocalEndpoint
from bwsresearch.paper_account import watched
from bwsresearch.server import hosted

from .lab import Door, Server, on_bridge, prints_of, watching


@pytest.fixture
def server():
    return Server(SyntheticMarket(1))


@pytest.fixture
def live(opened, server):
    """An account that watches the server."""
    return opened({"USDT": 100_000, "BTC": 1}, market="client", client=watching(server))


def last_price(paper):
    return float(paper.ticker_price("BTCUSDT").price)


def idle(paper):
    """Wait until nobody looks in the background any more."""

    async def waited():
        task = paper.watched._task
        if task is not None:
            await asyncio.wait({task})

    paper.aio.bridge.run(waited())


def rest(paper):
    return paper.buy("BTCUSDT", 0.3, limit=last_price(paper) * 0.9995)


# ---- the market


def test_market_data_comes_from_the_watched_server(live, server):
    server.asked.clear()
    assert live.klines("BTCUSDT", "1h", limit=2) == watching(server).klines(
        "BTCUSDT", "1h", limit=2
    )
    live.exchange_info("BTCUSDT")
    live.avg_price("BTCUSDT")
    assert {"klines", "exchangeInfo", "avgPrice"} <= set(server.asked)
    assert prints_of(read(live.journal).records) == []
    assert abs(live.time().server_time - server.clock()) < 60_000


def test_an_order_trades_with_the_book_of_now(live):
    book = live.depth("BTCUSDT", limit=5)
    report = live.buy("BTCUSDT", "0.001")
    assert report.fills[0].price == book.asks[0][0]
    (fill,) = live.fills().itertuples()
    assert (fill.evidence, fill.evidence_ref) == ("level", book.last_update_id)


def test_trades_are_seen_once_and_in_order(live, server):
    order = rest(live)
    for _ in range(12):
        server.clock.pass_by(15)
        live.order_status("BTCUSDT", order_id=order.order_id)
    prints = prints_of(read(live.journal).records)
    ids = [trade_id for _, _, trade_id in prints]
    assert ids == sorted(set(ids))
    # All there were: from the first on, one after the other.
    window = Window(prints[0][1], prints[-1][1], 10**6)
    found = server.market.agg_trades("BTCUSDT", window, server.clock())
    there = [int(one) for one in found.first_id if ids[0] <= one <= ids[-1]]
    assert ids == there


def test_no_order_meets_what_was_before_it(live, server):
    order = rest(live)
    for _ in range(40):
        server.clock.pass_by(20)
        if live.order_status("BTCUSDT", order_id=order.order_id).status == "FILLED":
            break
    fills = live.fills()
    assert len(fills) > 0
    placed = live.orders().index[0]
    assert (fills["evidence_time"] > placed).all()
    assert fills["qty"].sum() == pytest.approx(0.3)
    assert (fills["price"] == float(order.price)).all()
    assert (fills["qty"] <= fills["available"] + 1e-12).all()


def test_looks_at_the_same_time_see_nothing_twice(live, server):
    rest(live)
    server.clock.pass_by(600)

    async def many():
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(live.aio.open_orders_status("BTCUSDT"))
                group.create_task(live.watched.refresh(["BTCUSDT", "ETHUSDT"]))

    live.aio.bridge.run(many())
    prints = prints_of(read(live.journal).records)
    assert len(prints) == len(set(prints)) > 100


def test_a_look_that_failed_loses_nothing(live, server):
    order = rest(live)
    for method in ("trades.aggregate", "depth", "trades.aggregate", "depth"):
        server.clock.pass_by(60)
        server.refused[method] = True
        with pytest.raises(bws.ServerError):
            live.order_status("BTCUSDT", order_id=order.order_id)
    live.order_status("BTCUSDT", order_id=order.order_id)
    ids = [trade_id for *_, trade_id in prints_of(read(live.journal).records)]
    assert ids == sorted(set(ids))
    quiet = watching(server)
    first = quiet.trades_aggregate("BTCUSDT", limit=1000)
    assert {one.first_id for one in first if one.first_id > ids[0]} <= set(ids)


def test_a_stop_trades_with_the_book_after_it(live, server):
    order = live.sell("BTCUSDT", 0.01, stop=last_price(live) * 0.9995)
    while live.order_status("BTCUSDT", order_id=order.order_id).status != "FILLED":
        server.clock.pass_by(60)
    events = live.order_events()
    assert events["cause"].tolist()[-2:] == ["trigger", "fill"]
    (fill,) = live.fills().itertuples()
    assert (fill.rule, fill.evidence) == ("walk", "level")
    assert fill.evidence_time >= events.index[-2]
    assert events.index[-1] - events.index[-2] < pd.Timedelta("30s")  # in the same look


def test_an_unknown_symbol_is_refused_and_recorded(live):
    with pytest.raises(bws.BadSymbol, match=r"^order.place: Invalid symbol"):
        live.order_place("NOPE", side="BUY", type="MARKET", quantity=1)
    with pytest.raises(bws.BadParameter):
        live.order_place("BTC/USDT", side="BUY", type="MARKET", quantity=1)
    assert live.requests()["code"].tolist() == [-1121, -1100]


def test_a_replay_needs_no_market(live, server):
    rest(live)
    live.sell("BTCUSDT", 0.01, stop=last_price(live) * 0.999)
    for _ in range(5):
        server.clock.pass_by(45)
        live.balances()
    live.buy("ETHUSDT", quote=100)
    hash_ = on_bridge(live, live._office.state_hash)
    assert replayed(read(live.journal).records, None).state_hash() == hash_


def test_open_orders_go_on_after_a_pause(opened, live, server):
    order = rest(live)
    hash_ = on_bridge(live, live._office.state_hash)
    live.close()
    assert on_bridge(live, live._office.state_hash) == hash_
    server.clock.pass_by(3600)
    again = opened(market="client", client=watching(server), journal=live.journal)
    assert again.order_status("BTCUSDT", order_id=order.order_id).executed_qty > 0
    prints = prints_of(read(live.journal).records)
    assert len(prints) == len(set(prints))
    times = [time for _, time, _ in prints]
    assert times == sorted(times)
    assert max(b - a for a, b in itertools.pairwise(times)) < 60_000


def test_a_server_whose_clock_was_set_is_believed(live, server):
    live.buy("BTCUSDT", quote=50)
    server.clock.pass_by(7200)
    report = live.buy("BTCUSDT", quote=50)
    assert report.status == "FILLED"
    assert abs(report.transact_time - server.clock()) < 60_000


# ---- in the background


def test_open_orders_are_watched_until_there_are_none(live, server, monkeypatch):
    monkeypatch.setattr(watched, "_EVERY_S", 0.01)
    order = rest(live)
    looked = server.asked["depth"]
    assert live.watched._task is not None
    server.clock.pass_by(3600)
    idle(live)  # it ends by itself: the order is filled
    assert server.asked["depth"] > looked
    assert live.frames.orders()["status"].tolist() == ["FILLED"]
    assert live.frames.fills()["order_id"].unique().tolist() == [order.order_id]


def test_nothing_is_watched_without_an_open_order(live):
    live.buy("BTCUSDT", quote=50)
    assert live.watched._task is None


def test_watching_ends_with_the_last_order_and_with_the_account(live, monkeypatch):
    monkeypatch.setattr(watched, "_EVERY_S", 0.01)
    order = live.buy("BTCUSDT", 0.01, limit=last_price(live) * 0.9)
    live.cancel(order)
    idle(live)
    live.buy("BTCUSDT", 0.01, limit=last_price(live) * 0.9)
    task = live.watched._task
    assert not task.done()
    live.close()
    assert task.cancelled()


def test_watching_goes_on_when_a_look_fails(live, server, monkeypatch):
    monkeypatch.setattr(watched, "_EVERY_S", 0.01)
    order = rest(live)
    server.refused["depth"] = True
    server.clock.pass_by(3600)
    idle(live)
    assert live.frames.orders()["status"].tolist() == ["FILLED"]
    assert order.status == "NEW"


def test_an_account_that_is_dropped_is_watched_no_more(server, monkeypatch, caplog):
    monkeypatch.setattr(watched, "_EVERY_S", 0.01)
    paper = bws.paper({"USDT": 1000}, market="client", client=watching(server))
    paper.buy("BTCUSDT", 0.01, limit=last_price(paper) * 0.9)
    task = paper.watched._task
    del paper
    gc.collect()

    default_bridge().run(_ended(task))
    assert task.cancelled()
    del task
    gc.collect()
    assert caplog.text == ""


# ---- a server that does not answer


@pytest.fixture
def door(server):
    return Door(LocalEndpoint(server, server.clock))


@pytest.fixture
def behind(opened, door):
    """An account whose server answers when it is told to."""
    default_bridge().run(_set(door.is_open))
    return opened({"USDT": 100_000}, market="client", client=Client(door))


async def _ended(task):
    await asyncio.wait({task})


async def _set(event):
    event.set()


async def _clear(event):
    event.clear()


def test_an_order_that_is_interrupted_before_it_left_is_none(behind, door, server):
    behind.buy("BTCUSDT", quote=50)
    server.clock.pass_by(30)

    async def interrupted():
        door.is_open.clear()
        door.is_waited_at.clear()
        order = asyncio.create_task(
            behind.aio.order_place("BTCUSDT", side="BUY", type="MARKET", quote_order_qty=50)
        )
        await door.is_waited_at.wait()
        order.cancel()
        await asyncio.wait({order})
        assert order.cancelled()
        door.is_open.set()

    behind.aio.bridge.run(interrupted())
    assert len(behind.orders()) == 1
    assert behind.buy("BTCUSDT", quote=50).order_id == 2
    prints = prints_of(read(behind.journal).records)
    assert len(prints) == len(set(prints))


def test_a_card_asks_nobody(behind, door):
    behind.buy("BTCUSDT", quote=50)
    behind.aio.bridge.run(_clear(door.is_open))
    assert "BTC " in repr(behind)
    assert "<table" in behind._repr_html_()
    behind.aio.bridge.run(_set(door.is_open))


def test_a_server_that_does_not_answer_is_waited_for_as_long_as_was_said(opened, door):
    default_bridge().run(_set(door.is_open))
    paper = opened(market="client", client=Client(door), timeout=0.2)
    default_bridge().run(_clear(door.is_open))
    with pytest.raises(bws.Timeout, match=r"within 0\.2 s"):
        paper.buy("BTCUSDT", quote=50)
    assert len(paper.frames.orders()) == 0
    default_bridge().run(_set(door.is_open))
    paper.close()


def test_a_closed_account_waits_for_nobody(behind, door):
    behind.buy("BTCUSDT", 0.01, limit=last_price(behind) * 0.9)
    behind.aio.bridge.run(_clear(door.is_open))
    behind.close()
    assert behind.orders()["status"].tolist() == ["NEW"]
    behind.aio.bridge.run(_set(door.is_open))


# ---- over a socket


def test_it_is_the_same_over_a_socket(opened):
    market = SyntheticMarket(1)
    server = Server(market)
    with hosted(Gateway(market), clock=server.clock) as running:
        client = Client(running.url)
        paper = opened({"USDT": 1000}, market="client", client=client)
        assert paper.buy("BTCUSDT", quote=100).status == "FILLED"
        days = bws.klines("BTCUSDT", "1d", period="3d", client=paper)
        assert days.attrs["server"] == market.identity
        paper.close()
        client.close()


def test_threads_may_share_a_live_account(live):
    errors = []

    def trade():
        try:
            for _ in range(3):
                live.buy("BTCUSDT", quote=20)
                live.equity()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(live.orders()) == 12
