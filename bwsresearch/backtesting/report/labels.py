"""The names of figures as people read them, in groups, and their numbers in their units."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bwsresearch.backtesting.figures import amount, percent

__all__ = ["GROUPS", "written"]

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Growth": (
        "final_equity", "peak_equity", "return", "buy_and_hold_return", "excess_return", "cagr",
        "best_day", "worst_day", "positive_days",
    ),
    "Risk": (
        "volatility", "max_drawdown", "max_drawdown_days", "average_drawdown",
        "average_drawdown_days", "drawdowns", "ulcer_index", "value_at_risk", "expected_shortfall",
        "skew", "kurtosis", "tail_ratio",
    ),
    "Return for risk": (
        "sharpe", "probabilistic_sharpe", "sortino", "calmar", "omega", "martin", "recovery_factor",
    ),
    "Beside buy and hold": (
        "beta", "alpha", "correlation", "information_ratio", "up_capture", "down_capture",
    ),
    "Holding and costs": (
        "exposure", "average_exposure", "max_exposure", "turnover", "fees", "open_trades",
        "open_pnl",
    ),
    "Trades": (
        "trades", "win_rate", "profit_factor", "profit_factor_pct", "expectancy", "payoff",
        "average_trade", "average_trade_geometric", "best_trade", "worst_trade", "average_win",
        "average_loss", "max_wins", "max_losses", "average_trade_days", "max_trade_days",
        "average_win_days", "average_loss_days", "kelly", "sqn",
    ),
}  # fmt: skip
_PARTS: Final = frozenset({
    "return", "buy_and_hold_return", "excess_return", "cagr", "best_day", "worst_day",
    "positive_days", "volatility", "max_drawdown", "average_drawdown", "ulcer_index",
    "value_at_risk", "expected_shortfall", "probabilistic_sharpe", "alpha", "exposure",
    "average_exposure", "max_exposure", "win_rate", "average_trade", "average_trade_geometric",
    "best_trade", "worst_trade", "average_win", "average_loss", "kelly",
})  # fmt: skip
_QUOTE: Final = frozenset({"final_equity", "peak_equity", "fees", "expectancy", "open_pnl"})
_COUNTS: Final = frozenset({"trades", "open_trades", "drawdowns", "max_wins", "max_losses"})
_NAMES: Final = {
    "buy_and_hold_return": "buy and hold",
    "cagr": "CAGR",
    "sharpe": "Sharpe",
    "probabilistic_sharpe": "probability that Sharpe > 0",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "omega": "Omega",
    "martin": "Martin",
    "max_drawdown_days": "longest drawdown",
    "average_drawdown_days": "average drawdown lasts",
    "value_at_risk": "value at risk, daily, 95 %",
    "expected_shortfall": "expected shortfall, daily, 95 %",
    "profit_factor_pct": "profit factor of returns",
    "average_trade_days": "average trade lasts",
    "max_trade_days": "longest trade",
    "average_win_days": "average win lasts",
    "average_loss_days": "average loss lasts",
    "max_wins": "most wins in a row",
    "max_losses": "most losses in a row",
    "kelly": "Kelly",
    "sqn": "SQN",
}
_NONE: Final = "–"


def written(name: str, value: float, quote: str) -> tuple[str, str]:
    """Return a figure's name and its number with its unit; "–" where there is none."""
    words = _NAMES.get(name, name.replace("_", " "))
    if name in _QUOTE:
        words = f"{words}, {quote}"
    if np.isnan(value):
        return words, _NONE
    return words, _form(name)(value)


def _form(name: str) -> Callable[[float], str]:
    if name in _PARTS:
        return percent
    if name in _QUOTE:
        return amount
    if name in _COUNTS:
        return lambda value: f"{value:,.0f}"
    if name.endswith("_days"):
        return _days
    return lambda value: f"{round(value, 2) + 0.0:,.2f}"


def _days(days: float) -> str:
    if days >= 1.0 or not days:
        return f"{days:,.1f} days"
    return f"{days * 24:.1f} hours" if days * 24 >= 1.0 else f"{days * 1_440:.1f} minutes"
