"""ccxt.pro trades by its unified calls: it gets what our own session gets, and understands it."""

import json
from decimal import Decimal

import pytest

from bwsresearch.protocol import methods

from .asked import NOW
from .conftest import served
from .traded import (
    ALICE,
    BOB,
    BTC,
    CHOSEN,
    READER,
    UNKNOWN,
    Refused,
    Step,
    Twin,
    api_key,
    both_failed,
    cancelled,
    exchange,
    half_failed,
    result_or_refusal,
    secret_of,
)

SYMBOL = "BTC/USDT"


def keys_of(kind):
    return {
        who: {"apiKey": api_key(who, kind), "secret": secret_of(who, kind)} for who in (ALICE, BOB)
    }


def place(
    who, name, side, amount, price, *, ok, kind="LIMIT", as_kind=None, params=None,
    **more,
):  # fmt: skip
    """Return a call of create_order_ws, our request for the same, and what ccxt makes of the reply."""
    arguments = {
        "symbol": SYMBOL,
        "type": as_kind or kind.lower(),
        "side": side.lower(),
        "amount": amount,
        "price": price,
        "params": {"newClientOrderId": name, **(params or {})},
    }
    ours = {"time_in_force": "GTC" if "LIMIT" in kind and kind != "LIMIT_MAKER" else None} | more
    request = methods.OrderPlace(
        BTC, side=side, type=kind, quantity=Decimal(str(amount)) or None,
        price=None if price is None else Decimal(price), new_client_order_id=name,
        new_order_resp_type="FULL", **ours,
    )  # fmt: skip
    return Step(who, request, ok), "create_order_ws", arguments


def call(who, name, request, ok=None, **arguments):
    return Step(who, request, ok), name, arguments


def edit(number, name, amount, ok):
    """Return the call that offers an amount at 60200 in the place of an order of alice's."""
    request = methods.OrderCancelReplace(
        BTC, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=int(number), side="SELL",
        type="LIMIT", time_in_force="GTC", quantity=Decimal(str(amount)), price="60200",
        new_client_order_id=name, new_order_resp_type="FULL",
    )  # fmt: skip
    return call(
        ALICE, "edit_order_ws", request, ok, id=number, symbol=SYMBOL, type="limit", side="sell",
        amount=amount, price=60200, params={"newClientOrderId": name},
    )  # fmt: skip


def told(status, filled=0.0, cost=0.0, **more):
    return {"status": status, "filled": filled, "cost": cost, **more}


NO_FUNDS = Refused(-2010, "Account has insufficient balance for requested action.")
STOPPED = {"triggerPrice": 55000.0, "price": 54900.0, "amount": 0.1, "type": "limit"}

CALLS = [
    place(ALICE, "ask-1", "SELL", 0.5, 60000,
          ok=told("open", id="1", clientOrderId="ask-1", symbol=SYMBOL, type="limit", side="sell",
                  price=60000.0, amount=0.5, remaining=0.5, timestamp=NOW, timeInForce="GTC")),
    place(ALICE, "ask-2", "SELL", 0.5, 60100, ok=told("open")),
    place(BOB, "bid-1", "BUY", 0.1, 59000, ok=told("open")),
    place(BOB, "bid-2", "BUY", 0.7, 60100,
          ok=told("closed", 0.7, 42020.0, fee={"currency": "BTC", "cost": 0.0007})),
    place(BOB, "mkt-1", "BUY", 0.1, None, kind="MARKET", ok=told("closed", 0.1, 6010.0)),
    place(BOB, "mkt-2", "BUY", 0.0, None, kind="MARKET", params={"quoteOrderQty": 601},
          quote_order_qty="601", ok=told("closed", 0.01, 601.0)),
    place(ALICE, "ioc-1", "SELL", 0.3, 59000, params={"timeInForce": "IOC"}, time_in_force="IOC",
          ok=told("expired", 0.1, 5900.0, remaining=0.2, fee={"currency": "USDT", "cost": 5.9})),
    place(ALICE, "post-1", "SELL", 0.2, 61000, kind="LIMIT_MAKER", as_kind="LIMIT_MAKER", ok=told("open", postOnly=True)),
    place(ALICE, "stop-1", "SELL", 0.1, 54900, kind="STOP_LOSS_LIMIT", as_kind="STOP_LOSS_LIMIT", params={"stopPrice": 55000}, stop_price="55000",
          ok=told("open", **STOPPED)),
    place(ALICE, "ice-1", "SELL", 1, 62000, params={"icebergQty": "0.2"}, iceberg_qty="0.2",
          ok=told("open", amount=1.0)),
    place(BOB, "poor", "BUY", 100, 59000, ok=NO_FUNDS),
    place(BOB, "far", "BUY", 0.1, 50,
          ok=Refused(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")),
    place(ALICE, "post-2", "SELL", 0.1, 58000, ok=told("open", timeInForce="GTC")),
    place(BOB, "post-3", "BUY", 0.1, 58000, kind="LIMIT_MAKER", as_kind="LIMIT_MAKER", ok=Refused(-2010, "Order would immediately match and take.")),
    call(ALICE, "fetch_order_ws", methods.OrderStatus(BTC, order_id=2),
         told("open", 0.31, 18631.0, average=60100.0, remaining=0.19), id="2", symbol=SYMBOL),
    call(ALICE, "fetch_order_ws", methods.OrderStatus(BTC, orig_client_order_id="ask-1"),
         told("closed", 0.5, 30000.0), id=None, symbol=SYMBOL,
         params={"origClientOrderId": "ask-1"}),
    call(BOB, "fetch_order_ws", methods.OrderStatus(BTC, order_id=1),
         Refused(-2013, "Order does not exist."), id="1", symbol=SYMBOL),
    call(ALICE, "fetch_open_orders_ws", methods.OpenOrdersStatus(BTC), symbol=SYMBOL),
    call(ALICE, "fetch_orders_ws", methods.AllOrders(BTC), symbol=SYMBOL),
    call(ALICE, "fetch_orders_ws", methods.AllOrders(BTC, start_time=NOW, limit=2), symbol=SYMBOL,
         since=NOW, limit=2),
    call(ALICE, "fetch_my_trades_ws", methods.MyTrades(BTC), symbol=SYMBOL),
    call(BOB, "fetch_my_trades_ws", methods.MyTrades(BTC, limit=1), symbol=SYMBOL, limit=1),
    call(BOB, "fetch_my_trades_ws", methods.MyTrades(BTC, from_id=2, limit=2), symbol=SYMBOL,
         limit=2, params={"fromId": 2}),
    call(ALICE, "fetch_balance_ws", methods.AccountStatus()),
    call(ALICE, "cancel_order_ws", methods.OrderCancel(BTC, order_id=1), UNKNOWN, id="1",
         symbol=SYMBOL),
    call(ALICE, "cancel_order_ws", methods.OrderCancel(BTC, order_id=8),
         told("canceled", id="8", remaining=0.2), id="8", symbol=SYMBOL),
    call(ALICE, "cancel_order_ws", methods.OrderCancel(BTC, orig_client_order_id="ice-1"),
         told("canceled", remaining=1.0), id=None, symbol=SYMBOL,
         params={"origClientOrderId": "ice-1"}),
    edit("2", "edit-1", 0.2, told("open", clientOrderId="edit-1", price=60200.0, amount=0.2)),
    edit("1", "edit-2", 0.2, both_failed(UNKNOWN, None)),
    edit("11", "edit-3", 100, half_failed(
        cancelled(11, CHOSEN, "post-2", "SELL", 58000, "0.1"), NO_FUNDS)),
    call(ALICE, "cancel_all_orders_ws", methods.OpenOrdersCancelAll(BTC), symbol=SYMBOL),
    call(ALICE, "cancel_all_orders_ws", methods.OpenOrdersCancelAll(BTC), UNKNOWN, symbol=SYMBOL),
]  # fmt: skip
KIND_OF = {
    -1013: "InvalidOrder",
    -1021: "InvalidNonce",
    -1022: "AuthenticationError",
    -2010: "InvalidOrder",
    -2011: "OrderNotFound",
    -2013: "OrderNotFound",
    -2014: "AuthenticationError",
    -2015: "AuthenticationError",
    -2021: "ExchangeError",
    -2022: "ExchangeError",
}
"""By code, the class of what ccxt raises; -2010 has some of their own, by the message."""


ONCE = list({name: one for one in reversed(CALLS) for name in [one[1]]}.values())
"""One call of each name: ccxt reads an RSA key for each signature, which takes its time."""
SIGNED = {"HMAC": CALLS, "RSA": ONCE, "ED25519": CALLS}


@pytest.fixture(scope="module")
def lived(market, speaker):
    """A function that returns what ccxt is told with a kind of key, and the replies of its twin."""
    known = {}

    def of(kind):
        if kind not in known:
            ccxt, twin = speaker("ask_ccxt.py"), Twin(exchange(market), kind=kind)
            replies = [twin.ask(step.who, step.request) for step, _, _ in SIGNED[kind]]
            calls = [(step.who, name, arguments) for step, name, arguments in SIGNED[kind]]
            with served(exchange(market)) as server:
                outcomes = ccxt.ask(server.url, calls, keys=keys_of(kind), now=NOW)
            known[kind] = outcomes, replies
        return known[kind]

    return of


def info(value):
    """Return the replies that ccxt has kept beside what it made of them."""
    return list(map(info, value)) if isinstance(value, list) else value["info"]


def chosen(reply):
    """Return the half of a reply that ccxt returns."""
    return reply.get("newOrderResponse", reply) if isinstance(reply, dict) else reply


def check_refused(refused, want):
    kind = "InsufficientFunds" if want == NO_FUNDS else KIND_OF[want.code]
    kind = "OrderImmediatelyFillable" if "immediately match" in want.msg else kind
    assert refused["kind"] == kind
    said = refused["msg"].removeprefix("binance ")
    data = {} if want.data is None else {"data": want.data}
    assert said == want.msg or json.loads(said) == {"code": want.code, "msg": want.msg, **data}


@pytest.mark.parametrize("kind", SIGNED)
def test_it_is_told_what_our_own_session_is(kind, lived):
    outcomes, replies = lived(kind)
    for outcome, reply in zip(outcomes, map(result_or_refusal, replies), strict=True):
        if isinstance(reply, Refused):
            check_refused(outcome["refused"], reply)
        else:
            assert info(outcome["ok"]) == chosen(reply)


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, id=f"{n:02d}.{c[1]}") for n, c in enumerate(CALLS) if c[0].want is not None],
)
def test_it_understands_what_it_is_told(number, lived):
    want = CALLS[number][0].want
    outcomes, replies = lived("HMAC")
    if isinstance(want, Refused):
        assert result_or_refusal(replies[number]) == want
        check_refused(outcomes[number]["refused"], want)
    else:
        found = outcomes[number]["ok"]
        assert {name: found[name] for name in want} == want


def test_it_understands_trades(lived):
    outcomes, _ = lived("HMAC")
    (trades,) = (
        outcome["ok"]
        for outcome, (step, name, arguments) in zip(outcomes, CALLS, strict=True)
        if name == "fetch_my_trades_ws" and step.who == ALICE
    )
    assert [
        (t["id"], t["order"], t["side"], t["price"], t["amount"], t["cost"], t["takerOrMaker"],
         t["fee"]["cost"], t["fee"]["currency"], t["timestamp"])
        for t in trades
    ] == [
        ("1", "1", "sell", 60000.0, 0.5, 30000.0, "maker", 30.0, "USDT", NOW),
        ("2", "2", "sell", 60100.0, 0.2, 12020.0, "maker", 12.02, "USDT", NOW),
        ("3", "2", "sell", 60100.0, 0.1, 6010.0, "maker", 6.01, "USDT", NOW),
        ("4", "2", "sell", 60100.0, 0.01, 601.0, "maker", 0.601, "USDT", NOW),
        ("5", "7", "sell", 59000.0, 0.1, 5900.0, "taker", 5.9, "USDT", NOW),
    ]  # fmt: skip


# ---- what goes wrong


PARAMS = [
    {"clientOrderId": "x"},
    {"postOnly": True},
    {"stopLossPrice": 55000},
    {"triggerPrice": 55000},
]


def test_its_own_words_that_it_sends_on_are_refused_as_documented(market, speaker):
    limit = {"symbol": SYMBOL, "type": "limit", "side": "sell", "amount": 0.1, "price": 60000}
    calls = [(ALICE, "create_order_ws", limit | {"params": params}) for params in PARAMS]
    with served(exchange(market)) as server:
        outcomes = speaker("ask_ccxt.py").ask(server.url, calls, keys=keys_of("HMAC"), now=NOW)
    for outcome in outcomes:
        error = json.loads(outcome["refused"]["msg"].removeprefix("binance "))
        assert error["code"] == -1104
        read, sent = (int(number) for number in error["msg"].split("'")[1::2])
        assert sent == read + 1


SECRET = secret_of(ALICE, "HMAC")
WHO = {
    "forger": ({"apiKey": api_key(ALICE, "HMAC"), "secret": "not the secret"},
               Refused(-1022, "Signature for this request is not valid.")),
    "stranger": ({"apiKey": "s" * 64, "secret": SECRET},
                 Refused(-2015, "Invalid API-key, IP, or permissions for action.")),
    "reader": ({"apiKey": READER, "secret": SECRET},
               Refused(-2015, "Invalid API-key, IP, or permissions for action.")),
    "clumsy": ({"apiKey": "too-short", "secret": SECRET},
               Refused(-2014, "API-key format invalid.")),
}  # fmt: skip


def test_it_raises_its_own_error_for_who_may_not_trade(market, speaker):
    _, name, arguments = CALLS[0]
    keys = {who: key for who, (key, _) in WHO.items()}
    with served(exchange(market)) as server:
        outcomes = speaker("ask_ccxt.py").ask(
            server.url, [(who, name, arguments) for who in WHO], keys=keys, now=NOW
        )
    for (_, want), outcome in zip(WHO.values(), outcomes, strict=True):
        check_refused(outcome["refused"], want)


@pytest.mark.parametrize(
    ("late_ms", "msg"),
    [
        (10_001, "Timestamp for this request is outside of the recvWindow."),  # its own is 10 s
        (-1000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
def test_it_raises_its_own_error_when_its_clock_is_wrong(late_ms, msg, market, speaker):
    _, name, arguments = CALLS[0]
    with served(exchange(market)) as server:
        (outcome,) = speaker("ask_ccxt.py").ask(
            server.url, [(ALICE, name, arguments)], keys=keys_of("HMAC"), now=NOW - late_ms
        )
    check_refused(outcome["refused"], Refused(-1021, msg))


def test_it_is_told_to_stop_when_too_many_orders_are_open(market, speaker):
    _, name, arguments = CALLS[0]
    orders = [arguments | {"params": {"newClientOrderId": f"n-{n}"}} for n in range(3)]
    with served(exchange(market, orders_10s=2)) as server:
        outcomes = speaker("ask_ccxt.py").ask(
            server.url, [(ALICE, name, one) for one in orders], keys=keys_of("HMAC"), now=NOW
        )
    assert ["ok" in outcome for outcome in outcomes] == [True, True, False]
    assert outcomes[2]["refused"]["kind"] == "RateLimitExceeded"
    assert '"code":-1015' in outcomes[2]["refused"]["msg"]
