"""Trades of a stretch of time as pages of ids, and the time that such pages complete."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from bwsresearch import tables
from bwsresearch.errors import ServerError
from bwsresearch.history.download import Job, Lane
from bwsresearch.history.series import Series
from bwsresearch.protocol.methods import TradesAggregate, TradesHistorical, TradesRecent
from bwsresearch.store import Spans
from bwsresearch.store.spans import minus, union
from bwsresearch.tables import AGG_TRADES, TRADES, Columns, Schema
from bwsresearch.times import iso

__all__ = ["AGGREGATES", "PAGE", "SINGLES", "Kind", "Run", "newest"]

PAGE: Final = 1000
"""Rows of one request at most; web-socket-api.md "Aggregate trades", "Historical trades"."""


@dataclass(frozen=True)
class Kind:
    """How one kind of trades is asked for."""

    schema: Schema
    decode: Callable[[bytes], Columns]
    newest: Callable[[str, int], TradesAggregate | TradesRecent]
    page: Callable[[str, int, int], TradesAggregate | TradesHistorical]
    at: str
    """The column of an aggregate trade that is the id of the first row at its time."""


AGGREGATES: Final = Kind(
    AGG_TRADES,
    tables.decode_agg_trades,
    lambda symbol, limit: TradesAggregate(symbol, limit=limit),
    lambda symbol, first, limit: TradesAggregate(symbol, from_id=first, limit=limit),
    "id",
)
SINGLES: Final = Kind(
    TRADES,
    tables.decode_trades,
    lambda symbol, limit: TradesRecent(symbol, limit=limit),
    lambda symbol, first, limit: TradesHistorical(symbol, from_id=first, limit=limit),
    "first_id",
)


async def newest(kind: Kind, symbol: str, lane: Lane, limit: int) -> Columns:
    """Return the most recent rows, oldest first."""
    request = kind.newest(symbol, limit)

    def read(text: bytes) -> Columns:
        columns = kind.decode(text)
        if (np.diff(columns["id"]) <= 0).any():
            raise _disorder(symbol, "ascending ids", request.method)
        return columns

    return await lane.rows(request, read)


def _disorder(symbol: str, wanted: str, method: str) -> ServerError:
    return ServerError(
        f"{symbol}: the server sent other rows than {wanted}",
        method=method,
        hint="try again, or another server",
    )


@dataclass
class Run:
    """The rows of [start_ms, end_ms), in pages; moments from `settled_ms` on may still grow."""

    kind: Kind
    lane: Lane
    series: Series
    start_ms: int
    end_ms: int
    settled_ms: int
    _first: int = 0
    _after: int = 0
    # Of every unbroken row of pages that are there: its last page by its first, and the reverse.
    _last_of: dict[int, int] = field(default_factory=dict)
    _first_of: dict[int, int] = field(default_factory=dict)
    _times: dict[int, tuple[int, int]] = field(default_factory=dict)
    _told: Spans = ()

    async def locate(self) -> None:
        """Find the ids: the first at or after each end of the stretch."""
        first = await self._id_at(self.start_ms)
        if first is not None:
            after = await self._id_at(self.end_ms)
            self._first, self._after = first, await self._next_id() if after is None else after
        if self._first == self._after and self._final_ms > self.start_ms:
            nothing = tables.empty(self.kind.schema)
            await self.series.add(nothing, ((self.start_ms, self._final_ms),))
        self.series.expected += self.pages

    @property
    def _final_ms(self) -> int:
        return min(self.end_ms, self.settled_ms)

    async def _id_at(self, time_ms: int) -> int | None:
        """Return the id of the first row at or after a time, None when there is none."""
        request = TradesAggregate(self.series.symbol, start_time=time_ms, limit=1)

        def read(text: bytes) -> Columns:
            columns = tables.decode_agg_trades(text)
            if tables.length(columns) and tables.millis(columns, "time")[0] < time_ms:
                raise _disorder(self.series.symbol, f"those from {iso(time_ms)} on", request.method)
            return columns

        columns = await self.lane.rows(request, read)
        return int(columns[self.kind.at][0]) if tables.length(columns) else None

    async def _next_id(self) -> int:
        columns = await newest(self.kind, self.series.symbol, self.lane, 1)
        return int(columns["id"][-1]) + 1 if tables.length(columns) else self._first

    @property
    def pages(self) -> int:
        """How many requests it takes."""
        return -(-(self._after - self._first) // self.lane.page)

    def jobs(self) -> Iterator[Job]:
        """Return one job per page."""
        for first in range(self._first, self._after, self.lane.page):
            yield partial(self._fetch, first)

    async def _fetch(self, first: int) -> None:
        request = self.kind.page(self.series.symbol, first, self.lane.page)

        def read(text: bytes) -> Columns:
            columns = self.kind.decode(text)
            ids = columns["id"]
            # The row before `_after` exists, so that no page is empty.
            if not len(ids) or ids[0] < first or (np.diff(ids) <= 0).any():
                wanted = f"ascending ids from {first} on"
                raise _disorder(self.series.symbol, wanted, request.method)
            return columns

        columns = await self.lane.rows(request, read)
        ids, last = columns["id"], min(first + self.lane.page, self._after)
        times = tables.millis(columns, "time")
        columns = tables.sliced(columns, ids < last)
        held = tables.length(columns)
        self._times[first] = int(times[0]), int(times[max(0, held - 1)])
        self.lane.arrived(held)
        await self.series.add(columns, self._covered(first))
        self.series.expected -= 1
        if not self.series.expected:
            await self.series.flush()

    def _covered(self, page: int) -> Spans:
        """Return the time that this page completes, with the unbroken pages around it.

        A moment may be split between pages: the first and the last moment of those pages may have
        rows in others, unless they are at the ends of the stretch.
        """
        low = self._first_of.pop(page - self.lane.page, page)
        high = self._last_of.pop(page + self.lane.page, page)
        self._last_of[low], self._first_of[high] = high, low
        start = self.start_ms if low == self._first else self._times[low][0] + 1
        end = self._final_ms if high + self.lane.page >= self._after else self._times[high][1]
        end = min(end, self._final_ms)
        # Only what is new: what is told is written, in the files of all days that it touches.
        fresh = minus(((start, end),) if end > start else (), self._told)
        self._told = union(self._told, fresh)
        return fresh
