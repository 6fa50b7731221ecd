"""Clients that we did not write, each with its natural calls: they cannot tell our exchange from theirs."""

import functools
import itertools
import json
import subprocess
from dataclasses import dataclass, field

import pytest

from bwsresearch.client.sync import Client
from bwsresearch.protocol import methods

from .asked import FAULTS, LIMITED, NOW, PUBLIC, REQUESTS, TOGETHER, WEIGHT, named


@dataclass(frozen=True, eq=False)
class Foreign:
    """How a client is called: by method its name for it, None where it has none."""

    name: str
    package: str
    script: str
    calls: dict[str, str | None]
    is_snake: bool
    """Whether it names parameters as Python does; else as the wire does."""
    lacks: frozenset[str] = frozenset()
    """Parameters that it does not offer."""
    shows_status: bool = True
    shows_limits: bool = True
    micros: dict[str, object] | None = None
    """Its option for times in microseconds."""
    also: dict[str, dict[str, object]] = field(default_factory=dict)
    """More ways to make all calls, by name: their options."""

    def has(self, request):
        return self.calls[request.method] is not None and not self.lacks & request.sent().keys()

    def spelled(self, request):
        arguments = request.sent() if self.is_snake else request.params()
        return [self.calls[request.method], arguments]


SDK = Foreign(
    name="binance-sdk-spot",
    package="binance_sdk_spot",
    script="ask_sdk.py",
    calls={
        "ping": "ping",
        "time": "time",
        "exchangeInfo": "exchange_info",
        "depth": "depth",
        "trades.recent": "trades_recent",
        "trades.historical": "trades_historical",
        "trades.aggregate": "trades_aggregate",
        "klines": "klines",
        "uiKlines": "ui_klines",
        "avgPrice": "avg_price",
        "ticker.24hr": "ticker24hr",
        "ticker.price": "ticker_price",
        "ticker.book": "ticker_book",
    },
    is_snake=True,
    shows_status=False,
    micros={"time_unit": "MICROSECOND"},
    also={"compressed": {"compression": 15}, "without-limits": {"return_rate_limits": False}},
)
PYTHON_BINANCE = Foreign(
    name="python-binance",
    package="binance",
    script="ask_python_binance.py",
    calls={
        "ping": "ws_ping",
        "time": "ws_get_time",
        "exchangeInfo": "ws_get_exchange_info",
        "depth": "ws_get_order_book",
        "trades.recent": "ws_get_recent_trades",
        "trades.historical": "ws_get_historical_trades",
        "trades.aggregate": "ws_get_aggregate_trades",
        "klines": "ws_get_klines",
        "uiKlines": "ws_get_uiKlines",
        "avgPrice": "ws_get_avg_price",
        "ticker.24hr": "ws_get_ticker",
        "ticker.price": "ws_get_symbol_ticker",
        "ticker.book": "ws_get_orderbook_ticker",
    },
    is_snake=False,
    shows_limits=False,
    micros={"time_unit": "MICROSECOND"},
    also={"blocking": {"sync": True}},
)
UNICORN = Foreign(
    name="unicorn-binance-websocket-api",
    package="unicorn_binance_websocket_api",
    script="ask_unicorn.py",
    calls={
        "ping": "ping",
        "time": "get_server_time",
        "exchangeInfo": "get_exchange_info",
        "depth": "get_order_book",
        "trades.recent": "get_recent_trades",
        "trades.historical": "get_historical_trades",
        "trades.aggregate": "get_aggregate_trades",
        "klines": "get_klines",
        "uiKlines": "get_ui_klines",
        "avgPrice": "get_current_average_price",
        "ticker.24hr": None,
        "ticker.price": None,
        "ticker.book": None,
    },
    is_snake=True,
    lacks=frozenset({"show_permission_sets", "symbol_status"}),
)
ALL = [SDK, PYTHON_BINANCE, UNICORN]


def asks_of(client, rows):
    return [row for row in rows if client.has(row)]


def pairs(rows):
    return [
        pytest.param(client, row, id=f"{client.name}-{named(row)}")
        for client in ALL
        for row in asks_of(client, rows)
    ]


def each(clients):
    return [pytest.param(client, id=client.name) for client in clients]


def ok(outcome):
    assert "ok" in outcome, outcome
    return outcome["ok"]


FAULTY = [request for request, _, _ in FAULTS]


@pytest.fixture(scope="session")
def told(foreign, exchange, limited):
    """A function that returns what a client says of all it asked, by round and then by request."""

    def rounds(client):
        def of(requests, *, url=exchange.url, together=False, **options):
            calls = [client.spelled(one) for one in asks_of(client, requests)]
            return {"url": url, "calls": calls, "together": together, "options": options}

        yield "each", of(REQUESTS)
        yield "faults", of(FAULTY)
        yield "together", of(TOGETHER, together=True)
        yield "limited", of(LIMITED, url=limited(WEIGHT).url)
        if client.micros:
            yield "micros", of(REQUESTS, **client.micros)
        for name, options in client.also.items():
            yield name, of(REQUESTS, **options)

    @functools.cache
    def outcomes(client):
        converse = foreign(client.script, client.package)
        try:
            return converse(dict(rounds(client)))
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            return failure  # once for all tests that want to know

    def of(client, name):
        found = outcomes(client)
        if isinstance(found, Exception):
            raise found
        return found[name]

    return of


def test_every_method_is_asked_and_every_client_knows_of_it():
    assert {request.method for request in REQUESTS} == PUBLIC.keys()
    for client in ALL:
        assert client.calls.keys() == PUBLIC.keys(), client.name


@pytest.mark.parametrize(("client", "request_"), pairs(REQUESTS))
def test_it_gets_what_our_client_gets(client, request_, told, expected):
    outcome = told(client, "each")[asks_of(client, REQUESTS).index(request_)]
    assert ok(outcome) == expected(request_)


@pytest.mark.parametrize(("client", "request_"), pairs(FAULTY))
def test_it_reports_a_refusal_with_code_and_msg(client, request_, told):
    code, msg = next((code, msg) for one, code, msg in FAULTS if one == request_)
    outcome = told(client, "faults")[asks_of(client, FAULTY).index(request_)]
    refused = outcome["refused"]
    assert (refused["code"], refused["msg"]) == (code, msg)
    assert refused.get("data") is None
    assert not client.shows_status or refused["status"] == 400


@pytest.mark.parametrize("client", each(ALL))
def test_it_may_ask_many_things_at_once(client, told, expected):
    outcomes = told(client, "together")
    assert list(map(ok, outcomes)) == list(map(expected, TOGETHER))


@pytest.mark.parametrize("client", each(ALL))
def test_it_is_told_to_stop_when_the_weight_is_used_up(client, told):
    outcomes = told(client, "limited")
    assert ["ok" in one for one in outcomes] == [True] * 24 + [False] * 6
    refused = outcomes[-1]["refused"]
    assert refused["code"] == -1003
    assert refused["msg"].startswith("Too much request weight used; current limit is 50 ")
    assert refused["data"] == {"serverTime": NOW, "retryAfter": NOW - NOW % 60_000 + 60_000}
    assert not client.shows_status or refused["status"] == 429


@pytest.mark.parametrize("client", each(one for one in ALL if one.shows_limits))
def test_it_sees_each_request_charged_with_its_weight(client, told):
    requests = asks_of(client, REQUESTS)
    shown = [outcome["rateLimits"] for outcome in told(client, "each")]
    assert {len(limits) for limits in shown} == {1}
    counts = [limits[0].pop("count") for limits in shown]
    assert all(
        limits == [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                    "limit": 10**9}]
        for limits in shown
    )  # fmt: skip
    charged = [after - before for before, after in itertools.pairwise(counts)]
    assert charged == [request.weight for request in requests[1:]]


@pytest.mark.parametrize("client", each(one for one in ALL if one.micros))
def test_it_gets_microseconds_when_it_asks_for_them(client, told, exchange):
    outcomes, requests = told(client, "micros"), asks_of(client, REQUESTS)
    with Client(f"{exchange.url}?timeUnit=MICROSECOND") as ours:
        expected = [json.loads(ours.raw(request)) for request in requests]
    assert list(map(ok, outcomes)) == expected
    assert expected[requests.index(methods.Time())] == {"serverTime": NOW * 1000}


@pytest.mark.parametrize(
    ("client", "way"),
    [pytest.param(one, way, id=f"{one.name}-{way}") for one in ALL for way in one.also],
)
def test_its_other_ways_to_call_give_the_same(client, way, told):
    assert list(map(ok, told(client, way))) == list(map(ok, told(client, "each")))


def test_the_strict_models_of_the_sdk_know_every_field(told):
    outcomes = told(SDK, "each")
    assert {
        named(request): outcome["unknown"]
        for request, outcome in zip(REQUESTS, outcomes, strict=True)
        if outcome.get("unknown")
    } == {}
