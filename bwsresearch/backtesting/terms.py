"""Rules in the exchange's own words: a symbol's listing, an account's commission, a fill model.

Amounts of base and quote are counted in `Rules.unit`; the exchange counts in 1e-8. Since a notional is
price × quantity, its code is right in any unit if prices stay as they are: filters of amounts are
written larger by the same factor.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from bwsresearch.backtesting.rules import Rules, bounds
from bwsresearch.exchange.fills import ModelConfig
from bwsresearch.exchange.listing import offered
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["commission", "listing", "model", "scale"]

_AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "LOT_SIZE": ("minQty", "maxQty", "stepSize"),
    "MARKET_LOT_SIZE": ("minQty", "maxQty", "stepSize"),
    "MIN_NOTIONAL": ("minNotional",),
    "NOTIONAL": ("minNotional", "maxNotional"),
    "MAX_POSITION": ("maxPosition",),
}
"""Which numbers of a filter are amounts, not prices or counts."""
_FILTERS: Final[Mapping[str, tuple[str, str]]] = {
    "tick": ("PRICE_FILTER", "tickSize"),
    "step": ("LOT_SIZE", "stepSize"),
    "min_qty": ("LOT_SIZE", "minQty"),
    "min_notional": ("NOTIONAL", "minNotional"),
}
_ALWAYS: Final[Mapping[str, Mapping[str, object]]] = {
    "NOTIONAL": {"applyMinToMarket": True, "avgPriceMins": 5},
}


def scale(rules: Rules) -> int:
    """Return how many units of an account are 1."""
    return int(1 / rules.unit)


def commission(rules: Rules) -> Commission:
    """Return what an account pays."""
    return Commission(
        maker=_rate("fee_maker", rules.maker),
        taker=_rate("fee", rules.fee),
        in_bnb=rules.fee_asset == "BNB",
        in_quote=rules.fee_asset == "quote",
    )


def _rate(name: str, part: Decimal) -> int:
    try:
        return units(part)
    except ValueError:
        raise ValueError(f"{name} is {part}, must have at most eight decimals") from None


def model(rules: Rules) -> ModelConfig:
    """Return the settings of the fill model."""
    return ModelConfig(
        id="best" if rules.fill == "book" else "klines@1",
        participation=math.inf if rules.participation is None else float(rules.participation),
        slippage_bps=float(rules.slippage_bps),
        entry_latency=float(rules.latency),
    )


def listing(rules: Rules, symbol: str, base: str, quote: str) -> SymbolInfo:
    """Return the row of exchangeInfo that the rules make of a symbol."""
    rows = {str(row["filterType"]): dict(row) for row in rules.filters}
    told = bounds(rules.filters)
    for name, (kind, key) in _FILTERS.items():
        value = getattr(rules, name)
        if value != told[name]:  # the rules were changed since
            row = rows.setdefault(kind, {"filterType": kind, **_ALWAYS.get(kind, {})})
            row[key] = f"{value:f}"
    factor = scale(rules) // UNIT
    return offered(symbol, base, quote, [_scaled(row, factor) for row in rows.values()])


def _scaled(row: Mapping[str, Any], factor: int) -> dict[str, Any]:
    if factor == 1:
        return dict(row)
    names = _AMOUNTS.get(str(row["filterType"]), ())
    return {
        name: f"{Decimal(str(value)) * factor:f}" if name in names else value
        for name, value in row.items()
    }
