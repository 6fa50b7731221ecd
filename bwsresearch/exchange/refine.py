"""One cell into k: open, high, low, close, counts and volumes of the parent are met exactly.

Aggregate trades are numbered 1 … n through the parent; the first has its open, the last its close,
and two of them its high and its low. A child's prices follow from which of these it holds, so that
it never needs more trades than it has. Between those points the path is a random walk that is bent
to meet them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.cells import BUY, SELL, Cells, shares
from bwsresearch.exchange.market import Ints
from bwsresearch.exchange.noise import BELL_SD, Keys, bell, keys, share_of, uniform

__all__ = ["Marks", "folded", "marks", "refined", "tilt", "walk"]

_Mask = npt.NDArray[np.bool_]
_RANGE_OF_WALK: Final = 1.6
"""The range of a random walk in standard deviations of its end."""
_SEVERAL: Final = 1024


@dataclass(frozen=True, slots=True)
class Marks:
    """The numbers of the aggregate trades that have the cell's high and low, and how many it has."""

    high: Ints
    low: Ints
    last: Ints


def marks(cells: Cells, root: int) -> Marks:
    """Return where high and low lie: at the first or last trade if that has the price, else inside."""
    count = cells.aggs.sum(axis=0)
    inner = np.maximum(count - 2, 0)
    # Not at the ends, and apart from each other: else the path would have to leap.
    begin, width = inner * 10 >> 7, inner * 108 >> 7
    draw = keys(root, cells.open_time, 1)
    high_in = share_of(width, draw)
    low_in = (high_in + width // 5 + share_of(width * 3 // 5, draw >> np.uint64(16))) % np.maximum(
        width, 1
    )
    high = _mark(cells, cells.high, count, 2 + begin + high_in)
    low = _mark(cells, cells.low, count, 2 + begin + low_in)
    clash = (high == low) & (cells.high != cells.low)
    low = np.where(clash, np.where(high < count - 1, high + 1, high - 1), low)
    return Marks(high, np.clip(low, 1, np.maximum(count, 1)), count)


def _mark(cells: Cells, price: Ints, count: Ints, inside: Ints) -> Ints:
    at = np.where(price == cells.close, count, inside)
    at = np.where(price == cells.open, 1, at)
    return np.clip(at, 1, np.maximum(count, 1))


def refined(
    cells: Cells, k: int, root: int, *, least: int = 0, activity: Ints | None = None
) -> Cells:
    """Return k children for each cell, oldest first.

    `least` is how many aggregate trades of each side every child gets where there are enough;
    `activity` (n, k) weighs the children, evenly when left out.
    """
    index = np.arange(k, dtype=np.int64)
    noise = keys(root, cells.open_time[:, None], index[None, :])
    weights = _weights(noise, activity)
    aggs = np.stack([_counts(cells.aggs[side], weights, least) for side in (BUY, SELL)])
    count = aggs.sum(axis=0)
    at = marks(cells, root)
    prices = _Prices(cells, noise, weights, count, at, np.cumsum(count, axis=1)).children()
    trades = np.stack([_trades(cells, aggs, side) for side in (BUY, SELL)])
    groups = [_volumes(cells, side, aggs, trades, prices, weights) for side in (BUY, SELL)]
    span = (cells.end_time - cells.open_time) // k
    starts = cells.open_time[:, None] + span[:, None] * index
    opens, highs, lows, closes = prices
    return Cells(
        starts.ravel(),
        (starts + span[:, None]).ravel(),
        opens.ravel(),
        highs.ravel(),
        lows.ravel(),
        closes.ravel(),
        aggs.reshape(2, -1),
        trades.reshape(2, -1),
        np.stack([lots.ravel() for lots, _ in groups]),
        np.stack([atoms.ravel() for _, atoms in groups]),
    )


def _weights(noise: Keys, activity: Ints | None) -> Ints:
    """Return positive weights below 2**15 with a long tail."""
    one = uniform(noise >> np.uint64(20)) + 12_288
    two = uniform(noise >> np.uint64(36)) + 12_288
    tail = (one * two) >> 18
    return tail + 64 if activity is None else ((tail + 64) * activity >> 7) + 1


def _counts(total: Ints, weights: Ints, least: int) -> Ints:
    k = weights.shape[1]
    sure = np.where(total >= 2 * least * k, least, 0)
    return sure[:, None] + shares(total - sure * k, weights)


def _trades(cells: Cells, aggs: Ints, side: int) -> Ints:
    return aggs[side] + shares(cells.trades[side] - cells.aggs[side], aggs[side])


def walk(noise: Keys, weights: Ints, spread: Ints) -> Ints:
    """Return a random walk from 0 on along the last axis, with a range of about `spread`.

    Busy children move more: a step's variance goes with its weight. Shape (n, k) gives (n, k + 1).
    """
    steps = (bell(noise) * np.sqrt(weights.astype(np.float64))).astype(np.int64)
    path = np.zeros((*steps.shape[:-1], steps.shape[-1] + 1), np.int64)
    np.cumsum(steps, axis=-1, out=path[..., 1:])
    size = BELL_SD * _RANGE_OF_WALK * np.sqrt(weights.sum(axis=-1).astype(np.float64))
    return np.floor(path * (spread / np.maximum(size, 1.0))[..., None]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Prices:
    """The prices of the children, in arrays (n, k)."""

    cells: Cells
    noise: Keys
    weights: Ints
    count: Ints
    at: Marks
    upto: Ints

    def children(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Return open, high, low and close of each child."""
        cells, count = self.cells, self.count
        path = self._path()
        opens, closes = path[:, :-1].copy(), path[:, 1:].copy()
        single = count == 1
        opens[single] = closes[single]
        first, last = self.upto - count + 1, self.upto
        some = count > 0
        final = self.at.last[:, None]
        for number, price in (
            (self.at.high[:, None], cells.high),
            (self.at.low[:, None], cells.low),
            (np.ones_like(final), cells.open),
            (final, cells.close),
        ):
            level = np.broadcast_to(price[:, None], opens.shape)
            np.copyto(opens, level, where=some & (first == number))
            np.copyto(closes, level, where=some & (last == number))
        highs, lows = self._extremes(opens, closes, first, last)
        return self._quiet(opens, highs, lows, closes)

    def _path(self) -> Ints:
        cells = self.cells
        k = self.count.shape[1]
        high_at = np.clip((self.upto < self.at.high[:, None]).sum(axis=1), 1, max(k - 1, 1))
        low_at = np.clip((self.upto < self.at.low[:, None]).sum(axis=1), 1, max(k - 1, 1))
        is_high_first = high_at < low_at
        knots = np.stack(
            [
                np.zeros_like(high_at),
                np.minimum(high_at, low_at),
                np.maximum(high_at, low_at),
                np.full_like(high_at, k),
            ]
        )
        levels = np.stack(
            [
                cells.open,
                np.where(is_high_first, cells.high, cells.low),
                np.where(is_high_first, cells.low, cells.high),
                cells.close,
            ]
        )
        free = walk(self.noise, self.weights, cells.high - cells.low)
        return bent(free, knots, levels, cells.low, cells.high)

    def _extremes(self, opens: Ints, closes: Ints, first: Ints, last: Ints) -> tuple[Ints, Ints]:
        cells, count = self.cells, self.count
        highs, lows = np.maximum(opens, closes), np.minimum(opens, closes)
        holds_high = _within(self.at.high, first, last)
        holds_low = _within(self.at.low, first, last)
        spare = count - 1 - (count > 1)
        spare -= holds_high & (self.at.high[:, None] > first) & (self.at.high[:, None] < last)
        spare -= holds_low & (self.at.low[:, None] > first) & (self.at.low[:, None] < last)
        reach = np.sqrt(self.weights / np.maximum(self.weights.sum(axis=1), 1)[:, None])
        reach *= (cells.high - cells.low)[:, None]
        over = (reach * (uniform(self.noise >> np.uint64(8)) + 24_000) / 130_000).astype(np.int64)
        under = (reach * (uniform(self.noise >> np.uint64(44)) + 24_000) / 130_000).astype(np.int64)
        can_rise = (spare >= 1) & ~holds_high
        can_fall = (spare - can_rise >= 1) & ~holds_low
        highs = np.minimum(highs + over * can_rise, cells.high[:, None])
        lows = np.maximum(lows - under * can_fall, cells.low[:, None])
        return (
            np.where(holds_high, cells.high[:, None], highs),
            np.where(holds_low, cells.low[:, None], lows),
        )

    def _quiet(
        self, opens: Ints, highs: Ints, lows: Ints, closes: Ints
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Flatten children without trades at the close before them."""
        empty = self.count == 0
        if not empty.any():
            return opens, highs, lows, closes
        index = np.where(empty, -1, np.arange(empty.shape[1]))
        before = np.maximum.accumulate(index, axis=1)
        kept = np.take_along_axis(closes, np.maximum(before, 0), axis=1)
        level = np.where(before < 0, self.cells.open[:, None], kept)
        return (
            np.where(empty, level, opens),
            np.where(empty, level, highs),
            np.where(empty, level, lows),
            np.where(empty, level, closes),
        )


def _within(number: Ints, first: Ints, last: Ints) -> _Mask:
    return (number[:, None] >= first) & (number[:, None] <= last)


def bent(free: Ints, knots: Ints, levels: Ints, lowest: Ints, highest: Ints) -> Ints:
    """Return a free path (n, k+1) bent so that it is at `levels` (4, n) where `knots` (4, n) lie."""
    index = np.arange(free.shape[1], dtype=np.int64)[None, :]
    piece = (index >= knots[1][:, None]).astype(np.int64) + (index >= knots[2][:, None])
    rows = np.arange(free.shape[0])[:, None]
    left, right = knots[piece, rows], knots[piece + 1, rows]
    gap = np.maximum(right - left, 1)
    along = index - left
    goal = levels[piece, rows] * (gap - along) + levels[piece + 1, rows] * along
    loose = free[rows, left] * (gap - along) + free[rows, right] * along
    return folded(free + (goal - loose) // gap, lowest[:, None], highest[:, None])


def folded(path: Ints, lowest: Ints, highest: Ints) -> Ints:
    """Return a path that turns back at its bounds; what lies within them stays where it is."""
    span = highest - lowest
    along = (path - lowest) % np.maximum(2 * span, 1)
    return lowest + np.where(span > 0, np.minimum(along, 2 * span - along), 0)


def _volumes(
    cells: Cells,
    side: int,
    aggs: Ints,
    trades: Ints,
    prices: tuple[Ints, Ints, Ints, Ints],
    weights: Ints,
) -> tuple[Ints, Ints]:
    """Return lots and atoms of one side of each child; their mean prices lie inside the children."""
    opens, highs, lows, closes = prices
    margin = (highs - lows) >> 3
    floor, ceiling = lows + margin, highs - margin
    typical = np.clip((opens + highs + lows + closes) >> 2, floor, ceiling)
    busy = np.where(aggs[side] > 0, weights, 0)
    tilted = tilt(busy, typical, cells.lots[side], cells.atoms[side])
    lots = trades[side] + shares(cells.lots[side] - cells.trades[side], tilted)
    atoms = lots * typical
    missing = cells.atoms[side] - atoms.sum(axis=1)
    room = lots * np.where(missing[:, None] > 0, ceiling - typical, typical - floor)
    return lots, atoms + _spread(missing, room)


def tilt(weights: Ints, prices: Ints, lots: Ints, atoms: Ints) -> Ints:
    """Return weights that favour dear or cheap children, so that their mean price is about right."""
    low = prices.min(axis=1)
    span = np.maximum(prices.max(axis=1) - low, 1)
    place = (prices - low[:, None]) * _SEVERAL // span[:, None]
    total = np.maximum(weights.sum(axis=1), 1)
    mean = (weights * place).sum(axis=1) / total
    square = (weights * place * place).sum(axis=1) / total
    variance = np.maximum(square - mean * mean, 1.0)
    wanted = (atoms / np.maximum(lots, 1) - low) * _SEVERAL / span
    slope = np.clip(wanted - mean, -_SEVERAL, _SEVERAL) / variance
    factor = 1.0 + slope[:, None] * (place - mean[:, None])
    return np.where(
        weights > 0, (weights * 16 * np.clip(factor, 0.05, 8.0)).astype(np.int64) + 1, 0
    )


def _spread(missing: Ints, room: Ints) -> Ints:
    """Return `missing` (n) spread over children (n, k) by their room; the widest takes the rest."""
    total = np.maximum(room.sum(axis=1), 1)
    part = np.minimum(np.abs(missing) / total, 1.0)
    given = (room * part[:, None]).astype(np.int64) * np.sign(missing)[:, None]
    widest = np.argmax(room, axis=1)
    given[np.arange(len(widest)), widest] += missing - given.sum(axis=1)
    return given
