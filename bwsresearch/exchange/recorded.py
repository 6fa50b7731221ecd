"""A market that was recorded: klines and trades as they were, and what follows from them.

A recorded interval is served as it was, gaps included. A coarser one is summed from a recorded one;
a bar that the recording does not hold wholly is left out. Recorded trades give every interval, the
aggregates and statistics. What a recording of bars alone does not have (finer bars, trades, book) is
implied: the chain refines the finest recorded bars, and says the same thing every time. A recorded
book is never mixed with an implied one: where it is not known, it is empty.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.exchange import edges, rows
from bwsresearch.exchange.amounts import UNIT, Ints, counted, split
from bwsresearch.exchange.cells import Cells, Grid
from bwsresearch.exchange.chain import Chain
from bwsresearch.exchange.listing import assets, listed
from bwsresearch.exchange.market import (
    AggTrades,
    Bars,
    Book,
    Ids,
    Summary,
    Trades,
    Window,
)
from bwsresearch.exchange.noise import key
from bwsresearch.exchange.replay import RecordedBook
from bwsresearch.exchange.source import Source
from bwsresearch.exchange.sums import coarser
from bwsresearch.exchange.tape import Tape
from bwsresearch.exchange.timeline import Timeline
from bwsresearch.exchange.views import View
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import STEP_MS

__all__ = ["RecordedMarket", "Recording"]

Numbers: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
Rows: TypeAlias = Mapping[str, Numbers]
"""Columns of one kind of rows: int64 microseconds, ids and counts, float64 amounts, bools."""

_FEW: Final = 240
"""Up to so many trades a minute, none of a bar shares an aggregate with another."""
_MOST_ATOMS: Final = 9.0e18
_KEPT: Final = 48
"""Intervals, by time zone, of which a symbol keeps the rendered rows."""


@dataclass(frozen=True)
class Recording:
    """What was recorded of one symbol; `depth` are changes of its book."""

    klines: Mapping[Interval, Rows]
    trades: Rows | None = None
    info: SymbolInfo | None = None
    depth: Rows | None = None


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
        return self._symbols[symbol].depth(limit, now_ms)

    def summary(self, symbol: str, start_ms: int, end_ms: int) -> Summary:
        return self._symbols[symbol].source.summary(start_ms, end_ms)

    def timeline(self, symbol: str) -> Timeline | None:
        return self._symbols[symbol].timeline


class _Symbol:
    """One symbol of a recording."""

    def __init__(self, name: str, recording: Recording) -> None:
        self.name, self._recording = name, recording
        self._pages: dict[tuple[Interval, int], _Pages] = {}

    @property
    def recorded(self) -> tuple[str, ...]:
        """What there is: intervals, shortest first, "trades" and "depth"."""
        recording = self._recording
        ticks = {"trades": recording.trades, "depth": recording.depth}
        bars = (i for i in INTERVALS if i in recording.klines)
        return (*bars, *(name for name, rows in ticks.items() if rows is not None))

    def hash_into(self, digest: "hashlib._Hash") -> None:
        """Feed everything that was recorded to a hash."""
        recording = self._recording
        digest.update(self.name.encode())
        for interval in sorted(recording.klines):
            _hash_rows(digest, interval, recording.klines[interval])
        if recording.trades is not None:
            _hash_rows(digest, "trades", recording.trades)
        if recording.depth is not None:
            _hash_rows(digest, "depth", recording.depth)

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
    def _book(self) -> RecordedBook | None:
        depth = self._recording.depth
        return None if depth is None else RecordedBook(self.name, depth, self._recording.trades)

    def depth(self, limit: int, now_ms: int) -> Book:
        """Return the recorded book, else an implied one."""
        if self._book is None:
            return self.source.depth(limit, now_ms)
        return self._book.at(now_ms, limit) or Book(0, (), ())

    @cached_property
    def source(self) -> View | Tape:
        """What answers everything but klines of recorded bars."""
        root = key("recorded", self.name)
        if self._recording.trades is not None:
            return Tape(self._recording.trades, self.grid, root)
        grid, cells = _cells(self._recording.klines[self._finest], self._finest, self.grid)
        return View(Chain(root, Source(self._finest, cells), grid), root)

    @cached_property
    def timeline(self) -> Timeline | None:
        """The finest recorded bars as one that waits for them sees them."""
        bars = self._recording.klines
        return Timeline(self.name, bars[self._finest]) if bars else None

    @property
    def _finest(self) -> Interval:
        return next(i for i in INTERVALS if i in self._recording.klines)

    def klines(self, interval: Interval, window: Window, now_ms: int, shift_ms: int) -> bytes:
        """Return recorded rows where there are any, else summed or implied ones."""
        pages = self._pages.get((interval, shift_ms)) or self._made(interval, shift_ms)
        if pages is not None:
            return pages.cut(window, now_ms, lambda: self._running(interval, now_ms, shift_ms))
        view = self.source
        if isinstance(view, Tape):
            raise TypeError("trades make every interval")
        return rows.klines_json(view.klines(interval, window, now_ms, shift_ms))

    def _running(self, interval: Interval, now_ms: int, shift_ms: int) -> Bars:
        return self.source.running(interval, now_ms, shift_ms)

    def _made(self, interval: Interval, shift_ms: int) -> "_Pages | None":
        bars = self._recording.klines
        made: _Pages | None = None
        if interval in bars and not shift_ms:
            made = _Pages.of_columns(bars[interval])
        elif (finer := self._origin(interval, shift_ms)) is not None:
            made = _Pages.of_columns(coarser(bars[finer], finer, interval, shift_ms))
        elif isinstance(self.source, Tape):
            made = _Pages.of_bars(self.source.bars(interval, shift_ms))
        if made is not None:
            self._pages[interval, shift_ms] = made
            while len(self._pages) > _KEPT:
                self._pages.pop(next(iter(self._pages)))
        return made

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


@dataclass(frozen=True)
class _Pages:
    """The rows of one interval as text, cut into pages by slicing."""

    opens: Ints
    closes: Ints
    blob: rows.Blob

    @classmethod
    def of_columns(cls, columns: Rows) -> "_Pages":
        """Return the pages of recorded rows."""
        opens, closes = (columns[n].astype(np.int64) // 1000 for n in ("open_time", "close_time"))
        return cls(opens, closes, rows.recorded_blob(columns))

    @classmethod
    def of_bars(cls, bars: Bars) -> "_Pages":
        """Return the pages of bars."""
        return cls(bars.open_time, bars.close_time, rows.klines_blob(bars))

    def cut(self, window: Window, now_ms: int, running: Callable[[], Bars]) -> bytes:
        """Return the rows of a window: as recorded when closed at `now_ms`, and the running one."""
        stop = min(now_ms, now_ms if window.end_ms is None else window.end_ms) + 1
        known = int(np.searchsorted(self.opens, stop))
        last = min(known, int(np.searchsorted(self.closes, now_ms)))
        begin, limit = window.start_ms, window.limit
        first = 0 if begin is None else min(last, int(np.searchsorted(self.opens, begin)))
        tail = b""
        if last < known and (begin is None or self.opens[last] >= begin):
            tail = rows.klines_json(running())[1:-1]
        if begin is None:
            first = max(0, last - limit + bool(tail))
        elif last - first >= limit:
            last, tail = first + limit, b""
        page = rows.page(self.blob, first, last)
        return page[:-1] + (b"," if tail and first < last else b"") + tail + b"]" if tail else page


def _hash_rows(digest: "hashlib._Hash", name: str, columns: Rows) -> None:
    digest.update(name.encode())
    for column, values in columns.items():
        digest.update(column.encode())
        digest.update(np.ascontiguousarray(values).tobytes())


def _grain(values: Numbers) -> int:
    """Return the greatest power of ten, at most 1, that divides all amounts, in units."""
    parts, grain = split(values).parts, UNIT
    while grain > 1 and (parts % grain).any():
        grain //= 10
    return grain


def _cells(columns: Rows, interval: Interval, grid: Grid) -> tuple[Grid, Cells]:
    """Return recorded bars as cells; the sides of the taker share the trades by their volume.

    The grid that comes with them has a coarser step where 64 bits do not hold the quote volume.
    """
    while float(columns["quote_volume"].max(initial=0.0)) * UNIT / grid.atom > _MOST_ATOMS:
        grid = Grid(grid.tick, grid.step * 10)
    opens = columns["open_time"].astype(np.int64) // 1000
    ends = edges.ends(interval, opens)
    lots = counted(columns["volume"], grid.step)
    bought = np.minimum(counted(columns["taker_buy_volume"], grid.step), lots)
    count = np.minimum(columns["trades"].astype(np.int64), lots)
    buys = np.clip(
        np.rint(count * (bought / np.maximum(lots, 1))).astype(np.int64),
        np.maximum(np.minimum(bought > 0, 1), count - (lots - bought)),
        np.minimum(count - (bought < lots), bought),
    )
    buys = np.clip(buys, 0, count)
    paid = counted(columns["quote_volume"], grid.atom)
    paid_by_buyers = np.minimum(counted(columns["taker_buy_quote_volume"], grid.atom), paid)
    trades = np.stack([buys, count - buys])
    few = count <= _FEW * np.maximum((ends - opens) // STEP_MS["1m"], 1)
    open_, high, low, close = (
        counted(columns[n], grid.tick) for n in ("open", "high", "low", "close")
    )
    return grid, Cells(
        opens,
        ends,
        np.concatenate([open_[:1], close[:-1]]),
        open_,
        high,
        low,
        close,
        np.where(few, trades, trades - trades // 3),
        trades,
        np.stack([bought, lots - bought]),
        np.stack([paid_by_buyers, paid - paid_by_buyers]),
    )
