"""What frames show of a record, by its kind; the rest of a record is not even read.

Fields have their names in the journal; `Any` where what is recorded may be whatever a client sent.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from bwsresearch.exchange.journal import Record
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import declared
from bwsresearch.protocol.weights import Fixed, IfRefused

__all__ = ["Balance", "Event", "Fill", "Marks", "Row", "Sent", "joined"]


class Row(msgspec.Struct, gc=False):
    """One row: `t` is the exchange's time in nanoseconds."""

    t: int


class Order(msgspec.Struct, rename="camel", gc=False):
    """An order as it was."""

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    status: str
    price: str
    stop_price: str
    orig_qty: str
    executed_qty: str
    cummulative_quote_qty: str
    expiry_reason: str | None = None


class Event(Row, rename="camel"):
    """One transition of an order."""

    account: str
    execution: str
    cause: str
    execution_id: int
    order: Order


class Evidence(msgspec.Struct, rename="camel", gc=False):
    """What of the market a fill rests on."""

    kind: str | None = None
    ref: int | None = None
    time: int | None = None
    px: str | None = None
    avail: str | None = None
    rule: str | None = None
    ahead_before: str | None = None
    ahead_after: str | None = None


class Fill(Row, rename="camel"):
    """One fill."""

    account: str
    symbol: str
    order_id: int
    trade_id: int
    side: str
    px: str
    qty: str
    quote: str
    role: str
    fee: str
    fee_asset: str
    model: str
    evidence: Evidence = msgspec.field(default_factory=Evidence)


class Balance(Row):
    """A balance after a change."""

    account: str
    asset: str
    free: str
    locked: str


class Marks(Row):
    """The last prices that were known, if the record tells them."""

    seq: int
    last: dict[str, str] | None = None


class Sent(Row):
    """A request with its answer, and the order that both are about."""

    seq: int
    account: str
    method: str
    params: Mapping[str, Any]
    symbol: Any
    side: Any
    type: Any
    time_in_force: Any
    price: Any
    stop_price: Any
    quantity: Any
    quote_order_qty: Any
    order_id: Any
    client_order_id: Any
    status: int | None
    code: int | None
    msg: str | None
    outcome: str | None
    latency_us: int
    weight: int


def joined(request: Record, reply: Record | None) -> Sent:
    """Return a request with what was answered."""
    params, answer = request.get("params") or {}, reply or {}
    body = _of_the_order(answer.get("body") or answer.get("data"))
    sent = params.get
    return Sent(
        request["t"],
        request["seq"],
        request["account"],
        request["method"],
        params,
        sent("symbol"),
        sent("side"),
        sent("type"),
        sent("timeInForce"),
        sent("price"),
        sent("stopPrice"),
        sent("quantity"),
        sent("quoteOrderQty"),
        body.get("orderId") or sent("orderId") or sent("cancelOrderId"),
        sent("origClientOrderId") or body.get("clientOrderId") or sent("newClientOrderId"),
        answer.get("status"),
        answer.get("code"),
        answer.get("msg"),
        answer.get("outcome"),
        (answer.get("done_ns", 0) - request.get("recv_ns", 0)) // 1000
        if "done_ns" in answer
        else (answer.get("t", request["t"]) - request["t"]) // 1000,
        _weight(request, params, is_success=answer.get("status") == 200),
    )


def _of_the_order(body: object) -> Mapping[str, Any]:
    """Return what of an answer names the order: of a replacement the new one's half."""
    if not isinstance(body, dict):
        return {}
    if "orderId" in body:
        return body
    halves = [body.get(name) for name in ("newOrderResponse", "cancelResponse", "amendedOrder")]
    return next((half for half in halves if isinstance(half, dict) and "orderId" in half), body)


def _weight(request: Record, params: Mapping[str, Any], *, is_success: bool) -> int:
    kind = CATALOGUE.get(request["method"])
    if kind is None:
        return 0
    rule = kind.weight_rule
    if request.get("refused"):
        return rule.minimum
    if isinstance(rule, Fixed | IfRefused):
        return rule.minimum - (rule.refund if is_success else 0)
    sent = {one.name: params[one.wire] for one in declared(kind) if one.wire in params}
    given = {name: value for name, value in sent.items() if value not in (False, "false")}
    return rule(given) - (rule.refund if is_success else 0)
