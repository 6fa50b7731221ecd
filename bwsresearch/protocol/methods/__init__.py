"""THE catalogue: one class per method of the API. Everything else is derived from it.

From a class follow the client's method with its signature, the server's reading of parameters, the
weight, the README's table and tests. `None` means that a parameter is not sent.
"""

from typing import Any, Final

from bwsresearch.protocol.methods.account import (
    AccountCommission,
    AccountRateLimitsOrders,
    AccountStatus,
    AllOrders,
    MyFilters,
    MyPreventedMatches,
    MyTrades,
    OpenOrdersStatus,
    OrderAmendments,
    OrderStatus,
)
from bwsresearch.protocol.methods.general import (
    ExchangeInfo,
    Ping,
    Time,
)
from bwsresearch.protocol.methods.market import (
    AvgPrice,
    Depth,
    Klines,
    Ticker24hr,
    TickerBook,
    TickerPrice,
    TradesAggregate,
    TradesHistorical,
    TradesRecent,
    UiKlines,
)
from bwsresearch.protocol.methods.session import (
    SessionLogon,
    SessionLogout,
    SessionStatus,
)
from bwsresearch.protocol.methods.trading import (
    OpenOrdersCancelAll,
    OrderAmendKeepPriority,
    OrderCancel,
    OrderCancelReplace,
    OrderPlace,
    OrderTest,
)
from bwsresearch.protocol.request import Request

__all__ = [
    "CATALOGUE",
    "AccountCommission",
    "AccountRateLimitsOrders",
    "AccountStatus",
    "AllOrders",
    "AvgPrice",
    "Depth",
    "ExchangeInfo",
    "Klines",
    "MyFilters",
    "MyPreventedMatches",
    "MyTrades",
    "OpenOrdersCancelAll",
    "OpenOrdersStatus",
    "OrderAmendKeepPriority",
    "OrderAmendments",
    "OrderCancel",
    "OrderCancelReplace",
    "OrderPlace",
    "OrderStatus",
    "OrderTest",
    "Ping",
    "SessionLogon",
    "SessionLogout",
    "SessionStatus",
    "Ticker24hr",
    "TickerBook",
    "TickerPrice",
    "Time",
    "TradesAggregate",
    "TradesHistorical",
    "TradesRecent",
    "UiKlines",
]

CATALOGUE: Final[dict[str, type[Request[Any]]]] = {
    kind.method: kind
    for kind in (
        Ping,
        Time,
        ExchangeInfo,
        Depth,
        TradesRecent,
        TradesHistorical,
        TradesAggregate,
        Klines,
        UiKlines,
        AvgPrice,
        Ticker24hr,
        TickerPrice,
        TickerBook,
        SessionLogon,
        SessionStatus,
        SessionLogout,
        OrderPlace,
        OrderTest,
        OrderCancel,
        OrderCancelReplace,
        OrderAmendKeepPriority,
        OpenOrdersCancelAll,
        AccountStatus,
        OrderStatus,
        OpenOrdersStatus,
        AllOrders,
        MyTrades,
        AccountRateLimitsOrders,
        MyPreventedMatches,
        AccountCommission,
        OrderAmendments,
        MyFilters,
    )
}
"""Every method that is built, by its name on the wire, in the order of the documentation."""
