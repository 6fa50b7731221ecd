"""Clients that we did not write trade with each other as on the exchange: every reply is the same."""

import contextlib
import json
import re
import time
from dataclasses import replace

import pytest
from msgspec import structs

from bwsresearch.protocol import methods
from bwsresearch.protocol.session import Options
from bwsresearch.protocol.signing import payload

from .asked import NOW
from .conftest import served
from .documents import without_none
from .foreign import ALL, PYTHON_BINANCE, SDK, UNICORN
from .traded import (
    ALICE,
    BOB,
    BTC,
    READER,
    SESSION,
    TRADING,
    Refused,
    Step,
    Twin,
    api_key,
    events_of,
    exchange,
    key_of,
    keys_of,
    money,
    new,
    result_or_refusal,
    secret_of,
    told,
)

HMAC, ED25519 = "HMAC", "ED25519"
WAYS = [(one, kind, TRADING) for one in ALL for kind in one.keys] + [(SDK, ED25519, SESSION)]
"""Every client with every kind of key that it signs with, and the session of the one that has it."""
LIVE = [
    step
    for step in TRADING
    if not isinstance(step.request, methods.AccountRateLimitsOrders | methods.AccountCommission)
    and "start_time" not in step.request.sent()
]
"""What does not depend on the time, and all clients let say for how long it is valid."""
HARDLY_ANY_TIME = 60_000
"""For how long the requests of a live clock are valid, ms, on the slowest of machines too."""


WHO = {
    "forger": {"api_key": api_key(ALICE, HMAC), "api_secret": "not the secret"},
    "stranger": {"api_key": "s" * 64, "api_secret": secret_of(ALICE, HMAC)},
    "reader": {"api_key": READER, "api_secret": secret_of(ALICE, HMAC)},
    "clumsy": {"api_key": "too-short", "api_secret": secret_of(ALICE, HMAC)},
    ALICE: keys_of(HMAC)[ALICE],
}
PLACE = new(ALICE, "mine", "BUY", "59000", "0.1", want=None).request
NOT_PERMITTED = Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
OUTSIDE = Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD = Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
REFUSALS = {
    "forger": Refused(-1022, "Signature for this request is not valid."),
    "stranger": NOT_PERMITTED,
    "reader": NOT_PERMITTED,
    "clumsy": Refused(-2014, "API-key format invalid.", 401),
}


def steps_of(client, steps=TRADING):
    return [step for step in steps if client.has(step.request)]


def timeless(value):
    """Return a value whose times are told as the word, and the times."""
    times = []

    def of(one):
        if isinstance(one, Refused):
            return replace(one, data=of(one.data))
        if isinstance(one, dict):
            return {key: of(v) for key, v in one.items()}
        if isinstance(one, list):
            return list(map(of, one))
        if isinstance(one, int) and one > NOW // 2:
            times.append(one)
            return "time"
        return one

    return of(value), times


@pytest.fixture(scope="module")
def running():
    """A function that serves an exchange, and returns its URL; the clock stands still at NOW."""
    with contextlib.ExitStack() as stack:

        def start(gateway, clock=lambda: NOW):
            return stack.enter_context(served(gateway, clock)).url

        yield start


@pytest.fixture(scope="module")
def lived(market, speaker, running):
    """A function that returns what a client is told, and the whole replies that its twin gets."""
    known = {}

    def of(client, kind, steps):
        name = client.name, kind, len(steps)
        if name not in known:
            own = steps_of(client, steps)
            twin = Twin(exchange(market), kind=kind)
            replies = [twin.ask(one.who, one.request) for one in own]
            calls = [client.spelled(one.request, one.who) for one in own]
            url = running(exchange(market))
            outcomes = speaker(client.script).ask(url, calls, keys=keys_of(kind), now=NOW)
            known[name] = own, outcomes, replies
        return known[name]

    return of


@pytest.fixture(scope="module")
def replies(market):
    """What our own session is told, step by step."""
    twin = Twin(exchange(market))
    return [twin.ask(one.who, one.request) for one in TRADING]


def numbered(steps):
    return [pytest.param(n, id=f"{n:02d}.{step}") for n, step in enumerate(steps)]


def ways(rows):
    names = (
        f"{one.name}-{kind}-{'session' if steps is SESSION else ''}" for one, kind, steps in rows
    )
    return [pytest.param(*row, id=name.rstrip("-")) for row, name in zip(rows, names, strict=True)]


# ---- what everybody gets


@pytest.mark.parametrize("number", numbered(TRADING))
def test_what_happens_was_worked_out_by_hand(number, replies):
    step = TRADING[number]
    if step.want is not None:
        assert result_or_refusal(replies[number]) == step.want


def test_every_method_is_traded_with():
    signed = {name for name, kind in methods.CATALOGUE.items() if kind.security != "NONE"}
    assert {step.request.method for step in TRADING} == signed - {"session.logon"}
    assert {step.request.method for step in SESSION} >= {
        "session.logon", "session.status", "session.logout"
    }  # fmt: skip


@pytest.mark.parametrize(("client", "kind", "steps"), ways(WAYS))
def test_it_is_told_what_our_own_session_is(client, kind, steps, lived):
    own, outcomes, replies = lived(client, kind, steps)
    pairs = list(zip(outcomes, replies, strict=True))
    names = [f"{number} {step}" for number, step in enumerate(own)]
    found = dict(zip(names, (told(client, *pair) for pair in pairs), strict=True))
    assert found == dict(zip(names, map(result_or_refusal, replies), strict=True))
    shown = [pair for pair in pairs if client.shows_limits and "rateLimits" in pair[0]]
    assert [outcome["rateLimits"] for outcome, _ in shown] == [r["rateLimits"] for _, r in shown]
    assert len(own) == len(replies) > 40


@pytest.mark.parametrize(("client", "kind", "steps"), ways(w for w in WAYS if w[0] is SDK))
def test_the_strict_models_of_the_sdk_take_every_reply(client, kind, steps, lived):
    own, outcomes, replies = lived(client, kind, steps)
    unknown, differing = {}, []
    for step, outcome, reply in zip(own, outcomes, replies, strict=True):
        if reply["status"] == 200:
            unknown.setdefault(step.request.method, set()).update(outcome["unknown"])
            if not outcome["unknown"] and outcome["seen"] != without_none(reply["result"]):
                differing.append((str(step), outcome["seen"]))
    assert differing == []
    # The documentation has these (faqs/stp_faq.md; "Cancel and replace order"), the SDK has not yet.
    assert {method: names for method, names in unknown.items() if names} == {
        "order.place": {"preventedMatches"},
        "myPreventedMatches": {"takerPreventedQuantity"},
        "order.cancelReplace": {"workingTime", "fills"},
    }


@pytest.mark.parametrize("client", [pytest.param(one, id=one.name) for one in ALL if one.micros])
def test_it_trades_in_microseconds_when_it_asks_for_them(client, market, speaker, running):
    steps = steps_of(client)
    twin = Twin(exchange(market), options=Options(time_unit="MICROSECOND"))
    replies = [twin.ask(one.who, one.request) for one in steps]
    calls = [client.spelled(one.request, one.who) for one in steps]
    outcomes = speaker(client.script).ask(
        running(exchange(market)), calls, keys=keys_of(HMAC), now=NOW, **client.micros
    )
    found = [told(client, *pair) for pair in zip(outcomes, replies, strict=True)]
    assert found == list(map(result_or_refusal, replies))
    assert replies[0]["result"]["transactTime"] == NOW * 1000
    assert all(times == [NOW * 1000] * len(times) for _, times in map(timeless, found))


NAMED = [
    (
        "ws_order_limit",
        {"side": "SELL", "price": "60000", "quantity": "1"},
        ("LIMIT", "SELL", "NEW"),
    ),
    ("ws_order_limit_sell", {"price": "61000", "quantity": "1"}, ("LIMIT", "SELL", "NEW")),
    ("ws_order_limit_buy", {"price": "59000", "quantity": "1"}, ("LIMIT", "BUY", "NEW")),
    ("ws_order_market_buy", {"quoteOrderQty": "6000"}, ("MARKET", "BUY", "FILLED")),
    ("ws_order_market", {"side": "BUY", "quantity": "0.1"}, ("MARKET", "BUY", "FILLED")),
    ("ws_order_market_sell", {"quantity": "0.1"}, ("MARKET", "SELL", "FILLED")),
]
"""The named orders of python-binance. A quantity at market has no worth before the first trade."""


def test_the_named_orders_of_python_binance_are_what_they_say(market, speaker, running):
    calls = [
        (BOB if side == "BUY" else ALICE, name, {"symbol": BTC, **arguments})
        for name, arguments, (_, side, _) in NAMED
    ]
    outcomes = speaker(PYTHON_BINANCE.script).ask(
        running(exchange(market)), calls, keys=keys_of(HMAC), now=NOW
    )
    orders = [outcome["ok"] for outcome in outcomes]
    assert [(one["type"], one["side"], one["status"]) for one in orders] == [w for _, _, w in NAMED]
    # It chooses the id of each itself.
    assert all(one["clientOrderId"].startswith("x-HNA2TXFJ") for one in orders)
    assert len({one["clientOrderId"] for one in orders}) == len(orders)


@pytest.mark.parametrize(("client", "id_"), [
    pytest.param(SDK, "[0-9A-Za-z]{22}", id="chosen-by-the-exchange"),
    pytest.param(PYTHON_BINANCE, "x-HNA2TXFJ[0-9a-f]{1,22}", id="chosen-by-python-binance"),
    pytest.param(UNICORN, "[0-9a-f-]+", id="chosen-by-unicorn"),
])  # fmt: skip
def test_an_order_needs_no_id_of_ours(client, id_, market, speaker, running):
    request = structs.replace(PLACE, new_client_order_id=None)
    (outcome,) = speaker(client.script).ask(
        running(exchange(market)), [client.spelled(request, ALICE)], keys=WHO, now=NOW
    )
    assert re.fullmatch(id_, outcome["ok"]["clientOrderId"])


@pytest.mark.parametrize("kind", ["HMAC", "RSA"])
def test_only_an_ed25519_key_logs_on(kind, market, speaker, running):
    steps = [Step(ALICE, methods.SessionLogon()), Step(ALICE, methods.SessionStatus())]
    logon, status = speaker(SDK.script).ask(
        running(exchange(market)), [SDK.spelled(one.request, ALICE) for one in steps],
        keys=keys_of(kind), now=NOW,
    )  # fmt: skip
    name = {"HMAC": "HMAC-SHA-256"}.get(kind, kind)
    assert logon["refused"] == {"code": -2028, "msg": f"{name} API key is not supported."}
    assert status["ok"]["apiKey"] is None


ONLY_WHEN_REFUSED = {
    "order.place",
    "order.cancel",
    "order.cancelReplace",
    "openOrders.cancelAll",
}
"""What costs nothing when it succeeds (CHANGELOG.md, 2026-04-02), and 1 when it does not."""
WEIGHTS = {
    "order.test": 1,
    "order.amend.keepPriority": 4,
    "account.status": 20,
    "order.status": 4,
    "allOrders": 20,
    "account.rateLimits.orders": 40,
    "account.commission": 20,
    "order.amendments": 4,
    "myFilters": 40,
}


def weight(step, is_success):
    sent, method = step.request.sent(), step.request.method
    if method in ONLY_WHEN_REFUSED:
        return 0 if is_success else 1
    if method == "openOrders.status":
        return 6 if "symbol" in sent else 80
    if method == "myTrades":  # what cannot be read is charged with the least there is
        return 5 if "order_id" in sent or sent.keys() >= {"from_id", "start_time"} else 20
    if method == "myPreventedMatches":
        return 20 if "order_id" in sent else 2
    return 20 if "compute_commission_rates" in sent else WEIGHTS[method]


def test_each_request_is_charged_with_its_weight(replies):
    used = 4  # for two connections
    for step, reply in zip(TRADING, replies, strict=True):
        used += weight(step, reply["status"] == 200)
        assert reply["rateLimits"][-1]["count"] == used, str(step)


def test_orders_are_counted_where_they_are_placed(replies):
    for step, reply in zip(TRADING, replies, strict=True):
        kinds = [(one["rateLimitType"], one["interval"]) for one in reply["rateLimits"]]
        is_placed = step.request.method in ("order.place", "order.cancelReplace")
        counts = [("ORDERS", "SECOND"), ("ORDERS", "DAY")] if is_placed else []
        assert kinds == [*counts, ("REQUEST_WEIGHT", "MINUTE")], str(step)


def as_text(value):
    """Return a parameter as clients write it that know strings alone."""
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(
    ("prefix", "written"), [("v3/", dict), ("", lambda p: {n: as_text(v) for n, v in p.items()}),
                            ("", lambda p: dict(reversed(p.items())))],
    ids=["version", "all-as-text", "in-any-order"],
)  # fmt: skip
def test_a_request_may_be_written_in_many_ways(prefix, written, market, replies):
    twin, key = Twin(exchange(market)), {who: key_of(who, HMAC) for who in (ALICE, BOB)}
    for number, (step, reply) in enumerate(zip(TRADING, replies, strict=True)):
        who = step.who
        params = step.request.params() | {"timestamp": NOW, "apiKey": key[who].api_key}
        params = written(params)
        texts = {name: as_text(value) for name, value in params.items()}
        params["signature"] = key[who].sign(payload(texts))
        frame = {"id": number, "method": prefix + step.request.method, "params": params}
        assert twin.say(who, json.dumps(frame)) == reply | {"id": number}, str(step)


MODELS = {
    "executionReport": "ExecutionReport",
    "outboundAccountPosition": "OutboundAccountPosition",
    "balanceUpdate": "BalanceUpdate",
}


@pytest.fixture(scope="module")
def told_of(market):
    return events_of(market)


def test_the_strict_models_of_the_sdk_take_every_event(told_of, speaker, running, market):
    calls = [(None, f"model {MODELS[one['e']]}", {"value": one}) for one in told_of]
    outcomes = speaker(SDK.script).ask(running(exchange(market)), calls)
    assert {outcome["ok"]["e"] for outcome in outcomes} == MODELS.keys()
    for event, outcome in zip(told_of, outcomes, strict=True):
        assert without_none(outcome["ok"]) == without_none(event)
        assert outcome["unknown"] == ["e"]  # what tells which model it is


def test_events_tell_of_what_is_kept_from_trading(told_of):
    # faqs/stp_faq.md: A is all that was prevented of the order so far, B what this event prevented.
    found = [
        (one["c"], one["X"], one["A"], one["B"], one["v"], one["U"])
        for one in told_of
        if one.get("x") == "TRADE_PREVENTION"
    ]
    assert found == [
        ("self-1", "EXPIRED_IN_MATCH", money("0.2"), money("0.2"), 1, 2),
        ("self-2", "EXPIRED_IN_MATCH", money("0.1"), money("0.1"), 2, 2),
        ("ask-2", "PARTIALLY_FILLED", money("0.1"), money("0.1"), 2, 14),
    ]


# ---- what it may not


def each(clients):
    return pytest.mark.parametrize("client", [pytest.param(one, id=one.name) for one in clients])


def reported(client, outcome, want):
    """Return what a client says of a refusal, with the wanted status where it shows none."""
    return told(client, outcome, {"status": want.status})


@each(ALL)
def test_it_reports_who_may_not_trade(client, market, speaker, running):
    url = running(exchange(market))
    calls = [client.spelled(PLACE, who) for who in REFUSALS]
    calls.append(client.spelled(methods.OpenOrdersStatus(BTC), "reader"))
    *outcomes, read = speaker(client.script).ask(url, calls, keys=WHO, now=NOW)
    for (who, want), outcome in zip(REFUSALS.items(), outcomes, strict=True):
        assert reported(client, outcome, want) == want, who
    assert read["ok"] == []


@each(ALL)
@pytest.mark.parametrize(("late_ms", "want"), [(5001, OUTSIDE), (-1000, AHEAD)])
def test_it_reports_that_its_clock_is_wrong(client, late_ms, want, market, speaker, running):
    calls = [client.spelled(PLACE, ALICE)]
    url = running(exchange(market))
    (outcome,) = speaker(client.script).ask(url, calls, keys=WHO, now=NOW - late_ms)
    assert reported(client, outcome, want) == want


@each(ALL)
def test_its_clock_may_differ_by_as_much_as_it_says(client, market, speaker, running):
    calls = [client.spelled(PLACE, ALICE, recv_window=60_000)]
    url = running(exchange(market))
    (outcome,) = speaker(client.script).ask(url, calls, keys=WHO, now=NOW - 60_000)
    assert outcome["ok"]["status"] == "NEW"


@each(ALL)
def test_it_is_told_when_it_may_place_more_orders(client, market, speaker, running):
    places = [new(ALICE, f"n-{n}", "BUY", "59000", "0.1", want=None).request for n in range(3)]
    calls = [client.spelled(request, ALICE) for request in places]
    url = running(exchange(market, orders_10s=2))
    *placed, refused = speaker(client.script).ask(url, calls, keys=WHO, now=NOW)
    assert [one["ok"]["clientOrderId"] for one in placed] == ["n-0", "n-1"]
    want = Refused(
        -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.", 429,
        {"serverTime": NOW, "retryAfter": NOW - NOW % 10_000 + 10_000},
    )  # fmt: skip
    assert reported(client, refused, want) == want


@each(one for one in ALL if one.mistakes)
def test_what_it_sends_wrongly_is_refused_as_documented(client, market, speaker, running):
    # the first of each method
    steps = list({one.request.method: one for one in reversed(TRADING)}.values())
    steps = [step for step in steps if step.request.method in client.mistakes]
    assert len(steps) == len(client.mistakes)
    calls = [client.spelled(step.request, step.who) for step in steps]
    outcomes = speaker(client.script).ask(
        running(exchange(market)), calls, keys=keys_of(HMAC), now=NOW
    )
    for step, outcome in zip(steps, outcomes, strict=True):
        want = Refused(*client.mistakes[step.request.method])
        assert reported(client, outcome, want) == want


def test_a_tiny_amount_that_the_sdk_writes_with_an_exponent_is_refused(market, speaker, running):
    tiny = new(ALICE, "tiny", "BUY", "59000", "0.00001", want=None).request
    (outcome,) = speaker(SDK.script).ask(
        running(exchange(market)), [SDK.spelled(tiny, ALICE)], keys=WHO, now=NOW
    )
    assert outcome["refused"] == {
        "code": -1100,
        "msg": "Illegal characters found in parameter 'quantity'; "
        r"legal range is '^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
    }


# ---- by its own clock


@each(ALL)
def test_it_trades_by_its_own_clock(client, market, speaker, running):
    def now_ms():
        return time.time_ns() // 1_000_000

    steps = steps_of(client, LIVE)
    calls = [client.spelled(one.request, one.who, recv_window=HARDLY_ANY_TIME) for one in steps]
    twin, start = Twin(exchange(market)), now_ms()
    url = running(exchange(market, now=start), now_ms)
    outcomes = speaker(client.script).ask(url, calls, keys=keys_of(HMAC))
    for step, outcome in zip(steps, outcomes, strict=True):
        reply = twin.ask(step.who, step.request)
        found, times = timeless(told(client, outcome, reply))
        assert found == timeless(result_or_refusal(reply))[0], str(step)
        assert all(start <= one <= now_ms() for one in times)


def test_the_blocking_calls_of_python_binance_trade_too(market, speaker, running):
    steps = steps_of(PYTHON_BINANCE)[:12]
    calls = [PYTHON_BINANCE.spelled(step.request, step.who) for step in steps]
    outcomes = speaker(PYTHON_BINANCE.script).ask(
        running(exchange(market)), calls, keys=keys_of(HMAC), now=NOW, sync=True
    )
    assert [one["ok"] for one in outcomes] == [step.want for step in steps]
    assert {step.who for step in steps} == {ALICE, BOB}
