import msgspec
import pytest

from bwsresearch.errors import (
    BadKey,
    BadParameter,
    BadSymbol,
    Banned,
    BinanceError,
    ClockSkew,
    InsufficientBalance,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    UnknownOrder,
)
from bwsresearch.protocol import methods
from bwsresearch.protocol.limits import Counter, LimitRule
from bwsresearch.protocol.messages import Refusal, reply_text
from bwsresearch.protocol.params import reading
from bwsresearch.protocol.results import SessionInfo
from bwsresearch.protocol.session import Call, ClientSession, Options, ServerSession, options
from bwsresearch.protocol.signing import Key, verify

NOW = 1_700_000_000_000
API_KEY = "k" * 64
KEY = Key(API_KEY, "secret")
BAD_ID = (
    "Invalid 'id' in JSON request; expected an integer, "
    "a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."
)


def joined(request):
    client, server = ClientSession(KEY), ServerSession()
    request_id, frame = client.send(request, now_ms=NOW)
    return client, request_id, server.receive(frame)


def test_a_request_crosses_and_its_reply_finds_it():
    client, request_id, call = joined(methods.Klines("BTCUSDT", "1m", limit=1))
    assert call == Call(
        b"1", "klines", [("symbol", "BTCUSDT"), ("interval", "1m"), ("limit", "1")], True
    )
    reply = client.receive(reply_text(call.id_text, 200, b"[[1]]", []))
    assert (reply.id, bytes(reply.result), reply.error) == (request_id, b"[[1]]", None)
    assert client.pending == {}


@pytest.mark.parametrize(
    ("status", "code", "data", "kind", "retry_after"),
    [
        (400, -1121, None, BadSymbol, None),
        (429, -1003, {"serverTime": 1_000, "retryAfter": 3_500}, RateLimited, 2.5),
        (418, -1003, {"serverTime": 1_000, "retryAfter": 61_000}, Banned, 60.0),
        (503, -1008, None, ServerError, None),
    ],
)
def test_errors_become_the_class_that_a_caller_handles(status, code, data, kind, retry_after):
    client, _, call = joined(methods.Ping())
    error = client.receive(reply_text(call.id_text, status, Refusal(code, "m", data=data).body, []))
    assert type(error.error) is kind
    assert (error.error.code, error.error.msg, error.error.retry_after) == (code, "m", retry_after)


def test_a_reply_that_nobody_waits_for_is_ignored():
    client, request_id, call = joined(methods.Ping())
    client.forget(request_id)
    assert client.receive(reply_text(call.id_text, 200, b"{}", None)) is None


@pytest.mark.parametrize("frame", [b"garbage", b"[]", b"{}", b'{"id":1,"status":200}'])
def test_garbage_is_a_clear_error(frame):
    client, _, _ = joined(methods.Ping())
    with pytest.raises(ValueError):
        client.receive(frame)


def test_an_event_is_told_from_a_reply():
    event = ClientSession().receive(b'{"event":{"e":"serverShutdown","E":5}}')
    assert (event.name, event.body) == ("serverShutdown", b'{"e":"serverShutdown","E":5}')


@pytest.mark.parametrize(
    ("frame", "id_", "msg"),
    [
        ("{", None, "Invalid JSON Request"),
        ("[]", None, "Invalid JSON Request"),
        ('{"method":"ping"}', None, BAD_ID),
        ('{"id":1.5,"method":"ping"}', None, BAD_ID),
        ('{"id":"a b","method":"ping"}', None, BAD_ID),
        ('{"id":7}', 7, "Invalid 'method' in JSON request; expected a string."),
        (
            '{"id":"x","method":"ping","params":[]}',
            "x",
            "Invalid 'params' in JSON request; expected an object.",
        ),
    ],
)
def test_malformed_envelopes_are_refused_and_counted(frame, id_, msg):
    session = ServerSession()
    expected = {"id": id_, "status": 400, "error": {"code": -1135, "msg": msg}}
    assert msgspec.json.decode(session.receive(frame)) == expected
    session.receive(frame)
    assert not session.is_struck_out
    session.receive(frame)
    assert session.is_struck_out


@pytest.mark.parametrize("id_", ["5", "-5", "null", '"a-b_9"'])
def test_ids_are_echoed_as_they_were_written(id_):
    call = ServerSession().receive(f'{{"id":{id_},"method":"v3/ping"}}')
    assert call == Call(id_.encode(), "ping", [], True)


def test_the_url_sets_the_defaults_and_a_parameter_wins():
    assert options("returnRateLimits=false&timeUnit=microsecond") == Options(False, "MICROSECOND")
    quiet = ServerSession(Options(return_rate_limits=False))
    frame = '{"id":1,"method":"ping","params":{"returnRateLimits":true}}'
    assert quiet.receive(frame).return_rate_limits
    with pytest.raises(Refusal, match="-1194"):
        options("timeUnit=second")


def test_windows_are_calendar_buckets():
    counter = Counter(LimitRule("REQUEST_WEIGHT", "MINUTE", 1, 10))
    assert counter.charge(10, 59_999)
    assert not counter.charge(1, 59_999)
    assert counter.opens_ms(59_999) == 60_000
    assert counter.count(60_000) == 0


PLACED = methods.OrderPlace("BTCUSDT", side="BUY", type="MARKET", quote_order_qty=10)
NO_FUNDS = "Account has insufficient balance for requested action."


@pytest.mark.parametrize(
    ("status", "code", "msg", "kind"),
    [
        (401, -2014, "API-key format invalid.", BadKey),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", BadKey),
        (401, -1002, "You are not authorized to execute this request.", BadKey),
        (400, -1022, "Signature for this request is not valid.", BadKey),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", ClockSkew),
        (400, -1013, "Filter failure: LOT_SIZE", OrderRejected),
        (400, -2010, "Order would immediately match and take.", OrderRejected),
        (400, -2010, NO_FUNDS, InsufficientBalance),
        (400, -2038, "Order amend (quantity increase) is not supported.", OrderRejected),
        (400, -2011, "Unknown order sent.", UnknownOrder),
        (400, -2013, "Order does not exist.", UnknownOrder),
        (400, -2011, "Order was not canceled due to cancel restrictions.", BinanceError),
        (400, -2022, "Order cancel-replace failed.", BinanceError),
        (429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", RateLimited),
        (400, -1102, "Mandatory parameter 'price' was not sent.", BadParameter),
        (400, -1100, "Illegal characters", BadParameter),
        (503, -1008, "Server is currently overloaded with other requests.", ServerError),
        (504, -1007, "Timeout waiting for response from backend server.", OutcomeUnknown),
    ],
)
def test_errors_of_orders_become_the_class_that_a_caller_handles(status, code, msg, kind):
    client, _, call = joined(PLACED)
    reply = reply_text(call.id_text, status, Refusal(code, msg, data={"a": 1}).body, [])
    error = client.receive(reply).error
    assert type(error) is kind
    assert (error.status, error.code, error.msg, error.data) == (status, code, msg, {"a": 1})
    assert error.method == "order.place"


# ---- signing and logging on ----------------------------------------------------------------------

SIGNED = [
    PLACED,
    methods.OrderCancel("１２３４５６", orig_client_order_id="a-b_c"),
    methods.AccountStatus(omit_zero_balances=True),
    methods.SessionLogon(),
    methods.AccountRateLimitsOrders(),
]


def signed_on(client, request):
    """Return what a server reads of a signed request."""
    call = ServerSession().receive(client.send(request, now_ms=NOW)[1])
    return reading(type(request), call.params, is_logged_on=client.is_logged_on)


@pytest.mark.parametrize("request_", SIGNED, ids=lambda request: request.method)
@pytest.mark.parametrize("recv_window", [None, 100, "6000.346"])
def test_a_request_is_signed_where_its_method_asks_for_it(request_, recv_window):
    found = signed_on(ClientSession(KEY, recv_window), request_)
    credentials = found.credentials
    assert found.request == request_
    assert (credentials.api_key, credentials.timestamp) == (API_KEY, NOW)
    assert str(credentials.recv_window) == str(recv_window or 5000)
    assert verify(KEY.public(), credentials.payloads(), credentials.signature) == "raw"


def test_market_data_is_not_signed_by_a_client_with_a_key():
    assert signed_on(ClientSession(KEY), methods.Depth("A")).credentials is None


def test_without_a_key_or_a_time_nothing_is_sent():
    keyless = ClientSession()
    with pytest.raises(ValueError, match=r"account\.status needs an API key; give it to connect"):
        keyless.send(methods.AccountStatus())
    timeless = ClientSession(KEY)
    with pytest.raises(ValueError, match="now_ms gives its timestamp"):
        timeless.send(methods.AccountStatus())
    assert keyless.pending == timeless.pending == {}
    assert timeless.send(methods.Ping())[0] == 1


def answered(client, server, request, now_ms=NOW):
    """Let a request of the session cross, be carried out, and be answered."""
    call = server.receive(client.send(request, now_ms=now_ms)[1])
    found = reading(type(request), call.params, is_logged_on=server.is_logged_on)
    match request:
        case methods.SessionLogon():
            server.log_on(found.credentials.api_key, now_ms)
        case methods.SessionLogout():
            server.log_out()
    info = server.info(now_ms)
    client.receive(reply_text(call.id_text, 200, msgspec.json.encode(info), None))
    return info


def test_a_session_that_is_logged_on_needs_a_timestamp_only():
    client, server = ClientSession(KEY), ServerSession(connected_since_ms=1)
    assert answered(client, server, methods.SessionLogon()) == SessionInfo(
        API_KEY, NOW, 1, True, NOW
    )
    assert client.is_logged_on
    assert server.is_logged_on
    call = server.receive(client.send(methods.AccountStatus(), now_ms=NOW)[1])
    assert call.params == [("timestamp", str(NOW))]
    again = Key("n" * 64, "other")
    client.key = again
    assert answered(client, server, methods.SessionLogon()).api_key == again.api_key
    assert answered(client, server, methods.SessionStatus(), NOW + 5) == SessionInfo(
        again.api_key, NOW, 1, True, NOW + 5
    )
    for _ in range(2):
        assert answered(client, server, methods.SessionLogout()) == SessionInfo(
            None, None, 1, True, NOW
        )
    assert not client.is_logged_on
    assert signed_on(client, methods.AccountStatus()).credentials.api_key == again.api_key


def test_a_session_tells_times_in_the_unit_of_its_connection():
    server = ServerSession(Options(False, "MICROSECOND"), connected_since_ms=1)
    server.log_on(API_KEY, 2)
    assert server.info(3, has_user_data_stream=True) == SessionInfo(
        API_KEY, 2000, 1000, False, 3000, True
    )


def test_a_logon_that_is_refused_changes_nothing():
    client = ClientSession(KEY)
    request_id, _ = client.send(methods.SessionLogon(), now_ms=NOW)
    refused = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    client.receive(reply_text(str(request_id).encode(), 401, refused.body, None))
    assert not client.is_logged_on


def test_a_session_that_is_revoked_is_known_to_be():
    client = ClientSession(KEY, is_logged_on=True)
    refused = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    error = client.receive(reply_text(b"null", 401, refused.body, None))
    assert type(error) is BadKey
    assert not client.is_logged_on


def test_no_repr_shows_a_key_or_a_signature():
    client, server = ClientSession(KEY), ServerSession()
    _, frame = client.send(methods.SessionLogon(), now_ms=NOW)
    call = server.receive(frame)
    server.log_on(API_KEY, NOW)
    result = msgspec.json.encode(server.info(NOW))
    reply = client.receive(reply_text(call.id_text, 200, result, None))
    signature = dict(call.params)["signature"]
    for one in (client, server, call, reply, server.info(NOW)):
        assert API_KEY not in repr(one)
        assert signature not in repr(one)
        assert "secret" not in repr(one)
