"""A market from a seed: the same for everybody, at any time since 2017, without stored data.

Days follow a random walk whose volatility comes in clusters, with a factor that all symbols share;
the chain refines them down to trades. Only integers and the four basic operations and square roots
of IEEE numbers are used, which every machine computes alike.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange import rows
from bwsresearch.exchange.amounts import UNIT, Ints
from bwsresearch.exchange.cells import Cells, Grid
from bwsresearch.exchange.chain import Chain, Source
from bwsresearch.exchange.listing import listed
from bwsresearch.exchange.market import (
    AggTrades,
    Book,
    Ids,
    Summary,
    Trades,
    Window,
)
from bwsresearch.exchange.noise import BELL_SD, Keys, bell, key, keys, uniform
from bwsresearch.exchange.views import View
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import DAY_MS

__all__ = ["SyntheticMarket"]

_VERSION: Final = 2
"""Part of the market's name: to be raised with every change of what a seed means."""
_QUIETEST: Final = 30_000
"""Trades that a day has at least: less than half of 11/16 of them gives every minute `ENOUGH`."""
_ERA: Final = 256
"""Days between levels that prices are led to; they are made together, before their time comes."""
_KEPT: Final = 24
"""Symbols that are remembered, each with what was asked of it, up to some day."""
_FINE: Final = 2**40
_YOUTH: Final = 6_000.0
"""Days after which a symbol grows a quarter as fast as in the beginning."""

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Kind:
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


_DAY_0: Final = 17_395  # 2017-08-17
_KINDS: Final = (
    _Kind("BTC", "USDT", 1_000_000, 1_000, _DAY_0, 4_300.0, 0.0015, 0.025, 0.85, 9.0e8, 120_000),
    _Kind("ETH", "USDT", 1_000_000, 10_000, _DAY_0, 300.0, 0.0012, 0.031, 0.80, 5.0e8, 100_000),
    _Kind("BNB", "USDT", 100_000, 100_000, 17_476, 9.0, 0.0021, 0.034, 0.70, 1.2e8, 80_000),
    _Kind("SOL", "USDT", 100_000, 100_000, 18_485, 12.0, 0.0017, 0.041, 0.65, 2.0e8, 90_000),
    _Kind("XRP", "USDT", 1_000, 10_000_000, 17_655, 0.70, 0.0004, 0.037, 0.65, 1.5e8, 90_000),
)


class SyntheticMarket:
    """Five symbols against USDT, listed between 2017-08-17 and 2020-08-11; see `Market`."""

    recorded: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        name = f"synthetic/{_VERSION}/{seed}".encode()
        self.identity = f"local-{hashlib.sha256(name).hexdigest()[:12]}"
        self._kinds = {kind.base + kind.quote: kind for kind in _KINDS}
        self.symbols: Mapping[str, SymbolInfo] = {
            symbol: listed(symbol, kind.base, kind.quote, Grid(kind.tick, kind.step))
            for symbol, kind in self._kinds.items()
        }
        self._views: dict[tuple[str, int], View] = {}

    def klines(
        self, symbol: str, interval: Interval, window: Window, now_ms: int, shift_ms: int = 0
    ) -> bytes:
        bars = self._view(symbol, now_ms).klines(interval, window, now_ms, shift_ms)
        return rows.klines_json(bars)

    def trades(self, symbol: str, ids: Ids, now_ms: int) -> Trades:
        return self._view(symbol, now_ms).trades(ids, now_ms)

    def agg_trades(self, symbol: str, rows: Window | Ids, now_ms: int) -> AggTrades:
        return self._view(symbol, now_ms).agg_trades(rows, now_ms)

    def depth(self, symbol: str, limit: int, now_ms: int) -> Book:
        return self._view(symbol, now_ms).depth(limit, now_ms)

    def summary(self, symbol: str, start_ms: int, end_ms: int) -> Summary:
        return self._view(symbol, end_ms).summary(start_ms, end_ms)

    def _view(self, symbol: str, now_ms: int) -> View:
        """Return the symbol with its days up to `now_ms`, at least."""
        kind = self._kinds[symbol]
        until = (max(now_ms // DAY_MS, kind.first_day) // _ERA + 1) * _ERA
        if (symbol, until) not in self._views:
            root = key("bwsresearch", _VERSION, self.seed, symbol)
            common = key("bwsresearch", _VERSION, self.seed)
            source = Source("1d", _days(kind, root, common, until))
            chain = Chain(root, source, Grid(kind.tick, kind.step))
            self._views[symbol, until] = View(chain, root)
            while len(self._views) > _KEPT:
                self._views.pop(next(iter(self._views)))
        return self._views[symbol, until]


def _days(kind: _Kind, root: int, common: int, until: int) -> Cells:
    """Return the days of a symbol, from its first up to `until`, exclusive."""
    day = np.arange(kind.first_day, until, dtype=np.int64)
    mine = keys(root, day)
    market, own, draw = bell(keys(common, day)), bell(keys(mine, 1)), keys(mine, 2)
    news = uniform(draw) / 65_536.0
    calm = _volatility(common, day) * (0.45 + 1.6 * news * news)
    deviation = kind.volatility * calm
    alone = math.sqrt(1.0 - kind.share_of_market * kind.share_of_market)
    moves = (kind.share_of_market * market + alone * own) / BELL_SD * deviation
    closes = _path(kind, common, root, day, moves)
    opens = np.concatenate([[kind.price], closes[:-1]])
    high, low = (uniform(draw, shift) / 65_536.0 * deviation * 0.8 for shift in (16, 32))
    ticks = [
        np.maximum(np.floor(price * UNIT / kind.tick), 50.0).astype(np.int64)
        for price in (
            opens,
            np.maximum(opens, closes) * (1.0 + high),
            np.minimum(opens, closes) * (1.0 - low),
            closes,
        )
    ]
    gap = uniform(draw, 48) % 5 - 2
    gap[0] = 0
    ticks[0] = np.clip(ticks[0] + gap, ticks[2], ticks[1])
    return _cells(kind, day, ticks, calm, keys(mine, 3))


def _volatility(common: int, day: Ints) -> Floats:
    """Return factors around 1 that change slowly: draws that last 4, 16 and 64 days."""
    level = np.zeros(len(day), np.int64)
    for scale in (2, 4, 6):
        block = (day + 11 * scale) >> scale
        draws = bell(keys(common, np.arange(block[0], block[-1] + 1), scale))
        level += draws[block - block[0]]
    return _exp(np.clip(level * (0.28 / BELL_SD), -2.0, 2.0))


def _path(kind: _Kind, common: int, root: int, day: Ints, moves: Floats) -> Floats:
    """Return closes: a random walk that steady drifts lead from one level to the next.

    Every `_ERA` days there is such a level, around a trend: else prices would get lost in ten years.
    """
    steps = np.floor(np.clip(moves, -0.3, 0.3) * _FINE).astype(np.int64)
    walk = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
    eras = np.arange(day[0] // _ERA, (day[-1] + 1) // _ERA + 1)
    knots = np.maximum(eras * _ERA - day[0], 0)
    both = [bell(keys(one, eras, 4)) / BELL_SD for one in (common, root)]
    share = kind.share_of_market
    levels = np.floor((share * both[0] + (1.0 - share) * both[1]) * 0.7 * _FINE).astype(np.int64)
    levels[0] = 0
    length = np.diff(knots)
    drift = np.diff(levels) - np.diff(walk[knots])
    era = np.repeat(np.arange(len(length)), length)
    along = np.arange(1, len(walk)) - knots[era]
    away = walk[1:] - walk[knots[era]] + levels[era] + drift[era] * along // length[era]
    age = np.arange(1.0, len(walk))
    return kind.price * _exp(kind.growth * age / (1.0 + age / _YOUTH) + away / _FINE)


def _exp(values: Floats) -> Floats:
    """Return about the exponential: (1 + x/1024)**1024, which every machine computes alike."""
    power = 1.0 + values / 1024.0
    for _ in range(10):
        power *= power
    return power


def _cells(kind: _Kind, day: Ints, ticks: list[Ints], calm: Floats, draw: Keys) -> Cells:
    """Return days of `ticks` (open, high, low, close); days of great changes are busy ones."""
    opens, highs, lows, closes = ticks
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
        np.concatenate([opens[:1], closes[:-1]]),
        opens,
        highs,
        lows,
        closes,
        trades * 11 >> 4,
        trades,
        sizes,
        sizes * mean + offset * ((highs - lows) > 64),
    )
