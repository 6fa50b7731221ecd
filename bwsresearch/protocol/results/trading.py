"""What orders are answered with. Words such as status and side are str: the exchange may add some.

Source: web-socket-api.md "Trading requests", "Conditional fields in Order Responses".
"""

from decimal import Decimal

import msgspec

from bwsresearch.protocol.results.account import CommissionRates, Discount
from bwsresearch.protocol.results.record import Result

__all__ = [
    "AmendReport",
    "AmendedOrder",
    "CancelReplaceReport",
    "CancelReport",
    "Fill",
    "ListStatus",
    "ListedOrder",
    "MatchPrevented",
    "Order",
    "OrderReport",
    "OrderTestReport",
]


class Fill(Result, frozen=True):
    """One trade of an order that was placed; `commission` is in `commission_asset`."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: int


class MatchPrevented(Result, frozen=True, kw_only=True):
    """A trade with an own order that did not take place when an order was placed."""

    prevented_match_id: int
    maker_symbol: str | None = None
    maker_order_id: int
    price: Decimal
    taker_prevented_quantity: Decimal | None = None
    maker_prevented_quantity: Decimal | None = None


class OrderReport(Result, frozen=True, kw_only=True):
    """What became of a new order at once.

    Response type ACK ends with `transact_time`, RESULT has no fills. `working_time` is -1 while the
    order is not on the book. What does not apply to the order is None.
    """

    symbol: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transact_time: int
    price: Decimal | None = None
    orig_qty: Decimal | None = None
    executed_qty: Decimal | None = None
    orig_quote_order_qty: Decimal | None = None
    cummulative_quote_qty: Decimal | None = None
    status: str | None = None
    time_in_force: str | None = None
    type: str | None = None
    side: str | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    trailing_time: int | None = None
    iceberg_qty: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    working_time: int | None = None
    fills: list[Fill] = msgspec.field(default_factory=list)
    prevented_matches: list[MatchPrevented] = msgspec.field(default_factory=list)
    self_trade_prevention_mode: str | None = None
    trade_group_id: int | None = None
    prevented_match_id: int | None = None
    prevented_quantity: Decimal | None = None
    used_sor: bool | None = None
    working_floor: str | None = None
    peg_price_type: str | None = None
    peg_offset_type: str | None = None
    peg_offset_value: int | None = None
    pegged_price: Decimal | None = None
    expiry_reason: str | None = None


class OrderTestReport(Result, frozen=True, kw_only=True):
    """Empty, or the commission rates that the order would pay; its side is counted in."""

    standard_commission_for_order: CommissionRates | None = None
    special_commission_for_order: CommissionRates | None = None
    tax_commission_for_order: CommissionRates | None = None
    discount: Discount | None = None


class ListedOrder(Result, frozen=True):
    """An order of a list."""

    symbol: str
    order_id: int
    client_order_id: str


class CancelReport(Result, frozen=True, kw_only=True):
    """An order that was cancelled, or the list that was cancelled with one of its orders.

    `client_order_id` is the id that it has now, `orig_client_order_id` the one that it had. A list
    has `order_reports`, one for each of its orders, and none of the fields of an order.
    """

    symbol: str
    orig_client_order_id: str | None = None
    order_id: int | None = None
    order_list_id: int = -1
    client_order_id: str | None = None
    transact_time: int | None = None
    price: Decimal | None = None
    orig_qty: Decimal | None = None
    executed_qty: Decimal | None = None
    orig_quote_order_qty: Decimal | None = None
    cummulative_quote_qty: Decimal | None = None
    status: str | None = None
    time_in_force: str | None = None
    type: str | None = None
    side: str | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    trailing_time: int | None = None
    iceberg_qty: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    self_trade_prevention_mode: str | None = None
    prevented_match_id: int | None = None
    prevented_quantity: Decimal | None = None
    peg_price_type: str | None = None
    peg_offset_type: str | None = None
    peg_offset_value: int | None = None
    pegged_price: Decimal | None = None
    contingency_type: str | None = None
    list_status_type: str | None = None
    list_order_status: str | None = None
    list_client_order_id: str | None = None
    transaction_time: int | None = None
    orders: list[ListedOrder] = msgspec.field(default_factory=list)
    order_reports: list["CancelReport"] = msgspec.field(default_factory=list)


class CancelReplaceReport(Result, frozen=True):
    """Both halves of a cancel-replace that succeeded.

    When one half fails the exchange answers with an error, -2021 or -2022, whose `data` has the
    same four keys, `{code, msg}` in the place of a half that failed: read it, an order may be live.
    """

    cancel_result: str
    new_order_result: str
    cancel_response: CancelReport
    new_order_response: OrderReport


class AmendedOrder(Result, frozen=True, kw_only=True):
    """An order after its quantity was reduced; it has kept its place in the queue."""

    symbol: str
    order_id: int
    order_list_id: int = -1
    orig_client_order_id: str
    client_order_id: str
    price: Decimal
    qty: Decimal
    executed_qty: Decimal
    prevented_qty: Decimal
    quote_order_qty: Decimal
    cumulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    trailing_time: int | None = None
    iceberg_qty: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    working_time: int | None = None
    self_trade_prevention_mode: str


class ListStatus(Result, frozen=True):
    """The list that an amended order belongs to."""

    order_list_id: int
    contingency_type: str
    list_order_status: str
    list_client_order_id: str
    symbol: str
    orders: list[ListedOrder]


class AmendReport(Result, frozen=True):
    """An amendment that was executed."""

    transact_time: int
    execution_id: int
    amended_order: AmendedOrder
    list_status: ListStatus | None = None


class Order(Result, frozen=True, kw_only=True):
    """An order as it stands. `working_time` is -1 while it is not on the book.

    `cummulative_quote_qty` may be negative for very old orders: it is not known then.
    """

    symbol: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    cummulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    trailing_time: int | None = None
    iceberg_qty: Decimal | None = None
    time: int
    update_time: int
    is_working: bool
    working_time: int = -1
    orig_quote_order_qty: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    self_trade_prevention_mode: str = "NONE"
    prevented_match_id: int | None = None
    prevented_quantity: Decimal | None = None
    used_sor: bool | None = None
    working_floor: str | None = None
    peg_price_type: str | None = None
    peg_offset_type: str | None = None
    peg_offset_value: int | None = None
    pegged_price: Decimal | None = None
    expiry_reason: str | None = None
