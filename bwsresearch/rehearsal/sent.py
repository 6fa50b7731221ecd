"""An order as a run has sent it, and what is known of its fate."""

from bwsresearch.backtesting.records import Fill, Order
from bwsresearch.exchange.desk import as_ticket
from bwsresearch.exchange.trading.amounts import notional, units
from bwsresearch.protocol import results
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.methods import OrderPlace

__all__ = ["Sent"]


class Sent:
    """A request for an order that was decided at the close of `bar` and sent at `time`.

    `order_id` is -1 for one that was refused; `fills` are those that the reply told, by trade id.
    """

    __slots__ = (
        "bar", "executed", "fills", "order_id", "price", "qty", "quote_qty", "reason", "request",
        "status", "stop_price", "target", "time",
    )  # fmt: skip

    def __init__(
        self,
        request: OrderPlace,
        bar: int,
        time: int,
        target: float,
        *,
        qty: int = 0,
        quote_qty: int = 0,
        price: int = 0,
        stop_price: int = 0,
    ) -> None:
        self.request, self.bar, self.time, self.target = request, bar, time, target
        self.qty, self.quote_qty, self.price, self.stop_price = qty, quote_qty, price, stop_price
        self.order_id, self.status, self.executed, self.reason = -1, "", 0, ""
        self.fills: list[tuple[int, Fill]] = []

    @classmethod
    def of(cls, request: OrderPlace, bar: int, time: int) -> "Sent":
        """Return the order of a strategy that orders for itself.

        Raises:
            ValueError: for an order that the exchange of this package does not have.
        """
        try:
            ticket = as_ticket(request, request.symbol)
        except (Refusal, ValueError) as error:
            raise ValueError(f"on_bar ordered {request.symbol}: {error}") from None
        return cls(
            request, bar, time, float("nan"), qty=0 if ticket.quote_order_qty else ticket.qty,
            quote_qty=ticket.quote_order_qty, price=ticket.price, stop_price=ticket.stop_price,
        )  # fmt: skip

    @property
    def is_settled(self) -> bool:
        """Whether nothing more can become of it, and its reply told all."""
        return self.status == "REJECTED" or (
            self.status in ("FILLED", "EXPIRED")
            and self.executed == sum(fill.qty for _, fill in self.fills)
        )

    def end(self, status: str, executed: int, expiry_reason: str | None) -> None:
        """Note how it stands; a reason that is known already stays."""
        self.status, self.executed = status, executed
        self.reason = self.reason or expiry_reason or ""

    def fill(self, place: int, fill: results.Fill, time: int) -> Fill:
        """Return a trade that the reply to its placement tells; `place` is its own in the record."""
        price, qty = units(fill.price), units(fill.qty)
        return Fill(
            place, self.bar, time, self.request.symbol, self.request.side, price, qty,
            notional(price, qty), units(fill.commission), fill.commission_asset, is_maker=False,
        )  # fmt: skip

    def order(self) -> Order:
        """Return it as a record has it."""
        asked = self.request
        return Order(
            self.bar, self.time, asked.symbol, asked.side, asked.type, self.qty, self.quote_qty,
            self.price, self.stop_price, self.target, self.status, self.executed, self.reason,
        )  # fmt: skip
