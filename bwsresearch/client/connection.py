"""One open connection: requests go out, replies come back by id, and its end ends all that wait."""

import asyncio
import contextlib
import copy
from collections.abc import Coroutine
from typing import Any

from bwsresearch.client.transport import Transport
from bwsresearch.errors import BinanceError, Disconnected, Timeout
from bwsresearch.protocol.messages import Id
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.session import ClientSession, Event, Reply

__all__ = ["Connection"]


class Connection:
    """A transport with the requests that wait on it; lives on the loop that made it.

    It is fresh until the server announces its end, somebody retires it, or it breaks. A retired one
    answers what is in flight and then closes itself.
    """

    def __init__(self, transport: Transport, opened_s: float) -> None:
        self.opened_s = opened_s
        self.headers = transport.headers
        self.loop = asyncio.get_running_loop()
        self.is_fresh = True
        self._transport = transport
        self._session = ClientSession()
        self._waiting: dict[Id, asyncio.Future[Reply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._read())

    async def ask(self, request: Request[Any], timeout: float) -> Reply:
        """Send a request and return its reply, which may be an error of the exchange.

        Raises:
            Timeout: no reply within `timeout` seconds; the connection stays.
            Disconnected: the connection was lost before the reply came.
        """
        request_id, frame = self._session.send(request)
        answer: asyncio.Future[Reply] = self.loop.create_future()
        self._waiting[request_id] = answer
        try:
            await self._transport.send(frame)
            await asyncio.wait({answer}, timeout=timeout)
            if not answer.done():
                raise Timeout(
                    f"no reply within {timeout:g} s",
                    method=request.method,
                    hint="try again, or pass a longer timeout=",
                )
            return answer.result()
        finally:
            self._session.forget(request_id)
            del self._waiting[request_id]
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also when the send has failed before
            self._close_when_idle()

    def retire(self) -> None:
        """Take no new requests; close when those in flight are answered."""
        self.is_fresh = False
        self._close_when_idle()

    async def close(self) -> None:
        """Close now; what is in flight fails."""
        self._fail(Disconnected("the client was closed"))
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await self._transport.close()

    def _close_when_idle(self) -> None:
        if not self.is_fresh and not self._waiting:
            self._spawn(self._transport.close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(_quiet(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._transport.receive())
        except BinanceError as error:
            self._fail(error)
        except ValueError as error:
            self._fail(Disconnected(f"the server sends {error}", hint="check the server's address"))
            await self._transport.close()

    def _take(self, frame: bytes) -> None:
        match self._session.receive(frame):
            case Reply() as reply:
                waiting = self._waiting.get(reply.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
            case Event(name="serverShutdown"):
                self.retire()
            case BinanceError() as error:
                self._fail(error)
            case Event() | None:
                pass

    def _fail(self, error: BinanceError) -> None:
        self.is_fresh = False
        for waiting in self._waiting.values():
            if not waiting.done():
                # One for each: a raised error carries the traceback of who raised it.
                waiting.set_exception(copy.copy(error))


async def _quiet(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(BinanceError, OSError):
        await work
