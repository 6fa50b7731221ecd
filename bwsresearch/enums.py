"""The closed word lists of the API that more than one room needs.

Source: enums.md and web-socket-api.md of the official documentation.
"""

from typing import Final, Literal, TypeAlias, get_args

__all__ = [
    "INTERVALS",
    "CancelReplaceMode",
    "CancelRestrictions",
    "Interval",
    "OrderRateLimitExceededMode",
    "OrderRespType",
    "OrderSide",
    "OrderType",
    "PegOffsetType",
    "PegPriceType",
    "StpMode",
    "SymbolStatus",
    "TickerType",
    "TimeInForce",
    "TimeUnit",
]

Interval: TypeAlias = Literal[
    "1s", "1m", "3m", "5m", "15m", "30m",
    "1h", "2h", "4h", "6h", "8h", "12h",
    "1d", "3d", "1w", "1M",
]  # fmt: skip
"""Kline intervals, case-sensitive: `1m` is a minute, `1M` a calendar month."""

INTERVALS: Final[tuple[Interval, ...]] = get_args(Interval)
"""All 16 kline intervals, shortest first."""

SymbolStatus: TypeAlias = Literal["TRADING", "HALT", "BREAK"]
TickerType: TypeAlias = Literal["FULL", "MINI"]
TimeUnit: TypeAlias = Literal["MILLISECOND", "MICROSECOND"]

OrderSide: TypeAlias = Literal["BUY", "SELL"]
OrderType: TypeAlias = Literal[
    "LIMIT",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
    "LIMIT_MAKER",
]
TimeInForce: TypeAlias = Literal["GTC", "IOC", "FOK"]
"""Good till cancelled; immediate or cancel; fill or kill."""

OrderRespType: TypeAlias = Literal["ACK", "RESULT", "FULL"]
StpMode: TypeAlias = Literal[
    "NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"
]
"""What becomes of two orders of one account that would trade with each other."""

CancelRestrictions: TypeAlias = Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"]
CancelReplaceMode: TypeAlias = Literal["STOP_ON_FAILURE", "ALLOW_FAILURE"]
OrderRateLimitExceededMode: TypeAlias = Literal["DO_NOTHING", "CANCEL_ONLY"]
PegPriceType: TypeAlias = Literal["PRIMARY_PEG", "MARKET_PEG"]
PegOffsetType: TypeAlias = Literal["PRICE_LEVEL"]
