"""A market that was recorded: klines and trades as they were, and what follows from them.

A recorded interval is served as it was, gaps included. A coarser one is summed from a recorded one;
a bar that the recording does not hold wholly is left out. Recorded trades give every interval, the
aggregates and statistics. What a recording of bars alone does not have (finer bars, trades, book) is
implied: the chain refines the finest recorded bars, and says the same thing every time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.exchange import rows
from bwsresearch.exchange.cells import Cells, Grid
from bwsresearch.exchange.chain import Chain, Source
from bwsresearch.exchange.listing import assets, listed
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
from bwsresearch.exchange.noise import key
from bwsresearch.exchange.sums import coarser
from bwsresearch.exchange.tape import Tape, units
from bwsresearch.exchange.views import View
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import STEP_MS, next_open

__all__ = ["RecordedMarket", "Recording"]

Numbers: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
Rows: TypeAlias = Mapping[str, Numbers]
"""Columns of one kind of rows: int64 microseconds, ids and counts, float64 amounts, bools."""

_FOREVER: Final = 2**50


@dataclass(frozen=True)
class Recording:
    """What was recorded of one symbol."""

    klines: Mapping[Interval, Rows]
    trades: Rows | None = None
    info: SymbolInfo | None = None


class RecordedMarket:
    """Recordings by symbol as a market; see `Market`."""

    def __init__(self, recordings: Mapping[str, Recording]) -> None:
        if not recordings:
            raise ValueError("nothing is recorded; import archives first")
        self._symbols = {name: _Symbol(name, rec) for name, rec in sorted(recordings.items())}
        self.recorded: Mapping[str, tuple[str, ...]] = {
            name: symbol.recorded for name, symbol in self._symbols.items()
        }
        self.symbols: Mapping[str, SymbolInfo] = {
            name: symbol.info for name, symbol in self._symbols.items()
        }
        digest = hashlib.sha256()
        for symbol in self._symbols.values():
            symbol.hash_into(digest)
        self.identity = f"local-{digest.hexdigest()[:12]}"

    def klines(
        self, symbol: str, interval: Interval, window: Window, now_ms: int, shift_ms: int = 0
    ) -> bytes:
        return self._symbols[symbol].klines(interval, window, now_ms, shift_ms)

    def trades(self, symbol: str, ids: Ids, now_ms: int) -> Trades:
        return self._symbols[symbol].source.trades(ids, now_ms)

    def agg_trades(self, symbol: str, rows: Window | Ids, now_ms: int) -> AggTrades:
        return self._symbols[symbol].source.agg_trades(rows, now_ms)

    def depth(self, symbol: str, limit: int, now_ms: int) -> Book:
        return self._symbols[symbol].source.depth(limit, now_ms)

    def summary(self, symbol: str, start_ms: int, end_ms: int) -> Summary:
        return self._symbols[symbol].source.summary(start_ms, end_ms)


class _Symbol:
    """One symbol of a recording."""

    def __init__(self, name: str, recording: Recording) -> None:
        self.name, self._recording = name, recording
        self._pages: dict[tuple[Interval, int], _Pages] = {}

    @property
    def recorded(self) -> tuple[str, ...]:
        """What there is: intervals, shortest first, and "trades"."""
        bars = tuple(i for i in INTERVALS if i in self._recording.klines)
        return (*bars, "trades") if self._recording.trades is not None else bars

    def hash_into(self, digest: "hashlib._Hash") -> None:
        """Feed everything that was recorded to a hash."""
        recording = self._recording
        digest.update(self.name.encode())
        for interval in sorted(recording.klines):
            _hash_rows(digest, interval, recording.klines[interval])
        if recording.trades is not None:
            _hash_rows(digest, "trades", recording.trades)

    @cached_property
    def grid(self) -> Grid:
        """Tick and step: from the symbol's filters, or the finest that the data shows."""
        if self._recording.info is not None:
            info = self._recording.info
            return Grid(int(info.tick_size * UNIT), int(info.step_size * UNIT))
        some = self._recording.trades or self._recording.klines[self._finest]
        if "qty" in some:
            return Grid(_grain(some["price"]), _grain(some["qty"]))
        prices = np.concatenate([some[n] for n in ("open", "high", "low", "close")])
        return Grid(_grain(prices), _grain(some["volume"]))

    @cached_property
    def info(self) -> SymbolInfo:
        """The row of exchangeInfo."""
        return self._recording.info or listed(self.name, *assets(self.name), self.grid)

    @cached_property
    def source(self) -> View | Tape:
        """What answers everything but klines of recorded bars."""
        if self._recording.trades is not None:
            return Tape(self._recording.trades, self.grid, key("recorded", self.name))
        source = Source(
            self._finest, _cells(self._recording.klines[self._finest], self._finest, self.grid)
        )
        chain = Chain(key("recorded", self.name), source, self.grid)
        lots = source.cells.lots.sum(axis=0)
        seconds = (STEP_MS.get(self._finest, STEP_MS["1d"] * 30)) // 1000
        typical = int(np.median(lots)) // seconds if len(lots) else 1
        return View(chain, key("recorded", self.name), depth_lots=max(typical, 10))

    @property
    def _finest(self) -> Interval:
        return next(i for i in INTERVALS if i in self._recording.klines)

    def klines(self, interval: Interval, window: Window, now_ms: int, shift_ms: int) -> bytes:
        """Return recorded rows where there are any, else summed or implied ones."""
        pages = self._pages.get((interval, shift_ms)) or self._made(interval, shift_ms)
        if pages is None:
            return rows.klines_json(self.source.klines(interval, window, now_ms, shift_ms))
        return pages.cut(window, now_ms)

    def _made(self, interval: Interval, shift_ms: int) -> "_Pages | None":
        bars = self._recording.klines
        found: Rows | None = None
        if interval in bars and not shift_ms:
            found = bars[interval]
        elif (finer := self._origin(interval, shift_ms)) is not None:
            found = coarser(bars[finer], finer, interval, shift_ms)
        if found is None:
            return None
        pages = self._pages[interval, shift_ms] = _Pages(found)
        return pages

    def _origin(self, interval: Interval, shift_ms: int) -> Interval | None:
        """Return the recorded interval with the longest history that sums up to `interval`."""
        fitting = [
            i
            for i in self._recording.klines
            if i != "1M"
            and (interval == "1M" or STEP_MS[i] < STEP_MS[interval])
            and STEP_MS.get(interval, STEP_MS["1d"]) % STEP_MS[i] == 0
            and STEP_MS[i] <= STEP_MS["1d"]
            and shift_ms % STEP_MS[i] == 0
        ]
        return min(
            fitting,
            key=lambda i: (self._recording.klines[i]["open_time"][0], -STEP_MS[i]),
            default=None,
        )


class _Pages:
    """The rows of one interval as text, cut into pages by slicing."""

    def __init__(self, columns: Rows) -> None:
        self._opens: Ints = columns["open_time"].astype(np.int64) // 1000
        self._closes: Ints = columns["close_time"].astype(np.int64) // 1000
        self._blob = rows.recorded_blob(columns)

    def cut(self, window: Window, now_ms: int) -> bytes:
        """Return the rows of a window that are closed at `now_ms`."""
        stop = _FOREVER if window.end_ms is None else window.end_ms + 1
        last = int(np.searchsorted(self._opens, stop))
        last = min(last, int(np.searchsorted(self._closes, now_ms)))
        if window.start_ms is None:
            first = max(0, last - window.limit)
        else:
            first = min(last, int(np.searchsorted(self._opens, window.start_ms)))
            last = min(last, first + window.limit)
        return rows.page(self._blob, first, last)


def _hash_rows(digest: "hashlib._Hash", name: str, columns: Rows) -> None:
    digest.update(name.encode())
    for column, values in columns.items():
        digest.update(column.encode())
        digest.update(np.ascontiguousarray(values).tobytes())


def _grain(values: Numbers) -> int:
    """Return the greatest power of ten, at most 1, that divides all amounts, in units."""
    found, grain = units(values), UNIT
    while grain > 1 and (found % grain).any():
        grain //= 10
    return grain


def _cells(columns: Rows, interval: Interval, grid: Grid) -> Cells:
    """Return recorded bars as cells; the sides of the taker share the trades by their volume."""
    opens = columns["open_time"].astype(np.int64) // 1000
    ends = opens + STEP_MS[interval] if interval != "1M" else _month_ends(opens)
    count = columns["trades"].astype(np.int64)
    lots = units(columns["volume"]) // grid.step
    bought = np.minimum(units(columns["taker_buy_volume"]) // grid.step, lots)
    buys = np.clip(
        np.rint(count * (bought / np.maximum(lots, 1))).astype(np.int64),
        np.maximum(np.minimum(bought > 0, 1), count - (lots - bought)),
        np.minimum(count - (bought < lots), bought),
    )
    buys = np.clip(buys, 0, count)
    atom = max(grid.atom, 1)
    paid = units(columns["quote_volume"]) // atom
    paid_by_buyers = np.minimum(units(columns["taker_buy_quote_volume"]) // atom, paid)
    trades = np.stack([buys, count - buys])
    few = count <= 240
    return Cells(
        opens,
        ends,
        units(columns["open"]) // grid.tick,
        units(columns["high"]) // grid.tick,
        units(columns["low"]) // grid.tick,
        units(columns["close"]) // grid.tick,
        np.where(few, trades, trades - trades // 3),
        trades,
        np.stack([bought, lots - bought]),
        np.stack([paid_by_buyers, paid - paid_by_buyers]),
    )


def _month_ends(opens: Ints) -> Ints:
    return np.array([next_open("1M", int(at)) for at in opens], np.int64)
