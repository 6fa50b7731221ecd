"""Many requests as one download: so many in flight, a pause when limited, nothing lost on the way."""

import asyncio
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from bwsresearch import tables
from bwsresearch.cache import Cache, Spans, default_root
from bwsresearch.cache.spans import union
from bwsresearch.client.aio import AsyncClient
from bwsresearch.errors import Banned, CacheError, RateLimited
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import CacheMode
from bwsresearch.protocol.request import Request
from bwsresearch.tables import Columns, Schema

__all__ = ["Job", "Lane", "Series", "as_in_flight", "opened"]

_SAVE_EVERY: Final = 128
"""Pages between two writes: a month's file is rewritten once, not once a page."""
_MOST_IN_FLIGHT: Final = 100

Job = Callable[[], Awaitable[None]]


def as_in_flight(value: int) -> int:
    """Return `value` if it is a number of requests; a ValueError otherwise."""
    if not 1 <= value <= _MOST_IN_FLIGHT:
        raise ValueError(f"in_flight is {value!r}, must be 1 to {_MOST_IN_FLIGHT}; 16 is plenty")
    return value


@dataclass
class Lane:
    """The requests of one download: at most `in_flight` at once, together paused by a 429."""

    client: AsyncClient
    progress: Progress
    in_flight: int = 16
    timeout: float | None = None
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    async def raw(self, request: Request[Any]) -> bytes:
        """Return the JSON text of the result; a rate limit is waited for as long as it says."""
        while True:
            await self._open.wait()
            try:
                return await self.client.raw(request, timeout=self.timeout)
            except Banned:
                raise
            except RateLimited as error:
                if error.retry_after is None:
                    raise
                await self._pause(error.retry_after)

    async def _pause(self, seconds: float) -> None:
        if not self._open.is_set():
            return
        self._open.clear()
        try:
            self.progress.note(f"limit reached, waiting {seconds:.0f} s")
            await asyncio.sleep(seconds)
        finally:
            self._open.set()

    async def run(self, jobs: Iterable[Job]) -> None:
        """Run all jobs; the first failure cancels the others and is raised."""
        queue = iter(jobs)
        workers = [asyncio.ensure_future(_work(queue)) for _ in range(self.in_flight)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _work(queue: Iterator[Job]) -> None:
    for job in queue:
        await job()


@dataclass
class Series:
    """The rows of one symbol as they come in, and what of them is not yet in the cache."""

    schema: Schema
    symbol: str
    interval: str | None
    cache: Cache | None
    parts: list[Columns] = field(default_factory=list)
    fetched: int = 0
    _unsaved: list[tuple[Columns, Spans]] = field(default_factory=list)
    _saving: threading.Lock = field(default_factory=threading.Lock)

    async def add(self, columns: Columns, covered: Spans) -> None:
        """Take the rows of a page and the time that they cover; write them now and then."""
        self.parts.append(columns)
        self.fetched += 1
        if self.cache is not None:
            self._unsaved.append((columns, covered))
            if len(self._unsaved) >= _SAVE_EVERY:
                await asyncio.to_thread(self.save)

    def save(self) -> None:
        """Write what is not in the cache yet; rows in memory are worth more than a full disk."""
        # In the order of arrival: a page's coverage may rest on the rows of the one before it.
        with self._saving:
            pages, self._unsaved = self._unsaved, []
            if self.cache is not None and pages:
                self._write(self.cache, pages)

    def _write(self, cache: Cache, pages: list[tuple[Columns, Spans]]) -> None:
        columns = tables.concat(self.schema, [part for part, _ in pages])
        covered = union(*(spans for _, spans in pages))
        try:
            cache.write(self.schema, self.symbol, self.interval, columns, covered, source="network")
        except CacheError as error:
            self.cache = None
            warnings.warn(f"{error}; the rows are returned, not kept", RuntimeWarning, stacklevel=2)

    def rows(self) -> Columns:
        """Return all rows, sorted by key, each once."""
        columns = tables.concat(self.schema, self.parts)
        return tables.unique(self.schema, columns)


def opened(mode: CacheMode, server: str) -> Cache | None:
    """Return the cache of that server, None when it is not to be used."""
    return None if mode is False else Cache(default_root(), server)
