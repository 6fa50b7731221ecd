"""Account requests: orders, trades, balances, rates and limits of the key's account.

Source: web-socket-api.md "Account requests".
"""

from bwsresearch.protocol import results
from bwsresearch.protocol.methods.subjects import OfSymbol, OfSymbols
from bwsresearch.protocol.request import Limit1000, Long, MustLong, OldId, Request, Wish
from bwsresearch.protocol.weights import Fixed, IfSent, SymbolOrAll

__all__ = [
    "AccountCommission",
    "AccountRateLimitsOrders",
    "AccountStatus",
    "AllOrders",
    "MyFilters",
    "MyPreventedMatches",
    "MyTrades",
    "OpenOrdersStatus",
    "OrderAmendments",
    "OrderStatus",
]


class AccountStatus(Request[results.Account], frozen=True, kw_only=True):
    """Return the account: permissions, commissions, and the balance of every asset."""

    method = "account.status"
    heading = "Account information (USER_DATA)"
    weight_rule = Fixed(20)
    security = "USER_DATA"
    source = "Memory => Database"

    omit_zero_balances: Wish = None


class OrderStatus(OfSymbol[results.Order], frozen=True, kw_only=True):
    """Return one order as it stands, named by `order_id` or `orig_client_order_id`."""

    method = "order.status"
    heading = "Query order (USER_DATA)"
    weight_rule = Fixed(4)
    security = "USER_DATA"
    source = "Memory => Database"
    either = ("origClientOrderId", "orderId")

    order_id: Long = None
    orig_client_order_id: OldId = None


class OpenOrdersStatus(OfSymbols[list[results.Order]], frozen=True):
    """Return the open orders of a symbol, or of all symbols."""

    method = "openOrders.status"
    heading = "Current open orders (USER_DATA)"
    weight_rule = SymbolOrAll(6, many=80)
    security = "USER_DATA"
    source = "Memory => Database"


class AllOrders(OfSymbol[list[results.Order]], frozen=True, kw_only=True):
    """Return orders in any state, oldest first, from `order_id` or of at most 24 hours."""

    method = "allOrders"
    heading = "Account order history (USER_DATA)"
    weight_rule = Fixed(20)
    security = "USER_DATA"
    source = "Database"

    order_id: Long = None
    start_time: Long = None
    end_time: Long = None
    limit: Limit1000 = None


class MyTrades(OfSymbol[list[results.MyTrade]], frozen=True, kw_only=True):
    """Return the account's trades, oldest first: of an order, from an id, or of at most 24 hours."""

    method = "myTrades"
    heading = "Account trade history (USER_DATA)"
    weight_rule = IfSent("order_id", 5, otherwise=20)
    security = "USER_DATA"
    source = "Memory => Database"
    exclusive = (
        ("orderId", "startTime"),
        ("orderId", "endTime"),
        ("fromId", "startTime"),
        ("fromId", "endTime"),
    )

    order_id: Long = None
    start_time: Long = None
    end_time: Long = None
    from_id: Long = None
    limit: Limit1000 = None


class AccountRateLimitsOrders(Request[list[results.RateLimit]], frozen=True):
    """Return how many unfilled orders count against each limit now."""

    method = "account.rateLimits.orders"
    heading = "Unfilled Order Count (USER_DATA)"
    weight_rule = Fixed(40)
    security = "USER_DATA"


class MyPreventedMatches(OfSymbol[list[results.PreventedMatch]], frozen=True, kw_only=True):
    """Return trades with own orders that did not take place: one by its id, or those of an order."""

    method = "myPreventedMatches"
    heading = "Account prevented matches (USER_DATA)"
    weight_rule = IfSent("order_id", 20, otherwise=2)
    security = "USER_DATA"
    source = "Database"
    exclusive = (
        ("preventedMatchId", "orderId"),
        ("preventedMatchId", "fromPreventedMatchId"),
    )
    either = ("preventedMatchId", "orderId")

    prevented_match_id: Long = None
    order_id: Long = None
    from_prevented_match_id: Long = None
    limit: Limit1000 = None


class AccountCommission(OfSymbol[results.Commission], frozen=True):
    """Return what the account pays on a symbol: standard, special and tax, and the discount."""

    method = "account.commission"
    heading = "Account Commission Rates (USER_DATA)"
    weight_rule = Fixed(20)
    security = "USER_DATA"
    source = "Database"


class OrderAmendments(OfSymbol[list[results.Amendment]], frozen=True, kw_only=True):
    """Return the reductions of one order, oldest first."""

    method = "order.amendments"
    heading = "Query Order Amendments (USER_DATA)"
    weight_rule = Fixed(4)
    security = "USER_DATA"
    source = "Database"

    order_id: MustLong
    from_execution_id: Long = None
    limit: Limit1000 = None


class MyFilters(OfSymbol[results.MyFilters], frozen=True):
    """Return the filters that bound this account on a symbol."""

    method = "myFilters"
    heading = "Query Relevant Filters (USER_DATA)"
    weight_rule = Fixed(40)
    security = "USER_DATA"
