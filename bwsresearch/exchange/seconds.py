"""Aggregate trades back into cells: those of one stretch each, and the seconds of minutes."""

from typing import Final

import numpy as np

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import Cells, Grid, merged
from bwsresearch.exchange.sides import worth
from bwsresearch.exchange.ticks import Ticks

__all__ = ["grouped", "seconds"]

_SECOND_MS: Final = 1000
_SECONDS: Final = 60


def grouped(found: Ticks, opens: Ints, ends: Ints, grid: Grid) -> Cells:
    """Return ticks as cells, one per stretch of equal `opens`."""
    sides = np.stack([~found.is_sell, found.is_sell]).astype(np.int64)
    each = Cells(
        opens,
        ends,
        found.price,
        found.price,
        found.price,
        found.price,
        found.price,
        sides,
        sides * found.count,
        sides * found.lots,
        sides * worth(found.price, found.lots, found.count, grid),
    )
    return merged(each, opens, ends)


def seconds(minutes: Cells, found: Ticks, grid: Grid) -> Cells:
    """Return the seconds of minutes, of which `found` are the ticks.

    One without trades lies flat at the last price before it.
    """
    opens = found.time // _SECOND_MS * _SECOND_MS
    busy = grouped(found, opens, opens + _SECOND_MS, grid)
    starts = (minutes.open_time[:, None] + _SECOND_MS * np.arange(_SECONDS)).ravel()
    at = np.searchsorted(starts, busy.open_time)
    latest = np.full(len(starts), -1)
    latest[at] = np.arange(len(busy))
    latest = np.maximum.accumulate(latest)
    minute = np.repeat(minutes.open_time, _SECONDS)
    levels = np.where(minutes.is_busy, minutes.before, minutes.open)
    closes = np.repeat(levels, _SECONDS)
    known = np.flatnonzero(latest >= 0)
    known = known[busy.open_time[latest[known]] >= minute[known]]
    closes[known] = busy.close[latest[known]]
    before = np.concatenate([minutes.before[:1], closes[:-1]])
    before[::_SECONDS] = minutes.before

    def line(values: Ints) -> Ints:
        all_values = closes.copy()
        all_values[at] = values
        return all_values

    def sums(values: Ints) -> Ints:
        all_values = np.zeros((2, len(starts)), np.int64)
        all_values[:, at] = values
        return all_values

    return Cells(
        starts,
        starts + _SECOND_MS,
        before,
        line(busy.open),
        line(busy.high),
        line(busy.low),
        closes,
        sums(busy.aggs),
        sums(busy.trades),
        sums(busy.lots),
        sums(busy.atoms),
    )
