"""A market that a client watches: its trades and book, fetched when something depends on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bwsresearch.client.aio import AsyncClient
from bwsresearch.enums import Interval
from bwsresearch.exchange.market import AggTrades, Book, Ids, Summary, Trades, Window
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.liquidity import BookSeen, MarketEvent, Print
from bwsresearch.protocol.methods import Depth, ExchangeInfo, TradesAggregate
from bwsresearch.protocol.results import AggTrade, SymbolInfo

__all__ = ["LiveMarket", "Watch"]

_LEVELS: Final = 100
_PAGE: Final = 1000
_MEMORY_MS: Final = 300_000
"""How far back trades are fetched at first: the average price's five minutes."""


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
class Watch:
    """What was seen of each symbol so far, by the last aggregate trade."""

    client: AsyncClient
    seen: dict[str, int] = field(default_factory=dict)

    async def info(self, symbol: str) -> SymbolInfo:
        """Return the symbol's rules as its server has them.

        Raises:
            BadSymbol: when it does not know the symbol.
        """
        return (await self.client.call(ExchangeInfo(symbol))).symbols[0]

    async def news(self, symbol: str, now_ms: int) -> list[MarketEvent]:
        """Return the trades since the last time, and the book as it is now, in their order."""
        events: list[MarketEvent] = [
            Print(symbol, t.time, t.first_id, _units(t.price), _units(t.qty), t.is_buyer_maker)
            for t in await self._trades(symbol, now_ms)
        ]
        book = await self.client.call(Depth(symbol, limit=_LEVELS))
        bids, asks = (
            tuple((_units(price), _units(qty)) for price, qty in side)
            for side in (book.bids, book.asks)
        )
        return [*events, BookSeen(symbol, now_ms, book.last_update_id, bids, asks)]

    async def _trades(self, symbol: str, now_ms: int) -> list[AggTrade]:
        found: list[AggTrade] = []
        last = self.seen.get(symbol)
        request = (
            TradesAggregate(symbol, start_time=now_ms - _MEMORY_MS, limit=_PAGE)
            if last is None
            else TradesAggregate(symbol, from_id=last + 1, limit=_PAGE)
        )
        while True:
            page = await self.client.call(request)
            found += page
            if page:
                self.seen[symbol] = page[-1].id
            if len(page) < _PAGE:
                return found
            request = TradesAggregate(symbol, from_id=page[-1].id + 1, limit=_PAGE)


def _units(amount: Decimal) -> int:
    return units(amount)
