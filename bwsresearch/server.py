"""A WebSocket server around an exchange: handshakes, frames, pings and the end of connections.

Requests of a connection are answered in their order. An added latency overlaps: each reply leaves
that long after its request came. Source: web-socket-api.md, "General API information".
"""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import ssl as tls
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bwsresearch import heap
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.session import Options, ServerSession, options

__all__ = ["PATH", "Server", "hosted", "run", "serve"]

PATH: Final = "/ws-api/v3"
_LOG: Final = logging.getLogger(__name__)
_LOG.setLevel(logging.WARNING)  # at DEBUG websockets writes frames, which have keys and signatures
_WAITING: Final = 1000
"""Replies that a connection may have unread before its requests are left unread too."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Clock = Callable[[], int]
"""Epoch milliseconds."""


@dataclass
class Server:
    """A running server: where it is, and who is connected."""

    gateway: Gateway
    clock: Clock
    latency_ms: float
    scheme: str
    host: str
    loop: asyncio.AbstractEventLoop
    port: int = 0
    connections: int = 0
    _open: set[ServerConnection] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address that clients connect to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{PATH}"

    @property
    def open_connections(self) -> int:
        """How many are connected now."""
        return len(self._open)

    def drop(self) -> None:
        """Cut all connections without a good-bye, as a network does that fails; from any thread."""
        self.loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for connection in tuple(self._open):
            connection.transport.abort()

    def admitted(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return what a handshake is refused with, None when it is let in."""
        parts = urlsplit(request.path)
        if parts.path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"the API is at {PATH}\n")
        if _is_of_a_web_page(request):
            return connection.respond(HTTPStatus.FORBIDDEN, "web pages may not connect\n")
        try:
            options(parts.query)
        except Refusal as refusal:
            return _refused(connection, refusal)
        refusal_or_none = self.gateway.connect(_address(connection), self.clock())
        return None if refusal_or_none is None else _refused(connection, refusal_or_none)

    def greeted(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response:
        """Add what our own client wants to know; others ignore it."""
        del connection, request
        market = self.gateway.market
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            response.headers["x-mbx-uuid"] = str(uuid.uuid4())
            response.headers["x-bws-market"] = market.identity
            recorded = (f"{name}={','.join(what)}" for name, what in market.recorded.items())
            if text := ";".join(recorded):
                response.headers["x-bws-recorded"] = text
        return response

    async def attend(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        self.connections += 1
        self._open.add(connection)
        try:
            async with asyncio.timeout(self.gateway.config.net.max_lifetime):
                await _Attendant(self, connection).work()
        except TimeoutError:
            await connection.close(1001, "the connection has lived its time")
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(connection)

    async def say_goodbye(self) -> None:
        """Announce the end to every connection, and give it the time to leave."""
        event = b'{"event":{"e":"serverShutdown","E":%d}}' % self.clock()
        leaving = [asyncio.ensure_future(_dismissed(one, event)) for one in self._open]
        if leaving:
            await asyncio.wait(leaving, timeout=self.gateway.config.net.shutdown_lead)
        for one in leaving:
            one.cancel()


class _Attendant:
    """One connection: reads requests, answers them in order, and pings."""

    def __init__(self, server: Server, connection: ServerConnection) -> None:
        self._server, self._connection = server, connection
        request = connection.request
        asked = options(urlsplit(request.path).query) if request else Options()
        self._session = ServerSession(asked, connected_since_ms=server.clock())
        self._replies: asyncio.Queue[tuple[float, bytes, bool]] = asyncio.Queue(_WAITING)

    async def work(self) -> None:
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
        answer = gateway.handle(call, self._session, _address(self._connection), now_ms)
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


async def _dismissed(connection: ServerConnection, event: bytes) -> None:
    """Send the last event and wait for the client to leave; one that does not read never does."""
    with contextlib.suppress(ConnectionClosed):
        await connection.send(event, text=True)
    await connection.wait_closed()


def _is_of_a_web_page(request: Request) -> bool:
    """Whether a browser opened the connection for a page: any page may try to reach this machine.

    Some clients send the server's own address as their origin. A name is not taken for that: one
    that its owner lets point here makes a page's origin equal to the host.
    """
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    if origin is None:
        return False
    name = urlsplit(f"//{host}").hostname or ""
    return urlsplit(origin).netloc != host or not (_is_address(name) or name == "localhost")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _address(connection: ServerConnection) -> str:
    peer = connection.remote_address
    return str(peer[0]) if peer else ""


def _refused(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(
        HTTPStatus(refusal.status), msgspec.json.encode(refusal.body).decode()
    )
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json;charset=UTF-8"
    data = refusal.body.data
    if isinstance(data, dict):
        seconds = max(0, int(data["retryAfter"]) - int(data["serverTime"])) // 1000
        response.headers["Retry-After"] = str(seconds)
    return response


@contextlib.asynccontextmanager
async def serve(
    gateway: Gateway,
    *,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    latency_ms: float = 0.0,
    ssl: tls.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Serve `gateway` until the block is left; port 0 takes any free one.

    Raises:
        OSError: when the address cannot be listened on.
    """
    heap.keep()
    scheme, loop = "wss" if ssl else "ws", asyncio.get_running_loop()
    server = Server(gateway, clock, latency_ms, scheme, host, loop)
    listener: Listener
    async with listen(
        server.attend,
        host,
        port,
        ssl=ssl,
        process_request=server.admitted,
        process_response=server.greeted,
        max_size=gateway.config.net.max_frame,
        ping_interval=None,  # ours have the exchange's payload
        close_timeout=1.0,
        logger=_LOG,
        server_header=None,
    ) as listener:
        server.port = next(iter(listener.sockets)).getsockname()[1]
        yield server


@contextlib.contextmanager
def hosted(
    gateway: Gateway,
    *,
    clock: Clock,
    latency_ms: float = 0.0,
    ssl: tls.SSLContext | None = None,
) -> Iterator[Server]:
    """Serve `gateway` from a thread of its own, on any free port, until the block is left."""
    box: list[Server | OSError] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    leave = asyncio.Event()

    async def work() -> None:
        try:
            async with serve(gateway, clock=clock, latency_ms=latency_ms, ssl=ssl) as server:
                box.append(server)
                started.set()
                await leave.wait()
        except OSError as error:
            box.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()), daemon=True)
    thread.start()
    started.wait()
    first = box[0]
    try:
        if isinstance(first, OSError):
            raise first
        yield first
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join()
        loop.close()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - who started the server waits for this line


async def run(
    gateway: Gateway,
    *,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 9443,
    latency_ms: float = 0.0,
    ssl: tls.SSLContext | None = None,
    say: Callable[[str], None] = _say,
) -> None:
    """Serve until SIGINT or SIGTERM, saying `listening on …` when ready."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with serve(
            gateway, clock=clock, host=host, port=port, latency_ms=latency_ms, ssl=ssl
        ) as server:
            say(f"listening on {server.url}")
            await stop.wait()
            await server.say_goodbye()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
