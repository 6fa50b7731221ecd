"""What a run is called by, and whose balances it begins with."""

import inspect
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import partial

import pandas as pd

__all__ = ["amount", "assets", "default_params", "strategy_name"]


def assets(symbol: object, balances: object) -> tuple[str, str]:
    """Return base and quote: by the symbol that the klines name, read by the balances' names.

    Raises:
        ValueError: when balances name nothing, or assets that the symbol does not consist of.
    """
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


def amount(asset: str, value: float | str | Decimal) -> Decimal:
    """Return what there is of an asset.

    Raises:
        ValueError: when it is no number of 0 or more.
    """
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"balance of {asset} is {value!r}, must be a number, 0 or more") from None
    if not found.is_finite() or found < 0:
        raise ValueError(f"balance of {asset} is {value}, must be 0 or more")
    return found


def strategy_name(strategy: object, klines: pd.DataFrame) -> str:
    """Return what a function or Series is called."""
    if isinstance(strategy, pd.Series):  # one computed from a column still bears its name
        own = strategy.name is not None and strategy.name not in klines.columns
        return str(strategy.name) if own else "exposure"
    inner = strategy.func if isinstance(strategy, partial) else strategy
    return str(getattr(inner, "__name__", type(inner).__name__))


def default_params(strategy: object) -> dict[str, object]:
    """Return what a function's parameters are when nobody names them."""
    if not callable(strategy):
        return {}
    try:
        parameters = inspect.signature(strategy).parameters.values()
    except (TypeError, ValueError):  # some functions of C have no signature
        return {}
    return {p.name: p.default for p in list(parameters)[1:] if p.default is not p.empty}
