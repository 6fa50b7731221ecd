"""Resting orders of one symbol by price and time, and stops that wait for a price.

The best price is found through a heap whose stale entries are dropped when they come up, so that
adding, cancelling and matching cost no more than the logarithm of the number of price levels.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bwsresearch.exchange.trading.orders import Order

__all__ = ["Book", "Side", "Stops", "trails"]

FOREVER: Final = 2**62


@dataclass(slots=True)
class Side:
    """The bids or the asks: levels of orders, oldest first."""

    is_bid: bool
    levels: dict[int, OrderedDict[int, Order]] = field(default_factory=dict)
    _heap: list[int] = field(default_factory=list)

    def add(self, order: Order) -> None:
        """Put an order behind all others of its price."""
        price = order.price
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = OrderedDict()
            heapq.heappush(self._heap, -price if self.is_bid else price)
        level[order.order_id] = order

    def to_place(self, order: Order) -> None:
        """Put an order that has waited for its market before those who came meanwhile."""
        level = self.levels[order.price]
        for other in list(level.values()):
            if _came(other) > _came(order):
                level.move_to_end(other.order_id)

    def remove(self, order: Order) -> None:
        """Take an order off."""
        price = order.price
        level = self.levels[price]
        del level[order.order_id]
        if not level:
            del self.levels[price]

    def to_back(self, order: Order) -> None:
        """Put an order behind the others of its price, as a refreshed iceberg is."""
        self.levels[order.price].move_to_end(order.order_id)

    @property
    def best(self) -> int | None:
        """The best price, None when nobody rests."""
        heap, levels = self._heap, self.levels
        while heap:
            price = -heap[0] if self.is_bid else heap[0]
            if price in levels:
                return price
            heapq.heappop(heap)
        return None

    def first(self, price: int) -> Order:
        """Return the order that has waited longest at a price."""
        return next(iter(self.levels[price].values()))

    def ordered(self) -> Iterator[tuple[int, OrderedDict[int, Order]]]:
        """Return the levels, best first."""
        for price in sorted(self.levels, reverse=self.is_bid):
            yield price, self.levels[price]

    def shown(self, limit: int) -> Iterator[tuple[int, int]]:
        """Return (price, displayed quantity) of the best levels; an iceberg shows its slice."""
        for number, (price, level) in enumerate(self.ordered()):
            if number == limit:
                return
            yield price, sum(order.visible for order in level.values())

    def __len__(self) -> int:
        return sum(len(level) for level in self.levels.values())


def _came(order: Order) -> tuple[int, bool, int]:
    """When an order came; of one moment, those that a price had to trigger came last."""
    return order.working_time, order.ticket.is_algo, order.order_id


@dataclass(slots=True)
class Book:
    """Both sides."""

    bids: Side = field(default_factory=lambda: Side(is_bid=True))
    asks: Side = field(default_factory=lambda: Side(is_bid=False))
    changes: int = 0

    def side(self, *, is_buy: bool) -> Side:
        """Return the side that an order rests on."""
        return self.bids if is_buy else self.asks

    def add(self, order: Order) -> None:
        """Let an order rest."""
        order.is_resting = True
        self.side(is_buy=order.is_buy).add(order)
        self.changes += 1

    def remove(self, order: Order) -> None:
        """Take a resting order off."""
        order.is_resting = False
        self.side(is_buy=order.is_buy).remove(order)
        self.changes += 1


@dataclass(slots=True)
class Stops:
    """Orders that wait for the last price to come to them."""

    _rising: list[tuple[int, int, Order]] = field(default_factory=list)
    _falling: list[tuple[int, int, Order]] = field(default_factory=list)
    _trailing: dict[int, Order] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        """Let an order wait."""
        ticket = order.ticket
        if ticket.trailing_delta:
            self._trailing[order.order_id] = order
        elif ticket.is_rising:
            heapq.heappush(self._rising, (ticket.stop_price, order.order_id, order))
        else:
            heapq.heappush(self._falling, (-ticket.stop_price, order.order_id, order))

    def remove(self, order: Order) -> None:
        """Forget an order that is no longer open; those of fixed price go when they come up."""
        self._trailing.pop(order.order_id, None)

    def __bool__(self) -> bool:
        return bool(self._rising or self._falling or self._trailing)

    def met(self, last: int, now_ms: int, placed_by: int = FOREVER) -> list[Order]:
        """Return the orders that `last` triggers, by their ids, and take them out.

        Orders that were placed after `placed_by` do not know of this price.
        """
        found = self.within(last, last, placed_by)
        if self._trailing:
            trailed = [
                o
                for o in self._trailing.values()
                if o.time <= placed_by and trails(o, last, now_ms)
            ]
            for order in trailed:
                del self._trailing[order.order_id]
            found += trailed
        return sorted(found, key=lambda order: order.order_id)

    def within(self, low: int, high: int, placed_by: int = FOREVER) -> list[Order]:
        """Take out the orders of fixed price that a range of prices triggers, by their ids."""
        found: list[Order] = []
        for heap, price in ((self._rising, high), (self._falling, -low)):
            later: list[tuple[int, int, Order]] = []
            while heap and (heap[0][0] <= price or not heap[0][2].is_open):
                entry = heapq.heappop(heap)
                if entry[2].is_open and entry[2].time <= placed_by:
                    found.append(entry[2])
                elif entry[2].is_open:
                    later.append(entry)
            for entry in later:
                heapq.heappush(heap, entry)
        return sorted(found, key=lambda order: order.order_id)

    @property
    def trailing(self) -> list[Order]:
        """The orders that follow the price, by their ids."""
        return list(self._trailing.values())


def trails(order: Order, last: int, now_ms: int) -> bool:
    """Follow the last price, and return whether it has turned by the trailing delta.

    With a stop price, following begins with the first price that meets it.
    Source: faqs/trailing-stop-faq.md.
    """
    ticket = order.ticket
    if order.trailing_time < 0:
        is_met = last >= ticket.stop_price if ticket.is_rising else last <= ticket.stop_price
        if not is_met:
            return False
        order.trailing_time, order.extreme = now_ms, last
        return False
    if ticket.is_buy:
        order.extreme = min(order.extreme, last)
        return last * 10_000 >= order.extreme * (10_000 + ticket.trailing_delta)
    order.extreme = max(order.extreme, last)
    return last * 10_000 <= order.extreme * (10_000 - ticket.trailing_delta)
