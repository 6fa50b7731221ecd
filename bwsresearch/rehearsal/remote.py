"""A server whose clock a control port moves: its time, and a client that signs by it."""

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.bridge import Inline
from bwsresearch.client.sync import Client
from bwsresearch.client.transport import Endpoint, Transport, WebSocketEndpoint
from bwsresearch.errors import Disconnected

__all__ = ["RemoteClock", "timed"]

_HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 4096


class _Answer(msgspec.Struct):
    now: int | None = None
    error: str = ""


_DECODER: Final = msgspec.json.Decoder(_Answer)


class RemoteClock:
    """The time of an exchange, as its control port tells and moves it; see `server.control`.

    `address` is the port, or "host:port".

    Raises:
        Disconnected: when nobody answers there as a control port does.
    """

    def __init__(self, address: int | str, timeout: float) -> None:
        host, _, port = str(address).rpartition(":")
        self._name = f"{host or _HOST}:{port}"
        try:
            self._line = socket.create_connection((host or _HOST, int(port)), timeout)
        except (OSError, ValueError) as error:
            raise Disconnected(
                f"no control port at {self._name} ({getattr(error, 'strerror', None) or error})",
                hint="bwsresearch serve --clock … --control PORT prints it in its second line",
            ) from error
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._now_ms = self._asked(b"{}\n")
        except BaseException:
            self._line.close()
            raise

    def __call__(self) -> int:
        """Return the exchange's epoch milliseconds."""
        return self._now_ms

    def to(self, time_ms: int) -> None:
        """Move it, and wait until that is done; a time that has passed already changes nothing."""
        if time_ms > self._now_ms:
            self._now_ms = self._asked(b'{"to":%d}\n' % time_ms)

    def _asked(self, line: bytes) -> int:
        text = b""
        try:
            self._line.sendall(line)
            while not text.endswith(b"\n") and len(text) < _MOST_BYTES:
                if not (more := self._line.recv(_MOST_BYTES)):
                    break
                text += more
            answer = _DECODER.decode(text)
        except (OSError, msgspec.DecodeError) as error:
            raise Disconnected(
                f"{self._name} is no control port, or has ended ({error})"
            ) from error
        if answer.now is None:
            raise Disconnected(f"the control port {self._name} refuses: {answer.error}")
        return answer.now

    def close(self) -> None:
        """Close the connection; the clock stands from then on."""
        self._line.close()


@dataclass(frozen=True, slots=True)
class _TimedEndpoint:
    """A server whose time is known without asking, so that its limits are counted by that."""

    inner: Endpoint
    clock: RemoteClock

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def is_production(self) -> bool:
        return self.inner.is_production

    async def connect(self) -> Transport:
        return await self.inner.connect()


class _Timed(AsyncClient):
    """A client that signs by the exchange's own time."""

    def __init__(self, endpoint: _TimedEndpoint, like: AsyncClient) -> None:
        super().__init__(endpoint, timeout=like.timeout, access=like.access, bridge=Inline())
        self._calls.exact = endpoint.clock


@contextlib.contextmanager
def timed(client: Client, clock: RemoteClock) -> Iterator[Client]:
    """Yield a client of the same server, with the same key, that lives in the time of `clock`.

    It asks on the caller's thread, one thing after the other.
    """
    like, endpoint = client.aio, client.aio.endpoint
    if isinstance(endpoint, WebSocketEndpoint):
        # Between two calls nobody would hear the answer to a ping.
        endpoint = dataclasses.replace(endpoint, ping_interval=None)
    found = Client(endpoint, timeout=like.timeout)
    found.aio = _Timed(_TimedEndpoint(endpoint, clock), like)
    try:
        yield found
    finally:
        found.close()
        found.aio.bridge.stop()
