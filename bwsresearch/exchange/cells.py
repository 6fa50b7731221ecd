"""Bars from within: prices in ticks and, for each side of the taker, what they are made of.

A cell keeps what a bar does not show, so that it can be taken apart exactly: how many aggregate
trades, trades, lots (steps of quantity) and atoms (tick × step, of the quote) the takers bought and
sold. All are whole numbers, and cells add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bwsresearch.exchange.market import UNIT, Bars, Ints

__all__ = ["BUY", "SELL", "Cells", "Grid", "joined", "merged", "shares"]

BUY: Final = 0
SELL: Final = 1


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of prices and quantities, in units."""

    tick: int
    step: int

    @property
    def atom(self) -> int:
        """The quote units of one lot at one tick; 0 when it is finer than a unit."""
        return self.tick * self.step // UNIT


@dataclass(frozen=True, slots=True)
class Cells:
    """Bars, oldest first: times in ms, prices in ticks, the rest by side in arrays of shape (2, n).

    `end_time` is when the cell ends, exclusive.
    """

    open_time: Ints
    end_time: Ints
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

    def part(self, where: slice | Ints) -> "Cells":
        """Return some of the cells."""
        lines = (getattr(self, name) for name in self.__slots__)
        return Cells(*(line[..., where] for line in lines))

    def bars(self, grid: Grid) -> Bars:
        """Return the cells as bars."""
        lots, atoms = self.lots * grid.step, self.atoms * grid.atom
        return Bars(
            self.open_time,
            self.open * grid.tick,
            self.high * grid.tick,
            self.low * grid.tick,
            self.close * grid.tick,
            lots.sum(axis=0),
            self.end_time - 1,
            atoms.sum(axis=0),
            self.trades.sum(axis=0),
            lots[BUY],
            atoms[BUY],
        )


def joined(parts: Sequence[Cells]) -> Cells:
    """Return cells one after the other."""
    return Cells(
        *(np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in Cells.__slots__)
    )


def merged(cells: Cells, open_times: Ints, end_times: Ints) -> Cells:
    """Return coarser cells: cells with the same open time in `open_times`, which ascend, in one."""
    first = np.flatnonzero(np.concatenate([[True], open_times[1:] != open_times[:-1]]))
    if not len(open_times):
        return cells
    last = np.append(first[1:], len(open_times)) - 1
    return Cells(
        open_times[first],
        end_times[first],
        cells.open[first],
        np.maximum.reduceat(cells.high, first),
        np.minimum.reduceat(cells.low, first),
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
    quotient, rest = np.divmod(total[..., None], whole)
    upto = quotient * running + rest * running // whole
    return np.diff(upto, axis=-1, prepend=0)
