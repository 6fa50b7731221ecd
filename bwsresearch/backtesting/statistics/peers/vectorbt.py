"""What vectorbt reports: returns of bars, a year of 365 days, counts of bars as times.

Its benchmark buys at the first close; its drawdowns count from the first close, its ratios from the
start. Rows: those of `Portfolio.stats()`, the further ones of `Portfolio.returns_stats()`, then what its
accessors compute, under their names.
"""

import math
from typing import Final

import numpy as np
import pandas as pd

from bwsresearch.backtesting.statistics import ratios, trading
from bwsresearch.backtesting.statistics.drawdowns import drawdown, drawdowns
from bwsresearch.backtesting.statistics.performance import Performance, Trades
from bwsresearch.backtesting.statistics.periods import DAY_US, Floats, changes

__all__ = ["CONVENTIONS", "rows"]

CONVENTIONS: Final = (
    "vectorbt: returns of bars, arithmetic, 365 days a year, ddof 1; benchmark from the first close; "
    "drawdown on bars; closed trades, profit factor and expectancy in quote"
)
_NS: Final = 1_000


def rows(performance: Performance) -> dict[str, object]:
    """Return its rows under its names, in its order: percents, Timestamps and Timedeltas."""
    own = changes(performance.equity, performance.initial)
    market = changes(performance.benchmark, float(performance.benchmark[0]))
    per_year = 365.0 / performance.bar_days
    growth = ratios.compounded(
        float(performance.equity[-1]) / performance.initial, per_year / len(own)
    )
    with np.errstate(all="ignore"):
        return (
            _totals(performance)
            | _fallen(performance)
            | _counts(performance)
            | _trades(performance, performance.trades.closed)
            | _ratios(performance, own, per_year, growth)
            | _distribution(own, per_year, growth)
            | _market(own, market, per_year, growth)
        )


def _length(performance: Performance, bars: float) -> object:
    """Return so many bars as a length of time; NaN of no bars, or of bars of unknown length."""
    length = bars * performance.bar_days * DAY_US * _NS
    return math.nan if math.isnan(length) else pd.Timedelta(round(length), unit="ns")


def _totals(performance: Performance) -> dict[str, object]:
    start, end = (pd.Timestamp(int(t), unit="us", tz="UTC") for t in performance.opened[[0, -1]])
    held, final = performance.benchmark, float(performance.equity[-1])
    return {
        "Start": start,
        "End": end,
        "Period": _length(performance, len(performance.opened)),
        "Start Value": performance.initial,
        "End Value": final,
        "Total Return [%]": (final / performance.initial - 1.0) * 100,
        "Benchmark Return [%]": (float(held[-1] / held[0]) - 1.0) * 100,
        "Max Gross Exposure [%]": float(performance.exposure.max()) * 100,
        "Total Fees Paid": performance.fees,
    }


def _fallen(performance: Performance) -> dict[str, object]:
    """Return the worst and the longest drawdown, which lasts from the bar after its peak."""
    down = drawdown(performance.equity)
    found = drawdowns(down)
    bars = found.end - found.peak - ~found.is_open
    return {
        "Max Drawdown [%]": -float(down.min()) * 100 if len(bars) else math.nan,
        "Max Drawdown Duration": _length(performance, float(bars.max()) if len(bars) else math.nan),
    }


def _counts(performance: Performance) -> dict[str, object]:
    trades = performance.trades
    opened = trades.is_open
    return {
        "Total Trades": len(trades),
        "Total Closed Trades": int(np.count_nonzero(~opened)),
        "Total Open Trades": int(np.count_nonzero(opened)),
        "Open Trade PnL": float(trades.pnl[opened].sum()),
    }


def _trades(performance: Performance, trades: Trades) -> dict[str, object]:
    pnl, parts = trades.pnl, trades.returns
    won, lost = pnl > 0, pnl < 0
    return {
        "Win Rate [%]": trading.win_rate(pnl) * 100,
        "Best Trade [%]": float(parts.max()) * 100 if len(parts) else math.nan,
        "Worst Trade [%]": float(parts.min()) * 100 if len(parts) else math.nan,
        "Avg Winning Trade [%]": ratios.mean(parts[won]) * 100,
        "Avg Losing Trade [%]": ratios.mean(parts[lost]) * 100,
        "Avg Winning Trade Duration": _length(performance, ratios.mean(trades.bars[won])),
        "Avg Losing Trade Duration": _length(performance, ratios.mean(trades.bars[lost])),
        "Profit Factor": trading.profit_factor(pnl),
        "Expectancy": ratios.mean(pnl),
    }


def _ratios(
    performance: Performance, own: Floats, per_year: float, growth: float
) -> dict[str, object]:
    """Return the ratios; those without anything to divide by are infinite in its eyes."""
    down = drawdown(performance.equity, performance.initial)
    ulcer = math.sqrt(ratios.mean(down**2))
    return {
        "Sharpe Ratio": _infinite(ratios.sharpe(own, per_year)),
        "Calmar Ratio": ratios.ratio(growth, -float(down.min())),
        "Omega Ratio": _infinite(ratios.omega(own)),
        "Sortino Ratio": _infinite(ratios.sortino(own, per_year)),
        "ulcer_index": ulcer,
        "martin_ratio": ratios.ratio(growth, ulcer),
        "downside_risk": ratios.downside(own) * math.sqrt(per_year),
        "sqn": trading.quality(performance.trades.closed.pnl),
    }


def _distribution(own: Floats, per_year: float, growth: float) -> dict[str, object]:
    tails = _infinite(ratios.tail_ratio(own))
    return {
        "Annualized Return [%]": growth * 100,
        "Annualized Volatility [%]": ratios.deviation(own) * math.sqrt(per_year) * 100,
        "Skew": ratios.skew(own),
        "Kurtosis": ratios.kurtosis(own),
        "Tail Ratio": tails,
        "Common Sense Ratio": tails * (1.0 + growth),
        "Value at Risk": ratios.value_at_risk(own),
        "cond_value_at_risk": ratios.expected_shortfall(own),
    }


def _market(own: Floats, market: Floats, per_year: float, growth: float) -> dict[str, object]:
    beta = ratios.beta(own, market)
    alpha = ratios.compounded(ratios.mean(own - beta * market) + 1.0, per_year)
    up, down = market > 0, market < 0
    return {
        "Alpha": alpha,
        "Beta": beta,
        "information_ratio": _infinite(ratios.sharpe(own - market)),
        "capture": _infinite(ratios.ratio(growth, ratios.per_period(market, per_year))),
        "up_capture": _captured(own[up], market[up], per_year),
        "down_capture": _captured(own[down], market[down], per_year),
    }


def _captured(own: Floats, market: Floats, per_year: float) -> float:
    if not len(own):
        return math.nan
    return _infinite(
        ratios.ratio(ratios.per_period(own, per_year), ratios.per_period(market, per_year))
    )


def _infinite(value: float) -> float:
    return math.inf if math.isnan(value) else value
