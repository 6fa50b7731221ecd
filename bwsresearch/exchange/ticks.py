"""Cells into aggregate trades, and those into trades: times, prices, sides and sizes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import Ints, product
from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid
from bwsresearch.exchange.market import AggTrades, Trades
from bwsresearch.exchange.noise import Keys, bell, keys, uniform
from bwsresearch.exchange.paths import NATURAL, stretched
from bwsresearch.exchange.sides import Takers, singles, sold

__all__ = ["Ticks", "agg_trades", "ticks", "trades"]

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ticks:
    """Aggregate trades, oldest first: ms, ticks, lots, and how many trades each stands for."""

    time: Ints
    price: Ints
    lots: Ints
    count: Ints
    is_sell: _Mask

    def within(self, start_ms: int, end_ms: int) -> "Ticks":
        """Return those with a time in [start_ms, end_ms)."""
        inside = slice(*np.searchsorted(self.time, [start_ms, end_ms]))
        return Ticks(*(getattr(self, name)[inside] for name in self.__slots__))


def ticks(cells: Cells, root: int, grid: Grid) -> Ticks:
    """Return the aggregate trades of cells."""
    total = cells.aggs[BUY] + cells.aggs[SELL]
    cell = np.repeat(np.arange(len(cells)), total)
    starts = np.cumsum(total) - total
    number = np.arange(len(cell)) - starts[cell]
    noise = keys(root, cells.open_time[cell], number)
    price, fixed = _path(cells.part(total > 0), total[total > 0], noise)
    is_sell = sold(cells, cell, number, price, fixed, noise, grid)
    lots, count = np.empty_like(price), np.empty_like(price)
    by = np.concatenate([np.flatnonzero(~is_sell), np.flatnonzero(is_sell)])
    party = cell[by] + len(cells) * is_sell[by]
    takers = Takers.of(cells, grid, party, price[by], fixed[by], noise[by])
    price[by], lots[by], count[by] = takers.solved()
    return Ticks(_times(cells, cell, number, total, noise), price, lots, count, is_sell)


def _times(cells: Cells, cell: Ints, number: Ints, total: Ints, noise: Keys) -> Ints:
    """Return ascending times: each trade has a slot of its own."""
    length = (cells.end_time - cells.open_time)[cell]
    count = total[cell]
    slot = length // count
    within = (slot * uniform(noise, 13)) >> 16
    return cells.open_time[cell] + number * length // count + within


def _path(cells: Cells, total: Ints, noise: Keys) -> tuple[Ints, _Mask]:
    """Return a price for each of `total` trades of cells, and which of them are open, high, low, close."""
    cell = np.repeat(np.arange(len(cells)), total)
    last = np.cumsum(total) - 1
    first = last - total + 1
    fixed = np.zeros(len(cell), np.bool_)
    fixed[first] = fixed[last] = True
    gap = np.maximum(total - 1, 1)
    along = np.arange(len(cell)) - first[cell]
    steps = np.cumsum(bell(noise))
    loose = steps - steps[first][cell] - (steps[last] - steps[first])[cell] * along // gap[cell]
    scale = (cells.high - cells.low) / (NATURAL * np.sqrt(total.astype(np.float64)))
    path = cells.open[cell] + (cells.close - cells.open)[cell] * along // gap[cell]
    path += np.floor(loose * scale[cell]).astype(np.int64)
    bottom, top = np.minimum(cells.open, cells.close), np.maximum(cells.open, cells.close)
    reached = np.minimum.reduceat(path, first), np.maximum.reduceat(path, first)
    goals = cells.low[cell], cells.high[cell]
    price = stretched(
        path,
        (bottom[cell], top[cell]),
        (reached[0][cell], reached[1][cell]),
        goals,
    )
    inner = np.flatnonzero(~fixed)
    for goal, end, height, ids in (
        (cells.high, top, path, inner[::-1]),
        (cells.low, bottom, -path, inner),
    ):
        # Where the path has its own extreme: the last to be written is the highest, or the lowest.
        order = ids[np.argsort(height[ids], kind="stable")]
        at = np.full(len(cells), -1)
        at[cell[order]] = order
        at = at[(goal != end) & (at >= 0)]
        price[at] = goal[cell[at]]
        fixed[at] = True
    return price, fixed


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
    which, lots = singles(found.lots, found.count)
    price, qty = found.price[which] * grid.tick, lots * grid.step
    return Trades(
        first_trade + np.arange(len(which), dtype=np.int64),
        price,
        qty,
        product(price, qty),
        found.time[which],
        found.is_sell[which],
    )
