"""The run: exposures into orders, orders into fills, fills into an equity curve."""

import inspect
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.exposure import Strategy, changes, checked_klines, targets
from bwsresearch.backtesting.ledger import UNIT, Ledger, units
from bwsresearch.backtesting.result import Result
from bwsresearch.backtesting.rules import Rules

__all__ = ["backtest"]


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

    A Series of True and False is exposure 1 and 0. Base that is there at the start counts as bought
    at the first open. Maxima of quantity and the bar's volume are not modelled: an order fills whole.

    Raises:
        ValueError: for klines, exposures or balances that cannot be meant.
        TypeError: when the strategy is no function, or answers with something else than numbers.
    """
    table, chosen = checked_klines(klines), rules if rules is not None else Rules()
    base, quote = _assets(table.attrs.get("symbol"), balances)
    start = {name: _amount(name, balances.get(name, 0)) for name in (base, quote)}
    if not any(start.values()):
        raise ValueError(f"balances are 0, a backtest needs some {quote} or {base} to start with")
    wanted = targets(table, strategy, params or {})
    ledger = Ledger(chosen, start[base], start[quote])
    _follow(ledger, table, wanted)
    return Result(
        klines=table,
        base_asset=base,
        quote_asset=quote,
        rules=chosen,
        params=_defaults(strategy) | dict(params or {}),
        strategy=_name(strategy, table),
        ledger=ledger,
        start=(start[base], start[quote]),
    )


def _follow(ledger: Ledger, klines: pd.DataFrame, wanted: npt.NDArray[np.float64]) -> None:
    # Without base the account is at exposure 0; with it, the first target always counts.
    bars, exposures = changes(wanted, first=0.0 if not ledger.base else np.nan)
    traded = np.flatnonzero(klines["volume"].to_numpy(np.float64) > 0)
    place = np.searchsorted(traded, bars, side="right")
    fill_bars = np.append(traded, -1)[place]
    ledger.follow(
        exposures.tolist(),
        bars.tolist(),
        _in_units(klines["close"], bars),
        fill_bars.tolist(),
        _in_units(klines["open"], fill_bars),
    )


def _in_units(prices: "pd.Series[float]", bars: npt.NDArray[np.int64]) -> list[int]:
    scaled = np.rint(prices.to_numpy(np.float64)[bars] * UNIT)
    whole: list[int] = scaled.astype(np.int64).tolist()
    return whole


def _assets(symbol: object, balances: object) -> tuple[str, str]:
    """Return base and quote: by the symbol that the klines name, read by the balances' names."""
    if not isinstance(balances, Mapping) or not balances:
        raise ValueError(
            f"balances is {balances!r}, name what is there, such as {{'USDT': 10_000}}"
        )
    names = sorted(balances, key=len, reverse=True)
    if not isinstance(symbol, str):
        if len(balances) != 1:
            raise ValueError(
                f"klines name no symbol and balances {', '.join(balances)}; "
                "give the quote asset alone, or set klines.attrs['symbol']"
            )
        return "BASE", names[0]
    ends = [name for name in names if symbol.endswith(name) and name != symbol]
    begins = [name for name in names if symbol.startswith(name) and name != symbol]
    if not ends and not begins:
        raise ValueError(f"balances name {', '.join(names)}, must name the assets of {symbol}")
    quote = ends[0] if ends else symbol.removeprefix(begins[0])
    base = symbol.removesuffix(quote)
    strangers = [name for name in balances if name not in (base, quote)]
    if strangers:
        raise ValueError(
            f"balances name {', '.join(strangers)}, but {symbol} is {base} and {quote}"
        )
    return base, quote


def _amount(asset: str, value: float | str | Decimal) -> int:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"balance of {asset} is {value!r}, must be a number, 0 or more") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"balance of {asset} is {value}, must be 0 or more")
    return units(amount)


def _name(strategy: object, klines: pd.DataFrame) -> str:
    if isinstance(strategy, pd.Series):  # one computed from a column still bears its name
        own = strategy.name is not None and strategy.name not in klines.columns
        return str(strategy.name) if own else "exposure"
    inner = strategy.func if isinstance(strategy, partial) else strategy
    return str(getattr(inner, "__name__", type(inner).__name__))


def _defaults(strategy: object) -> dict[str, object]:
    """Return what a function's parameters are when nobody names them."""
    if not callable(strategy):
        return {}
    try:
        parameters = inspect.signature(strategy).parameters.values()
    except (TypeError, ValueError):  # some functions of C have no signature
        return {}
    return {p.name: p.default for p in list(parameters)[1:] if p.default is not p.empty}
