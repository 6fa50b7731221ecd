"""Market orders on bars, exactly: amounts are whole numbers of 1e-8, rounded as the exchange does.

A trade's notional is rounded down, a fee half up. Source: faqs/commission_faq.md; filters.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from bwsresearch.backtesting.rules import UNIT, Rules

__all__ = ["UNIT", "Fill", "Ledger", "Order", "units"]

_REPLACED: Final = "replaced before a trade"


def units(amount: Decimal) -> int:
    """Return an amount in whole 1e-8, rounded down."""
    above, below = amount.as_integer_ratio()
    return above * UNIT // below


class Order(NamedTuple):
    """One market order: `bar` is the bar at whose close it was sent, amounts are in units.

    A buy states what it spends (`quote_qty`), a sale what it sells (`qty`); the other is 0.
    `status` is FILLED, REJECTED (below a minimum, `reason` names the filter), CANCELED (the target
    changed again before anything was traded) or NEW (nothing was traded any more).
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
        # An order that moves nothing of one asset would be a gift: one unit at least.
        self._min_qty = max(units(rules.min_qty), 1)
        self._min_notional = max(units(rules.min_notional), 1)
        # Rates as exact fractions, so that no fee is computed in floating point.
        fee, fee_of = rules.fee.as_integer_ratio()
        self._fee_twice, self._fee_of, self._fee_of_twice = 2 * fee, fee_of, 2 * fee_of
        self._with_fee = fee_of + fee
        self._slip, self._slip_of = (rules.slippage_bps / 10_000).as_integer_ratio()
        self._in_received = rules.fee_asset == "received"

    def follow(
        self,
        targets: Sequence[int],
        bars: Sequence[int],
        closes: Sequence[int],
        fill_bars: Sequence[int],
        opens: Sequence[int],
    ) -> None:
        """Send one order per change of target: `bars` are where, `fill_bars` where it can fill.

        `targets` are exposures, `closes` prices at the close of `bars` and `opens` those at the open
        of `fill_bars`, all in units; a fill bar of -1 does not exist.
        """
        nexts = [*bars[1:], -1][: len(bars)]
        for target, bar, close, at, price, following in zip(
            targets, bars, closes, fill_bars, opens, nexts, strict=True
        ):
            spend, qty = self._wish(target, close)
            if not spend and not qty:
                continue
            exposure = target / UNIT
            if following >= 0 and not 0 <= at <= following:
                self._unfilled(bar, qty, spend, exposure, "CANCELED", _REPLACED)
            elif at < 0:
                self._unfilled(bar, qty, spend, exposure, "NEW", "")
            elif spend:
                self._buy(bar, at, spend, price, exposure)
            else:
                self._sell(bar, at, qty, price, exposure)

    def _wish(self, target: int, close: int) -> tuple[int, int]:
        """Return the quote to spend and the quantity to sell for target × equity − position."""
        base, quote = self.base, self.quote
        if target >= UNIT:
            return quote, 0
        if target <= 0:
            return 0, base - base % self._step
        held = base * close // UNIT
        wanted = (quote + held) * target // UNIT
        if wanted > held:
            return wanted - held, 0  # never more than the quote: the target is below one
        surplus = min((held - wanted) * UNIT // close, base)
        return 0, surplus - surplus % self._step

    def _buy(self, bar: int, at: int, spend: int, price: int, target: float) -> None:
        if self._slip:
            price = self._slipped(price, 1)
        in_base = self._in_received
        budget = spend if in_base else spend * self._fee_of // self._with_fee
        qty = budget * UNIT // price
        qty -= qty % self._step
        paid = price * qty // UNIT
        # filters.md, NOTIONAL: an order by quoteOrderQty counts with the quote that it names.
        if budget < self._min_notional or qty < self._min_qty or not paid:
            lot = budget >= self._min_notional and qty < self._min_qty
            self._unfilled(bar, 0, spend, target, "REJECTED", "LOT_SIZE" if lot else "NOTIONAL")
            return
        fee = self._fee_on(qty if in_base else paid)
        self.base += qty - fee if in_base else qty
        self.quote -= paid if in_base else paid + fee
        self.fills.append(
            Fill(len(self.orders), at, "BUY", price, qty, paid, fee, in_base, self.base, self.quote)
        )
        self.orders.append(Order(bar, "BUY", 0, spend, target, "FILLED", ""))

    def _sell(self, bar: int, at: int, qty: int, price: int, target: float) -> None:
        if self._slip:
            price = self._slipped(price, -1)
        got = price * qty // UNIT
        if qty < self._min_qty or got < self._min_notional:
            reason = "LOT_SIZE" if qty < self._min_qty else "NOTIONAL"
            self._unfilled(bar, qty, 0, target, "REJECTED", reason)
            return
        fee = self._fee_on(got)
        self.base -= qty
        self.quote += got - fee
        self.fills.append(
            Fill(len(self.orders), at, "SELL", price, qty, got, fee, False, self.base, self.quote)
        )
        self.orders.append(Order(bar, "SELL", qty, 0, target, "FILLED", ""))

    def _unfilled(
        self, bar: int, qty: int, spend: int, target: float, status: str, reason: str
    ) -> None:
        side = "BUY" if spend else "SELL"
        self.orders.append(Order(bar, side, qty, spend, target, status, reason))

    def _slipped(self, price: int, sign: int) -> int:
        """Return the price moved against the order, rounded to the tick against the order too."""
        moved = price * (self._slip_of + sign * self._slip)
        whole = self._slip_of * self._tick
        ticks = -(-moved // whole) if sign > 0 else moved // whole
        return max(ticks, 1) * self._tick

    def _fee_on(self, amount: int) -> int:
        """Return the fee on an amount, rounded half up."""
        return (amount * self._fee_twice + self._fee_of) // self._fee_of_twice
