"""The days of a synthetic symbol, each era of them by itself.

Days follow a random walk whose volatility comes in clusters, with a factor that all symbols share. Every
era begins and ends at a level of its own, to which a steady drift leads the walk: so none needs those
before it, and prices do not get lost in ten years. Only integers and the four basic operations and
square roots of IEEE numbers are used, which every machine computes alike.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import UNIT, Ints
from bwsresearch.exchange.cells import NOTHING, Cells
from bwsresearch.exchange.noise import BELL_SD, Keys, bell, keys, uniform
from bwsresearch.exchange.source import Source
from bwsresearch.times import DAY_MS

__all__ = ["ERA", "Days", "Kind"]

Floats: TypeAlias = npt.NDArray[np.float64]

ERA: Final = 256
"""Days between two levels."""
_QUIETEST: Final = 30_000
"""Trades that a day has at least: less than half of 11/16 of them gives every minute `ENOUGH`."""
_SCALES: Final = (2, 4, 6)
"""Volatility changes every 4, 16 and 64 days."""
_FINE: Final = 2**40
_YOUTH: Final = 6_000.0
"""Days after which a symbol grows a quarter as fast as in the beginning."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a symbol is like: money in the quote asset, changes per day."""

    base: str
    quote: str
    tick: int
    step: int
    first_day: int
    price: float
    growth: float
    volatility: float
    share_of_market: float
    turnover: float
    trades: int


class Days(Source):
    """The days of a symbol up to `until`, exclusive, where an era ends.

    Args:
        kind: what it is like.
        root: its key.
        common: the key of what all symbols share.
        until: days since the epoch.
    """

    def __init__(self, kind: Kind, root: int, common: int, until: int) -> None:
        self.interval = "1d"
        self._kind, self._root, self._common = kind, root, common
        day = np.arange(kind.first_day, until, dtype=np.int64)
        self.open_time, self.end_time = day * DAY_MS, (day + 1) * DAY_MS
        self._part: tuple[int, int, Cells] | None = None

    @property
    def cells(self) -> Cells:
        """All days."""
        return self._every

    @cached_property
    def _every(self) -> Cells:
        last = int(self.end_time[-1]) // DAY_MS
        return self._made(self._kind.first_day, last)

    def within(self, start_ms: int, end_ms: int) -> Cells:
        first = max(start_ms // DAY_MS // ERA * ERA, self._kind.first_day)
        last = min(-(-end_ms // DAY_MS // ERA) * ERA, int(self.end_time[-1]) // DAY_MS)
        if first >= last:
            return NOTHING
        if "_every" in self.__dict__:
            return self._every.within(start_ms, end_ms)
        if self._part is None or not self._part[0] <= first < last <= self._part[1]:
            self._part = first, last, self._made(first, last)
        return self._part[2].within(start_ms, end_ms)

    def _made(self, first: int, last: int) -> Cells:
        """Return the days [first, last), which are whole eras but for the listing."""
        kind = self._kind
        day = np.arange(first, last, dtype=np.int64)
        mine = keys(self._root, day)
        market, own, draw = bell(keys(self._common, day)), bell(keys(mine, 1)), keys(mine, 2)
        news = uniform(draw) / 65_536.0
        calm = _volatility(self._common, day) * (0.45 + 1.6 * news * news)
        deviation = kind.volatility * calm
        alone = math.sqrt(1.0 - kind.share_of_market * kind.share_of_market)
        moves = (kind.share_of_market * market + alone * own) / BELL_SD * deviation
        prices = self._prices(day, moves)
        opens, closes = prices[:-1], prices[1:]
        high, low = (uniform(draw, shift) / 65_536.0 * deviation * 0.8 for shift in (16, 32))
        before, highest, lowest, last_price = (
            np.maximum(np.floor(price * UNIT / kind.tick), 50.0).astype(np.int64)
            for price in (
                opens,
                np.maximum(opens, closes) * (1.0 + high),
                np.minimum(opens, closes) * (1.0 - low),
                closes,
            )
        )
        gap = (uniform(draw, 48) % 5 - 2) * (day > kind.first_day)
        first_price = np.clip(before + gap, lowest, highest)
        ticks = before, first_price, highest, lowest, last_price
        return _cells(kind, day, ticks, calm, keys(mine, 3))

    def _prices(self, day: Ints, moves: Floats) -> Floats:
        """Return the price at the beginning of the first day, and the close of each."""
        kind = self._kind
        steps = np.floor(np.clip(moves, -0.3, 0.3) * _FINE).astype(np.int64)
        walk = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
        eras = np.arange(day[0] // ERA, (day[-1] + 1) // ERA + 1)
        knots = np.maximum(eras * ERA - day[0], 0)
        roots = np.array([[self._common], [self._root]], np.uint64)
        shared, own = bell(keys(roots, eras, 4)) / BELL_SD
        share = kind.share_of_market
        levels = np.floor((share * shared + (1.0 - share) * own) * 0.7 * _FINE).astype(np.int64)
        if day[0] == kind.first_day:
            levels[0] = 0
        length = np.diff(knots)
        drift = np.diff(levels) - np.diff(walk[knots])
        era = np.repeat(np.arange(len(length)), length)
        along = np.arange(1, len(walk)) - knots[era]
        offset = levels[:-1] - walk[knots[:-1]]
        away = np.concatenate(
            [levels[:1], walk[1:] + offset[era] + drift[era] * along // length[era]]
        )
        age = np.arange(day[0] - kind.first_day, day[-1] - kind.first_day + 2) * 1.0
        return kind.price * _exp(kind.growth * age / (1.0 + age / _YOUTH) + away / _FINE)


def _volatility(common: int, day: Ints) -> Floats:
    """Return factors around 1 that change slowly: what is drawn for 4, 16 and 64 days."""
    blocks = [(day + 11 * scale) >> scale for scale in _SCALES]
    ranges = [np.arange(block[0], block[-1] + 1) for block in blocks]
    scales = np.repeat(_SCALES, [len(one) for one in ranges])
    draws = bell(keys(common, np.concatenate(ranges), scales))
    begin, level = 0, np.zeros(len(day), np.int64)
    for block, one in zip(blocks, ranges, strict=True):
        level += draws[block + (begin - block[0])]
        begin += len(one)
    return _exp(np.clip(level * (0.28 / BELL_SD), -2.0, 2.0))


def _exp(values: Floats) -> Floats:
    """Return about the exponential: (1 + x/1024)**1024, which every machine computes alike."""
    power = 1.0 + values / 1024.0
    for _ in range(10):
        power *= power
    return power


def _cells(
    kind: Kind, day: Ints, ticks: tuple[Ints, Ints, Ints, Ints, Ints], calm: Floats, draw: Keys
) -> Cells:
    """Return days of `ticks` (before, open, high, low, close); days of great changes are busy ones."""
    before, opens, highs, lows, closes = ticks
    wander = (highs - lows) * (uniform(draw, 4) - 32_768) >> 18
    mean = ((opens + highs + lows + closes) >> 2) + wander
    busy = calm * (0.8 + uniform(draw) / 100_000.0)
    money = np.clip(kind.turnover * busy, kind.turnover * 0.2, 1.5e9)
    lots = np.floor(money / (mean * kind.tick / UNIT) / (kind.step / UNIT)).astype(np.int64)
    count = np.floor(kind.trades * np.clip(busy, 0.35, 2.0)).astype(np.int64)
    count = np.maximum(count, _QUIETEST)
    lots = np.maximum(lots, count * 100)
    bought = 32_768 + np.sign(closes - opens) * 900 + (uniform(draw, 16) - 32_768) // 12
    buys, buy_lots = count * bought >> 16, (lots >> 16) * bought
    trades, sizes = np.stack([buys, count - buys]), np.stack([buy_lots, lots - buy_lots])
    offset = np.stack([uniform(draw, 32), uniform(draw, 48)])
    return Cells(
        day * DAY_MS,
        (day + 1) * DAY_MS,
        before,
        opens,
        highs,
        lows,
        closes,
        trades * 11 >> 4,
        trades,
        sizes,
        sizes * mean + offset * ((highs - lows) > 64),
    )
