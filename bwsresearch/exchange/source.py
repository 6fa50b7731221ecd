"""Where a chain begins: cells of one interval over the whole history, and the ids of their trades."""

from functools import cached_property

import numpy as np

from bwsresearch.enums import Interval
from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import Cells

__all__ = ["Source", "used_up"]


class Source:
    """Cells of one interval, oldest first.

    Args:
        interval: their length.
        cells: all of them; missing ones were not recorded.
    """

    def __init__(self, interval: Interval, cells: Cells) -> None:
        self.interval = interval
        self.open_time, self.end_time = cells.open_time, cells.end_time
        self._cells = cells

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def cells(self) -> Cells:
        """All cells."""
        return self._cells

    def within(self, start_ms: int, end_ms: int) -> Cells:
        """Return the cells that overlap [start_ms, end_ms)."""
        return self.cells.within(start_ms, end_ms)

    @cached_property
    def _used_up(self) -> Ints:
        return used_up(self.cells)

    def ids(self, index: int) -> Ints:
        """Return the first aggregate-trade id and trade id of a cell; of what follows the last."""
        return self._used_up[:, index]

    def index(self, number: int, which: int) -> int:
        """Return the cell that holds an aggregate trade (0) or trade (1)."""
        return int(np.searchsorted(self._used_up[which], number, side="right")) - 1


def used_up(cells: Cells) -> Ints:
    """Return how many aggregate trades (0) and trades (1) there are before each cell, and in all."""
    counts = np.stack([cells.aggs.sum(axis=0), cells.trades.sum(axis=0)])
    return np.concatenate([np.zeros((2, 1), np.int64), np.cumsum(counts, axis=1)], axis=1)
