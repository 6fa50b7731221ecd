"""A run bar by bar: a strategy is asked at every close, and its orders are sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from decimal import Decimal
from itertools import chain, repeat
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Bar, OpenOrder, Strategy
from bwsresearch.backtesting.tickets import order_of
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.protocol.methods import OrderPlace

__all__ = ["Broker", "run"]

_STRETCH: Final = 4096


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

    def working(self, symbol: str) -> Sized:
        """Return what is empty as long as no order of a symbol may still trade."""

    def cancel(self, symbol: str, order_id: int, time: int) -> None:
        """Cancel an order if it is still open."""

    def order(self, request: OrderPlace, bar: int, time: int) -> None:
        """Send an order; a refusal is noted."""


class _Context:
    """See `strategy.Context`; `cancelled` are the orders that this bar cancels."""

    __slots__ = ("_bars", "_broker", "_times", "bar_number", "cancelled", "symbol")

    def __init__(self, broker: Broker, bars: Mapping[str, Bars], times: Sequence[int]) -> None:
        self._broker, self._bars, self._times = broker, bars, times
        self.symbol = next(iter(bars))
        self.bar_number = -1
        self.cancelled: list[int | None] = []

    @property
    def closed(self) -> int:
        """The last moment of the bar, epoch ms."""
        return self._times[self.bar_number]

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
        self.cancelled.append(order_id)

    def history(self, count: int) -> pd.DataFrame:
        one = self._bars[self.symbol]
        last = self.last(one) + 1
        return one.klines.iloc[max(last - count, 0) : last]

    def withdraw(self) -> None:
        """Cancel what was asked to be."""
        wanted, self.cancelled = self.cancelled, []
        for order in self._broker.open_orders():
            if None in wanted or order.order_id in wanted:
                self._broker.cancel(order.symbol, order.order_id, self.closed)


def run(
    strategy: Strategy, broker: Broker, bars: Mapping[str, Bars], rules: Mapping[str, Rules]
) -> None:
    """Ask a strategy at every close and send what it orders.

    Raises:
        ValueError: when it orders what cannot be an order.
    """
    if len(bars) == 1:
        one = next(iter(bars.values()))
        _walk(strategy, broker, bars, rules, one.closed.data, _rows(one))
    else:
        times, rows = _together(bars)
        _walk(strategy, broker, bars, rules, times, rows)


def _walk(
    strategy: Strategy,
    broker: Broker,
    bars: Mapping[str, Bars],
    rules: Mapping[str, Rules],
    times: Sequence[int],
    rows: Iterable[Any],
) -> None:
    context = _Context(broker, bars, times)
    strategy.on_start(context)
    on_bar, working = strategy.on_bar, [broker.working(symbol) for symbol in bars]
    is_alone, (first, *_) = len(working) == 1, working
    # The loop of a backtest: half a million times, mostly for nothing.
    for number, bar in enumerate(rows):
        context.bar_number = number
        if first or not (is_alone or not any(working)):
            broker.look(times[number], number)
        answer = on_bar(bar, context)
        if context.cancelled:
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
    for given in answer if isinstance(answer, (list, tuple)) else (answer,):
        symbol = given.get("symbol", context.symbol) if isinstance(given, Mapping) else ""
        if symbol and symbol not in bars:
            raise ValueError(f"on_bar ordered {symbol}, but the klines are of {', '.join(bars)}")
        request = order_of(symbol, given, rules.get(symbol) or Rules())
        bar = context.last(bars[symbol])
        broker.order(request, bar, _sent(bars, symbol, bar, context))


def _sent(bars: Mapping[str, Bars], symbol: str, bar: int, context: _Context) -> int:
    """Return when an order leaves: when its symbol's bar is over, and the bars are that decided it."""
    over = int(bars[symbol].over[bar]) if bar >= 0 else 0
    return over if len(bars) == 1 else max(over, context.closed + 1)


def _rows(one: Bars) -> Iterator[Bar]:
    """Return the bars, made a few thousand at a time: memory that is used again is faster than new."""
    names = ("open", "high", "low", "close", "volume")
    columns = [one.opened, *(one.klines[name].to_numpy(np.float64) for name in names), one.closed]
    stretches = (slice(begin, begin + _STRETCH) for begin in range(0, len(one), _STRETCH))
    rows = (zip(*(c[part].tolist() for c in columns), strict=True) for part in stretches)
    # What Bar._make does, without a call of Python for each.
    return map(tuple.__new__, repeat(Bar), chain.from_iterable(rows))


def _together(bars: Mapping[str, Bars]) -> tuple[list[int], list[dict[str, Bar]]]:
    """Return when bars close, and those that close then, by symbol."""
    found: dict[int, dict[str, Bar]] = {}
    for symbol, one in bars.items():
        for closed, bar in zip(one.closed.tolist(), _rows(one), strict=True):
            found.setdefault(closed, {})[symbol] = bar
    times = sorted(found)
    return times, [found[time] for time in times]
