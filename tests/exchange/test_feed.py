"""The watched market as the engine gets to see it, moment by moment or bar by bar."""

import pytest

from bwsresearch.exchange.recovery import replayed

from .lab import MARKET, Lab

MINUTE = 60_000
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


class Noting:
    """An engine of which is noted what it is shown: (time, event)."""

    def __init__(self, engine):
        self._engine, self.events = engine, []

    def observe(self, event, now_ms):
        self.events.append((now_ms, event))
        return self._engine.observe(event, now_ms)

    def __getattr__(self, name):
        return getattr(self._engine, name)


def seen(lab):
    """Return the list of what the engine is shown from now on."""
    noting = lab.office.desk.feed.engine = Noting(lab.office.engine)
    return noting.events


def test_trades_come_once_in_order_and_the_book_after_them():
    lab = Lab(model="depth+trades@1")
    events = seen(lab)
    lab.limit("alice", "BUY", "20000", "0.01")
    count = len(events)
    for _ in range(20):
        lab.now += 730
        lab.result("alice", "openOrders.status", {"symbol": "BTCUSDT"})
    prints = [event for _, event in events if type(event).__name__ == "Print"]
    assert len(events) > count + 20
    ids = [one.trade_id for one in prints]
    assert ids == sorted(set(ids))
    times = [now for now, _ in events]
    assert times == sorted(times)
    assert all(now == event.time <= lab.now for now, event in events)
    books = [now for now, event in events if type(event).__name__ == "BookSeen"]
    assert all(now % 100 == 0 for now in books)


def test_a_stop_gets_the_book_of_the_moment_after_the_trade_that_met_it():
    lab = Lab(model="depth+trades@1")
    lab.result("alice", "order.place", BUY)
    last = lab.office.engine.venues["BTCUSDT"].last / 10**8
    stop = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "0.01",
        "stopPrice": f"{last * 0.9995:.2f}",
    }  # fmt: skip
    events = seen(lab)
    order = lab.result("alice", "order.place", stop)["orderId"]
    lab.now += 40 * MINUTE
    row = lab.result("alice", "order.status", {"symbol": "BTCUSDT", "orderId": order})
    assert row["status"] == "FILLED"
    met = next(
        event for _, event in events
        if type(event).__name__ == "Print" and event.price <= float(stop["stopPrice"]) * 10**8
    )  # fmt: skip
    assert met.time == row["workingTime"]
    assert 0 < row["updateTime"] - met.time <= 100
    assert row["updateTime"] % 100 == 0


def test_an_order_meets_the_market_of_the_time_when_it_arrives():
    late = Lab(config={"model": {"entry_latency": 0.75}})
    first = late.result("alice", "order.place", BUY)
    soon = Lab(model="depth+trades@1")
    soon.now += 750
    assert first == soon.result("alice", "order.place", BUY)
    assert first["transactTime"] == late.now + 750
    resting = late.limit("alice", "SELL", "90000", "0.01")
    assert resting["workingTime"] == late.now + 750
    assert late.result("alice", "account.status")["updateTime"] == late.now + 750
    assert replayed(late.records, MARKET).state_hash() == late.office.state_hash()


@pytest.fixture
def bars():
    lab = Lab(model="klines@1")
    lab.now = lab.now // MINUTE * MINUTE + 30_000
    return lab


def rows(lab, symbol="BTCUSDT"):
    found = lab.result(None, "klines", {"symbol": symbol, "interval": "1m", "limit": 1000})
    return {row[0]: row for row in found}


def test_bars_are_seen_at_their_open_and_after_their_close(bars):
    events = seen(bars)
    bars.limit("alice", "BUY", "20000", "0.01")
    for seconds in (29, 1, 5, 61, 600, 3, 57):
        bars.now += seconds * 1000
        bars.result("alice", "openOrders.status", {"symbol": "BTCUSDT"})
    opened = [event for _, event in events if type(event).__name__ == "BarOpened"]
    closed = [event for _, event in events if type(event).__name__ == "BarSeen"]
    known = rows(bars)
    assert len(opened) >= 13
    for events_, first in ((opened, "time"), (closed, "open_time")):
        starts = [getattr(event, first) for event in events_]
        assert starts == list(range(starts[0], starts[-1] + 1, MINUTE))
    assert all(event.price == round(float(known[event.time][1]) * 10**8) for event in opened)
    assert all(
        [event.high, event.close]
        == [round(float(known[event.open_time][n]) * 10**8) for n in (2, 4)]
        for event in closed
    )
    for now, event in events:
        assert now == (event.time if type(event).__name__ == "BarOpened" else event.close_time)
        assert now <= bars.now


def test_an_order_at_market_waits_for_the_next_bar(bars):
    order = bars.result("alice", "order.place", BUY)
    assert order["status"] == "NEW"
    bars.now += 29_999
    ask = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    assert bars.result("alice", "order.status", ask)["status"] == "NEW"
    bars.now += 1
    row = bars.result("alice", "order.status", ask)
    assert (row["status"], row["updateTime"]) == ("FILLED", bars.now)
    at_open = bars.result("bob", "order.place", BUY)
    assert at_open["status"] == "FILLED"
    bars.now += 59_000
    price = float(rows(bars)[row["updateTime"]][1])
    assert float(row["cummulativeQuoteQty"]) / 0.01 == pytest.approx(price * 1.0002, abs=0.02)


def test_days_without_a_look_are_made_up_for(bars):
    bars.limit("alice", "BUY", "20000", "0.01")
    bars.now += 3000 * MINUTE
    events = seen(bars)
    bars.result("alice", "openOrders.status", {"symbol": "BTCUSDT"})
    closed = [event for _, event in events if type(event).__name__ == "BarSeen"]
    assert len(closed) == 3000
