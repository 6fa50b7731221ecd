"""One cell into k: open, high, low, close, counts and volumes of the parent are met exactly.

Aggregate trades are numbered 1 … n through the parent; the first has its open, the last its close,
and two of them its high and its low. A child's prices follow from which of these it holds, so that
it never needs more trades than it has. Between those points the path is a random one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import BUY, SELL, Cells, Grid, shares
from bwsresearch.exchange.noise import Keys, bell, keys, uniform
from bwsresearch.exchange.paths import NATURAL, stretched
from bwsresearch.exchange.volumes import mean, volumes

__all__ = ["refined"]

_PLENTY: Final = 6
"""Trades with which a child can have any prices: four of its own, and two that its parent binds."""


def refined(
    cells: Cells, k: int, root: int, grid: Grid, *, least: int, activity: Ints | None = None
) -> Cells:
    """Return k children for each cell, oldest first.

    `least` is how many aggregate trades of each side every child gets where there are enough;
    `activity` (n, k) weighs the children, evenly when left out.
    """
    index = np.arange(k, dtype=np.int64)
    noise = keys(root, cells.open_time[:, None], index[None, :])
    weights = _weights(noise, activity)
    sure = np.where(cells.aggs >= least * k, least, 0)
    aggs = sure[..., None] + shares(cells.aggs - sure * k, weights)
    count = aggs[BUY] + aggs[SELL]
    prices = _Prices(cells, grid, noise, weights, count, np.cumsum(count, axis=1)).children()
    trades = aggs + shares(cells.trades - cells.aggs, aggs)
    lots, atoms = volumes(cells, grid, trades, prices, noise, weights)
    span = (cells.end_time - cells.open_time) // k
    starts = cells.open_time[:, None] + span[:, None] * index
    opens, highs, lows, closes = prices
    return Cells(
        starts.ravel(),
        (starts + span[:, None]).ravel(),
        np.concatenate([cells.before[:, None], closes[:, :-1]], axis=1).ravel(),
        opens.ravel(),
        highs.ravel(),
        lows.ravel(),
        closes.ravel(),
        aggs.reshape(2, -1),
        trades.reshape(2, -1),
        lots.reshape(2, -1),
        atoms.reshape(2, -1),
    )


def _weights(noise: Keys, activity: Ints | None) -> Ints:
    """Return positive weights below 2**15 with a long tail."""
    one = uniform(noise, 20) + 12_288
    two = uniform(noise, 36) + 12_288
    tail = (one * two) >> 18
    return tail + 64 if activity is None else ((tail + 64) * activity >> 7) + 1


@dataclass(frozen=True, slots=True)
class _Prices:
    """The prices of the children, in arrays (n, k); `upto` is the number of each one's last trade."""

    cells: Cells
    grid: Grid
    noise: Keys
    weights: Ints
    count: Ints
    upto: Ints

    def children(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Return open, high, low and close of each child."""
        cells, count = self.cells, self.count
        path = self._path()
        high = self._number(cells.high, path.argmax(axis=1), 2)
        low = self._number(cells.low, path.argmin(axis=1), 3)
        clash = (high == low) & (cells.high != cells.low)
        low = np.where(clash, np.where(high < self.upto[:, -1] - 1, high + 1, high - 1), low)
        opens, closes = path[:, :-1].copy(), path[:, 1:].copy()
        single = count == 1
        opens[single] = closes[single]
        first, last = self.upto - count + 1, self.upto
        some = count > 0
        final = self.upto[:, -1]
        for number, price in (
            (high, cells.high),
            (low, cells.low),
            (np.ones_like(final), cells.open),
            (final, cells.close),
        ):
            np.copyto(opens, price[:, None], where=some & (first == number[:, None]))
            np.copyto(closes, price[:, None], where=some & (last == number[:, None]))
        highs, lows = self._extremes(opens, closes, high[:, None], low[:, None])
        return self._quiet(opens, highs, lows, closes)

    def _path(self) -> Ints:
        """Return the prices at which children meet, (n, k + 1); busy ones move more."""
        cells, k = self.cells, self.count.shape[1]
        open_, close = cells.open[:, None], cells.close[:, None]
        steps = bell(self.noise) * np.sqrt(self.weights.astype(np.float64))
        scale = (cells.high - cells.low) / np.sqrt(self.weights.sum(axis=1).astype(np.float64))
        free = np.zeros((len(cells), k + 1), np.int64)
        np.cumsum(steps.astype(np.int64), axis=1, out=free[:, 1:])
        free = np.floor(free * (scale / NATURAL)[:, None]).astype(np.int64)
        path = open_ + free + (close - open_ - free[:, -1:]) * np.arange(k + 1) // k
        path += self._bow(path, k)
        bottom, top = np.minimum(open_, close), np.maximum(open_, close)
        # The children that hold the extremes go a little further than where they meet.
        inset = uniform(self.noise[:, :1], 16) * 23 >> 6
        low = cells.low[:, None] + ((bottom - cells.low[:, None]) * inset >> 16)
        high = cells.high[:, None] - ((cells.high[:, None] - top) * inset >> 16)
        reached = path.min(axis=1, keepdims=True), path.max(axis=1, keepdims=True)
        return stretched(path, (bottom, top), reached, (low, high))

    def _bow(self, path: Ints, k: int) -> Ints:
        """Return by how much a path must be bent for its mean to be that of the parent's trades."""
        lots, atoms = (line[BUY] + line[SELL] for line in (self.cells.lots, self.cells.atoms))
        wanted = self.grid.price(atoms, np.maximum(lots, 1))
        now = mean(self.weights, path[:, :-1] + path[:, 1:]) / 2.0
        index = np.arange(k + 1)
        bow = 6.0 * index * (k - index) / (k * k)
        return np.floor((wanted - now)[:, None] * bow).astype(np.int64)

    def _number(self, price: Ints, meeting: Ints, bit: int) -> Ints:
        """Return which trade has an extreme: one of a child beside the meeting where it is nearest.

        It is the first or last trade if that has the price anyway, else none of these.
        """
        rows, k = np.arange(len(price)), self.count.shape[1]
        child = meeting - (uniform(self.noise[:, 0], bit) & 1)
        child = np.minimum(np.maximum(child, 0), k - 1)
        inside = self.upto[rows, child] - (self.count[rows, child] - 1) // 2
        final = self.upto[:, -1]
        at = np.maximum(np.minimum(inside, final - 1), 2)
        at = np.where(price == self.cells.close, final, at)
        at = np.where(price == self.cells.open, 1, at)
        return np.maximum(np.minimum(at, final), 1)

    def _extremes(self, opens: Ints, closes: Ints, high: Ints, low: Ints) -> tuple[Ints, Ints]:
        """Return highs and lows; `high` and `low` are the trades that have those of the parent."""
        cells, count, last = self.cells, self.count, self.upto
        first = last - count + 1
        highs, lows = np.maximum(opens, closes), np.minimum(opens, closes)
        holds_high, holds_low = ((first <= at) & (at <= last) for at in (high, low))
        reach = np.sqrt(self.weights / np.maximum(self.weights.sum(axis=1), 1)[:, None])
        reach *= (cells.high - cells.low)[:, None]
        over = (reach * (uniform(self.noise, 8) + 20_000) / 145_000).astype(np.int64)
        under = (reach * (uniform(self.noise, 44) + 20_000) / 145_000).astype(np.int64)
        # Not as far as the parent's own extremes, which one child has.
        over = np.minimum(over, (cells.high[:, None] - highs) * 3 >> 2)
        under = np.minimum(under, (lows - cells.low[:, None]) * 3 >> 2)
        can_rise, can_fall = ~holds_high, ~holds_low
        if int(count.min()) < _PLENTY:
            spare = count - 1 - (count > 1)
            spare -= holds_high & (high > first) & (high < last)
            spare -= holds_low & (low > first) & (low < last)
            can_rise &= spare >= 1
            can_fall &= spare - can_rise >= 1
        highs, lows = highs + over * can_rise, lows - under * can_fall
        return (
            np.where(holds_high, cells.high[:, None], highs),
            np.where(holds_low, cells.low[:, None], lows),
        )

    def _quiet(
        self, opens: Ints, highs: Ints, lows: Ints, closes: Ints
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Flatten children without trades at the last price before them."""
        empty = self.count == 0
        if not empty.any():
            return opens, highs, lows, closes
        index = np.where(empty, -1, np.arange(empty.shape[1]))
        earlier = np.maximum.accumulate(index, axis=1)
        kept = np.take_along_axis(closes, np.maximum(earlier, 0), axis=1)
        before = np.where(self.upto[:, -1] > 0, self.cells.before, self.cells.open)
        level = np.where(earlier < 0, before[:, None], kept)
        return (
            np.where(empty, level, opens),
            np.where(empty, level, highs),
            np.where(empty, level, lows),
            np.where(empty, level, closes),
        )
