"""Books asked for at regular times by the server's clock, and kept: what a recorder does all day.

The times are the multiples of the cadence since the epoch. A book is asked for at its time and not
again: what does not come is missed. Rows reach the disk every ten seconds, and the files of the cache
every five minutes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bwsresearch import tables
from bwsresearch.client.aio import AsyncClient
from bwsresearch.errors import (
    Banned,
    BwsError,
    CacheError,
    Disconnected,
    RateLimited,
    ServerError,
    Timeout,
)
from bwsresearch.history.download import asked
from bwsresearch.history.keeping import Shelf
from bwsresearch.history.pace import Pace
from bwsresearch.local import server_of
from bwsresearch.protocol.methods import Depth
from bwsresearch.store import Cache, default_root
from bwsresearch.tables import BadRow
from bwsresearch.times import TimeLike, epoch_ms, iso

__all__ = ["FLUSH_MS", "MERGE_MS", "Plan", "Recording"]

FLUSH_MS: Final = 10_000
MERGE_MS: Final = 300_000
_PATIENCE_MS: Final = 600_000
"""For so long rows wait in memory for a disk that takes none."""
_PAUSE_S: Final = 1.0
_TRANSIENT: Final = (Disconnected, Timeout, ServerError, RateLimited)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is recorded. `until` is a time, or milliseconds from the beginning on in `lasts_ms`."""

    symbols: tuple[str, ...]
    every_ms: int
    limit: int
    timeout_s: float
    until: TimeLike | None = None
    lasts_ms: int | None = None

    def end_ms(self, now_ms: int) -> int | None:
        """Return when it ends if it begins now; None for never.

        Raises:
            ValueError: when that has passed.
        """
        if self.lasts_ms is not None:
            return now_ms + self.lasts_ms
        if self.until is None:
            return None
        end_ms = epoch_ms(self.until, now_ms, name="until")
        if end_ms <= now_ms:
            raise ValueError(
                f"until is {iso(end_ms)}, but the server's time is {iso(now_ms)}; give a later one"
            )
        return end_ms


@dataclass
class Recording:
    """One run on the client's loop. What it counts may be read from any thread.

    Attributes:
        samples: books that came, of all symbols.
        late: those of them that came after the next one was due.
        missed: books that were due and did not come.
        last_error: why the last of those did not come, "" when all did.
        grace_s: how long the end waits for books that were asked for.
        error: what ended the run, None while it goes well.
    """

    plan: Plan
    client: AsyncClient
    pace: Pace
    grace_s: float = 2.0
    samples: int = 0
    late: int = 0
    missed: int = 0
    last_error: str = ""
    error: BaseException | None = None
    in_flight: "set[asyncio.Task[None]]" = field(default_factory=set)
    shelf: Shelf | None = None
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _keeping: "asyncio.Task[None] | None" = None
    _silent_until_ms: int = 0
    _flushed_ms: int = 0
    _merged_ms: int = 0

    def stop(self) -> None:
        """Ask for no more books; `run` then ends by itself. To be called on the loop."""
        self._stopped.set()

    async def run(self) -> None:
        """Record until the end; what came is in the cache when this is over, or cancelled."""
        try:
            await self._ask_on_time()
            if self.in_flight:
                await asyncio.wait(self.in_flight, timeout=self.grace_s)
        except (BwsError, ValueError) as error:
            self._fail(error)
        finally:
            for task in self.in_flight:
                task.cancel()
            if self.shelf is not None:
                await self._close(self.shelf)

    async def _close(self, shelf: Shelf) -> None:
        try:
            await asyncio.to_thread(shelf.close)
        except CacheError as error:
            self._fail(error)
        except (asyncio.CancelledError, RuntimeError):
            shelf.close()  # at the end of the process there are no threads any more

    async def _ask_on_time(self) -> None:
        now = await self._patiently(self._begin)
        end_ms = None if now is None else self.plan.end_ms(now)
        step = self.plan.every_ms
        at = -(-(now or 0) // step) * step
        self._flushed_ms = self._merged_ms = at
        while (end_ms is None or at < end_ms) and await self._has_come(at):
            if (now := await self._patiently(self.pace.now)) is None:
                return
            if (due := now // step * step) > at:  # the machine has slept, or was too busy
                due = due if end_ms is None else min(due, -(-end_ms // step) * step)
                self.missed += (due - at) // step * len(self.plan.symbols)
                at = due
                continue
            self._keep(at)
            self._ask_all(at)
            at += step

    async def _begin(self) -> int:
        """Connect, and learn whose books these are and what time it is there."""
        server = await server_of(self.client)
        self.shelf = Shelf(Cache(default_root(), server), self.plan.every_ms)
        return await self.pace.now()

    async def _patiently(self, function: Callable[[], Awaitable[R]]) -> R | None:
        """Call again for as long as the way is blocked; None when stopped."""
        while not self._stopped.is_set():
            try:
                return await function()
            except Banned:
                raise
            except _TRANSIENT as error:
                self.last_error = str(error)
                seconds = getattr(error, "retry_after", None) or _PAUSE_S
            await self._unless_stopped(self.pace.pause(max(seconds, _PAUSE_S)))
        return None

    async def _has_come(self, at: int) -> bool:
        """Wait for a time; False when stopped before."""
        if not self._stopped.is_set():
            await self._unless_stopped(self.pace.until(at))
        return not self._stopped.is_set()

    async def _unless_stopped(self, wait: Awaitable[None]) -> None:
        both = [asyncio.ensure_future(wait), asyncio.ensure_future(self._stopped.wait())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()

    def _ask_all(self, at: int) -> None:
        if at < self._silent_until_ms:
            self.missed += len(self.plan.symbols)
            return
        for symbol in self.plan.symbols:
            self._spawn(self._ask(symbol, at))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self.in_flight.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.in_flight.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _ask(self, symbol: str, due_ms: int) -> None:
        """Get one book; one that does not come is missed."""
        request_ms = self.pace.about()
        try:
            request = Depth(symbol, limit=self.plan.limit)
            text = await asked(self.client, request, self.plan.timeout_s)
            reply_ms = self.pace.about()
            rows = tables.decode_book(text, due_ms=due_ms, request_ms=request_ms, reply_ms=reply_ms)
        except Banned:
            self.missed += 1
            raise
        except (*_TRANSIENT, BadRow) as error:
            self._miss(error, due_ms)
            return
        self.samples += 1
        self.late += reply_ms > due_ms + self.plan.every_ms
        if self.shelf is not None:
            self.shelf.add(symbol, due_ms, rows)

    def _miss(self, error: Exception, due_ms: int) -> None:
        self.missed += 1
        self.last_error = str(error)
        if isinstance(error, RateLimited):
            seconds = max(error.retry_after or 0.0, _PAUSE_S)
            self._silent_until_ms = max(
                self._silent_until_ms, due_ms + int(seconds * 1000), self.pace.about()
            )

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.stop()

    def _keep(self, at: int) -> None:
        """Bring rows to the disk when it is time for it, in another thread."""
        if at - self._flushed_ms < FLUSH_MS or self.shelf is None:
            return
        if self._keeping is None or self._keeping.done():
            self._keeping = self._spawn(self._keep_now(self.shelf, at))

    async def _keep_now(self, shelf: Shelf, at: int) -> None:
        is_to_merge = at - self._merged_ms >= MERGE_MS
        try:
            await asyncio.to_thread(shelf.merge if is_to_merge else shelf.flush, at)
        except CacheError as error:
            if at - self._flushed_ms > _PATIENCE_MS:
                raise
            self.last_error = str(error)
            return
        self._flushed_ms = at
        self._merged_ms = at if is_to_merge else self._merged_ms
