"""Recorded trades as a market: bars, aggregates, statistics and a book that follow from them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange import edges
from bwsresearch.exchange.amounts import UNIT, Amounts, Ints, counted, divided, summed
from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.ladder import ladder
from bwsresearch.exchange.market import AggTrades, Bars, Book, Ids, Summary, Trades, Window
from bwsresearch.times import open_time

__all__ = ["Tape", "bars", "runs", "units"]

Rows: TypeAlias = Mapping[
    str, npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
]

_RECENT: Final = 1000


class Tape:
    """The trades of one symbol, by ascending id; `root` seeds the book.

    Ids ascend, times almost always do; where they do not, a trade is known when its id is.
    """

    def __init__(self, columns: Rows, grid: Grid, root: int) -> None:
        self._grid, self._root = grid, root
        self.all = Trades(
            columns["id"].astype(np.int64),
            counted(columns["price"]),
            counted(columns["qty"]),
            counted(columns["quote_qty"]),
            columns["time"].astype(np.int64) // 1000,
            columns["is_buyer_maker"].astype(np.bool_),
        )
        self._known = np.maximum.accumulate(self.all.time)
        self.aggregates = runs(self.all)
        self._aggregates_known = np.maximum.accumulate(self.aggregates.time)

    def _upto(self, end_ms: int) -> int:
        """Return how many trades are known before a time."""
        return int(np.searchsorted(self._known, end_ms))

    def trades(self, ids: Ids, now_ms: int) -> Trades:
        """Return trades up to now."""
        return self.all.part(_rows_of(self.all.id, ids, self._upto(now_ms + 1)))

    def agg_trades(self, rows: Window | Ids, now_ms: int) -> AggTrades:
        """Return aggregate trades up to now."""
        known, found = self._aggregates_known, self.aggregates
        if isinstance(rows, Ids):
            return found.part(_rows_of(found.id, rows, int(np.searchsorted(known, now_ms + 1))))
        stop = min(now_ms, now_ms if rows.end_ms is None else rows.end_ms) + 1
        last = int(np.searchsorted(known, stop))
        if rows.start_ms is None:
            return found.part(slice(max(0, last - rows.limit), last))
        first = min(last, int(np.searchsorted(known, rows.start_ms)))
        return found.part(slice(first, min(last, first + rows.limit)))

    def bars(self, interval: Interval, shift_ms: int) -> Bars:
        """Return every bar that has trades."""
        return bars(self.all, interval, shift_ms)

    def running(self, interval: Interval, now_ms: int, shift_ms: int) -> Bars:
        """Return the bar that contains `now_ms` as it is by then; none without trades."""
        start = open_time(interval, now_ms + shift_ms) - shift_ms
        part = self.all.part(slice(self._upto(start), self._upto(now_ms + 1)))
        return bars(part, interval, shift_ms)

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
            _sums(part.qty, np.zeros(1, np.int64)).at(0),
            _sums(part.quote_qty, np.zeros(1, np.int64)).at(0),
            int(part.id[0]),
            int(part.id[-1]),
            len(part),
            previous,
        )

    def depth(self, limit: int, now_ms: int) -> Book:
        """Return a book around the last trade."""
        count = self._upto(now_ms + 1)
        recent = self.all.part(slice(max(0, count - _RECENT), count))
        lots = int(np.median(recent.qty)) // self._grid.step if count else 0
        return ladder(self._root, recent, self._grid, limit, now_ms, lots=lots + 10)


def _rows_of(all_ids: Ints, ids: Ids, known: int) -> slice:
    if ids.from_id is None:
        return slice(max(0, known - ids.limit), known)
    first = min(known, int(np.searchsorted(all_ids, ids.from_id)))
    return slice(first, min(known, first + ids.limit))


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


def bars(trades: Trades, interval: Interval, shift_ms: int) -> Bars:
    """Return the bars that trades make, those without any left out.

    A trade belongs to the bar of its time; which is a bar's first and last is decided by id.
    """
    opens = edges.starts(interval, trades.time, shift_ms)
    if (opens[1:] < opens[:-1]).any():
        order = np.argsort(opens, kind="stable")
        trades, opens = trades.part(order), opens[order]
    first = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    last = np.append(first[1:], len(opens))[: len(first)] - 1
    bought = ~trades.is_buyer_maker
    return Bars(
        opens[first],
        trades.price[first],
        np.maximum.reduceat(trades.price, first),
        np.minimum.reduceat(trades.price, first),
        trades.price[last],
        _sums(trades.qty, first),
        edges.ends(interval, opens[first], shift_ms) - 1,
        _sums(trades.quote_qty, first),
        last - first + 1,
        _sums(trades.qty * bought, first),
        _sums(trades.quote_qty * bought, first),
    )


def _sums(values: Ints, first: Ints) -> Amounts:
    """Return the sums of stretches, each of which begins at one of `first`."""
    return summed(Amounts(*divided(values, UNIT)), first)


def units(values: npt.NDArray[np.generic]) -> Ints:
    """Return amounts in units."""
    return counted(values)
