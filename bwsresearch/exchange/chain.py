"""The chain of links day → hour → minute → trade: any view of a symbol at any time, all agreeing.

A chain begins with a source, cells of one interval over the whole history: the days of a synthetic
market, or recorded bars. Each link refines the one before it exactly, seeded by the parent's time,
so that every moment is reached at once and nothing need be stored. Coarser bars are sums.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange import edges, ticks
from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import NOTHING, Cells, Grid, joined, merged
from bwsresearch.exchange.market import AggTrades, Trades
from bwsresearch.exchange.noise import key
from bwsresearch.exchange.refine import refined
from bwsresearch.exchange.seconds import grouped, seconds
from bwsresearch.exchange.sides import ENOUGH
from bwsresearch.exchange.source import Source, used_up
from bwsresearch.exchange.ticks import Ticks
from bwsresearch.times import DAY_MS, STEP_MS, next_open, open_time

__all__ = ["Chain"]

_Mask = npt.NDArray[np.bool_]
_KEPT: Final = 100_000
"""How many refined cells a chain remembers, since questions come in clusters."""
_FAMILIES: Final = 32
_SEEN: Final = 16
"""How many cells a chain remembers the trades of."""
_HOURLY: Final[Ints] = np.array([
    104, 96, 90, 86, 84, 86, 94, 104, 114, 120, 122, 122,
    130, 156, 178, 182, 174, 160, 144, 132, 126, 122, 118, 110,
], np.int64)  # fmt: skip
"""How busy the hours of a day are, UTC; 128 is average."""


def _links(interval: Interval) -> list[Interval]:
    """Return the intervals of the chain from `interval` on, each a divisor of the one before."""
    finer: tuple[Interval, ...] = ("1d", "1h", "1m")
    step = STEP_MS.get(interval, 28 * DAY_MS)
    return [interval, *(one for one in finer if STEP_MS[one] < step)]


@dataclass(frozen=True, slots=True)
class _Family:
    """Cells of a link, which are the children of those that open at `parents`: `k` each, 0 if not alike."""

    link: int
    parents: Ints
    k: int
    children: Cells

    def of(self, parents: Ints) -> Cells | None:
        """Return the children of some of the parents, one after the other; None if they are not here."""
        first = int(np.searchsorted(self.parents, parents[0]))
        same = self.parents[first : first + len(parents)]
        if not self.k or not np.array_equal(same, parents):
            return None
        return self.children.part(slice(first * self.k, (first + len(parents)) * self.k))


class Chain:
    """One symbol's market, from `source` down to trades.

    Args:
        root: the key of seed and symbol.
        source: the cells that are given.
        grid: tick and step.
    """

    def __init__(self, root: int, source: Source, grid: Grid) -> None:
        self.source, self.grid = source, grid
        self._links = _links(source.interval)
        self._last = len(self._links) - 1
        self._roots = [key(root, interval) for interval in self._links]
        self._cache: OrderedDict[tuple[int, bytes], _Family] = OrderedDict()
        self._size = 0
        self._seen: dict[int, Ticks] = {}

    def cells(self, interval: Interval, start_ms: int, end_ms: int, *, shift_ms: int = 0) -> Cells:
        """Return whole cells of `interval` with an open time in [start_ms, end_ms).

        Edges are those of a zone `shift_ms` ahead of UTC. What the source lacks is missing.
        """
        first = open_time(interval, start_ms + shift_ms) - shift_ms
        first = first if first >= start_ms else next_open(interval, first + shift_ms) - shift_ms
        if first >= end_ms:
            return NOTHING
        after = next_open(interval, end_ms - 1 + shift_ms) - shift_ms
        if interval in self._links and not shift_ms % STEP_MS.get(interval, DAY_MS):
            return self._at(self._links.index(interval), first, after)
        if interval == "1s":
            minutes = self._at(self._last, first, after)
            return seconds(minutes, self._ticks(minutes), self.grid).within(first, after)
        fine, _ = self._cover(
            first,
            after,
            lambda some: (
                edges.starts(interval, some.open_time, shift_ms)
                == edges.starts(interval, some.end_time - 1, shift_ms)
            ),
        )
        starts = edges.starts(interval, fine.open_time, shift_ms)
        return merged(fine, starts, edges.ends(interval, starts, shift_ms))

    def total(self, start_ms: int, end_ms: int) -> Cells:
        """Return what happened in [start_ms, end_ms) as one cell; none when the source lacks it."""
        found, cut = self._cover(
            start_ms,
            end_ms,
            lambda some: (some.open_time >= start_ms) & (some.end_time <= end_ms),
        )
        if len(cut):
            some = self._ticks(cut).within(start_ms, end_ms)
            each = grouped(some, some.time, some.time + 1, self.grid)
            found = _sorted(joined([found, each]))
        whole = np.zeros(len(found), np.int64)
        return merged(found, whole + start_ms, whole + end_ms)

    def ids_at(self, time_ms: int) -> tuple[int, int]:
        """Return the ids of the next aggregate trade and trade at or after a time."""
        opens = self.source.open_time
        index = int(np.searchsorted(opens, time_ms, side="right")) - 1
        if index < 0:
            return 0, 0
        agg, trade = self.source.ids(index).tolist()
        before = self.total(int(opens[index]), time_ms)
        return agg + int(before.aggs.sum()), trade + int(before.trades.sum())

    def agg_trades(self, first: int, limit: int, end_ms: int) -> AggTrades:
        """Return at most `limit` aggregate trades with id ≥ `first` and a time before `end_ms`."""
        agg, trade, found = self._ticks_from(first, limit, end_ms, 0)
        rows = ticks.agg_trades(found, self.grid, agg, trade)
        skip = max(0, first - agg)
        return rows.part(slice(skip, skip + limit))

    def trades(self, first: int, limit: int, end_ms: int) -> Trades:
        """Return at most `limit` trades with id ≥ `first` and a time before `end_ms`."""
        _, trade, found = self._ticks_from(first, limit, end_ms, 1)
        rows = ticks.trades(found, self.grid, trade)
        skip = max(0, first - trade)
        return rows.part(slice(skip, skip + limit))

    def _cover(
        self, start_ms: int, end_ms: int, is_whole: Callable[[Cells], _Mask]
    ) -> tuple[Cells, Cells]:
        """Return what [start_ms, end_ms) consists of: the biggest cells that count as whole.

        The finest cells that do not are returned apart.
        """
        parts: list[Cells] = []
        rest = self.source.within(start_ms, end_ms)
        for link in range(len(self._links)):
            rest = self._children(link, rest).within(start_ms, end_ms) if link else rest
            whole = is_whole(rest)
            if whole.all():
                parts.append(rest)
                rest = rest.part(slice(0, 0))
                break
            if whole.any():
                parts.append(rest.part(whole))
                rest = rest.part(~whole)
        return _sorted(joined(parts)), rest

    def _children(self, link: int, parents: Cells) -> Cells:
        """Return the cells of a link that all of `parents`, of the link before, consist of."""
        if not len(parents):
            return parents
        name = link, parents.open_time.tobytes()
        if name in self._cache:
            self._cache.move_to_end(name)
            return self._cache[name].children
        for one in reversed(self._cache.values()):
            if one.link == link and (some := one.of(parents.open_time)) is not None:
                return some
        span = parents.end_time - parents.open_time
        alike = int(span.min()) == int(span.max())
        if alike:
            children = self._refined(link, parents, int(span[0]))
        else:  # months
            each = [self._refined(link, parents.part(span == one), one) for one in np.unique(span)]
            children = _sorted(joined(each))
        k = len(children) // len(parents) if alike else 0
        self._cache[name] = _Family(link, parents.open_time, k, children)
        self._size += len(children)
        while self._size > _KEPT or len(self._cache) > _FAMILIES:
            if len(self._cache) == 1:
                break
            self._size -= len(self._cache.popitem(last=False)[1].children)
        return children

    def _refined(self, link: int, parents: Cells, span_ms: int) -> Cells:
        interval = self._links[link]
        k = span_ms // STEP_MS[interval]
        activity = None
        if interval == "1h":
            hours = parents.open_time[:, None] // STEP_MS["1h"] + np.arange(k)
            activity = _HOURLY[hours % 24]
        least = ENOUGH * (STEP_MS[interval] // STEP_MS["1m"])
        return refined(parents, k, self._roots[link], self.grid, least=least, activity=activity)

    def _at(self, link: int, start_ms: int, end_ms: int) -> Cells:
        """Return the cells of a link that overlap [start_ms, end_ms)."""
        found = self.source.within(start_ms, end_ms)
        for number in range(1, link + 1):
            found = self._children(number, found).within(start_ms, end_ms)
        return found

    def _ticks(self, cells: Cells) -> Ticks:
        """Return the trades of cells of the last link."""
        if len(cells) > 1:
            return ticks.ticks(cells, self._roots[self._last], self.grid)
        # One cell is asked for again and again: what has happened in it until now, its last trade.
        name = int(cells.open_time[0]) if len(cells) else -1
        if name not in self._seen:
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen[name] = ticks.ticks(cells, self._roots[self._last], self.grid)
        return self._seen[name]

    def _ticks_from(
        self, first: int, limit: int, end_ms: int, which: int
    ) -> tuple[int, int, Ticks]:
        """Return ticks from the cell that holds id `first` on, enough for `limit`, and their ids."""
        agg, trade, start_ms = self._found(max(first, 0), which)
        needed = max(first, 0) - (agg, trade)[which] + limit
        span = 4 * STEP_MS[self._links[self._last]]
        while True:
            until = min(start_ms + span, end_ms)
            cells = self._at(self._last, start_ms, until)
            counts = (cells.trades if which else cells.aggs).sum(axis=0)
            cut = int(np.searchsorted(np.cumsum(counts), needed)) + 1
            if cut <= len(cells) or until >= end_ms:
                found = self._ticks(cells.part(slice(0, cut)))
                return agg, trade, found.within(start_ms, until)
            span *= 4

    def _found(self, number: int, which: int) -> tuple[int, int, int]:
        """Return the first ids and the open time of the finest cell that holds id `number`."""
        source = self.source
        index = min(source.index(number, which), len(source))
        ids = source.ids(index).copy()
        if index == len(source):
            return int(ids[0]), int(ids[1]), int(source.end_time[-1]) if len(source) else 0
        cell = source.within(int(source.open_time[index]), int(source.end_time[index]))
        for link in range(1, len(self._links)):
            cells = self._children(link, cell)
            upto = used_up(cells)
            child = int(np.searchsorted(upto[which], number - ids[which], side="right")) - 1
            ids += upto[:, child]
            cell = cells.part(slice(child, child + 1))
        return int(ids[0]), int(ids[1]), int(cell.open_time[0])


def _sorted(cells: Cells) -> Cells:
    times = cells.open_time
    if (times[1:] >= times[:-1]).all():
        return cells
    return cells.part(np.argsort(times, kind="stable"))
