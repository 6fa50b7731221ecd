"""Bars from within: prices in ticks and, for each side of the taker, what they are made of.

A cell keeps what a bar does not show, so that it can be taken apart exactly: how many aggregate
trades, trades, lots (steps of quantity) and atoms (of the quote) the takers bought and sold. All are
whole numbers, and cells add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import UNIT, Amounts, Ints, scaled
from bwsresearch.exchange.market import Bars

__all__ = ["BUY", "NOTHING", "SELL", "Cells", "Grid", "joined", "merged", "shares"]

BUY: Final = 0
SELL: Final = 1
_HIGHEST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of prices and quantities, in units."""

    tick: int
    step: int

    @property
    def ratio(self) -> tuple[int, int]:
        """The quote units of one lot at one tick, as a fraction in lowest terms."""
        both = self.tick * self.step
        common = gcd(both, UNIT)
        return both // common, UNIT // common

    @property
    def atom(self) -> int:
        """The quote units of an atom: one lot at one tick, or one unit where that is no whole number."""
        units, parts = self.ratio
        return units if parts == 1 else 1

    def price(self, atoms: Ints, lots: Ints) -> npt.NDArray[np.float64]:
        """Return the mean price in ticks of so many atoms for so many lots."""
        units, parts = self.ratio
        return atoms / lots if parts == 1 else atoms * parts / (lots * units)

    def worth(self, products: Ints) -> Ints:
        """Return the atoms of trades from their price × lots; a trade's quote is rounded down."""
        units, parts = self.ratio
        return products if parts == 1 else products * units // parts


@dataclass(frozen=True, slots=True)
class Cells:
    """Bars, oldest first: times in ms, prices in ticks, the rest by side in arrays of shape (2, n).

    `end_time` is when the cell ends, exclusive; `before` the last price before it. A cell without
    trades is flat.
    """

    open_time: Ints
    end_time: Ints
    before: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    aggs: Ints
    trades: Ints
    lots: Ints
    atoms: Ints

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def is_busy(self) -> npt.NDArray[np.bool_]:
        """Which cells have trades."""
        return self.trades[BUY] + self.trades[SELL] > 0

    def mean_price(self, side: int, grid: Grid) -> npt.NDArray[np.float64]:
        """Return the mean price of what one side's takers traded, in ticks."""
        return grid.price(self.atoms[side], np.maximum(self.lots[side], 1))

    def part(self, where: slice | Ints | npt.NDArray[np.bool_]) -> "Cells":
        """Return some of the cells."""
        return Cells(
            self.open_time[where],
            self.end_time[where],
            self.before[where],
            self.open[where],
            self.high[where],
            self.low[where],
            self.close[where],
            self.aggs[:, where],
            self.trades[:, where],
            self.lots[:, where],
            self.atoms[:, where],
        )

    def within(self, start_ms: int, end_ms: int) -> "Cells":
        """Return the cells that overlap [start_ms, end_ms)."""
        first = int(np.searchsorted(self.end_time, start_ms, side="right"))
        last = max(first, int(np.searchsorted(self.open_time, end_ms)))
        return self if (first, last) == (0, len(self)) else self.part(slice(first, last))

    def bars(self, grid: Grid) -> Bars:
        """Return the cells as bars."""
        return Bars(
            self.open_time,
            self.open * grid.tick,
            self.high * grid.tick,
            self.low * grid.tick,
            self.close * grid.tick,
            _both(self.lots, grid.step),
            self.end_time - 1,
            _both(self.atoms, grid.atom),
            self.trades[BUY] + self.trades[SELL],
            scaled(self.lots[BUY], grid.step),
            scaled(self.atoms[BUY], grid.atom),
        )


_NONE: Final[Ints] = np.zeros(0, np.int64)
_NEITHER: Final[Ints] = np.zeros((2, 0), np.int64)
NOTHING: Final = Cells(*[_NONE] * 7, *[_NEITHER] * 4)
"""No cells at all."""


def _both(counts: Ints, step: int) -> Amounts:
    return scaled(counts[BUY] + counts[SELL], step)


def joined(parts: Sequence[Cells]) -> Cells:
    """Return cells one after the other."""
    some = [part for part in parts if len(part)]
    if len(some) < 2:
        return some[0] if some else NOTHING
    return Cells(
        *(np.concatenate([getattr(p, name) for p in some], axis=-1) for name in Cells.__slots__)
    )


def merged(cells: Cells, open_times: Ints, end_times: Ints) -> Cells:
    """Return coarser cells: cells with the same open time in `open_times`, which ascend, in one.

    Cells without trades count only where a coarser one has no others.
    """
    if not len(open_times):
        return cells
    first = np.flatnonzero(np.concatenate([[True], open_times[1:] != open_times[:-1]]))
    last = np.append(first[1:], len(open_times)) - 1
    busy = cells.is_busy
    opening, high, low = first, cells.high, cells.low
    if not busy.all():
        earliest = np.minimum.reduceat(np.where(busy, np.arange(len(busy)), len(busy)), first)
        idle = earliest == len(busy)
        opening = np.where(idle, first, earliest)
        counts = busy | np.repeat(idle, last - first + 1)
        high, low = np.where(counts, high, -1), np.where(counts, low, _HIGHEST)
    return Cells(
        open_times[first],
        end_times[first],
        cells.before[first],
        cells.open[opening],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
        cells.close[last],
        *(
            np.add.reduceat(column, first, axis=1)
            for column in (cells.aggs, cells.trades, cells.lots, cells.atoms)
        ),
    )


def shares(total: Ints, weights: Ints) -> Ints:
    """Return `total` (…) split in whole numbers by `weights` (…, k), exactly; 0 without weights."""
    running = np.cumsum(weights, axis=-1)
    whole = np.maximum(running[..., -1:], 1)
    quotient = total[..., None] // whole
    upto = quotient * running + (total[..., None] - quotient * whole) * running // whole
    upto[..., 1:] -= upto[..., :-1].copy()
    return upto
