"""What a well-formed request must say besides: the parameters of each order type, spans of time.

For a new order each parameter is looked at in the order in which it is read: its type demands it,
allows it, or forbids it. Source: web-socket-api.md "Place new order", the tables of mandatory
parameters; "Account requests".
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from bwsresearch.protocol.credentials import in_micros
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.methods import (
    AllOrders,
    MyTrades,
    OrderCancelReplace,
    OrderPlace,
    OrderTest,
)
from bwsresearch.protocol.request import Request

__all__ = ["NewOrder", "checked", "identified", "resp_type"]

NewOrder: TypeAlias = OrderPlace | OrderTest | OrderCancelReplace
"""A request that describes a new order."""

R = TypeVar("R", bound=Request[Any])

_Need: TypeAlias = Literal["must", "may", "not"]

_FIRST_STRATEGY: Final = 1_000_000
_LAST_PEG: Final = 100
_DAY_US: Final = 86_400_000_000

# In the order in which they are read; a pair of which one is demanded stands under its first.
_WIRE: Final[Mapping[str, str]] = {
    "time_in_force": "timeInForce",
    "quantity": "quantity",
    "quote_order_qty": "quoteOrderQty",
    "price": "price",
    "stop_price": "stopPrice",
    "trailing_delta": "trailingDelta",
    "iceberg_qty": "icebergQty",
}
_LIMIT: Final[dict[str, _Need]] = {
    "time_in_force": "must",
    "quantity": "must",
    "quote_order_qty": "not",
    "price": "must",
    "stop_price": "not",
    "trailing_delta": "not",
    "iceberg_qty": "may",
}
_STOP_LIMIT: Final[dict[str, _Need]] = _LIMIT | {"stop_price": "may", "trailing_delta": "may"}
_STOP: Final[dict[str, _Need]] = _STOP_LIMIT | {
    "time_in_force": "not",
    "price": "not",
    "iceberg_qty": "not",
}
_NEEDS: Final[Mapping[str, Mapping[str, _Need]]] = {
    "LIMIT": _LIMIT,
    "LIMIT_MAKER": _LIMIT | {"time_in_force": "not"},
    "MARKET": {
        "time_in_force": "not",
        "quantity": "may",
        "quote_order_qty": "may",
        "price": "not",
        "stop_price": "not",
        "trailing_delta": "not",
        "iceberg_qty": "not",
    },
    "STOP_LOSS": _STOP,
    "STOP_LOSS_LIMIT": _STOP_LIMIT,
    "TAKE_PROFIT": _STOP,
    "TAKE_PROFIT_LIMIT": _STOP_LIMIT,
}
_FULL: Final = frozenset({"LIMIT", "MARKET"})


def checked(request: R) -> R:
    """Return a request whose parameters fit together; what a symbol allows is not looked at.

    Raises:
        Refusal: -1102 for what its type demands, -1106 for what it forbids, -1134 for a reserved
            strategy type, -1128 and -1127 for times in the wrong order or too far apart.
    """
    if isinstance(request, OrderPlace | OrderTest | OrderCancelReplace):
        _check_order(request)
    elif isinstance(request, AllOrders | MyTrades):
        _check_span(request)
    return request


def resp_type(request: NewOrder) -> Literal["ACK", "RESULT", "FULL"]:
    """Return the form of the answer: FULL for LIMIT and MARKET, else ACK, unless it was chosen."""
    if request.new_order_resp_type is not None:
        return request.new_order_resp_type
    return "FULL" if request.type in _FULL else "ACK"


def identified(request: R, client_order_id: str) -> R:
    """Return a new order with an id of the client's, unless it has one.

    With an id its fate can be asked for when the reply is lost. Other requests are returned as they
    are.
    """
    if not isinstance(request, OrderPlace | OrderCancelReplace) or request.new_client_order_id:
        return request
    return msgspec.structs.replace(request, new_client_order_id=client_order_id)


def _check_order(order: NewOrder) -> None:
    for name, need in _NEEDS[order.type].items():
        value = getattr(order, name)
        if value is None and need == "must" and not (name == "price" and order.peg_price_type):
            raise _missing(_WIRE[name])
        if value is not None and need == "not":
            raise _not_required(_WIRE[name])
    _check_pairs(order)
    if order.iceberg_qty and order.time_in_force not in (None, "GTC"):
        raise Refusal(-2010, "Unsupported order combination")
    if order.strategy_type is not None and order.strategy_type < _FIRST_STRATEGY:
        raise Refusal(-1134, f"strategyType was less than {_FIRST_STRATEGY}.")
    _check_peg(order)


def _check_pairs(order: NewOrder) -> None:
    """Check the pairs of which one is demanded; an amount of 0 counts as none."""
    if order.type == "MARKET":
        if not (_some(order.quantity) or _some(order.quote_order_qty)):
            raise _neither("quantity", "quoteOrderQty")
        if order.quantity is not None and order.quote_order_qty is not None:
            raise _not_required("quoteOrderQty")
    if order.type in _STOPS and not (_some(order.stop_price) or order.trailing_delta):
        raise _neither("stopPrice", "trailingDelta")


_STOPS: Final = frozenset(kind for kind, needs in _NEEDS.items() if needs["stop_price"] == "may")


def _check_peg(order: NewOrder) -> None:
    if (order.peg_offset_value is None) != (order.peg_offset_type is None):
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if order.peg_price_type is None:
        if order.peg_offset_type is not None:
            raise Refusal(-1128, "Combination of optional parameters invalid.")
        return
    if _NEEDS[order.type]["price"] != "must":
        raise Refusal(-2010, "This order type may not use pegged price.")
    if order.type == "LIMIT_MAKER" and order.peg_price_type == "MARKET_PEG":
        raise Refusal(-2010, "This price peg cannot be used with this order type.")
    if (order.peg_offset_value or 0) > _LAST_PEG:
        raise Refusal(-1130, "Data sent for parameter 'pegOffsetValue' is not valid.")


def _check_span(request: AllOrders | MyTrades) -> None:
    if request.start_time is None or request.end_time is None:
        return
    span = in_micros(request.end_time) - in_micros(request.start_time)
    if span < 0:
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if span > _DAY_US:
        raise Refusal(-1127, "More than 24 hours between startTime and endTime.")


def _some(amount: object) -> bool:
    return isinstance(amount, Decimal) and amount > 0


def _missing(wire: str) -> Refusal:
    return Refusal(
        -1102, f"Mandatory parameter '{wire}' was not sent, was empty/null, or malformed."
    )


def _neither(one: str, other: str) -> Refusal:
    return Refusal(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def _not_required(wire: str) -> Refusal:
    return Refusal(-1106, f"Parameter '{wire}' sent when not required.")
