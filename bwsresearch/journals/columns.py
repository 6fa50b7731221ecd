"""The columns of a journal's frames: their names, their kinds, and where in a record they stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from bwsresearch.exchange.journal import Record
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import declared
from bwsresearch.protocol.weights import Fixed, IfRefused

__all__ = ["BALANCES", "EVENTS", "FILLS", "REQUESTS", "Column", "joined"]

Kind: TypeAlias = Literal["amount", "id", "word", "text", "time", "queue"]
Pick: TypeAlias = Callable[[Record], object]
"""Takes a field out of a record; None or "" where it has none."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; a `time` is in ms, a `queue` an amount that is unknown when it is negative."""

    name: str
    kind: Kind
    pick: Pick


def _at(kind: Kind, name: str, *path: str) -> Column:
    return Column(name, kind, _picker(path))


def _picker(path: Sequence[str]) -> Pick:
    if len(path) == 1:
        (key,) = path
        return lambda record: record.get(key)
    first, second = path

    def pick(record: Record) -> object:
        inner = record.get(first)
        return inner.get(second) if inner is not None else None

    return pick


EVENTS: Final = (
    _at("text", "account", "account"),
    _at("word", "symbol", "order", "symbol"),
    _at("id", "order_id", "order", "orderId"),
    _at("text", "client_order_id", "order", "clientOrderId"),
    _at("word", "side", "order", "side"),
    _at("word", "type", "order", "type"),
    _at("word", "time_in_force", "order", "timeInForce"),
    _at("word", "status", "order", "status"),
    _at("word", "execution", "execution"),
    _at("word", "cause", "cause"),
    _at("amount", "price", "order", "price"),
    _at("amount", "stop_price", "order", "stopPrice"),
    _at("amount", "orig_qty", "order", "origQty"),
    _at("amount", "executed_qty", "order", "executedQty"),
    _at("amount", "cummulative_quote_qty", "order", "cummulativeQuoteQty"),
    _at("word", "expiry_reason", "order", "expiryReason"),
    _at("id", "execution_id", "executionId"),
)
FILLS: Final = (
    _at("text", "account", "account"),
    _at("word", "symbol", "symbol"),
    _at("id", "order_id", "orderId"),
    _at("id", "trade_id", "tradeId"),
    _at("word", "side", "side"),
    _at("amount", "price", "px"),
    _at("amount", "qty", "qty"),
    _at("amount", "quote_qty", "quote"),
    _at("word", "role", "role"),
    _at("amount", "commission", "fee"),
    _at("word", "commission_asset", "feeAsset"),
    _at("word", "model", "model"),
    _at("word", "evidence", "evidence", "kind"),
    _at("id", "evidence_ref", "evidence", "ref"),
    _at("time", "evidence_time", "evidence", "time"),
    _at("amount", "evidence_price", "evidence", "px"),
    _at("amount", "available", "evidence", "avail"),
    _at("word", "rule", "evidence", "rule"),
    _at("queue", "ahead_before", "evidence", "aheadBefore"),
    _at("queue", "ahead_after", "evidence", "aheadAfter"),
)
BALANCES: Final = (
    _at("text", "account", "account"),
    _at("word", "asset", "asset"),
    _at("amount", "free", "free"),
    _at("amount", "locked", "locked"),
)
REQUESTS: Final = (
    _at("id", "seq", "seq"),
    _at("text", "account", "account"),
    _at("word", "method", "method"),
    _at("word", "symbol", "params", "symbol"),
    _at("word", "side", "params", "side"),
    _at("word", "type", "params", "type"),
    _at("word", "time_in_force", "params", "timeInForce"),
    _at("amount", "price", "params", "price"),
    _at("amount", "stop_price", "params", "stopPrice"),
    _at("amount", "quantity", "params", "quantity"),
    _at("amount", "quote_order_qty", "params", "quoteOrderQty"),
    _at("id", "order_id", "orderId"),
    _at("text", "client_order_id", "clientOrderId"),
    _at("id", "status", "status"),
    _at("id", "code", "code"),
    _at("text", "msg", "msg"),
    _at("word", "outcome", "outcome"),
    _at("id", "latency_us", "latencyUs"),
    _at("id", "weight", "weight"),
)


def joined(request: Record, reply: Record | None) -> Record:
    """Return a request with what was answered, and the order that both are about."""
    params, answer = request.get("params") or {}, reply or {}
    body = _of_the_order(answer.get("body") or answer.get("data"))
    return {
        **request,
        "params": params,
        "orderId": body.get("orderId") or params.get("orderId") or params.get("cancelOrderId"),
        "clientOrderId": params.get("origClientOrderId")
        or body.get("clientOrderId")
        or params.get("newClientOrderId"),
        "status": answer.get("status"),
        "code": answer.get("code"),
        "msg": answer.get("msg"),
        "outcome": answer.get("outcome"),
        "latencyUs": (answer.get("done_ns", 0) - request.get("recv_ns", 0)) // 1000
        if "done_ns" in answer
        else (answer.get("t", request["t"]) - request["t"]) // 1000,
        "weight": _weight(request, params, is_success=answer.get("status") == 200),
    }


def _of_the_order(body: object) -> Mapping[str, Any]:
    """Return what of an answer names the order: of a replacement the new one's half."""
    if not isinstance(body, dict):
        return {}
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
