"""Market orders on bars, exactly: amounts are whole numbers of 1e-8, rounded as the exchange does.

A trade's notional is rounded down, a fee half up. Source: faqs/commission_faq.md; filters.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from bwsresearch.backtesting.rules import Rules

__all__ = ["UNIT", "Fill", "Ledger", "Order", "units"]

UNIT: Final = 100_000_000
_EXPOSURE: Final = 100_000_000
"""Exposures are whole numbers of this part of one."""


def units(amount: Decimal) -> int:
    """Return an amount in whole 1e-8, rounded down."""
    return int(amount * UNIT)


class Order(NamedTuple):
    """One market order: `bar` is the bar at whose close it was sent, amounts are in units.

    A buy states what it spends (`quote_qty`), a sale what it sells (`qty`); the other is 0.
    `status` is FILLED, REJECTED (below a minimum), CANCELED (replaced before anything was traded) or
    NEW (sent at the last bar).
    """

    bar: int
    side: str
    qty: int
    quote_qty: int
    target: float
    status: str
    reason: str


class Fill(NamedTuple):
    """One trade, in units: `fee` is in base for a buy under "received", else in quote.

    `base` and `quote` are the balances after it.
    """

    order: int
    bar: int
    side: str
    price: int
    qty: int
    quote_qty: int
    fee: int
    fee_in_base: bool
    base: int
    quote: int


@dataclass
class Ledger:
    """An account that follows target exposures; `base` and `quote` are balances in units."""

    rules: Rules
    base: int
    quote: int
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)

    def __post_init__(self) -> None:
        rules = self.rules
        self._step, self._tick = max(units(rules.step), 1), max(units(rules.tick), 1)
        self._min_qty, self._min_notional = units(rules.min_qty), units(rules.min_notional)
        # Rates as exact fractions, so that no fee is computed in floating point.
        self._fee, self._fee_of = rules.fee.as_integer_ratio()
        slip = rules.slippage_bps / 10_000
        self._slip, self._slip_of = slip.as_integer_ratio()
        self._in_received = rules.fee_asset == "received"

    def follow(
        self,
        targets: Sequence[float],
        bars: Sequence[int],
        closes: Sequence[int],
        fill_bars: Sequence[int],
        opens: Sequence[int],
    ) -> None:
        """Send one order per change of target: `bars` are where, `fill_bars` where it can fill.

        `closes` are prices at the close of `bars`, `opens` those of `fill_bars`, in units; a fill bar
        of -1 does not exist.
        """
        nexts = [*bars[1:], -1]
        for target, bar, close, at, price, following in zip(
            targets, bars, closes, fill_bars, opens, nexts, strict=True
        ):
            side, qty, spend = self._wish(target, close)
            if not side:
                continue
            if at < 0:
                self._order(bar, side, qty, spend, target, "NEW", "")
            elif 0 <= following < at:
                self._order(bar, side, qty, spend, target, "CANCELED", "replaced before a trade")
            elif side == "BUY":
                self._buy(bar, at, spend, price, target)
            else:
                self._sell(bar, at, qty, price, target)

    def _wish(self, target: float, close: int) -> tuple[str, int, int]:
        """Return side, quantity to sell and quote to spend for target × equity − position."""
        held = self.base * close // UNIT
        wanted = (self.quote + held) * round(target * _EXPOSURE) // _EXPOSURE
        if target >= 1.0:
            return ("BUY", 0, self.quote) if self.quote else ("", 0, 0)
        if wanted > held:
            return "BUY", 0, min(wanted - held, self.quote)
        surplus = self.base if target <= 0.0 else (held - wanted) * UNIT // close
        qty = min(surplus, self.base) // self._step * self._step
        return ("SELL", qty, 0) if qty else ("", 0, 0)

    def _buy(self, bar: int, at: int, spend: int, open_price: int, target: float) -> None:
        price = self._slipped(open_price, 1)
        budget = spend
        if not self._in_received:
            budget = spend * self._fee_of // (self._fee_of + self._fee)
        qty = budget * UNIT // price // self._step * self._step
        paid = price * qty // UNIT
        reason = self._minimum(qty, paid)
        if reason:
            self._order(bar, "BUY", 0, spend, target, "REJECTED", reason)
            return
        number = self._order(bar, "BUY", 0, spend, target, "FILLED", "")
        fee = self._fee_on(qty if self._in_received else paid)
        self.base += qty - fee * self._in_received
        self.quote -= paid + fee * (not self._in_received)
        self.fills.append(
            Fill(number, at, "BUY", price, qty, paid, fee, self._in_received, self.base, self.quote)
        )

    def _sell(self, bar: int, at: int, qty: int, open_price: int, target: float) -> None:
        price = self._slipped(open_price, -1)
        got = price * qty // UNIT
        reason = self._minimum(qty, got)
        if reason:
            self._order(bar, "SELL", qty, 0, target, "REJECTED", reason)
            return
        number = self._order(bar, "SELL", qty, 0, target, "FILLED", "")
        fee = self._fee_on(got)
        self.base -= qty
        self.quote += got - fee
        self.fills.append(
            Fill(number, at, "SELL", price, qty, got, fee, False, self.base, self.quote)
        )

    def _order(
        self, bar: int, side: str, qty: int, spend: int, target: float, status: str, reason: str
    ) -> int:
        self.orders.append(Order(bar, side, qty, spend, target, status, reason))
        return len(self.orders) - 1

    def _slipped(self, price: int, sign: int) -> int:
        """Return the price moved against the order, rounded to the tick against the order too."""
        if not self._slip:
            return price
        moved = price * (self._slip_of + sign * self._slip)
        whole = self._slip_of * self._tick
        ticks = -(-moved // whole) if sign > 0 else moved // whole
        return max(ticks, 1) * self._tick

    def _minimum(self, qty: int, notional: int) -> str:
        """Return which minimum is missed, "" when none."""
        if qty < max(self._min_qty, 1):
            return "LOT_SIZE"
        return "NOTIONAL" if notional < self._min_notional else ""

    def _fee_on(self, amount: int) -> int:
        return (2 * amount * self._fee + self._fee_of) // (2 * self._fee_of)


def round_trips(fills: Sequence[Fill], step: int) -> Iterator[tuple[Fill, ...]]:
    """Return the fills from flat to flat; the last stretch may still be open.

    Flat is less base than one step: what the fee in base leaves over cannot be sold.
    """
    trip: list[Fill] = []
    for fill in fills:
        trip.append(fill)
        if fill.side == "SELL" and fill.base < max(step, 1):
            yield tuple(trip)
            trip = []
    if trip:
        yield tuple(trip)
