import msgspec
import pytest

from bwsresearch.errors import BadSymbol, Banned, RateLimited, ServerError
from bwsresearch.protocol import methods
from bwsresearch.protocol.limits import Counter, LimitRule
from bwsresearch.protocol.messages import Refusal, reply_text
from bwsresearch.protocol.session import Call, ClientSession, Options, ServerSession, options

BAD_ID = (
    "Invalid 'id' in JSON request; expected an integer, "
    "a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."
)


def joined(request):
    client, server = ClientSession(), ServerSession()
    request_id, frame = client.send(request)
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
