"""The connection of a paper account: the market is brought up to date before each request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.bridge import Bridge
from bwsresearch.client.patience import Told
from bwsresearch.errors import BadParameter, BadSymbol, BinanceError, Disconnected, RateLimited
from bwsresearch.exchange.office import JournalFailure, Office
from bwsresearch.exchange.trading.liquidity import MarketEvent, Print
from bwsresearch.journals import JournalError
from bwsresearch.local import LocalEndpoint, Onward
from bwsresearch.paper_account.live import Reach, ServerClock, Watch
from bwsresearch.protocol.request import Request

__all__ = ["Source", "Watched"]

_EVERY_S: Final = 2.0
"""Between two looks at symbols with open orders, in the background."""
_FEW: Final = 5
"""With more symbols than these the looks are further apart: each weighs about 10."""
_WRONG_MS: Final = 1000
"""A trade so far ahead shows that the time is not known."""
_TRIES: Final = 3
_PAUSE_S: Final = 60.0
"""After a limit was reached that does not say when it opens."""


@dataclass(frozen=True)
class Source:
    """A watched server: the client that asks it, and its time."""

    client: AsyncClient
    clock: ServerClock


class Watched(AsyncClient):
    """A client of an exchange in this process that watches the market of `source`.

    Market data is asked of `source` itself. Without one the exchange has a market of its own.
    """

    def __init__(
        self,
        endpoint: LocalEndpoint,
        office: Office,
        source: Source | None,
        *,
        timeout: float,
        bridge: Bridge | None = None,
    ) -> None:
        super().__init__(endpoint, timeout=timeout, bridge=bridge)
        self._calls.exact = endpoint.clock
        self.office, self._now, self._source = office, endpoint.clock, source
        self._watch = None if source is None else Watch(source.client, endpoint.clock, timeout)
        self._task: asyncio.Task[None] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._locks_of: asyncio.AbstractEventLoop | None = None
        self.is_closed = False

    @property
    def headers(self) -> Mapping[str, str]:
        """What the watched server said in its handshake."""
        return super().headers if self._source is None else self._source.client.headers

    async def _raw(
        self,
        request: Request[Any],
        seconds: float,
        on_wait: Told | None = None,
    ) -> bytes:
        if self.is_closed:
            raise Disconnected(
                "the paper account is closed",
                method=request.method,
                hint="bws.paper(journal=…) takes it up again",
            )
        if self._source is None or request.security not in ("NONE", "TRADE", "USER_DATA"):
            return await self._answered(request, seconds)
        if request.security == "NONE":
            return await self._source.client.raw(request, timeout=seconds, on_wait=on_wait)
        symbol = getattr(request, "symbol", None)
        if request.security == "TRADE":
            await asyncio.sleep(self.office.entry_ms / 1000)
        try:
            # No look may be under way while the order is placed: its book would be older than it.
            async with self._alone([symbol] if symbol else self.open_symbols()) as names:
                for name in names:
                    await self._refreshed(name)
                return await self._answered(request, seconds)
        finally:
            self.look_behind()

    async def _answered(self, request: Request[Any], seconds: float) -> bytes:
        try:
            return await super()._raw(request, seconds)
        except BinanceError as error:
            if self.office.failure is not None:
                raise self.office.failure from error  # what the exchange says is less
            raise

    def _identified(self, request: Request[Any]) -> Request[Any]:
        # No reply is lost in a process, and ids of the exchange's choice are the same every time.
        return request

    # ---- the market --------------------------------------------------------------------------

    async def refresh(self, symbols: Iterable[str]) -> None:
        """Let the exchange see what has happened to symbols; those that do not exist are passed over.

        Raises:
            BinanceError: what the watched server refuses.
            JournalError: when what was seen cannot be recorded.
        """
        if self.is_closed:
            return
        async with self._alone(symbols) as names:
            for name in names:
                await self._refreshed(name)

    async def _refreshed(self, symbol: str, *, is_shallow: bool = False) -> None:
        try:
            await self._seen(symbol, is_shallow=is_shallow)
        except JournalFailure as failure:
            raise self.office.failure or failure from None

    async def _seen(self, symbol: str, *, is_shallow: bool) -> None:
        office, source, watch = self.office, self._source, self._watch
        if source is None or watch is None:
            office.look(symbol, self._now())
            return
        await source.clock.learn()
        if symbol not in office.engine.venues:
            try:
                office.list_symbol(await watch.info(symbol), self._now())
            except (BadSymbol, BadParameter):
                return  # the exchange refuses it as well, and records that
        venue = office.engine.venues[symbol]
        if venue.liquidity is None:
            return
        for _ in range(2):
            reach = self._reach(symbol) if is_shallow else Reach()
            news = await self._news(watch, source.clock, symbol, reach)
            office.observe(news, self._now())
            if not venue.waiting:
                break  # else a stop was met, and trades with the book after that

    async def _news(
        self, watch: Watch, clock: ServerClock, symbol: str, reach: Reach
    ) -> list[MarketEvent]:
        """Return what is new of a symbol; no trade of it is later than the exchange's time."""
        last, is_watched = self.office.prints.get(symbol), symbol in self.open_symbols()
        for _ in range(_TRIES):
            news = await watch.news(symbol, last, reach, is_watched=is_watched)
            latest = max((event.time for event in news if isinstance(event, Print)), default=0)
            if latest < self._now() + _WRONG_MS:
                break
            await clock.learn(anew=True)  # the server's clock was set, or this machine's
        if isinstance(self._now, Onward):
            self._now.go_on_from(latest)
        return news

    def _reach(self, symbol: str) -> Reach:
        book = self.office.engine.venues[symbol].book
        return Reach.shallow(list(book.bids.levels), list(book.asks.levels))

    @contextlib.asynccontextmanager
    async def _alone(self, symbols: Iterable[str]) -> AsyncIterator[list[str]]:
        """Let nobody else look at symbols meanwhile."""
        loop = asyncio.get_running_loop()
        if self._locks_of is not loop:
            self._locks, self._locks_of = {}, loop
        names = sorted(set(symbols))
        async with contextlib.AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            yield names

    def open_symbols(self) -> list[str]:
        """Return the symbols with open orders."""
        return [
            name
            for account in self.office.engine.accounts.values()
            for name, orders in account.open_orders.items()
            if orders
        ]

    # ---- in the background -------------------------------------------------------------------

    def look_behind(self) -> None:
        """Look at a live market from time to time, as long as orders are open."""
        task, loop = self._task, asyncio.get_running_loop()
        is_running = task is not None and not task.done() and task.get_loop() is loop
        if self._watch is None or self.is_closed or is_running or not self.open_symbols():
            return
        self._task = loop.create_task(self._look_now_and_then())

    async def _look_now_and_then(self) -> None:
        pause = _EVERY_S
        while symbols := self.open_symbols():
            await asyncio.sleep(pause)
            pause = _EVERY_S * max(1.0, len(symbols) / _FEW)
            for symbol in symbols:
                try:
                    async with self._alone([symbol]):
                        await self._refreshed(symbol, is_shallow=True)
                except RateLimited as error:
                    pause = max(pause, error.retry_after or _PAUSE_S)
                    break
                except BinanceError:
                    continue  # the next request will tell of it
                except JournalError:
                    return  # likewise

    async def end(self) -> None:
        """Look no more, close the connection and the journal."""
        self.is_closed = True
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})
        await self._calls.line.close()
        self.office.close()

    def abandon(self) -> None:
        """Do so without waiting for anything, from any thread."""
        self.is_closed = True
        task, self._task = self._task, None
        if task is not None:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                task.get_loop().call_soon_threadsafe(task.cancel)
        self.office.close(is_clean=False)
