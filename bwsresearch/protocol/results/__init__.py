"""What the exchange answers, field by field in wire order.

Money is Decimal, times are int in the unit of the connection (milliseconds unless it asked for
microseconds). Fields that the exchange may leave out have defaults; fields that it may add are
ignored. Source: the response examples of web-socket-api.md.
"""

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
from bwsresearch.protocol.results.record import RateLimit

__all__ = [
    "AggTrade",
    "AvgPrice",
    "BookTicker",
    "Depth",
    "ExchangeInfo",
    "Kline",
    "Level",
    "Ping",
    "PriceTicker",
    "RateLimit",
    "ServerTime",
    "SymbolInfo",
    "Ticker24hr",
    "Trade",
]
