"""One request to its reply: charged, signed with the exchange's time, and sent again when it may be.

A dropped connection fails at once what waits on it. Reads are then sent once more on a new
connection, orders never.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgspec

from bwsresearch.client.access import Access
from bwsresearch.client.budget import Charge
from bwsresearch.client.connection import Connection
from bwsresearch.client.limits import Limits
from bwsresearch.client.line import Line
from bwsresearch.client.patience import Told, Wait
from bwsresearch.client.transport import Endpoint
from bwsresearch.errors import BinanceError, ClockSkew, Disconnected, Timeout
from bwsresearch.protocol.methods import Time
from bwsresearch.protocol.outcomes import lost
from bwsresearch.protocol.request import Request, result_type
from bwsresearch.protocol.session import Reply

__all__ = ["Calls", "decoded"]

R = TypeVar("R")


@functools.cache
def _decoder(kind: type[Request[Any]]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(result_type(kind))


def decoded(request: Request[R], text: bytes) -> R:
    """Return the JSON text of a result as its record."""
    return cast("R", _decoder(type(request)).decode(text))  # result_type is R at run time


def _unnoticed() -> None:
    """Do nothing."""


_TIME: Final = Time()


class Calls:
    """What is asked of one server over its line, within its limits.

    Args:
        endpoint: the server.
        access: the key that signs.
        limits: what the server allows.
        clock: seconds that never run backwards.
        wall: this machine's epoch milliseconds; its distance to the exchange's time is learned.

    Attributes:
        exact: the exchange's time where it need not be asked for.
    """

    exact: Callable[[], int] | None = None

    def __init__(
        self,
        endpoint: Endpoint,
        access: Access,
        limits: Limits,
        *,
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self.line = Line(endpoint, access, limits, clock)
        self._name, self._limits, self._wall = endpoint.name, limits, wall
        self._offset_ms: int | None = None

    async def result(self, request: Request[Any], seconds: float, on_wait: Told | None) -> bytes:
        """Return the JSON text of the result; errors as for `AsyncClient.call`."""
        sent: list[bool] = []
        try:
            async with asyncio.timeout(seconds) as deadline:
                reply = await self._reply(request, sent, Wait(seconds, deadline, on_wait))
        except TimeoutError:
            why = f"no reply of {self._name} within {seconds:g} s"
            if sent and not request.is_read:
                raise lost(request, why) from None
            raise Timeout(
                why, method=request.method, hint="try again, or with a longer timeout="
            ) from None
        if reply.error is not None:
            raise reply.error
        return bytes(reply.result)

    async def _reply(self, request: Request[Any], sent: list[bool], wait: Wait) -> Reply:
        link, charge = await self._ready(request, wait)
        try:
            return await self._asked(link, request, charge, sent)
        except Disconnected:
            # What nobody has seen may be sent again, and so may what only reads.
            if sent and not request.is_read:
                raise
        link, charge = await self._ready(request, wait)
        return await self._asked(link, request, charge, sent)

    async def _ready(self, request: Request[Any], wait: Wait) -> tuple[Connection, Charge]:
        charge = await self._limits.admit(request, wait, self._ask_time)
        try:
            return await self.line.connected(), charge
        except BinanceError:
            self._limits.settle(charge, self._limits.now_ms())
            raise

    async def _asked(
        self, link: Connection, request: Request[Any], charge: Charge, sent: list[bool]
    ) -> Reply:
        """Ask on one connection; an order whose connection breaks is an OutcomeUnknown."""
        is_signed = request.security != "NONE"
        try:
            now_ms = await self._now_ms(link) if is_signed else None
            reply = await self._counted(link, request, charge, now_ms, lambda: sent.append(True))
            if is_signed and isinstance(reply.error, ClockSkew):
                # The exchange says that it has done nothing.
                self._offset_ms = None
                reply = await self._counted(link, request, None, await self._now_ms(link))
        except Disconnected as error:
            if sent and not request.is_read:
                raise lost(request, f"connection lost after send ({error.msg})") from error
            raise
        return reply

    async def _counted(
        self,
        link: Connection,
        request: Request[Any],
        charge: Charge | None = None,
        now_ms: int | None = None,
        sent: Callable[[], None] = _unnoticed,
    ) -> Reply:
        """Ask on one connection; what the limits learn from it is learned."""
        limits = self._limits
        charge, sent_ms = charge or limits.charge(request.weight), limits.now_ms()
        try:
            reply = await link.ask(request, now_ms=now_ms, sent=sent)
        except (BinanceError, ValueError):
            limits.settle(charge, sent_ms)
            raise
        limits.settle(charge, sent_ms, reply)
        return reply

    # ---- the exchange's time -----------------------------------------------------------------

    async def learn_time(self) -> None:
        """Learn how far this machine's clock is from the server's."""
        await self._now_ms(await self.line.connected())

    def server_ms(self) -> int:
        """Return the server's epoch milliseconds, as far as they are known without asking."""
        return self._wall() + (self._offset_ms or 0)

    async def _now_ms(self, link: Connection) -> int:
        """Return the exchange's time, by this machine's clock and what is known of their distance."""
        if self.exact is not None:
            return self.exact()
        if self._offset_ms is None:
            before = self._wall()
            server_ms = await self._time(link)
            # The reply was on its way for about half of the time.
            self._offset_ms = server_ms - (before + self._wall()) // 2
        return self._wall() + self._offset_ms

    async def _ask_time(self) -> None:
        """Ask for the time, which the limits learn from every reply that tells it."""
        await self._time(await self.line.connected())

    async def _time(self, link: Connection) -> int:
        reply = await self._counted(link, _TIME)
        if reply.error is not None:
            raise reply.error
        return decoded(_TIME, bytes(reply.result)).server_time
