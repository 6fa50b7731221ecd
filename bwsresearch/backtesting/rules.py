"""How orders fill and what they pay: one explicit object that a result carries with it."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, Self

from bwsresearch.client.sync import Client
from bwsresearch.local import default_client
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["Rules", "bounds"]

_ZERO: Final = Decimal(0)
_FEE: Final = Decimal("0.001")
_UNIT: Final = Decimal("0.00000001")
_FINE: Final = Decimal("1e-18")
_NUMBERS: Final = (
    "fee", "unit", "step", "tick", "min_qty", "min_notional", "slippage_bps", "latency",
)  # fmt: skip
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "fee_asset": ("received", "quote", "BNB"),
    "fill": ("next_open", "close", "book"),
}
_MOST_LATENCY: Final = 60


@dataclass(frozen=True)
class Rules:
    """What an order meets between a decision and a fill: price, size, fee, and what is refused.

    Attributes:
        name: what a report calls them, such as "Binance BTCUSDT".
        fee: what a taker pays of what a trade brings; 0.001 is 0.1 %.
        fee_maker: likewise of a resting order; as `fee` when left out.
        fee_asset: "received" takes it from the asset that is received, as the exchange does: a buy
            pays in base, a sale in quote; "quote" takes it from the quote on both sides; "BNB" takes
            75 % of it in BNB while there is enough and its price is known.
        step: quantities are rounded down to a multiple of it; 0 is the smallest unit.
        tick: prices are multiples of it; slipped ones are rounded against the order; 0 is 1e-8.
        min_qty: base; smaller orders are rejected, and recorded as rejected.
        min_notional: quote; likewise. A buy counts with what it was to spend, a sale with what it
            would bring at the average price of the last five minutes.
        filters: the symbol's filters as exchangeInfo has them, checked by the exchange's own code;
            the numbers above stand for those of theirs.
        slippage_bps: how much worse than the bar's price a taker fills, in hundredths of a percent.
        participation: the part of a bar's volume that orders may have (of the bar before, at an open);
            the rest of an order at market expires. None gives whatever is asked for.
        latency: seconds between a decision and the arrival of its orders; of a market of bars, an order
            at market that misses an open waits for the next one.
        fill: "next_open": the open of the first later bar in which something was traded; "close": the
            close that decided; "book": what the trades, and the book where there is one, give.
        unit: the smallest amount of an account, 1e-8 on the exchange.
    """

    name: str = ""
    _: KW_ONLY
    fee: Decimal = _FEE
    fee_maker: Decimal | None = None
    fee_asset: Literal["received", "quote", "BNB"] = "received"
    step: Decimal = _ZERO
    tick: Decimal = _ZERO
    min_qty: Decimal = _ZERO
    min_notional: Decimal = _ZERO
    filters: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    slippage_bps: Decimal = _ZERO
    participation: Decimal | None = None
    latency: Decimal = _ZERO
    fill: Literal["next_open", "close", "book"] = "next_open"
    unit: Decimal = _UNIT

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in ("fee_maker", "participation"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, must be {' or '.join(map(repr, words))}"
                )
        self._check_parts()
        self._check_amounts()

    def _check_parts(self) -> None:
        if max(self.fee, self.maker) >= 1 or self.slippage_bps >= 10_000:
            raise ValueError(
                f"fee is {max(self.fee, self.maker)} and slippage_bps {self.slippage_bps}; "
                "a fee is a part below 1 (0.001 is 0.1 %), slippage below 10000"
            )
        if self.participation is not None and not 0 < self.participation <= 1:
            raise ValueError(
                f"participation is {self.participation}, must be above 0 and at most 1, or None"
            )
        if self.latency > _MOST_LATENCY or self.latency * 1000 % 1:
            raise ValueError(
                f"latency is {self.latency} s, must be whole milliseconds, 60 s at most"
            )

    def _check_amounts(self) -> None:
        unit = self.unit
        if not unit or _UNIT % unit:
            raise ValueError(f"unit is {unit}, must be 0.00000001 divided by a whole number")
        for name in ("step", "tick", "min_qty", "min_notional"):
            least = _UNIT if name == "tick" else unit
            if getattr(self, name) % least:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, must be a multiple of {least:f}, "
                    "the smallest amount of the exchange"
                )

    @property
    def maker(self) -> Decimal:
        """What a resting order pays."""
        return self.fee if self.fee_maker is None else self.fee_maker

    def __str__(self) -> str:
        whose = {"received": "of what is received", "quote": "in quote", "BNB": "in BNB"}
        where = {
            "next_open": "fills at the next open",
            "close": "fills at the close",
            "book": "fills by trades and book",
        }
        maker = f" (maker {_plain(self.maker * 100)} %)" if self.maker != self.fee else ""
        parts = [
            f"fee {_plain(self.fee * 100)} %{maker} {whose[self.fee_asset]}",
            where[self.fill],
        ]
        parts += [
            f"{name} {_plain(getattr(self, name))}"
            for name in (
                "slippage_bps", "participation", "latency", "step", "tick", "min_qty",
                "min_notional",
            )
            if getattr(self, name)
        ]  # fmt: skip
        return (f"{self.name}: " if self.name else "") + ", ".join(parts)

    @classmethod
    def of(
        cls,
        info: SymbolInfo,
        *,
        fee: Decimal = _FEE,
        slippage_bps: Decimal = _ZERO,
    ) -> Self:
        """Return the rules of a symbol by its row of exchangeInfo, with all its filters.

        Source: filters.md.
        """
        return cls(
            f"Binance {info.symbol}",
            fee=fee,
            filters=tuple(info.filters),
            slippage_bps=slippage_bps,
            **bounds(info.filters),  # type: ignore[arg-type] # its names are those of numbers
        )

    @classmethod
    def binance(
        cls,
        symbol: str,
        *,
        fee: Decimal = _FEE,
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

    @classmethod
    def backtesting_py(cls, *, fee: Decimal = _FEE, step: Decimal = _ZERO) -> Self:
        """Return the rules by which backtesting.py's `FractionalBacktest(commission=fee)` fills.

        At the next open, all in, fees from the quote. `step` is its `fractional_unit`; without one
        sizes are continuous (to 1e-18).
        """
        return cls("backtesting.py", fee=fee, fee_asset="quote", step=step, unit=_FINE)

    @classmethod
    def vectorbt(
        cls, *, fee: Decimal = _FEE, fill: Literal["close", "next_open"] = "close"
    ) -> Self:
        """Return the rules by which vectorbt's `Portfolio.from_signals(fees=fee)` fills.

        By default at the close that decides; "next_open" is what `fshift(1)` with `price=open` gives.
        Sizes are continuous (to 1e-18), fees from the quote.
        """
        return cls("vectorbt", fee=fee, fee_asset="quote", fill=fill, unit=_FINE)


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


def bounds(filters: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return what filters say of step, tick and minimums of orders at market, by the rules' names.

    Source: filters.md, LOT_SIZE, MARKET_LOT_SIZE, PRICE_FILTER, NOTIONAL, MIN_NOTIONAL.
    """
    lots = ("LOT_SIZE", "MARKET_LOT_SIZE")
    # filters.md: a minimum of notional may leave market orders out.
    return {
        "step": max(_of_filter(filters, name, "stepSize") for name in lots),
        "tick": _of_filter(filters, "PRICE_FILTER", "tickSize"),
        "min_qty": max(_of_filter(filters, name, "minQty") for name in lots),
        "min_notional": max(
            _of_filter(filters, "NOTIONAL", "minNotional", unless="applyMinToMarket"),
            _of_filter(filters, "MIN_NOTIONAL", "minNotional", unless="applyToMarket"),
        ),
    }


def _of_filter(
    filters: Sequence[Mapping[str, Any]], filter_type: str, name: str, unless: str = ""
) -> Decimal:
    """Return a number of a filter; 0 where there is no such filter, or `unless` says it is off."""
    row = next((row for row in filters if row.get("filterType") == filter_type), None)
    if row is None or row.get(unless) is False:
        return _ZERO
    return Decimal(str(row.get(name) or 0))
