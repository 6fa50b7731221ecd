"""One symbol as it is traded: its rules, its orders and its last price."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.book import Book, Stops
from bwsresearch.exchange.trading.filters import Filters
from bwsresearch.exchange.trading.liquidity import Liquidity
from bwsresearch.exchange.trading.orders import ALGO_TYPES, Order
from bwsresearch.exchange.trading.recent import Recent
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["AccountStanding", "Venue"]


@dataclass(slots=True)
class Venue:
    """The trading of one symbol; `liquidity` None lets orders meet each other alone ("self@1").

    `base` is traded and paid for with `quote`. `waiting` are orders that work, but whose model does not know yet what they meet.
    """

    info: SymbolInfo
    liquidity: Liquidity | None = None
    book: Book = field(default_factory=Book)
    stops: Stops = field(default_factory=Stops)
    waiting: dict[int, Order] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    next_order_id: int = 1
    next_trade_id: int = 1
    next_execution_id: int = 1
    next_prevented_id: int = 1
    filters: Filters = field(init=False)
    symbol: str = field(init=False)
    base: str = field(init=False)
    quote: str = field(init=False)
    _last: int = 0
    _recent: Recent = field(default_factory=Recent)

    def __post_init__(self) -> None:
        self.filters, self.symbol = Filters.of(self.info), self.info.symbol
        self.base, self.quote = self.info.base_asset, self.info.quote_asset

    @property
    def model(self) -> str:
        """The fill model."""
        return self.liquidity.model if self.liquidity else "self@1"

    @property
    def last(self) -> int:
        """The last price, 0 before the first trade."""
        return self.liquidity.last if self.liquidity else self._last

    def traded(self, price: int, qty: int, now_ms: int) -> None:
        """Note a trade between two orders of this exchange."""
        if self.liquidity is None:
            self._last = price
            self._recent.add(now_ms, price * qty, qty)

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price of the last minutes, or else the last price."""
        if self.liquidity is not None:
            return self.liquidity.average(minutes, now_ms)
        return self._recent.average(minutes, now_ms) or self._last

    def open_of(self, account: Account) -> Iterator[Order]:
        """Return the open orders of an account."""
        return iter(account.open_orders[self.symbol].values())

    def shown(self, limit: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the displayed book of own orders: bids and asks, best first."""
        return list(self.book.bids.shown(limit)), list(self.book.asks.shown(limit))


class AccountStanding(msgspec.Struct, frozen=True):
    """What the filters of a symbol ask about an account; see `filters.Standing`."""

    venue: Venue
    account: Account
    now_ms: int

    def average(self, minutes: int) -> int:
        """Return the average price."""
        return self.venue.average(minutes, self.now_ms)

    def open_orders(self) -> int:
        """Return the number of open orders."""
        return len(self.account.open_orders[self.venue.symbol])

    def open_algos(self) -> int:
        """Return the number of those that wait for a price."""
        return sum(
            o.ticket.type in ALGO_TYPES and not o.is_working
            for o in self.venue.open_of(self.account)
        )

    def open_icebergs(self) -> int:
        """Return the number of icebergs."""
        return sum(o.ticket.iceberg_qty > 0 for o in self.venue.open_of(self.account))

    def position(self) -> int:
        """Return what is held of the base, and what open buys may add."""
        base = self.venue.base
        held = self.account.free[base] + self.account.locked[base]
        return held + sum(o.remaining for o in self.venue.open_of(self.account) if o.is_buy)
