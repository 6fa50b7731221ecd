"""The watched market, brought to the engine: its trades and its book as they become known.

The market is a function of time, so that it is asked only when something depends on it: before a
request of a symbol, for all that has happened since the last one. It comes in moments of a tenth of a
second, as the exchange's own streams do; what happened in the moment that is not over is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bwsresearch.exchange.market import AggTrades, Ids, Market, Window
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import BookSeen, Print
from bwsresearch.exchange.trading.steps import Step

__all__ = ["Feed"]

_MOMENT_MS: Final = 100
_MEMORY_MS: Final = 300_000
"""How far back trades matter to a symbol without open orders: the average price's five minutes."""
_PAGE: Final = 1000


@dataclass(slots=True)
class Feed:
    """What of a market the engine has seen; `levels` is how deep it looks into the book."""

    market: Market
    engine: Engine
    levels: int = 100
    _upto: dict[str, int] = field(default_factory=dict)

    def is_behind(self, symbol: str, now_ms: int) -> bool:
        """Whether a moment has passed that the engine has not seen."""
        return now_ms // _MOMENT_MS * _MOMENT_MS > self._upto.get(symbol, 0)

    def advance(self, symbol: str, now_ms: int) -> list[Step]:
        """Let the engine see the market up to the last whole moment; return what that did."""
        moment = now_ms // _MOMENT_MS * _MOMENT_MS
        seen = self._upto.get(symbol, 0)
        if moment <= seen:
            return []
        venue = self.engine.venues[symbol]
        is_watched = any(a.open_orders[symbol] for a in self.engine.accounts.values())
        start = seen if is_watched else max(seen, moment - _MEMORY_MS)
        self._upto[symbol] = moment
        if venue.liquidity is None:
            return []
        steps = [self.engine.observe(p, p.time) for p in self._prints(symbol, start + 1, moment)]
        book = self.market.depth(symbol, self.levels, moment)
        shown = BookSeen(symbol, moment, book.last_update_id, book.bids, book.asks)
        steps.append(self.engine.observe(shown, moment))
        return [step for step in steps if step.reports]

    def _prints(self, symbol: str, start_ms: int, end_ms: int) -> Iterator[Print]:
        found = self.market.agg_trades(symbol, Window(start_ms, end_ms, _PAGE), end_ms)
        while len(found):
            yield from _as_prints(symbol, found)
            if len(found) < _PAGE:
                return
            after = Ids(int(found.id[-1]) + 1, _PAGE)
            found = self.market.agg_trades(symbol, after, end_ms)


def _as_prints(symbol: str, trades: AggTrades) -> Iterator[Print]:
    columns = (
        trades.time.tolist(),
        trades.first_id.tolist(),
        trades.price.tolist(),
        trades.qty.tolist(),
        trades.is_buyer_maker.tolist(),
    )
    for time, first_id, price, qty, is_buyer_maker in zip(*columns, strict=True):
        yield Print(symbol, time, first_id, price, qty, is_buyer_maker)
