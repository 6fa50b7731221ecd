"""A result's figures and numbers as people read them."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["amount", "figures", "fixed", "money", "percent"]

_NONE: Final = "–"
_MANY: Final = 100.0
"""From 10,000 % on, decimals say nothing."""


def figures(result: "Result") -> dict[str, str]:
    """Return all figures by their names, in the order of reading."""
    stats = result.stats()
    quote = result.quote_asset
    days = stats["max_drawdown_days"]
    return {
        f"final equity, {quote}": amount(stats["final_equity"]),
        "return": percent(stats["return"]),
        "buy and hold": percent(stats["buy_and_hold_return"]),
        "CAGR": percent(stats["cagr"]),
        "volatility": percent(stats["volatility"]),
        "Sharpe": _plain(stats["sharpe"]),
        "Sortino": _plain(stats["sortino"]),
        "Calmar": _plain(stats["calmar"]),
        "max drawdown": percent(stats["max_drawdown"]),
        "longest drawdown": f"{days:,.1f} days",
        "exposure": percent(stats["exposure"]),
        f"fees, {quote}": amount(stats["fees"]),
        "trades": f"{stats['trades']:,.0f}",
        "win rate": percent(stats["win_rate"]),
        "profit factor": _plain(stats["profit_factor"]),
        "average trade": percent(stats["average_trade"]),
        "best trade": percent(stats["best_trade"]),
        "worst trade": percent(stats["worst_trade"]),
    }


def percent(part: float, decimals: int = 2) -> str:
    """Return a part of one in percent; what is not quite all lost never reads -100 %."""
    if np.isnan(part):
        return _NONE
    if part >= _MANY:
        return f"{part:,.0%}"
    while -1.0 < part < -0.99 and round(part, decimals + 2) == -1.0 and decimals < 8:
        decimals += 2
    return f"{round(part, decimals + 2) + 0.0:,.{decimals}%}"


def amount(value: float) -> str:
    """Return an amount of money: two decimals, below one up to the eight that the exchange has."""
    if np.isnan(value):
        return _NONE
    if abs(value) >= 1.0 or not value:
        return f"{value:,.2f}"
    return f"{value:.8f}".rstrip("0") if abs(value) < 0.01 else f"{value:.4f}"


def fixed(values: Iterable[float], most: int = 8) -> list[str]:
    """Return the numbers of one column with as many decimals as the most exact of them needs.

    Never more than eight, and no more than ten digits in all.
    """
    rows = [float(value) for value in values]
    known = [abs(value) for value in rows if not np.isnan(value)]
    room = max(0, 10 - len(f"{max(known, default=0.0):.0f}"))
    decimals = next(
        (d for d in range(most) if all(abs(v - round(v, d)) < 0.5e-8 for v in known)), most
    )
    decimals = min(decimals, room)
    return [_NONE if np.isnan(value) else f"{value:,.{decimals}f}" for value in rows]


def money(values: Iterable[float]) -> list[str]:
    """Return the amounts of one column: five digits of the greatest, at least two decimals."""
    rows = [float(value) for value in values]
    greatest = max((abs(value) for value in rows if value), default=1.0)
    decimals = min(max(4 - math.floor(math.log10(greatest)), 2), 8)
    return [f"{value:,.{decimals}f}" for value in rows]


def _plain(value: float) -> str:
    return _NONE if np.isnan(value) else f"{round(value, 2) + 0.0:,.2f}"
