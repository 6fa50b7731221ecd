"""The account of a run on an exchange that is asked: its orders go out as requests, one by one.

Balances follow from the replies exactly. As long as an order is open the account is asked for; what
became of it, and its trades, once at the end.
"""

from collections.abc import Mapping, Sequence, Sized
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.following import Change
from bwsresearch.backtesting.pit import reason_of
from bwsresearch.backtesting.records import Fill, Record
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import OpenOrder
from bwsresearch.backtesting.terms import commission, listing
from bwsresearch.errors import OrderRejected, UnknownOrder
from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol import methods
from bwsresearch.protocol.results import Order as OrderRow
from bwsresearch.protocol.results import OrderReport
from bwsresearch.rehearsal.asking import Asked, Clock
from bwsresearch.rehearsal.purse import Purse, exactly
from bwsresearch.rehearsal.sent import Sent
from bwsresearch.rehearsal.settling import settled

__all__ = ["ClientBroker"]

_REPLACED: Final = "replaced before a trade"
_OVERTAKEN: Final = "replaced"
_OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})


class ClientBroker:
    """See `following.Account` and `stepping.Broker`; `start` is what the run may use, in 1e-8."""

    scale = UNIT

    def __init__(
        self,
        client: Asked,
        clock: Clock,
        bars: Mapping[str, Bars],
        rules: Mapping[str, Rules],
        start: Mapping[str, int],
    ) -> None:
        self._client, self._clock, self._bars, self._start = client, clock, bars, dict(start)
        listed = {s: listing(rules[s], s, one.base, one.quote) for s, one in bars.items()}
        self._steps = {symbol: Venue(info).filters.step for symbol, info in listed.items()}
        self._on_top = commission(next(iter(rules.values()))).on_top
        self._clock.to(min(int(one.opened[0]) for one in bars.values()))
        self._purse = Purse(self._client.call(methods.AccountStatus()), start)
        self._trades = {symbol: self._last_trade(symbol) + 1 for symbol in bars}
        self._open: dict[str, dict[int, OpenOrder]] = {symbol: {} for symbol in bars}
        self._sent: list[Sent] = []
        self._by_id: dict[tuple[str, int], Sent] = {}
        self._last: dict[str, Sent] = {}

    def _last_trade(self, symbol: str) -> int:
        """Return the id of the account's last trade before the run, -1 without any."""
        found = self._client.call(methods.MyTrades(symbol, limit=1))
        return found[-1].id if found else -1

    # ---- what there is -----------------------------------------------------------------------

    def look(self, time: int, bar: int) -> None:
        del bar
        if self._has_open():
            self._clock.to(time)
            self._learn()

    def held(self, asset: str) -> int:
        return self._purse.held(asset)

    def free(self, asset: str) -> int:
        return self._purse.free[asset]

    def open_orders(self) -> Sequence[OpenOrder]:
        return [order for orders in self._open.values() for order in orders.values()]

    def working(self, symbol: str) -> Sized:
        return self._open[symbol]

    def _has_open(self) -> bool:
        return any(self._open.values())

    def _learn(self) -> None:
        """Ask what has become of open orders, and what the account has."""
        for symbol, orders in self._open.items():
            if orders:
                rows = self._client.call(methods.OpenOrdersStatus(symbol))
                orders.clear()
                orders.update((row.order_id, _as_open(row)) for row in rows
                              if (symbol, row.order_id) in self._by_id)  # fmt: skip
        self._purse.learn(self._client.call(methods.AccountStatus()))

    # ---- targets -----------------------------------------------------------------------------

    def step(self, symbol: str) -> int:
        return self._steps[symbol]

    def withdraw(self, symbol: str, time: int) -> None:
        last = self._last.pop(symbol, None)
        if last is None or (order := self._open[symbol].get(last.order_id)) is None:
            return
        reason = _OVERTAKEN if order.executed_qty else _REPLACED
        if self._cancelled(symbol, last.order_id, time):
            last.reason = reason

    def buy(self, symbol: str, spend: int, change: Change) -> None:
        if self._on_top:
            spend = spend * UNIT // (UNIT + self._on_top)
        request = methods.OrderPlace(
            symbol, side="BUY", type="MARKET", quote_order_qty=decimal(spend),
            new_order_resp_type="FULL",
        )  # fmt: skip
        self._follow(request, change, quote_qty=spend)

    def sell(self, symbol: str, qty: int, change: Change) -> None:
        request = methods.OrderPlace(
            symbol, side="SELL", type="MARKET", quantity=decimal(qty), new_order_resp_type="FULL"
        )
        self._follow(request, change, qty=qty)

    def _follow(
        self, request: methods.OrderPlace, change: Change, *, qty: int = 0, quote_qty: int = 0
    ) -> None:
        sent = Sent(
            request, change.bar, change.time, change.target / UNIT, qty=qty, quote_qty=quote_qty
        )
        self._last[change.symbol] = sent
        self._place(sent)

    # ---- orders of a strategy ----------------------------------------------------------------

    def order(self, request: methods.OrderPlace, bar: int, time: int) -> None:
        self._place(Sent.of(replace(request, new_order_resp_type="FULL"), bar, time))

    def cancel(self, symbol: str, order_id: int, time: int) -> None:
        self._cancelled(symbol, order_id, time)

    # ---- requests ----------------------------------------------------------------------------

    def _place(self, sent: Sent) -> None:
        self._sent.append(sent)
        self._clock.to(sent.time)
        was_open = self._has_open()
        try:
            report = self._client.call(sent.request)
        except OrderRejected as error:
            sent.status, sent.reason = "REJECTED", reason_of(error.msg)
        else:
            self._placed(sent, report)
        if was_open or self._has_open():
            self._learn()  # an opening that lets an order trade lets others trade as well

    def _placed(self, sent: Sent, report: OrderReport) -> None:
        symbol = report.symbol
        sent.order_id, self._by_id[symbol, report.order_id] = report.order_id, sent
        sent.end(report.status or "", exactly(report.executed_qty), report.expiry_reason)
        if sent.status in _OPEN:
            self._open[symbol][sent.order_id] = OpenOrder(
                sent.order_id, symbol, sent.request.side, sent.request.type, Decimal(0),
                Decimal(0), Decimal(0), Decimal(0),
            )  # fmt: skip
            return
        place, one = len(self._sent) - 1, self._bars[symbol]
        for fill in report.fills:
            made = sent.fill(place, fill, report.transact_time)
            sent.fills.append((fill.trade_id, made))
            self._purse.traded(made, one.base, one.quote)

    def _cancelled(self, symbol: str, order_id: int, time: int) -> bool:
        """Cancel an order; return whether it was still open."""
        self._clock.to(time)
        try:
            self._client.call(methods.OrderCancel(symbol, order_id=order_id))
        except UnknownOrder:
            return False
        finally:
            self._learn()
        return True

    # ---- at the end --------------------------------------------------------------------------

    def record(self) -> Record:
        """Let the last bar close, and return what was done."""
        self._clock.to(max(int(one.closed[-1]) for one in self._bars.values()))
        fills: list[Fill] = []
        for symbol, one in self._bars.items():
            fills += settled(self._client, one, self._sent, self._trades[symbol])
        if len(self._bars) > 1:
            fills.sort(key=lambda fill: fill.time)  # of one moment, in the order of symbols
        assets = {name: (one.base, one.quote) for name, one in self._bars.items()}
        orders = [sent.order() for sent in self._sent]
        return Record(self._start, self.scale, assets, orders, fills)


def _as_open(row: OrderRow) -> OpenOrder:
    return OpenOrder(
        row.order_id, row.symbol, row.side, row.type, row.price, row.stop_price or Decimal(0),
        row.orig_qty, row.executed_qty,
    )  # fmt: skip
