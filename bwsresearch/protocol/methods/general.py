"""General requests: the connection, the clock, the rules.

Source: web-socket-api.md "General requests".
"""

from bwsresearch.protocol import results
from bwsresearch.protocol.methods.subjects import OfSymbols
from bwsresearch.protocol.request import Flag, Request, Status, Symbols
from bwsresearch.protocol.weights import Fixed

__all__ = ["ExchangeInfo", "Ping", "Time"]


class Ping(Request[results.Ping], frozen=True):
    """Test the connection; the result is empty."""

    method = "ping"
    heading = "Test connectivity"
    weight_rule = Fixed(1)


class Time(Request[results.ServerTime], frozen=True):
    """Return the exchange's clock, epoch milliseconds."""

    method = "time"
    heading = "Check server time"
    weight_rule = Fixed(1)


class ExchangeInfo(OfSymbols[results.ExchangeInfo], frozen=True, kw_only=True):
    """Return limits, symbols and their filters; all symbols when none is named."""

    method = "exchangeInfo"
    heading = "Exchange information"
    weight_rule = Fixed(20)
    exclusive = (
        ("symbol", "symbols"),
        ("symbol", "permissions"),
        ("symbols", "permissions"),
        ("symbol", "symbolStatus"),
        ("symbols", "symbolStatus"),
    )

    symbols: Symbols = None
    permissions: Symbols = None
    show_permission_sets: Flag = None
    symbol_status: Status = None
