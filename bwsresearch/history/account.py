"""What an account has done: its trades and its orders of any time, found by time, paged by id."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import pandas as pd

from bwsresearch import tables
from bwsresearch.client.aio import decoded
from bwsresearch.client.sync import Client
from bwsresearch.errors import ServerError
from bwsresearch.history.download import Lane, as_timeout, connection_of
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import Range, Span, as_limit, as_symbol, needs_clock, resolved
from bwsresearch.protocol.methods import AllOrders, MyTrades
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import MyTrade, Order
from bwsresearch.times import DAY_MS, TimeLike

__all__ = ["all_orders", "my_trades"]

PAGE: Final = 1000
"""Rows of one request at most; web-socket-api.md "Account trade history", "Account order history"."""


class _Row(Protocol):
    @property
    def time(self) -> int: ...


R = TypeVar("R", bound=_Row)


@dataclass(frozen=True)
class _Kind(Generic[R]):
    """How one kind of rows is asked for, by id or by time, and shown."""

    name: str
    newest: Callable[[str, int], Request[list[R]]]
    since: Callable[[str, int], Request[list[R]]]
    day: Callable[[str, int], Request[list[R]]] | None
    id: Callable[[R], int]
    frame: Callable[[Sequence[R], dict[str, object]], pd.DataFrame]


_TRADES: Final = _Kind[MyTrade](
    "my trades",
    lambda symbol, limit: MyTrades(symbol, limit=limit),
    lambda symbol, first: MyTrades(symbol, from_id=first, limit=PAGE),
    lambda symbol, start: MyTrades(
        symbol, start_time=start, end_time=start + DAY_MS - 1, limit=PAGE
    ),
    lambda row: row.id,
    tables.my_trades_frame,
)
_ORDERS: Final = _Kind[Order](
    "all orders",
    lambda symbol, limit: AllOrders(symbol, limit=limit),
    lambda symbol, first: AllOrders(symbol, order_id=first, limit=PAGE),
    None,  # a day's orders are those that changed on it
    lambda row: row.order_id,
    tables.all_orders_frame,
)


def my_trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    progress: bool | None = None,
    timeout: float | None = None,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the account's trades of [start, end), by ascending id, as many pages as it takes.

    Index `time` (datetime64[us, UTC], times repeat); columns id, order_id and order_list_id int64,
    price and quote_qty (quote), qty (base) and commission (commission_asset) float64,
    commission_asset categorical, is_buyer, is_maker and is_best_match bool. Without a range: the
    newest `limit` (1000). `attrs`: symbol, server, start, end (epoch ms), source. Nothing is cached.
    A request weighs 20. Source: web-socket-api.md "Account trade history".

    Raises:
        ValueError: for a range or option that cannot be meant, or a client without a key.
        BadSymbol: when the exchange does not know the symbol.
        BadKey: when the key may not read the account.
    """
    __tracebackhide__ = True
    ask = _Ask.of(_TRADES, symbol, Span(start, end, period), limit)
    return _framed(ask, _lane(ask, progress, timeout, client))


def all_orders(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    progress: bool | None = None,
    timeout: float | None = None,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the account's orders that were placed in [start, end), in any state, by ascending id.

    Index `time` (datetime64[us, UTC], when they were placed); columns order_id and order_list_id
    int64, client_order_id text, price, orig_qty, executed_qty, cummulative_quote_qty, stop_price,
    iceberg_qty and orig_quote_order_qty float64 (missing where an order has none), status,
    time_in_force, type, side, self_trade_prevention_mode and expiry_reason categorical, update_time
    and working_time (missing when it never was on the book) of the index's dtype, is_working bool.
    Options, `attrs` and errors as for `my_trades`. Source: web-socket-api.md "Account order history".
    """
    __tracebackhide__ = True
    ask = _Ask.of(_ORDERS, symbol, Span(start, end, period), limit)
    return _framed(ask, _lane(ask, progress, timeout, client))


@dataclass(frozen=True)
class _Ask(Generic[R]):
    """What is asked for: a range, or the newest `limit` when no range is given."""

    kind: _Kind[R]
    symbol: str
    span: Span
    limit: int

    @classmethod
    def of(cls, kind: _Kind[R], symbol: str, span: Span, limit: int | None) -> "_Ask[R]":
        """Return what can be meant; a ValueError or TypeError otherwise."""
        __tracebackhide__ = True
        name = as_symbol(symbol)
        if not span.is_open and limit is not None:
            raise ValueError(f"limit is {limit!r} beside a range; give one of the two")
        if span.is_open and span.end is not None:
            raise ValueError(f"end is {span.end!r} without start; give start= or period=")
        rows = PAGE if limit is None else limit
        return cls(kind, name, span, as_limit(rows, PAGE, "rows; for more give start= or period="))


def _lane(
    ask: _Ask[Any], progress: bool | None, timeout: float | None, client: Client | None
) -> Lane:
    shown = Progress(f"{ask.symbol} {ask.kind.name}", wanted=progress)
    return Lane(connection_of(client), shown, 1, as_timeout(timeout))


async def _framed(ask: _Ask[R], lane: Lane) -> pd.DataFrame:
    attrs: dict[str, object] = {"symbol": ask.symbol, "server": await lane.server()}
    with lane.progress:
        pages = _Pages(ask.kind, ask.symbol, lane)
        if ask.span.is_open:
            rows = await pages.page(ask.kind.newest(ask.symbol, ask.limit))
        else:
            is_dated = needs_clock(ask.span)
            now_ms = await lane.now() if is_dated else 0
            want = resolved(ask.span, now_ms)
            rows = [] if want.is_empty else await pages.within(want)
            attrs |= {"start": want.start_ms, "end": want.end_ms}
    return ask.kind.frame(rows, attrs | {"source": "network"})


@dataclass
class _Pages(Generic[R]):
    """The rows of one account and symbol, page by page; ids ascend with time."""

    kind: _Kind[R]
    symbol: str
    lane: Lane

    async def page(self, request: Request[list[R]]) -> list[R]:
        """Return the rows of one request."""
        self.lane.progress.expect(1)

        def read(text: bytes) -> list[R]:
            rows = decoded(request, text)
            ids = [self.kind.id(row) for row in rows]
            if ids != sorted(set(ids)):
                raise ServerError(
                    f"{self.symbol}: the server sent other rows than ascending ids",
                    method=request.method,
                    hint="try again, or another server",
                )
            return rows

        rows = await self.lane.rows(request, read)
        self.lane.progress.arrived(len(rows))
        return rows

    async def within(self, want: Range) -> list[R]:
        """Return the rows of a range."""
        newest = await self.page(self.kind.newest(self.symbol, PAGE))
        if len(newest) < PAGE or newest[0].time < want.start_ms:
            return _inside(newest, want)
        rows, until = await self._first(want.start_ms, newest), self.kind.id(newest[0])
        while rows[-1].time < want.end_ms and self.kind.id(rows[-1]) < until:
            rows = rows + await self._since(self.kind.id(rows[-1]) + 1)
        known = self.kind.id(rows[-1])
        return _inside([*rows, *(row for row in newest if self.kind.id(row) > known)], want)

    async def _since(self, first: int) -> list[R]:
        return await self.page(self.kind.since(self.symbol, first))

    async def _first(self, start_ms: int, newest: list[R]) -> list[R]:
        """Return a page with the first row from a time on; the rows of `newest` are all after it."""
        if self.kind.day is not None:
            rows = await self.page(self.kind.day(self.symbol, start_ms))
            if rows:
                return rows
        rows = await self._since(0)
        if rows[-1].time >= start_ms:
            return rows
        # The row `low` is too early; the rows of `found`, from the id `top` on, are not.
        low, top, found = self.kind.id(rows[-1]), self.kind.id(newest[0]), newest
        while low + 1 < top:
            middle = (low + top) // 2
            rows = await self._since(middle)
            if rows[-1].time < start_ms:
                low = self.kind.id(rows[-1])
            elif rows[0].time < start_ms:
                return rows
            else:
                top, found = middle, rows
        return found


def _inside(rows: Sequence[R], want: Range) -> list[R]:
    return [row for row in rows if want.start_ms <= row.time < want.end_ms]
