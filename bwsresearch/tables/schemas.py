"""What rows of each kind consist of: fields, dtypes, index and key."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "AGG_TRADES",
    "BOOKS",
    "BOOK_TICKERS",
    "DEPTH",
    "KLINES",
    "SCHEMAS",
    "TRADES",
    "Column",
    "Columns",
    "Schema",
]

Column: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, Column]
"""One owned, writable array per field, all of one length, in the order of the schema."""

_INT: Final = np.dtype(np.int64)
_FLOAT: Final = np.dtype(np.float64)
_BOOL: Final = np.dtype(np.bool_)


@dataclass(frozen=True)
class Schema:
    """What one kind of rows consists of.

    Attributes:
        name: "klines", "aggs", "trades", …; also the top folder of the cache.
        time: the field that becomes the index.
        key: the field that is unique and that rows are sorted by.
        dtypes: the dtype of every field, in the order of the frame.
        stamps: the fields that are times.
        within: further fields that rows are told apart and sorted by, where the key repeats.
    """

    name: str
    time: str
    key: str
    dtypes: dict[str, np.dtype[np.generic]]
    stamps: frozenset[str]
    within: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """All fields that rows are told apart and sorted by, the first counts most."""
        return (self.key, *self.within)

    def only(self, names: Collection[str]) -> "Schema":
        """Return the schema of rows that have the time and these fields, in the same order."""
        kept = {n: dtype for n, dtype in self.dtypes.items() if n in names or n == self.time}
        return replace(self, dtypes=kept, stamps=self.stamps & kept.keys())


KLINES: Final = Schema(
    "klines",
    "open_time",
    "open_time",
    {
        "open_time": _INT,
        "open": _FLOAT,
        "high": _FLOAT,
        "low": _FLOAT,
        "close": _FLOAT,
        "volume": _FLOAT,
        "close_time": _INT,
        "quote_volume": _FLOAT,
        "trades": _INT,
        "taker_buy_volume": _FLOAT,
        "taker_buy_quote_volume": _FLOAT,
    },
    frozenset({"open_time", "close_time"}),
)
"""Bars, one per row. Source: web-socket-api.md "Klines"."""

AGG_TRADES: Final = Schema(
    "aggs",
    "time",
    "id",
    {
        "time": _INT,
        "id": _INT,
        "price": _FLOAT,
        "qty": _FLOAT,
        "first_id": _INT,
        "last_id": _INT,
        "is_buyer_maker": _BOOL,
    },
    frozenset({"time"}),
)
"""Aggregate trades. Source: web-socket-api.md "Aggregate trades"."""

TRADES: Final = Schema(
    "trades",
    "time",
    "id",
    {
        "time": _INT,
        "id": _INT,
        "price": _FLOAT,
        "qty": _FLOAT,
        "quote_qty": _FLOAT,
        "is_buyer_maker": _BOOL,
    },
    frozenset({"time"}),
)
"""Single trades. Source: web-socket-api.md "Historical trades"."""

DEPTH: Final = Schema(
    "depth",
    "time",
    "last_update_id",
    {
        "time": _INT,
        "first_update_id": _INT,
        "last_update_id": _INT,
        "is_bid": _BOOL,
        "price": _FLOAT,
        "qty": _FLOAT,
        "local_ns": _INT,
    },
    frozenset({"time"}),
    ("first_update_id", "is_bid", "price"),
)
"""Changes of the book, one level each: its new size, 0 when it is gone.

A whole book has `first_update_id` 0. `local_ns` is when it was received, by the recorder's clock.
Source: web-socket-streams.md "Diff. Depth Stream"; web-socket-api.md "Order book".
"""

BOOK_TICKERS: Final = Schema(
    "book_tickers",
    "time",
    "update_id",
    {
        "time": _INT,
        "update_id": _INT,
        "bid_price": _FLOAT,
        "bid_qty": _FLOAT,
        "ask_price": _FLOAT,
        "ask_qty": _FLOAT,
        "local_ns": _INT,
    },
    frozenset({"time"}),
)
"""Best bid and ask after each update; the stream has no time, so it is the recorder's.

Source: web-socket-streams.md "Individual Symbol Book Ticker Streams".
"""

BOOKS: Final = Schema(
    "books",
    "time",
    "time",
    {
        "time": _INT,
        "last_update_id": _INT,
        "is_ask": _BOOL,
        "level": _INT,
        "price": _FLOAT,
        "qty": _FLOAT,
        "request_time": _INT,
        "reply_time": _INT,
    },
    frozenset({"time", "request_time", "reply_time"}),
    ("last_update_id", "is_ask", "level"),
)
"""Whole books at regular times, one level each: 1 is the best of its side.

`time` is when the book was due, `request_time` when it was asked for and `reply_time` when it was
there, all by the server's clock. Source: web-socket-api.md "Order book".
"""

SCHEMAS: Final[dict[str, Schema]] = {
    s.name: s for s in (KLINES, AGG_TRADES, TRADES, DEPTH, BOOK_TICKERS, BOOKS)
}
"""Every schema by its name."""
