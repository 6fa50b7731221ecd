"""trades@1: a market of which only trades are known.

Takers meet a ladder around the last trades; each of its levels holds a part of what was traded in
the last minute. Resting orders get what is traded at worse prices than theirs: their queue is not
known, so that a trade at their own price gives nothing.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from bwsresearch.exchange.fills.resting import UNKNOWN, fills_of
from bwsresearch.exchange.fills.settings import ModelConfig, exact
from bwsresearch.exchange.trading.amounts import floored
from bwsresearch.exchange.trading.book import Book, Stops
from bwsresearch.exchange.trading.liquidity import MarketEvent, Offer, Outcome, Print, Triggered
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.recent import Recent
from bwsresearch.exchange.trading.steps import Evidence

__all__ = ["LEVELS", "WINDOW_MS", "TradesOnly"]

LEVELS: Final = 20
WINDOW_MS: Final = 60_000


class _Took(NamedTuple):
    time: int
    price: int
    qty: int


@dataclass(slots=True)
class _Taken:
    """What own takers have had of one side in the last minute: it stands for trades of that minute."""

    log: deque[_Took] = field(default_factory=deque)
    by_price: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def add(self, took: _Took) -> None:
        self.log.append(took)
        self.by_price[took.price] = self.by_price.get(took.price, 0) + took.qty
        self.total += took.qty

    def forget(self, upto_ms: int) -> None:
        while self.log and self.log[0].time <= upto_ms:
            _, price, qty = self.log.popleft()
            self.by_price[price] -= qty
            self.total -= qty
            if not self.by_price[price]:
                del self.by_price[price]


@dataclass(slots=True)
class TradesOnly:
    """The model over one symbol's trades; see `Liquidity`. Tick and step in units."""

    config: ModelConfig = field(default_factory=lambda: ModelConfig(id="trades@1"))
    tick: int = 1
    step: int = 1
    last: int = 0
    _newest: Print | None = None
    _newest_left: int = 0
    _last_bought: Print | None = None
    _last_sold: Print | None = None
    _prints: Recent = field(default_factory=Recent)
    _spare: Recent = field(default_factory=Recent)
    _bought: _Taken = field(default_factory=_Taken)
    _sold: _Taken = field(default_factory=_Taken)
    _part: Fraction = field(init=False)

    def __post_init__(self) -> None:
        self._part = exact(self.config.ladder_frac)

    @property
    def model(self) -> str:
        return "trades@1"

    def average(self, minutes: int, now_ms: int) -> int:
        return self._prints.average(minutes, now_ms) or self.last

    # ---- takers ------------------------------------------------------------------------------

    def best(self, now_ms: int, *, is_buy: bool) -> int | None:
        del now_ms
        return self._first(is_buy=is_buy)

    def _first(self, *, is_buy: bool) -> int | None:
        """Return the price of the side's last trade, but a tick beyond a newer one of the other."""
        own, other = self._last_bought, self._last_sold
        away = self.tick if is_buy else -self.tick
        if not is_buy:
            own, other = other, own
        if other is None:
            return None if own is None else own.price
        beyond = other.price + away
        if own is None:
            return beyond
        is_apart = own.price >= beyond if is_buy else own.price <= beyond
        return own.price if is_apart or own is self._newest else beyond

    def offers(self, now_ms: int, *, is_buy: bool) -> Iterator[Offer]:
        first, newest = self._first(is_buy=is_buy), self._newest
        if first is None or newest is None:
            return
        # The newest trade is not liquidity for the stop that it triggers: it counts from the next on.
        traded = self._spare.volume(now_ms - WINDOW_MS, now_ms)
        size = floored(int(self._part * traded), self.step)
        taken, away = (self._bought, self.tick) if is_buy else (self._sold, -self.tick)
        taken.forget(now_ms - WINDOW_MS)
        for number in range(LEVELS):
            price = first + number * away
            left = min(size - taken.by_price.get(price, 0), LEVELS * size - taken.total)
            if price > 0 and left > 0:
                yield Offer(price, left, "level", newest.trade_id, newest.time)

    def take(self, offer: Offer, qty: int, *, is_buy: bool) -> Evidence:
        (self._bought if is_buy else self._sold).add(_Took(offer.time, offer.price, qty))
        return Evidence("level", offer.ref, offer.time, offer.price, offer.qty, "ladder")

    def waits(self, ticket: Ticket, working_ms: int, now_ms: int) -> bool:
        del ticket, working_ms, now_ms
        return False

    # ---- resting orders ----------------------------------------------------------------------

    def rest(self, order: Order, now_ms: int) -> None:
        del now_ms
        order.ahead = UNKNOWN

    def observe(self, event: MarketEvent, book: Book, stops: Stops) -> Iterator[Outcome]:
        if not isinstance(event, Print):
            return
        self._count(event)
        touch = "optimistic" if self.config.touch_fill == "optimistic" else "never"
        left = event.qty
        for is_buy in (event.is_buyer_maker, not event.is_buyer_maker):
            side = book.side(is_buy=is_buy)
            left = yield from fills_of(event, side, left, touch=touch, queue=lambda _: UNKNOWN)
        self._newest_left = left
        for order in stops.met(event.price, event.time, event.time - 1):
            yield Triggered(order)

    def _count(self, event: Print) -> None:
        if self._newest is not None:
            self._spare.add(self._newest.time, 0, self._newest_left)
        self.last, self._newest, self._newest_left = event.price, event, event.qty
        self._prints.add(event.time, event.price * event.qty, event.qty)
        if event.is_buyer_maker:
            self._last_sold = event
        else:
            self._last_bought = event
