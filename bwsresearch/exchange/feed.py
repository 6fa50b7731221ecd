"""The watched market, brought to the engine: its trades and its book, or its bars, as they become known.

The market is a function of time, so that it is asked only when something depends on it: before a
request of a symbol, for all that has happened since the last one. It comes in moments of a tenth of a
second, as the exchange's own streams do; what happened in the moment that is not over is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.exchange.fills import KlinesOnly
from bwsresearch.exchange.market import AggTrades, Ids, Market, Window
from bwsresearch.exchange.timeline import Remembering, Timeline
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen, BookSeen, Print
from bwsresearch.exchange.trading.steps import Step
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.times import next_open

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
    _lines: dict[str, Timeline | None] = field(default_factory=dict)

    def is_behind(self, symbol: str, now_ms: int) -> bool:
        """Whether a moment has passed that the engine has not seen."""
        return self._moment(self.engine.venues[symbol], now_ms) > self._upto.get(symbol, 0)

    @staticmethod
    def _moment(venue: Venue, now_ms: int) -> int:
        """Return up to when the market is known; bars close and open to the millisecond."""
        return now_ms if venue.model == "klines@1" else now_ms // _MOMENT_MS * _MOMENT_MS

    def advance(self, symbol: str, now_ms: int) -> list[Step]:
        """Let the engine see the market up to the last whole moment; return what that did."""
        venue = self.engine.venues[symbol]
        moment = self._moment(venue, now_ms)
        seen = self._upto.get(symbol, 0)
        if moment <= seen:
            return []
        is_watched = any(a.open_orders[symbol] for a in self.engine.accounts.values())
        start = seen if is_watched else max(seen, moment - _MEMORY_MS)
        self._upto[symbol] = moment
        if venue.liquidity is None:
            return []
        if isinstance(venue.liquidity, KlinesOnly):
            bars = self._known(venue.liquidity, symbol, seen, moment, is_watched=is_watched)
            steps = [self.engine.observe(event, at) for at, event in bars]
            return [step for step in steps if step.reports]
        steps = []
        for event in self._ticks(venue, start, moment):
            step = self.engine.observe(event, event.time)
            if step.reports:
                steps.append(step)
        return steps

    def _ticks(self, venue: Venue, after_ms: int, upto_ms: int) -> Iterator[Print | BookSeen]:
        """Yield the trades of (after, upto], and the book at its end.

        A stop that a trade has met does not wait so long: it gets the book of the moment after it.
        """
        due: int | None = None
        for trade in self._prints(venue.symbol, after_ms + 1, upto_ms):
            if due is not None and trade.time > due:
                yield self._book(venue.symbol, due)
                due = None
            yield trade
            if due is None and venue.waiting:
                due = (trade.time // _MOMENT_MS + 1) * _MOMENT_MS
        if due is not None and due < upto_ms:
            yield self._book(venue.symbol, due)
        yield self._book(venue.symbol, upto_ms)

    def _book(self, symbol: str, moment: int) -> BookSeen:
        book = self.market.depth(symbol, self.levels, moment)
        return BookSeen(symbol, moment, book.last_update_id, book.bids, book.asks)

    def _prints(self, symbol: str, start_ms: int, end_ms: int) -> Iterator[Print]:
        found = self.market.agg_trades(symbol, Window(start_ms, end_ms, _PAGE), end_ms)
        while len(found):
            yield from _as_prints(symbol, found)
            if len(found) < _PAGE:
                return
            after = Ids(int(found.id[-1]) + 1, _PAGE)
            found = self.market.agg_trades(symbol, after, end_ms)

    def _known(
        self, model: KlinesOnly, symbol: str, after_ms: int, upto_ms: int, *, is_watched: bool
    ) -> Iterable[tuple[int, BarOpened | BarSeen]]:
        """Return what the engine is to see of bars in (after, upto]."""
        if symbol not in self._lines:
            market = self.market
            kept = market.timeline(symbol) if isinstance(market, Remembering) else None
            if kept is not None:
                model.bars = kept
            self._lines[symbol] = kept
        line = self._lines[symbol]
        if line is None:
            return self._bars(symbol, after_ms, upto_ms, is_watched=is_watched)
        if is_watched:
            return line.known(after_ms, upto_ms)
        line.skip(model, after_ms, upto_ms)
        return ()

    def _bars(
        self, symbol: str, after_ms: int, upto_ms: int, *, is_watched: bool
    ) -> Iterator[tuple[int, BarOpened | BarSeen]]:
        """Yield what becomes known of bars in (after, upto], and when: an open, or a whole bar."""
        recorded = self.market.recorded.get(symbol, ())
        interval: Interval = next((one for one in INTERVALS if one in recorded), "1m")
        if not is_watched:
            # The bar before is needed: its volume bounds what takers get at the next open.
            last = min(upto_ms - _MEMORY_MS, next_open(interval, upto_ms, -1))
            after_ms = max(after_ms, next_open(interval, last, 0) - 1)
        at = next_open(interval, after_ms, 0)
        # A bar's first price counts as known when it opens, whenever its first trade is. Of the bar
        # that runs, nothing else is looked at.
        known_ms = next_open(interval, upto_ms)
        while at <= upto_ms:
            window = Window(at, upto_ms, _PAGE)
            rows = msgspec.json.decode(self.market.klines(symbol, interval, window, known_ms))
            for row in rows:
                open_time, close_time = row[0], row[6]
                # In a bar without trades nothing can be had at its open.
                if after_ms < open_time and float(row[5]):
                    yield open_time, BarOpened(symbol, open_time, _units(row[1]))
                if after_ms < close_time <= upto_ms:
                    yield close_time, _as_bar(symbol, row)
            if len(rows) < _PAGE:
                return
            at = rows[-1][0] + 1


def _units(text: str) -> int:
    return units(Decimal(text))


def _as_bar(symbol: str, row: Sequence[Any]) -> BarSeen:
    open_, high, low, close, volume = map(_units, row[1:6])
    return BarSeen(symbol, row[0], row[6], open_, high, low, close, volume, _units(row[7]))


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
