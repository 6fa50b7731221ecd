"""What a run is given: klines of one symbol or several, balances and rules, checked and named."""

from collections.abc import Mapping
from decimal import Decimal

import pandas as pd

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.exposure import checked_klines
from bwsresearch.backtesting.naming import amount, assets, default_params, strategy_name
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Strategy, parameters_of
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Balances", "balances_of", "bars_of", "name_of", "params_of", "rules_of"]

Balances = Mapping[str, float | int | str | Decimal]
"""What is there at the start, by asset."""


def bars_of(klines: object, balances: object) -> dict[str, Bars]:
    """Return the bars of each symbol, with its assets as the balances name them.

    Raises:
        ValueError: when klines or balances cannot be meant.
        TypeError: when klines are no frame.
    """
    if isinstance(klines, pd.DataFrame) and klines.columns.nlevels > 1:
        return _bars_of_many(klines, balances)
    table = checked_klines(klines)  # type: ignore[arg-type] # it refuses what is none
    symbol = table.attrs.get("symbol")
    base, quote = assets(symbol, _without_bnb(symbol, balances))
    name = symbol if isinstance(symbol, str) else base + quote
    return {name: Bars(name, base, quote, table)}


def _without_bnb(symbol: object, balances: object) -> object:
    """Return what assets are told by: BNB may be there to pay fees with."""
    if not isinstance(balances, Mapping) or "BNB" in str(symbol) or len(balances) < 2:
        return balances
    return {asset: balance for asset, balance in balances.items() if asset != "BNB"}


def _bars_of_many(klines: pd.DataFrame, balances: object) -> dict[str, Bars]:
    if not isinstance(balances, Mapping) or not balances:
        raise ValueError(
            f"balances is {balances!r}, name what is there, such as {{'USDT': 10_000}}"
        )
    symbols = [str(name) for name in klines.columns.get_level_values(-1).unique()]
    quotes = [asset for asset in balances if all(s.endswith(asset) and s != asset for s in symbols)]
    if not quotes:
        raise ValueError(
            f"balances name {', '.join(balances)}, must name the asset that "
            f"{', '.join(symbols)} are all paid with"
        )
    quote = max(quotes, key=len)
    found: dict[str, Bars] = {}
    for symbol in symbols:
        part = pd.DataFrame(klines.xs(symbol, axis=1, level=-1))
        one = part[part["close"].notna()]
        one.attrs = {**klines.attrs, "symbol": symbol}
        found[symbol] = Bars(symbol, symbol.removesuffix(quote), quote, checked_klines(one))
    strangers = set(balances) - {quote, "BNB"} - {one.base for one in found.values()}
    if strangers:
        raise ValueError(
            f"balances name {', '.join(sorted(strangers))}, which no symbol of the klines has"
        )
    return found


def balances_of(balances: Balances) -> dict[str, int]:
    """Return amounts in 1e-8.

    Raises:
        ValueError: when one is no number, or all are 0.
    """
    found = {asset: _amount(asset, value) for asset, value in balances.items()}
    if not any(found.values()):
        raise ValueError(f"balances of {', '.join(found)} are 0, a run needs some to start with")
    return found


def _amount(asset: str, value: float | str | Decimal) -> int:
    above, below = amount(asset, value).as_integer_ratio()
    return above * UNIT // below


def rules_of(
    bars: Mapping[str, Bars], rules: Rules | Mapping[str, Rules] | None
) -> dict[str, Rules]:
    """Return the rules of each symbol; what is of the account is the same for all.

    Raises:
        ValueError: when a symbol has none, or they differ in what an account has once.
        TypeError: when they are no rules.
    """
    if rules is None or isinstance(rules, Rules):
        return dict.fromkeys(bars, rules or Rules())
    given: object = rules  # in a notebook, nobody checks types
    if not (isinstance(given, Mapping) and all(isinstance(r, Rules) for r in given.values())):
        raise TypeError(
            f"rules is {rules!r}, must be a Rules such as bws.Rules.binance({next(iter(bars))!r}), "
            "or one for each symbol"
        )
    missing = [name for name in bars if name not in rules]
    if missing:
        raise ValueError(f"rules has none for {', '.join(missing)}; give one for each symbol")
    found = {name: rules[name] for name in bars}
    for name in ("fee", "fee_maker", "fee_asset", "unit", "latency"):
        values = {getattr(one, name) for one in found.values()}
        if len(values) > 1:
            raise ValueError(
                f"rules differ in {name} ({', '.join(sorted(map(str, values)))}), "
                "which belongs to the account: give all symbols the same"
            )
    return found


def name_of(strategy: object, klines: pd.DataFrame) -> str:
    """Return what a strategy is called."""
    is_frame = isinstance(strategy, pd.DataFrame)
    return "exposures" if is_frame else strategy_name(strategy, klines)


def params_of(strategy: object, params: Mapping[str, object]) -> dict[str, object]:
    """Return a strategy's parameters, its defaults among them."""
    if isinstance(strategy, type) and issubclass(strategy, Strategy):
        return parameters_of(strategy) | dict(params)
    return default_params(strategy) | dict(params)
