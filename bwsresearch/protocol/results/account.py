"""What an account is told of itself: balances, rates, trades, limits; and the session.

Source: web-socket-api.md "Account requests", "Authentication requests".
"""

from decimal import Decimal

import msgspec

from bwsresearch.protocol.results.record import Result

__all__ = [
    "Account",
    "Amendment",
    "Balance",
    "Commission",
    "CommissionRates",
    "Discount",
    "MyFilters",
    "MyTrade",
    "PreventedMatch",
    "SessionInfo",
]


class CommissionRates(Result, frozen=True):
    """Rates of what is received: 0.001 is 0.1 %. Rates of one order have its side counted in."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal | None = None
    seller: Decimal | None = None


class Discount(Result, frozen=True):
    """What paying standard commission in `discount_asset` saves: it is multiplied by `discount`."""

    enabled_for_account: bool
    enabled_for_symbol: bool
    discount_asset: str | None
    discount: Decimal


class Balance(Result, frozen=True):
    """What an account has of one asset: free to use, and locked for its open orders."""

    asset: str
    free: Decimal
    locked: Decimal


class Account(Result, frozen=True, kw_only=True):
    """An account and its balances; the four commissions are in units of 0.0001."""

    maker_commission: int
    taker_commission: int
    buyer_commission: int
    seller_commission: int
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool
    commission_rates: CommissionRates
    brokered: bool = False
    require_self_trade_prevention: bool = False
    prevent_sor: bool = False
    update_time: int
    account_type: str = "SPOT"
    balances: list[Balance]
    permissions: list[str] = msgspec.field(default_factory=list)
    uid: int | None = None
    trade_group_id: int | None = None

    def balance(self, asset: str) -> Balance:
        """Return the balance of an asset, zero when the account has none of it."""
        return next(
            (one for one in self.balances if one.asset == asset),
            Balance(asset, Decimal(0), Decimal(0)),
        )


class Commission(Result, frozen=True):
    """What an account pays on one symbol; of a trade the maker's or taker's and the side's rates."""

    symbol: str
    standard_commission: CommissionRates
    special_commission: CommissionRates
    tax_commission: CommissionRates
    discount: Discount


class MyTrade(Result, frozen=True, kw_only=True):
    """One trade of the account."""

    symbol: str
    id: int
    order_id: int
    order_list_id: int = -1
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool = True


class Amendment(Result, frozen=True):
    """One reduction of an order's quantity."""

    symbol: str
    order_id: int
    execution_id: int
    orig_client_order_id: str
    new_client_order_id: str
    orig_qty: Decimal
    new_qty: Decimal
    time: int


class PreventedMatch(Result, frozen=True, kw_only=True):
    """A trade between two orders of one account, or of one trade group, that did not take place."""

    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_symbol: str | None = None
    maker_order_id: int
    trade_group_id: int
    self_trade_prevention_mode: str
    price: Decimal
    taker_prevented_quantity: Decimal | None = None
    maker_prevented_quantity: Decimal | None = None
    transact_time: int


class MyFilters(Result, frozen=True):
    """The filters that bound this account on one symbol, as the exchange writes them."""

    exchange_filters: list[dict[str, object]]
    symbol_filters: list[dict[str, object]]
    asset_filters: list[dict[str, object]]


class SessionInfo(Result, frozen=True):
    """Who a connection is logged on for, None for nobody. Its repr shortens the key."""

    api_key: str | None
    authorized_since: int | None
    connected_since: int
    return_rate_limits: bool
    server_time: int
    user_data_stream: bool = False

    def __repr__(self) -> str:
        who = f"{self.api_key[:4]}…" if self.api_key else "nobody"
        return f"<SessionInfo of {who} since {self.authorized_since or self.connected_since}>"
