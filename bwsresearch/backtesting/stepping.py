"""A run bar by bar: a strategy is asked at every close, and its orders are sent."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Bar, OpenOrder, Strategy
from bwsresearch.backtesting.tickets import order_of
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.protocol.methods import OrderPlace

__all__ = ["Broker", "run"]


class Broker(Protocol):
    """An account on an exchange, real or simulated; amounts in its units, `scale` make 1."""

    scale: int

    def look(self, time: int, bar: int) -> None:
        """Learn what has become of open orders by a time, the last moment of a bar."""

    def held(self, asset: str) -> int:
        """Return what there is of an asset, locked amounts among it."""

    def free(self, asset: str) -> int:
        """Return what of it is free."""

    def open_orders(self) -> Sequence[OpenOrder]:
        """Return the orders that may still trade."""

    def cancel(self, symbol: str, order_id: int, time: int) -> None:
        """Cancel an order if it is still open."""

    def order(self, request: OrderPlace, bar: int, time: int) -> None:
        """Send an order; a refusal is noted."""


class _Context:
    """See `strategy.Context`; `closed` is the last moment of the bar."""

    __slots__ = ("_bars", "_broker", "_cancelled", "bar_number", "closed", "symbol")

    def __init__(self, broker: Broker, bars: Mapping[str, Bars]) -> None:
        self._broker, self._bars = broker, bars
        self.symbol = next(iter(bars))
        self.bar_number, self.closed = -1, 0
        self._cancelled: list[int | None] = []

    @property
    def now(self) -> pd.Timestamp:
        return pd.Timestamp(self.closed + 1, unit="ms", tz="UTC")

    @property
    def position(self) -> float:
        return self._broker.held(self._bars[self.symbol].base) / self._broker.scale

    @property
    def cash(self) -> float:
        return self._broker.free(self._bars[self.symbol].quote) / self._broker.scale

    @property
    def equity(self) -> float:
        held, total = self._broker.held, 0
        for one in self._bars.values():
            last = self.last(one)
            if last >= 0:
                total += held(one.base) * int(one.close[last]) // UNIT
        return (total + held(self._bars[self.symbol].quote)) / self._broker.scale

    def last(self, one: Bars) -> int:
        """Return the number of a symbol's last closed bar, -1 before the first."""
        if len(self._bars) == 1:
            return self.bar_number
        return int(np.searchsorted(one.closed, self.closed, side="right")) - 1

    @property
    def open_orders(self) -> Sequence[OpenOrder]:
        return self._broker.open_orders()

    def balance(self, asset: str) -> Decimal:
        return Decimal(self._broker.held(asset)) / self._broker.scale

    def cancel(self, order_id: int | None = None) -> None:
        self._cancelled.append(order_id)

    def history(self, count: int) -> pd.DataFrame:
        one = self._bars[self.symbol]
        last = self.last(one) + 1
        return one.klines.iloc[max(last - count, 0) : last]

    def withdraw(self) -> None:
        """Cancel what was asked to be."""
        wanted, self._cancelled = self._cancelled, []
        for order in self._broker.open_orders():
            if None in wanted or order.order_id in wanted:
                self._broker.cancel(order.symbol, order.order_id, self.closed)

    @property
    def is_withdrawing(self) -> bool:
        """Whether anything is to be cancelled."""
        return bool(self._cancelled)


def run(
    strategy: Strategy, broker: Broker, bars: Mapping[str, Bars], rules: Mapping[str, Rules]
) -> None:
    """Ask a strategy at every close and send what it orders.

    Raises:
        ValueError: when it orders what cannot be an order.
    """
    context = _Context(broker, bars)
    strategy.on_start(context)
    closes = _alone(next(iter(bars.values()))) if len(bars) == 1 else _together(bars)
    look, on_bar = broker.look, strategy.on_bar
    for number, (closed, bar) in enumerate(closes):
        context.bar_number, context.closed = number, closed
        look(closed, number)
        answer = on_bar(bar, context)
        if context.is_withdrawing:
            context.withdraw()
        if answer is not None:
            _send(answer, broker, context, bars, rules)


def _send(
    answer: Any,
    broker: Broker,
    context: _Context,
    bars: Mapping[str, Bars],
    rules: Mapping[str, Rules],
) -> None:
    for given in (answer,) if isinstance(answer, Mapping) else answer:
        symbol = given.get("symbol", context.symbol) if isinstance(given, Mapping) else ""
        if symbol and symbol not in bars:
            raise ValueError(f"on_bar ordered {symbol}, but the klines are of {', '.join(bars)}")
        request = order_of(symbol, given, rules.get(symbol) or Rules())
        bar = context.last(bars[symbol])
        broker.order(request, bar, int(bars[symbol].over[bar]))


def _rows(one: Bars) -> Iterator[Bar]:
    table = one.klines
    columns = [table[name].tolist() for name in ("open", "high", "low", "close", "volume")]
    return map(Bar._make, zip(one.opened.tolist(), *columns, one.closed.tolist(), strict=True))


def _alone(one: Bars) -> Iterator[tuple[int, Bar]]:
    return zip(one.closed.tolist(), _rows(one), strict=True)


def _together(bars: Mapping[str, Bars]) -> Iterator[tuple[int, dict[str, Bar]]]:
    """Yield the bars that close at the same time, by symbol."""
    rows = {symbol: _rows(one) for symbol, one in bars.items()}
    times = np.concatenate([one.closed for one in bars.values()])
    owners = np.repeat(np.arange(len(bars)), [len(one) for one in bars.values()])
    order = np.argsort(times, kind="stable")
    names, at = list(bars), -1
    found: dict[str, Bar] = {}
    for time, owner in zip(times[order].tolist(), owners[order].tolist(), strict=True):
        if found and time != at:
            yield at, found
            found = {}
        at = time
        found[names[owner]] = next(rows[names[owner]])
    if found:
        yield at, found
