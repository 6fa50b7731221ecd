"""The market that an exchange serves: what it knows of a symbol at a moment, in whole numbers.

Prices and quantities are int64 counts of 1e-8 ("units"), volumes are `Amounts`, so that sums are
exact; times are int64 milliseconds. A market never shows what lies after the moment it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange.amounts import UNIT, Amounts, Ints
from bwsresearch.protocol.results import SymbolInfo

__all__ = [
    "UNIT",
    "AggTrades",
    "Bars",
    "Book",
    "Ids",
    "Ints",
    "Market",
    "Summary",
    "Trades",
    "Window",
]


@dataclass(frozen=True, slots=True)
class Bars:
    """Klines, oldest first: columns of one length, in units and milliseconds."""

    open_time: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Amounts
    close_time: Ints
    quote_volume: Amounts
    trades: Ints
    taker_buy_volume: Amounts
    taker_buy_quote_volume: Amounts

    def __len__(self) -> int:
        return len(self.open_time)


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades by ascending id: arrays of one length, in units and milliseconds."""

    id: Ints
    price: Ints
    qty: Ints
    quote_qty: Ints
    time: Ints
    is_buyer_maker: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.id)

    def part(self, where: slice | Ints) -> "Trades":
        """Return some of the rows."""
        return Trades(
            self.id[where],
            self.price[where],
            self.qty[where],
            self.quote_qty[where],
            self.time[where],
            self.is_buyer_maker[where],
        )


@dataclass(frozen=True, slots=True)
class AggTrades:
    """Aggregate trades by ascending id: arrays of one length, in units and milliseconds."""

    id: Ints
    price: Ints
    qty: Ints
    first_id: Ints
    last_id: Ints
    time: Ints
    is_buyer_maker: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.id)

    def part(self, where: slice | Ints) -> "AggTrades":
        """Return some of the rows."""
        return AggTrades(
            self.id[where],
            self.price[where],
            self.qty[where],
            self.first_id[where],
            self.last_id[where],
            self.time[where],
            self.is_buyer_maker[where],
        )


@dataclass(frozen=True, slots=True)
class Book:
    """An order book: (price, quantity) in units, best first on both sides."""

    last_update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The trades of a stretch of time in one row; `previous_close` is the last price before it.

    Without trades `count` is 0, the ids are -1, and every price is 0 but `previous_close`.
    """

    open: int
    high: int
    low: int
    last: int
    last_qty: int
    last_time: int
    volume: int
    quote_volume: int
    first_id: int
    last_id: int
    count: int
    previous_close: int


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a series by time: both bounds inclusive, None is open.

    With a start the oldest `limit` rows from it, without one the newest up to the end.
    Source: web-socket-api.md, "Data sources" and each request's notes.
    """

    start_ms: int | None
    end_ms: int | None
    limit: int


@dataclass(frozen=True, slots=True)
class Ids:
    """The oldest `limit` rows with id ≥ `from_id`; the newest when `from_id` is None."""

    from_id: int | None
    limit: int


class Market(Protocol):
    """What the exchange's gateway asks of a market; all answers are as known at `now_ms`.

    Symbols handed to the methods are in `symbols`; what has no rows is empty, never an error.
    """

    @property
    def identity(self) -> str:
        """The name of the data: "local-" and 12 hex digits of a hash of all that determines it."""

    @property
    def recorded(self) -> Mapping[str, tuple[str, ...]]:
        """By symbol, what was recorded ("15m", "trades", …); the rest is implied. Empty: synthetic."""

    @property
    def symbols(self) -> Mapping[str, SymbolInfo]:
        """The symbols that are traded, by name, as exchangeInfo shows them."""

    def klines(
        self, symbol: str, interval: Interval, window: Window, now_ms: int, shift_ms: int = 0
    ) -> bytes:
        """Return the JSON array of the API's 12-element rows by open time, the running bar included.

        `shift_ms` moves the bars' edges to those of a time zone that is so much ahead of UTC.
        """

    def trades(self, symbol: str, ids: Ids, now_ms: int) -> Trades:
        """Return trades up to now."""

    def agg_trades(self, symbol: str, rows: Window | Ids, now_ms: int) -> AggTrades:
        """Return aggregate trades up to now."""

    def depth(self, symbol: str, limit: int, now_ms: int) -> Book:
        """Return at most `limit` levels a side."""

    def summary(self, symbol: str, start_ms: int, end_ms: int) -> Summary:
        """Return the trades with a time in [start_ms, end_ms) as one row."""
