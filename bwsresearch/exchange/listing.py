"""The exchangeInfo row of a symbol of the local exchange."""

from typing import Final

from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.rows import decimal
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["assets", "listed", "offered"]

_QUOTES: Final = ("USDT", "FDUSD", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL")
_LEAST: Final = {"BTC": "0.00010000", "ETH": "0.00100000", "BNB": "0.01000000"}
"""The smallest notional where it is not 5 of the quote asset."""
_TYPES: Final = [
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
_STP: Final = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]
_SHARED: Final[list[dict[str, object]]] = [
    {"filterType": "ICEBERG_PARTS", "limit": 100},
    {
        "filterType": "TRAILING_DELTA",
        "minTrailingAboveDelta": 10,
        "maxTrailingAboveDelta": 2000,
        "minTrailingBelowDelta": 10,
        "maxTrailingBelowDelta": 2000,
    },
    {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "5",
        "bidMultiplierDown": "0.2",
        "askMultiplierUp": "5",
        "askMultiplierDown": "0.2",
        "avgPriceMins": 5,
    },
]
_COUNTS: Final[list[dict[str, object]]] = [
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
]


def assets(symbol: str) -> tuple[str, str]:
    """Return base and quote of a symbol, by the quotes that are known; else the last three letters."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol[:-3] or symbol, symbol[-3:]


def listed(symbol: str, base: str, quote: str, grid: Grid) -> SymbolInfo:
    """Return the row: tick and step as given, everything else as the exchange commonly has it.

    Order lists, pegged orders and smart order routing are not offered.
    """
    own: list[dict[str, object]] = [
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
    ]
    notional: dict[str, object] = {
        "filterType": "NOTIONAL",
        "minNotional": _LEAST.get(quote, "5.00000000"),
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    }
    return offered(symbol, base, quote, [*own, *_SHARED, notional, *_COUNTS])


def offered(symbol: str, base: str, quote: str, filters: list[dict[str, object]]) -> SymbolInfo:
    """Return the row of a symbol with these filters, on which every type of order can be sent."""
    return SymbolInfo(
        symbol=symbol,
        status="TRADING",
        base_asset=base,
        quote_asset=quote,
        order_types=_TYPES,
        iceberg_allowed=True,
        quote_order_qty_market_allowed=True,
        allow_trailing_stop=True,
        cancel_replace_allowed=True,
        amend_allowed=True,
        filters=filters,
        permission_sets=[["SPOT"]],
        default_self_trade_prevention_mode="EXPIRE_MAKER",
        allowed_self_trade_prevention_modes=_STP,
    )
