"""How orders fill and what they pay: one explicit object that a result carries with it."""

from dataclasses import KW_ONLY, dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, Self

from bwsresearch.client.sync import Client
from bwsresearch.local import default_client
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["UNIT", "Rules"]

UNIT: Final = 100_000_000
"""Amounts and prices are whole numbers of this part of one: 1e-8."""

_ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Rules:
    """Market orders on closed bars: decided at a bar's close, filled at the next open.

    Attributes:
        name: what a report calls them, such as "Binance BTCUSDT".
        fee: part of what a trade brings that goes to the exchange; 0.001 is 0.1 %.
        fee_asset: "received" takes it from the asset that is received, as the exchange does: a buy
            pays in base, a sale in quote; "quote" takes it from the quote on both sides.
        step: quantities are rounded down to a multiple of it; 0 is the smallest unit, 1e-8.
        tick: slipped prices are rounded to a multiple of it, against the order; 0 is 1e-8.
        min_qty: base; smaller orders are rejected, and recorded as rejected.
        min_notional: quote; likewise. A buy counts with what it was to spend, a sale with what it
            would bring.
        slippage_bps: how much worse than the open an order fills, in hundredths of a percent.
        fill: "next_open" alone: the open of the first later bar in which something was traded.
    """

    name: str = ""
    _: KW_ONLY
    fee: Decimal = Decimal("0.001")
    fee_asset: Literal["received", "quote"] = "received"
    step: Decimal = _ZERO
    tick: Decimal = _ZERO
    min_qty: Decimal = _ZERO
    min_notional: Decimal = _ZERO
    slippage_bps: Decimal = _ZERO
    fill: Literal["next_open"] = "next_open"

    def __post_init__(self) -> None:
        for name in ("fee", "slippage_bps", "step", "tick", "min_qty", "min_notional"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in ("step", "tick", "min_qty", "min_notional"):
            above, below = getattr(self, name).as_integer_ratio()
            if above * UNIT % below:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, must be a multiple of 0.00000001, "
                    "the smallest amount of the exchange"
                )
        if self.fee >= 1 or self.slippage_bps >= 10_000:
            raise ValueError(
                f"fee is {self.fee} and slippage_bps {self.slippage_bps}; "
                "a fee is a part below 1 (0.001 is 0.1 %), slippage below 10000"
            )
        if self.fee_asset not in ("received", "quote"):
            raise ValueError(f"fee_asset is {self.fee_asset!r}, must be 'received' or 'quote'")
        if self.fill != "next_open":
            raise ValueError(f"fill is {self.fill!r}, must be 'next_open'")

    def __str__(self) -> str:
        whose = "of what is received" if self.fee_asset == "received" else "in quote"
        parts = [f"fee {_plain(self.fee * 100)} % {whose}", "fills at the next open"]
        parts += [
            f"{name} {_plain(getattr(self, name))}"
            for name in ("slippage_bps", "step", "tick", "min_qty", "min_notional")
            if getattr(self, name)
        ]
        return (f"{self.name}: " if self.name else "") + ", ".join(parts)

    @classmethod
    def of(
        cls,
        info: SymbolInfo,
        *,
        fee: Decimal = Decimal("0.001"),
        slippage_bps: Decimal = _ZERO,
    ) -> Self:
        """Return the rules of market orders by a symbol's filters.

        Source: filters.md, LOT_SIZE, MARKET_LOT_SIZE, PRICE_FILTER, NOTIONAL, MIN_NOTIONAL; maxima
        are not modelled.
        """
        return cls(
            f"Binance {info.symbol}",
            fee=fee,
            step=max(info.step_size, _of_filter(info, "MARKET_LOT_SIZE", "stepSize")),
            tick=info.tick_size,
            min_qty=max(
                _of_filter(info, name, "minQty") for name in ("LOT_SIZE", "MARKET_LOT_SIZE")
            ),
            min_notional=max(
                _of_filter(info, "NOTIONAL", "minNotional", unless="applyMinToMarket"),
                _of_filter(info, "MIN_NOTIONAL", "minNotional", unless="applyToMarket"),
            ),
            slippage_bps=slippage_bps,
        )

    @classmethod
    def binance(
        cls,
        symbol: str,
        *,
        fee: Decimal = Decimal("0.001"),
        slippage_bps: Decimal = _ZERO,
        client: Client | None = None,
    ) -> Self:
        """Return the rules of a symbol as the exchange has them now; one exchangeInfo request.

        `fee` is the account's rate, 0.1 % unless it has another.

        Raises:
            BadSymbol: when the exchange does not know the symbol.
        """
        info = (client or default_client()).exchange_info(symbol.upper())
        return cls.of(info.symbols[0], fee=fee, slippage_bps=slippage_bps)


def _number(name: str, given: object) -> Decimal:
    try:
        value = given if isinstance(given, Decimal) else Decimal(str(given))
    except InvalidOperation:
        raise ValueError(f"{name} is {given!r}, must be a number, 0 or more") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"{name} is {given}, must be 0 or more")
    return value


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _of_filter(info: SymbolInfo, filter_type: str, field: str, unless: str = "") -> Decimal:
    """Return a field of a filter; 0 where there is no such filter, or `unless` says it is off."""
    # filters.md: a minimum of notional may leave market orders out.
    rows = [row for row in info.filters if row.get("filterType") == filter_type]
    if not rows or rows[0].get(unless) is False:
        return _ZERO
    return Decimal(str(rows[0].get(field, 0)))
