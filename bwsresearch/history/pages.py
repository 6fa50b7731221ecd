"""The bars of one symbol, page by page: what is wanted, what is there, what is still to be asked for."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.errors import ServerError
from bwsresearch.history.download import Job, Lane
from bwsresearch.history.ranges import Range
from bwsresearch.history.series import Series
from bwsresearch.protocol.methods import Klines
from bwsresearch.store import Spans
from bwsresearch.store.spans import clip, minus
from bwsresearch.tables import KLINES, Columns
from bwsresearch.times import iso, next_open, open_time

__all__ = ["PAGE", "Bars"]

PAGE: Final = 1000
"""Rows of one request at most; web-socket-api.md "Klines"."""
_PROBE_PAGES: Final = 3
"""A range of more pages is first asked where its history begins."""
_LATE_MS: Final = 600_000
"""A bar that is missing for so long after its close is not late: it does not exist."""
_FIRM_MS: Final = 10_000
"""A bar that closed so long ago is not written to any more; the source is a database that lags."""


class Bars:
    """The bars of one symbol and interval in a range; `settled_ms` is up to where a hole is a gap."""

    def __init__(
        self, series: Series, interval: Interval, want: Range, *, page: int = PAGE
    ) -> None:
        self.series, self.interval, self.want = series, interval, want
        self.settled_ms = want.end_ms
        self._page_rows = page
        self._missing: Spans = () if want.is_empty else ((want.start_ms, want.end_ms),)
        self._now_ms = 0
        self._begun_ms: int | None = None
        self._left = 0

    async def recall(self) -> None:
        """Take the cached rows."""
        if self._missing:
            covered = await self.series.recall(self.want.start_ms, self.want.end_ms)
            self._missing = minus(self._missing, covered)
            self._begun_ms = self.series.first_ms

    @property
    def is_lacking(self) -> bool:
        """Whether anything is still to be asked for."""
        return bool(self._missing)

    def close_at(self, now_ms: int) -> None:
        """Leave out the bar that is running at `now_ms` and all after it."""
        running_ms = open_time(self.interval, now_ms)
        self._now_ms = now_ms
        self._missing = clip(self._missing, self.want.start_ms, running_ms)
        self.settled_ms = min(self.want.end_ms, max(running_ms, self.want.start_ms))

    async def probe(self, lane: Lane) -> None:
        """Find where a long range begins to have bars, and remember that there are none before."""
        begun: list[tuple[int, int]] = []
        for start_ms, end_ms in self._missing:
            first = start_ms
            if self._may_precede_listing(start_ms, end_ms):
                first = await self._first(lane, start_ms, end_ms)
            if first < end_ms:
                begun.append((first, end_ms))
        self._missing = tuple(begun)

    def _may_precede_listing(self, start_ms: int, end_ms: int) -> bool:
        is_long = end_ms > next_open(self.interval, start_ms, _PROBE_PAGES * self._page_rows)
        return is_long and (self._begun_ms is None or start_ms < self._begun_ms)

    async def _first(self, lane: Lane, start_ms: int, end_ms: int) -> int:
        """Return the open time of the first bar in a range, its end when there is none."""
        columns = await self._page(lane, start_ms, end_ms, limit=1)
        if tables.length(columns):
            first = until = int(tables.millis(columns, "open_time")[0])
            self._begun_ms = min(first, self._begun_ms or first)
        else:
            first, until = end_ms, self._final(columns, start_ms, end_ms)
        if until > start_ms:
            await self.series.add(tables.empty(KLINES), ((start_ms, until),))
        return first

    @property
    def pages(self) -> int:
        """How many requests it takes."""
        return sum(1 for _ in self._pages())

    def jobs(self, lane: Lane) -> Iterator[Job]:
        """Return one job per page."""
        self._left = self.pages
        for start_ms, end_ms in self._pages():
            yield partial(self._fetch, lane, start_ms, end_ms)

    def _pages(self) -> Iterator[tuple[int, int]]:
        for start_ms, end_ms in self._missing:
            at = start_ms
            while at < end_ms:
                after = min(next_open(self.interval, at, self._page_rows), end_ms)
                yield at, after
                at = after

    async def _fetch(self, lane: Lane, start_ms: int, end_ms: int) -> None:
        columns = await self._page(lane, start_ms, end_ms, limit=self._page_rows)
        until = self._final(columns, start_ms, end_ms)
        await self.series.add(columns, ((start_ms, until),) if until > start_ms else ())
        lane.arrived(tables.length(columns))
        self._left -= 1
        if not self._left:
            await self.series.flush()

    async def fetch_running(self, lane: Lane, now_ms: int) -> None:
        """Take the bar that is running at `now_ms`, if it lies in the range; it is not kept."""
        start_ms = open_time(self.interval, now_ms)
        if self.want.start_ms <= start_ms < self.want.end_ms:
            end_ms = next_open(self.interval, start_ms)
            self.series.show(await self._page(lane, start_ms, end_ms, limit=1))

    async def _page(self, lane: Lane, start_ms: int, end_ms: int, *, limit: int) -> Columns:
        """Return the oldest `limit` bars that open in [start_ms, end_ms).

        Raises:
            ServerError: when the rows are others than those asked for.
        """
        request = Klines(
            self.series.symbol, self.interval, start_time=start_ms, end_time=end_ms - 1, limit=limit
        )
        return await lane.rows(request, partial(self._read, start_ms, end_ms))

    def _read(self, start_ms: int, end_ms: int, text: bytes) -> Columns:
        """Return the bars of a page; a ServerError when they are others than those asked for."""
        columns = tables.decode_klines(text)
        opens = tables.millis(columns, "open_time")
        if len(opens) and (
            opens[0] < start_ms or opens[-1] >= end_ms or (np.diff(opens) <= 0).any()
        ):
            raise ServerError(
                f"{self.series.symbol} {self.interval}: the server sent bars that do not ascend "
                f"within [{iso(start_ms)}, {iso(end_ms)})",
                method="klines",
                hint="try again, or another server",
            )
        return columns

    def _final(self, columns: Columns, start_ms: int, end_ms: int) -> int:
        """Return up to where a page stays as it is: the newest bars may still be written."""
        if self._now_ms - end_ms > _LATE_MS:
            return end_ms
        opens = tables.millis(columns, "open_time")
        served = next_open(self.interval, int(opens[-1])) if len(opens) else start_ms
        until = min(end_ms, max(served, self._now_ms - _LATE_MS))
        if until < end_ms:
            self.settled_ms = min(self.settled_ms, until)
        return min(until, open_time(self.interval, self._now_ms - _FIRM_MS))
