"""The market of a backtest, brought to the engine as it becomes known: bars, or trades and books.

While no order is open nothing depends on the bars between two decisions, so that they are passed over.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from bwsresearch.backtesting.bars import Bars
from bwsresearch.exchange.fills import KlinesOnly
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen, MarketEvent
from bwsresearch.exchange.trading.recent import Recent

__all__ = ["BarFeed", "Feed", "TickFeed"]

_MINUTE_MS = 60_000


class Feed(Protocol):
    """A symbol's market."""

    def advance(self, now_ms: int) -> None:
        """Let the engine see what is known at a time."""

    def close(self, bar: int, now_ms: int) -> None:
        """Let the engine see everything up to the last moment of a bar, `now_ms`."""

    def open(self, bar: int, now_ms: int) -> None:
        """Likewise, and the opening of the bar after it, if that is at `now_ms` or before."""


class BarFeed:
    """Bars to the model `klines@1`; `factor` is how many units of an account make 1e-8.

    `at_close` opens the market once more at each close, for orders that fill at the close that
    decided them.
    """

    def __init__(
        self,
        bars: Bars,
        engine: Engine,
        model: KlinesOnly,
        account: Account,
        *,
        factor: int = 1,
        at_close: bool = False,
    ) -> None:
        self._bars, self._engine, self._model = bars, engine, model
        self._open_orders = account.open_orders[bars.symbol]
        self._factor, self._at_close = factor, at_close
        self._next, self._is_opened = 0, False
        # Views give Python's own numbers, without half a million of them made before.
        self._opened, self._closed = bars.opened.data, bars.closed.data
        self._over, self._traded = bars.over.data, bars.is_traded.data
        self._open, self._close = bars.open.data, bars.close.data
        self._volume = bars.volume.data
        model.bars = _Averages(self)

    def advance(self, now_ms: int) -> None:
        self._see(len(self._closed), now_ms)

    def close(self, bar: int, now_ms: int) -> None:
        self._see(bar + 1, now_ms)

    def open(self, bar: int, now_ms: int) -> None:
        self._see(bar + 1, now_ms)
        following = bar + 1
        if self._next == following < len(self._closed) and self._opened[following] <= now_ms:
            self._begin(following)

    def _see(self, stop: int, now_ms: int) -> None:
        """See the bars before `stop` that have closed, and the opening of one that has not."""
        opened, closed = self._opened, self._closed
        while self._next < stop:
            bar = self._next
            if closed[bar] <= now_ms and not self._open_orders:
                self._pass(stop, now_ms)
                continue
            if opened[bar] <= now_ms:
                self._begin(bar)
            if closed[bar] > now_ms:
                return
            self._end(bar)
            self._next, self._is_opened = bar + 1, False

    def _pass(self, stop: int, now_ms: int) -> None:
        """Pass over the bars that have closed, of which nobody had an order."""
        self._next = bisect_right(self._closed, now_ms, self._next, stop)
        self._is_opened = False
        last = self._next - 1
        close = self._close[last]
        self._model.skip(close, self._volume[last] * self._factor)
        if self._at_close and self._traded[last]:
            self._model.begin(close, self._over[last])

    def _begin(self, bar: int) -> None:
        if self._is_opened:
            return
        self._is_opened = True
        if self._at_close or not self._traded[bar]:
            return
        price, time = self._open[bar], self._opened[bar]
        if self._open_orders:
            self._engine.observe(BarOpened(self._bars.symbol, time, price), time)
        else:
            self._model.begin(price, time)

    def _end(self, bar: int) -> None:
        bars, closed = self._bars, self._closed[bar]
        seen = BarSeen(
            bars.symbol,
            self._opened[bar],
            closed,
            int(bars.open[bar]),
            int(bars.high[bar]),
            int(bars.low[bar]),
            int(bars.close[bar]),
            int(bars.volume[bar]) * self._factor,
        )
        self._engine.observe(seen, closed)
        if self._at_close and self._traded[bar]:
            over = self._over[bar]
            self._engine.observe(BarOpened(bars.symbol, over, seen.close), over)

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price of the bars that closed in the last minutes, or 0."""
        volumes, closed = self._volume, self._closed
        worth = size = 0
        after_ms, bar = now_ms - minutes * _MINUTE_MS, self._next - 1
        while bar >= 0 and closed[bar] > after_ms:
            volume = volumes[bar]
            size += volume
            worth += self._worth(bar, volume)
            bar -= 1
        return (2 * worth + size) // (2 * size) if size else 0

    def _worth(self, bar: int, volume: int) -> int:
        paid = int(self._bars.quote_volume[bar])
        return paid * UNIT or int(self._bars.close[bar]) * volume


class _Averages(Recent):
    """Averages by a feed's own bars, which are all there already."""

    __slots__ = ("_feed",)

    def __init__(self, feed: BarFeed) -> None:
        super().__init__()
        self._feed = feed

    def add(self, time: int, worth: int, qty: int) -> None:
        del time, worth, qty

    def average(self, minutes: int, now_ms: int) -> int:
        return self._feed.average(minutes, now_ms)


class TickFeed:
    """Trades and books to the models that know them, each at its time."""

    def __init__(self, events: Sequence[MarketEvent], times: Sequence[int], engine: Engine) -> None:
        self._events, self._times, self._engine, self._next = events, times, engine, 0

    def advance(self, now_ms: int) -> None:
        number, count = self._next, len(self._events)
        while number < count and self._times[number] <= now_ms:
            self._engine.observe(self._events[number], self._times[number])
            number += 1
        self._next = number

    def close(self, bar: int, now_ms: int) -> None:
        del bar
        self.advance(now_ms)

    def open(self, bar: int, now_ms: int) -> None:
        del bar
        self.advance(now_ms)
