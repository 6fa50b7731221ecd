"""What the general and market-data requests are answered with."""

from decimal import Decimal

import msgspec

from bwsresearch.enums import SymbolStatus
from bwsresearch.protocol.results.record import RateLimit, Result

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
    "ServerTime",
    "SymbolInfo",
    "Ticker24hr",
    "Trade",
]

Level = tuple[Decimal, Decimal]
"""One price level of an order book: (price, qty)."""


class Ping(Result, frozen=True):
    """An empty object."""


class ServerTime(Result, frozen=True):
    """The exchange's clock."""

    server_time: int


class SymbolInfo(Result, frozen=True, kw_only=True):
    """One row of exchangeInfo: what can be traded, and by which filters."""

    symbol: str
    status: SymbolStatus | str
    base_asset: str
    base_asset_precision: int = 8
    quote_asset: str
    quote_precision: int = 8
    quote_asset_precision: int = 8
    base_commission_precision: int = 8
    quote_commission_precision: int = 8
    order_types: list[str] = msgspec.field(default_factory=list)
    iceberg_allowed: bool = False
    oco_allowed: bool = False
    oto_allowed: bool = False
    opo_allowed: bool = False
    quote_order_qty_market_allowed: bool = False
    allow_trailing_stop: bool = False
    cancel_replace_allowed: bool = False
    amend_allowed: bool = False
    peg_instructions_allowed: bool = False
    is_spot_trading_allowed: bool = True
    is_margin_trading_allowed: bool = False
    filters: list[dict[str, object]] = msgspec.field(default_factory=list)
    permissions: list[str] = msgspec.field(default_factory=list)
    permission_sets: list[list[str]] = msgspec.field(default_factory=list)
    default_self_trade_prevention_mode: str = "NONE"
    allowed_self_trade_prevention_modes: list[str] = msgspec.field(default_factory=list)

    def filter(self, filter_type: str) -> dict[str, object]:
        """Return the filter of that type, such as "LOT_SIZE".

        Raises:
            KeyError: when the symbol has no such filter.
        """
        for row in self.filters:
            if row.get("filterType") == filter_type:
                return row
        raise KeyError(f"{self.symbol} has no filter {filter_type}")

    @property
    def tick_size(self) -> Decimal:
        """The step of prices, in the quote asset."""
        return Decimal(str(self.filter("PRICE_FILTER")["tickSize"]))

    @property
    def step_size(self) -> Decimal:
        """The step of quantities, in the base asset."""
        return Decimal(str(self.filter("LOT_SIZE")["stepSize"]))


class ExchangeInfo(Result, frozen=True):
    """The rules of the exchange and of its symbols."""

    timezone: str
    server_time: int
    rate_limits: list[RateLimit]
    exchange_filters: list[dict[str, object]]
    symbols: list[SymbolInfo]


class Depth(Result, frozen=True):
    """An order book: bids from the highest price down, asks from the lowest up."""

    last_update_id: int
    bids: list[Level]
    asks: list[Level]


class Trade(Result, frozen=True):
    """One trade; `is_buyer_maker` is True when the seller was the taker."""

    id: int
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class AggTrade(msgspec.Struct, frozen=True):
    """Consecutive trades of one taker at one price."""

    id: int = msgspec.field(name="a")
    price: Decimal = msgspec.field(name="p")
    qty: Decimal = msgspec.field(name="q")
    first_id: int = msgspec.field(name="f")
    last_id: int = msgspec.field(name="l")
    time: int = msgspec.field(name="T")
    is_buyer_maker: bool = msgspec.field(name="m")
    is_best_match: bool = msgspec.field(name="M")


class Kline(msgspec.Struct, frozen=True, array_like=True):
    """One bar; the volumes are in base and quote, `taker_buy_…` their part bought by takers."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_time: int
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    ignore: str = "0"


class AvgPrice(Result, frozen=True):
    """The volume-weighted price of the last `mins` minutes."""

    mins: int
    price: Decimal
    close_time: int


class Ticker24hr(Result, frozen=True, kw_only=True):
    """Statistics of a rolling 24 hours; the fields with a default are absent in type MINI."""

    symbol: str
    price_change: Decimal | None = None
    price_change_percent: Decimal | None = None
    weighted_avg_price: Decimal | None = None
    prev_close_price: Decimal | None = None
    last_price: Decimal
    last_qty: Decimal | None = None
    bid_price: Decimal | None = None
    bid_qty: Decimal | None = None
    ask_price: Decimal | None = None
    ask_qty: Decimal | None = None
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class PriceTicker(Result, frozen=True):
    """The price of the last trade."""

    symbol: str
    price: Decimal


class BookTicker(Result, frozen=True):
    """The best price and quantity of each side."""

    symbol: str
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal
