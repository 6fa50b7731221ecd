"""What backtesting.py reports: geometric means of days, open trades left out, percents.

Its year has 365 days where bars fall on weekends, else 252; its curve begins with the first close; its
drawdowns and times count from opens of bars. `Performance.warmup` is where its buy and hold begins.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from bwsresearch.backtesting.statistics import ratios, trading
from bwsresearch.backtesting.statistics.drawdowns import Drawdowns, drawdown, drawdowns
from bwsresearch.backtesting.statistics.performance import Performance
from bwsresearch.backtesting.statistics.periods import DAY_US, Floats, Ints, changes

__all__ = ["CONVENTIONS", "rows"]

CONVENTIONS: Final = (
    "backtesting.py: geometric daily returns from the first day's close on, 365 days a year (252 without "
    "weekends), ddof 1; CAGR on 365.25 days; drawdown on bars; trades by their returns, in percent"
)
_WEEKENDS: Final = 2 / 7 * 0.6
_LONG_BARS: Final = {7: 52.0, 31: 12.0, 365: 1.0}
"""How many bars of so many days it counts in a year."""
_UNITS_US: Final = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)


class _Years(NamedTuple):
    """Returns of the periods that it counts in, and how many of them make a year."""

    returns: Floats
    per_year: float
    mean: float


def rows(performance: Performance) -> dict[str, object]:
    """Return its rows under its names, in its order: percents, Timestamps and Timedeltas."""
    down = drawdown(performance.equity)
    with np.errstate(all="ignore"):
        return (
            _span(performance)
            | _totals(performance)
            | _ratios(performance, float(down.min()))
            | _fallen(performance, down)
            | _trades(performance)
        )


def _span(performance: Performance) -> dict[str, object]:
    start, end = (pd.Timestamp(int(t), unit="us", tz="UTC") for t in performance.opened[[0, -1]])
    return {"Start": start, "End": end, "Duration": end - start}


def _totals(performance: Performance) -> dict[str, object]:
    equity, trades = performance.equity, performance.trades.closed
    return {
        "Exposure Time [%]": _covered(performance) * 100,
        "Equity Final [$]": float(equity[-1]),
        "Equity Peak [$]": float(equity.max()),
        "Commissions [$]": float(trades.fees.sum()),
        "Return [%]": _own(performance) * 100,
        "Buy & Hold Return [%]": _market(performance) * 100,
    }


def _own(performance: Performance) -> float:
    return float(performance.equity[-1] / performance.equity[0]) - 1.0


def _market(performance: Performance) -> float:
    held = performance.benchmark
    return float(held[-1] / held[performance.warmup]) - 1.0


def _covered(performance: Performance) -> float:
    """Return the part of bars from a closed trade's entry to its exit, both counted."""
    trades, bars = performance.trades.closed, len(performance.opened)
    turns = np.bincount(trades.entry_bar, minlength=bars + 1).astype(np.int64)
    turns -= np.bincount(trades.exit_bar + 1, minlength=bars + 1)
    return float(np.mean(np.cumsum(turns[:bars]) > 0))


def _ratios(performance: Performance, worst: float) -> dict[str, object]:
    years = _years(performance)
    growth = ratios.compounded(1.0 + years.mean, years.per_year)
    variance = float(np.var(years.returns, ddof=1)) if len(years.returns) > 1 else math.nan
    squared = np.float64(1.0 + years.mean) ** 2  # of NumPy: infinite, where a float would raise
    spread = (variance + squared) ** years.per_year - squared**years.per_year
    volatility = float(np.sqrt(spread))
    elapsed = float(performance.opened[-1] - performance.opened[0]) / DAY_US / 365.25
    cagr = ratios.compounded(1.0 + _own(performance), 1.0 / elapsed) if elapsed else math.nan
    own, market = (changes(c) for c in (performance.equity, performance.benchmark))
    beta = ratios.beta(np.log1p(own), np.log1p(market))
    return {
        "Return (Ann.) [%]": growth * 100,
        "Volatility (Ann.) [%]": volatility * 100,
        "CAGR [%]": cagr * 100,
        "Sharpe Ratio": ratios.ratio(growth, volatility),
        "Sortino Ratio": ratios.ratio(
            growth, ratios.downside(years.returns) * math.sqrt(years.per_year)
        ),
        "Calmar Ratio": ratios.ratio(growth, -worst),
        "Alpha [%]": (_own(performance) - beta * _market(performance)) * 100,
        "Beta": beta,
    }


def _years(performance: Performance) -> _Years:
    days = performance.opened // DAY_US
    last = np.flatnonzero(np.append(days[1:] != days[:-1], True))  # days without bars do not count
    returns = changes(performance.equity[last])
    weekday = (days + 3) % 7  # 1970 began on a Thursday
    usual = 365.0 if np.mean(weekday >= 5) > _WEEKENDS else 252.0
    length = performance.bar_days
    per_year = usual if math.isnan(length) else _LONG_BARS.get(int(length), usual)
    return _Years(returns, per_year, _geometric(returns))


def _geometric(returns: Floats) -> float:
    """Return the geometric mean; 0 when one lost all."""
    return trading.geometric_mean(returns) if (returns > -1.0).all() else 0.0


def _fallen(performance: Performance, down: Floats) -> dict[str, object]:
    found = drawdowns(down)
    # One that begins with the last bar is not seen.
    seen = found.end > found.peak + 1
    found = Drawdowns(found.peak[seen], found.end[seen], found.depth[seen], found.is_open[seen])
    lengths = performance.opened[found.end] - performance.opened[found.peak]
    return {
        "Max. Drawdown [%]": float(down.min()) * 100,
        "Avg. Drawdown [%]": ratios.mean(found.depth) * 100,
        "Max. Drawdown Duration": _longest(performance, lengths),
        "Avg. Drawdown Duration": _average(performance, lengths),
    }


def _trades(performance: Performance) -> dict[str, object]:
    trades = performance.trades.closed
    pnl, parts = trades.pnl, trades.returns
    lengths = performance.opened[trades.exit_bar] - performance.opened[trades.entry_bar]
    return {
        "# Trades": len(trades),
        "Win Rate [%]": trading.win_rate(pnl) * 100,
        "Best Trade [%]": float(parts.max()) * 100 if len(parts) else math.nan,
        "Worst Trade [%]": float(parts.min()) * 100 if len(parts) else math.nan,
        "Avg. Trade [%]": _geometric(parts) * 100,
        "Max. Trade Duration": _longest(performance, lengths),
        "Avg. Trade Duration": _average(performance, lengths),
        "Profit Factor": trading.profit_factor(parts),
        "Expectancy [%]": ratios.mean(parts) * 100,
        "SQN": trading.quality(pnl),
        "Kelly Criterion": trading.kelly(pnl),
    }


def _longest(performance: Performance, lengths: Ints) -> object:
    return _rounded(performance, int(lengths.max())) if len(lengths) else math.nan


def _average(performance: Performance, lengths: Ints) -> object:
    return _rounded(performance, math.floor(np.mean(lengths))) if len(lengths) else math.nan


def _rounded(performance: Performance, length: int) -> pd.Timedelta:
    """Return a length rounded up to the largest unit that the bars' own length is whole in."""
    bar = 1 if math.isnan(performance.bar_days) else round(performance.bar_days * DAY_US)
    unit = next((unit for unit in _UNITS_US if bar % unit == 0), 1)
    return pd.Timedelta(-(-length // unit) * unit, unit="us")
