"""One open connection: requests go out, replies come back by id, and its end ends all that wait."""

import asyncio
import contextlib
import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from bwsresearch.client.transport import Transport
from bwsresearch.errors import BinanceError, Disconnected
from bwsresearch.protocol.amounts import Amount
from bwsresearch.protocol.messages import Id
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.session import ClientSession, Event, Garbled, Reply
from bwsresearch.protocol.signing import Key

__all__ = ["Connection"]


def _unnoticed() -> None:
    """Do nothing."""


_READERS: Final[set[asyncio.Task[None]]] = set()
"""A loop holds its tasks weakly: without this, an idle connection could vanish in mid-wait."""


class Connection:
    """A transport with the requests that wait on it; lives on the loop that made it.

    It is fresh until the server announces its end, somebody retires it, or it breaks. A retired one
    answers what is in flight and then closes itself.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        opened_s: float,
        key: Key | None = None,
        recv_window: Amount | None = None,
    ) -> None:
        self.opened_s = opened_s
        self.headers: Mapping[str, str] = transport.headers
        self.loop = asyncio.get_running_loop()
        self.is_fresh = True
        self._name, self._transport = name, transport
        self._session = ClientSession(key, recv_window, is_logged_on=transport.is_vouched_for)
        self._waiting: dict[Id, asyncio.Future[Reply]] = {}
        self._is_ending = False
        self._heard_s = self.loop.time()
        self._reader = self.loop.create_task(self._read())
        _READERS.add(self._reader)
        self._reader.add_done_callback(_READERS.discard)

    async def ask(
        self,
        request: Request[Any],
        *,
        now_ms: int | None = None,
        sent: Callable[[], None] = _unnoticed,
    ) -> Reply:
        """Send a request and return its reply, which may be an error of the exchange.

        `now_ms` is the exchange's time, for a request that is signed; `sent` is called right before
        anything of the request can leave.

        Raises:
            Disconnected: the connection was lost before the reply came.
        """
        if self._is_ending:
            raise Disconnected(f"the connection to {self._name} is closing", method=request.method)
        request_id, frame = self._session.send(request, now_ms=now_ms)
        answer: asyncio.Future[Reply] = self.loop.create_future()
        self._waiting[request_id] = answer
        try:
            sent()
            await self._transport.send(frame)
            return await answer
        except BinanceError as error:
            # A send may find the end before the reader does; what is sent again needs a new one.
            self.is_fresh = self.is_fresh and not isinstance(error, Disconnected)
            error.method = request.method
            raise
        finally:
            self._session.forget(request_id)
            del self._waiting[request_id]
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also when the send has failed before
            self._end_when_idle()

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing has come."""
        return self.loop.time() - self._heard_s

    def retire(self) -> None:
        """Take no new requests; close when those in flight are answered."""
        self.is_fresh = False
        self._end_when_idle()

    async def close(self) -> None:
        """Close now; what is in flight fails."""
        self.is_fresh = False
        self._end()
        await asyncio.wait({self._reader})

    def abandon(self) -> None:
        """Close soon; from any thread, also when the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._end)

    def _end_when_idle(self) -> None:
        if not self.is_fresh and not self._waiting:
            self._end()

    def _end(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._reader.cancel()

    async def _read(self) -> None:
        """Hand on what comes until the connection ends or this task is cancelled; then close."""
        end: BinanceError = Disconnected(f"the connection to {self._name} was closed")
        try:
            while True:
                frame = await self._transport.receive()
                self._heard_s = self.loop.time()
                self._take(frame)
        except BinanceError as error:
            end = error
        except Garbled as error:
            end = self._nonsense(error)
        except asyncio.CancelledError:
            pass  # by close, or at the end of the process: both want the good-bye below
        finally:
            self._is_ending = True
            self._fail(end)
            with contextlib.suppress(BinanceError, OSError):
                await self._transport.close()

    def _take(self, frame: bytes) -> None:
        try:
            meant = self._session.receive(frame)
        except Garbled as garbled:
            if garbled.id is None:
                raise
            # It fails what it answers; the others get their answers before the connection is left.
            self._fail(self._nonsense(garbled), garbled.id)
            self._end_when_idle()
            return
        match meant:
            case Reply() as reply:
                waiting = self._waiting.get(reply.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
            case Event(name="serverShutdown"):
                self.retire()
            case BinanceError() as error:
                self._fail(error)
                self._end_when_idle()
            case Event() | None:
                pass

    def _nonsense(self, error: Garbled) -> Disconnected:
        return Disconnected(f"{self._name} sends {error}", hint="check the server's address")

    def _fail(self, error: BinanceError, only: Id = None) -> None:
        """Fail what waits, or the request `only`; nothing new is sent on this connection."""
        self.is_fresh = False
        for request_id, waiting in self._waiting.items():
            if not waiting.done() and only in (None, request_id):
                # One for each: a raised error carries the traceback of who raised it.
                waiting.set_exception(copy.copy(error))
