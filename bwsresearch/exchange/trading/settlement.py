"""Trades into balances: reservations used up, commissions taken, and nothing made or lost.

Every amount that an account gains or loses has a counterpart: another account's, the market's, or
the exchange's fees, so that the sum per asset never changes. Source: faqs/commission_faq.md; locks as
order.place and account.status show them.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from bwsresearch.exchange.trading.accounts import Account, Commission
from bwsresearch.exchange.trading.amounts import UNIT, fee_of
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.exchange.trading.steps import Step
from bwsresearch.exchange.trading.venues import Venue

__all__ = ["Settlement"]

_BNB = "BNB"


@dataclass(slots=True)
class Settlement:
    """The balances of all accounts, and what has left them to the market and as fees."""

    accounts: dict[str, Account]
    venues: Mapping[str, Venue]
    market: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    fees: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def totals(self) -> dict[str, int]:
        """Return the sum of every asset over accounts, market and fees; only deposits change it."""
        sums: defaultdict[str, int] = defaultdict(int)
        for account in self.accounts.values():
            for book in (account.free, account.locked):
                for asset, amount in book.items():
                    sums[asset] += amount
        for outside in (self.market, self.fees):
            for asset, amount in outside.items():
                sums[asset] += amount
        return {asset: amount for asset, amount in sums.items() if amount}

    def reserve(self, account: Account, order: Order, asset: str, amount: int, step: Step) -> None:
        """Lock an amount for an order."""
        account.lock(asset, amount)
        order.reserved += amount
        step.touch(account, asset)

    def release(self, account: Account, order: Order, venue: Venue, step: Step, keep: int) -> None:
        """Unlock what an order has reserved beyond `keep`."""
        surplus = order.reserved - keep
        if surplus:
            asset = venue.quote if order.is_buy else venue.base
            account.unlock(asset, surplus)
            order.reserved = keep
            step.touch(account, asset)

    def trade(
        self, order: Order, venue: Venue, price: int, qty: int, step: Step, *, is_maker: bool
    ) -> tuple[int, int, str]:
        """Settle one side of a trade; return notional, commission and the commission's asset.

        The order's executed quantity already counts this trade.
        """
        account = self.accounts[order.owner]
        paid = price * qty // UNIT
        base, quote, free = venue.base, venue.quote, account.free
        if order.is_buy:
            spent, cost, received, amount = quote, paid, base, qty
        else:
            spent, cost, received, amount = base, qty, quote, paid
        if order.reserved:
            # The reservation pays, and gives back what of it is not needed any more.
            need = order.need()
            used, order.reserved = order.reserved - need, need
            account.locked[spent] -= used
            free[spent] += used - cost
        else:
            free[spent] -= cost
        source, part = (quote, paid) if account.commission.in_quote else (received, amount)
        commission, asset = self._commission(account, order, source, part, is_maker=is_maker)
        free[received] += amount
        free[asset] -= commission
        self.fees[asset] += commission
        step.touch(account, base, quote, asset)
        return paid, commission, asset

    def from_market(self, order: Order, venue: Venue, qty: int, paid: int) -> None:
        """Book the other side of a trade that has no order of ours on it."""
        sign = 1 if order.is_buy else -1
        self.market[venue.quote] += sign * paid
        self.market[venue.base] -= sign * qty

    def _commission(
        self, account: Account, order: Order, received: str, amount: int, *, is_maker: bool
    ) -> tuple[int, str]:
        rates = account.commission
        standard, special, tax = parts = rates.rates(is_buy=order.is_buy, is_maker=is_maker)
        whole = fee_of(amount, standard)
        if special or tax:
            whole += fee_of(amount, special) + fee_of(amount, tax)
        if rates.in_bnb and whole:
            in_bnb = self._in_bnb(rates, received, amount, parts)
            # What is received may be BNB itself, and then pays too.
            has = account.free[_BNB] + (amount if received == _BNB else 0)
            if in_bnb is not None and has >= in_bnb:
                return in_bnb, _BNB
        return whole, received

    def _in_bnb(
        self, rates: Commission, received: str, amount: int, parts: tuple[int, int, int]
    ) -> int | None:
        """Return the commission in BNB, the standard part at a discount; None without a price."""
        rate = self.rate(received, _BNB)
        if rate is None:
            return None
        standard, special, tax = parts
        discounted = Fraction(standard * rates.discount, UNIT) + special + tax
        return int(Fraction(amount) * discounted / UNIT * rate + Fraction(1, 2))

    def rate(self, asset: str, into: str) -> Fraction | None:
        """Return how much of `into` one of `asset` is worth by last prices; None when unknown."""
        if asset == into:
            return Fraction(1)
        direct = self._direct(asset, into)
        if direct is not None:
            return direct
        for venue in self.venues.values():
            if asset in (venue.base, venue.quote) and venue.last:
                other = venue.quote if asset == venue.base else venue.base
                first, second = self._direct(asset, other), self._direct(other, into)
                if first is not None and second is not None:
                    return first * second
        return None

    def _direct(self, asset: str, into: str) -> Fraction | None:
        straight, turned = self.venues.get(asset + into), self.venues.get(into + asset)
        if straight is not None and straight.last:
            return Fraction(straight.last, UNIT)
        if turned is not None and turned.last:
            return Fraction(UNIT, turned.last)
        return None
