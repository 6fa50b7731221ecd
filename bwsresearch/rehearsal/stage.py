"""The klines of a run as a market that an exchange serves, listed as the run's rules say."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.terms import listing, model
from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.exchange.fills import ModelConfig
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.times import STEP_MS

__all__ = ["account_model", "staged"]

_UNIT: Final = 1 / UNIT
_FEWEST: Final = 4
"""As many trades make a bar of four prices: how many there were is not known."""

Numbers: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def staged(bars: Mapping[str, Bars], rules: Mapping[str, Rules]) -> RecordedMarket:
    """Return the market of bars.

    What klines do not have besides their prices and volume is made up: a bar's quote volume by its
    close, half of it bought by takers.

    Raises:
        ValueError: for bars of a length that the exchange does not have.
    """
    return RecordedMarket(
        {
            symbol: Recording(
                {_interval(one): _columns(one)},
                info=_listed(rules[symbol], one),
            )
            for symbol, one in bars.items()
        }
    )


def _listed(rules: Rules, bars: Bars) -> SymbolInfo:
    """Return the row of exchangeInfo: rules may leave tick and step out, the exchange has them always."""
    info = listing(rules, bars.symbol, bars.base, bars.quote)
    rows = {str(row["filterType"]): row for row in info.filters}
    for kind, name in (("PRICE_FILTER", "tickSize"), ("LOT_SIZE", "stepSize")):
        row = rows.get(kind, {"filterType": kind})
        rows[kind] = {name: decimal(1)} | row
    return msgspec.structs.replace(info, filters=list(rows.values()))


def account_model(rules: Mapping[str, Rules]) -> ModelConfig:
    """Return the fill model of an account that trades by rules on bars.

    Raises:
        ValueError: for rules that no account of this exchange can have.
    """
    for one in rules.values():
        if one.unit != Rules().unit:
            raise ValueError(
                f"unit is {one.unit}, but a paper account counts in {Rules().unit:f}; "
                "leave unit out, or use bws.backtest"
            )
        if one.fill != "next_open":
            raise ValueError(
                f"fill is {one.fill!r}, but a paper run has bars alone and fills at the next open; "
                "use bws.backtest for others"
            )
    models = {symbol: model(one) for symbol, one in rules.items()}
    first, *others = models.values()
    if any(one != first for one in others):
        raise ValueError(
            "rules differ in slippage_bps, participation or latency, which an account has once: "
            f"give {', '.join(models)} the same"
        )
    return first


def _interval(bars: Bars) -> Interval:
    """Return what bars of such a length are called."""
    attrs = bars.klines.attrs
    step = int(bars.over[-1] - bars.opened[-1])
    fitting = [name for name, length in STEP_MS.items() if length == step]
    if attrs.get("interval") == "1M":
        return "1M"
    if "rule" in attrs or not fitting:
        raise ValueError(
            f"klines of {bars.symbol} are no bars of the exchange ({', '.join(INTERVALS)}); "
            "use bws.backtest for others"
        )
    return fitting[0]


def _columns(bars: Bars) -> dict[str, Numbers]:
    """Return bars as they are recorded; see `tables.schemas.KLINES`."""
    volume = np.maximum(_floats(bars, "volume", 0.0), bars.is_traded * _UNIT)
    paid = _floats(bars, "quote_volume", bars.quote_volume * _UNIT)
    found: dict[str, Numbers] = {
        "open_time": bars.opened * 1000,
        "close_time": bars.closed * 1000 + 999,
        "volume": volume,
        "quote_volume": paid,
        "trades": _floats(bars, "trades", bars.is_traded * _FEWEST).astype(np.int64),
        "taker_buy_volume": _floats(bars, "taker_buy_volume", volume / 2),
        "taker_buy_quote_volume": _floats(bars, "taker_buy_quote_volume", paid / 2),
    }
    for name in ("open", "high", "low", "close"):
        found[name] = _floats(bars, name, 0.0)
    return found


def _floats(bars: Bars, name: str, otherwise: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a column; `otherwise` where the klines do not have it."""
    if name not in bars.klines.columns:
        return np.broadcast_to(np.asarray(otherwise, np.float64), len(bars))
    values: npt.NDArray[np.float64] = bars.klines[name].to_numpy(np.float64)
    return values
