"""The run: exposures into orders, orders into fills, fills into an equity curve."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.exposure import Strategy, changes, checked_klines, targets
from bwsresearch.backtesting.ledger import UNIT, Ledger, units
from bwsresearch.backtesting.result import Result
from bwsresearch.backtesting.rules import Rules

__all__ = ["backtest"]

_QUOTES: Final = ("USDT", "FDUSD", "USDC", "TUSD", "BUSD", "DAI", "EUR", "TRY", "BRL", "USD", "BTC")


def backtest(
    klines: pd.DataFrame,
    strategy: "Strategy | pd.Series[Any]",
    *,
    balances: Mapping[str, float | int | str | Decimal],
    rules: Rules | None = None,
    params: Mapping[str, object] | None = None,
) -> Result:
    """Run a strategy over closed klines and return what it would have done.

    The strategy's target exposure (part of the equity that is held in base) is decided at a bar's
    close; an order is sent when the target changes, and fills at the open of the next bar in which
    something was traded. A buy spends `target × equity − position` of the quote, valued at the close
    it was decided at: what it buys for that is known at the fill. A sale sells as much base. NaN
    holds. Amounts are exact to 1e-8 and rounded as the exchange rounds them.

    Args:
        klines: the frame of `bws.klines` for one symbol, or one with its columns and a UTC index.
        strategy: a function of the klines and of `params` to a Series or array of exposures (0 to 1),
            or such a Series. At each bar it must look at that bar and earlier ones only.
        balances: what is there at the start, such as {"USDT": 10_000}; base may be among it.
        rules: fees, steps and minimums; 0.1 % of what is received when left out.
        params: arguments of the strategy, by name.

    Raises:
        ValueError: for klines, exposures or balances that cannot be meant.
        TypeError: when the strategy is no function, or answers with something else than numbers.
    """
    table, chosen = checked_klines(klines), rules or Rules()
    base, quote = _assets(table.attrs.get("symbol"), balances)
    start = {name: _amount(name, balances.get(name, 0)) for name in (base, quote)}
    wanted = targets(table, strategy, params or {})
    ledger = Ledger(chosen, start[base], start[quote])
    _follow(ledger, table, wanted)
    return Result(
        klines=table,
        base_asset=base,
        quote_asset=quote,
        rules=chosen,
        params=dict(params or {}),
        strategy=_name(strategy),
        ledger=ledger,
        start=(start[base], start[quote]),
    )


def _follow(ledger: Ledger, klines: pd.DataFrame, wanted: npt.NDArray[np.float64]) -> None:
    closes = klines["close"].to_numpy(np.float64)
    # Without base the account is at exposure 0; with it, the first target always counts.
    bars = changes(wanted, 0.0 if not ledger.base else np.nan)
    traded = np.flatnonzero(klines["volume"].to_numpy(np.float64) > 0)
    place = np.searchsorted(traded, bars, side="right")
    can = place < len(traded)
    fill_bars = np.full(len(bars), -1)
    fill_bars[can] = traded[place[can]]
    opens = klines["open"].to_numpy(np.float64)[np.maximum(fill_bars, 0)]
    ledger.follow(
        wanted[bars].tolist(),
        bars.tolist(),
        np.rint(closes[bars] * UNIT).astype(np.int64).tolist(),
        fill_bars.tolist(),
        np.rint(opens * UNIT).astype(np.int64).tolist(),
    )


def _assets(symbol: object, balances: Mapping[str, Any]) -> tuple[str, str]:
    """Return base and quote: by the symbol that the klines name, else by the balances."""
    if not balances:
        raise ValueError("balances is empty, name what is there, such as {'USDT': 10_000}")
    if not isinstance(symbol, str):
        if len(balances) != 1:
            raise ValueError(
                f"klines name no symbol and balances {', '.join(balances)}; "
                "give the quote asset alone, or set klines.attrs['symbol']"
            )
        return "BASE", next(iter(balances))
    quotes = sorted((*balances, *_QUOTES), key=len, reverse=True)
    quote = next((q for q in quotes if symbol.endswith(q) and len(symbol) > len(q)), symbol[-3:])
    base = symbol.removesuffix(quote)
    strangers = [name for name in balances if name not in (base, quote)]
    if strangers:
        raise ValueError(
            f"balances name {', '.join(strangers)}, but {symbol} is {base} and {quote}"
        )
    return base, quote


def _amount(asset: str, value: float | str | Decimal) -> int:
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"balance of {asset} is {value}, must be 0 or more")
    return units(amount)


def _name(strategy: object) -> str:
    return str(getattr(strategy, "__name__", None) or getattr(strategy, "name", None) or "strategy")
