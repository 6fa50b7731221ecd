"""What is missing where nothing should be: bars and ids inside of covered time."""

from typing import cast

import numpy as np

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.store.spans import Spans, clip, minus, union
from bwsresearch.tables import AGG_TRADES, TRADES, Columns, Schema
from bwsresearch.times import STEP_MS, Ms, next_open, next_opens, open_time

__all__ = ["Holes", "gaps"]


class Holes:
    """The stretches of a series of which rows are missing, found file by file.

    Before the first row nothing is missing: that is before the listing. Ids tell of a missing row
    when they are numbered one by one; books and their changes have no such ids.
    """

    def __init__(self, schema: Schema, interval: Interval | None) -> None:
        self._schema, self._interval = schema, interval
        self._last: Columns = tables.empty(schema)
        self._between: list[tuple[int, int]] = []
        self._covered: Spans = ()
        self._empty: Spans = ()

    def add(self, columns: Columns, covered: Spans, empty: Spans) -> None:
        """Take the sorted rows of the next file, what it covers, and what is known to be empty."""
        self._covered, self._empty = union(self._covered, covered), union(self._empty, empty)
        if not tables.length(columns) or self._schema not in (tables.KLINES, AGG_TRADES, TRADES):
            return
        rows = tables.concat(self._schema, [self._last, columns])
        times = tables.millis(rows, self._schema.time)
        if self._interval is None:
            # Keys are numbers or times, int64 both.
            self._between += _between_ids(cast("Ms", rows[self._schema.key]), times)
        else:
            self._between += _missing(next_opens(self._interval, times[:-1]), times[1:])
        self._last = tables.sliced(columns, slice(-1, None))

    def found(self) -> Spans:
        """Return the stretches, in ms, half-open; what is known to be empty is none."""
        if self._interval is None:
            # A missing trade may have come in the moment of its neighbours.
            covered = [hole for hole in self._between if clip(self._covered, *hole) == (hole,)]
            return tuple(hole for hole in covered if minus((hole,), self._empty))
        missing = [clip(self._covered, *hole) for hole in [*self._between, *self._behind()]]
        return minus(union(*missing), self._empty)

    def _behind(self) -> list[tuple[int, int]]:
        """Return what is covered behind the last bar."""
        if self._interval is None or not tables.length(self._last):
            return []
        over = int(next_opens(self._interval, tables.millis(self._last, self._schema.time))[0])
        return [(over, self._covered[-1][1])] if self._covered else []


def gaps(interval: Interval, opens: tables.Column, start_ms: int, end_ms: int) -> list[list[int]]:
    """Return the missing bars of [start_ms, end_ms) as [start, end) pairs; `opens` ascends, in ms.

    Before the first row they count as missing too.
    """
    first = open_time(interval, start_ms)
    first = first if first == start_ms else next_open(interval, first)
    stop = next_open(interval, open_time(interval, end_ms - 1))
    if stop <= first:
        return []
    stamps = np.asarray(opens, np.int64)
    if _is_unbroken(interval, stamps, first, stop):
        return []
    inside = stamps[(stamps >= first) & (stamps < stop)]
    edges = np.concatenate(([first], next_opens(interval, inside)))
    return [list(gap) for gap in _missing(edges, np.concatenate((inside, [stop])))]


def _is_unbroken(interval: Interval, opens: Ms, first: int, stop: int) -> bool:
    """Whether `opens` are just the bars of [first, stop), told fast; False is no proof."""
    step = STEP_MS.get(interval)
    if step is None or len(opens) * step != stop - first or opens[0] != first:
        return False
    return bool((opens[1:] - opens[:-1] == step).all())


def _missing(due: Ms, there: Ms) -> list[tuple[int, int]]:
    """Return the stretches between when bars were due and when the next one opened."""
    late = np.flatnonzero(there > due)
    return list(zip(due[late].tolist(), there[late].tolist(), strict=True))


def _between_ids(ids: Ms, times: Ms) -> list[tuple[int, int]]:
    seams = np.flatnonzero(ids[1:] - ids[:-1] > 1)
    firsts, lasts = np.minimum(times[:-1], times[1:]), np.maximum(times[:-1], times[1:])
    return [(int(firsts[i]), int(lasts[i]) + 1) for i in seams]
