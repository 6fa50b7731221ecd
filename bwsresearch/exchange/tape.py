"""Recorded trades as a market: bars, aggregates, statistics and a book that follow from them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.ladder import ladder
from bwsresearch.exchange.market import (
    UNIT,
    AggTrades,
    Bars,
    Book,
    Ids,
    Ints,
    Summary,
    Trades,
    Window,
)
from bwsresearch.times import next_open, open_times

__all__ = ["Tape", "runs", "units"]

Rows: TypeAlias = Mapping[
    str, npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
]
_FOREVER: Final = 2**50


class Tape:
    """The trades of one symbol, by ascending id; `root` seeds the book."""

    def __init__(self, columns: Rows, grid: Grid, root: int) -> None:
        self._grid, self._root = grid, root
        self.all = Trades(
            columns["id"].astype(np.int64),
            units(columns["price"]),
            units(columns["qty"]),
            units(columns["quote_qty"]),
            columns["time"].astype(np.int64) // 1000,
            columns["is_buyer_maker"].astype(np.bool_),
        )
        # Ids ascend, times almost always do; where they do not, the latest so far counts.
        self._times = np.maximum.accumulate(self.all.time)
        self.aggregates = runs(self.all)
        self._typical = int(np.median(self.all.qty)) // grid.step + 10

    def _upto(self, end_ms: int) -> int:
        """Return how many trades are known before a time."""
        return int(np.searchsorted(self._times, end_ms))

    def trades(self, ids: Ids, now_ms: int) -> Trades:
        """Return trades up to now."""
        last = self._upto(now_ms + 1)
        if ids.from_id is None:
            return self.all.part(slice(max(0, last - ids.limit), last))
        first = min(last, int(np.searchsorted(self.all.id, ids.from_id)))
        return self.all.part(slice(first, min(last, first + ids.limit)))

    def agg_trades(self, rows: Window | Ids, now_ms: int) -> AggTrades:
        """Return aggregate trades up to now."""
        found, stop = self.aggregates, now_ms + 1
        if isinstance(rows, Window) and rows.end_ms is not None:
            stop = min(stop, rows.end_ms + 1)
        last = int(np.searchsorted(found.time, stop))
        first: int | None = None
        if isinstance(rows, Window) and rows.start_ms is not None:
            first = int(np.searchsorted(found.time, rows.start_ms))
        elif isinstance(rows, Ids) and rows.from_id is not None:
            first = int(np.searchsorted(found.id, rows.from_id))
        if first is None:
            return found.part(slice(max(0, last - rows.limit), last))
        return found.part(slice(min(first, last), min(last, first + rows.limit)))

    def klines(self, interval: Interval, window: Window, now_ms: int, shift_ms: int) -> Bars:
        """Return the bars that have trades, the running one last."""
        stop = min(now_ms, _FOREVER if window.end_ms is None else window.end_ms) + 1
        seen = self.all.part(slice(0, self._upto(now_ms + 1)))
        opens = open_times(interval, seen.time + shift_ms) - shift_ms
        bars = _bars(seen, np.maximum.accumulate(opens), interval, shift_ms)
        last = int(np.searchsorted(bars.open_time, stop))
        if window.start_ms is None:
            first = max(0, last - window.limit)
        else:
            first = min(last, int(np.searchsorted(bars.open_time, window.start_ms)))
            last = min(last, first + window.limit)
        cut = slice(first, last)
        return Bars(*(getattr(bars, name)[cut] for name in Bars.__slots__))

    def summary(self, start_ms: int, end_ms: int) -> Summary:
        """Return the trades of [start_ms, end_ms) as one row."""
        first, last = self._upto(start_ms), self._upto(end_ms)
        previous = int(self.all.price[first - 1]) if first else 0
        if first == last:
            time = int(self.all.time[first - 1]) if first else 0
            return Summary(0, 0, 0, 0, 0, time, 0, 0, -1, -1, 0, previous)
        part = self.all.part(slice(first, last))
        return Summary(
            int(part.price[0]),
            int(part.price.max()),
            int(part.price.min()),
            int(part.price[-1]),
            int(part.qty[-1]),
            int(part.time[-1]),
            int(part.qty.sum()),
            int(part.quote_qty.sum()),
            int(part.id[0]),
            int(part.id[-1]),
            len(part),
            previous,
        )

    def depth(self, limit: int, now_ms: int) -> Book:
        """Return a book around the last trade."""
        last = self._upto(now_ms + 1)
        if not last:
            return Book(now_ms // 100, (), ())
        price, was_sold = int(self.all.price[last - 1]), bool(self.all.is_buyer_maker[last - 1])
        return ladder(
            self._root, price, self._grid, limit, now_ms, was_sold=was_sold, lots=self._typical
        )


def runs(trades: Trades) -> AggTrades:
    """Return consecutive trades of equal price, time and side as one each, numbered from 0.

    The order that the takers sent is not recorded; on the exchange an aggregate is one order's.
    """
    if not len(trades):
        empty = np.zeros(0, np.int64)
        return AggTrades(empty, empty, empty, empty, empty, empty, np.zeros(0, np.bool_))
    changes = (
        (np.diff(trades.price) != 0)
        | (np.diff(trades.time) != 0)
        | (trades.is_buyer_maker[1:] != trades.is_buyer_maker[:-1])
        | (np.diff(trades.id) != 1)
    )
    first = np.concatenate([[0], np.flatnonzero(changes) + 1])
    last = np.append(first[1:], len(trades)) - 1
    return AggTrades(
        np.arange(len(first), dtype=np.int64),
        trades.price[first],
        np.add.reduceat(trades.qty, first),
        trades.id[first],
        trades.id[last],
        trades.time[first],
        trades.is_buyer_maker[first],
    )


def _bars(trades: Trades, opens: Ints, interval: Interval, shift_ms: int) -> Bars:
    if not len(trades):
        return Bars(*(np.zeros(0, np.int64) for _ in Bars.__slots__))
    first = np.flatnonzero(np.concatenate([[True], opens[1:] != opens[:-1]]))
    last = np.append(first[1:], len(opens)) - 1
    bought = ~trades.is_buyer_maker
    starts = opens[first]
    ends = np.array([next_open(interval, int(t) + shift_ms) - shift_ms for t in starts], np.int64)
    return Bars(
        starts,
        trades.price[first],
        np.maximum.reduceat(trades.price, first),
        np.minimum.reduceat(trades.price, first),
        trades.price[last],
        np.add.reduceat(trades.qty, first),
        ends - 1,
        np.add.reduceat(trades.quote_qty, first),
        last - first + 1,
        np.add.reduceat(trades.qty * bought, first),
        np.add.reduceat(trades.quote_qty * bought, first),
    )


def units(values: npt.NDArray[np.generic]) -> Ints:
    """Return amounts in units; the whole part is cut off first, so that nothing is rounded."""
    amounts = values.astype(np.float64)
    whole = np.floor(amounts)
    return whole.astype(np.int64) * UNIT + np.rint((amounts - whole) * UNIT).astype(np.int64)
