"""An exchange in this process: what a socket would carry is handed over directly."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from bwsresearch.client.transport import Transport
from bwsresearch.errors import Disconnected
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Market
from bwsresearch.protocol.session import ServerSession

__all__ = [
    "MARKET_HEADER",
    "RECORDED_HEADER",
    "LocalEndpoint",
    "Onward",
    "Standing",
    "live_clock",
    "running_from",
]

MARKET_HEADER: Final = "x-bws-market"
RECORDED_HEADER: Final = "x-bws-recorded"


def live_clock() -> int:
    """Return this machine's epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Onward:
    """A clock that never runs back, not behind an earlier run either.

    One that `is_movable` shows a time of somebody's choice, and so can go on from another; the others
    stand still until their time has come.
    """

    clock: Callable[[], int]
    is_movable: bool = False
    _ahead_ms: int = 0
    _shown_ms: int = 0

    def __call__(self) -> int:
        """Return epoch milliseconds."""
        self._shown_ms = max(self._shown_ms, self.clock() + self._ahead_ms)
        return self._shown_ms

    def go_on_from(self, time_ms: int) -> None:
        """Show no earlier time from now on."""
        if self.is_movable:
            self._ahead_ms = max(0, time_ms - self.clock())
        self._shown_ms = max(self._shown_ms, time_ms)


def running_from(start: dt.datetime, ticking: Callable[[], int] = time.monotonic_ns) -> Onward:
    """Return a clock that shows `start` now and runs on; `ticking` counts nanoseconds."""
    zero = ticking() - int(start.timestamp() * 1_000_000_000)
    return Onward(lambda: (ticking() - zero) // 1_000_000, is_movable=True)


@dataclass(slots=True)
class Standing:
    """A clock that stands at `now_ms` until it is moved, and is never moved back."""

    now_ms: int = 0

    def __call__(self) -> int:
        """Return epoch milliseconds."""
        return self.now_ms

    def to(self, time_ms: int) -> None:
        """Show a time from now on; one that has passed already changes nothing."""
        self.now_ms = max(self.now_ms, time_ms)


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """An exchange in this process: the same protocol and limits, without a socket.

    `api_key` is a key that the exchange knows; its connections are logged on with it.
    """

    gateway: Gateway
    clock: Callable[[], int] = live_clock
    api_key: str | None = field(default=None, repr=False)
    is_production: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What reprs call it."""
        return "local"

    async def connect(self) -> Transport:
        """Open a connection to it."""
        refusal = self.gateway.connect("local", self.clock())
        if refusal is not None:
            raise Disconnected(f"the local exchange refused: {refusal.body.msg}")
        session = ServerSession(connected_since_ms=self.clock())
        if self.api_key is not None:
            session.log_on(self.api_key, self.clock())
        return _InProcess(self.gateway, self.clock, session)


@dataclass
class _InProcess:
    """A Transport whose other end is a gateway."""

    gateway: Gateway
    clock: Callable[[], int]
    _session: ServerSession
    _frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _is_closed: bool = False

    @property
    def is_vouched_for(self) -> bool:
        """Whether it is logged on already."""
        return self._session.is_logged_on

    @property
    def headers(self) -> Mapping[str, str]:
        """What a handshake would tell."""
        return {
            MARKET_HEADER: self.gateway.market.identity,
            RECORDED_HEADER: _recorded(self.gateway.market),
        }

    async def send(self, frame: bytes) -> None:
        if self._is_closed:
            raise _closed()
        call = self._session.receive(frame)
        if isinstance(call, bytes):
            self._frames.put_nowait(call)
            if self._session.is_struck_out:
                await self.close()
            return
        answer = self.gateway.handle(call, self._session, "local", self.clock())
        self._frames.put_nowait(answer.text)
        if answer.ends:
            await self.close()
        await asyncio.sleep(0)  # answering takes time: let others on this loop have theirs

    async def receive(self) -> bytes:
        if self._is_closed and self._frames.empty():
            raise _closed()
        frame = await self._frames.get()
        if frame is None:
            raise _closed()
        return frame

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._frames.put_nowait(None)


def _closed() -> Disconnected:
    return Disconnected("the local exchange closed the connection")


def _recorded(market: Market) -> str:
    return ";".join(f"{name}={','.join(what)}" for name, what in market.recorded.items())
