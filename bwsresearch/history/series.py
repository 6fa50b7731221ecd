"""The rows of one symbol as they come in, and what of them is not yet in the cache."""

import asyncio
import threading
import time
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.history.ranges import CacheMode
from bwsresearch.store import Cache, Spans, default_root
from bwsresearch.store.spans import clip, minus, union
from bwsresearch.tables import Columns, Schema
from bwsresearch.times import DAY_MS, Ms

__all__ = ["Series"]

_SAVE_EVERY: Final = 128
"""Pages between two writes: a month's file is rewritten once, not once a page."""
_SAVE_MOST: Final = 1024
"""Pages between two writes of a long day: each brings as much as the file of the day has."""
_SAVE_S: Final = 30.0
"""After so many seconds it is not waited for that many: what is not written may be lost."""
_EMPTY_DAYS: Final = 62
"""To ask again about a longer emptiness is cheaper than a file for each of its days."""


@dataclass
class Series:
    """One series of one server, read from the cache and written to it as `mode` says.

    With `is_kept` False the rows go to the cache alone, and memory holds those not yet written. With
    `is_reread` they are read from there in the end, by `reread`. Of rows in memory only `columns` and
    the key are kept, all when it is None.
    """

    schema: Schema
    symbol: str
    interval: str | None
    server: str
    mode: CacheMode
    is_kept: bool = True
    is_reread: bool = False
    columns: Collection[str] | None = None
    expected: int = 0
    """Pages on their way, for those who count them: after the last one all is written."""
    cached: int = 0
    first_ms: int | None = None
    """The time of the first cached row, None without any."""
    fetched: int = 0
    """Pages that came, and the rows in them."""
    fetched_rows: int = 0
    _known: Spans = ()
    """What the cache completes by now."""
    _is_on_disk: bool = False
    """Whether the cache has rows that memory has not."""
    _day: int = 0
    _save_at: int = _SAVE_EVERY
    _saved_s: float = field(default_factory=time.monotonic)
    _parts: list[Columns] = field(default_factory=list)
    _unsaved: list[tuple[Columns, Spans]] = field(default_factory=list)
    _saving: threading.Lock = field(default_factory=threading.Lock)
    _flushing: int = 0

    def __post_init__(self) -> None:
        self._cache = None if self.mode is False else Cache(default_root(), self.server)
        self._source = self._cache
        names = self.columns
        self._kept = None if names is None else self.schema.only({*names, self.schema.key})

    @property
    def source(self) -> Literal["cache", "network", "mixed"]:
        """Where the rows came from."""
        if not self.fetched:
            return "cache" if self.mode is True else "network"
        return "mixed" if self.cached else "network"

    async def recall(self, start_ms: int, end_ms: int) -> Spans:
        """Take the rows that the cache has, and return the time that they complete."""
        if self._cache is None or self.mode is not True:
            return ()
        return await asyncio.to_thread(self._recall, start_ms, end_ms)

    def _recall(self, start_ms: int, end_ms: int) -> Spans:
        covered: list[Spans] = []
        self._parts.clear()
        try:
            for columns, spans in self.held(start_ms, end_ms):
                covered.append(spans)
                self._take(columns)
        except CacheError as error:
            self._go_without(error)
        self._known = union(*covered)
        return self._known

    def _take(self, columns: Columns) -> None:
        count = tables.length(columns)
        if count and not self.cached:
            self.first_ms = int(tables.millis(columns, self.schema.time)[0])
        self.cached += count
        if self.is_kept:
            self._parts.append(columns)

    def _pieces(self, cache: Cache, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Return what to read at once: everything that is to be kept, else one file."""
        key = self.schema, self.symbol, self.interval
        cuts = () if self.is_kept else cache.stretches(*key, start_ms, end_ms)
        return pairwise([start_ms, *(at for at, _ in cuts if start_ms < at < end_ms), end_ms])

    def held(self, start_ms: int, end_ms: int) -> Iterator[tuple[Columns, Spans]]:
        """Return the rows that the cache has and what they complete, piece by piece.

        Raises:
            CacheError: when it cannot be read.
        """
        if self._cache is not None:
            for span in self._pieces(self._cache, start_ms, end_ms):
                yield self._read(self._cache, *span)

    def _read(self, cache: Cache, start_ms: int, end_ms: int) -> tuple[Columns, Spans]:
        key = self.schema, self.symbol, self.interval
        kept = None if self._kept is None else self._kept.dtypes
        return cache.read(*key, start_ms, end_ms, columns=kept)

    def show(self, columns: Columns) -> None:
        """Take rows that are not to be kept."""
        self._count(columns)
        if self.is_kept:
            self._parts.append(self._narrow(columns))

    def _count(self, columns: Columns) -> None:
        self.fetched += 1
        self.fetched_rows += tables.length(columns)

    def _narrow(self, columns: Columns) -> Columns:
        return columns if self._kept is None else {n: columns[n] for n in self._kept.dtypes}

    async def add(self, columns: Columns, covered: Spans) -> None:
        """Take the rows of a page and the time that they complete; write them now and then."""
        if self._cache is None:
            self.show(columns)
            return
        if self.is_reread:
            self._release()
            self._count(columns)
        else:
            self.show(columns)
        self._unsaved.append((columns, covered))
        if self._is_due:
            await self.flush()

    def _release(self) -> None:
        """Forget what was cached before the first page: it is read again with all others."""
        if not self.fetched and self._parts:
            self._parts.clear()
            self._is_on_disk = True

    @property
    def _is_due(self) -> bool:
        count = len(self._unsaved)
        if self._flushing:
            return count >= 2 * _SAVE_MOST  # the disk is slow: wait for it
        is_late = time.monotonic() - self._saved_s > _SAVE_S
        return count >= (_SAVE_EVERY if is_late else self._save_at)

    async def flush(self) -> None:
        """Do as `save` does, without holding up the loop."""
        if self._unsaved:
            self._flushing += 1
            try:
                await asyncio.to_thread(self.save)
            finally:
                self._flushing -= 1

    def save(self) -> None:
        """Write what is not in the cache yet; rows in memory are worth more than a full disk."""
        # In the order of arrival: a page's coverage may rest on the rows of the one before it.
        with self._saving:
            pages, self._unsaved = self._unsaved, []
            if self._cache is not None and pages:
                self._write(self._cache, pages)
            elif self.is_reread:
                self._parts.extend(self._narrow(columns) for columns, _ in pages)

    def _write(self, cache: Cache, pages: list[tuple[Columns, Spans]]) -> None:
        columns = _joined(self.schema, [part for part, _ in pages])
        covered = union(*(spans for _, spans in pages))
        times = tables.millis(columns, self.schema.time)
        if self.interval in (None, "1s"):
            covered = _worth_files(covered, times)
        try:
            cache.write(self.schema, self.symbol, self.interval, columns, covered, source="network")
        except CacheError as error:
            self._go_without(error)
            if self.is_reread:
                self._parts.append(self._narrow(columns))
        else:
            self._known, self._is_on_disk = union(self._known, covered), True
            self._plan_next(times)

    def _plan_next(self, times: Ms) -> None:
        """Wait for more pages while the file of one day grows: it is rewritten with every write."""
        self._saved_s = time.monotonic()
        if self.interval is None and len(times):
            day = int(times[-1]) // DAY_MS
            is_same = day == self._day
            self._save_at = min(self._save_at * 2, _SAVE_MOST) if is_same else _SAVE_EVERY
            self._day = day

    def _go_without(self, error: CacheError) -> None:
        if not self.is_kept:
            raise error
        self._cache = None
        warnings.warn(f"{error}; the rows are returned, not kept", RuntimeWarning, stacklevel=3)

    def rows(self) -> Columns:
        """Return all rows, sorted by key, each once: of equal keys the last that came."""
        return _joined(self._kept or self.schema, self._parts)

    async def reread(self, start_ms: int, end_ms: int) -> Columns | None:
        """Return all rows, those that were written from the cache; None when it has lost some.

        Raises:
            CacheError: when it cannot be read.
        """
        return await asyncio.to_thread(self._reread, start_ms, end_ms)

    def _reread(self, start_ms: int, end_ms: int) -> Columns | None:
        if self._source is not None and self._is_on_disk:
            columns, covered = self._read(self._source, start_ms, end_ms)
            if minus(clip(self._known, start_ms, end_ms), covered):
                return None
            self._parts.insert(0, columns)
        return self.rows()


def _worth_files(covered: Spans, times: Ms) -> Spans:
    """Return what is worth keeping of the covered time of a series that has a file for each day."""
    full = np.unique(times // DAY_MS).tolist()
    touched = sum((end - 1) // DAY_MS - start // DAY_MS + 1 for start, end in covered)
    if touched - len(full) <= _EMPTY_DAYS:
        return covered
    return union(*(clip(covered, day * DAY_MS, (day + 1) * DAY_MS) for day in full))


def _joined(schema: Schema, parts: list[Columns]) -> Columns:
    """Return the rows of parts that ascend, sorted by key, each once; a single part as it is."""
    some = [part for part in parts if tables.length(part)]
    if len(some) == 1:
        return some[0]
    # Pages do not overlap, as a rule: it is enough to put them in order.
    ordered = sorted(some, key=lambda part: int(part[schema.key][0]))
    keys = [part[schema.key] for part in ordered]
    is_apart = all(a[-1] < b[0] for a, b in pairwise(keys))
    return tables.unique(schema, tables.concat(schema, ordered if is_apart else some))
