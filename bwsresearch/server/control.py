"""The control port: it alone moves the clock of an exchange that replays a market.

Plain TCP on loopback, outside the API: one JSON object per line each way. `{"to": epoch_ms}` moves the
clock, never back, and is answered with `{"now": epoch_ms}` when it is that time; `{}` asks for it. What
is neither is answered with `{"error": "…"}`, and ends the connection: a web page's request is such.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

import msgspec

__all__ = ["LOOPBACK", "Movable", "controlled"]

LOOPBACK: Final = "127.0.0.1"
_MOST_BYTES: Final = 256
_MOST_MS: Final = 2**43
"""The year 2248; later times are a mistake of units."""


class Movable(Protocol):
    """A clock that stands until it is moved."""

    def __call__(self) -> int:
        """Return epoch milliseconds."""

    def to(self, time_ms: int) -> None:
        """Show a time from now on; one that has passed already changes nothing."""


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    to: int | None = None


_DECODER: Final = msgspec.json.Decoder(_Asked)


class _Hand(asyncio.Protocol):
    """One connection: every line is answered as it comes."""

    def __init__(self, clock: Movable) -> None:
        self._clock, self._rest = clock, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP has no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        answers, fault = [], ""
        for line in lines:
            fault = self._moved(line)
            if fault:
                break
            answers.append(b'{"now":%d}\n' % self._clock())
        if len(self._rest) > _MOST_BYTES:
            fault = f"the line is longer than {_MOST_BYTES} bytes"
        assert self._transport is not None  # noqa: S101 - it has brought the data
        if fault:
            answers.append(msgspec.json.encode({"error": fault}) + b"\n")
        self._transport.write(b"".join(answers))
        if fault:
            self._transport.close()

    def _moved(self, line: bytes) -> str:
        """Do what a line asks for; return why that cannot be."""
        try:
            to = _DECODER.decode(line).to
        except msgspec.DecodeError as error:
            return f'{error}; a line is {{"to": epoch_ms}}, or {{}} to ask for the time'
        if to is None:
            return ""
        if not self._clock() <= to <= _MOST_MS:
            return f"to is {to}, but it is {self._clock()} and the clock never runs back"
        self._clock.to(to)
        return ""


@contextlib.asynccontextmanager
async def controlled(clock: Movable, port: int) -> AsyncIterator[int]:
    """Let a port of loopback move a clock until the block is left; yield the port.

    Raises:
        OSError: when the port cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Hand(clock), LOOPBACK, port)
    async with server:
        yield server.sockets[0].getsockname()[1]
