"""What one step of the engine did: reports of orders, fills with their evidence, touched balances."""

from typing import Literal, TypeAlias

import msgspec

from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.orders import Order, OrderStatus

__all__ = [
    "NO_FILL",
    "Cause",
    "Evidence",
    "EvidenceKind",
    "ExecutionType",
    "FillPart",
    "Report",
    "Step",
]

ExecutionType: TypeAlias = Literal[
    "NEW", "CANCELED", "REPLACED", "REJECTED", "TRADE", "EXPIRED", "TRADE_PREVENTION"
]
EvidenceKind: TypeAlias = Literal["print", "level", "bar", "order"]
Cause: TypeAlias = Literal["place", "fill", "cancel", "trigger", "expire", "amend", "prevent"]


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Why a fill was possible: a print, a level, a bar or another order, and how much of it is used.

    `ref` identifies it (trade id, update id, bar's open time, order id), `time` is when it was seen,
    `available` what was left of it before this fill, `rule` how the model used it. `ahead_before` and
    `ahead_after` are what stood before the order in the market's queue, -1 when that was unknown.
    """

    kind: EvidenceKind
    ref: int
    time: int
    price: int
    available: int
    rule: str
    ahead_before: int = 0
    ahead_after: int = 0


class FillPart(msgspec.Struct, frozen=True, gc=False):
    """The trade of a report; all zero and -1 when the report is of none."""

    trade_id: int
    price: int
    qty: int
    quote: int
    commission: int
    commission_asset: str
    is_maker: bool
    evidence: Evidence | None


NO_FILL = FillPart(-1, 0, 0, 0, 0, "", is_maker=False, evidence=None)


class Report(msgspec.Struct, frozen=True, gc=False):
    """One transition of an order, and what the order was like right after it."""

    order: Order
    execution: ExecutionType
    cause: Cause
    execution_id: int
    status: OrderStatus
    client_order_id: str
    orig_client_order_id: str
    qty: int
    executed: int
    quote: int
    prevented: int
    is_on_book: bool
    fill: FillPart
    other_order_id: int
    prevented_qty: int


class Step(msgspec.Struct):
    """Everything that one input changed, in the order in which it happened."""

    now_ms: int
    reports: list[Report] = []
    touched: dict[tuple[str, str], Account] = {}

    def touch(self, account: Account, *assets: str) -> None:
        """Note that balances changed."""
        touched, name = self.touched, account.name
        for asset in assets:
            touched[name, asset] = account
        account.update_time = self.now_ms

    def fills(self, order: Order) -> list[FillPart]:
        """Return the trades of an order, oldest first."""
        return [r.fill for r in self.reports if r.order is order and r.execution == "TRADE"]
