"""The official documentation, asked as it stands: our replies have the form of its examples.

The symbols of the examples are replaced by symbols that we serve. Compared are the keys, their
order, the types of values, and of amounts the number of decimals.
"""

import json

import msgspec
import pytest
from websockets.sync.client import connect

from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import declared, result_type
from bwsresearch.protocol.results import RateLimit

from .asked import PUBLIC
from .documents import form, real, without_none

SERVED = {"BNBBTC": "BNBUSDT", "BNBBUSD": "SOLUSDT"}

# The documentation shows answers to requests that it does not show, by method and number of the answer.
NOT_SHOWN = {
    ("ticker.24hr", 1): {"symbol": "BNBBTC", "type": "MINI"},
    ("ticker.24hr", 2): {"symbols": ["BNBBTC", "BTCUSDT"]},
    ("ticker.price", 1): {"symbols": ["BNBBTC", "BTCUSDT", "BNBBUSD"]},
    ("ticker.book", 0): {"symbol": "BNBBTC"},
}
# Messages that were received from the exchange: the test that they come from, and what it asked.
RECEIVED = {
    "TestWebSocketConnection": ("ping", {}),
    "TestWebSocketServerTime": ("time", {}),
    "TestMarketDepth": ("depth", {"symbol": "BTCUSDT", "limit": 2}),
    "TestMarketTradesRecent": ("trades.recent", {"symbol": "BTCUSDT", "limit": 2}),
    "TestMarketTradesHistorical": ("trades.historical", {"symbol": "BTCUSDT", "limit": 2}),
    "TestMarketTradesAggregate": ("trades.aggregate", {"symbol": "BTCUSDT", "limit": 2}),
    "TestMarketKline": ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 2}),
    "TestMarketUIKline": ("uiKlines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 2}),
    "TestMarketTicker24h": ("ticker.24hr", {"symbols": ["BTCUSDT", "ETHUSDT"]}),
    "TestMarketTickerPrice": ("ticker.price", {"symbols": ["BTCUSDT"]}),
    "TestMarketTickerBook": ("ticker.book", {"symbols": ["BTCUSDT", "ETHUSDT"]}),
}


def examples():
    """Return the documented pairs of request and response of the methods that are built."""
    for entry in (real("doc_examples", "index.json") or {"ws_api": []})["ws_api"]:
        document = real("doc_examples", entry["file"])
        frames = [one["frame"] for one in document["requests"]]
        if not frames or frames[0].get("method") not in PUBLIC:
            continue
        for number, response in enumerate(document["responses"]):
            request = frames[min(number, len(frames) - 1)]
            if params := NOT_SHOWN.get((request["method"], number)):
                request = request | {"id": response["frame"]["id"], "params": params}
            name = f"{document['section']}-{number}".replace(" ", "-")
            yield pytest.param(request, response["frame"], id=name)


def received():
    for one in real("ws_api", "frames.json") or []:
        if one["live"] and one["test"] in RECEIVED:
            method, params = RECEIVED[one["test"]]
            request = {"id": one["frame"]["id"], "method": method, "params": params}
            yield pytest.param(request, one["frame"], id=one["test"])


EXAMPLES, FRAMES = list(examples()), list(received())
needs_documents = pytest.mark.skipif(
    not EXAMPLES, reason="BWS_REAL_DATA does not name a folder of recorded data"
)


def served(value):
    """Return a request about symbols that we serve."""
    if isinstance(value, dict):
        return {key: served(one) for key, one in value.items()}
    if isinstance(value, list):
        return [served(one) for one in value]
    return SERVED.get(value, value) if isinstance(value, str) else value


def loosely(form_):
    """Return a form that says "text" of amounts, whatever their decimals."""
    return [(key, "str" if "amount" in kind else kind) for key, kind in form_]


def without_rules(reply):
    """Return an exchangeInfo without what differs between exchanges and symbols."""
    result = dict(reply["result"])
    result.pop("sors", None)  # where there is smart order routing
    variable = ("filters", "orderTypes", "permissionSets", "allowedSelfTradePreventionModes")
    result["symbols"] = [
        {key: list if key in variable else value for key, value in symbol.items()}
        for symbol in result["symbols"]
    ]
    return {**reply, "result": result}


def comparable(request, reply):
    return form(without_rules(reply) if request["method"] == "exchangeInfo" else reply)


@pytest.fixture(scope="module")
def line(exchange):
    with connect(exchange.url, max_size=None) as connection:
        yield connection


def asked(line, request):
    line.send(json.dumps(served(request)))
    return json.loads(line.recv(timeout=30))


@needs_documents
def test_the_documentation_has_an_example_of_every_method():
    assert {one.values[0]["method"] for one in EXAMPLES} == PUBLIC.keys()


@needs_documents
@pytest.mark.parametrize(("request_", "response"), EXAMPLES)
def test_a_documented_request_is_answered_in_the_documented_form(line, request_, response):
    reply = asked(line, request_)
    assert reply["id"] == response["id"]
    assert reply["status"] == 200
    assert comparable(request_, reply) == comparable(request_, response)


@needs_documents
@pytest.mark.parametrize(("request_", "response"), FRAMES)
def test_replies_have_the_form_of_those_received_from_the_exchange(line, request_, response):
    assert comparable(request_, asked(line, request_)) == comparable(request_, response)


@needs_documents
def test_the_list_of_received_messages_is_complete():
    assert {one.id for one in FRAMES} == RECEIVED.keys()


@needs_documents
def test_filters_have_the_documented_fields(line):
    filters = {one["filterType"]: one["examples"][0] for one in real("doc_examples/filters.json")}
    reply = asked(line, {"id": 1, "method": "exchangeInfo"})
    for symbol in reply["result"]["symbols"]:
        assert symbol["filters"]
        for one in symbol["filters"]:
            # What is multiplied by is written with as few decimals as it needs, by the exchange too.
            assert loosely(form(one)) == loosely(form(filters[one["filterType"]]))


@needs_documents
@pytest.mark.parametrize("method", list(CATALOGUE))
def test_every_documented_parameter_is_read(method):
    kind = CATALOGUE[method]
    document = next(one for one in real("doc_examples/catalogue.json") if one["method"] == method)
    documented = {one["name"]: one["mandatory"] == "yes" for one in document["parameters"]}
    # Those of a signature are read for every method that needs one, whether its table has them or not.
    signed = documented.keys() & {"apiKey", "recvWindow", "signature", "timestamp"}
    assert bool(signed) == (kind.security != "NONE")
    known = {param.wire: param.mandatory for param in declared(kind)}
    assert known == {name: must for name, must in documented.items() if name not in signed}


@needs_documents
@pytest.mark.parametrize(("request_", "response"), EXAMPLES)
def test_our_records_hold_all_that_the_documentation_shows(request_, response):
    result = dict(response)["result"]
    if request_["method"] == "exchangeInfo":
        result = {key: value for key, value in result.items() if key != "sors"}
    record = msgspec.convert(result, result_type(PUBLIC[request_["method"]]), strict=False)
    assert without_none(msgspec.to_builtins(record)) == result
    limits = response.get("rateLimits", [])
    assert msgspec.to_builtins(msgspec.convert(limits, list[RateLimit])) == limits
