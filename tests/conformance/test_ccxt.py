"""ccxt.pro, which speaks a language of its own, gets the numbers that our client gets."""

import json

import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.protocol import methods

from .asked import HOUR, START, WEIGHT, missing

# ccxt's unified call, and our request for the same
KLINES = [
    (
        {"symbol": "BTC/USDT", "timeframe": interval, "since": START, "limit": 5},
        methods.Klines("BTCUSDT", interval, start_time=START, limit=5),
    )
    for interval in INTERVALS
] + [
    (
        {"symbol": "ETH/USDT", "timeframe": "1h", "params": {"until": START, "timeZone": "8"}},
        methods.Klines("ETHUSDT", "1h", end_time=START, time_zone="8"),
    ),
    ({"symbol": "XRP/USDT"}, methods.Klines("XRPUSDT", "1m")),
]
TRADES = [
    ({"symbol": "BTC/USDT"}, methods.TradesHistorical("BTCUSDT")),
    (
        {"symbol": "ETH/USDT", "limit": 7, "params": {"fromId": 1000}},
        methods.TradesHistorical("ETHUSDT", from_id=1000, limit=7),
    ),
]
FAULTS = [
    ({"params": {"interval": "7h"}}, "BadRequest", {"code": -1120, "msg": "Invalid interval."}),
    ({"params": {"symbol": "NOSUCH"}}, "BadSymbol", {"code": -1121, "msg": "Invalid symbol."}),
    ({"limit": 0}, "BadRequest", {"code": -1102, "msg": missing("limit")}),
]
SEVERAL = [
    ({"symbol": "BTC/USDT", "timeframe": "1h", "since": START + step * HOUR, "limit": 2},
     methods.Klines("BTCUSDT", "1h", start_time=START + step * HOUR, limit=2))
    for step in range(200)
]  # fmt: skip
LIMITED = [{"symbol": "BTC/USDT", "limit": 1}] * 20


@pytest.fixture(scope="module")
def told(speaker, exchange, limited):
    """What ccxt says of all it asked, by round."""
    ccxt = speaker("ask_ccxt.py")

    def of(name, arguments, *, url=exchange.url, together=False):
        return ccxt.ask(url, [(None, name, one) for one in arguments], together=together)

    faulty = [{"symbol": "BTC/USDT", **arguments} for arguments, _, _ in FAULTS]
    return {
        "markets": of("markets", [{}]),
        "klines": of("fetch_ohlcv_ws", [arguments for arguments, _ in KLINES]),
        "trades": of("fetch_trades_ws", [arguments for arguments, _ in TRADES]),
        "faults": of("fetch_ohlcv_ws", faulty),
        "together": of("fetch_ohlcv_ws", [one for one, _ in SEVERAL], together=True),
        "limited": of("fetch_ohlcv_ws", LIMITED, url=limited(WEIGHT).url),
    }


def ok(outcome):
    assert "ok" in outcome, outcome
    return outcome["ok"]


def bars(klines):
    return [
        [one.open_time, *map(float, (one.open, one.high, one.low, one.close, one.volume))]
        for one in klines
    ]


def test_it_reads_the_same_klines(told, ours):
    found = list(map(ok, told["klines"]))
    assert found == [bars(ours.call(request)) for _, request in KLINES]
    assert all(found)


def test_it_reads_the_same_trades(told, ours):
    found = [
        [
            (
                int(one["id"]),
                one["timestamp"],
                one["price"],
                one["amount"],
                one["cost"],
                one["side"],
            )
            for one in ok(outcome)
        ]
        for outcome in told["trades"]
    ]
    assert found == [
        [
            (one.id, one.time, float(one.price), float(one.qty), float(one.quote_qty),
             "sell" if one.is_buyer_maker else "buy")
            for one in ours.call(request)
        ]
        for _, request in TRADES
    ]  # fmt: skip


def test_it_understands_the_rules_of_every_symbol(told, ours):
    (outcome,) = told["markets"]
    info = json.loads(ours.raw(methods.ExchangeInfo()))
    found = ok(outcome)
    assert [market["info"] for market in found.values()] == info["symbols"]
    for symbol in ours.exchange_info().symbols:
        market = found[f"{symbol.base_asset}/{symbol.quote_asset}"]
        lots, prices, notional = (
            symbol.filter(name) for name in ("LOT_SIZE", "PRICE_FILTER", "NOTIONAL")
        )
        assert (market["active"], market["spot"], market["margin"]) == (True, True, False)
        assert market["precision"] == {
            "amount": float(symbol.step_size),
            "price": float(symbol.tick_size),
            "base": 1e-08,
            "quote": 1e-08,
        }
        limits = market["limits"]
        assert list(limits["amount"].values()) == [float(lots["minQty"]), float(lots["maxQty"])]
        assert list(limits["price"].values()) == [
            float(prices["minPrice"]),
            float(prices["maxPrice"]),
        ]
        assert limits["cost"]["min"] == float(notional["minNotional"])


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_it_raises_its_own_error_for_a_refusal(number, told):
    _, kind, error = FAULTS[number]
    refused = told["faults"][number]["refused"]
    assert refused["kind"] == kind
    assert json.loads(refused["msg"].removeprefix("binance ")) == error


def test_it_may_ask_many_things_at_once(told, ours):
    found = list(map(ok, told["together"]))
    assert found == [bars(ours.call(request)) for _, request in SEVERAL]


def test_it_is_told_to_stop_when_the_weight_is_used_up(told):
    outcomes = told["limited"]
    # 2 for the connection, 20 for the exchangeInfo, then 14 × 2
    assert ["ok" in one for one in outcomes] == [True] * 14 + [False] * 6
    assert {one["refused"]["kind"] for one in outcomes[14:]} == {"RateLimitExceeded"}
