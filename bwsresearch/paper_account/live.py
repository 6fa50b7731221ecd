"""A market that a client watches: its trades and book, fetched when something depends on them."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

from bwsresearch.client.aio import AsyncClient
from bwsresearch.enums import Interval
from bwsresearch.exchange.market import AggTrades, Book, Ids, Summary, Trades, Window
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.liquidity import BookSeen, MarketEvent, Print
from bwsresearch.protocol.methods import Depth, ExchangeInfo, Time, TradesAggregate
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import AggTrade, SymbolInfo

__all__ = ["LiveMarket", "Reach", "ServerClock", "Watch"]

R = TypeVar("R")

_LEVELS: Final = 100
_SHALLOW: Final = 20
_PAGE: Final = 1000
_MEMORY_MS: Final = 300_000
"""How far back trades matter to a symbol without open orders: the average price's five minutes."""
_GOOD_FOR_S: Final = 600.0
_DISAGREE_S: Final = 1.0


@dataclass
class LiveMarket:
    """The name and the symbols of a watched server; what there is to see is told, never asked.

    Market data of a paper account comes from the server itself, so that this is asked for none.
    """

    identity: str
    symbols: Mapping[str, SymbolInfo] = field(default_factory=dict)
    recorded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def klines(
        self, symbol: str, interval: Interval, window: Window, now_ms: int, shift_ms: int = 0
    ) -> bytes:
        raise _unasked(symbol)

    def trades(self, symbol: str, ids: Ids, now_ms: int) -> Trades:
        raise _unasked(symbol)

    def agg_trades(self, symbol: str, rows: Window | Ids, now_ms: int) -> AggTrades:
        raise _unasked(symbol)

    def depth(self, symbol: str, limit: int, now_ms: int) -> Book:
        raise _unasked(symbol)

    def summary(self, symbol: str, start_ms: int, end_ms: int) -> Summary:
        raise _unasked(symbol)


def _unasked(symbol: str) -> AssertionError:
    return AssertionError(f"{symbol}: a watched market is asked at its server")


@dataclass
class ServerClock:
    """A server's epoch milliseconds, carried on by this machine and learned anew now and then."""

    client: AsyncClient
    timeout: float
    _zero_ms: int = 0
    _learned_s: float | None = None
    _wall_s: float = 0.0

    def __call__(self) -> int:
        return self._zero_ms + time.monotonic_ns() // 1_000_000

    async def learn(self, *, anew: bool = False) -> None:
        """Ask for the time, unless it was asked for lately and this machine has not slept since."""
        before, wall = time.monotonic(), time.time()
        if self._learned_s is not None and not anew:
            passed = before - self._learned_s
            is_awake = abs((wall - self._wall_s) - passed) < _DISAGREE_S
            if passed < _GOOD_FOR_S and is_awake:
                return
        server_ms = (await self.client.call(Time(), timeout=self.timeout)).server_time
        # The reply was on its way for about half of the time.
        middle = (before + time.monotonic()) / 2
        self._zero_ms = server_ms - int(middle * 1000)
        self._learned_s, self._wall_s = before, wall


@dataclass(frozen=True, slots=True)
class Reach:
    """How deep a look at the book goes: to its first levels, and to the prices of own orders.

    What is seen is recorded, level by level.
    """

    levels: int = _LEVELS
    bid: int | None = None
    ask: int | None = None

    @classmethod
    def shallow(cls, bids: Sequence[int], asks: Sequence[int]) -> "Reach":
        """Return a look that suffices for resting orders at these prices."""
        return cls(_SHALLOW, min(bids, default=None), max(asks, default=None))

    def bids(self, levels: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Return the bids within reach."""
        ends, far = self.levels, self.bid
        return tuple(
            level for n, level in enumerate(levels) if n < ends or (far and level[0] >= far)
        )

    def asks(self, levels: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Return the asks within reach."""
        ends, far = self.levels, self.ask
        return tuple(
            level for n, level in enumerate(levels) if n < ends or (far and level[0] <= far)
        )


@dataclass
class Watch:
    """What a server tells of its symbols; `clock` has its time."""

    client: AsyncClient
    clock: Callable[[], int]
    timeout: float
    _seen: dict[str, AggTrade] = field(default_factory=dict)

    async def info(self, symbol: str) -> SymbolInfo:
        """Return the symbol's rules as its server has them.

        Raises:
            BadSymbol: when it does not know the symbol.
        """
        return (await self._call(ExchangeInfo(symbol))).symbols[0]

    async def news(
        self, symbol: str, last: Print | None, reach: Reach, *, is_watched: bool
    ) -> list[MarketEvent]:
        """Return the trades after `last`, and the book as it is now, in their order.

        The trades are asked for after the book, so that all those are among them that it knows of;
        they come before it. `is_watched` False is for a symbol without open orders, of which only the
        last minutes matter.
        """
        found: list[AggTrade] = []
        request = self._after(symbol, last, is_watched=is_watched)
        while True:
            asked_ms = self.clock()
            book = await self._call(Depth(symbol, limit=_LEVELS))
            got_ms = self.clock()
            pages, request = await self._gather(request, found)
            if pages == 1:
                break  # else the book has become old meanwhile
        if last is None and not found:
            found = await self._call(TradesAggregate(symbol, limit=1))
        prints = [
            Print(symbol, t.time, t.first_id, units(t.price), units(t.qty), t.is_buyer_maker)
            for t in found
            if last is None or t.first_id > last.trade_id
        ]
        if found:
            self._seen[symbol] = found[-1]
        split = next((n for n, one in enumerate(prints) if one.time > got_ms), len(prints))
        # The book is from between the two: it counts as old as it can be.
        time_ms = max([asked_ms, *(one.time for one in prints[:split])])
        bids, asks = reach.bids(_levels(book.bids)), reach.asks(_levels(book.asks))
        shown = BookSeen(symbol, time_ms, book.last_update_id, bids, asks)
        return [*prints[:split], shown, *prints[split:]]

    def _after(self, symbol: str, last: Print | None, *, is_watched: bool) -> TradesAggregate:
        """Return the first request for the trades that are news."""
        start_ms = self.clock() - _MEMORY_MS
        if last is not None and (is_watched or last.time >= start_ms):
            seen, start_ms = self._seen.get(symbol), last.time
            if seen is not None and seen.first_id == last.trade_id:
                return TradesAggregate(symbol, from_id=seen.id + 1, limit=_PAGE)
        return TradesAggregate(symbol, start_time=start_ms, limit=_PAGE)

    async def _gather(
        self, request: TradesAggregate, found: list[AggTrade]
    ) -> tuple[int, TradesAggregate]:
        """Add all pages from a request on; return how many, and the request for what comes next."""
        for pages in itertools.count(1):
            page = await self._call(request)
            found += page
            if page:
                request = TradesAggregate(request.symbol, from_id=page[-1].id + 1, limit=_PAGE)
            if len(page) < _PAGE:
                return pages, request
        raise AssertionError("counting does not end")

    async def _call(self, request: Request[R]) -> R:
        return await self.client.call(request, timeout=self.timeout)


def _levels(side: Sequence[tuple[Decimal, Decimal]]) -> list[tuple[int, int]]:
    return [(units(price), units(qty)) for price, qty in side]
