"""Quantstats reads the daily returns it is given: see backtests.py. Needs the package `quantstats`."""

import warnings

import numpy as np
import pandas as pd
import quantstats as qs
from backtests import main

YEAR = 365
WINDOW = 30


def rows_of(own, market):
    """Return the rows of its report by name, from the functions that it rounds them from."""
    s = qs.stats
    greeks = s.greeks(own, market, YEAR)
    return {
        "Time in Market": s.exposure(own),
        "Cumulative Return": s.comp(own),
        "CAGR﹪": s.cagr(own, periods=YEAR),
        "Sharpe": s.sharpe(own, periods=YEAR),
        "Prob. Sharpe Ratio": s.probabilistic_sharpe_ratio(own, periods=YEAR),
        "Smart Sharpe": s.smart_sharpe(own, periods=YEAR),
        "Sortino": s.sortino(own, 0, YEAR),
        "Smart Sortino": s.smart_sortino(own, 0, YEAR),
        "Sortino/√2": s.adjusted_sortino(own, periods=YEAR),
        "Smart Sortino/√2": s.adjusted_sortino(own, periods=YEAR, smart=True),
        "Omega": s.omega(own, periods=YEAR),
        "Max Drawdown": s.max_drawdown(own),
        "Volatility (ann.)": s.volatility(own, YEAR),
        "R^2": s.r_squared(own, market),
        "Information Ratio": s.information_ratio(own, market),
        "Calmar": s.calmar(own, periods=YEAR),
        "Skew": s.skew(own),
        "Kurtosis": s.kurtosis(own),
        "Ulcer Performance Index": s.ulcer_performance_index(own),
        "Risk-Adjusted Return": s.rar(own, periods=YEAR),
        "Risk-Return Ratio": s.risk_return_ratio(own),
        "Avg. Return": s.avg_return(own),
        "Avg. Win": s.avg_win(own),
        "Avg. Loss": s.avg_loss(own),
        "Win/Loss Ratio": s.win_loss_ratio(own),
        "Profit Ratio": s.profit_ratio(own),
        "Expected Daily": s.expected_return(own),
        "Expected Monthly": s.expected_return(own, "ME"),
        "Expected Yearly": s.expected_return(own, "YE"),
        "Kelly Criterion": s.kelly_criterion(own),
        "Risk of Ruin": s.risk_of_ruin(own),
        "Daily Value-at-Risk": -abs(s.var(own)),
        "Expected Shortfall (cVaR)": -abs(s.cvar(own)),
        "Max Consecutive Wins": s.consecutive_wins(own),
        "Max Consecutive Losses": s.consecutive_losses(own),
        "Gain/Pain Ratio": s.gain_to_pain_ratio(own),
        "Gain/Pain (1M)": s.gain_to_pain_ratio(own, 0, "ME"),
        "Payoff Ratio": s.payoff_ratio(own),
        "Profit Factor": s.profit_factor(own),
        "Common Sense Ratio": s.common_sense_ratio(own),
        "CPC Index": s.cpc_index(own),
        "Tail Ratio": s.tail_ratio(own),
        "Outlier Win Ratio": s.outlier_win_ratio(own),
        "Outlier Loss Ratio": s.outlier_loss_ratio(own),
        "All-time (ann.)": s.cagr(own, periods=YEAR),
        "Best Day": s.best(own),
        "Worst Day": s.worst(own),
        "Best Month": s.best(own, "ME"),
        "Worst Month": s.worst(own, "ME"),
        "Best Year": s.best(own, "YE"),
        "Worst Year": s.worst(own, "YE"),
        "Recovery Factor": s.recovery_factor(own),
        "Ulcer Index": s.ulcer_index(own),
        "Serenity Index": s.serenity_index(own),
        "Avg. Up Month": s.avg_win(own, "ME"),
        "Avg. Down Month": s.avg_loss(own, "ME"),
        "Win Days": s.win_rate(own),
        "Win Month": s.win_rate(own, "ME"),
        "Win Quarter": s.win_rate(own, "QE"),
        "Win Year": s.win_rate(own, "YE"),
        "Beta": greeks["beta"],
        "Alpha": greeks["alpha"],
        "Correlation": own.tz_localize(None).corr(market),
        "Treynor Ratio": s.treynor_ratio(own, market, YEAR),
    }


def run(task):
    index = pd.DatetimeIndex(task["began"].astype("M8[us]"), tz="UTC")
    own = pd.Series(task["returns"], index=index)  # as they are; a benchmark must have no zone
    market = pd.Series(task["market"], index=index.tz_localize(None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = rows_of(own, market)
        table = qs.reports.metrics(
            own.copy(), market.copy(), mode="full", display=False, periods_per_year=YEAR, match_dates=False
        )  # fmt: skip
        rows |= {f"report: {name}": value for name, value in table["Strategy"].items()}
        rolled = qs.stats.rolling_greeks(own, market, WINDOW)
        arrays = {
            "volatility": qs.stats.rolling_volatility(own, WINDOW, YEAR),
            "sharpe": qs.stats.rolling_sharpe(own, 0.0, WINDOW, periods_per_year=YEAR),
            "sortino": qs.stats.rolling_sortino(own, 0, WINDOW, periods_per_year=YEAR),
            "beta": rolled["beta"],
        }
        months = qs.stats.monthly_returns(own)
    arrays = {name: series.to_numpy(np.float64) for name, series in arrays.items()}
    arrays |= {"months": months.to_numpy(np.float64), "is_same": np.array(own.index.equals(index))}
    return arrays, {name: as_number(value) for name, value in rows.items()}


def as_number(value):
    """Return what its report writes as text as the number that it is, dates as they are."""
    if not isinstance(value, str):
        return value
    try:
        return float(value.rstrip("%"))
    except ValueError:
        return value


if __name__ == "__main__":
    main("quantstats", run)
