"""What each side's takers traded: sizes and prices that make up the quantity and quote of a cell.

All but two trades follow the path and a tilted draw; the two that are left share what is missing, at
two neighbouring prices. So the sums come out exactly. A side of so few trades that no two are free
(possible only for recorded bars) comes as near as it can: prices, counts and quantity hold, and the
quote volume is off by the rest. So is one of a single price whose trades' quotes are rounded down, by
less than 1e-8 a trade.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid
from bwsresearch.exchange.noise import Keys, uniform

__all__ = ["ENOUGH", "Side", "singles", "sold", "worth"]

_Mask = npt.NDArray[np.bool_]
_SOLVERS_SHARE: Final = 6
"""The two trades that settle the sums take a sixth of a side's quantity, if that is enough."""
ENOUGH: Final = 6
"""Aggregate trades of each side with which a cell can be made exactly, however they fall: four may be
bound to open, high, low and close, and two make the sums come out."""
_TIGHT: Final = 2
"""Ticks: in a range so narrow the sides trade at different prices."""
_BOUND: Final = 4
"""Trades that can be open, high, low and close all of them."""
_DIVISORS: Final = 64
"""How many are tried."""


def sold(
    cells: Cells, cell: Ints, number: Ints, price: Ints, fixed: _Mask, noise: Keys, grid: Grid
) -> _Mask:
    """Return which trades the takers sold: those with the lowest draws, the steps down, of a cell.

    Open, high, low and close fall to the side whose mean price is nearer.
    """
    bought, sold_ = (cells.mean_price(side, grid) for side in (BUY, SELL))
    leans = cells.aggs.min(axis=0) >= ENOUGH
    leans |= (cells.high - cells.low <= _TIGHT) | (cells.aggs.sum(axis=0) <= _BOUND)
    nearer = np.sign(2.0 * price - (bought + sold_)[cell]) * np.sign(bought - sold_)[cell]
    lean = np.where(fixed & leans[cell], nearer, 0.0)
    order = np.lexsort((noise, lean, cell))
    is_sell = np.empty(len(cell), np.bool_)
    is_sell[order] = number < cells.aggs[SELL][cell]
    return is_sell


def singles(lots: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return the trades of aggregate trades: which one each belongs to, and its lots."""
    which = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(which)) - (np.cumsum(count) - count)[which]
    size, many = (lots - count)[which], count[which]
    return which, 1 + size * (number + 1) // many - size * number // many


def worth(price: Ints, lots: Ints, count: Ints, grid: Grid) -> Ints:
    """Return the atoms of aggregate trades: those of their trades, each of which is rounded down."""
    if grid.ratio[1] == 1:
        return price * lots
    which, single = singles(lots, count)
    atoms = np.zeros(len(count), np.int64)
    np.add.at(atoms, which, grid.worth(price[which] * single))
    return atoms


@dataclass(frozen=True)
class Side:
    """The trades that one side's takers made."""

    cells: Cells
    grid: Grid
    side: int
    cell: Ints
    path: Ints
    fixed: _Mask
    noise: Keys

    def solved(self) -> tuple[Ints, Ints, Ints]:
        """Return price, lots and count of each, so that the cell's sums come out."""
        first, last = self._free
        is_solver = np.zeros(len(self.cell), np.bool_)
        is_solver[first[first >= 0]] = is_solver[last[last >= 0]] = True
        count = self._counts(is_solver)
        weights = np.where(is_solver, 0, self._sizes())
        price = self.path.copy()
        lots = count + self._shares(self._rest(count), self._tilted(weights))
        pairs = np.flatnonzero(first != last)
        self._share(price, lots, count, pairs)
        wrong = pairs[self._missing(price, lots, count)[pairs] != 0]
        if len(wrong):
            self._shrink(price, lots, count, wrong)
            self._share(price, lots, count, wrong)
        few = np.flatnonzero((first == last) & (self.cells.aggs[self.side] > 0))
        if len(few):
            self._few(price, lots, count, few)
        return price, lots, count

    def _sizes(self) -> Ints:
        one = uniform(self.noise, 5) + 512
        two = uniform(self.noise, 27) + 512
        return (one * two >> 20) + 8

    @cached_property
    def _free(self) -> tuple[Ints, Ints]:
        """Per cell, the two trades with a free price that are nearest to the mean price.

        They are the same where there is only one; -1 without any.
        """
        mean = self.cells.mean_price(self.side, self.grid)[self.cell]
        far = np.abs(self.path - mean)
        order = np.flatnonzero(~self.fixed)
        order = order[np.argsort(-far[order], kind="stable")]
        nearest, next_ = np.full((2, len(self.cells)), -1)
        nearest[self.cell[order]] = order  # the last to be written is the nearest
        order = order[nearest[self.cell[order]] != order]
        next_[self.cell[order]] = order
        return nearest, np.where(next_ < 0, nearest, next_)

    def _counts(self, is_solver: _Mask) -> Ints:
        """Return how many trades each aggregate trade stands for; a solver is a single trade."""
        extra = self.cells.trades[self.side] - self.cells.aggs[self.side]
        weights = np.where(is_solver, 0, 1 + uniform(self.noise, 40))
        alone = self._sum(weights) == 0
        weights = np.where(alone[self.cell], 1, weights)
        return 1 + self._shares(extra, weights)

    def _rest(self, count: Ints) -> Ints:
        """Return what is left to share out when every trade has a lot and the solvers their part."""
        lots = self.cells.lots[self.side] - self._sum(count)
        return lots - lots // _SOLVERS_SHARE

    def _tilted(self, weights: Ints) -> Ints:
        cells, cell = self.cells, self.cell
        place = (self.path - cells.low[cell]) * 1024 // np.maximum(cells.high - cells.low, 1)[cell]
        total = np.maximum(self._sum(weights), 1)
        mean = self._sum(weights * place) / total
        variance = np.maximum(self._sum(weights * place * place) / total - mean * mean, 1.0)
        span = np.maximum(cells.high - cells.low, 1)
        wanted = (self.cells.mean_price(self.side, self.grid) - cells.low) * 1024 / span
        slope = np.clip(wanted - mean, -1024, 1024) / variance
        factor = np.clip(1.0 + slope[cell] * (place - mean[cell]), 0.05, 8.0)
        return np.where(weights > 0, (weights * 16 * factor).astype(np.int64) + 1, 0)

    @cached_property
    def _bounds(self) -> tuple[Ints, Ints]:
        """Where the trades of each cell begin and end."""
        ends = np.searchsorted(self.cell, np.arange(len(self.cells)), side="right")
        return np.concatenate([np.zeros(1, np.int64), ends[:-1]]), ends

    def _sum(self, values: Ints) -> Ints:
        """Return the sum over each cell."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
        begins, ends = self._bounds
        return running[ends] - running[begins]

    def _shares(self, total: Ints, weights: Ints) -> Ints:
        """Return the total of each cell split over its trades by weight, exactly."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
        begins, ends = self._bounds
        offset = running[begins]
        whole = np.maximum(running[ends] - offset, 1)
        inner = running[1:] - offset[self.cell]
        quotient = total // whole
        rest = total - quotient * whole
        size, q, r = whole[self.cell], quotient[self.cell], rest[self.cell]
        return q * weights + r * inner // size - r * (inner - weights) // size

    def _share(self, price: Ints, lots: Ints, count: Ints, cells: Ints) -> None:
        """Let two free trades of each of `cells` have what is missing, at neighbouring prices."""
        a, b = (one[cells] for one in self._free)
        low, high = self.cells.low[cells], self.cells.high[cells]
        others = worth(price, lots, count, self.grid)
        others[a] = others[b] = lots[a] = lots[b] = 0
        size = self.cells.lots[self.side][cells] - self._sum(lots)[cells]
        level, upper = self._split(
            self.cells.atoms[self.side][cells] - self._sum(others)[cells], size
        )
        price[a] = np.clip(level, low, high)
        price[b] = np.clip(level + (upper > 0), low, high)
        lots[b] = np.where(upper > 0, upper, size // 2)
        lots[a] = size - lots[b]

    def _shrink(self, price: Ints, lots: Ints, count: Ints, cells: Ints) -> None:
        """Make all trades of cells as small as can be, and as near to the mean price."""
        inside = np.isin(self.cell, cells)
        lots[inside] = count[inside]
        inside &= ~self.fixed
        cell = self.cell[inside]
        level = np.rint(self.cells.mean_price(self.side, self.grid)[cell]).astype(np.int64)
        price[inside] = np.clip(level, self.cells.low[cell], self.cells.high[cell])

    def _split(self, missing: Ints, size: Ints) -> tuple[Ints, Ints]:
        """Return the lower price, and the lots at one tick more, of `size` lots worth `missing`."""
        units, parts = self.grid.ratio
        size = np.maximum(size, 1)
        if parts == 1:
            return np.divmod(missing, size)
        level, upper = np.divmod(missing * parts // units, size)
        # Both are rounded down, by less than `parts` together: try what they may be worth before.
        unsolved = np.ones(len(size), np.bool_)
        for lost in range(2 * parts - 1):
            total, odd = np.divmod(missing * parts + lost, units)
            price, at_next = np.divmod(total, size)
            more = np.where(at_next > 0, at_next, size // 2)
            next_price = price + (at_next > 0)
            made = self.grid.worth(price * (size - more)) + self.grid.worth(next_price * more)
            solves = unsolved & (odd == 0) & (made == missing)
            np.copyto(level, price, where=solves)
            np.copyto(upper, at_next, where=solves)
            unsolved &= ~solves
            if not unsolved.any():
                break
        return level, upper

    def _few(self, price: Ints, lots: Ints, count: Ints, cells: Ints) -> None:
        """Share the lots of cells with one free trade, or none, so that little is missing."""
        bound = np.flatnonzero(self.fixed & np.isin(self.cell, cells))
        self._shrink(price, lots, count, cells)
        lowest, highest = np.full((2, len(self.cells)), -1)
        order = bound[np.argsort(price[bound], kind="stable")]
        highest[self.cell[order]] = order
        lowest[self.cell[order[::-1]]] = order[::-1]
        low, high, free = lowest[cells], highest[cells], self._free[0][cells]
        alone = low < 0
        low, high = np.where(alone, free, low), np.where(alone, free, high)
        free = np.where(alone, -1, free)
        price[free[free >= 0]] = price[low[free >= 0]]
        rest = self.cells.lots[self.side][cells] - self._sum(count)[cells]
        missing = self._products[cells] - self._sum(price * lots)[cells] - rest * price[low]
        gap = price[high] - price[low]
        # Lots at the higher price, and what they leave for the free trade's price to make up.
        more = np.clip(missing // np.maximum(gap, 1), 0, rest) * (gap > 0)
        lots[low] += rest - more
        lots[high] += more
        missing -= more * gap
        has_free = free >= 0
        factor, way = _factors(missing, np.where(gap > 0, 0, rest))
        moved, free, low = factor[has_free], free[has_free], low[has_free]
        lots[low] -= moved
        lots[free] += moved
        cell = self.cell[free]
        wanted = price[free] + way[has_free]
        price[free] = np.clip(wanted, self.cells.low[cell], self.cells.high[cell])

    @cached_property
    def _products(self) -> Ints:
        """Price × lots of the side of each cell; about that, where parts of an atom are cut off."""
        units, parts = self.grid.ratio
        atoms = self.cells.atoms[self.side]
        return atoms if parts == 1 else atoms * parts // units

    def _missing(self, price: Ints, lots: Ints, count: Ints) -> Ints:
        return self.cells.atoms[self.side] - self._sum(worth(price, lots, count, self.grid))


def _factors(missing: Ints, most: Ints) -> tuple[Ints, Ints]:
    """Return f and w of missing = (1 + f) × w with f up to `most`, or nearly so."""
    size = np.abs(missing)
    least = np.maximum(-(-size // (most + 1)), 1)
    best = least
    for more in range(_DIVISORS, -1, -1):
        best = np.where(size % (least + more) == 0, least + more, best)
    return np.clip(size // best - 1, 0, most), np.sign(missing) * best * (size > 0)
