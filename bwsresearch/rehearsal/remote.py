"""A server whose clock a control port moves: its time, and a line to it that signs by it."""

import asyncio
import dataclasses
import socket
import uuid
from typing import Any, Final, TypeVar

import msgspec

from bwsresearch.client.bridge import Inline
from bwsresearch.client.calls import decoded
from bwsresearch.client.sync import Client
from bwsresearch.client.transport import Transport, WebSocketEndpoint
from bwsresearch.errors import BinanceError, Disconnected
from bwsresearch.protocol.outcomes import lost
from bwsresearch.protocol.placement import identified
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.session import ClientSession, Reply

__all__ = ["RemoteClock", "RemoteLine"]

R = TypeVar("R")

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


class RemoteLine:
    """One connection to a server in the time of its clock: each request is answered before the next.

    Neither waits for limits, which are counted by a clock that stands meanwhile, nor connects anew.

    Raises:
        ValueError: when orders there would move real money.
    """

    def __init__(self, client: Client, clock: RemoteClock) -> None:
        like = client.aio
        self._endpoint, self._access, self._timeout = like.endpoint, like.access, like.timeout
        if self._endpoint.is_production:
            raise ValueError(f"{self._endpoint.name} has no clock that could be moved; serve one")
        if isinstance(self._endpoint, WebSocketEndpoint):
            # Between two calls nobody would hear the answer to a ping.
            self._endpoint = dataclasses.replace(self._endpoint, ping_interval=None)
        self._clock, self._bridge = clock, Inline()
        self._transport: Transport | None = None
        self._session = ClientSession(self._access.key, self._access.recv_window)

    def call(self, request: Request[R]) -> R:
        """Send a request and return its result; errors as for `Client.call`."""
        __tracebackhide__ = True
        request = identified(request, uuid.uuid4().hex[:22])
        number = self._access.record(request, self._clock())
        try:
            result = self._bridge.call(self._result, request)
        except BaseException as error:
            self._note(number, error)
            raise
        self._note(number, result)
        return decoded(request, result)

    async def _result(self, request: Request[Any]) -> bytes:
        reply = await self._asked(request)
        if reply.error is not None:
            raise reply.error
        return bytes(reply.result)

    def _note(self, number: int | None, answer: bytes | BaseException) -> None:
        if number is not None and self._access.recorder is not None:
            self._access.recorder.answered(number, answer, self._clock())

    async def _asked(self, request: Request[Any]) -> Reply:
        if self._transport is None:
            self._transport = await self._endpoint.connect()
        number, frame = self._session.send(request, now_ms=self._clock())
        try:
            async with asyncio.timeout(self._timeout):
                await self._transport.send(frame)
                while True:
                    meant = self._session.receive(await self._transport.receive())
                    if isinstance(meant, Reply) and meant.id == number:
                        return meant
                    if isinstance(meant, BinanceError):
                        raise meant
        except (Disconnected, TimeoutError) as error:
            if request.is_read:
                raise
            raise lost(request, f"no reply of {self._endpoint.name} ({error})") from error

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._bridge.run(self._transport.close())
        self._bridge.stop()
