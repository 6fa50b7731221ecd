"""Many requests as one download: so many in flight, and a pause for all when a limit is reached."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.sync import Client
from bwsresearch.errors import BadSymbol, Banned, BinanceError, RateLimited, ServerError
from bwsresearch.history.clock import server_now
from bwsresearch.history.progress import Progress
from bwsresearch.history.retries import Patience, chosen
from bwsresearch.history.window import Window
from bwsresearch.local import default_client, server_of
from bwsresearch.protocol.request import Request
from bwsresearch.tables import BadRow

__all__ = ["Job", "Lane", "as_in_flight", "as_timeout", "asked", "connection_of", "counted"]

T = TypeVar("T")

_MOST_IN_FLIGHT: Final = 100
_LEAST_PAUSE_S: Final = 0.1
"""Also when a server says 0: a refused request is never repeated as fast as it can be sent."""

Job = Callable[[], Awaitable[None]]

counted: ContextVar[list[str] | None] = ContextVar("counted", default=None)
"""Where the methods that are asked for rows are noted, by who wants to know their number."""


def as_in_flight(value: object) -> int:
    """Return `value` if it is a number of requests; a ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_IN_FLIGHT:
        raise ValueError(f"in_flight is {value!r}, must be 1 to {_MOST_IN_FLIGHT}; 16 is plenty")
    return value


def as_timeout(value: object) -> float | None:
    """Return `value` if it is a number of seconds or None; a ValueError otherwise."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and value > 0:
        return float(value)
    raise ValueError(
        f"timeout is {value!r}, must be seconds above 0; leave it out for the client's"
    )


def connection_of(client: Client | None) -> AsyncClient:
    """Return the connection of a client, of the default one when it is None."""
    chosen = default_client() if client is None else client
    if not isinstance(chosen, Client):
        raise TypeError(f"client is {client!r}, must be what bws.connect(…) returned")
    return chosen.aio


async def asked(
    client: AsyncClient,
    request: Request[Any],
    timeout: float | None,
    on_wait: Callable[[float], object] | None = None,
) -> bytes:
    """Return the JSON text of a result; what the exchange does not know is named in the error."""
    if (noted := counted.get()) is not None:
        noted.append(request.method)
    try:
        return await client.raw(request, timeout=timeout, on_wait=on_wait)
    except BadSymbol as error:
        error.hint = f"{request.sent().get('symbol')} was asked for; {error.hint}"
        raise


@dataclass
class Lane:
    """The requests of one download: at most `in_flight` at once, together paused by a 429.

    Replies that queue on a thin line narrow it, see `Window`. What fails is asked again, see
    `Retries`. `page` is how many rows one request asks for.
    """

    client: AsyncClient
    progress: Progress
    in_flight: int = 16
    timeout: float | None = None
    _: KW_ONLY
    page: int = 1000
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _noted_s: float = -math.inf

    def __post_init__(self) -> None:
        self._open.set()
        self._window = Window(self.in_flight)

    async def rows(self, request: Request[Any], decode: Callable[[bytes], T]) -> T:
        """Return the rows of the result, as `answer` does; `decode` raises for what are none.

        Raises:
            ServerError: when the result is no rows.
        """

        async def read() -> T:
            text = await self._timed(request)
            try:
                return decode(text)
            except (BadRow, msgspec.DecodeError) as error:
                raise ServerError(
                    f"the server sent a broken page: {error}", method=request.method
                ) from None

        return await self.answer(read)

    async def text(self, request: Request[Any]) -> bytes:
        """Return the JSON text of the result, as `answer` does."""
        return await self.answer(lambda: self._timed(request))

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask` returns, which only reads and may run several times.

        A rate limit is waited for as long as it says; what fails otherwise is tried again as
        the client's `Retries` allow.
        """
        seconds = self.client.timeout if self.timeout is None else self.timeout
        patience = Patience(chosen(self.client), self.client, seconds)
        while True:
            await self._open.wait()
            try:
                async with self._window.place():
                    return await ask()
            except Banned:
                raise
            except RateLimited as error:
                if error.retry_after is None:
                    raise
                await self._pause(max(error.retry_after, _LEAST_PAUSE_S))
            except BinanceError as error:
                await patience.endure(error)

    async def server(self) -> str:
        """Return the name under which the server's rows are cached."""
        return await self.answer(partial(server_of, self.client))

    async def now(self) -> int:
        """Return the server's epoch milliseconds."""
        return await self.answer(partial(server_now, self.client, self.timeout))

    async def _timed(self, request: Request[Any]) -> bytes:
        waits: list[float] = []

        def note(seconds: float) -> None:
            waits.append(seconds)
            self._note_wait(seconds)

        began_s = self.client.clock()
        text = await asked(self.client, request, self.timeout, note)
        if not waits:
            self._window.replied(self.client.clock() - began_s)
        return text

    def _note_wait(self, seconds: float) -> None:
        """Say once a second for all that the limit is waited for."""
        if (now_s := time.monotonic()) < self._noted_s + 1:
            return
        self._noted_s = now_s
        used = self.client.weight
        full = f"weight {used.count:,}/{used.limit:,} used, " if used else ""
        self.progress.note(f"{full}waiting {seconds:.0f} s")

    async def _pause(self, seconds: float) -> None:
        if not self._open.is_set():
            return
        self._open.clear()
        try:
            self.progress.note(f"limit reached, waiting {seconds:.0f} s")
            await asyncio.sleep(seconds)
        finally:
            self._open.set()

    def arrived(self, rows: int) -> None:
        """Count a page that came, and show what it took."""
        self.progress.arrived(rows, weight=self.client.weight)

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
