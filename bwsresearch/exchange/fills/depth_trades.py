"""depth+trades@1: takers walk the shown book, resting orders wait for trades behind the queue.

What a book shows is had once: own orders use it up until it grows again or goes. What resting orders
get is proven by a trade, or by a book that crosses them. An order meets only what happens after it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from bwsresearch.exchange.fills.resting import UNKNOWN, fills_of, told
from bwsresearch.exchange.fills.settings import ModelConfig
from bwsresearch.exchange.fills.shown import ShownSide
from bwsresearch.exchange.trading.book import Book, Side, Stops
from bwsresearch.exchange.trading.liquidity import (
    BarOpened,
    BarSeen,
    BookChange,
    BookSeen,
    Filled,
    MarketEvent,
    Offer,
    Outcome,
    Print,
    Triggered,
)
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.recent import Recent
from bwsresearch.exchange.trading.steps import Evidence

__all__ = ["DepthTrades"]


@dataclass(slots=True)
class DepthTrades:
    """The model over one symbol's books and trades; see `Liquidity`."""

    config: ModelConfig = field(default_factory=ModelConfig)
    last: int = 0
    bids: ShownSide = field(default_factory=lambda: ShownSide(is_bid=True))
    asks: ShownSide = field(default_factory=lambda: ShownSide(is_bid=False))
    _update_id: int = -1
    _book_time: int | None = None
    _prints: Recent = field(default_factory=Recent)
    _stale: dict[int, Order] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return "depth+trades@1"

    def average(self, minutes: int, now_ms: int) -> int:
        return self._prints.average(minutes, now_ms) or self.last

    # ---- takers ------------------------------------------------------------------------------

    def best(self, now_ms: int, *, is_buy: bool) -> int | None:
        offer = next(self.offers(now_ms, is_buy=is_buy), None)
        return None if offer is None else offer.price

    def offers(self, now_ms: int, *, is_buy: bool) -> Iterator[Offer]:
        time = self._book_time
        if time is None or self._is_old(now_ms):
            return
        for price, qty in self._shown(is_bid=not is_buy).walk():
            yield Offer(price, qty, "level", self._update_id, time)

    def take(self, offer: Offer, qty: int, *, is_buy: bool) -> Evidence:
        self._shown(is_bid=not is_buy).use(offer.price, qty)
        return Evidence("level", offer.ref, offer.time, offer.price, offer.qty, "walk")

    def waits(self, ticket: Ticket, working_ms: int, now_ms: int) -> bool:
        # The book before a trade is no liquidity for the stop that the trade has triggered.
        del now_ms
        return ticket.is_algo and (self._book_time is None or self._book_time < working_ms)

    def _is_old(self, now_ms: int) -> bool:
        return self._book_time is None or now_ms - self._book_time > self.config.max_book_age_ms

    def _shown(self, *, is_bid: bool) -> ShownSide:
        return self.bids if is_bid else self.asks

    # ---- resting orders ----------------------------------------------------------------------

    def rest(self, order: Order, now_ms: int) -> None:
        if self._is_old(now_ms):
            order.ahead, self._stale[order.order_id] = UNKNOWN, order
        else:
            order.ahead = self._queue(order)

    def _queue(self, order: Order) -> int:
        """Return all that is shown at an order's price."""
        size = self._shown(is_bid=order.is_buy).shown(order.price)
        return UNKNOWN if size is None else size

    def observe(self, event: MarketEvent, book: Book, stops: Stops) -> Iterator[Outcome]:
        match event:
            case Print():
                yield from self._traded(event, book, stops)
            case BookSeen() | BookChange():
                yield from self._changed(event, book)
            case BarOpened() | BarSeen():
                pass  # its trades and books say more
            case _:
                assert_never(event)

    def _traded(self, event: Print, book: Book, stops: Stops) -> Iterator[Outcome]:
        self.last = event.price
        self._prints.add(event.time, event.price * event.qty, event.qty)
        met = book.side(is_buy=event.is_buyer_maker)
        other = book.side(is_buy=not event.is_buyer_maker)
        shown = self._shown(is_bid=event.is_buyer_maker)
        touch, queue = self.config.touch_fill, self._queue
        is_known = self._book_time is not None and event.time <= self._book_time
        if is_known and touch == "queue":
            touch = "never"  # what that book shows before an order, this trade has left there
        left = yield from fills_of(event, met, event.qty, touch=touch, queue=queue)
        # An order of the taker's own side would have met the same level as the taker, of which own
        # orders may have had a part before.
        left = min(left, max(event.qty - shown.used(event.price), 0))
        yield from fills_of(event, other, left, touch=touch, queue=queue)
        if not is_known:
            shown.printed(event.time, event.price, event.qty)
        for order in stops.met(event.price, event.time, event.time - 1):
            yield Triggered(order)

    def _changed(self, event: BookSeen | BookChange, book: Book) -> Iterator[Filled]:
        is_whole = isinstance(event, BookSeen)
        if event.update_id < self._update_id or (self._book_time is None and not is_whole):
            return  # an older book, or changes of one that was never seen
        self._update_id = event.update_id
        self._book_time = max(event.time, self._book_time or 0)
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            if is_whole:
                side.replace(levels)
                side.settle(event.time)
            else:
                side.change(levels)
                side.settle(event.time, levels)
        for own, levels in ((book.bids, event.bids), (book.asks, event.asks)):
            self._credit(event.time, own, own.levels if is_whole else (p for p, _ in levels))
        if self._stale:
            self._resolve(event.time)
        if self.config.book_cross:
            yield from self._crossed(event.time, book.bids, self.asks)
            yield from self._crossed(event.time, book.asks, self.bids)

    def _credit(self, time: int, own: Side, prices: Iterable[int]) -> None:
        """Let orders at these prices stand behind no more than is shown there."""
        for price in prices:
            if price in own.levels:
                for order in own.levels[price].values():
                    self._place(time, order)

    def _place(self, time: int, order: Order) -> None:
        size = self._shown(is_bid=order.is_buy).shown(order.price)
        if size is not None and order.working_time < time:
            order.ahead = min(order.ahead, size)

    def _resolve(self, time: int) -> None:
        """Give a place to the orders that began to rest while no book was known."""
        for order in list(self._stale.values()):
            if order.working_time < time:
                self._place(time, order)
                del self._stale[order.order_id]

    def _crossed(self, time: int, own: Side, shown: ShownSide) -> Iterator[Filled]:
        """Yield what a book gives that stands beyond resting orders, without any trade."""
        beyond = self._beyond(own, shown)
        if not beyond:
            return
        for price in sorted(own.levels, reverse=own.is_bid):
            for order in list(own.levels[price].values()):
                if order.working_time < time:
                    yield from self._filled_by_book(order, beyond, shown)
            if not beyond:
                return

    def _beyond(self, own: Side, shown: ShownSide) -> list[tuple[int, int]]:
        """Return the levels that the best own order crosses, with what is left of them, worst first."""
        best, found = own.best, []
        if best is not None:
            for price, left in shown.walk():
                if not _crosses(own.is_bid, best, price):
                    break
                found.append((price, left))
        return found[::-1]

    def _filled_by_book(
        self, order: Order, beyond: list[tuple[int, int]], shown: ShownSide
    ) -> Iterator[Filled]:
        ref, time = self._update_id, self._book_time or 0
        while beyond and order.is_resting and _crosses(order.is_buy, order.price, beyond[-1][0]):
            price, available = beyond.pop()
            qty, before = min(order.visible, available), told(order.ahead)
            order.ahead = 0
            shown.use(price, qty)
            if qty < available:
                beyond.append((price, available - qty))
            evidence = Evidence("level", ref, time, price, available, "book_cross", before)
            yield Filled(order, qty, evidence)


def _crosses(is_bid: bool, price: int, other: int) -> bool:
    """Whether a price is strictly better than one of the other side."""
    return price > other if is_bid else price < other
