"""Market-data requests: books, trades, klines, tickers.

Source: web-socket-api.md "Market data requests".
"""

from bwsresearch.protocol import results
from bwsresearch.protocol.methods.subjects import OfInterval, OfSymbol, OfSymbols
from bwsresearch.protocol.request import (
    Limit1000,
    Limit5000,
    Long,
    Status,
    Symbols,
    TickerKind,
    Zone,
)
from bwsresearch.protocol.weights import ByLimit, BySymbols, Fixed, SymbolOrAll

__all__ = [
    "AvgPrice",
    "Depth",
    "Klines",
    "Ticker24hr",
    "TickerBook",
    "TickerPrice",
    "TradesAggregate",
    "TradesHistorical",
    "TradesRecent",
    "UiKlines",
]


class Depth(OfSymbol[results.Depth], frozen=True, kw_only=True):
    """Return the order book: at most `limit` levels of each side, best first."""

    method = "depth"
    heading = "Order book"
    weight_rule = ByLimit(((100, 5), (500, 25), (1000, 50), (5000, 250)), default=100)

    limit: Limit5000 = None
    symbol_status: Status = None


class TradesRecent(OfSymbol[list[results.Trade]], frozen=True, kw_only=True):
    """Return the newest trades, oldest first, at most 1000."""

    method = "trades.recent"
    heading = "Recent trades"
    weight_rule = Fixed(25)

    limit: Limit1000 = None


class TradesHistorical(OfSymbol[list[results.Trade]], frozen=True, kw_only=True):
    """Return trades with id ≥ `from_id`, oldest first; the newest when it is not given."""

    method = "trades.historical"
    heading = "Historical trades"
    weight_rule = Fixed(25)
    source = "Database"

    from_id: Long = None
    limit: Limit1000 = None


class TradesAggregate(OfSymbol[list[results.AggTrade]], frozen=True, kw_only=True):
    """Return aggregate trades by id or by time (both ends included), oldest first."""

    method = "trades.aggregate"
    heading = "Aggregate trades"
    weight_rule = Fixed(4)
    source = "Database"
    exclusive = (("fromId", "startTime"), ("fromId", "endTime"))

    from_id: Long = None
    start_time: Long = None
    end_time: Long = None
    limit: Limit1000 = None


class Klines(OfInterval[list[results.Kline]], frozen=True, kw_only=True):
    """Return bars by open time (both ends included), oldest first; the last may still be running."""

    method = "klines"
    heading = "Klines"
    weight_rule = Fixed(2)
    source = "Database"

    start_time: Long = None
    end_time: Long = None
    time_zone: Zone = None
    limit: Limit1000 = None


class UiKlines(Klines, frozen=True, kw_only=True):
    """Return bars as `klines` does, modified for charts where the exchange sees fit."""

    method = "uiKlines"
    heading = "UI Klines"


class AvgPrice(OfSymbol[results.AvgPrice], frozen=True):
    """Return the volume-weighted price of the last minutes."""

    method = "avgPrice"
    heading = "Current average price"
    weight_rule = Fixed(2)


class Ticker24hr(
    OfSymbols[results.Ticker24hr | list[results.Ticker24hr]], frozen=True, kw_only=True
):
    """Return statistics of the last 24 hours: one record for `symbol`, else a list."""

    method = "ticker.24hr"
    heading = "24hr ticker price change statistics"
    weight_rule = BySymbols(((20, 2), (100, 40)), every=80)
    exclusive = (("symbol", "symbols"),)

    symbols: Symbols = None
    type: TickerKind = None
    symbol_status: Status = None


class TickerPrice(
    OfSymbols[results.PriceTicker | list[results.PriceTicker]], frozen=True, kw_only=True
):
    """Return the last price: one record for `symbol`, else a list."""

    method = "ticker.price"
    heading = "Symbol price ticker"
    weight_rule = SymbolOrAll(2, many=4)
    exclusive = (("symbol", "symbols"),)

    symbols: Symbols = None
    symbol_status: Status = None


class TickerBook(
    OfSymbols[results.BookTicker | list[results.BookTicker]], frozen=True, kw_only=True
):
    """Return the best bid and ask: one record for `symbol`, else a list."""

    method = "ticker.book"
    heading = "Symbol order book ticker"
    weight_rule = SymbolOrAll(2, many=4)
    exclusive = (("symbol", "symbols"),)

    symbols: Symbols = None
    symbol_status: Status = None
