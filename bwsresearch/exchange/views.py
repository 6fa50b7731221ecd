"""What a chain shows of a symbol at a moment: klines, trades, book and statistics.

Nothing after `now` is seen: the bar that is running is the sum of what has happened in it.
"""

from dataclasses import dataclass, replace

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
    """One symbol of a market that a chain makes; `root` seeds the book."""

    def __init__(self, chain: Chain, root: int) -> None:
        self.chain, self._root = chain, root

    def klines(self, interval: Interval, window: Window, now_ms: int, shift_ms: int) -> Bars:
        """Return bars by open time, the running one last."""
        stop = min(now_ms, _FOREVER if window.end_ms is None else window.end_ms) + 1
        series = _Series(self, interval, now_ms, shift_ms)
        cells = (
            series.newest(stop, window.limit)
            if window.start_ms is None
            else series.oldest(window.start_ms, stop, window.limit)
        )
        return cells.bars(self.chain.grid)

    def running(self, interval: Interval, now_ms: int, shift_ms: int) -> Bars:
        """Return the bar that contains `now_ms` as it is by then; none without trades."""
        return _Series(self, interval, now_ms, shift_ms).running().bars(self.chain.grid)

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
            bar.volume.at(0),
            bar.quote_volume.at(0),
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
        lots = self._lots_per_second(now_ms)
        return ladder(self._root, last, self.chain.grid, limit, now_ms, lots=max(lots, 10))

    def _lots_per_second(self, now_ms: int) -> int:
        """Return how much was traded in a second of the last cell of the source that is over."""
        source = self.chain.source
        index = int(np.searchsorted(source.end_time, now_ms + 1, side="right")) - 1
        if index < 0:
            return 0
        start, end = int(source.open_time[index]), int(source.end_time[index])
        return int(source.within(start, end).lots.sum()) * 1000 // (end - start)


@dataclass(frozen=True)
class _Series:
    """The bars of one interval as they are at `now_ms`."""

    view: View
    interval: Interval
    now_ms: int
    shift_ms: int

    def oldest(self, start_ms: int, stop_ms: int, limit: int) -> Cells:
        """Return the first bars with an open time in [start_ms, stop_ms)."""
        source = self.view.chain.source
        found: list[Cells] = []
        at, missing = start_ms, limit
        while missing > 0 and at < stop_ms:
            index = int(np.searchsorted(source.end_time, at, side="right"))
            if index == len(source):
                break
            at = max(at, self._open(int(source.open_time[index])))
            after = min(self._next(at - 1, missing + 1), stop_ms)
            found.append(self._between(at, after).part(slice(0, missing)))
            missing -= len(found[-1])
            at = after
        return joined(found)

    def newest(self, stop_ms: int, limit: int) -> Cells:
        """Return the last bars with an open time before `stop_ms`."""
        source = self.view.chain.source
        found: list[Cells] = []
        end, missing = stop_ms, limit
        while missing > 0:
            edge = self._next(
                end - 1, 1
            )  # a bar that opens before the end may begin to trade after it
            index = int(np.searchsorted(source.open_time, edge)) - 1
            if index < 0:
                break
            begin = self._next(min(edge, int(source.end_time[index])) - 1, 1 - missing)
            found.append(self._between(begin, end))
            missing -= len(found[-1])
            end = begin
        return joined(found[::-1])

    def _between(self, start_ms: int, stop_ms: int) -> Cells:
        running = self._open(self.now_ms)
        done = self.view.chain.cells(
            self.interval, start_ms, min(stop_ms, running), shift_ms=self.shift_ms
        )
        return joined([done, self.running()]) if start_ms <= running < stop_ms else done

    def running(self) -> Cells:
        """Return the bar that contains now; none without trades."""
        start = self._open(self.now_ms)
        found = self.view.chain.total(start, self.now_ms + 1)
        found = found.part(found.is_busy)
        return replace(found, end_time=np.full(len(found), self._next(start, 1)))

    def _open(self, time_ms: int) -> int:
        return open_time(self.interval, time_ms + self.shift_ms) - self.shift_ms

    def _next(self, time_ms: int, bars: int) -> int:
        return next_open(self.interval, time_ms + self.shift_ms, bars) - self.shift_ms
