"""Recorded books and trades of one symbol, as events in the order of their times.

The book begins with a whole one and goes on by changes that must follow each other; where one is
missing, it is not known before the next whole one. What happens at one moment comes trades first: the
book of that moment knows of them.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.fills.shown import ShownSide
from bwsresearch.exchange.market import Book, Ints
from bwsresearch.exchange.tape import units
from bwsresearch.exchange.trading.liquidity import BookChange, BookSeen, Print

__all__ = ["RecordedBook", "RecordedStreams"]

Rows: TypeAlias = Mapping[
    str, npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
]
Levels: TypeAlias = tuple[tuple[int, int], ...]

_FOREVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class _Update:
    """One message: a change of the book, or with `first_id` 0 a whole book."""

    time: int
    first_id: int
    last_id: int
    bids: Levels
    asks: Levels


class RecordedBook:
    """The book of one symbol at any time; it moves forward cheaply and back by starting again.

    Changes are sent together, ten times a second, and late when there are many. With trades, what they
    have taken of the book is gone from it at once.

    Args:
        depth: rows of the kind "depth", sorted by `last_update_id`, a whole book before its changes.
        trades: rows of the kind "trades", sorted by id.
    """

    def __init__(self, symbol: str, depth: Rows, trades: Rows | None = None) -> None:
        self.symbol = symbol
        first, last = depth["first_update_id"], depth["last_update_id"]
        is_new = (last[1:] != last[:-1]) | (first[1:] != first[:-1])
        starts = np.append(0, np.flatnonzero(is_new) + 1)[: len(first)]
        self._rows = np.append(starts, len(first))
        self._first_id: Ints = first[starts].astype(np.int64)
        self._last_id: Ints = last[starts].astype(np.int64)
        times = depth["time"][starts].astype(np.int64) // 1000
        self.times: Ints = np.maximum.accumulate(times) if len(times) else times
        self._is_bid = depth["is_bid"].astype(np.bool_)
        self._price, self._qty = units(depth["price"]), units(depth["qty"])
        self._prints = _Prints(symbol, trades)
        self._cursors: list[_Cursor] = []

    def at(self, now_ms: int, limit: int) -> Book | None:
        """Return the best levels as of a time; None while the book is not known.

        Between two changes that follow each other it is; after the last one before a gap, or of all,
        it is not.
        """
        end = self._upto(now_ms)
        cursor, prints = self._cursor_before(end), self._prints
        while cursor.next < end:
            update = self._update(cursor.next)
            cursor.trade(prints.between(cursor.upto_ms, update.time))
            cursor.step(update)
        if not cursor.is_joined or not self._goes_on(end, cursor.update_id, now_ms):
            return None
        with cursor.as_before():
            cursor.trade(prints.between(cursor.upto_ms, now_ms))
            bids, asks = (tuple(islice(side.walk(), limit)) for side in (cursor.bids, cursor.asks))
        return Book(cursor.update_id, bids, asks)

    def _cursor_before(self, end: int) -> "_Cursor":
        """Return the cursor that has the least way to a position.

        There are two, since the engine looks at whole moments and requests look at what is between.
        """
        fitting = [one for one in self._cursors if one.next <= end]
        if fitting:
            return max(fitting, key=lambda one: one.next)
        start = self._whole_before(end)
        # A whole book knows of all trades up to its time.
        cursor = _Cursor(start, int(self.times[start]) if end else -1)
        self._cursors = [*self._cursors[-1:], cursor]
        return cursor

    def changes(self, after_ms: int, upto_ms: int) -> Iterator[BookSeen | BookChange]:
        """Yield the whole book at its first change in (after, upto], then each change of it."""
        start, end = self._upto(after_ms), self._upto(upto_ms)
        cursor, is_told = _Cursor(self._whole_before(start)), False
        while cursor.next < end:
            is_within = cursor.next >= start
            update = self._update(cursor.next)
            is_change = cursor.step(update)
            is_told = is_told and cursor.is_joined
            if not is_within or not is_change:
                continue
            if is_told:
                yield BookChange(self.symbol, update.time, update.last_id, update.bids, update.asks)
            else:
                bids, asks = cursor.bids.top(), cursor.asks.top()
                yield BookSeen(self.symbol, update.time, update.last_id, bids, asks)
            is_told = True

    def _goes_on(self, end: int, update_id: int, now_ms: int) -> bool:
        """Whether nothing is missing between the update before a position and the change after it."""
        if now_ms == self.times[end - 1]:
            return True
        while end < len(self._first_id) and not self._first_id[end]:
            end += 1
        return end < len(self._first_id) and bool(self._first_id[end] == update_id + 1)

    def _upto(self, time_ms: int) -> int:
        return int(np.searchsorted(self.times, time_ms, side="right"))

    def _whole_before(self, end: int) -> int:
        """Return the position of the last whole book before a position, else of the first update.

        One that is no newer than the change before it is passed over, as it is when it comes up.
        """
        last = self._last_id[:end]
        whole = np.flatnonzero((self._first_id[:end] == 0) & (np.diff(last, prepend=-1) > 0))
        return int(whole[-1]) if len(whole) else 0

    def _update(self, number: int) -> _Update:
        first, last = int(self._rows[number]), int(self._rows[number + 1])
        is_bid = self._is_bid[first:last]
        price, qty = self._price[first:last], self._qty[first:last]
        bids, asks = (
            tuple(zip(price[side].tolist(), qty[side].tolist(), strict=True))
            for side in (is_bid & (price > 0), ~is_bid)
        )
        first_id, last_id = int(self._first_id[number]), int(self._last_id[number])
        return _Update(int(self.times[number]), first_id, last_id, bids, asks)


class _Cursor:
    """The book as far as it was read: the position of the next update, and the time of the last.

    It `is_joined` once changes have followed a whole book.
    """

    def __init__(self, start: int = 0, upto_ms: int = -1) -> None:
        self.next, self.upto_ms = start, upto_ms
        self._forget()

    def _forget(self) -> None:
        self.bids, self.asks = ShownSide(is_bid=True), ShownSide(is_bid=False)
        self.update_id, self.is_joined = -1, False

    def trade(self, prints: Iterable[Print]) -> None:
        """Let trades take what they took of the book."""
        for trade in prints:
            side = self.bids if trade.is_buyer_maker else self.asks
            side.printed(trade.time, trade.price, trade.qty)

    @contextlib.contextmanager
    def as_before(self) -> Iterator[None]:
        """Forget the trades of a `with` block after it."""
        with self.bids.as_before(), self.asks.as_before():
            yield

    def step(self, update: _Update) -> bool:
        """Apply the next update; return whether it has changed a book that is known."""
        self.next += 1
        self.upto_ms = max(self.upto_ms, update.time)
        if update.last_id <= self.update_id:
            return False
        if not update.first_id:
            for side, levels in ((self.bids, update.bids), (self.asks, update.asks)):
                side.replace(levels)
                side.settle(update.time)
            self.update_id, self.is_joined = update.last_id, False
            return False
        if self.update_id < 0:
            return False
        if update.first_id > self.update_id + 1:
            self._forget()
            return False
        for side, levels in ((self.bids, update.bids), (self.asks, update.asks)):
            side.change(levels)
            side.settle(update.time, levels)
        self.update_id, self.is_joined = update.last_id, True
        return True


class _Prints:
    """Recorded trades by time."""

    def __init__(self, symbol: str, trades: Rows | None) -> None:
        self._symbol, self._columns = symbol, tuple[npt.NDArray[np.generic], ...]()
        self.times: Ints = np.zeros(0, np.int64)
        if trades is None or not len(trades["time"]):
            return
        # Ids ascend, times almost always do; where they do not, the latest so far counts.
        self.times = np.maximum.accumulate(trades["time"].astype(np.int64) // 1000)
        self._columns = (
            trades["id"].astype(np.int64),
            units(trades["price"]),
            units(trades["qty"]),
            trades["is_buyer_maker"].astype(np.bool_),
        )

    def between(self, after_ms: int, upto_ms: int) -> Iterator[Print]:
        """Yield the trades of (after, upto]."""
        first, last = (
            int(np.searchsorted(self.times, t, side="right")) for t in (after_ms, upto_ms)
        )
        columns = (column[first:last].tolist() for column in (self.times, *self._columns))
        for row in zip(*columns, strict=True):
            yield Print(self._symbol, *row)


class RecordedStreams:
    """A recording as a market that a fill model watches.

    Args:
        trades: rows of the kind "trades", sorted by id.
        depth: rows of the kind "depth".
    """

    def __init__(self, symbol: str, trades: Rows, depth: Rows) -> None:
        self.symbol = symbol
        self.book = RecordedBook(symbol, depth)
        self._prints = _Prints(symbol, trades)

    @property
    def span(self) -> tuple[int, int]:
        """The times of the first and the last event, in ms."""
        times = np.concatenate([self._prints.times, self.book.times])
        return int(times.min()), int(times.max())

    def events(
        self, after_ms: int = -1, upto_ms: int = _FOREVER
    ) -> Iterator[Print | BookSeen | BookChange]:
        """Yield trades and books of (after, upto], by time, trades first."""
        prints = self._prints.between(after_ms, upto_ms)
        trade = next(prints, None)
        for shown in self.book.changes(after_ms, upto_ms):
            while trade is not None and trade.time <= shown.time:
                yield trade
                trade = next(prints, None)
            yield shown
        if trade is not None:
            yield trade
            yield from prints
