"""An account's history from the local exchange: thousands of trades over days of a clock that is set."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.local import LocalEndpoint
from bwsresearch.protocol.methods import AllOrders, MyTrades

from .lab import DAY, HOUR, Clock, Exchange, Watched, refusal, result

UNIT = 10**8
BEGIN = 1_717_200_000_000  # 2024-06-01
DAYS = 6
ONE = "one".ljust(64, "0")
OTHER = "other".ljust(64, "0")


@dataclass
class Trader(Exchange):
    """An exchange on which two accounts have traded with each other."""

    made: list = field(default_factory=list)

    def new_client(self, endpoint=None):
        return super().new_client(endpoint or LocalEndpoint(self.gateway, self.clock, ONE))


def traded(market, bursts):
    """An exchange whose account "one" has traded: `bursts` are (time, count, ms between)."""
    config = Config.of({"model": {"id": "self@1"}})
    rich = {"USDT": 10**9 * UNIT, "BTC": 10**4 * UNIT}
    accounts = [
        AccountSpec(name, rich, keys=[ApiKey(key, name, None)])
        for name, key in (("one", ONE), ("other", OTHER))
    ]
    office = opened(market, accounts, config, now_ms=BEGIN)
    engine, made = office.engine, []
    for start, count, step in bursts:
        for number in range(count):
            now, size = start + number * step, 100_000 * (1 + number % 7)
            for name, is_buy in (("other", True), ("one", False)):
                ticket = Ticket(
                    "BTCUSDT", is_buy=is_buy, type="LIMIT", time_in_force="GTC",
                    price=(60_000 + number % 5) * UNIT, qty=size,
                )  # fmt: skip
                order, step_ = engine.place(engine.accounts[name], ticket, now)
            (report,) = (r for r in step_.reports if r.execution == "TRADE" and r.order is order)
            made.append((now, report.fill.trade_id, order.order_id, report.fill.price, size))
    gateway = Watched(market, config)
    gateway.office = gateway._office = office
    return Trader(gateway, Clock(BEGIN + DAYS * DAY), made)


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket(seed=7)


@pytest.fixture(scope="module")
def busy(market):
    """2,700 trades on five of six days: one of the days has more than a page, one has none."""
    return traded(
        market,
        [
            (BEGIN + 9 * HOUR, 300, 1000),
            (BEGIN + DAY + HOUR, 1300, 5),
            (BEGIN + 3 * DAY, 200, 60_000),
            (BEGIN + 4 * DAY + 7 * HOUR, 400, 0),
            (BEGIN + 5 * DAY, 500, 50_000),
        ],
    )


@pytest.fixture(autouse=True)
def _forget(busy):
    busy.client = busy.new_client()
    busy.gateway.interfere = None
    busy.gateway.calls.clear()


def expected(made, start=0, end=2**62):
    return [row for row in made if start <= row[0] < end]


def stamps(times):
    return pd.DatetimeIndex(pd.to_datetime(times, unit="ms", utc=True)).as_unit("us")


RANGES = [
    (BEGIN - 100 * DAY, BEGIN + DAYS * DAY),
    (BEGIN, BEGIN + DAYS * DAY),
    (BEGIN + DAY, BEGIN + 2 * DAY),
    (BEGIN + DAY + HOUR + 3333, BEGIN + DAY + HOUR + 4444),
    (BEGIN + 2 * DAY, BEGIN + 3 * DAY),
    (BEGIN + 2 * DAY + 1, BEGIN + 5 * DAY),
    (BEGIN + 4 * DAY + 7 * HOUR, BEGIN + 4 * DAY + 7 * HOUR + 1),
    (BEGIN + 5 * DAY, BEGIN + DAYS * DAY),
    (BEGIN + 5 * DAY + 24_999_999, BEGIN + DAYS * DAY),
    (BEGIN - 9 * DAY, BEGIN),
    (BEGIN + DAY, BEGIN + DAY),
]


@pytest.mark.parametrize(("start", "end"), RANGES)
def test_trades_of_a_range_are_all_there_once(busy, start, end):
    frame = bws.my_trades("btcusdt", start=start, end=end, client=busy.client)
    rows = expected(busy.made, start, end)
    assert frame["id"].tolist() == [row[1] for row in rows]
    assert frame["order_id"].tolist() == [row[2] for row in rows]
    assert frame.index.equals(stamps([row[0] for row in rows]).rename("time"))
    assert frame["price"].tolist() == [row[3] / UNIT for row in rows]
    assert frame["qty"].tolist() == [row[4] / UNIT for row in rows]
    assert frame.attrs == {
        "symbol": "BTCUSDT", "server": busy.gateway.market.identity, "start": start, "end": end,
        "source": "network",
    }  # fmt: skip


@pytest.mark.parametrize(("start", "end"), RANGES)
def test_orders_of_a_range_are_all_there_once(busy, start, end):
    frame = bws.all_orders("BTCUSDT", start=start, end=end, client=busy.client)
    rows = expected(busy.made, start, end)
    assert frame["order_id"].tolist() == [row[2] for row in rows]
    assert frame.index.equals(stamps([row[0] for row in rows]).rename("time"))


def test_an_account_with_one_page_is_asked_for_once(market):
    small = traded(market, [(BEGIN + k * DAY, 100, 1000) for k in range(DAYS)])
    frame = bws.my_trades("BTCUSDT", start=BEGIN + DAY, end=BEGIN + 3 * DAY, client=small.client)
    assert len(frame) == 200
    assert small.asked["myTrades"] == 1
    assert len(bws.all_orders("BTCUSDT", start=BEGIN, end=BEGIN + DAY, client=small.client)) == 100
    assert small.asked == {"allOrders": 1}


def test_a_range_takes_few_requests(busy):
    bws.my_trades("BTCUSDT", start=BEGIN + 5 * DAY, end=BEGIN + 6 * DAY, client=busy.client)
    assert busy.asked["myTrades"] == 1  # the newest page reaches back so far
    bws.my_trades("BTCUSDT", start=BEGIN + DAY, end=BEGIN + 2 * DAY, client=busy.client)
    calls = busy.pages("myTrades")
    assert len(calls) == 3
    assert (calls[1]["startTime"], calls[1]["endTime"]) == (
        str(BEGIN + DAY), str(BEGIN + 2 * DAY - 1),
    )  # fmt: skip
    assert set(calls[2]) & {"fromId", "startTime"} == {"fromId"}
    bws.all_orders("BTCUSDT", start=BEGIN + 3 * DAY, client=busy.client)
    assert len(busy.pages("allOrders")) <= 14


def test_the_newest_are_shown_without_a_range(busy):
    frame = bws.my_trades("BTCUSDT", limit=7, client=busy.client)
    assert frame["id"].tolist() == [row[1] for row in busy.made[-7:]]
    assert set(frame.attrs) == {"symbol", "server", "source"}
    assert len(bws.my_trades("BTCUSDT", client=busy.client)) == 1000
    assert len(bws.all_orders("BTCUSDT", limit=3, client=busy.client)) == 3


def test_columns_are_binances_words_in_fixed_dtypes(busy):
    trades = bws.my_trades("BTCUSDT", limit=5, client=busy.client)
    assert {name: str(dtype) for name, dtype in trades.dtypes.items()} == {
        "id": "int64", "order_id": "int64", "order_list_id": "int64", "price": "float64",
        "qty": "float64", "quote_qty": "float64", "commission": "float64",
        "commission_asset": "category", "is_buyer": "bool", "is_maker": "bool",
        "is_best_match": "bool",
    }  # fmt: skip
    first = trades.iloc[0]
    assert first["quote_qty"] == pytest.approx(first["price"] * first["qty"], abs=1e-8)
    assert first["commission"] == pytest.approx(first["quote_qty"] / 1000, abs=1e-8)
    assert (first["commission_asset"], first["is_buyer"], first["is_maker"]) == (
        "USDT",
        False,
        False,
    )
    orders = bws.all_orders("BTCUSDT", limit=5, client=busy.client)
    assert {name: str(dtype) for name, dtype in orders.dtypes.items()} | {"client_order_id": ""} == {
        "order_id": "int64", "order_list_id": "int64", "client_order_id": "", "price": "float64",
        "orig_qty": "float64", "executed_qty": "float64", "cummulative_quote_qty": "float64",
        "status": "category", "time_in_force": "category", "type": "category", "side": "category",
        "stop_price": "float64", "iceberg_qty": "float64", "update_time": "datetime64[us, UTC]",
        "is_working": "bool", "working_time": "datetime64[us, UTC]",
        "orig_quote_order_qty": "float64", "self_trade_prevention_mode": "category",
        "expiry_reason": "category",
    }  # fmt: skip
    row = orders.iloc[-1]
    assert (row["status"], row["side"], row["type"], row["time_in_force"]) == (
        "FILLED", "SELL", "LIMIT", "GTC",
    )  # fmt: skip
    assert row["update_time"] == row["working_time"] == orders.index[-1]
    for frame, name in ((trades, "id"), (orders, "order_id")):
        call = bws.my_trades if name == "id" else bws.all_orders
        empty = call("ETHUSDT", start=BEGIN, end=BEGIN + DAY, client=busy.client)
        assert len(empty) == 0
        drop = ["client_order_id"] if name == "order_id" else []
        assert (
            empty.drop(columns=drop)
            .dtypes.astype(str)
            .equals(frame.drop(columns=drop).dtypes.astype(str))
        )
        assert empty.index.dtype == frame.index.dtype


def test_relative_ranges_are_of_the_servers_time(busy):
    frame = bws.my_trades("BTCUSDT", period="1d", client=busy.client)
    assert frame["id"].tolist() == [row[1] for row in expected(busy.made, BEGIN + 5 * DAY)]
    assert frame.attrs["end"] - frame.attrs["start"] == DAY


def test_a_limit_is_waited_for(busy):
    now = busy.clock.now_ms
    limited = refusal(429, -1003, "Too much.", serverTime=now, retryAfter=now)
    busy.nth(2, limited, "myTrades")
    frame = bws.my_trades("BTCUSDT", start=BEGIN, end=BEGIN + 2 * DAY, client=busy.client)
    assert len(frame) == 1600


def test_broken_pages_are_errors(busy):
    busy.nth(1, result([{"id": 1}]), "myTrades")
    with pytest.raises(bws.ServerError, match="sent a broken page"):
        bws.my_trades("BTCUSDT", client=busy.client)
    rows = [
        {
            "symbol": "BTCUSDT", "id": number, "orderId": 1, "orderListId": -1, "price": "1",
            "qty": "1", "quoteQty": "1", "commission": "0", "commissionAsset": "BNB", "time": 1,
            "isBuyer": True, "isMaker": True, "isBestMatch": True,
        }
        for number in (2, 1)
    ]  # fmt: skip
    busy.nth(1, result(rows), "myTrades")
    with pytest.raises(bws.ServerError, match="other rows than ascending ids"):
        bws.my_trades("BTCUSDT", client=busy.client)


def test_what_cannot_be_meant_is_said_before_anything_is_asked(busy):
    for options, match in (
        ({"start": BEGIN, "limit": 5}, "limit is 5 beside a range"),
        ({"end": BEGIN}, "end is .* without start"),
        ({"limit": 1001}, "limit is 1001, must be 1 to 1000 rows; for more give start="),
        ({"start": BEGIN + 1, "end": BEGIN}, "is after end"),
    ):
        for call in (bws.my_trades, bws.all_orders):
            with pytest.raises(ValueError, match=match):
                call("BTCUSDT", client=busy.client, **options)
    with pytest.raises(TypeError, match=r"must be what bws\.connect"):
        bws.my_trades("BTCUSDT", client="local")
    assert busy.asked == {}


def test_a_client_without_a_key_is_told_so(busy):
    stranger = busy.new_client(LocalEndpoint(busy.gateway, busy.clock))
    with pytest.raises(ValueError, match="myTrades needs an API key"):
        bws.my_trades("BTCUSDT", client=stranger)
    with pytest.raises(bws.BadSymbol, match="NOPE was asked for"):
        bws.my_trades("NOPE", client=busy.client)


async def test_both_can_be_awaited(busy):
    trades, orders = await asyncio.gather(
        bws.aio.my_trades("BTCUSDT", limit=2, client=busy.client),
        bws.aio.all_orders("BTCUSDT", limit=2, client=busy.client),
    )
    assert np.array_equal(trades["order_id"], orders["order_id"])


def test_requests_weigh_what_the_exchange_says():
    assert MyTrades("BTCUSDT", from_id=1, limit=1000).weight == 20
    assert AllOrders("BTCUSDT", order_id=1, limit=1000).weight == 20
    assert isinstance(bws.my_trades.__doc__, str)
    assert Client.my_trades is not bws.my_trades
