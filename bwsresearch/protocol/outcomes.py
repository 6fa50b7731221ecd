"""When a reply does not come: what of it may be asked again, and what only asked for.

A read may be sent again. An order may not: it was executed or it was not, and a query by its client
order id tells.
"""

from typing import Any, Final

from bwsresearch.errors import BinanceError, OutcomeUnknown, ServerError
from bwsresearch.protocol.methods import (
    OpenOrdersCancelAll,
    OrderAmendKeepPriority,
    OrderCancel,
    OrderCancelReplace,
    OrderPlace,
)
from bwsresearch.protocol.request import Request

__all__ = ["lost", "outcome"]

_NOT_EXECUTED: Final = frozenset({-1008, -1016})
"""Overloaded and shutting down: the exchange says that it has done nothing."""


def lost(request: Request[Any], why: str) -> OutcomeUnknown:
    """Return the error for a request that was sent and not answered, such as "connection lost".

    Its hint says how to find out.
    """
    error = OutcomeUnknown(why, method=request.method)
    match request:
        case OrderPlace() | OrderCancelReplace():
            error.symbol, error.client_order_id = request.symbol, request.new_client_order_id
            if error.client_order_id is not None:
                error.hint = f"query newClientOrderId={error.client_order_id}"
            else:
                error.hint = "query openOrders.status and allOrders"
        case OrderCancel() | OrderAmendKeepPriority():
            error.symbol, error.order_id = request.symbol, request.order_id
            error.client_order_id = request.orig_client_order_id
            error.hint = (
                f"query origClientOrderId={error.client_order_id}"
                if error.order_id is None
                else f"query orderId={error.order_id}"
            )
        case OpenOrdersCancelAll():
            error.symbol, error.hint = request.symbol, "query openOrders.status"
        case _:
            error.hint = "ask the exchange what it has done"
    return error


def outcome(request: Request[Any], error: BinanceError) -> BinanceError:
    """Return the error that a caller should see: OutcomeUnknown when an order may have been executed.

    The exchange's own 5xx errors say so of an order, unless they say that nothing was executed.
    """
    if request.is_read or not isinstance(error, ServerError) or error.code in _NOT_EXECUTED:
        return error
    unknown = lost(request, error.msg)
    unknown.status, unknown.code, unknown.data = error.status, error.code, error.data
    return unknown
