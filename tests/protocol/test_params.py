import itertools
import json
from decimal import Decimal

import pytest

from bwsresearch.protocol import methods
from bwsresearch.protocol.credentials import Credentials
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.params import Pairs, Reading, parse, read, reading, sent_text

LONGER = "Illegal characters found in parameter '{}'; legal range is '^[0-9]{{1,20}}$'."
MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."


@pytest.mark.parametrize(
    ("kind", "text", "code", "msg"),
    [
        (methods.Depth, "{}", -1102, MANDATORY.format("symbol")),
        (methods.Depth, '{"symbol":""}', -1102, MANDATORY.format("symbol")),
        (methods.Depth, '{"symbol":"A","limit":""}', -1105, "Parameter 'limit' was empty."),
        (methods.Depth, '{"symbol":"A","limit":0}', -1102, MANDATORY.format("limit")),
        (methods.Depth, '{"symbol":"A","limit":-1}', -1100, LONGER.format("limit")),
        (methods.Depth, '{"symbol":"A","limit":1e3}', -1100, LONGER.format("limit")),
        (
            methods.Depth,
            '{"symbol":"btcusdt"}',
            -1100,
            (
                r"Illegal characters found in parameter 'symbol'; "
                r"legal range is '^[\w\-._&&[^a-z]]{1,50}$'."
            ),
        ),
        (
            methods.TradesHistorical,
            '{"symbol":"A","fromId":9223372036854775808}',
            -1108,
            "Parameter 'fromId' overflowed.",
        ),
        (
            methods.Depth,
            '{"symbol":"A","symbol":"B"}',
            -1101,
            "Duplicate values for a parameter detected.",
        ),
        (
            methods.Ping,
            '{"a":1}',
            -1104,
            "Not all sent parameters were read; read '0' parameter(s) but was sent '1'.",
        ),
        (
            methods.Ping,
            '{"a":1,"b":2}',
            -1101,
            "Too many parameters; expected '1' and received '2'.",
        ),
        (
            methods.TickerPrice,
            '{"symbol":"A","symbols":["B"]}',
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (methods.Ticker24hr, '{"symbol":"A","type":"X"}', -1139, "Invalid ticker type."),
        (methods.Depth, '{"symbol":"A","symbolStatus":"X"}', -1122, "Invalid symbolStatus."),
    ],
)
def test_a_bad_parameter_gets_the_exchanges_own_code_and_message(kind, text, code, msg):
    with pytest.raises(Refusal) as caught:
        read(kind, parse(text))
    assert (caught.value.body.code, caught.value.body.msg) == (code, msg)


@pytest.mark.parametrize("symbols", ['["A","B"]', '"[\\"A\\",\\"B\\"]"'])
def test_lists_are_read_as_arrays_and_as_text(symbols):
    assert read(methods.TickerPrice, parse(f'{{"symbols":{symbols}}}')) == methods.TickerPrice(
        symbols=["A", "B"]
    )


def test_limits_above_the_maximum_are_clamped_and_numbers_may_be_text():
    assert read(methods.Depth, parse('{"symbol":"A","limit":"5001"}')) == methods.Depth(
        "A", limit=5000
    )


def test_an_api_key_on_a_public_request_is_ignored():
    assert read(methods.Ping, parse('{"apiKey":"x"}')) == methods.Ping()


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 50_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_numbers_keep_their_text():
    assert parse('{"a":0.10,"b":[1e-7]}') == Pairs([("a", "0.10"), ("b", ["1e-7"])])


KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SIGNED = {"apiKey": KEY, "signature": "aa", "timestamp": 1}
ORDER = {"symbol": "A", "side": "BUY", "type": "LIMIT"}
ID = "Illegal characters found in parameter '{}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."
DECIMAL = r"Illegal characters found in parameter '{}'; legal range is '^([0-9]{{1,20}})(\.[0-9]{{1,20}})?$'."
INVALID = "Data sent for parameter '{}' is not valid."
WINDOW = "'recvWindow' contains unexpected value. Cannot be greater than 60000."


def asked(kind, params, **options):
    return reading(kind, parse(json.dumps(params)), **options)


def refused(kind, params, **options):
    with pytest.raises(Refusal) as caught:
        asked(kind, params, **options)
    return caught.value.status, caught.value.body.code, caught.value.body.msg


@pytest.mark.parametrize(
    ("changed", "code", "msg"),
    [
        ({"side": None}, -1102, MANDATORY.format("side")),
        ({"side": "LONG"}, -1117, "Invalid side."),
        ({"side": "buy"}, -1117, "Invalid side."),
        ({"type": ""}, -1102, MANDATORY.format("type")),
        ({"type": "STOP"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": ""}, -1105, "Parameter 'timeInForce' was empty."),
        ({"quantity": "1e-7"}, -1100, DECIMAL.format("quantity")),
        ({"quantity": 1e-7}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "-1"}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "1,5"}, -1100, DECIMAL.format("quantity")),
        ({"quantity": ".5"}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "5."}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "１"}, -1100, DECIMAL.format("quantity")),
        ({"quantity": True}, -1100, DECIMAL.format("quantity")),
        ({"quantity": [1]}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "1" * 21}, -1100, DECIMAL.format("quantity")),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"price": "1.000000000"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"newClientOrderId": ""}, -1118, "New client order ID was empty."),
        ({"newClientOrderId": "x" * 37}, -1100, ID.format("newClientOrderId")),
        ({"newClientOrderId": "a b"}, -1100, ID.format("newClientOrderId")),
        ({"newClientOrderId": "ä"}, -1100, ID.format("newClientOrderId")),
        ({"newClientOrderId": "a\n"}, -1100, ID.format("newClientOrderId")),
        ({"newOrderRespType": "SHORT"}, -1130, INVALID.format("newOrderRespType")),
        ({"selfTradePreventionMode": "ALL"}, -1130, INVALID.format("selfTradePreventionMode")),
        ({"trailingDelta": "1.5"}, -1100, LONGER.format("trailingDelta")),
        (
            {"symbol": "B", "unknown": 1},
            -1104,
            "Not all sent parameters were read; read '6' parameter(s) but was sent '7'.",
        ),
        # What stands first in the order of reading is told first.
        ({"side": "x", "type": "x", "quantity": "x", "apiKey": ""}, -1117, "Invalid side."),
        ({"price": "x", "quantity": "x"}, -1100, DECIMAL.format("quantity")),
    ],
)
def test_a_bad_order_gets_the_exchanges_own_code_and_message(changed, code, msg):
    assert refused(methods.OrderPlace, ORDER | SIGNED | changed) == (400, code, msg)


@pytest.mark.parametrize(
    ("kind", "params", "code", "msg"),
    [
        (
            methods.OrderCancel,
            {"symbol": "A"},
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        ),
        (
            methods.OrderCancel,
            {"symbol": "A", "origClientOrderId": ""},
            -1119,
            "Original client order ID was empty.",
        ),
        (
            methods.OrderCancel,
            {"symbol": "A", "orderId": 1, "cancelRestrictions": "NONE"},
            -1145,
            "Invalid cancelRestrictions",
        ),
        (
            methods.OrderStatus,
            {"symbol": "A", "orderId": 2**63},
            -1108,
            "Parameter 'orderId' overflowed.",
        ),
        (
            methods.OrderCancelReplace,
            {"symbol": "A", "cancelReplaceMode": "STOP_ON_FAILURE", "side": "BUY", "type": "LIMIT"},
            -1102,
            (
                "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, "
                "but both were empty/null!"
            ),
        ),
        (
            methods.OrderCancelReplace,
            {"symbol": "A", "cancelReplaceMode": "BOTH", "cancelOrderId": 1},
            -1130,
            INVALID.format("cancelReplaceMode"),
        ),
        (
            methods.MyPreventedMatches,
            {"symbol": "A", "fromPreventedMatchId": 1},
            -1102,
            "Param 'preventedMatchId' or 'orderId' must be sent, but both were empty/null!",
        ),
        (
            methods.AccountStatus,
            {"omitZeroBalances": "yes"},
            -1130,
            INVALID.format("omitZeroBalances"),
        ),
    ],
)
def test_a_bad_request_of_an_account_gets_the_exchanges_own_code_and_message(
    kind, params, code, msg
):
    assert refused(kind, SIGNED | params) == (400, code, msg)


CHOICES = ("orderId", "startTime", "endTime", "fromId")
LEGAL = [
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
]


@pytest.mark.parametrize(
    "chosen",
    [set(some) for size in range(5) for some in itertools.combinations(CHOICES, size)],
    ids=lambda chosen: "+".join(sorted(chosen)) or "none",
)
def test_trades_are_asked_for_in_the_documented_ways_only(chosen):
    params = SIGNED | {"symbol": "A"} | dict.fromkeys(chosen, 1)
    if chosen in LEGAL:
        assert asked(methods.MyTrades, params).request.params() == {"symbol": "A"} | dict.fromkeys(
            chosen, 1
        )
    else:
        msg = "Combination of optional parameters invalid."
        assert refused(methods.MyTrades, params) == (400, -1128, msg)


@pytest.mark.parametrize(
    ("params", "code", "msg"),
    [
        ({"timestamp": 1, "signature": "a"}, -1102, MANDATORY.format("apiKey")),
        ({"apiKey": KEY, "signature": "a"}, -1102, MANDATORY.format("timestamp")),
        ({"apiKey": KEY, "timestamp": 1}, -1102, MANDATORY.format("signature")),
        ({"apiKey": "no key at all", "timestamp": 1}, -1102, MANDATORY.format("signature")),
        (SIGNED | {"timestamp": "now"}, -1100, LONGER.format("timestamp")),
        (SIGNED | {"timestamp": -1}, -1100, LONGER.format("timestamp")),
        (SIGNED | {"timestamp": 2**64}, -1108, "Parameter 'timestamp' overflowed."),
        (SIGNED | {"recvWindow": 60000.001}, -1102, WINDOW),
        (SIGNED | {"recvWindow": "60001"}, -1102, WINDOW),
        (
            SIGNED | {"recvWindow": "1.0001"},
            -1111,
            "Parameter 'recvWindow' has too much precision.",
        ),
        (SIGNED | {"recvWindow": "-1"}, -1100, DECIMAL.format("recvWindow")),
        (SIGNED | {"recvWindow": ""}, -1105, "Parameter 'recvWindow' was empty."),
        (
            SIGNED | {"recvWindow": 1, "a": 1, "b": 2, "c": 3},
            -1101,
            "Too many parameters; expected '5' and received '7'.",
        ),
        (
            SIGNED | {"a": 1},
            -1104,
            "Not all sent parameters were read; read '3' parameter(s) but was sent '4'.",
        ),
    ],
)
def test_bad_credentials_get_the_exchanges_own_code_and_message(params, code, msg):
    assert refused(methods.AccountRateLimitsOrders, params) == (400, code, msg)


def test_credentials_are_read_beside_the_request():
    params = ORDER | SIGNED | {"recvWindow": "6000.346", "returnRateLimits": False}
    found = asked(methods.OrderPlace, params)
    assert found.request == methods.OrderPlace("A", side="BUY", type="LIMIT")
    assert found.credentials == Credentials(
        1,
        Decimal("6000.346"),
        KEY,
        "aa",
        ORDER | SIGNED | {"timestamp": "1", "recvWindow": "6000.346", "returnRateLimits": "false"},
    )


def test_a_window_that_is_not_given_is_the_exchanges_own():
    assert asked(methods.AccountStatus, SIGNED).credentials.recv_window == 5000


def test_a_public_method_has_no_credentials():
    assert asked(methods.Ping, {}) == Reading(methods.Ping())


@pytest.mark.parametrize("kind", methods.CATALOGUE.values(), ids=methods.CATALOGUE)
def test_what_needs_a_key_is_never_read_without_one(kind):
    if kind.security != "NONE":
        with pytest.raises(Refusal, match="-1002"):
            read(kind, Pairs())
        assert refused(kind, {"returnRateLimits": True})[1] == -1102


def test_in_a_session_that_is_logged_on_key_and_signature_may_be_left_out_together():
    found = asked(methods.AccountStatus, {"timestamp": 5}, is_logged_on=True).credentials
    assert (found.api_key, found.signature, found.timestamp) == (None, None, 5)
    explicit = asked(methods.AccountStatus, SIGNED, is_logged_on=True).credentials
    assert (explicit.api_key, explicit.signature) == (KEY, "aa")
    for missing in ("apiKey", "signature"):
        rest = {name: value for name, value in SIGNED.items() if name != missing}
        told = refused(methods.AccountStatus, rest, is_logged_on=True)
        assert told == (400, -1102, MANDATORY.format(missing))
    assert refused(methods.AccountStatus, {}, is_logged_on=True)[2] == MANDATORY.format("timestamp")


def test_logging_on_again_needs_a_signature():
    told = refused(methods.SessionLogon, {"timestamp": 1}, is_logged_on=True)
    assert told == (400, -1102, MANDATORY.format("apiKey"))


def test_a_signature_covers_the_text_that_was_sent():
    text = '{"a":0.10,"b":1e5,"c":"0.10","d":true,"e":"true","f":["x",1.0,null],"g":{"h":"ü"},"i":null}'
    assert {name: sent_text(raw) for name, raw in parse(text)} == {
        "a": "0.10",
        "b": "1e5",
        "c": "0.10",
        "d": "true",
        "e": "true",
        "f": '["x",1.0,null]',
        "g": '{"h":"ü"}',
        "i": "null",
    }
