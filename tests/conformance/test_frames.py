"""What any client may put on the wire, frame by frame: all of it is understood, and answered in form."""

import json

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from bwsresearch.exchange.config import Ban
from bwsresearch.protocol import methods

from .asked import (
    LEGAL_NUMBER,
    LEGAL_SYMBOL,
    NOW,
    PLAIN,
    PUBLIC,
    REQUESTS,
    START,
    illegal,
    missing,
    named,
)


@pytest.fixture
def line(exchange):
    with connect(exchange.url, max_size=None, compression=None) as connection:
        yield connection


def said(line, frame):
    """Send a frame, a dict or a text, and return the text that answers it."""
    line.send(frame if isinstance(frame, str) else json.dumps(frame))
    return line.recv(timeout=30)


def answer(line, method, params, request_id=1):
    return json.loads(said(line, {"id": request_id, "method": method, "params": params}))


def result(line, method, params):
    return answer(line, method, params)["result"]


def each_method(test):
    return pytest.mark.parametrize("method", list(PUBLIC))(test)


@each_method
def test_a_method_may_name_its_version(line, method):
    params = PLAIN[method].params()
    assert result(line, f"v3/{method}", params) == result(line, method, params)


@each_method
def test_an_api_key_that_is_not_needed_is_ignored(line, method):
    params = PLAIN[method].params()
    assert result(line, method, params | {"apiKey": "k" * 64}) == result(line, method, params)


@pytest.mark.parametrize("number", [0, 7, -1, 2**63 - 1, -(2**63)])
def test_an_integer_comes_back_as_the_id_in_front(line, number):
    assert said(line, {"id": number, "method": "ping"}).startswith(f'{{"id":{number},"status":200,')


@pytest.mark.parametrize("text", ["7", "a-Z_09", "x" * 36])
def test_a_string_comes_back_as_the_id_in_front(line, text):
    assert said(line, {"id": text, "method": "ping"}).startswith(f'{{"id":"{text}","status":200,')


def test_null_comes_back_as_the_id_in_front(line):
    assert said(line, {"id": None, "method": "ping"}).startswith('{"id":null,"status":200,')


@pytest.mark.parametrize("text", ["", "x" * 37, "a b", "é", 1.5, True, [1], {}, 2**63])
def test_another_id_is_refused_without_its_echo(line, text):
    reply = json.loads(said(line, {"id": text, "method": "ping"}))
    assert reply == {
        "id": None,
        "status": 400,
        "error": {
            "code": -1135,
            "msg": "Invalid 'id' in JSON request; expected an integer, "
            "a string matching '^[a-zA-Z0-9-_]{1,36}$', or null.",
        },
    }


def test_ids_may_be_used_again(line):
    for _ in range(2):
        line.send('{"id":1,"method":"ping"}')
    assert [json.loads(line.recv(timeout=30))["id"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("method", ["ping", "time", "exchangeInfo", "ticker.price"])
def test_params_may_be_absent_where_none_is_needed(line, method):
    reply = json.loads(said(line, {"id": 1, "method": method}))
    assert reply["result"] == result(line, method, {})


def test_params_in_any_order_give_the_same(line):
    params = methods.Klines("BTCUSDT", "1h", start_time=START, limit=3).params()
    assert result(line, "klines", dict(reversed(params.items()))) == result(line, "klines", params)


def as_text(value):
    """Return a parameter as clients write it that know strings alone."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize("request_", REQUESTS, ids=named)
def test_numbers_booleans_and_arrays_may_come_as_strings(line, request_):
    params = request_.params()
    texts = {name: as_text(value) for name, value in params.items()}
    assert result(line, request_.method, texts) == result(line, request_.method, params)


def test_one_permission_may_come_bare(line):
    bare = result(line, "exchangeInfo", {"permissions": "SPOT"})
    assert bare == result(line, "exchangeInfo", {"permissions": ["SPOT"]})
    assert bare["symbols"]


def test_times_may_be_sent_in_microseconds(line):
    times = {"startTime": START, "endTime": START + 60_000}
    micros = {name: time * 1000 for name, time in times.items()}
    for method in ("klines", "trades.aggregate"):
        rest = {"symbol": "BTCUSDT"} | ({"interval": "1s"} if method == "klines" else {})
        found = result(line, method, rest | times)
        assert found
        assert result(line, method, rest | micros) == found


@pytest.mark.parametrize("wish", [False, "false"])
def test_rate_limits_are_left_out_on_request(line, wish):
    assert answer(line, "ping", {"returnRateLimits": wish}) == {
        "id": 1,
        "status": 200,
        "result": {},
    }
    refused = answer(line, "avgPrice", {"symbol": "NOSUCH", "returnRateLimits": wish})
    assert "rateLimits" not in refused


@pytest.mark.parametrize("wish", [True, "true"])
def test_rate_limits_left_out_by_the_url_are_shown_on_request(exchange, wish):
    with connect(f"{exchange.url}?returnRateLimits=false") as line:
        assert "rateLimits" not in answer(line, "ping", {})
        assert "rateLimits" in answer(line, "ping", {"returnRateLimits": wish})


def test_a_wish_for_rate_limits_that_is_no_boolean_is_refused(line):
    assert answer(line, "ping", {"returnRateLimits": "maybe"})["error"] == {
        "code": -1130,
        "msg": "Data sent for parameter 'returnRateLimits' is not valid.",
    }


def test_compression_may_be_offered(exchange, line):
    params = methods.Klines("BTCUSDT", "1m", limit=1000).params()
    with connect(exchange.url, compression="deflate", max_size=None) as other:
        assert "permessage-deflate" in other.request.headers["Sec-WebSocket-Extensions"]
        assert result(other, "klines", params) == result(line, "klines", params)


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
def test_the_url_may_ask_for_microseconds(exchange, unit):
    with connect(f"{exchange.url}?timeUnit={unit}") as line:
        assert result(line, "time", {}) == {"serverTime": NOW * 1000}


def test_an_unknown_time_unit_is_refused_in_the_handshake(exchange):
    with pytest.raises(InvalidStatus) as caught, connect(f"{exchange.url}?timeUnit=HOUR"):
        pass
    response = caught.value.response
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert json.loads(response.body) == {
        "code": -1194,
        "msg": "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.",
    }


@pytest.mark.parametrize(
    ("params", "code", "msg"),
    [
        ({}, -1102, missing("symbol")),
        ({"symbol": ""}, -1102, missing("symbol")),
        ({"symbol": "BTCUSDT", "limit": ""}, -1105, "Parameter 'limit' was empty."),
        ({"symbol": "btcusdt"}, -1100, illegal("symbol", LEGAL_SYMBOL)),
        ({"symbol": "BTCUSDT", "limit": "1e2"}, -1100, illegal("limit", LEGAL_NUMBER)),
        (
            {"symbol": "BTCUSDT", "more": 1},
            -1104,
            "Not all sent parameters were read; read '1' parameter(s) but was sent '2'.",
        ),
        (
            {"symbol": "BTCUSDT"} | dict.fromkeys("abcd", 1),
            -1101,
            "Too many parameters; expected '4' and received '5'.",
        ),
        ({"symbol": "BTCUSDT", "symbolStatus": "OPEN"}, -1122, "Invalid symbolStatus."),
    ],
)
def test_unreadable_parameters_get_the_documented_error(line, params, code, msg):
    reply = answer(line, "depth", params)
    assert list(reply) == ["id", "status", "error", "rateLimits"]
    assert (reply["status"], reply["error"]) == (400, {"code": code, "msg": msg})


def test_a_parameter_twice_is_refused(line):
    frame = '{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","symbol":"BTCUSDT"}}'
    assert json.loads(said(line, frame))["error"] == {
        "code": -1101,
        "msg": "Duplicate values for a parameter detected.",
    }


@pytest.mark.parametrize(
    ("text", "request_id", "msg"),
    [
        ("PING", None, "Invalid JSON Request"),
        ("[]", None, "Invalid JSON Request"),
        ('{"id":5}', 5, "Invalid 'method' in JSON request; expected a string."),
        ('{"id":5,"method":5}', 5, "Invalid 'method' in JSON request; expected a string."),
        (
            '{"id":5,"method":"ping","params":[]}',
            5,
            "Invalid 'params' in JSON request; expected an object.",
        ),
    ],
)
def test_what_is_no_request_is_answered_with_an_error(line, text, request_id, msg):
    assert json.loads(said(line, text)) == {
        "id": request_id,
        "status": 400,
        "error": {"code": -1135, "msg": msg},
    }


def test_the_third_frame_that_is_no_request_ends_the_connection(line):
    for _ in range(3):
        assert json.loads(said(line, "PING"))["status"] == 400
    with pytest.raises(ConnectionClosedError) as caught:
        line.recv(timeout=30)
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "disconnected")


@pytest.mark.parametrize("method", ["no.such", "v1/ping", "PING", "userDataStream.start"])
def test_an_unknown_method_is_refused(line, method):
    assert answer(line, method, {}) == {
        "id": 1,
        "status": 400,
        "error": {"code": -1020, "msg": "This operation is not supported."},
    }


def test_binary_frames_end_the_connection(line):
    line.send(b'{"id":1,"method":"ping"}')
    with pytest.raises(ConnectionClosedError) as caught:
        line.recv(timeout=30)
    assert caught.value.rcvd.code == 1003


def test_a_ping_frame_is_answered_with_its_payload(line):
    assert line.ping(b"are you there?").wait(30)


def test_who_does_not_stop_is_banned_and_cut_off(limited):
    server = limited(20, ban=Ban(enabled=True, after=2))
    with connect(server.url) as line:
        statuses = [answer(line, "ping", {})["status"] for _ in range(20)]
        assert statuses == [200] * 18 + [429] * 2
        reply = answer(line, "ping", {})
        until = reply["error"]["data"]["retryAfter"]
        assert reply == {
            "id": 1,
            "status": 418,
            "error": {
                "code": -1003,
                "msg": f"Way too much request weight used; IP banned until {until}. "
                "Please use WebSocket Streams for live updates to avoid bans.",
                "data": {"serverTime": NOW, "retryAfter": until},
            },
            "rateLimits": reply["rateLimits"],
        }
        assert until > NOW
        with pytest.raises(ConnectionClosedError):
            line.recv(timeout=30)
    with pytest.raises(InvalidStatus) as caught, connect(server.url):
        pass
    assert caught.value.response.status_code == 418
    assert int(caught.value.response.headers["Retry-After"]) == (until - NOW) // 1000
