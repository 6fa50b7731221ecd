"""The server's clock, for those who do something at its times."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from bwsresearch.client.aio import AsyncClient
from bwsresearch.errors import BinanceError
from bwsresearch.protocol.methods import Time

__all__ = ["Pace", "ServerPace"]

_GOOD_FOR_S: Final = 600.0
_DISAGREE_S: Final = 1.0
_LOOK_UP_S: Final = 30.0


class Pace(Protocol):
    """A server's clock, and the wait for a time on it."""

    async def now(self) -> int:
        """Return the server's epoch milliseconds; a BinanceError when they cannot be had."""

    def about(self) -> int:
        """Return them as far as they are known."""

    async def until(self, time_ms: int) -> None:
        """Return when that time has come."""

    async def pause(self, seconds: float) -> None:
        """Return after so many seconds of this machine."""


@dataclass
class ServerPace:
    """The clock of a client's server: asked for now and then, and carried on by this machine's."""

    client: AsyncClient
    timeout_s: float
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _server_ms: float = 0.0
    _monotonic_s: float | None = None
    _wall_s: float = 0.0
    _asking: "asyncio.Task[None] | None" = field(default=None, repr=False)

    async def now(self) -> int:
        if self._monotonic_s is None or self._has_slept(self._monotonic_s):
            await self._ask()
        elif self.monotonic() - self._monotonic_s > _GOOD_FOR_S and self._asking is None:
            # Old, but right to some milliseconds: nothing waits for a better one.
            self._asking = asyncio.ensure_future(self._ask_again())
        return self.about()

    def about(self) -> int:
        return int(self._server_ms + (self.monotonic() - (self._monotonic_s or 0.0)) * 1000)

    async def until(self, time_ms: int) -> None:
        while (left := time_ms - self.about()) > 0:  # noqa: ASYNC110 - no event tells of a time
            await asyncio.sleep(min(left / 1000, _LOOK_UP_S))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _has_slept(self, since_s: float) -> bool:
        # The monotonic clock stands still while a machine sleeps.
        passed, wall = self.monotonic() - since_s, self.wall() - self._wall_s
        return abs(passed - wall) > _DISAGREE_S

    async def _ask_again(self) -> None:
        with contextlib.suppress(BinanceError):
            await self._ask()
        self._asking = None

    async def _ask(self) -> None:
        before = self.monotonic()
        server_ms = (await self.client.call(Time(), timeout=self.timeout_s)).server_time
        after = self.monotonic()
        # The reply was on its way for about half of the time.
        self._server_ms = server_ms + (after - before) * 500
        self._monotonic_s, self._wall_s = after, self.wall()
