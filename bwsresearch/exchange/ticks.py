"""Cells into aggregate trades, and those into trades: times, prices, sides and sizes.

The sizes of a side are such that quantity and quote of the cell come out exactly: all but two
trades follow the path and a tilted draw, and the two that are left share what is missing at two
neighbouring prices. A cell that no such trades can make (possible only for recorded bars of very
few trades) keeps its prices, counts and quantity, and its quote volume is off by the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid
from bwsresearch.exchange.market import UNIT, AggTrades, Ints, Trades
from bwsresearch.exchange.noise import BELL_SD, Keys, bell, keys, uniform
from bwsresearch.exchange.refine import Marks, folded, marks

__all__ = ["Ticks", "agg_trades", "ticks", "trades"]

_Mask = npt.NDArray[np.bool_]
_SOLVERS_SHARE = 6
"""The two trades that settle the sums take a sixth of a side's quantity, if that is enough."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Aggregate trades, oldest first: ms, ticks, lots, and how many trades each stands for."""

    time: Ints
    price: Ints
    lots: Ints
    count: Ints
    is_sell: _Mask
    cell: Ints
    """Which of the cells it belongs to."""


def ticks(cells: Cells, root: int) -> Ticks:
    """Return the aggregate trades of cells."""
    total = cells.aggs.sum(axis=0)
    cell = np.repeat(np.arange(len(cells)), total)
    starts = np.cumsum(total) - total
    number = np.arange(len(cell)) - starts[cell] + 1
    noise = keys(root, cells.open_time[cell], number, 3)
    at = marks(cells, root)
    path = _path(cells, at, cell, number, starts, noise)
    is_sell = _sides(cells, cell, number, noise)
    fixed = (number == 1) | (number == total[cell])
    fixed |= (number == at.high[cell]) | (number == at.low[cell])
    price, lots, count = path, np.zeros_like(path), np.zeros_like(path)
    for side in (BUY, SELL):
        where = np.flatnonzero(is_sell == bool(side))
        side_of = _Side(cells, side, cell[where], fixed[where], noise[where])
        price[where], lots[where], count[where] = side_of.solved(path[where])
    return Ticks(_times(cells, cell, number, total, noise), price, lots, count, is_sell, cell)


def _times(cells: Cells, cell: Ints, number: Ints, total: Ints, noise: Keys) -> Ints:
    """Return strictly ascending times: each trade has a slot of its own."""
    length = (cells.end_time - cells.open_time)[cell]
    count = total[cell]
    slot = length // count
    within = (slot * uniform(noise >> np.uint64(13))) >> 16
    return cells.open_time[cell] + (number - 1) * length // count + within


def _sides(cells: Cells, cell: Ints, number: Ints, noise: Keys) -> _Mask:
    """Return which trades the takers sold: those with the highest draws of their cell."""
    order = np.lexsort((noise, cell))
    is_sell = np.empty(len(cell), np.bool_)
    is_sell[order] = number > cells.aggs[BUY][cell]
    return is_sell


def _path(cells: Cells, at: Marks, cell: Ints, number: Ints, starts: Ints, noise: Keys) -> Ints:
    """Return prices that pass through open, high, low and close at their numbers."""
    count = at.last
    is_high_first = at.high < at.low
    knots = np.stack(
        [np.ones_like(count), np.minimum(at.high, at.low), np.maximum(at.high, at.low), count]
    )
    levels = np.stack(
        [
            cells.open,
            np.where(is_high_first, cells.high, cells.low),
            np.where(is_high_first, cells.low, cells.high),
            cells.close,
        ]
    )
    piece = (number >= knots[1][cell]).astype(np.int64) + (number >= knots[2][cell])
    left, right = knots[piece, cell], knots[piece + 1, cell]
    gap = np.maximum(right - left, 1)
    along = number - left
    steps = np.cumsum(bell(noise))
    root = np.sqrt(count.astype(np.float64))
    spread = (cells.high - cells.low) / (BELL_SD * 1.6 * np.maximum(root, 1.0))
    before, after = steps[starts[cell] + left - 1], steps[starts[cell] + right - 1]
    loose = steps - before - (after - before) * along // gap
    goal = levels[piece, cell] + (levels[piece + 1, cell] - levels[piece, cell]) * along // gap
    free = goal + np.floor(loose * spread[cell]).astype(np.int64)
    price = folded(free, cells.low[cell], cells.high[cell])
    for knot, level in zip(knots[[1, 2, 0, 3]], levels[[1, 2, 0, 3]], strict=True):
        np.copyto(price, level[cell], where=number == knot[cell])
    return price


@dataclass(frozen=True, slots=True)
class _Side:
    """The trades that one side's takers made."""

    cells: Cells
    side: int
    cell: Ints
    fixed: _Mask
    noise: Keys

    def solved(self, path: Ints) -> tuple[Ints, Ints, Ints]:
        """Return price, lots and count of each, so that the cell's sums come out."""
        first, second, is_solver = self._solvers()
        count = self._counts(is_solver)
        weights = np.where(is_solver, 0, self._sizes())
        lots = count + self._shares(self._rest(count), self._tilted(weights, path))
        price = path.copy()
        self._settle(price, lots, count, first, second)
        return price, lots, count

    def _sizes(self) -> Ints:
        one = uniform(self.noise >> np.uint64(5)) + 512
        two = uniform(self.noise >> np.uint64(27)) + 512
        return (one * two >> 20) + 8

    def _solvers(self) -> tuple[Ints, Ints, _Mask]:
        """Return, per cell, the first and the last trade whose price is free; -1 without one."""
        n = len(self.cells)
        free = np.flatnonzero(~self.fixed)
        first, last = np.full(n, -1), np.full(n, -1)
        last[self.cell[free]] = free
        first[self.cell[free[::-1]]] = free[::-1]
        first[first == last] = -1
        is_solver = np.zeros(len(self.cell), np.bool_)
        is_solver[first[first >= 0]] = True
        is_solver[last[last >= 0]] = True
        return first, last, is_solver

    def _counts(self, is_solver: _Mask) -> Ints:
        """Return how many trades each aggregate trade stands for; a solver is a single trade."""
        extra = self.cells.trades[self.side] - self.cells.aggs[self.side]
        weights = np.where(is_solver, 0, 1 + uniform(self.noise >> np.uint64(40)))
        alone = self._sum(weights) == 0
        weights = np.where(alone[self.cell], 1, weights)
        return 1 + self._shares(extra, weights)

    def _rest(self, count: Ints) -> Ints:
        """Return what is left to share out when every trade has a lot and the solvers their part."""
        lots = self.cells.lots[self.side] - self._sum(count)
        return lots - lots // _SOLVERS_SHARE

    def _tilted(self, weights: Ints, path: Ints) -> Ints:
        cells, cell = self.cells, self.cell
        place = (path - cells.low[cell]) * 1024 // np.maximum(cells.high - cells.low, 1)[cell]
        total = np.maximum(self._sum(weights), 1)
        mean = self._sum(weights * place) / total
        variance = np.maximum(self._sum(weights * place * place) / total - mean * mean, 1.0)
        span = np.maximum(cells.high - cells.low, 1)
        wanted = (self._mean_price() - cells.low) * 1024 / span
        slope = np.clip(wanted - mean, -1024, 1024) / variance
        factor = np.clip(1.0 + slope[cell] * (place - mean[cell]), 0.05, 8.0)
        return np.where(weights > 0, (weights * 16 * factor).astype(np.int64) + 1, 0)

    def _mean_price(self) -> npt.NDArray[np.float64]:
        return self.cells.atoms[self.side] / np.maximum(self.cells.lots[self.side], 1)

    def _sum(self, values: Ints) -> Ints:
        """Return the sum over each cell."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
        ends = np.searchsorted(self.cell, np.arange(len(self.cells)), side="right")
        begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        return running[ends] - running[begins]

    def _shares(self, total: Ints, weights: Ints) -> Ints:
        """Return the total of each cell split over its trades by weight, exactly."""
        running = np.cumsum(weights)
        ends = np.searchsorted(self.cell, np.arange(len(self.cells)), side="right")
        offset = np.concatenate([np.zeros(1, np.int64), running])[
            np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        ]
        whole = np.maximum(np.concatenate([np.zeros(1, np.int64), running])[ends] - offset, 1)
        inner = running - offset[self.cell]
        before = inner - weights
        quotient, rest = np.divmod(total, whole)
        size, q, r = whole[self.cell], quotient[self.cell], rest[self.cell]
        return q * weights + r * inner // size - r * before // size

    def _settle(self, price: Ints, lots: Ints, count: Ints, first: Ints, second: Ints) -> None:
        """Give the two solvers of each cell the prices and lots that make its sums right."""
        self._share(price, lots, first, second, is_last_try=False)
        wrong = self._missing(price, lots) != 0
        if wrong.any():
            # All others at their smallest, so that the solvers' mean price is the side's.
            others = wrong[self.cell] & ~np.isin(np.arange(len(lots)), np.append(first, second))
            lots[others] = count[others]
            self._share(price, lots, first, second, is_last_try=True, where=wrong)

    def _share(
        self,
        price: Ints,
        lots: Ints,
        first: Ints,
        second: Ints,
        *,
        is_last_try: bool,
        where: _Mask | None = None,
    ) -> None:
        can = first >= 0 if where is None else (first >= 0) & where
        cells, a, b = np.flatnonzero(can), first[can], second[can]
        low, high = self.cells.low[cells], self.cells.high[cells]
        lots[a] = lots[b] = 0
        size = self.cells.lots[self.side][cells] - self._sum(lots)[cells]
        worth = self.cells.atoms[self.side][cells] - self._sum(lots * price)[cells]
        level, upper = np.divmod(worth, np.maximum(size, 1))
        fits = (size >= 2) & (level >= low) & (level + (upper > 0) <= high)
        if is_last_try:
            level = np.clip(level, low, high)
        lots[a], lots[b] = (
            size - np.where(upper > 0, upper, size // 2),
            np.where(upper > 0, upper, size // 2),
        )
        price[a] = np.where(fits | is_last_try, level, price[a])
        price[b] = np.where(fits | is_last_try, np.minimum(level + (upper > 0), high), price[b])
        self._alone(lots, first)

    def _alone(self, lots: Ints, first: Ints) -> None:
        """Where a side has no two free trades, give its rest to the last one."""
        lone = np.flatnonzero((first < 0) & (self.cells.aggs[self.side] > 0))
        if not len(lone):
            return
        rest = self.cells.lots[self.side] - self._sum(lots)
        ends = np.searchsorted(self.cell, lone, side="right") - 1
        lots[ends] += rest[lone]

    def _missing(self, price: Ints, lots: Ints) -> Ints:
        return self.cells.atoms[self.side] - self._sum(lots * price)


def agg_trades(found: Ticks, grid: Grid, first_agg: int, first_trade: int) -> AggTrades:
    """Return them as the exchange shows them; ids count on from the two given."""
    upto = first_trade + np.cumsum(found.count)
    return AggTrades(
        first_agg + np.arange(len(found.time), dtype=np.int64),
        found.price * grid.tick,
        found.lots * grid.step,
        upto - found.count,
        upto - 1,
        found.time,
        found.is_sell,
    )


def trades(found: Ticks, grid: Grid, first_trade: int) -> Trades:
    """Return the single trades of aggregate trades; ids count on from the one given."""
    which = np.repeat(np.arange(len(found.time)), found.count)
    starts = np.cumsum(found.count) - found.count
    number = np.arange(len(which)) - starts[which]
    size, count = found.lots[which] - found.count[which], found.count[which]
    lots = 1 + size * (number + 1) // count - size * number // count
    price = found.price[which] * grid.tick
    qty = lots * grid.step
    return Trades(
        first_trade + np.arange(len(which), dtype=np.int64),
        price,
        qty,
        price // UNIT * qty + price % UNIT * qty // UNIT,
        found.time[which],
        found.is_sell[which],
    )
