"""The closed word lists of the API that more than one room needs.

Source: enums.md and web-socket-api.md of the official documentation.
"""

from typing import Final, Literal, TypeAlias, get_args

__all__ = ["INTERVALS", "Interval", "SymbolStatus", "TickerType", "TimeUnit"]

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
