"""How orders fill and what they pay: one explicit object that a result carries with it."""

from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from typing import Literal, Self

from bwsresearch.client.sync import Client
from bwsresearch.local import default_client
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["Rules"]

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Rules:
    """Market orders on closed bars: decided at a bar's close, filled at the next open.

    Attributes:
        name: what the report calls them.
        fee: part of what a trade brings that goes to the exchange; 0.001 is 0.1 %.
        fee_asset: "received" takes it from the asset that is received, as the exchange does: a buy
            pays in base, a sale in quote; "quote" takes it from the quote on both sides.
        step: quantities are rounded down to a multiple of it; 0 is the smallest unit, 1e-8.
        tick: slipped prices are rounded to a multiple of it, against the order; 0 is 1e-8.
        min_qty: base; smaller orders are rejected, and counted as rejected.
        min_notional: quote; likewise.
        slippage_bps: how much worse than the open an order fills, in hundredths of a percent.
        fill: "next_open" alone: the open of the first later bar in which something was traded.
    """

    name: str = "0.1 % of the received asset"
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
        for name in ("fee", "step", "tick", "min_qty", "min_notional", "slippage_bps"):
            given = getattr(self, name)
            value = given if isinstance(given, Decimal) else Decimal(str(given))
            object.__setattr__(self, name, value)
            if not value.is_finite() or value < 0:
                raise ValueError(f"{name} is {given}, must be 0 or more")
        if self.fee >= 1 or self.slippage_bps >= 10_000:
            raise ValueError(
                f"fee is {self.fee} and slippage_bps {self.slippage_bps}; "
                "a fee is a part below 1 (0.001 is 0.1 %), slippage below 10000"
            )
        if self.fee_asset not in ("received", "quote"):
            raise ValueError(f"fee_asset is {self.fee_asset!r}, must be 'received' or 'quote'")
        if self.fill != "next_open":
            raise ValueError(f"fill is {self.fill!r}, must be 'next_open'")

    @classmethod
    def of(
        cls,
        info: SymbolInfo,
        *,
        fee: Decimal = Decimal("0.001"),
        slippage_bps: Decimal = _ZERO,
    ) -> Self:
        """Return the rules of a symbol by its filters: LOT_SIZE, PRICE_FILTER and NOTIONAL."""
        lot = info.filter("LOT_SIZE")
        return cls(
            f"Binance {info.symbol}",
            fee=fee,
            step=info.step_size,
            tick=info.tick_size,
            min_qty=Decimal(str(lot["minQty"])),
            min_notional=_min_notional(info),
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


def _min_notional(info: SymbolInfo) -> Decimal:
    for name in ("NOTIONAL", "MIN_NOTIONAL"):
        try:
            return Decimal(str(info.filter(name)["minNotional"]))
        except KeyError:
            continue
    return _ZERO
