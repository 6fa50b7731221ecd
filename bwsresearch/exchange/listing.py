"""The exchangeInfo row of a symbol of the local exchange."""

from typing import Final

from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.rows import decimal
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["assets", "listed"]

_QUOTES: Final = ("USDT", "FDUSD", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL")


def assets(symbol: str) -> tuple[str, str]:
    """Return base and quote of a symbol, by the quotes that are known; else the last three letters."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol[:-3] or symbol, symbol[-3:]


def listed(symbol: str, base: str, quote: str, grid: Grid) -> SymbolInfo:
    """Return the row; order types are none, since this exchange takes no orders yet."""
    return SymbolInfo(
        symbol=symbol,
        status="TRADING",
        base_asset=base,
        quote_asset=quote,
        filters=[
            {
                "filterType": "PRICE_FILTER",
                "minPrice": decimal(grid.tick),
                "maxPrice": decimal(grid.tick * 10**8),
                "tickSize": decimal(grid.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": decimal(grid.step),
                "maxQty": decimal(grid.step * 10**9),
                "stepSize": decimal(grid.step),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        permission_sets=[["SPOT"]],
    )
