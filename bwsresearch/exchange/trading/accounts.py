"""Balances: what an account has free, and what is locked for its open orders."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import msgspec

from bwsresearch.exchange.trading.orders import Order

__all__ = ["Account", "Commission", "Deal", "PreventedMatch"]


class Rates(NamedTuple):
    """What one side of a trade pays of what it receives: standard, special and tax rate."""

    standard: int
    special: int
    tax: int


@dataclass(frozen=True)
class Commission:
    """Rates in units of 1e-8 of what is received: 100,000 is 0.1 %.

    `discount` is the part that is paid when the standard commission is taken in BNB: 0.75. `in_quote`
    takes it from the quote on both sides, as other backtests do and no exchange of this API.
    """

    maker: int = 100_000
    taker: int = 100_000
    buyer: int = 0
    seller: int = 0
    special_maker: int = 0
    special_taker: int = 0
    special_buyer: int = 0
    special_seller: int = 0
    tax_maker: int = 0
    tax_taker: int = 0
    tax_buyer: int = 0
    tax_seller: int = 0
    discount: int = 75_000_000
    in_bnb: bool = False
    in_quote: bool = False

    def rates(self, *, is_buy: bool, is_maker: bool) -> Rates:
        """Return the rates of one side of a trade: its role's and its direction's together."""
        return self._rates[is_buy, is_maker]

    @cached_property
    def on_top(self) -> int:
        """What a buy may have to pay besides its price: nothing, unless fees are taken from the quote."""
        if not self.in_quote:
            return 0
        return max(sum(self.rates(is_buy=True, is_maker=is_maker)) for is_maker in (True, False))

    @cached_property
    def _rates(self) -> dict[tuple[bool, bool], Rates]:
        maker = self.maker, self.special_maker, self.tax_maker
        taker = self.taker, self.special_taker, self.tax_taker
        buyer = self.buyer, self.special_buyer, self.tax_buyer
        seller = self.seller, self.special_seller, self.tax_seller
        return {
            (is_buy, is_maker): Rates(*map(sum, zip(role, side, strict=True)))
            for is_buy, side in ((True, buyer), (False, seller))
            for is_maker, role in ((True, maker), (False, taker))
        }


class Deal(msgspec.Struct, frozen=True, gc=False):
    """One side of a trade, as its account sees it."""

    symbol: str
    trade_id: int
    order_id: int
    price: int
    qty: int
    quote: int
    commission: int
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool


class PreventedMatch(msgspec.Struct, frozen=True, gc=False):
    """A trade between two orders of one account that did not take place."""

    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_order_id: int
    stp: str
    price: int
    taker_prevented: int
    maker_prevented: int
    time: int


@dataclass(slots=True, eq=False)
class Account:
    """One owner's balances and history; amounts in units."""

    name: str
    commission: Commission = field(default_factory=Commission)
    uid: int = 0
    free: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    locked: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    orders: defaultdict[str, list[Order]] = field(default_factory=lambda: defaultdict(list))
    open_orders: defaultdict[str, dict[int, Order]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)
    deals: defaultdict[str, list[Deal]] = field(default_factory=lambda: defaultdict(list))
    prevented: defaultdict[str, list[PreventedMatch]] = field(
        default_factory=lambda: defaultdict(list)
    )
    update_time: int = 0

    def lock(self, asset: str, amount: int) -> None:
        """Move from free to locked."""
        self.free[asset] -= amount
        self.locked[asset] += amount

    def unlock(self, asset: str, amount: int) -> None:
        """Move back."""
        self.locked[asset] -= amount
        self.free[asset] += amount
