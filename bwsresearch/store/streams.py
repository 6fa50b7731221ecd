"""Recordings of combined streams: what a socket brought, one line each, as `local_ns {json}`.

Read are `<symbol>@depth` (at any speed), `@bookTicker` and `@trade`, and answers to `depth` requests
between them, from which the book starts; other streams are left out. Every change of the book must
follow the one before, so that the book can be rebuilt.
Source: web-socket-streams.md "How to manage a local order book correctly".
"""

import gzip
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np

from bwsresearch import tables
from bwsresearch.errors import ArchiveError
from bwsresearch.store.contents import content
from bwsresearch.store.spans import Spans, union
from bwsresearch.tables import BOOK_TICKERS, DEPTH, TRADES, BadRow, Columns, Schema

__all__ = ["Streams", "is_recording", "read_streams"]

_LINE: Final = re.compile(rb"\d{16,19} \{")
_LONGEST: Final = 21
_FIRST_NS: Final = 1_230_768_000_000_000_000
"""2009: nothing was traded before."""
_NS_PER_US: Final = 1000
_NS_PER_MS: Final = 1_000_000
_EIGHT: Final = Decimal("0.00000001")
_WHOLE: Final = 0
"""The `first_update_id` of a whole book: it stands for all changes since the first."""

_Levels: TypeAlias = list[tuple[str, str]]
_T = TypeVar("_T")


class _Line(msgspec.Struct, rename="camel"):
    """A message of a combined stream, or a bare answer to a `depth` request."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update_id: int | None = None
    bids: _Levels = []
    asks: _Levels = []


class _Depth(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    time: int = msgspec.field(name="E")
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: _Levels = msgspec.field(name="b")
    asks: _Levels = msgspec.field(name="a")


class _BookTicker(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    update_id: int = msgspec.field(name="u")
    bid_price: str = msgspec.field(name="b")
    bid_qty: str = msgspec.field(name="B")
    ask_price: str = msgspec.field(name="a")
    ask_qty: str = msgspec.field(name="A")


class _Trade(msgspec.Struct):
    symbol: str = msgspec.field(name="s")
    id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    qty: str = msgspec.field(name="q")
    time: int = msgspec.field(name="T")
    is_buyer_maker: bool = msgspec.field(name="m")


@dataclass(frozen=True, slots=True)
class Streams:
    """What was recorded of one symbol, as rows of three kinds, each with the time that is complete.

    A row of `depth` is one level that changed: its new size, 0 when it is gone. A whole book, from
    which changes go on, has `first_update_id` 0. `gaps` are the update ids (last before, first after)
    between which changes are missing; the book is not known again before the next whole one.
    """

    symbol: str
    depth: Columns
    book_tickers: Columns
    trades: Columns
    gaps: Sequence[tuple[int, int]]

    def parts(self) -> Iterator[tuple[Schema, Columns, Spans]]:
        """Return the kinds that have rows, with what of the time they complete."""
        depth, trades, tickers = self.depth, self.trades, self.book_tickers
        changes = depth["first_update_id"] != _WHOLE
        runs = tables.sliced(depth, np.flatnonzero(changes))
        found = (
            (DEPTH, depth, _covered(runs, DEPTH, "first_update_id", "last_update_id")),
            (TRADES, trades, _covered(trades, TRADES, "id", "id")),
            (BOOK_TICKERS, tickers, _span(tickers, BOOK_TICKERS)),
        )
        yield from ((schema, rows, spans) for schema, rows, spans in found if tables.length(rows))


def is_recording(path: Path) -> bool:
    """Whether a file, plain or as .gz, begins like a recording of streams."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _LINE.match(file.read(_LONGEST)) is not None
    except (OSError, EOFError, zlib.error):
        return False


def read_streams(path: str | Path) -> Streams:
    """Return the checked rows of one recording, plain or as .gz.

    Raises:
        ArchiveError: naming file, line, value and cure.
    """
    place = Path(path)
    reader, number = _Reader(), 0
    try:
        for number, line in enumerate(content(place).text.splitlines()):
            if line:
                reader.read(number, line)
        return reader.streams()
    except BadRow as error:
        row = number if error.row is None else error.row
        raise ArchiveError(f"{place}, line {row + 1}: {error.what}; nothing was imported") from None


@dataclass(slots=True)
class _Reader:
    """Rows as they come; the checks are made where a line can still be named."""

    symbol: str = ""
    rows: list[tuple[int, int, int, bool, str, str, int]] = field(default_factory=list)
    tickers: list[tuple[int, int, str, str, str, str, int]] = field(default_factory=list)
    trades: list[tuple[int, int, str, str, bool]] = field(default_factory=list)
    changes: list[tuple[int, int, int]] = field(default_factory=list)
    snapshots: list[tuple[int, int, _Line]] = field(default_factory=list)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)

    def read(self, number: int, line: bytes) -> None:
        if not _LINE.match(line):
            shown = line[:40].decode(errors="replace")
            raise BadRow(f"{shown!r} is no `local_ns {{json}}`; check that this is a recording")
        stamp, _, text = line.partition(b" ")
        local_ns = int(stamp)
        if local_ns < _FIRST_NS:
            raise BadRow(f"local time is {local_ns} ns, which is before 2009; check the recorder")
        message = _decoded(text, _Line)
        if message.last_update_id is not None:
            self.snapshots.append((number, local_ns, message))
        elif "@depth" in message.stream:
            self._changed(number, local_ns, _decoded(message.data, _Depth))
        elif message.stream.endswith("@bookTicker"):
            self._quoted(local_ns, _decoded(message.data, _BookTicker))
        elif message.stream.endswith("@trade"):
            self._traded(_decoded(message.data, _Trade))

    def _named(self, symbol: str) -> None:
        if self.symbol and self.symbol != symbol:
            raise BadRow(f"it holds {self.symbol} and {symbol}, must hold one; split it by symbol")
        self.symbol = symbol

    def _changed(self, number: int, local_ns: int, event: _Depth) -> None:
        self._named(event.symbol)
        before = self.changes[-1][1] if self.changes else event.first - 1
        if not before < event.first <= event.last:
            raise BadRow(
                f"book change {event.first} to {event.last} does not follow {before}; "
                "keep the lines as they came, each once"
            )
        if event.first > before + 1:
            self.gaps.append((number, before, event.first))
        self.changes.append((event.first, event.last, event.time))
        # A change of no level still counts up the ids: it is kept as one of price 0.
        bids = event.bids or ([] if event.asks else [("0", "0")])
        self._add(local_ns, event.time, event.first, event.last, bids, event.asks)

    def _add(
        self, local_ns: int, time: int, first: int, last: int, bids: _Levels, asks: _Levels
    ) -> None:
        for is_bid, levels in ((True, bids), (False, asks)):
            for price, qty in levels:
                self.rows.append((time, first, last, is_bid, price, qty, local_ns))

    def _quoted(self, local_ns: int, event: _BookTicker) -> None:
        self._named(event.symbol)
        # The message has no time of the exchange.
        quotes = event.bid_price, event.bid_qty, event.ask_price, event.ask_qty
        self.tickers.append((local_ns // _NS_PER_US, event.update_id, *quotes, local_ns))

    def _traded(self, event: _Trade) -> None:
        self._named(event.symbol)
        self.trades.append((event.time, event.id, event.price, event.qty, event.is_buyer_maker))

    # ---- the whole ---------------------------------------------------------------------------

    def streams(self) -> Streams:
        for number, local_ns, snapshot in self.snapshots:
            self._joined(number, local_ns, snapshot)
        self._healed()
        if not self.symbol:
            raise BadRow("it holds no depth, bookTicker or trade of any symbol; check the recorder")
        trades = _columns(TRADES, self.trades, ("time", "id", "price", "qty", "is_buyer_maker"))
        return Streams(
            self.symbol,
            _columns(DEPTH, self.rows, tuple(DEPTH.dtypes)),
            _columns(BOOK_TICKERS, self.tickers, tuple(BOOK_TICKERS.dtypes)),
            trades,
            [(before, after) for _, before, after in self.gaps],
        )

    def _joined(self, number: int, local_ns: int, snapshot: _Line) -> None:
        """Add a whole book at the time of the first change that goes beyond it."""
        at = snapshot.last_update_id or 0
        place = bisect_right(self.changes, at, key=lambda change: change[1])
        time = local_ns // _NS_PER_MS
        if place < len(self.changes):
            first, _, time = self.changes[place]
            if first > at + 1:
                raise BadRow(
                    f"the book of update {at} is older than the change {first} that comes next; "
                    "record the stream before asking for the book",
                    number,
                )
        self._add(local_ns, time, _WHOLE, at, snapshot.bids, snapshot.asks)

    def _healed(self) -> None:
        newest = max((s.last_update_id or 0 for _, _, s in self.snapshots), default=0)
        for number, before, after in self.gaps:
            if newest < after - 1:
                raise BadRow(
                    f"book changes {before + 1} to {after - 1} are missing, and no whole book "
                    "follows; cut the file here, or record a book after each reconnection",
                    number,
                )


def _decoded(text: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError as error:
        raise BadRow(f"{error}; check that the line is whole") from None


def _columns(schema: Schema, rows: Sequence[Sequence[object]], names: tuple[str, ...]) -> Columns:
    """Return rows as checked columns, sorted; the quote of a trade is its price times its quantity."""
    raw = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    if not raw:
        return tables.empty(schema)
    columns = {name: _array(name, values, schema.dtypes[name]) for name, values in raw.items()}
    if schema is TRADES:
        columns["quote_qty"] = _quote_qty(raw["price"], raw["qty"])
    return tables.unique(schema, tables.checked(schema, columns))


def _array(name: str, values: Sequence[object], dtype: np.dtype[np.generic]) -> tables.Column:
    try:
        return np.array(values, dtype)
    except (ValueError, OverflowError) as error:
        raise BadRow(f"{name}: {error}; check the recorder") from None


def _quote_qty(prices: Sequence[object], sizes: Sequence[object]) -> tables.Column:
    # As the exchange: exact, then cut to eight decimals.
    exact = (Decimal(str(p)) * Decimal(str(q)) for p, q in zip(prices, sizes, strict=True))
    return np.array([float(worth.quantize(_EIGHT, ROUND_DOWN)) for worth in exact], np.float64)


def _covered(columns: Columns, schema: Schema, first: str, last: str) -> Spans:
    """Return the time between rows whose ids follow each other; both ends may have had more."""
    starts, ends = columns[first], columns[last]
    if not len(starts):
        return ()
    times = tables.millis(columns, schema.time)
    seams = np.flatnonzero((starts[1:] != ends[:-1] + 1) & (ends[1:] != ends[:-1]))
    firsts, lasts = np.append(0, seams + 1), np.append(seams, len(starts) - 1)
    return union(
        tuple((int(times[a]) + 1, int(times[b])) for a, b in zip(firsts, lasts, strict=True))
    )


def _span(columns: Columns, schema: Schema) -> Spans:
    times = tables.millis(columns, schema.time)
    return union(((int(times.min()) + 1, int(times.max())),)) if len(times) else ()
