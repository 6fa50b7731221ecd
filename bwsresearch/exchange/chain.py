"""The chain of links day → hour → minute → trade: any view of a symbol at any time, all agreeing.

A chain begins with a source, cells of one interval over the whole history: the days of a synthetic
market, or recorded bars. Each link refines the one before it exactly, seeded by the parent's time,
so that every moment is reached at once and nothing need be stored. Coarser bars are sums.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bwsresearch.enums import Interval
from bwsresearch.exchange import ticks
from bwsresearch.exchange.cells import Cells, Grid, joined, merged
from bwsresearch.exchange.market import AggTrades, Ints, Trades
from bwsresearch.exchange.noise import key
from bwsresearch.exchange.refine import refined
from bwsresearch.exchange.ticks import Ticks
from bwsresearch.times import DAY_MS, STEP_MS, next_open, open_time, open_times

__all__ = ["Chain", "Source"]

_KEPT: Final = 32
"""Refined stretches that a chain remembers, since questions come in clusters."""
_DAILY: Final[Ints] = np.array(
    [
        "104",
        "96",
        "90",
        "86",
        "84",
        "86",
        "94",
        "104",
        "114",
        "120",
        "122",
        "122",
        "130",
        "156",
        "178",
        "182",
        "174",
        "160",
        "144",
        "132",
        "126",
        "122",
        "118",
        "110",
    ],
    np.int64,
)
"""How busy the hours of a day are, UTC; 128 is average."""


@dataclass(frozen=True)
class Source:
    """Cells of one interval over the whole history, and the ids that are used up before each."""

    interval: Interval
    cells: Cells

    def __post_init__(self) -> None:
        object.__setattr__(self, "_upto", _upto(self.cells))

    def ids(self, index: int) -> tuple[int, int]:
        """Return the first aggregate-trade id and trade id of a cell; of what follows the last."""
        upto: Ints = self.__dict__["_upto"]
        return int(upto[0, index]), int(upto[1, index])

    def index(self, number: int, which: int) -> int:
        """Return the cell that holds an aggregate trade (0) or trade (1)."""
        upto: Ints = self.__dict__["_upto"]
        return int(np.searchsorted(upto[which], number, side="right")) - 1


def _upto(cells: Cells) -> Ints:
    counts = np.stack([cells.aggs.sum(axis=0), cells.trades.sum(axis=0)])
    return np.concatenate([np.zeros((2, 1), np.int64), np.cumsum(counts, axis=1)], axis=1)


def _links(interval: Interval) -> list[tuple[Interval, int]]:
    """Return the intervals of the chain from `interval` on, each with the children per parent."""
    links: list[tuple[Interval, int]] = [(interval, 1)]
    if interval in ("1M", "1s"):
        return links
    steps: tuple[Interval, ...] = ("1d", "1h", "1m")
    for finer in steps:
        ratio = STEP_MS[links[-1][0]] // STEP_MS[finer]
        if ratio > 1:
            links.append((finer, ratio))
    return links


class Chain:
    """One symbol's market, from `source` down to trades.

    Args:
        root: the key of seed and symbol.
        source: the cells that are given.
        grid: tick and step.
        least: how many aggregate trades of each side a minute has at least, where there are enough.
    """

    def __init__(self, root: int, source: Source, grid: Grid, *, least: int = 0) -> None:
        self.source, self.grid = source, grid
        self._links = _links(source.interval)
        self._roots = [key(root, interval) for interval, _ in self._links]
        self._least = least
        self._cache: OrderedDict[tuple[int, int, int], Cells] = OrderedDict()

    @property
    def finest(self) -> Interval:
        """The last link before the trades."""
        return self._links[-1][0]

    def offers(self, interval: Interval) -> bool:
        """Whether bars of `interval` can be had: all, but nothing finer than recorded months."""
        return self._link(interval, 0) is not None or interval == "1s" != self.finest

    def cells(self, interval: Interval, start_ms: int, end_ms: int, *, shift_ms: int = 0) -> Cells:
        """Return whole cells of `interval` with an open time in [start_ms, end_ms).

        Edges are those of a zone `shift_ms` ahead of UTC. What the source lacks is missing.
        """
        link = self._link(interval, shift_ms)
        if link is None:
            return self._seconds(start_ms, end_ms)
        if self._links[link][0] == interval and not shift_ms % STEP_MS.get(interval, DAY_MS):
            return self._at(link, start_ms, end_ms)
        first = open_time(interval, start_ms + shift_ms) - shift_ms
        first = first if first >= start_ms else next_open(interval, first + shift_ms) - shift_ms
        if first >= end_ms:
            return self._at(link, 0, 0)
        after = next_open(interval, end_ms - 1 + shift_ms) - shift_ms
        found = self._at(link, first, after)
        opens = open_times(interval, found.open_time + shift_ms) - shift_ms
        return merged(found, opens, _ends(interval, opens, shift_ms))

    def total(self, start_ms: int, end_ms: int) -> Cells:
        """Return what happened in [start_ms, end_ms) as one cell; none when the source lacks it."""
        parts = [part for part in self._pieces(0, start_ms, end_ms) if len(part)]
        if not parts:
            return self._at(0, 0, 0)
        whole = joined(parts)
        some = whole.trades.sum(axis=0) > 0
        whole = whole.part(np.flatnonzero(some)) if some.any() else whole
        count = len(whole)
        return merged(whole, np.full(count, start_ms), np.full(count, end_ms))

    def ids_at(self, time_ms: int) -> tuple[int, int]:
        """Return the ids of the next aggregate trade and trade at or after a time."""
        opens = self.source.cells.open_time
        index = int(np.searchsorted(opens, time_ms, side="right")) - 1
        if index < 0:
            return 0, 0
        agg, trade = self.source.ids(index)
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

    def ticks(self, start_ms: int, end_ms: int) -> Ticks:
        """Return the aggregate trades with a time in [start_ms, end_ms)."""
        cells = self._around(start_ms, end_ms)
        found = ticks.ticks(cells, self._roots[-1])
        inside = slice(*np.searchsorted(found.time, [start_ms, end_ms]))
        return Ticks(*(getattr(found, name)[inside] for name in Ticks.__slots__))

    def _link(self, interval: Interval, shift_ms: int) -> int | None:
        """Return the coarsest link that bars of `interval` are made of."""
        for number, (link, _) in enumerate(self._links):
            if _divides(link, interval) and not shift_ms % STEP_MS.get(link, DAY_MS):
                return number
        return None

    def _at(self, link: int, start_ms: int, end_ms: int) -> Cells:
        """Return the cells of a link with an open time in [start_ms, end_ms)."""
        if link == 0:
            found = self.source.cells
        else:
            parent = self._links[link - 1][0]
            found = self._refined(link, open_time(parent, start_ms), end_ms)
        return found.part(slice(*np.searchsorted(found.open_time, [start_ms, end_ms])))

    def _refined(self, link: int, start_ms: int, end_ms: int) -> Cells:
        parents = self._at(link - 1, start_ms, end_ms)
        if not len(parents):
            return parents
        name = link, int(parents.open_time[0]), int(parents.open_time[-1])
        if name in self._cache:
            self._cache.move_to_end(name)
            return self._cache[name]
        interval, k = self._links[link]
        minutes = STEP_MS[interval] // STEP_MS["1m"]
        activity = None
        if interval == "1h":
            hours = parents.open_time[:, None] // STEP_MS["1h"] + np.arange(k)
            activity = _DAILY[hours % 24]
        children = refined(
            parents, k, self._roots[link], least=self._least * minutes, activity=activity
        )
        self._cache[name] = children
        while len(self._cache) > _KEPT:
            self._cache.popitem(last=False)
        return children

    def _pieces(self, link: int, start_ms: int, end_ms: int) -> Iterator[Cells]:
        """Return what [start_ms, end_ms) consists of, in the biggest whole cells."""
        if start_ms >= end_ms:
            return
        if link == len(self._links):
            yield self._partial(start_ms, end_ms)
            return
        cells = self._at(link, start_ms, end_ms)
        cells = cells.part(slice(0, int(np.searchsorted(cells.end_time, end_ms, side="right"))))
        if not len(cells):
            yield from self._pieces(link + 1, start_ms, end_ms)
            return
        yield from self._pieces(link + 1, start_ms, int(cells.open_time[0]))
        yield cells
        yield from self._pieces(link + 1, int(cells.end_time[-1]), end_ms)

    def _partial(self, start_ms: int, end_ms: int) -> Cells:
        found = self.ticks(start_ms, end_ms)
        if not len(found.time):
            return self._at(0, 0, 0)
        whole = np.zeros(len(found.time), np.int64)
        return _grouped(found, whole + start_ms, whole + end_ms)

    def _around(self, start_ms: int, end_ms: int) -> Cells:
        link = len(self._links) - 1
        first = open_time(self.finest, start_ms)
        return self._at(link, first, end_ms)

    def _seconds(self, start_ms: int, end_ms: int) -> Cells:
        """Return the seconds of [start_ms, end_ms); one without trades lies flat at the last price."""
        first = -(-start_ms // 1000) * 1000
        minutes = self._around(first, end_ms)
        found = ticks.ticks(minutes, self._roots[-1])
        opens = found.time // 1000 * 1000
        busy = _grouped(found, opens, opens + 1000)
        all_opens = (minutes.open_time[:, None] + 1000 * np.arange(60)).ravel()
        at = np.searchsorted(all_opens, busy.open_time)
        filled = _filled(busy, at, all_opens, np.repeat(minutes.open, 60))
        return filled.part(slice(*np.searchsorted(all_opens, [first, end_ms])))

    def _ticks_from(
        self, first: int, limit: int, end_ms: int, which: int
    ) -> tuple[int, int, Ticks]:
        """Return ticks from the cell that holds id `first` on, enough for `limit`, and their ids."""
        agg, trade, start_ms = self._found(max(first, 0), which)
        span, stop = STEP_MS[self.finest], end_ms
        size = 4
        while True:
            until = min(start_ms + size * span, stop)
            found = self.ticks(start_ms, until)
            count = int(found.count.sum()) if which else len(found.time)
            enough = count - (first - (agg, trade)[which]) >= limit
            if enough or until >= stop:
                return agg, trade, found
            size *= 4

    def _found(self, number: int, which: int) -> tuple[int, int, int]:
        """Return the first ids and the open time of the finest cell that holds id `number`."""
        index = self.source.index(number, which)
        source = self.source.cells
        if index >= len(source):
            agg, trade = self.source.ids(len(source))
            return agg, trade, int(source.end_time[-1]) if len(source) else 0
        ids = np.array(self.source.ids(index))
        cell = source.part(slice(index, index + 1))
        for link in range(1, len(self._links)):
            cells = self._at(link, int(cell.open_time[0]), int(cell.end_time[0]))
            upto = _upto(cells)
            child = int(np.searchsorted(upto[which], number - ids[which], side="right")) - 1
            ids += upto[:, child]
            cell = cells.part(slice(child, child + 1))
        return int(ids[0]), int(ids[1]), int(cell.open_time[0])


def _divides(finer: Interval, interval: Interval) -> bool:
    """Whether bars of `interval` consist of whole bars of `finer`."""
    if finer == interval:
        return True
    if "1M" in (finer, interval):
        return finer != "1M" and STEP_MS[finer] <= DAY_MS
    if STEP_MS[interval] % STEP_MS[finer]:
        return False
    return open_time(finer, open_time(interval, 0)) == open_time(interval, 0)


def _ends(interval: Interval, opens: Ints, shift_ms: int) -> Ints:
    if interval != "1M":
        return opens + STEP_MS[interval]
    months = (opens + shift_ms).astype("M8[ms]").astype("M8[M]") + 1
    return months.astype("M8[ms]").astype(np.int64) - shift_ms


def _grouped(found: Ticks, opens: Ints, ends: Ints) -> Cells:
    """Return ticks as cells, one per stretch of equal `opens`."""
    sides = np.stack([~found.is_sell, found.is_sell]).astype(np.int64)
    each = Cells(
        opens,
        ends,
        found.price,
        found.price,
        found.price,
        found.price,
        sides,
        sides * found.count,
        sides * found.lots,
        sides * (found.lots * found.price),
    )
    return merged(each, opens, ends)


def _filled(busy: Cells, at: Ints, opens: Ints, before: Ints) -> Cells:
    """Return cells at all `opens`: `busy` ones at `at`, between them flat ones.

    `before` is the price that counts until the first trade of the cell's minute.
    """
    count = len(opens)
    index = np.full(count, -1)
    index[at] = np.arange(len(at))
    latest = np.maximum.accumulate(index)
    minute = opens // STEP_MS["1m"]
    is_known = latest >= 0
    is_known &= (busy.open_time[np.maximum(latest, 0)] // STEP_MS["1m"]) == minute
    level = np.where(is_known, busy.close[np.maximum(latest, 0)], before)
    is_busy = index >= 0

    def line(values: Ints) -> Ints:
        return np.where(is_busy, values[np.maximum(index, 0)], level)

    def sums(values: Ints) -> Ints:
        return np.where(is_busy, values[:, np.maximum(index, 0)], 0)

    if not len(busy):
        flat = np.zeros((2, count), np.int64)
        return Cells(opens, opens + 1000, before, before, before, before, *([flat] * 4))
    return Cells(
        opens,
        opens + 1000,
        line(busy.open),
        line(busy.high),
        line(busy.low),
        line(busy.close),
        sums(busy.aggs),
        sums(busy.trades),
        sums(busy.lots),
        sums(busy.atoms),
    )
