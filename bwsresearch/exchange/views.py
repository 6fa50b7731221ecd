"""What a chain shows of a symbol at a moment: klines, trades, book and statistics.

Nothing after `now` is seen: the bar that is running is the sum of what has happened in it.
"""

from dataclasses import replace

import numpy as np

from bwsresearch.enums import Interval
from bwsresearch.exchange.cells import Cells, joined
from bwsresearch.exchange.chain import Chain
from bwsresearch.exchange.ladder import ladder
from bwsresearch.exchange.market import (
    AggTrades,
    Bars,
    Book,
    Ids,
    Summary,
    Trades,
    Window,
)
from bwsresearch.times import next_open, open_time

__all__ = ["View"]

_FOREVER = 2**50


class View:
    """One symbol of a market that a chain makes.

    `root` seeds the book, `depth_lots` is the quantity of a typical level.
    """

    def __init__(self, chain: Chain, root: int, *, depth_lots: int) -> None:
        self.chain = chain
        self._root, self._depth_lots = root, depth_lots

    def klines(self, interval: Interval, window: Window, now_ms: int, shift_ms: int) -> Bars:
        """Return bars by open time, the running one last."""
        if not self.chain.offers(interval):
            return self.chain.total(0, 0).bars(self.chain.grid)
        stop = min(now_ms, _FOREVER if window.end_ms is None else window.end_ms) + 1
        cells = (
            self._newest(interval, stop, window.limit, now_ms, shift_ms)
            if window.start_ms is None
            else self._oldest(interval, window.start_ms, stop, window.limit, now_ms, shift_ms)
        )
        return cells.bars(self.chain.grid)

    def _newest(
        self, interval: Interval, stop_ms: int, limit: int, now_ms: int, shift_ms: int
    ) -> Cells:
        begin = self._begin
        size = limit
        while True:
            last = open_time(interval, stop_ms - 1 + shift_ms)
            start = next_open(interval, last, 1 - size) - shift_ms
            found = self._cells(interval, max(start, 0), stop_ms, now_ms, shift_ms)
            if len(found) >= limit or start <= begin:
                return found.part(slice(max(0, len(found) - limit), None))
            size *= 4

    def _oldest(
        self,
        interval: Interval,
        start_ms: int,
        stop_ms: int,
        limit: int,
        now_ms: int,
        shift_ms: int,
    ) -> Cells:
        parts: list[Cells] = []
        at, missing = max(start_ms, self._floor(interval, shift_ms)), limit
        while True:
            after = min(next_open(interval, at - 1 + shift_ms, missing + 1) - shift_ms, stop_ms)
            found = self._cells(interval, at, after, now_ms, shift_ms)
            parts.append(found.part(slice(0, missing)))
            missing -= len(parts[-1])
            if after >= stop_ms or missing <= 0:
                return joined(parts)
            at = after

    @property
    def _begin(self) -> int:
        opens = self.chain.source.cells.open_time
        return int(opens[0]) if len(opens) else _FOREVER

    def _floor(self, interval: Interval, shift_ms: int) -> int:
        begin = self._begin
        return open_time(interval, begin + shift_ms) - shift_ms if begin < _FOREVER else 0

    def _cells(
        self, interval: Interval, start_ms: int, stop_ms: int, now_ms: int, shift_ms: int
    ) -> Cells:
        """Return the bars with an open time in [start_ms, stop_ms) as they are at `now_ms`."""
        running = open_time(interval, now_ms + shift_ms) - shift_ms
        done = self.chain.cells(interval, start_ms, min(stop_ms, running), shift_ms=shift_ms)
        if not start_ms <= running < stop_ms:
            return done
        end = next_open(interval, running + shift_ms) - shift_ms
        current = self.chain.total(running, now_ms + 1)
        if not len(current) or not current.trades.any():
            return done
        return joined([done, replace(current, end_time=np.array([end]))])

    def trades(self, ids: Ids, now_ms: int) -> Trades:
        """Return trades up to now."""
        first = self._first(ids, now_ms, 1)
        return self.chain.trades(first, ids.limit, now_ms + 1)

    def agg_trades(self, rows: Window | Ids, now_ms: int) -> AggTrades:
        """Return aggregate trades up to now."""
        if isinstance(rows, Ids):
            return self.chain.agg_trades(self._first(rows, now_ms, 0), rows.limit, now_ms + 1)
        stop = min(now_ms, _FOREVER if rows.end_ms is None else rows.end_ms) + 1
        if rows.start_ms is None:
            first = max(0, self.chain.ids_at(stop)[0] - rows.limit)
        else:
            first = self.chain.ids_at(min(rows.start_ms, stop))[0]
        return self.chain.agg_trades(first, rows.limit, stop)

    def _first(self, ids: Ids, now_ms: int, which: int) -> int:
        if ids.from_id is not None:
            return ids.from_id
        return max(0, self.chain.ids_at(now_ms + 1)[which] - ids.limit)

    def summary(self, start_ms: int, end_ms: int) -> Summary:
        """Return the trades of [start_ms, end_ms) as one row."""
        before = self._last(start_ms)
        previous = int(before.price[-1]) if len(before) else 0
        whole = self.chain.total(start_ms, end_ms)
        count = int(whole.trades.sum())
        if not count:
            last = int(before.time[-1]) if len(before) else 0
            return Summary(0, 0, 0, 0, 0, last, 0, 0, -1, -1, 0, previous)
        bar = whole.bars(self.chain.grid)
        last_trade = self._last(end_ms)
        first_id = self.chain.ids_at(start_ms)[1]
        return Summary(
            int(bar.open[0]),
            int(bar.high[0]),
            int(bar.low[0]),
            int(bar.close[0]),
            int(last_trade.qty[-1]),
            int(last_trade.time[-1]),
            int(bar.volume[0]),
            int(bar.quote_volume[0]),
            first_id,
            first_id + count - 1,
            count,
            previous,
        )

    def _last(self, time_ms: int) -> Trades:
        """Return the last trade before a time; none when there was none yet."""
        count = self.chain.ids_at(time_ms)[1]
        return self.chain.trades(count - 1 if count else 0, min(1, count), time_ms)

    def depth(self, limit: int, now_ms: int) -> Book:
        """Return a book around the last price that changes every tenth of a second."""
        last = self._last(now_ms + 1)
        if not len(last):
            return Book(now_ms // 100, (), ())
        return ladder(
            self._root,
            int(last.price[0]),
            self.chain.grid,
            limit,
            now_ms,
            was_sold=bool(last.is_buyer_maker[0]),
            lots=self._depth_lots,
        )
