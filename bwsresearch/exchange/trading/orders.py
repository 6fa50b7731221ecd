"""An order: what was asked for, and what has become of it.

Source: web-socket-api.md "Place new order"; enums.md.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from bwsresearch.enums import OrderType, StpMode, TimeInForce
from bwsresearch.exchange.trading.amounts import fee_of, notional

__all__ = [
    "ALGO_TYPES",
    "OPEN",
    "Amendment",
    "ExpiryReason",
    "Order",
    "OrderStatus",
    "Ticket",
]

OrderStatus: TypeAlias = Literal[
    "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"
]
ExpiryReason: TypeAlias = Literal[
    "UNFILLED_IOC_QUANTITY_EXPIRED",
    "UNFILLED_FOK_ORDER_EXPIRED",
    "INSUFFICIENT_LIQUIDITY",
    "REJECTED",
]

OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})
ALGO_TYPES: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_AT_MARKET: Final = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})
_RISING: Final = frozenset(
    {("STOP_LOSS", True), ("STOP_LOSS_LIMIT", True),
     ("TAKE_PROFIT", False), ("TAKE_PROFIT_LIMIT", False)}
)  # fmt: skip


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """A request for an order, its numbers in units; 0 stands for "not given".

    `client_order_id` "" lets the exchange choose one, `stp` None the symbol's mode.
    """

    symbol: str
    is_buy: bool
    type: OrderType
    time_in_force: TimeInForce = "GTC"
    price: int = 0
    qty: int = 0
    quote_order_qty: int = 0
    stop_price: int = 0
    trailing_delta: int = 0
    iceberg_qty: int = 0
    client_order_id: str = ""
    strategy_id: int | None = None
    strategy_type: int | None = None
    stp: StpMode | None = None

    @property
    def is_algo(self) -> bool:
        """Whether it waits for a price before it works."""
        return self.type in ALGO_TYPES

    @property
    def is_at_market(self) -> bool:
        """Whether it takes any price."""
        return self.type in _AT_MARKET

    @property
    def is_rising(self) -> bool:
        """Whether a stop is met by prices at or above it, rather than at or below."""
        return (self.type, self.is_buy) in _RISING


class Amendment(msgspec.Struct, frozen=True, gc=False):
    """One lowering of an order's quantity."""

    execution_id: int
    orig_client_order_id: str
    new_client_order_id: str
    orig_qty: int
    new_qty: int
    time: int


class Order(msgspec.Struct, eq=False, gc=False):
    """One order of one account; amounts in units, times in ms, -1 where there is none yet.

    `symbol`, `is_buy` and `price` (0 at market) are the ticket's. `reserved` is what of the account is locked for it: quote of a buy, base of a sale. `is_short`
    marks a quote amount that the book could not fill: such an order expires after its last trade.
    `on_top` is the rate that a buy pays besides its price.
    """

    order_id: int
    owner: str
    symbol: str
    is_buy: bool
    price: int
    ticket: Ticket
    client_order_id: str
    stp: StpMode
    qty: int
    time: int
    update_time: int
    status: OrderStatus = "NEW"
    executed: int = 0
    quote: int = 0
    prevented: int = 0
    reserved: int = 0
    visible: int = 0
    working_time: int = -1
    trailing_time: int = -1
    extreme: int = 0
    ahead: int = 0
    prevented_match_id: int = -1
    expiry_reason: ExpiryReason | None = None
    is_resting: bool = False
    is_short: bool = False
    on_top: int = 0
    amendments: list[Amendment] = []

    @property
    def remaining(self) -> int:
        """What can still be traded."""
        return self.qty - self.executed - self.prevented

    @property
    def is_open(self) -> bool:
        """Whether anything can still become of it."""
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        """Whether it is, or was, on the book: false while a stop waits."""
        return self.working_time >= 0

    def need(self) -> int:
        """Return what a resting order must have reserved: price × remaining, or remaining."""
        if not self.is_buy:
            return self.remaining
        cost = notional(self.price, self.remaining)
        return cost + fee_of(cost, self.on_top) if self.on_top else cost
