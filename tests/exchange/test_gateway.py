import json

import pytest

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.session import Options

from .asking import Asker

MARKET = SyntheticMarket()
MINUTE = 60_000
NOW = 1_715_000_040_000 // MINUTE * MINUTE + 15_250  # a quarter into a minute
NEXT = NOW // MINUTE * MINUTE + MINUTE
S = "BTCUSDT"
BAN = {"limits": {"weight_per_minute": 10, "ban": {"enabled": True, "after": 3}}}
WEIGHT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}


def made(weight=6000, **limits):
    return Gateway(MARKET, Config.of({"limits": {"weight_per_minute": weight, **limits}}))


def asker(gateway, now=NOW, **more):
    return Asker(gateway, now, **more)


def used(reply):
    (limit,) = reply["rateLimits"]
    return limit["count"]


# ---- weights


def weights():
    yield "ping", {}, 1
    yield "time", {}, 1
    yield "exchangeInfo", {}, 20
    yield "exchangeInfo", {"symbol": S}, 20
    for limit, weight in ((None, 5), (1, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1000, 50)):
        yield "depth", {"symbol": S} | ({} if limit is None else {"limit": limit}), weight
    for limit in (1001, 5000, 5001, 10**12):
        yield "depth", {"symbol": S, "limit": limit}, 250
    yield "trades.recent", {"symbol": S, "limit": 1}, 25
    yield "trades.historical", {"symbol": S, "limit": 1}, 25
    yield "trades.aggregate", {"symbol": S, "limit": 1}, 4
    yield "klines", {"symbol": S, "interval": "1m", "limit": 1}, 2
    yield "uiKlines", {"symbol": S, "interval": "1m", "limit": 1}, 2
    yield "avgPrice", {"symbol": S}, 2
    names = [f"A{i}" for i in range(1, 101)]
    yield "ticker.24hr", {"symbol": S}, 2
    yield "ticker.24hr", {"symbols": [S]}, 2
    yield "ticker.24hr", {"symbols": names[:20]}, 2
    yield "ticker.24hr", {"symbols": names[:21]}, 40
    yield "ticker.24hr", {"symbols": names}, 40
    yield "ticker.24hr", {"symbols": [*names, "B"]}, 80
    yield "ticker.24hr", {}, 80
    for method in ("ticker.price", "ticker.book"):
        yield method, {"symbol": S}, 2
        yield method, {"symbols": [S]}, 4
        yield method, {}, 4


@pytest.mark.parametrize(("method", "params", "weight"), [*weights()])
def test_each_request_has_its_documented_weight(method, params, weight):
    reply = asker(made()).reply(method, **params)
    assert reply["rateLimits"] == [{**WEIGHT, "limit": 6000, "count": weight}]


def test_weights_of_every_public_method_were_tried():
    public = {name for name, kind in CATALOGUE.items() if kind.security == "NONE"}
    sessions = {name for name in public if name.startswith("session.")}
    assert public - sessions == {method for method, _, _ in weights()}


def test_an_unreadable_request_has_the_least_weight_of_its_method():
    gateway = made()
    for number, (method, params) in enumerate(
        [("depth", {"limit": 5000}), ("klines", {}), ("ticker.24hr", {"type": "X"})]
    ):
        reply = asker(gateway).reply(method, **params)
        assert reply["status"] == 400
        assert used(reply) == [5, 7, 9][number]


def test_a_refused_symbol_is_charged_as_a_known_one():
    assert used(asker(made()).reply("depth", symbol="NOSUCH", limit=500)) == 25


def test_a_method_that_there_is_not_is_said_to_be_unsupported_without_limits():
    gateway = made()
    for method in ("nosuch", "v3/nosuch", "Klines", "", "userDataStream.start"):
        reply, ends = asker(gateway).frame(json.dumps({"id": "x", "method": method}))
        assert reply == {
            "id": "x", "status": 400,
            "error": {"code": -1020, "msg": "This operation is not supported."},
        }  # fmt: skip
        assert not ends
    assert used(asker(gateway).reply("ping")) == 1


def test_malformed_frames_are_free_and_the_third_ends_the_connection():
    gateway = made()
    one = asker(gateway)
    texts = ["{", '{"method":"ping"}', '{"id":true,"method":"ping"}']
    replies = [one.frame(text) for text in texts]
    assert [(reply["error"]["code"], ends) for reply, ends in replies] == [
        (-1135, False), (-1135, False), (-1135, True),
    ]  # fmt: skip
    assert all("rateLimits" not in reply for reply, _ in replies)
    assert used(asker(gateway).reply("ping")) == 1


# ---- what is told of the limits


@pytest.mark.parametrize("by_url", [True, False])
@pytest.mark.parametrize(
    ("by_request", "shown"),
    [(None, None), (True, True), (False, False), ("true", True), ("false", False)],
)
def test_limits_are_shown_as_url_and_request_ask_and_the_request_wins(by_url, by_request, shown):
    one = asker(made(), options=Options(return_rate_limits=by_url))
    params = {} if by_request is None else {"returnRateLimits": by_request}
    expected = by_url if shown is None else shown
    for method, more in (
        ("ping", {}),
        ("avgPrice", {"symbol": S}),
        ("avgPrice", {"symbol": "NOSUCH"}),
    ):
        reply = one.reply(method, **more, **params)
        assert ("rateLimits" in reply) is expected
        assert list(reply)[:2] == ["id", "status"]


def test_exchange_info_tells_the_limits_that_hold():
    gateway = made(1234, connections_5m=77)
    limits = asker(gateway).ask("exchangeInfo", symbol=S)["rateLimits"]
    assert {**WEIGHT, "limit": 1234} in limits
    assert {
        "rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 77,
    } in limits  # fmt: skip
    assert all("count" not in limit for limit in limits)


# ---- too much


def test_the_limit_itself_fits_and_one_more_does_not():
    gateway = made(10)
    one = asker(gateway)
    assert [one.reply("ping")["status"] for _ in range(11)] == [200] * 10 + [429]
    reply, ends = one.frame('{"id":3,"method":"ping"}')
    assert reply == {
        "id": 3,
        "status": 429,
        "error": {
            "code": -1003,
            "msg": (
                "Too much request weight used; current limit is 10 request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API."
            ),
            "data": {"serverTime": NOW, "retryAfter": NEXT},
        },
        "rateLimits": [{**WEIGHT, "limit": 10, "count": 12}],
    }
    assert not ends
    assert list(reply["error"]) == ["code", "msg", "data"]


def test_nothing_of_a_request_is_looked_at_once_the_weight_is_used():
    gateway = made(10)
    one = asker(gateway)
    for method, params in (("exchangeInfo", {}), ("klines", {}), ("depth", {"symbol": "NOSUCH"})):
        assert one.reply(method, **params)["status"] == 429


def test_windows_are_minutes_of_the_clock_and_do_not_slide():
    gateway = made(10)
    late = asker(gateway, NEXT - 1)
    assert [late.reply("ping")["status"] for _ in range(11)][-1] == 429
    early = asker(gateway, NEXT)
    assert [early.reply("ping")["status"] for _ in range(11)] == [200] * 10 + [429]
    assert early.reply("ping")["error"]["data"]["retryAfter"] == NEXT + MINUTE


def test_connections_of_an_address_share_its_weight_and_others_do_not():
    gateway = made(10)
    first, second = asker(gateway), asker(gateway)
    other = asker(gateway, address="192.0.2.2")
    for number in range(5):
        assert used(first.reply("ping")) == 2 * number + 1
        assert used(second.reply("ping")) == 2 * number + 2
    assert first.reply("ping")["status"] == second.reply("ping")["status"] == 429
    assert used(other.reply("ping")) == 1


# ---- bans


def test_who_goes_on_is_banned_and_disconnected():
    gateway = Gateway(MARKET, Config.of(BAN))
    one = asker(gateway)
    statuses = [one.reply("ping")["status"] for _ in range(13)]
    assert statuses == [200] * 10 + [429] * 3
    reply, ends = one.frame('{"id":1,"method":"ping"}')
    until = NOW + 120_000
    assert ends
    assert (reply["status"], reply["error"]) == (
        418,
        {
            "code": -1003,
            "msg": (
                f"Way too much request weight used; IP banned until {until}. "
                "Please use WebSocket Streams for live updates to avoid bans."
            ),
            "data": {"serverTime": NOW, "retryAfter": until},
        },
    )
    again, ends = asker(gateway, until - 1).frame('{"id":2,"method":"nosuch"}')
    assert (again["status"], again["error"]["data"]["retryAfter"], ends) == (418, until, True)
    refusal = gateway.connect("192.0.2.1", until - 1)
    assert (refusal.status, refusal.body.code) == (418, -1003)
    assert gateway.connect("192.0.2.2", until - 1) is None
    assert gateway.connect("192.0.2.1", until) is None
    assert asker(gateway, until).reply("ping")["status"] == 200


def test_a_second_ban_is_twice_as_long_and_none_longer_than_three_days():
    gateway = Gateway(MARKET, Config.of(BAN))
    now, lengths = NOW, []
    for _ in range(14):
        one = asker(gateway, now)
        for _ in range(14):
            reply = one.reply("ping")
        until = reply["error"]["data"]["retryAfter"]
        lengths.append(until - now)
        now = until
    assert lengths[:3] == [120_000, 240_000, 480_000]
    assert lengths[-1] == max(lengths) == 259_200_000


def test_refusals_of_different_minutes_do_not_add_up_to_a_ban():
    gateway = Gateway(MARKET, Config.of(BAN))
    for minute in range(5):
        one = asker(gateway, NOW + minute * MINUTE)
        assert [one.reply("ping")["status"] for _ in range(13)][-1] == 429


def test_nobody_is_banned_unless_it_is_switched_on():
    one = asker(made(1))
    assert {one.reply("ping")["status"] for _ in range(200)} == {200, 429}


# ---- connections


def test_a_connection_has_a_weight_and_their_number_a_limit():
    gateway = made(connections_5m=3)
    assert [gateway.connect("192.0.2.1", NOW) for _ in range(3)] == [None] * 3
    refusal = gateway.connect("192.0.2.1", NOW)
    window = 5 * MINUTE
    assert refusal.status == 429
    assert (refusal.body.code, refusal.body.msg) == (
        -1034, "Too many connection attempts from IP; current limit is 3 per '5 MINUTE'.",
    )  # fmt: skip
    opens = NOW // window * window + window
    assert refusal.body.data == {"serverTime": NOW, "retryAfter": opens}
    assert used(asker(gateway).reply("ping")) == 3 * 2 + 1
    assert gateway.connect("192.0.2.2", NOW) is None
    assert gateway.connect("192.0.2.1", opens - 1) is not None
    assert gateway.connect("192.0.2.1", opens) is None


# ---- ids


@pytest.mark.parametrize("text", ["0", "-5", "9223372036854775807", '"a-b_C9"', "null"])
def test_ids_come_back_as_they_were_written(text):
    gateway = made()
    for method in ("ping", "nosuch", "klines"):
        frame = f'{{"id": {text}, "method": "{method}"}}'
        assert asker(gateway).frame(frame)[0]["id"] == json.loads(text)
