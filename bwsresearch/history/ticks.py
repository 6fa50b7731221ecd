"""Trades and aggregate trades: found by time, paged by id, cached by time."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.cache import Spans
from bwsresearch.cache.spans import clip, minus
from bwsresearch.client.sync import Client
from bwsresearch.errors import ServerError
from bwsresearch.history.clock import server_now
from bwsresearch.history.download import Job, Lane, Series, as_in_flight, opened
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import (
    CacheMode,
    Range,
    Span,
    as_cache_mode,
    as_symbols,
    needs_clock,
    resolved,
)
from bwsresearch.local import default_client, implied, server_of
from bwsresearch.protocol.methods import TradesAggregate, TradesHistorical, TradesRecent
from bwsresearch.tables import AGG_TRADES, TRADES, Columns, Schema
from bwsresearch.times import TimeLike

__all__ = ["agg_trades", "trades"]

PAGE: Final = 1000
"""Rows of one request at most; web-socket-api.md "Aggregate trades", "Historical trades"."""
_SETTLED_MS: Final = 60_000
"""Trades younger than this may still be followed by others of the same moment."""


async def agg_trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return the aggregate trades of [start, end), by ascending id, paged and cached.

    Index `time` (datetime64[us, UTC], times repeat); columns id int64, price float64 (quote), qty
    float64 (base), first_id and last_id int64, is_buyer_maker bool (True: the taker sold).
    Without a range: the newest `limit` (1000), not cached. `attrs` and errors as for `klines`.
    Source: web-socket-api.md "Aggregate trades".
    """
    ask = _Ask(_AGGREGATES, symbol, Span(start, end, period), limit)
    return await _frame(ask, cache, progress, timeout, in_flight, client)


async def trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return the trades of [start, end), by ascending id, paged and cached.

    Index `time` (datetime64[us, UTC], times repeat); columns id int64, price float64 (quote), qty
    float64 (base), quote_qty float64, is_buyer_maker bool (True: the taker sold). Without a range:
    the newest `limit` (1000), not cached. A page weighs 25: aggregate trades are 6 times cheaper.
    `attrs` and errors as for `klines`. Source: web-socket-api.md "Historical trades".
    """
    ask = _Ask(_SINGLES, symbol, Span(start, end, period), limit)
    return await _frame(ask, cache, progress, timeout, in_flight, client)


@dataclass(frozen=True)
class _Kind:
    """How one kind of trades is asked for."""

    schema: Schema
    decode: Callable[[bytes], Columns]
    newest: Callable[[str, int], TradesAggregate | TradesRecent]
    page: Callable[[str, int], TradesAggregate | TradesHistorical]
    at: str
    """The column of an aggregate trade that is the id of the first row at its time."""


_AGGREGATES: Final = _Kind(
    AGG_TRADES,
    tables.decode_agg_trades,
    lambda symbol, limit: TradesAggregate(symbol, limit=limit),
    lambda symbol, first: TradesAggregate(symbol, from_id=first, limit=PAGE),
    "id",
)
_SINGLES: Final = _Kind(
    TRADES,
    tables.decode_trades,
    lambda symbol, limit: TradesRecent(symbol, limit=limit),
    lambda symbol, first: TradesHistorical(symbol, from_id=first, limit=PAGE),
    "first_id",
)


@dataclass(frozen=True)
class _Ask:
    """What is asked for."""

    kind: _Kind
    symbol: str
    span: Span
    limit: int | None

    def __post_init__(self) -> None:
        if isinstance(self.symbol, str):
            object.__setattr__(self, "symbol", as_symbols(self.symbol)[0])
        else:
            raise TypeError(f"symbol is {self.symbol!r}, must be one text; ask for each alone")
        if self.limit is not None and not self.is_newest:
            raise ValueError(f"limit is {self.limit} beside a range; give one of the two")
        if self.limit is not None and not 1 <= self.limit <= PAGE:
            raise ValueError(
                f"limit is {self.limit}, must be 1 to {PAGE}; for more give start= or period="
            )

    @property
    def is_newest(self) -> bool:
        """Whether no range was given."""
        if self.span.is_open and self.span.end is not None:
            raise ValueError(f"end is {self.span.end!r} without start; give start= or period=")
        return self.span.is_open


async def _frame(
    ask: _Ask,
    cache: CacheMode,
    progress: bool | None,
    timeout: float | None,
    in_flight: int,
    client: Client | None,
) -> pd.DataFrame:
    mode, width = as_cache_mode(cache), as_in_flight(in_flight)
    connection = (client or default_client()).aio
    server = await server_of(connection)
    attrs: dict[str, object] = {"symbol": ask.symbol, "server": server}
    if implied(connection, ask.symbol, ask.kind.schema.name):
        attrs["implied"] = True
    with Progress(f"{ask.symbol} {ask.kind.schema.name}", wanted=progress) as shown:
        lane = Lane(connection, shown, width, timeout)
        if ask.is_newest:
            request = ask.kind.newest(ask.symbol, ask.limit or PAGE)
            columns = ask.kind.decode(await lane.raw(request))
            return tables.frame(ask.kind.schema, columns, attrs | {"source": "network"})
        ticks = _Ticks(ask, lane, Series(ask.kind.schema, ask.symbol, None, opened(mode, server)))
        want, columns, source = await ticks.pull(mode)
    attrs |= {"start": want.start_ms, "end": want.end_ms, "source": source, "gaps": []}
    return tables.frame(ask.kind.schema, columns, attrs)


@dataclass
class _Ticks:
    """The trades of one symbol: what is there, and what is still to be asked for."""

    ask: _Ask
    lane: Lane
    series: Series

    async def pull(self, mode: CacheMode) -> tuple[Range, Columns, str]:
        """Return the range as resolved, its rows, and where they came from."""
        now_ms = await self._now() if needs_clock(self.ask.span) else None
        want = resolved(self.ask.span, now_ms or 0)
        missing: Spans = ((want.start_ms, want.end_ms),) if want.end_ms > want.start_ms else ()
        cached = tables.empty(self.ask.kind.schema)
        if missing and mode is True and self.series.cache is not None:
            cached, covered = await asyncio.to_thread(
                self.series.cache.read, self.ask.kind.schema, self.ask.symbol, None, *missing[0]
            )
            missing = minus(missing, covered)
        try:
            if missing:
                now = await self._now() if now_ms is None else now_ms
                missing = clip(missing, 0, max(0, now))
                runs = [await self._run(start, end, now) for start, end in missing]
                self.lane.progress.expect(sum(run.pages for run in runs))
                await self.lane.run(job for run in runs for job in run.jobs())
        finally:
            self.series.save()
        had = tables.length(cached)
        source = ("mixed" if had else "network") if self.series.fetched else "cache"
        self.series.parts.insert(0, cached)
        return want, self._within(self.series.rows(), want), source

    async def _now(self) -> int:
        return await server_now(self.lane.client, self.lane.timeout)

    def _within(self, columns: Columns, want: Range) -> Columns:
        times = tables.millis(columns, "time")
        mask = (times >= want.start_ms) & (times < want.end_ms)
        return columns if mask.all() else tables.sliced(columns, mask)

    async def _run(self, start_ms: int, end_ms: int, now_ms: int) -> "_Run":
        """Find the ids of a stretch of time."""
        first = await self._id_at(start_ms)
        after = first if first is None else await self._id_at(end_ms) or await self._next_id()
        settled = min(end_ms, now_ms - _SETTLED_MS)
        run = _Run(self, start_ms, max(start_ms, settled), first or 0, after or first or 0)
        if first == after and settled > start_ms:
            await self.series.add(tables.empty(self.ask.kind.schema), ((start_ms, settled),))
        return run

    async def _id_at(self, time_ms: int) -> int | None:
        """Return the id of the first row at or after a time, None when there is none."""
        request = TradesAggregate(self.ask.symbol, start_time=time_ms, limit=1)
        columns = tables.decode_agg_trades(await self.lane.raw(request))
        return int(columns[self.ask.kind.at][0]) if tables.length(columns) else None

    async def _next_id(self) -> int:
        request = self.ask.kind.newest(self.ask.symbol, 1)
        columns = self.ask.kind.decode(await self.lane.raw(request))
        return int(columns["id"][-1]) + 1 if tables.length(columns) else 0


@dataclass
class _Run:
    """The pages of ids [first, after), which lie in [start_ms, end_ms)."""

    ticks: _Ticks
    start_ms: int
    end_ms: int
    first: int
    after: int
    _done: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """How many requests it takes."""
        return -(-(self.after - self.first) // PAGE)

    def jobs(self) -> Iterator[Job]:
        """Return one job per page."""
        for first in range(self.first, self.after, PAGE):
            yield partial(self._fetch, first)

    async def _fetch(self, first: int) -> None:
        kind, last = self.ticks.ask.kind, min(first + PAGE, self.after)
        raw = await self.ticks.lane.raw(kind.page(self.ticks.ask.symbol, first))
        columns = kind.decode(raw)
        ids = columns["id"]
        if len(ids) and (ids[0] < first or (np.diff(ids) <= 0).any()):
            raise ServerError(
                f"{self.ticks.ask.symbol}: ids from {first} do not ascend from there as asked; "
                "try again, or another server",
                method=kind.page(self.ticks.ask.symbol, first).method,
            )
        columns = tables.sliced(columns, ids < last)
        self.ticks.lane.progress.arrived(tables.length(columns))
        times = tables.millis(columns, "time")
        if len(times):
            self._done[first] = (int(times[0]), int(times[-1]))
        else:
            self._done[first] = (self.end_ms, self.end_ms)
        await self.ticks.series.add(columns, self._covered(first))

    def _covered(self, first: int) -> Spans:
        """Return the time that is complete with this page, from its neighbours on.

        A moment may be split between two pages, so that a page alone covers only what lies between
        its first and its last moment; together with the page before it, the seam too.
        """
        begins, ends = self._done[first]
        before, behind = self._done.get(first - PAGE), self._done.get(first + PAGE)
        start = self.start_ms if first == self.first else before[1] if before else begins + 1
        end = self.end_ms if first + PAGE >= self.after else behind[0] + 1 if behind else ends
        return ((start, min(end, self.end_ms)),) if min(end, self.end_ms) > start else ()
