"""One connection of the server: requests are answered in their order, and pings are sent."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bwsresearch.exchange.faults import Fault
from bwsresearch.protocol.session import Options, ServerSession, options
from bwsresearch.server.doors import Host, address, farewell
from bwsresearch.server.mischief import read_on, write

__all__ = ["Attendant"]

_WAITING: Final = 1000
"""Replies that a connection may have unread before its requests are left unread too."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a request is answered with, whether the connection ends with it, and what goes wrong."""

    text: bytes
    ends: bool
    fault: Fault | None = None


class Attendant:
    """One connection: reads requests, answers them in order, and pings."""

    def __init__(self, server: Host, connection: ServerConnection) -> None:
        self._server, self._connection = server, connection
        request = connection.request
        asked = options(urlsplit(request.path).query) if request else Options()
        self._session = ServerSession(asked, connected_since_ms=server.clock())
        self._replies: asyncio.Queue[tuple[float, _Reply]] = asyncio.Queue(_WAITING)

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
            reply = self._answer(frame)
            await self._replies.put((due, reply))
            if reply.fault is not None:
                await read_on(self._connection, reply.fault)

    def _answer(self, frame: str) -> _Reply:
        call = self._session.receive(frame)
        if isinstance(call, bytes):
            return _Reply(call, self._session.is_struck_out)
        gateway, clock, plan = self._server.gateway, self._server.clock, self._server.faults
        fault = plan.struck(call.method, clock()) if plan else None
        now_ms = clock()  # the fault may have moved it
        if fault is not None and not fault.is_executed:
            return _Reply(fault.answer(call.id_text, now_ms), fault.kind == "ban", fault)
        answer = gateway.handle(call, self._session, address(self._connection), now_ms)
        return _Reply(answer.text, answer.ends, fault)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            while True:
                due, reply = await self._replies.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                if reply.fault is None:
                    await self._connection.send(reply.text, text=True)
                else:
                    event = farewell(self._server.clock())
                    await write(self._connection, reply.fault, reply.text, event)
                if reply.ends:
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
