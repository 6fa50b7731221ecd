"""The two sides of a comparison, whatever they come from, as orders with what they did."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.given import bars_of
from bwsresearch.backtesting.kernel import KernelResult
from bwsresearch.backtesting.records import Fill, Order, Record
from bwsresearch.backtesting.result import Result, Task
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Side", "Traded", "Worth", "of_history", "of_kernel", "of_result", "traded"]

Kind: TypeAlias = Literal["kernel", "exact", "recorded"]


class Traded(NamedTuple):
    """An order and what it did; amounts as exact numbers of 1, times epoch ms, -1 without a fill.

    `bar` is the one at whose close it was decided. `fees` are in quote at the price of their trade for
    those that were paid in base, and by their asset otherwise.
    """

    symbol: str
    side: str
    bar: int
    time: int
    asked: Fraction
    by_quote: bool
    status: str
    reason: str
    qty: Fraction
    quote: Fraction
    fees: Mapping[str, Fraction]
    filled: int

    @property
    def key(self) -> tuple[str, int, str]:
        """By which orders of two runs belong together: symbol, deciding bar and side."""
        return self.symbol, self.bar, self.side

    @property
    def price(self) -> Fraction:
        """The mean price, 0 without a fill."""
        return self.quote / self.qty if self.qty else Fraction(0)

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sale."""
        return 1 if self.side == "BUY" else -1


class Worth(Protocol):
    """What a symbol's trading has made of an account, at the close of each of its bars."""

    def __call__(self, symbol: str, bar: int) -> Fraction:
        """Return base at its close, and quote paid and received, at the end of `bar`."""


@dataclass(frozen=True, eq=False)
class Side:
    """One run: how it can be run again (`task`, None where it cannot), and what it did."""

    name: str
    kind: Kind
    task: Task | None
    bars: Mapping[str, Bars]
    orders: Sequence[Traded]
    worth: Worth
    final: Fraction
    result: Result | None = None


def of_result(result: Result, name: str | None = None) -> Side:
    """Return the side of an exact run, or of one on a paper account or a server."""
    is_exact = result.origin == "backtest"
    worth = RecordWorth(result.record, result.bars)
    return Side(
        name or result.origin,
        "exact" if is_exact else "recorded",
        result.task,
        result.bars,
        traded(result.record),
        worth,
        worth.final,
        result,
    )


def of_kernel(result: KernelResult) -> Side:
    """Return the side of a run of the sweep's kernel."""
    bars = bars_of(result.klines, result.balances)
    (symbol,) = bars
    wanted = pd.Series(np.asarray(result.targets, np.float64), index=result.klines.index)
    balances = {asset: int(Fraction(str(b)) * UNIT) for asset, b in result.balances.items()}
    task = Task(bars[symbol].klines, wanted, {}, balances, {symbol: result.rules})
    equity = result.equity.to_numpy(np.float64)
    initial = Fraction(result.initial_equity)

    def worth(symbol: str, bar: int) -> Fraction:
        del symbol
        return Fraction(float(equity[bar])) if bar >= 0 else initial

    orders = _of_frames(symbol, bars[symbol], result.orders, result.fills)
    return Side("kernel", "kernel", task, bars, orders, worth, Fraction(float(equity[-1])))


def of_history(trades: pd.DataFrame, bars: Mapping[str, Bars], start: Mapping[str, int]) -> Side:
    """Return the side of an account's trades, a frame of `bws.my_trades`; `start` in 1e-8.

    Raises:
        ValueError: when the trades are of another symbol, or lie outside the bars.
    """
    (symbol,) = bars
    told = trades.attrs.get("symbol", symbol)
    if told != symbol:
        raise ValueError(f"trades are of {told}, the run of {symbol}; give those of one symbol")
    record = _of_trades(trades, bars[symbol], start)
    worth = RecordWorth(record, bars)
    return Side("account", "recorded", None, bars, traded(record), worth, worth.final)


@dataclass(frozen=True, eq=False)
class RecordWorth:
    """See `Worth`: by a record, exactly."""

    record: Record
    bars: Mapping[str, Bars]
    _paths: dict[str, tuple[list[int], list[int], list[int]]] = field(default_factory=dict)

    def __call__(self, symbol: str, bar: int) -> Fraction:
        path = self._paths.get(symbol) or self._path(symbol)
        rows, held, paid = path
        place = bisect_right(rows, bar)
        one = self.bars[symbol]
        price = int(one.close[bar]) if bar >= 0 else int(one.open[0])
        total = held[place] * price + paid[place] * UNIT
        return Fraction(total, UNIT * self.record.scale)

    def _path(self, symbol: str) -> tuple[list[int], list[int], list[int]]:
        """Return the bars of a symbol's fills, and its base and quote from the start on."""
        record = self.record
        base, quote = record.assets[symbol]
        is_first = next(iter(record.assets)) == symbol
        rows, held = list[int](), [record.start.get(base, 0)]
        paid = [record.start.get(quote, 0) if is_first else 0]
        for fill in record.fills:
            if fill.symbol != symbol:
                continue
            rows.append(max(fill.bar, 0))
            held.append(held[-1] + fill.sign * fill.qty)
            paid.append(paid[-1] - fill.sign * fill.quote_qty)
            if fill.fee_asset == base:
                held[-1] -= fill.fee
            elif fill.fee_asset == quote:
                paid[-1] -= fill.fee
            else:
                raise ValueError(
                    f"fees were paid in {fill.fee_asset}, a comparison knows those in {base} and "
                    f"{quote}; compare runs with fee_asset='received' or 'quote'"
                )
        self._paths[symbol] = rows, held, paid
        return self._paths[symbol]

    @cached_property
    def final(self) -> Fraction:
        """The worth of everything at the last closes."""
        return sum((self(s, len(one) - 1) for s, one in self.bars.items()), Fraction(0))


def traded(record: Record) -> list[Traded]:
    """Return the orders of a record with what they did."""
    by_order: dict[int, list[Fill]] = {}
    for fill in record.fills:
        by_order.setdefault(fill.order, []).append(fill)
    return [
        _traded(order, by_order.get(place, []), record) for place, order in enumerate(record.orders)
    ]


def _traded(order: Order, fills: Sequence[Fill], record: Record) -> Traded:
    scale = record.scale
    fees: dict[str, Fraction] = {}
    for fill in fills:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, Fraction(0)) + Fraction(fill.fee, scale)
    return Traded(
        order.symbol,
        order.side,
        order.bar,
        order.time,
        Fraction(order.quote_qty or order.qty, scale),
        bool(order.quote_qty),
        order.status,
        order.reason,
        Fraction(sum(fill.qty for fill in fills), scale),
        Fraction(sum(fill.quote_qty for fill in fills), scale),
        fees,
        fills[0].time if fills else -1,
    )


def _of_frames(symbol: str, bars: Bars, orders: pd.DataFrame, fills: pd.DataFrame) -> list[Traded]:
    rows = bars.klines.index.get_indexer_for(orders.index).tolist()
    times = (pd.DatetimeIndex(fills.index).as_unit("us").asi8 // 1000).tolist()
    names = ("order", "qty", "quote_qty", "fee", "fee_asset")
    by_order = {
        order: (qty, quote, fee, asset, time)
        for order, qty, quote, fee, asset, time in zip(
            *(fills[name].tolist() for name in names), times, strict=True
        )
    }
    columns = (orders[name].tolist() for name in ("side", "qty", "quote_qty", "status", "reason"))
    found = []
    for place, (bar, side, qty, by_quote, status, reason) in enumerate(
        zip(rows, *columns, strict=True)
    ):
        executed, paid, fee, asset, time = by_order.get(place, (0.0, 0.0, 0.0, bars.quote, -1))
        found.append(
            Traded(
                symbol,
                side,
                bar,
                int(bars.over[bar]),
                Fraction(by_quote or qty),
                bool(by_quote),
                status,
                reason,
                Fraction(executed),
                Fraction(paid),
                {str(asset): Fraction(fee)} if fee else {},
                time,
            )
        )
    return found


def _of_trades(trades: pd.DataFrame, bars: Bars, start: Mapping[str, int]) -> Record:
    """Return the record of an account's trades: an order is what its trades were."""
    columns = ("order_id", "price", "qty", "quote_qty", "commission")
    missing = [name for name in (*columns, "is_buyer") if name not in trades.columns]
    if missing:
        raise ValueError(f"trades lack {', '.join(missing)}; take the frame of bws.my_trades")
    times = (pd.DatetimeIndex(trades.index).as_unit("us").asi8 // 1000).tolist()
    units = {name: [round(float(value) * UNIT) for value in trades[name]] for name in columns[1:]}
    assets = [str(asset) for asset in trades["commission_asset"]]
    orders: dict[int, list[Fill]] = {}
    for row, (number, is_buyer) in enumerate(
        zip(trades["order_id"].tolist(), trades["is_buyer"].tolist(), strict=True)
    ):
        bar = int(bars.opened.searchsorted(times[row], side="right")) - 1
        fills = orders.setdefault(number, [])
        fills.append(
            Fill(
                len(orders) - 1,
                bar,
                times[row],
                bars.symbol,
                "BUY" if is_buyer else "SELL",
                units["price"][row],
                units["qty"][row],
                units["quote_qty"][row],
                units["commission"][row],
                assets[row],
                is_maker=False,
            )
        )
    if times and (times[0] < int(bars.opened[0]) or times[-1] > int(bars.closed[-1])):
        raise ValueError(
            "trades lie outside the bars of the run; ask bws.my_trades for the same range"
        )
    record = Record(start, UNIT, {bars.symbol: (bars.base, bars.quote)})
    record.fills.extend(fill for fills in orders.values() for fill in fills)  # type: ignore[attr-defined] # a list of its own
    record.fills.sort(key=lambda fill: fill.time)  # type: ignore[attr-defined] # likewise
    record.orders.extend(_order_of(fills, bars) for fills in orders.values())  # type: ignore[attr-defined] # likewise
    return record


def _order_of(fills: Sequence[Fill], bars: Bars) -> Order:
    """Return the order that trades belong to, as decided at the last close before them."""
    first, qty = fills[0], sum(fill.qty for fill in fills)
    bar = int(bars.over.searchsorted(first.time, side="right")) - 1
    return Order(
        bar, first.time, first.symbol, first.side, "MARKET", qty, 0, 0, 0, float("nan"),
        "FILLED", qty, "",
    )  # fmt: skip
