"""The documented trading and account requests, signed and sent as they stand, in the state they speak of.

Compared are the keys and their order, the types of values, and the words: code, msg, side, status.
The time of the exchange is that of the request, and its order counts are limited as in the documents.
"""

import copy
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from xml.etree import ElementTree as ET

import msgspec
import pytest
from websockets.sync.client import connect

from bwsresearch.protocol import methods
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import result_type
from bwsresearch.protocol.signing import payload

from .conftest import served
from .documents import form, real, real_text, without_none
from .traded import (
    ALICE,
    BOB,
    BTC,
    NOW,
    TRADING,
    Twin,
    events_of,
    exchange,
    key_of,
    new,
)

WORDS = frozenset(
    {"code", "msg", "cancelResult", "newOrderResult", "status", "timeInForce", "type", "side",
     "rateLimitType", "interval", "intervalNum", "limit", "price", "symbol", "accountType"}
)  # fmt: skip
"""What is the same to the letter."""
ANY_NUMBER = re.compile(r"amount with \d+ decimals")
MINE, PLACED_MS = "4d96324ff9d44481926157", 1_660_801_715_639


def offer(name=MINE, side="SELL", price="23416.10", qty="0.00847", who=ALICE, **more):
    return new(who, name, side, price, qty, want=None, **more)


def sold(price="23416.10", qty="0.00847"):
    """Return the step that buys what alice offers."""
    return offer("bought", "BUY", price, qty, BOB)


MANY = [offer(f"n-{number}", price="23450") for number in range(49)]


@dataclass(frozen=True)
class Case:
    """A documented pair of request and response.

    `before` brings the exchange into the state of the response, `changes` are parameters that the
    request shown lacks or that name what is different here; `slips` are keys that the response shown
    has or lacks by mistake: those that are taken out on both sides.
    """

    file: str
    number: int = 0
    before: list = field(default_factory=list)
    changes: dict = field(default_factory=dict)
    slips: frozenset = frozenset()
    kind: str = "HMAC"
    query: str = ""
    placed_ms: int | None = None
    """When `before` happened; at the time of the request when None."""

    @property
    def succeeds(self):
        return self.file != REPLACE or self.number == 0

    def __str__(self):
        return f"{self.file.removesuffix('.json')}-{self.number}"


LOGON = "032_session-logon.json"
PLACE = "035_order-place.json"
TEST = "036_order-test.json"
CANCEL = "037_order-cancel.json"
REPLACE = "038_order-cancelreplace.json"
QUIET = {"kind": "ED25519", "query": "?returnRateLimits=false"}
STOP = {"cancelReplaceMode": "STOP_ON_FAILURE"}
TAKES = {"type": "LIMIT_MAKER", "price": "23400.00", "timeInForce": None}
NO_STP = frozenset({"selfTradePreventionMode"})
WORKS = frozenset({"workingTime", "fills"})
bid = offer("bid", "BUY", "23410.00", "1", BOB)
part = sold(qty="0.0003")

CASES = [
    Case(LOGON, **QUIET),
    Case("033_session-status.json", **QUIET),
    Case("034_session-logout.json", **QUIET),
    Case(PLACE, 0, changes={"newOrderRespType": "ACK"}),
    Case(PLACE, 1, changes={"newOrderRespType": "RESULT"}),
    Case(PLACE, 2, slips=NO_STP,
         before=[offer("b-1", "BUY", "23416.10", "0.00635", BOB),
                 offer("b-2", "BUY", "23416.50", "0.00212", BOB)]),
    Case(TEST, 0),
    Case(TEST, 1, changes={"computeCommissionRates": True}),
    Case(CANCEL, 0, before=[offer(), part]),
    Case(REPLACE, 0, before=[offer(price="23450")], slips=WORKS),
    Case(REPLACE, 1, changes=STOP),
    Case(REPLACE, 2, before=[bid, offer(price="23450")], changes=TAKES),
    Case(REPLACE, 3),
    Case(REPLACE, 4, before=[bid], changes=TAKES),
    Case(REPLACE, 5, before=[*MANY, offer(price="23450")], slips=frozenset({"data"})),
    Case(REPLACE, 6, before=[*MANY, offer(price="23450")],
         changes={"orderRateLimitExceededMode": "CANCEL_ONLY"}, slips=frozenset({"symbol", "price"})),
    Case("039_order-amend-keeppriority.json", before=[offer("my_test_order1", "BUY", "5", "7")]),
    Case("040_openorders-cancelall.json", before=[offer(), part]),
    Case("050_account-status.json"),
    Case("051_order-status.json", before=[offer(), sold()], changes={"orderId": 1}),
    Case("052_openorders-status.json", before=[offer(), sold(qty="0.0072")]),
    Case("053_allorders.json", before=[offer(), sold()], placed_ms=PLACED_MS),
    # It shows a price that its own order cannot have been filled at.
    Case("057_mytrades.json", before=[offer(), sold()], slips=frozenset({"price"}),
         placed_ms=PLACED_MS),
    Case("058_account-ratelimits-orders.json"),
    Case("059_mypreventedmatches.json", changes={"orderId": 1}, slips=frozenset({"price"}),
         before=[offer(qty="1.3"), offer("own", "BUY", qty="2")]),
    Case("061_account-commission.json"),
    Case("062_order-amendments.json", changes={"orderId": "1"},
         before=[offer("my_pending_order", "BUY", "5", "7"), "amend"]),
    Case("063_myfilters.json", changes={"returnRateLimits": False}),
]  # fmt: skip
needs_documents = pytest.mark.skipif(
    real("doc_examples", "index.json") is None,
    reason="BWS_REAL_DATA does not name a folder of documents",
)


def amend(step):
    if step != "amend":
        return step.who, step.request
    return ALICE, methods.OrderAmendKeepPriority(BTC, order_id=1, new_qty="5")


def document(case):
    found = real("doc_examples", "ws_api", case.file)
    response = found["responses"][case.number]
    return found["requests"][0]["frame"] | {"id": response["frame"]["id"]}, response


def conditional():
    """Return the keys that a reply has only when they apply to the order."""
    return {one["field"] for one in real("doc_examples", "conditional_order_fields.json")}


def signed(frame, case, now):
    """Return a documented frame with a key and a signature of ours."""
    params = frame.get("params", {}) | case.changes
    params = {name: value for name, value in params.items() if value is not None}
    if "signature" in params:
        key = key_of(ALICE, case.kind)
        params |= {"apiKey": key.api_key, "timestamp": now}
        del params["signature"]
        texts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in params.items()}
        params["signature"] = key.sign(payload(texts))
    return {**frame, "params": params} if "params" in frame or params else frame


def comparable(value, left_out):
    """Return a value with its words as they are, anything else as its form, without some keys."""
    if isinstance(value, dict):
        return [
            (
                name,
                one if name in WORDS and not isinstance(one, dict) else comparable(one, left_out),
            )
            for name, one in value.items()
            if name not in left_out
        ]
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        # order lists, which are not built, are shown among orders
        shown = [one for one in value if "listOrderStatus" not in one]
        return sorted({json.dumps(comparable(one, left_out)) for one in shown})
    return ANY_NUMBER.sub("amount", str(form(value)))


def keys_in(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


@pytest.fixture(scope="module")
def answered(market):
    """A function that returns the reply to a documented request, and the documented reply."""
    known = {}

    def of(case):
        if str(case) not in known:
            known[str(case)] = asked(case, market)
        reply, response = known[str(case)]
        return copy.deepcopy(reply), copy.deepcopy(response)

    return of


def asked(case, market):
    frame, response = document(case)
    now = frame.get("params", {}).get("timestamp", NOW)
    then = now if case.placed_ms is None else case.placed_ms
    gateway = exchange(
        market, now=then, orders_10s=50, orders_day=160_000, weight_per_minute=6000,
        maker_decrement=1,
    )  # fmt: skip
    before = Twin(gateway, now=then)
    for step in case.before:
        assert before.ask(*amend(step))["status"] == 200, step
    with served(gateway, lambda: now) as server, connect(server.url + case.query) as line:
        if case.file != LOGON and case.file.split("_")[1].startswith("session"):
            line.send(json.dumps(signed(document(Case(LOGON))[0], case, now)))
            line.recv(timeout=30)
        line.send(json.dumps(signed(frame, case, now)))
        return json.loads(line.recv(timeout=30)), response


def test_the_list_of_documented_pairs_is_complete():
    index = real("doc_examples", "index.json")
    if index is None:
        pytest.skip("BWS_REAL_DATA does not name a folder of documents")
    built = {name for name, kind in CATALOGUE.items() if kind.security != "NONE"}
    built |= {"session.status", "session.logout"}
    known = {(case.file, case.number) for case in CASES}
    lists = {(CANCEL, 1), ("039_order-amend-keeppriority.json", 1)}  # of order lists
    documented = set()
    for entry in index["ws_api"]:
        found = real("doc_examples", entry["file"])
        if found["requests"] and found["requests"][0]["frame"].get("method") in built:
            name = entry["file"].split("/")[-1]
            documented |= {(name, number) for number in range(len(found["responses"]))}
    assert documented == known | lists


@needs_documents
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_documented_request_is_answered_in_the_documented_form(case, answered):
    reply, response = answered(case)
    expected = response["frame"]
    if "duplicate key" in response.get("note", ""):
        for row in expected["result"]:  # of two places the later one is that of order.status
            row["origQuoteOrderQty"] = row.pop("origQuoteOrderQty")
            row["selfTradePreventionMode"] = row.pop("selfTradePreventionMode")
    # The documents show fields that do not apply; those of ours that do are in their place.
    left_out = (conditional() - keys_in(reply)) | case.slips
    if case.file == "050_account-status.json":  # rest-api.md, and what was received, have it before
        rates, result = expected["result"].pop("commissionRates"), expected["result"]
        four = list(result.items())[:4]
        expected["result"] = dict(four) | {"commissionRates": rates} | result
    if case.file == "063_myfilters.json":  # which filters there are differs
        assert [list(one["result"]) for one in (reply, expected)] == [list(reply["result"])] * 2
        left_out = set(expected["result"])
    assert comparable(reply, left_out) == comparable(expected, left_out)
    assert list(reply) == list(expected)
    assert reply["id"] == expected["id"]


@needs_documents
@pytest.mark.parametrize("case", CASES, ids=str)
def test_limits_are_shown_as_documented(case, answered):
    reply, response = answered(case)

    def limits(frame):
        return [{**one, "count": None} for one in frame.get("rateLimits", [])]

    assert limits(reply) == limits(response["frame"])


def amounts(value, name=""):
    """Return all amounts of a reply, which are texts of digits."""
    if isinstance(value, dict):
        return [one for key, inner in value.items() for one in amounts(inner, key)]
    if isinstance(value, list):
        return [one for inner in value for one in amounts(inner, name)]
    is_amount = isinstance(value, str) and not name.lower().endswith("id")
    return [value] if is_amount and re.fullmatch(r"-?[\d.]+", value) else []


def test_amounts_have_eight_decimals(market):
    twin = Twin(exchange(market))
    for step in TRADING:
        if not isinstance(step.request, methods.MyFilters):
            shown = amounts(twin.ask(step.who, step.request).get("result", []))
            assert all(re.fullmatch(r"\d+\.\d{8}", one) for one in shown), (str(step), shown)


@needs_documents
@pytest.mark.parametrize("case", [case for case in CASES if case.succeeds], ids=str)
def test_our_records_hold_all_that_the_documentation_shows(case):
    frame, response = document(case)
    result = response["frame"]["result"]
    record = msgspec.convert(result, result_type(CATALOGUE[frame["method"]]), strict=False)
    assert lacking(without_none(msgspec.to_builtins(record)), without_none(result)) == []


def lacking(found, documented, path=""):
    """Return the paths of what is documented and not found, or found to be something else."""
    if isinstance(documented, dict):
        return [
            missing
            for name, value in documented.items()
            for missing in lacking(found.get(name) if isinstance(found, dict) else None, value,
                                   f"{path}.{name}")
        ]  # fmt: skip
    if isinstance(documented, list):
        pairs = enumerate(zip(found or [None] * len(documented), documented, strict=True))
        return [m for n, (one, other) in pairs for m in lacking(one, other, f"{path}[{n}]")]
    is_same = found == documented or (
        isinstance(documented, str) and isinstance(found, str)
        and re.fullmatch(r"[\d.]+", documented) is not None
        and Decimal(found) == Decimal(documented)
    )  # fmt: skip
    return [] if is_same else [f"{path}: {found!r}, not {documented!r}"]


# ---- the order of keys that no example shows

SHOWN_BY = {
    "order.place": "NewOrderFullResponse",
    "order.status": "OrderResponse",
    "openOrders.cancelAll": "CancelOrderResponse",
    "order.amend.keepPriority": "OrderAmendKeepPriorityResponse",
}


def schema(message):
    """Return the fields of a message of the binary form, which has them in the order of the JSON."""
    tree = ET.fromstring(real_text("sbe", "spot_prod_latest.xml"))
    (found,) = (one for one in tree.iter() if one.get("name") == message and one.get("id"))
    return [one.get("name") for one in found if one.tag.endswith("field")]


@needs_documents
@pytest.mark.parametrize("method", SHOWN_BY)
def test_conditional_fields_stand_in_the_order_of_the_binary_form(method, market):
    fields = schema(SHOWN_BY[method])
    always = {"workingTime", "time", "updateTime", "isWorking", "selfTradePreventionMode"}
    looked_at = (conditional() | always) & set(fields)
    twin, seen = Twin(exchange(market)), set()
    for step in TRADING:
        reply = twin.ask(step.who, step.request)
        if step.request.method == method and reply["status"] == 200:
            result = reply["result"]
            for shown in result if isinstance(result, list) else [result]:
                own = [name for name in shown.get("amendedOrder", shown) if name in looked_at]
                assert own == sorted(own, key=fields.index), str(step)
                seen |= set(own)
    assert len(seen) > 4


# ---- what was really received

NEWER = {"origQuoteOrderQty", "specialCommission", "specialCommissionForOrder"}
"""What the documents of today have, and what was received some time ago has not."""
RECEIVED = {
    "TestAccountInformation": (ALICE, methods.AccountStatus(omit_zero_balances=True)),
    "TestUnfilledOrder": (ALICE, methods.AccountRateLimitsOrders()),
    "TestAccountOrderHistory": (BOB, methods.AllOrders(BTC)),
    "TestAccountTradeHistory": (BOB, methods.MyTrades(BTC)),
    "TestAccountCommission": (BOB, methods.AccountCommission(BTC)),
    "TestCreateTestOrder": (
        BOB,
        methods.OrderTest(
            BTC, side="BUY", type="MARKET", quantity="1", compute_commission_rates=True
        ),
    ),
    "TestWsApiCreateOrder": (
        ALICE,
        offer("rests", "BUY", "2000", "0.01", symbol="ETHUSDT").request,
    ),
    "stale timestamp": (ALICE, methods.AccountStatus()),
    "session.logon with an HMAC key": (ALICE, methods.SessionLogon()),
}


TRADED = [
    offer(qty="1"),
    offer("bought", "BUY", None, None, BOB, kind="MARKET", tif=None, quote_order_qty="23416.1"),
]


def received():
    return [
        pytest.param(one["frame"], *RECEIVED[one["test"]], id=one["test"])
        for one in real("ws_api", "frames.json") or []
        if one["live"] and one["test"] in RECEIVED
    ]


@needs_documents
def test_the_list_of_received_replies_is_complete():
    assert {one.id for one in received()} == RECEIVED.keys()


@needs_documents
@pytest.mark.parametrize(("frame", "who", "request_"), received())
def test_replies_have_the_form_of_those_received_from_the_exchange(frame, who, request_, market):
    twin = Twin(exchange(market, orders_10s=50, orders_day=160_000, weight_per_minute=6000))
    for step in TRADED:
        assert twin.ask(step.who, step.request)["status"] == 200
    signed_at = twin.now - (5001 if frame.get("error", {}).get("code") == -1021 else 0)
    reply = twin.say(who, twin.ours[who].send(request_, now_ms=signed_at)[1])
    if "error" in frame:
        assert (reply["status"], reply["error"]) == (frame["status"], frame["error"])
    else:
        left_out = {"id", "discountAsset"} | (NEWER - keys_in(frame))
        left_out |= {"price"} if isinstance(frame["result"], list) else set()
        assert comparable(reply, left_out) == comparable(frame, left_out)


EVENTS = {
    "001_outboundaccountposition.json": "outboundAccountPosition",
    "002_balanceupdate.json": "balanceUpdate",
    "003_executionreport.json": "executionReport",
}


@needs_documents
@pytest.mark.parametrize("file", EVENTS)
def test_events_have_the_documented_form(file, market):
    documented = real("doc_examples", "user_data_events", file)["events"][0]["frame"]["event"]
    documented.pop("v", None)  # of orders alone that were kept from trading with their own account
    found = next(one for one in events_of(market) if one["e"] == EVENTS[file])
    assert comparable(found, set()) == comparable(documented, set())
