"""The line to one server: a connection that is opened when needed and replaced when it is spent.

That is when it breaks, when the server announces its end, before the exchange's limit of 24 hours,
after a fork, and when its loop is gone.
"""

import asyncio
import copy
import os
from collections.abc import Callable, Mapping
from typing import Final

from bwsresearch.client.access import Access
from bwsresearch.client.connection import Connection
from bwsresearch.client.limits import Limits
from bwsresearch.client.transport import Endpoint, Transport
from bwsresearch.errors import BinanceError, Disconnected
from bwsresearch.protocol.limits import CONNECTION_WEIGHT

__all__ = ["Line"]

_RENEW_S: Final = 23.5 * 3600
"""The exchange ends a connection after 24 hours."""


class Line:
    """At most one connection that takes requests; all who need a new one wait for the same.

    Args:
        endpoint: the server.
        access: the key that signs what goes over the line.
        limits: what the server allows; a connection has its weight too.
        clock: seconds that never run backwards; the age of the connection is measured with it.
    """

    def __init__(
        self, endpoint: Endpoint, access: Access, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._endpoint, self._access, self._limits, self._clock = endpoint, access, limits, clock
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._pid = 0

    def __del__(self) -> None:
        # A cell that is run again drops the client of its last run.
        if (link := self._connection) is not None and self._pid == os.getpid():
            link.abandon()

    @property
    def is_open(self) -> bool:
        """Whether a connection stands, as far as is known without asking."""
        link = self._connection
        return link is not None and link.is_fresh and self._pid == os.getpid()

    @property
    def headers(self) -> Mapping[str, str]:
        """What the server said in the last handshake; empty before the first."""
        return self._connection.headers if self._connection else {}

    async def connected(self) -> Connection:
        """Return a connection that takes requests.

        Raises:
            BinanceError: when none can be opened.
        """
        if (link := self.usable()) is not None:
            return link
        opening, loop = self._opening, asyncio.get_running_loop()
        if opening is None or opening.done() or opening.get_loop() is not loop:
            opening = self._opening = loop.create_task(self._open())
            opening.add_done_callback(_seen)
        await asyncio.wait({opening})
        if opening.cancelled():
            raise Disconnected(f"the connection to {self._endpoint.name} was closed")
        try:
            return opening.result()
        except BinanceError as error:
            # One for each: a raised error carries the traceback of who raised it.
            raise copy.copy(error) from error.__cause__

    def usable(self) -> Connection | None:
        """Return the connection that takes requests on this loop, None when there is none."""
        link = self._connection
        if link is None or self._pid != os.getpid() or link.loop is not asyncio.get_running_loop():
            return None
        if link.is_fresh and self._clock() - link.opened_s > _RENEW_S:
            link.retire()
        return link if link.is_fresh else None

    async def close(self) -> None:
        """Close the connection and end an attempt to open one; what is in flight fails."""
        loop = asyncio.get_running_loop()
        opening, self._opening = self._opening, None
        if opening is not None and opening.get_loop() is loop:
            opening.cancel()
        link, self._connection = self._connection, None
        if link is not None and link.loop is loop:
            await link.close()

    async def _open(self) -> Connection:
        transport = await self._transport()
        link = Connection(
            transport,
            name=self._endpoint.name,
            opened_s=self._clock(),
            key=self._access.key,
            recv_window=self._access.recv_window,
        )
        self._connection, self._pid = link, os.getpid()
        return link

    async def _transport(self) -> Transport:
        limits = self._limits
        charge, sent_ms = limits.charge(CONNECTION_WEIGHT), limits.now_ms()
        try:
            return await self._endpoint.connect()
        except BinanceError as error:
            limits.refuse(error)
            raise
        finally:
            limits.settle(charge, sent_ms)


def _seen(opening: asyncio.Task[Connection]) -> None:
    """Retrieve the error of an attempt that nobody waits for any more."""
    if not opening.cancelled():
        opening.exception()
