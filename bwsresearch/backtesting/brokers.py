"""The account of a backtest, as runs see it: their orders become tickets of the exchange in memory."""

from collections.abc import Sequence, Sized
from decimal import Decimal
from typing import Final

from bwsresearch.backtesting.following import Change
from bwsresearch.backtesting.pit import Pit, Sent
from bwsresearch.backtesting.strategy import OpenOrder
from bwsresearch.exchange.desk import as_ticket
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.methods import OrderPlace

__all__ = ["PitBroker"]

_REPLACED: Final = "replaced before a trade"
_OVERTAKEN: Final = "replaced"


class PitBroker:
    """See `following.Account` and `stepping.Broker`."""

    def __init__(self, pit: Pit) -> None:
        self._pit, self.scale = pit, pit.scale
        self._free, self._locked = pit.account.free, pit.account.locked
        self._last: dict[str, Sent] = {}
        self._open = pit.account.open_orders
        self._venues = pit.engine.venues
        self._on_top = pit.account.commission.on_top

    def look(self, time: int, bar: int) -> None:
        for orders in self._open.values():
            if orders:
                self._pit.look(time, bar)
                return

    def held(self, asset: str) -> int:
        return self._free[asset] + self._locked[asset]

    def free(self, asset: str) -> int:
        return self._free[asset]

    # ---- targets -----------------------------------------------------------------------------

    def step(self, symbol: str) -> int:
        return self._venues[symbol].filters.step

    def withdraw(self, symbol: str, time: int) -> None:
        last = self._last.pop(symbol, None)
        if last is not None and last.order is not None and last.order.is_open:
            reason = _OVERTAKEN if last.order.executed else _REPLACED
            self._pit.cancel(last, time, reason)

    def buy(self, symbol: str, spend: int, change: Change) -> None:
        if self._on_top:
            spend = spend * UNIT // (UNIT + self._on_top)
        ticket = Ticket(symbol, is_buy=True, type="MARKET", quote_order_qty=spend)
        self._send(symbol, ticket, change)

    def sell(self, symbol: str, qty: int, change: Change) -> None:
        self._send(symbol, Ticket(symbol, is_buy=False, type="MARKET", qty=qty), change)

    def _send(self, symbol: str, ticket: Ticket, change: Change) -> None:
        target = change.target / UNIT
        self._last[symbol] = self._pit.place(ticket, change.bar, change.time, target)

    # ---- orders of a strategy ----------------------------------------------------------------

    def order(self, request: OrderPlace, bar: int, time: int) -> None:
        try:
            ticket = as_ticket(request, request.symbol)
        except (Refusal, ValueError) as error:
            raise ValueError(f"on_bar ordered {request.symbol}: {error}") from None
        self._pit.place(self._pit.amounts(ticket), bar, time)

    def open_orders(self) -> Sequence[OpenOrder]:
        return [
            OpenOrder(
                order.order_id,
                order.symbol,
                "BUY" if order.is_buy else "SELL",
                order.ticket.type,
                Decimal(order.price) / UNIT,
                Decimal(order.ticket.stop_price) / UNIT,
                Decimal(order.qty) / self.scale,
                Decimal(order.executed) / self.scale,
            )
            for orders in self._open.values()
            for order in orders.values()
        ]

    def working(self, symbol: str) -> Sized:
        return self._open[symbol]

    def cancel(self, symbol: str, order_id: int, time: int) -> None:
        for sent in reversed(self._pit.sent):
            order = sent.order
            if order is not None and (order.symbol, order.order_id) == (symbol, order_id):
                self._pit.cancel(sent, time)
                return
