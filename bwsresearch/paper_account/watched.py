"""The connection of a paper account: the market is brought up to date before each request."""

import asyncio
import contextlib
from typing import Any, Final

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.sync import Client
from bwsresearch.errors import BinanceError
from bwsresearch.exchange.office import Office
from bwsresearch.local import LocalEndpoint
from bwsresearch.paper_account.live import Watch
from bwsresearch.protocol.request import Request

__all__ = ["Watched"]

_EVERY_S: Final = 2.0
"""Between two looks at symbols with open orders, in the background."""


class Watched(AsyncClient):
    """A client of an exchange in this process that watches the market of `source`.

    Market data is asked of `source` itself. Without one the exchange has a market of its own.
    """

    def __init__(
        self, endpoint: LocalEndpoint, office: Office, source: Client | None, *, timeout: float
    ) -> None:
        super().__init__(endpoint, timeout=timeout)
        self._office, self._clock_ms = office, endpoint.clock
        self._source = None if source is None else source.aio
        self._watch = None if source is None else Watch(source.aio)
        self._task: asyncio.Task[None] | None = None

    async def _raw(self, request: Request[Any], seconds: float) -> bytes:
        if self._source is not None:
            if request.security == "NONE":
                return await self._source.raw(request, timeout=seconds)
            symbol = getattr(request, "symbol", None)
            for name in [symbol] if symbol else self._open_symbols():
                await self.refresh(name)
        result = await super()._raw(request, seconds)
        if self._watch is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._look_now_and_then())
        return result

    async def refresh(self, symbol: str) -> None:
        """Let the exchange see what has happened to a symbol.

        Raises:
            BinanceError: what the watched server refuses, BadSymbol among it.
        """
        now_ms = self._clock_ms()
        if self._watch is None:
            if symbol in self._office.engine.venues:
                self._office.desk.advance(symbol, now_ms)
            return
        if symbol not in self._office.engine.venues:
            self._office.list_symbol(await self._watch.info(symbol), now_ms)
        news = await self._watch.news(symbol, now_ms)
        self._office.observe(news, self._clock_ms())

    def stop(self) -> None:
        """Look no more in the background."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.get_loop().call_soon_threadsafe(task.cancel)

    def _open_symbols(self) -> list[str]:
        return [
            name
            for account in self._office.engine.accounts.values()
            for name, orders in account.open_orders.items()
            if orders
        ]

    async def _look_now_and_then(self) -> None:
        while symbols := self._open_symbols():
            await asyncio.sleep(_EVERY_S)
            for symbol in symbols:
                with contextlib.suppress(BinanceError):  # the next request will tell of it
                    await self.refresh(symbol)
