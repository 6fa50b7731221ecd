"""What stands behind a symbol's orders: the other orders alone, or a market that is only watched.

A market that is watched cannot be traded with: a model says what of it an order may have had. Each
model has a name with a version, which the journal keeps, since it decides what a fill is worth.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeAlias

from bwsresearch.exchange.trading.book import Book
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.exchange.trading.steps import Evidence

__all__ = ["BarSeen", "BookSeen", "Liquidity", "MarketEvent", "Offer", "Print"]


class Print(NamedTuple):
    """A trade of the market."""

    symbol: str
    time: int
    trade_id: int
    price: int
    qty: int
    is_buyer_maker: bool


class BookSeen(NamedTuple):
    """The market's book as it was shown at a time: (price, quantity), best first."""

    symbol: str
    time: int
    update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BarSeen(NamedTuple):
    """A bar of the market that has closed."""

    symbol: str
    open_time: int
    close_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


MarketEvent: TypeAlias = Print | BookSeen | BarSeen


class Offer(NamedTuple):
    """What a taker could have at a price: the least `qty` that is certain, and why."""

    price: int
    qty: int
    kind: str
    ref: int
    time: int


class Liquidity(Protocol):
    """A model of what a watched market gives to orders that it does not know."""

    @property
    def model(self) -> str:
        """The model's name and version, such as "depth+trades@1"."""

    @property
    def last(self) -> int:
        """The last price that was seen, 0 before the first."""

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price of the last minutes, or else the last price."""

    def offers(self, now_ms: int, *, is_buy: bool) -> Iterator[Offer]:
        """Return what a taker can have now, best price first; nothing twice."""

    def take(self, offer: Offer, qty: int, *, is_buy: bool) -> Evidence:
        """Use up a part of an offer, and return the evidence of the fill."""

    def rest(self, order: Order, now_ms: int) -> None:
        """Note what stands before an order that begins to rest now."""

    def observe(self, event: MarketEvent, book: Book) -> Iterator[tuple[Order, int, Evidence]]:
        """Learn of an event; yield resting orders, how much of each it fills, and why.

        The orders of `book` change between two results, as the fills are carried out.
        """
