"""The server itself: where it listens, who is connected, and how it begins and ends."""

import asyncio
import contextlib
import logging
import signal
import ssl as tls
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed

from bwsresearch import heap
from bwsresearch.exchange.faults import FaultPlan
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.server.attendant import Attendant
from bwsresearch.server.control import LOOPBACK, Movable, controlled
from bwsresearch.server.doors import PATH, Clock, admitted, farewell, greeted

__all__ = ["Server", "hosted", "run", "serve"]

_LOG: Final = logging.getLogger(__name__)
_LOG.setLevel(logging.WARNING)  # at DEBUG websockets writes frames, which have keys and signatures
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Server:
    """A running server: where it is, and who is connected."""

    gateway: Gateway
    clock: Clock
    latency_ms: float
    scheme: str
    host: str
    loop: asyncio.AbstractEventLoop
    faults: FaultPlan | None = None
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

    async def attend(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        self.connections += 1
        self._open.add(connection)
        try:
            async with asyncio.timeout(self.gateway.config.net.max_lifetime):
                await Attendant(self, connection).work()
        except TimeoutError:
            await connection.close(1001, "the connection has lived its time")
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(connection)

    async def say_goodbye(self) -> None:
        """Announce the end to every connection, and give it the time to leave."""
        event = farewell(self.clock())
        leaving = [asyncio.ensure_future(_dismissed(one, event)) for one in self._open]
        if leaving:
            await asyncio.wait(leaving, timeout=self.gateway.config.net.shutdown_lead)
        for one in leaving:
            one.cancel()


async def _dismissed(connection: ServerConnection, event: bytes) -> None:
    """Send the last event and wait for the client to leave; one that does not read never does."""
    with contextlib.suppress(ConnectionClosed):
        await connection.send(event, text=True)
    await connection.wait_closed()


@contextlib.asynccontextmanager
async def serve(
    gateway: Gateway,
    *,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    latency_ms: float = 0.0,
    ssl: tls.SSLContext | None = None,
    faults: FaultPlan | None = None,
) -> AsyncIterator[Server]:
    """Serve `gateway` until the block is left; port 0 takes any free one.

    What `faults` plan goes wrong, for those who want to see what a client does then.

    Raises:
        OSError: when the address cannot be listened on.
    """
    heap.keep()
    scheme, loop = "wss" if ssl else "ws", asyncio.get_running_loop()
    shown = faults.shifted(clock) if faults else clock
    server = Server(gateway, shown, latency_ms, scheme, host, loop, faults)
    listener: Listener
    async with listen(
        server.attend,
        host,
        port,
        ssl=ssl,
        process_request=partial(admitted, server),
        process_response=partial(greeted, server),
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
    faults: FaultPlan | None = None,
) -> Iterator[Server]:
    """Serve `gateway` from a thread of its own, on any free port, until the block is left."""
    box: list[Server | OSError] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    leave = asyncio.Event()

    async def work() -> None:
        try:
            async with serve(
                gateway, clock=clock, latency_ms=latency_ms, ssl=ssl, faults=faults
            ) as server:
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
    control: tuple[Movable, int] | None = None,
    say: Callable[[str], None] = _say,
) -> None:
    """Serve until SIGINT or SIGTERM, saying `listening on …` when ready.

    `control` is a clock and the port that moves it, which is said in a second line.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with contextlib.AsyncExitStack() as stack:
            # It listens before anybody is told where.
            moved = await stack.enter_async_context(controlled(*control)) if control else None
            server = await stack.enter_async_context(
                serve(gateway, clock=clock, host=host, port=port, latency_ms=latency_ms, ssl=ssl)
            )
            say(f"listening on {server.url}")
            if moved is not None:
                say(f"control on {LOOPBACK}:{moved}")
            await stop.wait()
            await server.say_goodbye()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
