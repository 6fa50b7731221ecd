"""klines@1: a market of which only bars are known, each once it has closed.

Takers trade at the next bar's open, somewhat worse; resting orders within a bar that goes beyond
their price; stops within it too, and before them. All share a part of the bar's volume.

Each bar is observed twice: as `BarOpened` at its open time, as `BarSeen` at its last moment. An
order works in a bar that opens when it is placed or later.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Protocol

from msgspec.structs import replace

from bwsresearch.exchange.fills.resting import UNKNOWN
from bwsresearch.exchange.fills.settings import ModelConfig, exact
from bwsresearch.exchange.trading.amounts import UNIT, floored
from bwsresearch.exchange.trading.book import Book, Stops, trails
from bwsresearch.exchange.trading.liquidity import (
    BarOpened,
    BarSeen,
    Filled,
    MarketEvent,
    Offer,
    Outcome,
    Triggered,
)
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.recent import Recent
from bwsresearch.exchange.trading.steps import Evidence

__all__ = ["KlinesOnly"]

_BPS: Final = 10_000
_ALL: Final = 1 << 200
"""More than anybody asks for."""


class Averages(Protocol):
    """What knows the average price of the last minutes."""

    def add(self, time: int, worth: int, qty: int) -> None:
        """Count what was traded in a bar."""

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price, 0 where nothing was traded."""


@dataclass(slots=True)
class _Trade:
    """A price at which takers trade now, whose bar it is of, and what of the bar is left for them."""

    price: int
    bar: int
    time: int
    left: int
    rule: str


@dataclass(slots=True)
class KlinesOnly:
    """The model over one symbol's bars; see `Liquidity`. Tick and step in units."""

    config: ModelConfig = field(default_factory=lambda: ModelConfig(id="klines@1"))
    tick: int = 1
    step: int = 1
    last: int = 0
    _volume: int = 0
    _open: _Trade | None = None
    _stop: _Trade | None = None
    bars: Averages = field(default_factory=Recent)
    _part: Fraction | None = field(init=False)
    _slip: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        participation = self.config.participation
        self._part = None if math.isinf(participation) else exact(participation)
        self._slip = (exact(self.config.slippage_bps) / _BPS).as_integer_ratio()

    @property
    def model(self) -> str:
        return "klines@1"

    def average(self, minutes: int, now_ms: int) -> int:
        return self.bars.average(minutes, now_ms) or self.last

    # ---- takers ------------------------------------------------------------------------------

    def best(self, now_ms: int, *, is_buy: bool) -> int | None:
        trade = self._now(now_ms)
        price = self.last if trade is None else trade.price
        return self._worse(price, is_buy=is_buy) if price else None

    def _now(self, now_ms: int) -> _Trade | None:
        """Return what takers trade at in this moment: a stop's price, or the open of a bar."""
        if self._stop is not None:
            return self._stop
        opened = self._open
        return opened if opened is not None and opened.time == now_ms else None

    def _worse(self, price: int, *, is_buy: bool) -> int:
        """Return a price with slippage, rounded to a tick against the taker; a tick at least."""
        tick, (slip, of) = self.tick, self._slip
        if is_buy:
            return -(-price * (of + slip) // (of * tick)) * tick
        return max(price * (of - slip) // (of * tick), 1) * tick

    def offers(self, now_ms: int, *, is_buy: bool) -> Iterator[Offer]:
        trade = self._now(now_ms)
        if trade is not None and trade.left:
            price = self._worse(trade.price, is_buy=is_buy)
            yield Offer(price, trade.left, "bar", trade.bar, trade.time)

    def take(self, offer: Offer, qty: int, *, is_buy: bool) -> Evidence:
        del is_buy
        trade = self._now(offer.time)
        assert trade is not None  # noqa: S101 - it has made the offer
        trade.left -= qty
        return Evidence("bar", trade.bar, trade.time, trade.price, offer.qty, trade.rule)

    def waits(self, ticket: Ticket, working_ms: int, now_ms: int) -> bool:
        del ticket, working_ms
        return self._now(now_ms) is None

    # ---- bars --------------------------------------------------------------------------------

    def rest(self, order: Order, now_ms: int) -> None:
        del now_ms
        order.ahead = UNKNOWN

    def observe(self, event: MarketEvent, book: Book, stops: Stops) -> Iterator[Outcome]:
        if isinstance(event, BarOpened):
            yield from self._opened(event, stops)
        elif isinstance(event, BarSeen):
            yield from self._closed(event, book, stops)

    def _share(self, volume: int) -> int:
        if self._part is None:
            return _ALL
        return floored(int(self._part * volume), self.step)

    def begin(self, price: int, time: int) -> None:
        """Let takers trade at the first price of a bar."""
        # The volume of a bar that has just opened is not known: the one before stands for it.
        self._open = _Trade(price, time, time, self._share(self._volume), "open")
        self.last = price

    def skip(self, last: int, volume: int) -> None:
        """Note the last bar of a stretch in which nobody had an order."""
        self._open, self._volume, self.last = None, volume, last

    def _opened(self, bar: BarOpened, stops: Stops) -> Iterator[Outcome]:
        self.begin(bar.price, bar.time)
        for order in stops.met(bar.price, bar.time, bar.time):
            yield Triggered(order)

    def _closed(self, bar: BarSeen, book: Book, stops: Stops) -> Iterator[Outcome]:
        if bar.volume:
            yield from self._within(bar, book, stops)
            worth = bar.quote_volume * UNIT or bar.close * bar.volume
            self.bars.add(bar.close_time, worth, bar.volume)
        self._open, self._volume, self.last = None, bar.volume, bar.close
        # What was placed during the bar meets its close alone, and trades at the next open.
        for order in stops.met(bar.close, bar.close_time, bar.close_time):
            yield Triggered(order)

    def _within(self, bar: BarSeen, book: Book, stops: Stops) -> Iterator[Outcome]:
        used = 0
        if self._open is not None and self._open.bar == bar.open_time:
            used = self._share(self._volume) - self._open.left
        share = _Trade(0, bar.open_time, bar.close_time, self._share(bar.volume) - used, "stop")
        share.left = max(share.left, 0)
        if self.config.bar_path == "best":
            yield from self._beyond(bar, book, share)
            yield from self._stopped(bar, stops, share)
        else:
            yield from self._stopped(bar, stops, share)
            yield from self._beyond(bar, book, share)

    # ---- stops within a bar ------------------------------------------------------------------

    def _stopped(self, bar: BarSeen, stops: Stops, share: _Trade) -> Iterator[Triggered]:
        """Yield the stops that a bar meets, each while takers trade at its price; losses first."""
        fixed = stops.within(bar.low, bar.high, bar.open_time)
        met = [(order, _first_met(order, bar)) for order in fixed]
        for order in stops.trailing:
            price = self._trailed(order, bar) if order.time <= bar.open_time else 0
            if price:
                stops.remove(order)
                met.append((order, price))
        is_best = self.config.bar_path == "best"
        met.sort(key=lambda one: (("PROFIT" in one[0].ticket.type) != is_best, one[0].order_id))
        for order, price in met:
            share.price, self._stop = price, share
            yield Triggered(order)
        self._stop = None

    def _trailed(self, order: Order, bar: BarSeen) -> int:
        """Return the price that triggers a trailing stop, 0 when none does.

        The bar goes against the order first, from where it opens: before it could trail any further.
        """
        first, second = (bar.high, bar.low) if order.is_buy else (bar.low, bar.high)
        for number, price in enumerate((bar.open, first, second, bar.close)):
            if trails(order, price, bar.close_time):
                return price if number == 0 else self._trail_price(order)
        return 0

    def _trail_price(self, order: Order) -> int:
        delta, extreme = order.ticket.trailing_delta, order.extreme
        if order.is_buy:
            return -(-extreme * (_BPS + delta) // (_BPS * self.tick)) * self.tick
        return extreme * (_BPS - delta) // (_BPS * self.tick) * self.tick

    # ---- resting orders within a bar ---------------------------------------------------------

    def _beyond(self, bar: BarSeen, book: Book, share: _Trade) -> Iterator[Filled]:
        """Yield what a bar gives to orders whose price it went beyond, best price first."""
        for side, reached in ((book.bids, bar.low), (book.asks, bar.high)):
            for price in sorted(side.levels, reverse=side.is_bid):
                is_touch = price == reached and self.config.touch_fill == "optimistic"
                if not is_touch and (price <= reached if side.is_bid else price >= reached):
                    break
                for order in list(side.levels[price].values()):
                    yield from self._filled(bar, reached, order, share)

    def _filled(self, bar: BarSeen, reached: int, order: Order, share: _Trade) -> Iterator[Filled]:
        rule = "touch" if order.price == reached else "through"
        while share.left and order.is_resting and order.working_time <= bar.open_time:
            qty = min(order.visible, share.left)
            evidence = Evidence("bar", bar.open_time, bar.close_time, reached, share.left, rule)
            share.left -= qty
            yield Filled(order, qty, replace(evidence, ahead_before=-1, ahead_after=-1))


def _first_met(order: Order, bar: BarSeen) -> int:
    """Return the first price of a bar that meets a stop: its open behind a gap, else the stop's own."""
    stop = order.ticket.stop_price
    is_gap = bar.open >= stop if order.ticket.is_rising else bar.open <= stop
    return bar.open if is_gap else stop
