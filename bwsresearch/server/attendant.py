"""One connection of the server: requests are answered in their order, and pings are sent."""

import asyncio
import contextlib
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bwsresearch.protocol.session import Options, ServerSession, options
from bwsresearch.server.doors import Host, address

__all__ = ["Attendant"]

_WAITING: Final = 1000
"""Replies that a connection may have unread before its requests are left unread too."""


class Attendant:
    """One connection: reads requests, answers them in order, and pings."""

    def __init__(self, server: Host, connection: ServerConnection) -> None:
        self._server, self._connection = server, connection
        request = connection.request
        asked = options(urlsplit(request.path).query) if request else Options()
        self._session = ServerSession(asked, connected_since_ms=server.clock())
        self._replies: asyncio.Queue[tuple[float, bytes, bool]] = asyncio.Queue(_WAITING)

    async def work(self) -> None:
        """Serve until the connection ends."""
        helpers = [asyncio.ensure_future(self._send()), asyncio.ensure_future(self._ping())]
        try:
            await self._read()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _read(self) -> None:
        loop, latency = asyncio.get_running_loop(), self._server.latency_ms / 1000
        async for frame in self._connection:
            due = loop.time() + latency
            if isinstance(frame, bytes):
                await self._connection.close(1003, "requests are text")
                return
            text, ends = self._answer(frame)
            await self._replies.put((due, text, ends))

    def _answer(self, frame: str) -> tuple[bytes, bool]:
        call = self._session.receive(frame)
        if isinstance(call, bytes):
            return call, self._session.is_struck_out
        gateway, now_ms = self._server.gateway, self._server.clock()
        answer = gateway.handle(call, self._session, address(self._connection), now_ms)
        return answer.text, answer.ends

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            while True:
                due, text, ends = await self._replies.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                await self._connection.send(text, text=True)
                if ends:
                    await self._connection.close(1008, "disconnected")

    async def _ping(self) -> None:
        net = self._server.gateway.config.net
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(net.ping_interval)
                pong = await self._connection.ping(str(self._server.clock()))
                try:
                    await asyncio.wait_for(pong, net.pong_timeout)
                except TimeoutError:
                    await self._connection.close(1011, "no pong")
