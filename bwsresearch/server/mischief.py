"""The faults of a plan acted out on a connection: what a bad network or a bad server would do."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final

from websockets.asyncio.server import ServerConnection

from bwsresearch.exchange.faults import Fault

__all__ = ["read_on", "write"]

_PIECES: Final = 8
_SMALLEST: Final = 1
"""Bytes of a receive buffer; the system takes the least that it can, some kilobytes."""


async def read_on(connection: ServerConnection, fault: Fault) -> None:
    """Return when the next request may be read."""
    match fault.kind:
        case "stuck":
            connection.transport.pause_reading()
            await _until_closed(connection, fault.seconds)
            connection.transport.abort()
        case "slow_read":
            with _small_window(connection):
                for _ in range(_PIECES):
                    connection.transport.pause_reading()
                    await asyncio.sleep(fault.seconds / _PIECES)
                    connection.transport.resume_reading()
                    await asyncio.sleep(0)
        case _:
            pass


async def write(connection: ServerConnection, fault: Fault, text: bytes, event: bytes) -> None:
    """Send a reply as the fault lets; `event` announces the end of the server.

    Returns when the next reply may be sent: never after what has ended all writing.
    """
    match fault.kind:
        case "drop_unread" | "drop" | "refuse":
            connection.transport.abort()
        case "cut_frame":
            connection.transport.write(_half_a_frame(text))
            connection.transport.close()
        case "fin":
            connection.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            await connection.wait_closed()
        case "stuck":
            await connection.wait_closed()
        case "silence":
            pass
        case "shutdown":
            await _shut_down(connection, fault, text, event)
        case _:
            await _send(connection, fault, text)


async def _send(connection: ServerConnection, fault: Fault, text: bytes) -> None:
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
            await connection.send(text, text=True)
        case "slow_write":
            await connection.send(_pieces(text, fault.seconds), text=True)
        case "drop_after":
            await connection.send(text, text=True)
            connection.transport.abort()
        case _:
            await connection.send(fault.spoilt(text), text=True)


async def _shut_down(connection: ServerConnection, fault: Fault, text: bytes, event: bytes) -> None:
    await connection.send(event, text=True)
    if fault.seconds:
        await connection.send(text, text=True)
        _close_in(connection, fault.seconds)
    else:
        await connection.close(1001, "the server shuts down")


async def _until_closed(connection: ServerConnection, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await connection.wait_closed()


@contextlib.contextmanager
def _small_window(connection: ServerConnection) -> Iterator[None]:
    """Let the system take little of what the client sends."""
    line = connection.transport.get_extra_info("socket")
    before = line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALLEST)
    try:
        yield
    finally:
        if not connection.transport.is_closing():
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, before // 2)


def _half_a_frame(text: bytes) -> bytes:
    """Return the beginning of a WebSocket frame that says that all of `text` follows."""
    # RFC 6455, 5.2: final, text, not masked; the length in 8 bytes.
    return b"\x81\x7f" + len(text).to_bytes(8, "big") + text[: len(text) // 2]


async def _pieces(text: bytes, seconds: float) -> AsyncIterator[bytes]:
    """Yield the fragments of a message that takes so long."""
    size = -(-len(text) // _PIECES)
    for at in range(0, len(text), size):
        await asyncio.sleep(seconds / _PIECES)
        yield text[at : at + size]


_LEAVING: Final[set[asyncio.Task[None]]] = set()
"""A loop holds its tasks weakly."""


def _close_in(connection: ServerConnection, seconds: float) -> None:
    async def leave() -> None:
        await _until_closed(connection, seconds)
        await connection.close(1001, "the server shuts down")

    task = asyncio.ensure_future(leave())
    _LEAVING.add(task)
    task.add_done_callback(_LEAVING.discard)
