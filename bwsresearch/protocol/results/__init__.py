"""What the exchange answers, field by field in wire order.

Money is Decimal, times are int in the unit of the connection (milliseconds unless it asked for
microseconds). Fields that the exchange may leave out have defaults; fields that it may add are
ignored. Source: the response examples of web-socket-api.md.
"""

from bwsresearch.protocol.results.account import (
    Account,
    Amendment,
    Balance,
    Commission,
    CommissionRates,
    Discount,
    MyFilters,
    MyTrade,
    PreventedMatch,
    SessionInfo,
)
from bwsresearch.protocol.results.market import (
    AggTrade,
    AvgPrice,
    BookTicker,
    Depth,
    ExchangeInfo,
    Kline,
    Level,
    Ping,
    PriceTicker,
    ServerTime,
    SymbolInfo,
    Ticker24hr,
    Trade,
)
from bwsresearch.protocol.results.record import (
    RateLimit,
)
from bwsresearch.protocol.results.trading import (
    AmendedOrder,
    AmendReport,
    CancelReplaceReport,
    CancelReport,
    Fill,
    ListedOrder,
    ListStatus,
    MatchPrevented,
    Order,
    OrderReport,
    OrderTestReport,
)

__all__ = [
    "Account",
    "AggTrade",
    "AmendReport",
    "AmendedOrder",
    "Amendment",
    "AvgPrice",
    "Balance",
    "BookTicker",
    "CancelReplaceReport",
    "CancelReport",
    "Commission",
    "CommissionRates",
    "Depth",
    "Discount",
    "ExchangeInfo",
    "Fill",
    "Kline",
    "Level",
    "ListStatus",
    "ListedOrder",
    "MatchPrevented",
    "MyFilters",
    "MyTrade",
    "Order",
    "OrderReport",
    "OrderTestReport",
    "Ping",
    "PreventedMatch",
    "PriceTicker",
    "RateLimit",
    "ServerTime",
    "SessionInfo",
    "SymbolInfo",
    "Ticker24hr",
    "Trade",
]
