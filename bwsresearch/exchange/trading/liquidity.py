"""What stands behind a symbol's orders: the other orders alone, or a market that is only watched.

A market that is watched cannot be traded with: a model says what of it an order may have had. Each
model has a name with a version, which the journal keeps, since it decides what a fill is worth.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeAlias

from bwsresearch.exchange.trading.book import Book, Stops
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.steps import Evidence, EvidenceKind

__all__ = [
    "BarOpened",
    "BarSeen",
    "BookChange",
    "BookSeen",
    "Filled",
    "Liquidity",
    "MarketEvent",
    "Offer",
    "Outcome",
    "Print",
    "Triggered",
]


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


class BookChange(NamedTuple):
    """Levels of the book that changed: (price, new quantity), quantity 0 where a level is gone."""

    symbol: str
    time: int
    update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BarOpened(NamedTuple):
    """A bar's first price, at the bar's open time."""

    symbol: str
    time: int
    price: int


class BarSeen(NamedTuple):
    """A bar of the market, to be observed at its last moment, `close_time`."""

    symbol: str
    open_time: int
    close_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int = 0


MarketEvent: TypeAlias = Print | BookSeen | BookChange | BarOpened | BarSeen


class Offer(NamedTuple):
    """What a taker could have at a price: the least `qty` that is certain, and why."""

    price: int
    qty: int
    kind: EvidenceKind
    ref: int
    time: int


class Filled(NamedTuple):
    """A resting order trades at its own price."""

    order: Order
    qty: int
    evidence: Evidence


class Triggered(NamedTuple):
    """A stop's price was met; it works from now on."""

    order: Order


Outcome: TypeAlias = Filled | Triggered


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

    def best(self, now_ms: int, *, is_buy: bool) -> int | None:
        """Return the price that a taker would meet first, as far as anybody can know it now."""

    def offers(self, now_ms: int, *, is_buy: bool) -> Iterator[Offer]:
        """Return what a taker can have now, best price first; nothing twice."""

    def take(self, offer: Offer, qty: int, *, is_buy: bool) -> Evidence:
        """Use up a part of an offer, and return the evidence of the fill."""

    def waits(self, ticket: Ticket, working_ms: int, now_ms: int) -> bool:
        """Whether an order that works since `working_ms` has to wait for an event to be a taker.

        Such an order is neither on the book nor expired until an event ends its waiting.
        """

    def rest(self, order: Order, now_ms: int) -> None:
        """Note what stands before an order that begins to rest now."""

    def observe(self, event: MarketEvent, book: Book, stops: Stops) -> Iterator[Outcome]:
        """Learn of an event; yield what becomes of resting orders and of stops, in this order.

        Outcomes are carried out one by one: orders of `book` change between two of them, a triggered
        stop trades before the next one is asked for, and it is taken out of `stops`.
        """
