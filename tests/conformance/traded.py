"""What every client is made to trade, as our own requests, and what comes of it.

Two accounts trade with each other alone ("self@1") while the clock of the exchange stands still at
NOW, so that every reply is known: `want` was worked out by hand. A client that lacks a method leaves
its steps out; what it must get is then told by a twin, an exchange that lives through the same steps.
"""

import functools
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.journal import Journal, parsed
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.protocol import methods
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.session import ClientSession, Options, ServerSession
from bwsresearch.protocol.signing import Key

from .asked import NOW

ADDRESS = "127.0.0.1"
BTC, BNB = "BTCUSDT", "BNBUSDT"
ALICE, BOB = "alice", "bob"
KINDS = ("HMAC", "RSA", "ED25519")
DAY = 86_400_000


# ---- who trades


def _pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def api_key(who, kind):
    return f"{who}{kind}".ljust(64, "x")


@functools.cache
def secret_of(who, kind):
    """Return what signs: these signatures are functions of their payload, so new keys change no reply."""
    match kind:
        case "HMAC":
            return who[0] * 64
        case "RSA":
            return _pem(generate_private_key(65537, 2048))
        case _:
            return _pem(Ed25519PrivateKey.generate())


READER = "r" * 64
"""A key of alice's that may read but not trade; its secret is that of her HMAC key."""


@functools.cache  # reading a PEM takes its time
def key_of(who, kind):
    return Key(api_key(who, kind), secret_of(who, kind))


def keys_of(kind):
    """Return what a client is told of the keys of both, as the clients of the SDK's kind name it."""
    name = "api_secret" if kind == "HMAC" else "private_key"
    return {
        who: {"api_key": api_key(who, kind), name: secret_of(who, kind)} for who in (ALICE, BOB)
    }


def _keys(who):
    kept = [ApiKey(key_of(who, kind).api_key, who, key_of(who, kind).public()) for kind in KINDS]
    if who == ALICE:
        secret = Key(READER, secret_of(ALICE, "HMAC")).public()
        kept.append(ApiKey(READER, who, secret, frozenset({"USER_DATA"})))
    return kept


START = {"BTC": "10", "USDT": "1000000", "BNB": "5"}


def exchange(market, *, model="self@1", now=NOW, journal=None, **limits):
    """Return an exchange where both have START; bob pays his commissions in BNB."""
    limits = {"connections_5m": 10**6, "weight_per_minute": 10**6, **limits}
    config = Config.of({"model": {"id": model}, "limits": limits})
    balances = {asset: units(Decimal(amount)) for asset, amount in START.items()}
    accounts = [
        AccountSpec(ALICE, balances, keys=_keys(ALICE)),
        AccountSpec(BOB, balances, Commission(in_bnb=True), _keys(BOB)),
    ]
    return Gateway(market, config, opened(market, accounts, config, now_ms=now, journal=journal))


class Twin:
    """An exchange that our own sessions talk to without a socket, one connection for each account."""

    def __init__(self, gateway, *, kind="HMAC", now=NOW, askers=(ALICE, BOB), options=None):
        self.gateway, self.now = gateway, now
        self.ours = {who: ClientSession(key_of(who, kind)) for who in askers}
        self.theirs = {
            who: ServerSession(options or Options(), connected_since_ms=now) for who in askers
        }
        for _ in askers:
            gateway.connect(ADDRESS, now)

    def ask(self, who, request):
        """Return the whole reply to a request."""
        _, frame = self.ours[who].send(request, now_ms=self.now)
        text = self._answer(who, frame)
        self.ours[who].receive(text)
        return json.loads(text)

    def say(self, who, frame):
        """Return the whole reply to a frame."""
        return json.loads(self._answer(who, frame))

    def _answer(self, who, frame):
        call = self.theirs[who].receive(frame)
        return self.gateway.handle(call, self.theirs[who], ADDRESS, self.now).text


# ---- what comes of it


class _Chosen:
    """Equals every client order id that the exchange has chosen itself."""

    def __eq__(self, other):
        return isinstance(other, str) and re.fullmatch("[0-9A-Za-z]{22}", other) is not None

    __hash__ = None

    def __repr__(self):
        return "<chosen by the exchange>"


CHOSEN = _Chosen()


def money(amount):
    return f"{Decimal(amount):.8f}"


def acked(number, name, symbol=BTC):
    return {
        "symbol": symbol,
        "orderId": number,
        "orderListId": -1,
        "clientOrderId": name,
        "transactTime": NOW,
    }


def _amounts(side, price, qty, kind, *, executed, quote, status, tif, quote_qty):
    return {
        "price": money(price),
        "origQty": money(qty),
        "executedQty": money(executed),
        "origQuoteOrderQty": money(quote_qty),
        "cummulativeQuoteQty": money(quote),
        "status": status,
        "timeInForce": tif,
        "type": kind,
        "side": side,
    }


def placed(
    number, name, side, price, qty, kind="LIMIT", *, symbol=BTC, executed=0, quote=0, status="NEW",
    tif="GTC", quote_qty=0, fills=(), stp="EXPIRE_MAKER", **more,
):  # fmt: skip
    """Return the FULL reply to a placement; `fills` None makes it a RESULT."""
    amounts = _amounts(
        side, price, qty, kind,
        executed=executed, quote=quote, status=status, tif=tif, quote_qty=quote_qty,
    )  # fmt: skip
    reply = acked(number, name, symbol) | amounts
    reply |= {"workingTime": NOW, "selfTradePreventionMode": stp, **more}
    return reply if fills is None else reply | {"fills": list(fills)}


def fill(price, qty, commission, asset, number):
    return {
        "price": money(price),
        "qty": money(qty),
        "commission": money(commission),
        "commissionAsset": asset,
        "tradeId": number,
    }


def row(number, name, side, price, qty, kind="LIMIT", **changes):
    """Return an order as order.status shows it."""
    shown = placed(number, name, side, price, qty, kind, fills=None, **changes)
    del shown["transactTime"]
    defaults = {"stopPrice": money(0), "icebergQty": money(0), "isWorking": True}
    return {**defaults, "time": NOW, "updateTime": NOW, **shown}


def cancelled(number, name, was, side, price, qty, kind="LIMIT", **changes):
    shown = placed(number, name, side, price, qty, kind, fills=None, status="CANCELED", **changes)
    del shown["workingTime"]
    return {**shown, "origClientOrderId": was}


def trade(number, order, price, qty, commission, asset, *, symbol=BTC, buyer, maker):
    return {
        "symbol": symbol,
        "id": number,
        "orderId": order,
        "orderListId": -1,
        "price": money(price),
        "qty": money(qty),
        "quoteQty": money(Decimal(price) * Decimal(qty)),
        "commission": money(commission),
        "commissionAsset": asset,
        "time": NOW,
        "isBuyer": buyer,
        "isMaker": maker,
        "isBestMatch": True,
    }


def account(uid, **balances):
    """Return an account with (free, locked) of each asset."""
    rates = {"maker": "0.001", "taker": "0.001", "buyer": 0, "seller": 0}
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "commissionRates": {name: money(rate) for name, rate in rates.items()},
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": NOW,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": money(free), "locked": money(locked)}
            for asset, (free, locked) in balances.items()
        ],
        "permissions": ["SPOT"],
        "uid": uid,
    }


def prevented(number, taker, maker, mode, price, **losses):
    return {
        "symbol": BTC,
        "preventedMatchId": number,
        "takerOrderId": taker,
        "makerSymbol": BTC,
        "makerOrderId": maker,
        "tradeGroupId": -1,
        "selfTradePreventionMode": mode,
        "price": money(price),
        **losses,
        "transactTime": NOW,
    }


def amendment(number, name, was, qty, *, order, old):
    return {
        "symbol": BTC,
        "orderId": order,
        "executionId": number,
        "origClientOrderId": was,
        "newClientOrderId": name,
        "origQty": money(old),
        "newQty": money(qty),
        "time": NOW,
    }


@dataclass(frozen=True)
class Refused:
    code: int
    msg: str
    status: int = 400
    data: Any = None


def halves(cancel, new):
    """Return what a cancel-replace says of its halves: a reply, a refusal, or None: not attempted."""

    def outcome(half):
        return "FAILURE" if isinstance(half, Refused) else "SUCCESS" if half else "NOT_ATTEMPTED"

    def response(half):
        return {"code": half.code, "msg": half.msg} if isinstance(half, Refused) else half

    return {
        "cancelResult": outcome(cancel),
        "newOrderResult": outcome(new),
        "cancelResponse": response(cancel),
        "newOrderResponse": response(new),
    }


def half_failed(cancel, new):
    data = halves(cancel, new)
    return Refused(-2021, "Order cancel-replace partially failed.", 409, data)


def both_failed(cancel, new):
    return Refused(-2022, "Order cancel-replace failed.", 400, halves(cancel, new))


UNKNOWN = Refused(-2011, "Unknown order sent.")
TAKES = Refused(-2010, "Order would immediately match and take.")


@dataclass(frozen=True)
class Step:
    who: str
    request: Request[Any]
    want: Any = None
    """The result, or why there is none; None where a want would only repeat others."""

    def __str__(self):
        told = self.request.sent()
        words = (str(told[name]) for name in ("type", "new_client_order_id") if name in told)
        return ".".join([self.who, self.request.method, *words])


def result_or_refusal(reply):
    if reply["status"] == 200:
        return reply["result"]
    error = reply["error"]
    return Refused(error["code"], error["msg"], reply["status"], error.get("data"))


def told(client, outcome, reply):
    """Return what a client has told of a reply, as our own reading of the reply has it."""
    if "refused" not in outcome:
        assert "ok" in outcome, outcome
        return outcome["ok"]
    refused = outcome["refused"]
    status = refused["status"] if client.shows_status else reply["status"]
    return Refused(refused["code"], refused["msg"], status, refused.get("data"))


# ---- what happens


def new(who, name, side, price, qty, *, want, kind="LIMIT", tif="GTC", symbol=BTC, **more):
    """Return the step that places an order; no price, quantity or time in force where it is None."""
    request = methods.OrderPlace(
        symbol, side=side, type=kind, time_in_force=tif, price=price, quantity=qty,
        new_client_order_id=name, **more,
    )  # fmt: skip
    return Step(who, request, want)


def swap(mode, cancel, name, kind, price, *, want):
    """Return the step that cancels an order of alice's and offers 0.1 for sale instead."""
    request = methods.OrderCancelReplace(
        BTC, cancel_replace_mode=mode, cancel_orig_client_order_id=cancel,
        cancel_new_client_order_id=f"{cancel}-gone", side="SELL", type=kind,
        time_in_force="GTC" if kind == "LIMIT" else None, quantity="0.1", price=price,
        new_client_order_id=name,
    )  # fmt: skip
    return Step(ALICE, request, want)


PREVENTED_1 = prevented(1, 13, 2, "EXPIRE_TAKER", 60100, takerPreventedQuantity=money("0.2"))
PREVENTED_2 = prevented(
    2, 14, 2, "DECREMENT", 60100,
    takerPreventedQuantity=money("0.1"), makerPreventedQuantity=money("0.1"),
)  # fmt: skip


def shown(match):
    """Return a prevented match as its taker's reply shows it."""
    hidden = {"symbol", "takerOrderId", "tradeGroupId", "selfTradePreventionMode", "transactTime"}
    return {name: value for name, value in match.items() if name not in hidden}


ICEBERG = {"icebergQty": money("0.2"), "strategyId": 37, "strategyType": 1_000_001}

TRADING = [
    # Three orders rest; a trade of BNB gives it a price, so that bob's commissions can be paid in it.
    new(ALICE, "ask-1", "SELL", "60000", "0.5", want=placed(1, "ask-1", "SELL", 60000, "0.5")),
    new(ALICE, "ask-2", "SELL", "60100", "0.5", new_order_resp_type="RESULT",
        want=placed(2, "ask-2", "SELL", 60100, "0.5", fills=None)),
    new(BOB, "bid-1", "BUY", "59000", "0.1", new_order_resp_type="ACK", want=acked(3, "bid-1")),
    new(ALICE, "bnb-1", "SELL", "600", "1", symbol=BNB, new_order_resp_type="ACK",
        want=acked(1, "bnb-1", BNB)),
    new(BOB, "bnb-2", "BUY", "601", "1", symbol=BNB, new_order_resp_type="FULL",
        want=placed(2, "bnb-2", "BUY", 601, 1, symbol=BNB, executed=1, quote=600, status="FILLED",
                    fills=[fill(600, 1, "0.00075", "BNB", 1)])),
    # A buy walks both asks, each trade at the maker's price.
    new(BOB, "bid-2", "BUY", "60100", "0.7",
        want=placed(4, "bid-2", "BUY", 60100, "0.7", executed="0.7", quote=42020, status="FILLED",
                    fills=[fill(60000, "0.5", "0.0375", "BNB", 1),
                           fill(60100, "0.2", "0.015025", "BNB", 2)])),
    Step(ALICE, methods.OrderStatus(BTC, order_id=2),
         row(2, "ask-2", "SELL", 60100, "0.5", executed="0.2", quote=12020,
             status="PARTIALLY_FILLED")),
    Step(ALICE, methods.OrderStatus(BTC, orig_client_order_id="ask-1"),
         row(1, "ask-1", "SELL", 60000, "0.5", executed="0.5", quote=30000, status="FILLED")),
    Step(BOB, methods.OpenOrdersStatus(BTC), [row(3, "bid-1", "BUY", 59000, "0.1")]),
    # At market, by quantity and by amount.
    new(BOB, "mkt-1", "BUY", None, "0.1", kind="MARKET", tif=None,
        want=placed(5, "mkt-1", "BUY", 0, "0.1", "MARKET", executed="0.1", quote=6010,
                    status="FILLED", fills=[fill(60100, "0.1", "0.0075125", "BNB", 3)])),
    new(BOB, "mkt-2", "BUY", None, None, kind="MARKET", tif=None, quote_order_qty="601.5",
        new_order_resp_type="RESULT",
        want=placed(6, "mkt-2", "BUY", 0, "0.01", "MARKET", executed="0.01", quote=601,
                    quote_qty="601.5", status="FILLED", fills=None)),
    # What cannot be had at once expires.
    new(ALICE, "ioc-1", "SELL", "59000", "0.3", tif="IOC",
        want=placed(7, "ioc-1", "SELL", 59000, "0.3", executed="0.1", quote=5900, tif="IOC",
                    status="EXPIRED", expiryReason="UNFILLED_IOC_QUANTITY_EXPIRED",
                    fills=[fill(59000, "0.1", "5.9", "USDT", 5)])),
    new(BOB, "fok-1", "BUY", "60100", "5", tif="FOK",
        want=placed(8, "fok-1", "BUY", 60100, 5, tif="FOK", status="EXPIRED",
                    expiryReason="UNFILLED_FOK_ORDER_EXPIRED")),
    # Orders that wait.
    new(ALICE, "post-1", "SELL", "61000", "0.2", kind="LIMIT_MAKER", tif=None,
        want=acked(9, "post-1")),
    new(ALICE, "stop-1", "SELL", "54900", "0.1", kind="STOP_LOSS_LIMIT", stop_price="55000",
        new_order_resp_type="RESULT",
        want=placed(10, "stop-1", "SELL", 54900, "0.1", "STOP_LOSS_LIMIT", fills=None,
                    stopPrice=money(55000), workingTime=-1)),
    new(BOB, "trail-1", "BUY", "65000", "0.1", kind="STOP_LOSS_LIMIT", trailing_delta=100,
        new_order_resp_type="FULL",
        want=placed(11, "trail-1", "BUY", 65000, "0.1", "STOP_LOSS_LIMIT", stopPrice=money(0),
                    trailingDelta=100, trailingTime=NOW, workingTime=-1)),
    Step(BOB, methods.OrderStatus(BTC, orig_client_order_id="trail-1"),
         row(11, "trail-1", "BUY", 65000, "0.1", "STOP_LOSS_LIMIT", trailingDelta=100,
             trailingTime=NOW, isWorking=False, workingTime=-1)),
    new(ALICE, "ice-1", "SELL", "62000", "1", iceberg_qty="0.2", strategy_id=37,
        strategy_type=1_000_001, new_order_resp_type="RESULT",
        want=placed(12, "ice-1", "SELL", 62000, 1, fills=None, **ICEBERG)),
    # Nobody trades with himself.
    new(ALICE, "self-1", "BUY", "60100", "0.2", self_trade_prevention_mode="EXPIRE_TAKER",
        want=placed(13, "self-1", "BUY", 60100, "0.2", status="EXPIRED_IN_MATCH",
                    stp="EXPIRE_TAKER", preventedMatches=[shown(PREVENTED_1)],
                    preventedQuantity=money("0.2"))),
    new(ALICE, "self-2", "BUY", "60100", "0.1", self_trade_prevention_mode="DECREMENT",
        want=placed(14, "self-2", "BUY", 60100, "0.1", status="EXPIRED_IN_MATCH",
                    stp="DECREMENT", preventedMatches=[shown(PREVENTED_2)],
                    preventedQuantity=money("0.1"))),
    Step(ALICE, methods.OrderStatus(BTC, order_id=2),
         row(2, "ask-2", "SELL", 60100, "0.5", executed="0.31", quote=18631,
             status="PARTIALLY_FILLED", preventedMatchId=2, preventedQuantity=money("0.1"))),
    Step(ALICE, methods.MyPreventedMatches(BTC, order_id=2), [PREVENTED_1, PREVENTED_2]),
    Step(ALICE, methods.MyPreventedMatches(BTC, prevented_match_id=2), [PREVENTED_2]),
    Step(ALICE, methods.MyPreventedMatches(BTC, order_id=2, from_prevented_match_id=2, limit=5),
         [PREVENTED_2]),
    # An order is made smaller.
    Step(ALICE, methods.OrderAmendKeepPriority(BTC, order_id=12, new_qty="0.6",
                                               new_client_order_id="ice-2"),
         {"transactTime": NOW, "executionId": 30, "amendedOrder": {
             "symbol": BTC, "orderId": 12, "orderListId": -1, "origClientOrderId": "ice-1",
             "clientOrderId": "ice-2", "price": money(62000), "qty": money("0.6"),
             "executedQty": money(0), "preventedQty": money(0), "quoteOrderQty": money(0),
             "cumulativeQuoteQty": money(0), "status": "NEW", "timeInForce": "GTC",
             "type": "LIMIT", "side": "SELL", "workingTime": NOW,
             "selfTradePreventionMode": "EXPIRE_MAKER", **ICEBERG}}),
    Step(ALICE, methods.OrderAmendKeepPriority(BTC, orig_client_order_id="ice-2", new_qty="0.4")),
    Step(ALICE, methods.OrderAmendments(BTC, order_id=12),
         [amendment(30, "ice-2", "ice-1", "0.6", order=12, old=1),
          amendment(31, CHOSEN, "ice-2", "0.4", order=12, old="0.6")]),
    Step(ALICE, methods.OrderAmendments(BTC, order_id=12, from_execution_id=31, limit=1),
         [amendment(31, CHOSEN, "ice-2", "0.4", order=12, old="0.6")]),
    Step(ALICE, methods.OrderAmendKeepPriority(BTC, order_id=12, new_qty="0.5"),
         Refused(-2038, "Order amend (quantity increase) is not supported.")),
    # One order in the place of another.
    new(BOB, "bid-3", "BUY", "59500", "0.1", want=placed(15, "bid-3", "BUY", 59500, "0.1")),
    swap("STOP_ON_FAILURE", "post-1", "post-2", "LIMIT", "61500",
         want=halves(
             cancelled(9, "post-1-gone", "post-1", "SELL", 61000, "0.2", "LIMIT_MAKER"),
             placed(16, "post-2", "SELL", 61500, "0.1"))),
    swap("STOP_ON_FAILURE", "none", "post-3", "LIMIT", "61600", want=both_failed(UNKNOWN, None)),
    swap("ALLOW_FAILURE", "none", "post-3", "LIMIT", "61600",
         want=half_failed(UNKNOWN, placed(17, "post-3", "SELL", 61600, "0.1"))),
    swap("STOP_ON_FAILURE", "post-3", "post-4", "LIMIT_MAKER", "59400",
         want=half_failed(cancelled(17, "post-3-gone", "post-3", "SELL", 61600, "0.1"), TAKES)),
    swap("ALLOW_FAILURE", "post-3", "post-4", "LIMIT_MAKER", "59400",
         want=both_failed(UNKNOWN, TAKES)),
    # Cancels.
    Step(BOB, methods.OrderCancel(BTC, orig_client_order_id="bid-3",
                                  cancel_restrictions="ONLY_PARTIALLY_FILLED"),
         Refused(-2011, "Order was not canceled due to cancel restrictions.")),
    Step(ALICE, methods.OrderCancel(BTC, orig_client_order_id="post-2",
                                    new_client_order_id="gone-1"),
         cancelled(16, "gone-1", "post-2", "SELL", 61500, "0.1")),
    Step(ALICE, methods.OrderCancel(BTC, orig_client_order_id="post-2"), UNKNOWN),
    Step(ALICE, methods.OrderStatus(BTC, orig_client_order_id="gone-1"),
         row(16, "gone-1", "SELL", 61500, "0.1", status="CANCELED")),
    # A market sale runs out of bids; another one lets a stop work, which trades at once.
    new(ALICE, "mkt-3", "SELL", None, "0.3", kind="MARKET", tif=None,
        want=placed(18, "mkt-3", "SELL", 0, "0.3", "MARKET", executed="0.1", quote=5950,
                    status="EXPIRED", expiryReason="INSUFFICIENT_LIQUIDITY",
                    fills=[fill(59500, "0.1", "5.95", "USDT", 6)])),
    new(BOB, "bid-4", "BUY", "54950", "0.2", want=placed(19, "bid-4", "BUY", 54950, "0.2")),
    new(ALICE, "mkt-4", "SELL", None, "0.05", kind="MARKET", tif=None,
        want=placed(20, "mkt-4", "SELL", 0, "0.05", "MARKET", executed="0.05", quote="2747.5",
                    status="FILLED", fills=[fill(54950, "0.05", "2.7475", "USDT", 7)])),
    Step(ALICE, methods.OrderStatus(BTC, orig_client_order_id="stop-1"),
         row(10, "stop-1", "SELL", 54900, "0.1", "STOP_LOSS_LIMIT", executed="0.1", quote=5495,
             status="FILLED", stopPrice=money(55000))),
    # What does not go.
    new(BOB, "poor", "BUY", "59000", "100",
        want=Refused(-2010, "Account has insufficient balance for requested action.")),
    new(BOB, "bid-4", "BUY", "54000", "0.2", want=Refused(-2010, "Duplicate order sent.")),
    new(BOB, "tick", "BUY", "54950.001", "0.2",
        want=Refused(-1013, "Filter failure: PRICE_FILTER")),
    new(BOB, "step", "BUY", "54950", "0.200001", want=Refused(-1013, "Filter failure: LOT_SIZE")),
    new(BOB, "worth", "BUY", "49000", "0.0001", want=Refused(-1013, "Filter failure: NOTIONAL")),
    new(BOB, "where", "BUY", "54950", "0.1", symbol="NOSUCH",
        want=Refused(-1121, "Invalid symbol.")),
    new(ALICE, "when", "SELL", "54900", "0.1", kind="STOP_LOSS_LIMIT", stop_price="55000",
        want=Refused(-2010, "Order would trigger immediately.")),
    new(ALICE, "what", "SELL", "54900", "0.1", kind="LIMIT_MAKER", tif=None, want=TAKES),
    new(BOB, "how", "SELL", "60000", "0.1", stop_price="55000",
        want=Refused(-1106, "Parameter 'stopPrice' sent when not required.")),
    Step(BOB, methods.OrderStatus(BTC, order_id=1), Refused(-2013, "Order does not exist.")),
    Step(ALICE, methods.OrderStatus(BTC, order_id=1, orig_client_order_id="ask-2"),
         Refused(-2039, "Client order ID is not correct for this order ID.")),
    # Orders that are only tried.
    Step(BOB, methods.OrderTest(BTC, side="BUY", type="LIMIT", time_in_force="GTC", price="59000",
                                quantity="100", new_client_order_id="try-1"), {}),
    Step(BOB, methods.OrderTest(BTC, side="BUY", type="MARKET", quantity="0.1",
                                compute_commission_rates=True, new_client_order_id="try-2"),
         {"standardCommissionForOrder": {"maker": money("0.001"), "taker": money("0.001")},
          "specialCommissionForOrder": {"maker": money(0), "taker": money(0)},
          "taxCommissionForOrder": {"maker": money(0), "taker": money(0)},
          "discount": {"enabledForAccount": True, "enabledForSymbol": True,
                       "discountAsset": "BNB", "discount": money("0.75")}}),
    Step(BOB, methods.OrderTest(BTC, side="BUY", type="LIMIT", time_in_force="GTC",
                                price="59000.005", quantity="1", new_client_order_id="try-3"),
         Refused(-1013, "Filter failure: PRICE_FILTER")),
    # What both have become.
    Step(ALICE, methods.OpenOrdersStatus(),
         [row(2, "ask-2", "SELL", 60100, "0.5", executed="0.31", quote=18631,
              status="PARTIALLY_FILLED", preventedMatchId=2, preventedQuantity=money("0.1")),
          row(12, CHOSEN, "SELL", 62000, "0.4", **ICEBERG)]),
    Step(BOB, methods.AllOrders(BTC, order_id=8, limit=2),
         [row(8, "fok-1", "BUY", 60100, 5, tif="FOK", status="EXPIRED",
              expiryReason="UNFILLED_FOK_ORDER_EXPIRED"),
          row(11, "trail-1", "BUY", 65000, "0.1", "STOP_LOSS_LIMIT", trailingDelta=100,
              trailingTime=NOW, isWorking=False, workingTime=-1)]),
    Step(BOB, methods.AllOrders(BTC, limit=1),
         [row(19, "bid-4", "BUY", 54950, "0.2", executed="0.15", quote="8242.5",
              status="PARTIALLY_FILLED")]),
    Step(ALICE, methods.AllOrders(BTC, start_time=NOW, end_time=NOW + DAY)),
    Step(ALICE, methods.AllOrders(BTC, start_time=NOW + 1), []),
    Step(ALICE, methods.AllOrders(BTC, start_time=NOW, end_time=NOW + DAY + 1),
         Refused(-1127, "More than 24 hours between startTime and endTime.")),
    Step(ALICE, methods.MyTrades(BTC),
         [trade(1, 1, 60000, "0.5", 30, "USDT", buyer=False, maker=True),
          trade(2, 2, 60100, "0.2", "12.02", "USDT", buyer=False, maker=True),
          trade(3, 2, 60100, "0.1", "6.01", "USDT", buyer=False, maker=True),
          trade(4, 2, 60100, "0.01", "0.601", "USDT", buyer=False, maker=True),
          trade(5, 7, 59000, "0.1", "5.9", "USDT", buyer=False, maker=False),
          trade(6, 18, 59500, "0.1", "5.95", "USDT", buyer=False, maker=False),
          trade(7, 20, 54950, "0.05", "2.7475", "USDT", buyer=False, maker=False),
          trade(8, 10, 54950, "0.1", "5.495", "USDT", buyer=False, maker=False)]),
    Step(ALICE, methods.MyTrades(BTC, limit=1),
         [trade(8, 10, 54950, "0.1", "5.495", "USDT", buyer=False, maker=False)]),
    Step(BOB, methods.MyTrades(BTC, order_id=4),
         [trade(1, 4, 60000, "0.5", "0.0375", "BNB", buyer=True, maker=False),
          trade(2, 4, 60100, "0.2", "0.015025", "BNB", buyer=True, maker=False)]),
    Step(BOB, methods.MyTrades(BTC, from_id=7, limit=1),
         [trade(7, 19, 54950, "0.05", "0.00343438", "BNB", buyer=True, maker=True)]),
    Step(BOB, methods.MyTrades(BNB, start_time=NOW, end_time=NOW),
         [trade(1, 2, 600, 1, "0.00075", "BNB", symbol=BNB, buyer=True, maker=False)]),
    Step(BOB, methods.MyTrades(BTC, from_id=1, start_time=NOW),
         Refused(-1128, "Combination of optional parameters invalid.")),
    # alice sold 0.5 + 0.31 + 0.1 + 0.1 + 0.05 + 0.1 and offers 0.09 and 0.4; a thousandth of the
    # 30000 + 18631 + 5900 + 5950 + 2747.5 + 5495 and 600 that she got was her commission.
    Step(ALICE, methods.AccountStatus(omit_zero_balances=True),
         account(1, BNB=("4", 0), BTC=("8.35", "0.49"), USDT=("1069254.1765", 0))),
    # bob bought 0.7 + 0.1 + 0.01 and, with what he bid, 0.1 + 0.1 + 0.05 + 0.1; he bids 2747.5 for
    # the rest of the last and 6500 with the stop that waits.
    Step(BOB, methods.AccountStatus(),
         account(2, BNB=("5.91334562", 0), BTC=("11.16", 0), ETH=(0, 0), SOL=(0, 0),
                 USDT=("921429", "9247.5"), XRP=(0, 0))),
    Step(BOB, methods.AccountCommission(BTC),
         {"symbol": BTC,
          "standardCommission": {"maker": money("0.001"), "taker": money("0.001"),
                                 "buyer": money(0), "seller": money(0)},
          "specialCommission": dict.fromkeys(("maker", "taker", "buyer", "seller"), money(0)),
          "taxCommission": dict.fromkeys(("maker", "taker", "buyer", "seller"), money(0)),
          "discount": {"enabledForAccount": True, "enabledForSymbol": True,
                       "discountAsset": "BNB", "discount": money("0.75")}}),
    # alice's first fills as maker have brought her count to nothing; of the 15 placements since, which
    # count also when they are refused or not attempted, 4 had a first fill as taker.
    Step(ALICE, methods.AccountRateLimitsOrders(),
         [{"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": limit,
           "count": 11} for interval, number, limit in (("SECOND", 10, 100), ("DAY", 1, 200_000))]),
    Step(ALICE, methods.MyFilters(BTC),
         {"exchangeFilters": [], "assetFilters": [], "symbolFilters": [
             {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
             {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
             {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10}]}),
    # The end.
    Step(ALICE, methods.OpenOrdersCancelAll(BTC),
         [cancelled(2, CHOSEN, "ask-2", "SELL", 60100, "0.5", executed="0.31", quote=18631,
                    preventedQuantity=money("0.1")),
          cancelled(12, CHOSEN, CHOSEN, "SELL", 62000, "0.4", **ICEBERG)]),
    Step(ALICE, methods.OpenOrdersCancelAll(BTC), UNKNOWN),
    Step(BOB, methods.OpenOrdersCancelAll(BTC),
         [cancelled(11, CHOSEN, "trail-1", "BUY", 65000, "0.1", "STOP_LOSS_LIMIT",
                    stopPrice=money(0), trailingDelta=100, trailingTime=NOW),
          cancelled(19, CHOSEN, "bid-4", "BUY", 54950, "0.2", executed="0.15", quote="8242.5")]),
]  # fmt: skip
"""What happens, in its order."""

SESSION = [
    Step(ALICE, methods.SessionStatus()),
    Step(ALICE, methods.SessionLogon()),
    Step(BOB, methods.SessionLogon()),
    Step(ALICE, methods.SessionStatus()),
    *TRADING,
    Step(ALICE, methods.SessionLogout()),
    Step(ALICE, methods.SessionStatus()),
]
"""The same, without a signature to each."""


def events_of(market):
    """Return what the user data streams of both tell of it, in its order."""
    lines = []
    twin = Twin(exchange(market, journal=Journal(lines.append)))
    for step in TRADING:
        twin.ask(step.who, step.request)
    records = map(parsed, b"".join(lines).splitlines())
    return [record["body"] for record in records if record["k"] == "evt"]
