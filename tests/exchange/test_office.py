"""Requests of accounts as they come from a connection: who may, how many, and what is answered."""

import json

import pytest

from bwsresearch.exchange.recovery import replayed
from bwsresearch.protocol.session import Options, ServerSession
from bwsresearch.protocol.signing import urlencoded

from .lab import MARKET, Lab

PLACE = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
    "price": "14000", "quantity": "0.01",
}  # fmt: skip


@pytest.fixture
def lab():
    return Lab()


# ---- who may


def test_faults_of_a_signature_are_found_in_their_order(lab):
    def error(**signing):
        return lab.error("alice", "account.status", {}, **signing)

    mandatory = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
    assert error(apiKey=None) == (400, -1102, mandatory.format("apiKey"))
    assert error(timestamp=None) == (400, -1102, mandatory.format("timestamp"))
    assert error(signature=None) == (400, -1102, mandatory.format("signature"))
    assert error(apiKey="short", signature="x") == (401, -2014, "API-key format invalid.")
    stranger = "Invalid API-key, IP, or permissions for action."
    assert error(apiKey="z" * 64, timestamp=1, signature="x") == (401, -2015, stranger)
    old = "Timestamp for this request is outside of the recvWindow."
    assert error(timestamp=lab.now - 5001, signature="x") == (400, -1021, old)
    early = "Timestamp for this request was 1000ms ahead of the server's time."
    assert error(timestamp=lab.now + 1000, signature="x") == (400, -1021, early)
    assert error(signature="x") == (400, -1022, "Signature for this request is not valid.")
    assert lab.result("alice", "account.status", {}, timestamp=lab.now - 5000)
    assert lab.result("alice", "account.status", {}, timestamp=(lab.now + 999) * 1000)


def test_a_key_may_do_what_it_is_permitted():
    lab = Lab("alice", permissions=["USER_DATA"])
    assert lab.result("alice", "openOrders.status") == []
    assert lab.error("alice", "order.place", PLACE)[:2] == (401, -2015)
    assert lab.error("alice", "order.test", PLACE)[:2] == (401, -2015)


def test_the_percent_encoded_payload_is_accepted_unless_strict():
    params = {"symbols": "x"}
    for strict, status in ((False, 400), (True, 400)):
        lab = Lab(config={"auth": {"strict_signatures": strict}})
        key = lab.keys["alice"]
        sent = {"symbol": "１２３", "apiKey": key.api_key, "timestamp": lab.now}
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in sent.items()}
        reply = lab.ask(
            "alice",
            "openOrders.status",
            {"symbol": "１２３"},
            signature=key.sign(urlencoded(texts)),
        )
        assert reply["status"] == status
        assert reply["error"]["code"] == (-1022 if strict else -1121)
    assert params


def test_an_hmac_key_cannot_log_on(lab):
    msg = "HMAC-SHA-256 API key is not supported."
    assert lab.error("alice", "session.logon") == (400, -2028, msg)
    status = lab.result(None, "session.status")
    assert (status["apiKey"], status["authorizedSince"]) == (None, None)


# ---- what is answered


def test_the_forms_of_a_placement(lab):
    ack = lab.result("alice", "order.place", PLACE | {"newOrderRespType": "ACK"})
    assert list(ack) == ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"]
    result = lab.result("alice", "order.place", PLACE | {"newOrderRespType": "RESULT"})
    assert list(result)[5:] == [
        "price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status",
        "timeInForce", "type", "side", "workingTime", "selfTradePreventionMode",
    ]  # fmt: skip
    full = lab.result("alice", "order.place", PLACE)
    assert full["fills"] == []
    stop = PLACE | {"type": "STOP_LOSS_LIMIT", "stopPrice": "15000", "price": "15100"}
    assert list(lab.result("alice", "order.place", stop)) == list(ack)
    stop = lab.result(
        "alice", "order.place", stop | {"newOrderRespType": "RESULT", "strategyId": 7}
    )
    assert (stop["stopPrice"], stop["strategyId"], stop["workingTime"]) == (
        "15000.00000000", 7, -1,
    )  # fmt: skip


def test_order_counts_come_with_placements_alone_and_fall_with_fills(lab):
    def counts(reply):
        return [(r["interval"], r["count"]) for r in reply["rateLimits"]]

    first = lab.ask("alice", "order.place", PLACE | {"side": "SELL", "price": "15000"})
    assert counts(first) == [("SECOND", 1), ("DAY", 1), ("MINUTE", 0)]
    assert counts(lab.ask("alice", "order.test", PLACE)) == [("MINUTE", 1)]
    refused = lab.ask("alice", "order.place", PLACE | {"price": "0.001"})
    assert counts(refused) == [("SECOND", 2), ("DAY", 2), ("MINUTE", 2)]
    taken = lab.ask("bob", "order.place", PLACE | {"price": "15000"})
    assert counts(taken) == [("SECOND", 0), ("DAY", 0), ("MINUTE", 2)]
    rows = lab.result("alice", "account.rateLimits.orders")
    assert [(r["interval"], r["intervalNum"], r["count"]) for r in rows] == [
        ("SECOND", 10, 0), ("DAY", 1, 0),
    ]  # fmt: skip


def test_too_many_orders_are_a_429_with_the_time_to_wait():
    lab = Lab(config={"limits": {"orders_10s": 2}})
    for _ in range(2):
        lab.result("alice", "order.place", PLACE)
    reply = lab.ask("alice", "order.place", PLACE)
    assert (reply["status"], reply["error"]["code"], reply["error"]["msg"]) == (
        429, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.",
    )  # fmt: skip
    assert reply["error"]["data"] == {"serverTime": lab.now, "retryAfter": lab.now + 10_000}
    assert lab.result("bob", "order.place", PLACE)


@pytest.mark.parametrize(
    ("change", "code", "msg"),
    [
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"side": "BID"}, -1117, "Invalid side."),
        ({"type": "FOO"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"price": "1e4"}, -1100, "Illegal characters found in parameter 'price'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'."),
        ({"price": "14000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000015"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.0001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "600"}, -2010, "Account has insufficient balance for requested action."),
        ({"pegPriceType": "PRIMARY_PEG", "price": None}, -2010, "Pegged orders are not supported for this symbol."),
        ({"strategyType": 999}, -1134, "strategyType was less than 1000000."),
        ({"extra": 1}, -1104, "Not all sent parameters were read; read '9' parameter(s) but was sent '10'."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_order_is_said_in_the_exchanges_words(lab, change, code, msg):
    assert lab.error("alice", "order.place", PLACE | change) == (400, code, msg)
    assert lab.result("alice", "openOrders.status") == []


def test_an_order_test_changes_nothing_and_looks_at_no_balance(lab):
    before = lab.office.state_hash()
    assert lab.result("alice", "order.test", PLACE | {"quantity": "600"}) == {}
    rates = lab.result("alice", "order.test", PLACE | {"computeCommissionRates": True})
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert lab.office.state_hash() == before
    assert [r["method"] for r in lab.records if r["k"] == "req"] == ["order.test", "order.test"]


def test_an_order_is_found_cancelled_and_gone(lab):
    placed = lab.limit("alice", "BUY", 14000, "0.01", newClientOrderId="mine")
    both = {"symbol": "BTCUSDT", "orderId": placed["orderId"], "origClientOrderId": "mine"}
    assert lab.result("alice", "order.status", both)["status"] == "NEW"
    assert lab.error("alice", "order.status", both | {"origClientOrderId": "other"})[1] == -2039
    assert lab.error("bob", "order.status", both)[1] == -2013
    assert [o["clientOrderId"] for o in lab.result("alice", "openOrders.status")] == ["mine"]
    report = lab.result("alice", "order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    assert (report["origClientOrderId"], report["status"]) == ("mine", "CANCELED")
    assert list(report)[:6] == [
        "symbol", "origClientOrderId", "orderId", "orderListId", "clientOrderId", "transactTime",
    ]  # fmt: skip
    gone = (400, -2011, "Unknown order sent.")
    assert lab.error("alice", "order.cancel", {"symbol": "BTCUSDT", "orderId": 1}) == gone
    assert lab.error("alice", "openOrders.cancelAll", {"symbol": "BTCUSDT"}) == gone
    found = lab.result("alice", "order.status", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    assert found["status"] == "CANCELED"


def test_cancel_all_reports_each(lab):
    for price in (14000, 14001):
        lab.limit("alice", "BUY", price, "0.01")
    lab.limit("bob", "BUY", 14000, "0.01")
    reports = lab.result("alice", "openOrders.cancelAll", {"symbol": "BTCUSDT"})
    assert [r["price"] for r in reports] == ["14000.00000000", "14001.00000000"]
    assert len(lab.result("bob", "openOrders.status", {"symbol": "BTCUSDT"})) == 1


def test_history_is_paged_by_id_and_by_time(lab):
    start = lab.now
    for _ in range(5):
        lab.limit("alice", "SELL", 15000, "0.01")
        lab.limit("bob", "BUY", 15000, "0.01")

    def ask(method, **given):
        return lab.result("alice", method, {"symbol": "BTCUSDT", **given})

    assert [o["orderId"] for o in ask("allOrders")] == [1, 3, 5, 7, 9]
    assert [o["orderId"] for o in ask("allOrders", limit=2)] == [7, 9]
    assert [o["orderId"] for o in ask("allOrders", orderId=4, limit=2)] == [5, 7]
    assert [o["orderId"] for o in ask("allOrders", startTime=start, endTime=start + 6)] == [1, 3, 5]
    assert [t["id"] for t in ask("myTrades")] == [1, 2, 3, 4, 5]
    assert [t["id"] for t in ask("myTrades", limit=2)] == [4, 5]
    assert [t["id"] for t in ask("myTrades", fromId=2, limit=2)] == [2, 3]
    assert [t["id"] for t in ask("myTrades", orderId=3)] == [2]
    assert [t["id"] for t in ask("myTrades", startTime=start + 3)] == [2, 3, 4, 5]
    assert [t["isMaker"] for t in ask("myTrades", orderId=3)] == [True]
    wide = {"symbol": "BTCUSDT", "startTime": start, "endTime": start + 86_400_001}
    assert lab.error("alice", "myTrades", wide) == (
        400, -1127, "More than 24 hours between startTime and endTime.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "cancel", "price", "status", "code", "halves"),
    [
        ("STOP_ON_FAILURE", 1, "14001", 200, None, ("SUCCESS", "SUCCESS")),
        ("STOP_ON_FAILURE", 9, "14001", 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("STOP_ON_FAILURE", 1, "60000", 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", 1, "60000", 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", 9, "14001", 409, -2021, ("FAILURE", "SUCCESS")),
        ("ALLOW_FAILURE", 9, "60000", 400, -2022, ("FAILURE", "FAILURE")),
    ],
)
def test_cancel_and_replace_ends_as_its_mode_says(lab, mode, cancel, price, status, code, halves):
    lab.limit("alice", "BUY", 14000, "0.01")
    new = PLACE | {
        "price": price,
        "quantity": "20",
        "cancelReplaceMode": mode,
        "cancelOrderId": cancel,
    }
    reply = lab.ask("alice", "order.cancelReplace", new)
    data = reply["result"] if status == 200 else reply["error"]["data"]
    assert reply["status"] == status
    assert (data["cancelResult"], data["newOrderResult"]) == halves
    if code is not None:
        assert reply["error"]["code"] == code
    if halves[1] == "NOT_ATTEMPTED":
        assert data["newOrderResponse"] is None


@pytest.mark.parametrize(
    ("mode", "cancel", "status", "code", "halves"),
    [
        ("STOP_ON_FAILURE", 1, 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", 1, 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", 9, 400, -2022, ("FAILURE", "FAILURE")),
        ("STOP_ON_FAILURE", 9, 429, -1015, None),
    ],
)
def test_an_order_may_be_cancelled_when_no_more_may_be_placed(mode, cancel, status, code, halves):
    lab = Lab(config={"limits": {"orders_10s": 1}})
    lab.result("alice", "order.place", PLACE)
    new = PLACE | {"cancelReplaceMode": mode, "cancelOrderId": cancel}
    for others in ({}, {"orderRateLimitExceededMode": "DO_NOTHING"}):
        assert lab.error("alice", "order.cancelReplace", new | others)[:2] == (429, -1015)
    reply = lab.ask(
        "alice", "order.cancelReplace", new | {"orderRateLimitExceededMode": "CANCEL_ONLY"}
    )
    error = reply["error"]
    assert (reply["status"], error["code"]) == (status, code)
    assert [limit["count"] for limit in reply["rateLimits"][:2]] == [1, 1]
    if halves is not None:
        assert (error["data"]["cancelResult"], error["data"]["newOrderResult"]) == halves
        assert error["data"]["newOrderResponse"] == {
            "code": -1015, "msg": "Too many new orders; current limit is 1 orders per 10 SECOND.",
        }  # fmt: skip
    assert len(lab.result("alice", "openOrders.status")) == (cancel == 9)


def test_an_amendment_is_answered_and_listed(lab):
    lab.limit("alice", "BUY", 14000, "0.02", newClientOrderId="mine")
    lab.now += 5
    reply = lab.result(
        "alice", "order.amend.keepPriority", {"symbol": "BTCUSDT", "orderId": 1, "newQty": "0.01"}
    )
    assert list(reply) == ["transactTime", "executionId", "amendedOrder"]
    assert reply["amendedOrder"]["qty"] == "0.01000000"
    assert lab.result("alice", "order.amendments", {"symbol": "BTCUSDT", "orderId": 1}) == [
        {
            "symbol": "BTCUSDT", "orderId": 1, "executionId": reply["executionId"],
            "origClientOrderId": "mine",
            "newClientOrderId": reply["amendedOrder"]["clientOrderId"],
            "origQty": "0.02000000", "newQty": "0.01000000", "time": lab.now,
        }
    ]  # fmt: skip


def test_prevented_matches_of_a_symbol_that_is_none_cost_little(lab):
    def used(params):
        before = lab.ask(None, "ping")["rateLimits"][-1]["count"]
        return lab.ask("alice", "myPreventedMatches", params)["rateLimits"][-1]["count"] - before

    assert used({"symbol": "BTCUSDT", "orderId": 1}) == 20
    assert used({"symbol": "BTCUSDT", "preventedMatchId": 1}) == 2
    assert used({"symbol": "NOTHING", "orderId": 1}) == 2
    assert used({"symbol": "BTCUSDT", "orderId": "x"}) == 2


def test_prevented_matches_and_filters_are_listed(lab):
    lab.limit("alice", "SELL", 15000, "0.01")
    lab.limit("alice", "BUY", 15000, "0.02")
    rows = lab.result("alice", "myPreventedMatches", {"symbol": "BTCUSDT", "orderId": 1})
    assert [(r["takerOrderId"], r["makerOrderId"], r["makerPreventedQuantity"]) for r in rows] == [
        (2, 1, "0.01000000")
    ]
    names = lab.result("alice", "myFilters", {"symbol": "BTCUSDT"})["symbolFilters"]
    assert "MAX_NUM_ORDERS" in {row["filterType"] for row in names}


@pytest.mark.parametrize(
    ("mode", "status", "prevented", "losses"),
    [
        ("EXPIRE_MAKER", "NEW", None, {"makerPreventedQuantity": "0.01000000"}),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "0.02000000",
         {"takerPreventedQuantity": "0.02000000"}),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "0.02000000",
         {"takerPreventedQuantity": "0.02000000", "makerPreventedQuantity": "0.01000000"}),
        ("DECREMENT", "NEW", "0.01000000",
         {"takerPreventedQuantity": "0.01000000", "makerPreventedQuantity": "0.01000000"}),
    ],
)  # fmt: skip
def test_a_taker_is_told_what_it_was_kept_from(lab, mode, status, prevented, losses):
    lab.limit("alice", "SELL", 15000, "0.01")
    placed = lab.limit("alice", "BUY", 15000, "0.02", selfTradePreventionMode=mode)
    assert placed["preventedMatches"] == [
        {"preventedMatchId": 1, "makerSymbol": "BTCUSDT", "makerOrderId": 1,
         "price": "15000.00000000", **losses}
    ]  # fmt: skip
    assert list(placed)[-2 - (prevented is not None) :] == [
        "preventedMatches", "selfTradePreventionMode", *["preventedQuantity"] * bool(prevented),
    ]  # fmt: skip
    assert (placed["status"], placed.get("preventedQuantity")) == (status, prevented)
    other = lab.limit("bob", "BUY", 14000, "0.01")
    assert "preventedMatches" not in other


def test_times_are_in_the_unit_that_the_connection_asked_for(lab):
    lab.session = ServerSession(Options(time_unit="MICROSECOND"))
    placed = lab.limit("alice", "BUY", 14000, "0.02")
    assert placed["transactTime"] == lab.now * 1000
    row = lab.result("alice", "order.status", {"symbol": "BTCUSDT", "orderId": 1})
    assert (row["time"], row["workingTime"]) == (lab.now * 1000, lab.now * 1000)


def test_weight_is_given_back_for_what_succeeds(lab):
    assert lab.ask("alice", "order.place", PLACE)["rateLimits"][-1]["count"] == 0
    cancel = {"symbol": "BTCUSDT", "orderId": 9}
    assert lab.ask("alice", "order.cancel", cancel)["rateLimits"][-1]["count"] == 1
    assert lab.ask("alice", "allOrders", {"symbol": "BTCUSDT"})["rateLimits"][-1]["count"] == 21


# ---- what is recorded


def test_nothing_secret_is_recorded_and_everything_else_is(lab):
    lab.limit("alice", "BUY", 14000, "0.01", newClientOrderId="mine")
    lab.error("alice", "order.place", PLACE | {"price": "0.001"})
    text = b"".join(lab.lines)
    signed = json.loads(lab.frame("alice", "order.place", PLACE))["params"]["signature"]
    for name, key in lab.keys.items():
        assert key.api_key.encode() not in text, name
    assert signed.encode() not in text
    request = next(r for r in lab.records if r["k"] == "req")
    assert request["params"] == PLACE | {
        "newClientOrderId": "mine", "timestamp": str(lab.now), "price": "14000",
    }  # fmt: skip
    lab.error("alice", "order.place", PLACE | {"stopPrice": "1"})
    replies = [r for r in lab.records if r["k"] == "res"]
    assert [(r["status"], r.get("code")) for r in replies] == [
        (200, None), (400, -1013), (400, -1106),
    ]  # fmt: skip


def test_an_exchange_that_cannot_record_trades_no_more(lab):
    def broken(_):
        raise OSError("full")

    lab.journal.write = broken
    assert lab.error("alice", "order.place", PLACE)[:2] == (503, -1008)
    assert lab.error("alice", "order.place", PLACE)[:2] == (503, -1008)
    assert lab.result("alice", "account.status")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "abc"}, -1100), ({"price": "1.123456789"}, -1111), ({"timeInForce": None}, -1102),
        ({"side": "HOLD"}, -1117), ({"symbol": "NOPE"}, -1121), ({"price": "1"}, -1013),
    ],
)  # fmt: skip
def test_refused_orders_are_recorded_with_their_refusal(lab, change, code):
    before = lab.office.state_hash()
    assert lab.error("alice", "order.place", {**PLACE, **change})[1] == code
    asked, answered = lab.records[-2:]
    assert (asked["k"], asked["account"], asked["method"]) == ("req", "alice", "order.place")
    assert asked["params"]["side"] == change.get("side", "BUY")
    assert (answered["k"], answered["of"], answered["code"]) == ("res", asked["seq"], code)
    assert replayed(lab.records, MARKET).state_hash() == lab.office.state_hash() == before


def test_requests_of_nobody_and_what_is_no_parameter_are_not_recorded(lab):
    count = len(lab.records)
    lab.error("alice", "order.place", PLACE, apiKey="z" * 64, signature="x")
    lab.error("alice", "order.place", PLACE, apiKey=None)
    lab.error("alice", "myTrades", {})
    assert len(lab.records) == count
    lab.error("alice", "order.place", {**PLACE, "secret": "do-not-keep"})
    lab.error("alice", "order.place", PLACE, signature="do-not-keep")
    assert len(lab.records) == count + 4
    text = b"".join(lab.lines)
    assert b"do-not-keep" not in text
    assert lab.keys["alice"].api_key.encode() not in text


def test_an_account_that_was_emptied_begins_anew():
    lab = Lab("alice", config={"seed": 2})
    alice = lab.office.engine.accounts["alice"]
    lab.office.deposit("alice", "USDT", 5, lab.now)
    assert lab.office.deposits["alice", "USDT"] == lab.units("1000000") + 5
    for asset, free in list(alice.free.items()):
        lab.office.deposit("alice", asset, -free, lab.now)
    assert lab.office.deposits == {}
    lab.office.deposit("alice", "BTC", 7, lab.now)
    assert lab.office.deposits == {("alice", "BTC"): 7}
    assert replayed(lab.records, MARKET).deposits == {("alice", "BTC"): 7}
