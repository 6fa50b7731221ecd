from decimal import Decimal

import msgspec
import pytest

from bwsresearch.protocol import methods, results
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import declared, result_type

MISSION = [
    "order.place",
    "order.test",
    "order.cancel",
    "openOrders.cancelAll",
    "account.status",
    "order.status",
    "openOrders.status",
    "allOrders",
    "myTrades",
    "ping",
    "time",
    "exchangeInfo",
    "depth",
    "trades.recent",
    "trades.historical",
    "trades.aggregate",
    "klines",
    "avgPrice",
    "ticker.24hr",
    "ticker.price",
    "ticker.book",
]
MISSING = set(MISSION[:9])


def test_the_catalogue_lacks_the_order_and_account_methods_and_nothing_else():
    assert set(MISSION) - CATALOGUE.keys() == MISSING
    assert CATALOGUE.keys() - set(MISSION) == {"uiKlines"}


@pytest.mark.parametrize(
    ("request_", "weight"),
    [
        (methods.Ping(), 1),
        (methods.ExchangeInfo(), 20),
        (methods.Depth("A"), 5),
        (methods.Depth("A", limit=101), 25),
        (methods.Depth("A", limit=5000), 250),
        (methods.TradesRecent("A"), 25),
        (methods.TradesAggregate("A"), 4),
        (methods.Klines("A", "1h"), 2),
        (methods.Ticker24hr("A"), 2),
        (methods.Ticker24hr(symbols=["A"] * 21), 40),
        (methods.Ticker24hr(), 80),
        (methods.TickerPrice("A"), 2),
        (methods.TickerBook(symbols=["A"]), 4),
    ],
)
def test_weights_are_the_documented_ones(request_, weight):
    assert request_.weight == weight


def test_only_what_is_given_is_sent():
    request = methods.Klines("BTCUSDT", "1h", start_time=3)
    assert request.params() == {"symbol": "BTCUSDT", "interval": "1h", "startTime": 3}


def test_parameters_are_declared_in_the_order_in_which_they_are_read():
    assert [(p.wire, p.mandatory) for p in declared(methods.TradesAggregate)] == [
        ("symbol", True),
        ("fromId", False),
        ("startTime", False),
        ("endTime", False),
        ("limit", False),
    ]


def test_a_kline_row_becomes_a_typed_record():
    row = b'[[1,"1.10","2","0.5","1.5","9",2,"10",3,"4","5","0"]]'
    (kline,) = msgspec.json.decode(row, type=result_type(methods.Klines))
    assert kline == results.Kline(
        1, Decimal("1.10"), Decimal(2), Decimal("0.5"), Decimal("1.5"), Decimal(9),
        2, Decimal(10), 3, Decimal(4), Decimal(5),
    )  # fmt: skip
