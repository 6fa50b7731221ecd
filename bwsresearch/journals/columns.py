"""The columns of a journal's frames: their names, their kinds, and where in a row they stand."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["BALANCES", "EVENTS", "FILLS", "REQUESTS", "Column"]

Kind: TypeAlias = Literal["amount", "id", "word", "text", "time", "queue"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; a `time` is in ms, a `queue` an amount that is unknown when it is negative.

    `path` is where its value stands in a row of `rows`.
    """

    kind: Kind
    name: str
    path: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path or self.name)


EVENTS: Final = (
    Column("text", "account"),
    Column("word", "symbol", "order.symbol"),
    Column("id", "order_id", "order.order_id"),
    Column("text", "client_order_id", "order.client_order_id"),
    Column("word", "side", "order.side"),
    Column("word", "type", "order.type"),
    Column("word", "time_in_force", "order.time_in_force"),
    Column("word", "status", "order.status"),
    Column("word", "execution"),
    Column("word", "cause"),
    Column("amount", "price", "order.price"),
    Column("amount", "stop_price", "order.stop_price"),
    Column("amount", "orig_qty", "order.orig_qty"),
    Column("amount", "executed_qty", "order.executed_qty"),
    Column("amount", "cummulative_quote_qty", "order.cummulative_quote_qty"),
    Column("word", "expiry_reason", "order.expiry_reason"),
    Column("id", "execution_id"),
)
FILLS: Final = (
    Column("text", "account"),
    Column("word", "symbol"),
    Column("id", "order_id"),
    Column("id", "trade_id"),
    Column("word", "side"),
    Column("amount", "price", "px"),
    Column("amount", "qty"),
    Column("amount", "quote_qty", "quote"),
    Column("word", "role"),
    Column("amount", "commission", "fee"),
    Column("word", "commission_asset", "fee_asset"),
    Column("word", "model"),
    Column("word", "evidence", "evidence.kind"),
    Column("id", "evidence_ref", "evidence.ref"),
    Column("time", "evidence_time", "evidence.time"),
    Column("amount", "evidence_price", "evidence.px"),
    Column("amount", "available", "evidence.avail"),
    Column("word", "rule", "evidence.rule"),
    Column("queue", "ahead_before", "evidence.ahead_before"),
    Column("queue", "ahead_after", "evidence.ahead_after"),
)
BALANCES: Final = (
    Column("text", "account"),
    Column("word", "asset"),
    Column("amount", "free"),
    Column("amount", "locked"),
)
REQUESTS: Final = (
    Column("id", "seq"),
    Column("text", "account"),
    Column("word", "method"),
    Column("word", "symbol"),
    Column("word", "side"),
    Column("word", "type"),
    Column("word", "time_in_force"),
    Column("amount", "price"),
    Column("amount", "stop_price"),
    Column("amount", "quantity"),
    Column("amount", "quote_order_qty"),
    Column("id", "order_id"),
    Column("text", "client_order_id"),
    Column("id", "status"),
    Column("id", "code"),
    Column("text", "msg"),
    Column("word", "outcome"),
    Column("id", "latency_us"),
    Column("id", "weight"),
)
