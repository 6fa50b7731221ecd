"""Clients that we did not write, each with its natural calls: they cannot tell our exchange from theirs."""

import itertools
import json

import pytest

from bwsresearch.client.sync import Client
from bwsresearch.protocol import methods

from .asked import FAULTS, LIMITED, NOW, PLAIN, PUBLIC, REQUESTS, TOGETHER, WEIGHT, named
from .foreign import ALL, SDK


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


@pytest.fixture(scope="module")
def told(speaker, exchange, limited):
    """A function that returns what a client says of all it asked, by round and then by request."""
    known = {}

    def outcomes(client, name):
        options, together, url = {}, False, exchange.url
        if name == "each":
            requests = REQUESTS
        elif name == "faults":
            requests = FAULTY
        elif name == "together":
            requests, together = TOGETHER, True
        elif name == "limited":
            requests, url = LIMITED, limited(WEIGHT).url
        else:
            requests = list(PLAIN.values())
            options = client.micros if name == "micros" else client.also[name]
        calls = [client.spelled(one) for one in asks_of(client, requests)]
        return speaker(client.script).ask(url, calls, together=together, **options)

    def of(client, name):
        if (client, name) not in known:
            try:
                known[client, name] = outcomes(client, name)
            except AssertionError as failure:
                known[client, name] = failure  # once for all tests that want to know
        found = known[client, name]
        if isinstance(found, AssertionError):
            raise found
        return found

    return of


def test_every_method_is_asked_and_every_client_knows_of_it():
    assert {request.method for request in REQUESTS} == PUBLIC.keys()
    for client in ALL:
        assert client.calls.keys() == methods.CATALOGUE.keys(), client.name


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
    outcomes, requests = told(client, "micros"), asks_of(client, PLAIN.values())
    with Client(f"{exchange.url}?timeUnit=MICROSECOND") as ours:
        expected = [json.loads(ours.raw(request)) for request in requests]
    assert list(map(ok, outcomes)) == expected
    assert expected[requests.index(methods.Time())] == {"serverTime": NOW * 1000}


@pytest.mark.parametrize(
    ("client", "way"),
    [pytest.param(one, way, id=f"{one.name}-{way}") for one in ALL for way in one.also],
)
def test_its_other_ways_to_call_give_the_same(client, way, told, expected):
    outcomes = told(client, way)
    assert list(map(ok, outcomes)) == list(map(expected, asks_of(client, PLAIN.values())))


def test_the_strict_models_of_the_sdk_know_every_field(told):
    outcomes = told(SDK, "each")
    assert {
        named(request): outcome["unknown"]
        for request, outcome in zip(REQUESTS, outcomes, strict=True)
        if outcome.get("unknown")
    } == {}
