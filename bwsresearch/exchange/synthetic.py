"""A market from a seed: the same for everybody, at any time since 2017, without stored data.

Days follow a random walk whose volatility comes in clusters, with a factor that all symbols share;
the chain refines them down to trades. Only integers and the four basic operations and square roots
of IEEE numbers are used, which every machine computes alike.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bwsresearch.enums import Interval
from bwsresearch.exchange import rows
from bwsresearch.exchange.cells import Cells, Grid
from bwsresearch.exchange.chain import Chain, Source
from bwsresearch.exchange.listing import listed
from bwsresearch.exchange.market import (
    UNIT,
    AggTrades,
    Book,
    Ids,
    Ints,
    Summary,
    Trades,
    Window,
)
from bwsresearch.exchange.noise import BELL_SD, bell, key, keys, uniform
from bwsresearch.exchange.views import View
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import DAY_MS, next_open, open_time

__all__ = ["SyntheticMarket"]

_VERSION: Final = 1
"""Part of the market's name: to be raised with every change of what a seed means."""
_LEAST: Final = 6


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
    _Kind("BTC", "USDT", 1_000_000, 1_000, _DAY_0, 4_300.0, 1.00095, 0.030, 0.85, 9.0e8, 240_000),
    _Kind("ETH", "USDT", 1_000_000, 10_000, _DAY_0, 300.0, 1.0008, 0.038, 0.80, 5.0e8, 190_000),
    _Kind("BNB", "USDT", 1_000_000, 100_000, 17_476, 9.0, 1.0013, 0.040, 0.70, 1.2e8, 110_000),
    _Kind("SOL", "USDT", 1_000_000, 100_000, 18_485, 12.0, 1.0013, 0.050, 0.65, 2.0e8, 130_000),
    _Kind("XRP", "USDT", 10_000, 10_000_000, 17_655, 0.70, 1.0003, 0.045, 0.65, 1.5e8, 120_000),
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
        """Return the symbol with days up to the end of the year of `now_ms`, at least."""
        until = next_open("1M", open_time("1M", now_ms), 12) // DAY_MS
        until -= until % 366  # a horizon for many questions, not one for each month
        until += 732
        if (symbol, until) not in self._views:
            kind = self._kinds[symbol]
            root = key("bwsresearch", _VERSION, self.seed, symbol)
            common = key("bwsresearch", _VERSION, self.seed)
            source = Source("1d", _days(kind, root, common, until))
            chain = Chain(root, source, Grid(kind.tick, kind.step), least=_LEAST)
            lots = int(kind.turnover / kind.price / 86_400 * UNIT / kind.step)
            self._views[symbol, until] = View(chain, root, depth_lots=max(lots, 10))
        return self._views[symbol, until]


def _days(kind: _Kind, root: int, common: int, until: int) -> Cells:
    """Return the days of a symbol, from its first up to `until`, exclusive."""
    # The shared factor begins with the first symbol, so that all symbols see the same.
    every = np.arange(_DAY_0, max(until, kind.first_day + 1), dtype=np.int64)
    market, shared = bell(keys(common, every, 1)), bell(keys(common, every, 2))
    skip = kind.first_day - _DAY_0
    day = every[skip:]
    own, size = bell(keys(root, day, 1)), bell(keys(root, day, 2))
    news = uniform(keys(root, day, 9)) / 65_536.0
    calm = _volatility(shared)[skip:] * (0.45 + 1.6 * news * news)
    mixed = (
        kind.share_of_market * market[skip:]
        + (1.0 - kind.share_of_market * kind.share_of_market) ** 0.5 * own
    )
    deviation = kind.volatility * calm
    closes = _path(kind, mixed / BELL_SD * deviation)
    opens = np.concatenate([[kind.price], closes[:-1]])
    high, low = (uniform(keys(root, day, number)) / 65_536.0 * deviation * 0.9 for number in (3, 4))
    ticks = [
        np.maximum(np.floor(price * UNIT / kind.tick), 50.0).astype(np.int64)
        for price in (
            opens,
            np.maximum(opens, closes) * (1.0 + high),
            np.minimum(opens, closes) * (1.0 - low),
            closes,
        )
    ]
    gap = np.where(np.arange(len(day)) > 0, uniform(keys(root, day, 5)) % 5 - 2, 0)
    ticks[0] = np.clip(ticks[0] + gap, ticks[2], ticks[1])
    return _cells(kind, root, day, ticks, calm * (1.0 + np.abs(size) / (2.0 * BELL_SD)))


def _volatility(noise: Ints) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return factors around 1 that change slowly: an exponential of an autoregression."""
    level, levels = 0.0, []
    for draw in (noise / BELL_SD).tolist():
        level = 0.94 * level + 0.17 * draw
        levels.append(level)
    eighth = 1.0 + np.clip(np.array(levels), -2.0, 2.0) / 8.0
    square = eighth * eighth
    fourth = square * square
    return fourth * fourth


def _path(
    kind: _Kind, moves: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return closes: growth, moves, and a pull towards the long-term trend."""
    price = trend = kind.price
    closes = []
    for move in moves.tolist():
        trend *= kind.growth
        pull = min(max(price / trend - 1.0, -0.9), 3.0) * 0.004
        price *= 1.0 + min(max(move + kind.growth - 1.0 - pull, -0.3), 0.3)
        closes.append(price)
    return np.array(closes)


def _cells(
    kind: _Kind,
    root: int,
    day: Ints,
    ticks: list[Ints],
    busy: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> Cells:
    """Return days of `ticks` (open, high, low, close), as busy as `busy` says."""
    opens, highs, lows, closes = ticks
    mean = (opens + highs + lows + closes) >> 2
    money = np.clip(kind.turnover * busy, kind.turnover * 0.2, 1.5e9)
    lots = np.floor(money / (mean * kind.tick / UNIT) / (kind.step / UNIT)).astype(np.int64)
    count = np.floor(kind.trades * np.clip(busy, 0.35, 4.0)).astype(np.int64)
    lots = np.maximum(lots, count * 100)
    bought = 32_768 + np.sign(closes - opens) * 900 + (uniform(keys(root, day, 6)) - 32_768) // 12
    buys, buy_lots = count * bought >> 16, (lots >> 16) * bought
    trades, sizes = np.stack([buys, count - buys]), np.stack([buy_lots, lots - buy_lots])
    offset = np.stack([uniform(keys(root, day, 7)), uniform(keys(root, day, 8))])
    return Cells(
        day * DAY_MS,
        (day + 1) * DAY_MS,
        opens,
        highs,
        lows,
        closes,
        trades * 11 >> 4,
        trades,
        sizes,
        sizes * mean + offset * ((highs - lows) > 64),
    )
