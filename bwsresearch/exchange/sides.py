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

__all__ = ["ENOUGH", "Takers", "singles", "sold", "worth"]

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
class Takers:
    """Aggregate trades by who took: those of the buyers of each cell, then those of the sellers.

    A party is the one or the other of a cell. `low` to `atoms` are of parties, in that order; `party`
    says, ascending, whose each trade is; it and the rest are of trades.
    """

    grid: Grid
    low: Ints
    high: Ints
    aggs: Ints
    trades: Ints
    lots: Ints
    atoms: Ints
    party: Ints
    path: Ints
    fixed: _Mask
    noise: Keys

    @classmethod
    def of(
        cls, cells: Cells, grid: Grid, party: Ints, path: Ints, fixed: _Mask, noise: Keys
    ) -> "Takers":
        """Return the takers of cells; `party` ascends."""
        low, high = np.tile(cells.low, 2), np.tile(cells.high, 2)
        sums = (cells.aggs.ravel(), cells.trades.ravel(), cells.lots.ravel(), cells.atoms.ravel())
        return cls(grid, low, high, *sums, party, path, fixed, noise)

    def solved(self) -> tuple[Ints, Ints, Ints]:
        """Return price, lots and count of each, so that the party's sums come out."""
        first, last = self._free
        is_solver = np.zeros(len(self.party), np.bool_)
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
        few = np.flatnonzero((first == last) & (self.aggs > 0))
        if len(few):
            self._few(price, lots, count, few)
        return price, lots, count

    def _sizes(self) -> Ints:
        one = uniform(self.noise, 5) + 512
        two = uniform(self.noise, 27) + 512
        return (one * two >> 20) + 8

    @cached_property
    def _mean(self) -> npt.NDArray[np.float64]:
        """The mean price of each party, in ticks."""
        return self.grid.price(self.atoms, np.maximum(self.lots, 1))

    @cached_property
    def _free(self) -> tuple[Ints, Ints]:
        """Per party, the two trades with a free price that are nearest to the mean price.

        They are the same where there is only one; -1 without any.
        """
        mean = self._mean[self.party]
        far = np.abs(self.path - mean)
        order = np.flatnonzero(~self.fixed)
        order = order[np.argsort(-far[order], kind="stable")]
        nearest, next_ = np.full((2, len(self.lots)), -1)
        nearest[self.party[order]] = order  # the last to be written is the nearest
        order = order[nearest[self.party[order]] != order]
        next_[self.party[order]] = order
        return nearest, np.where(next_ < 0, nearest, next_)

    def _counts(self, is_solver: _Mask) -> Ints:
        """Return how many trades each aggregate trade stands for; a solver is a single trade."""
        extra = self.trades - self.aggs
        weights = np.where(is_solver, 0, 1 + uniform(self.noise, 40))
        alone = self._sum(weights) == 0
        weights = np.where(alone[self.party], 1, weights)
        return 1 + self._shares(extra, weights)

    def _rest(self, count: Ints) -> Ints:
        """Return what is left to share out when every trade has a lot and the solvers their part."""
        lots = self.lots - self._sum(count)
        return lots - lots // _SOLVERS_SHARE

    def _tilted(self, weights: Ints) -> Ints:
        party, span = self.party, np.maximum(self.high - self.low, 1)
        place = (self.path - self.low[party]) * 1024 // span[party]
        total = np.maximum(self._sum(weights), 1)
        mean = self._sum(weights * place) / total
        variance = np.maximum(self._sum(weights * place * place) / total - mean * mean, 1.0)
        wanted = (self._mean - self.low) * 1024 / span
        slope = np.clip(wanted - mean, -1024, 1024) / variance
        factor = np.clip(1.0 + slope[party] * (place - mean[party]), 0.05, 8.0)
        return np.where(weights > 0, (weights * 16 * factor).astype(np.int64) + 1, 0)

    @cached_property
    def _bounds(self) -> tuple[Ints, Ints]:
        """Where the trades of each party begin and end."""
        ends = np.searchsorted(self.party, np.arange(len(self.lots)), side="right")
        return np.concatenate([np.zeros(1, np.int64), ends[:-1]]), ends

    def _sum(self, values: Ints) -> Ints:
        """Return the sum over each party."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
        begins, ends = self._bounds
        return running[ends] - running[begins]

    def _shares(self, total: Ints, weights: Ints) -> Ints:
        """Return the total of each party split over its trades by weight, exactly."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
        begins, ends = self._bounds
        offset = running[begins]
        whole = np.maximum(running[ends] - offset, 1)
        inner = running[1:] - offset[self.party]
        quotient = total // whole
        rest = total - quotient * whole
        size, q, r = whole[self.party], quotient[self.party], rest[self.party]
        return q * weights + r * inner // size - r * (inner - weights) // size

    def _share(self, price: Ints, lots: Ints, count: Ints, parties: Ints) -> None:
        """Let two free trades of each of `parties` have what is missing, at neighbouring prices."""
        a, b = (one[parties] for one in self._free)
        low, high = self.low[parties], self.high[parties]
        others = worth(price, lots, count, self.grid)
        others[a] = others[b] = lots[a] = lots[b] = 0
        size = self.lots[parties] - self._sum(lots)[parties]
        level, upper = self._split(self.atoms[parties] - self._sum(others)[parties], size)
        price[a] = np.clip(level, low, high)
        price[b] = np.clip(level + (upper > 0), low, high)
        lots[b] = np.where(upper > 0, upper, size // 2)
        lots[a] = size - lots[b]

    def _shrink(self, price: Ints, lots: Ints, count: Ints, parties: Ints) -> None:
        """Make all trades of parties as small as can be, and as near to the mean price."""
        inside = np.isin(self.party, parties)
        lots[inside] = count[inside]
        inside &= ~self.fixed
        party = self.party[inside]
        level = np.rint(self._mean[party]).astype(np.int64)
        price[inside] = np.clip(level, self.low[party], self.high[party])

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

    def _few(self, price: Ints, lots: Ints, count: Ints, parties: Ints) -> None:
        """Share the lots of parties with one free trade, or none, so that little is missing."""
        bound = np.flatnonzero(self.fixed & np.isin(self.party, parties))
        self._shrink(price, lots, count, parties)
        lowest, highest = np.full((2, len(self.lots)), -1)
        order = bound[np.argsort(price[bound], kind="stable")]
        highest[self.party[order]] = order
        lowest[self.party[order[::-1]]] = order[::-1]
        low, high, free = lowest[parties], highest[parties], self._free[0][parties]
        alone = low < 0
        low, high = np.where(alone, free, low), np.where(alone, free, high)
        free = np.where(alone, -1, free)
        price[free[free >= 0]] = price[low[free >= 0]]
        rest = self.lots[parties] - self._sum(count)[parties]
        missing = self._products[parties] - self._sum(price * lots)[parties] - rest * price[low]
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
        party = self.party[free]
        wanted = price[free] + way[has_free]
        price[free] = np.clip(wanted, self.low[party], self.high[party])

    @cached_property
    def _products(self) -> Ints:
        """Price × lots of the side of each party; about that, where parts of an atom are cut off."""
        units, parts = self.grid.ratio
        atoms = self.atoms
        return atoms if parts == 1 else atoms * parts // units

    def _missing(self, price: Ints, lots: Ints, count: Ints) -> Ints:
        return self.atoms - self._sum(worth(price, lots, count, self.grid))


def _factors(missing: Ints, most: Ints) -> tuple[Ints, Ints]:
    """Return f and w of missing = (1 + f) × w with f up to `most`, or nearly so."""
    size = np.abs(missing)
    least = np.maximum(-(-size // (most + 1)), 1)
    best = least
    for more in range(_DIVISORS, -1, -1):
        best = np.where(size % (least + more) == 0, least + more, best)
    return np.clip(size // best - 1, 0, most), np.sign(missing) * best * (size > 0)
