"""Trading requests: orders are placed, tested, cancelled, replaced and amended.

Parameters stand in the order in which the exchange reads them, which decides what error is seen
first. Source: web-socket-api.md "Trading requests".
"""

from typing import TypeVar

from bwsresearch.protocol import results
from bwsresearch.protocol.methods.subjects import OfAmounts, OfSymbol
from bwsresearch.protocol.request import (
    ExceededMode,
    Int,
    Long,
    Money,
    MustMoney,
    NewId,
    OldId,
    PegOffset,
    PegPrice,
    ReplaceMode,
    RespType,
    Restrictions,
    Side,
    Stp,
    Tif,
    Type,
    Wish,
)
from bwsresearch.protocol.weights import Fixed, IfRefused, IfSent

__all__ = [
    "OpenOrdersCancelAll",
    "OrderAmendKeepPriority",
    "OrderCancel",
    "OrderCancelReplace",
    "OrderPlace",
    "OrderTest",
]

R = TypeVar("R")


class OfNewOrder(OfAmounts[R], frozen=True, kw_only=True):
    """The parameters of a new order. Prices and quantities are str, Decimal, int or float."""

    side: Side
    type: Type
    time_in_force: Tif = None
    quantity: Money = None
    quote_order_qty: Money = None
    price: Money = None
    new_client_order_id: NewId = None
    strategy_id: Long = None
    strategy_type: Long = None
    stop_price: Money = None
    trailing_delta: Int = None
    iceberg_qty: Money = None
    new_order_resp_type: RespType = None
    self_trade_prevention_mode: Stp = None
    peg_price_type: PegPrice = None
    peg_offset_value: Int = None
    peg_offset_type: PegOffset = None


class OrderPlace(OfNewOrder[results.OrderReport], frozen=True, kw_only=True):
    """Place an order; return its report, with the trades that it made at once."""

    method = "order.place"
    heading = "Place new order (TRADE)"
    weight_rule = IfRefused(1)
    security = "TRADE"
    source = "Matching Engine"
    is_read = False
    counts_orders = 1


class OrderTest(OfNewOrder[results.OrderTestReport], frozen=True, kw_only=True):
    """Check an order without placing it; `compute_commission_rates` returns what it would pay."""

    method = "order.test"
    heading = "Test new order (TRADE)"
    weight_rule = IfSent("compute_commission_rates", 20, otherwise=1)
    security = "TRADE"

    compute_commission_rates: Wish = None


class OrderCancel(OfSymbol[results.CancelReport], frozen=True, kw_only=True):
    """Cancel an open order, named by `order_id` or `orig_client_order_id`; return what it was."""

    method = "order.cancel"
    heading = "Cancel order (TRADE)"
    weight_rule = IfRefused(1)
    security = "TRADE"
    source = "Matching Engine"
    is_read = False
    either = ("origClientOrderId", "orderId")

    order_id: Long = None
    orig_client_order_id: OldId = None
    new_client_order_id: NewId = None
    cancel_restrictions: Restrictions = None


class OrderCancelReplace(OfAmounts[results.CancelReplaceReport], frozen=True, kw_only=True):
    """Cancel an open order and place another; not transactional, one half may fail alone."""

    method = "order.cancelReplace"
    heading = "Cancel and replace order (TRADE)"
    weight_rule = IfRefused(1)
    security = "TRADE"
    source = "Matching Engine"
    is_read = False
    counts_orders = 1
    either = ("cancelOrigClientOrderId", "cancelOrderId")

    # The declared order is that in which the exchange reads and refuses: these stand before the new order's.
    cancel_replace_mode: ReplaceMode
    cancel_order_id: Long = None
    cancel_orig_client_order_id: OldId = None
    cancel_new_client_order_id: NewId = None
    cancel_restrictions: Restrictions = None
    order_rate_limit_exceeded_mode: ExceededMode = None
    side: Side
    type: Type
    time_in_force: Tif = None
    quantity: Money = None
    quote_order_qty: Money = None
    price: Money = None
    new_client_order_id: NewId = None
    strategy_id: Long = None
    strategy_type: Long = None
    stop_price: Money = None
    trailing_delta: Int = None
    iceberg_qty: Money = None
    new_order_resp_type: RespType = None
    self_trade_prevention_mode: Stp = None
    peg_price_type: PegPrice = None
    peg_offset_value: Int = None
    peg_offset_type: PegOffset = None


class OrderAmendKeepPriority(OfAmounts[results.AmendReport], frozen=True, kw_only=True):
    """Reduce the quantity of an open order to `new_qty`; it keeps its place in the queue."""

    method = "order.amend.keepPriority"
    heading = "Order Amend Keep Priority (TRADE)"
    weight_rule = Fixed(4)
    security = "TRADE"
    source = "Matching Engine"
    is_read = False
    either = ("origClientOrderId", "orderId")

    order_id: Long = None
    orig_client_order_id: OldId = None
    new_client_order_id: NewId = None
    new_qty: MustMoney


class OpenOrdersCancelAll(OfSymbol[list[results.CancelReport]], frozen=True):
    """Cancel all open orders of a symbol, order lists too; an error when there is none."""

    method = "openOrders.cancelAll"
    heading = "Cancel open orders (TRADE)"
    weight_rule = IfRefused(1)
    security = "TRADE"
    source = "Matching Engine"
    is_read = False
