"""A market from a seed: the same for everybody, at any time since 2017, without stored data.

Days are drawn from the seed, and the chain refines them down to trades.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from bwsresearch.enums import Interval
from bwsresearch.exchange import rows
from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.chain import Chain
from bwsresearch.exchange.days import ERA, Days, Kind
from bwsresearch.exchange.listing import listed
from bwsresearch.exchange.market import (
    AggTrades,
    Book,
    Ids,
    Summary,
    Trades,
    Window,
)
from bwsresearch.exchange.noise import key
from bwsresearch.exchange.views import View
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import DAY_MS

__all__ = ["SyntheticMarket"]

_VERSION: Final = 2
"""Part of the market's name: to be raised with every change of what a seed means."""
_KEPT: Final = 24
"""Symbols that are remembered, each with what was asked of it, up to some day."""
_DAY_0: Final = 17_395  # 2017-08-17
_KINDS: Final = (
    Kind("BTC", "USDT", 1_000_000, 1_000, _DAY_0, 4_300.0, 0.0015, 0.025, 0.85, 9.0e8, 120_000),
    Kind("ETH", "USDT", 1_000_000, 10_000, _DAY_0, 300.0, 0.0012, 0.031, 0.80, 5.0e8, 100_000),
    Kind("BNB", "USDT", 100_000, 100_000, 17_476, 9.0, 0.0021, 0.034, 0.70, 1.2e8, 80_000),
    Kind("SOL", "USDT", 100_000, 100_000, 18_485, 12.0, 0.0017, 0.041, 0.65, 2.0e8, 90_000),
    Kind("XRP", "USDT", 1_000, 10_000_000, 17_655, 0.70, 0.0004, 0.037, 0.65, 1.5e8, 90_000),
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
        until = (max(now_ms // DAY_MS, kind.first_day) // ERA + 1) * ERA
        if (symbol, until) not in self._views:
            root = key("bwsresearch", _VERSION, self.seed, symbol)
            common = key("bwsresearch", _VERSION, self.seed)
            chain = Chain(root, Days(kind, root, common, until), Grid(kind.tick, kind.step))
            self._views[symbol, until] = View(chain, root)
            while len(self._views) > _KEPT:
                self._views.pop(next(iter(self._views)))
        return self._views[symbol, until]
