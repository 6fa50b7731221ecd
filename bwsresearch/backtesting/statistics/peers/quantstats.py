"""What quantstats reports of daily returns: the rows of `reports.metrics(mode="full")`, not rounded.

Parts of one, as it gives them with `display=False` and `match_dates=False`; as many returns a year as
ours, 365, as with `periods_per_year=365`. "Risk-Adjusted Return" alone keeps to 252 whatever it is told.
Weekday, month, quarter and year are the calendar's; the benchmark is buy and hold.
"""

import math
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.statistics import ratios, trading
from bwsresearch.backtesting.statistics.drawdowns import drawdown, drawdowns, troughs
from bwsresearch.backtesting.statistics.performance import Performance
from bwsresearch.backtesting.statistics.periods import DAY_US, Floats, Ints
from bwsresearch.backtesting.statistics.selection import probabilistic_sharpe

__all__ = ["CONVENTIONS", "of_returns", "rows"]

Rows: TypeAlias = dict[str, object]

CONVENTIONS: Final = (
    "quantstats: daily UTC returns, arithmetic, 365 a year, ddof 1; CAGR on the count of returns; "
    "drawdown on days; wins and losses are days, not trades"
)
_NORMAL: Final = NormalDist()
_TAIL: Final = 0.05
_FIXED_YEAR: Final = 252.0


def rows(performance: Performance) -> Rows:
    """Return its rows under its names: parts of one, and dates as ISO text."""
    began, own = performance.returns
    return of_returns(began, own, performance.benchmark_returns.parts, performance.per_year)


def of_returns(began: Ints, own: Floats, market: Floats, per_year: float = 365.0) -> Rows:
    """Return the rows of returns and of a market's in the same periods, which begin at `began`."""
    dates = began.astype("M8[us]")
    months, years = dates.astype("M8[M]").astype(int), dates.astype("M8[Y]").astype(int)
    by_month, by_year = _compounded(own, months), _compounded(own, years)
    with np.errstate(all="ignore"):
        return (
            _head(dates, own, per_year)
            | _adjusted(own, per_year)
            | _fallen(began, own)
            | _risk(own, market, per_year)
            | _expected(own, by_month, by_year)
            | _pain(own, months)
            | _lately(dates, own, per_year)
            | _extremes(own, by_month, by_year)
            | _depth(own)
            | _won(own, by_month, _compounded(own, months // 3), by_year)
            | _market(own, market, per_year)
        )


def _head(dates: npt.NDArray[np.datetime64], own: Floats, per_year: float) -> Rows:
    return {
        "Start Period": str(dates[0].astype("M8[D]")),
        "End Period": str(dates[-1].astype("M8[D]")),
        "Risk-Free Rate": 0.0,
        "Time in Market": _invested(own),
        "Cumulative Return": ratios.growth(own),
        "CAGR﹪": ratios.per_period(own, per_year),
    }


def _invested(own: Floats) -> float:
    """Return the part of days with a return, rounded up to a percent."""
    return math.ceil(np.count_nonzero(own) / len(own) * 100) / 100


def _adjusted(own: Floats, per_year: float) -> Rows:
    sharpe, sortino = ratios.sharpe(own, per_year), ratios.sortino(own, per_year)
    penalty = _penalty(own)
    return {
        "Sharpe": sharpe,
        "Prob. Sharpe Ratio": probabilistic_sharpe(
            ratios.sharpe(own),
            returns_count=len(own),
            skew=ratios.skew(own),
            kurtosis=ratios.kurtosis(own) + 3.0,
        ),
        "Smart Sharpe": sharpe / penalty,
        "Sortino": sortino,
        "Smart Sortino": sortino / penalty,
        "Sortino/√2": sortino / math.sqrt(2),
        "Smart Sortino/√2": sortino / penalty / math.sqrt(2),
        "Omega": ratios.omega(own),
    }


def _penalty(own: Floats) -> float:
    """Return how many times greater the deviation of a year is for the returns' autocorrelation."""
    n = len(own)
    related = abs(ratios.correlation(own[:-1], own[1:]))
    if math.isnan(related):
        return 1.0
    lags = np.arange(1, n)
    return math.sqrt(1.0 + 2.0 * float(((n - lags) / n * related**lags).sum()))


def _curve(own: Floats) -> Floats:
    """Return how far each day's end lies below the highest before it, the start among them."""
    return drawdown(np.cumprod(own + 1.0, dtype=np.float64), 1.0)


def _fallen(began: Ints, own: Floats) -> Rows:
    """Return its worst drawdown; one lasts from the first day below the peak to the last one."""
    down = np.append(0.0, _curve(own))
    found = drawdowns(down)
    if not len(found.peak):
        return {"Max Drawdown": math.nan, "Longest DD Days": math.nan}
    worst = int(found.depth.argmin())
    first, last = found.peak, np.where(found.is_open, found.end, found.end - 1) - 1
    days = (began[last] - began[first]) // DAY_US + 1
    valley = troughs(down, found)[worst] - 1
    return {
        "Max Drawdown": float(found.depth[worst]),
        "Max DD Date": _date(began[valley]),
        "Max DD Period Start": _date(began[first[worst]]),
        "Max DD Period End": _date(began[last[worst]]),
        "Longest DD Days": int(days.max()),
        "Avg. Drawdown": ratios.mean(found.depth),
        "Avg. Drawdown Days": round(ratios.mean(days)),
    }


def _date(time: np.int64) -> str:
    return str(np.datetime64(int(time), "us").astype("M8[D]"))


def _risk(own: Floats, market: Floats, per_year: float) -> Rows:
    return {
        "Volatility (ann.)": ratios.deviation(own) * math.sqrt(per_year),
        "R^2": ratios.correlation(own, market) ** 2,
        "Information Ratio": ratios.sharpe(own - market),
        "Calmar": ratios.ratio(ratios.per_period(own, per_year), -float(_curve(own).min())),
        "Skew": ratios.skew(own),
        "Kurtosis": ratios.kurtosis(own),
        "Ulcer Performance Index": ratios.ratio(ratios.growth(own), _ulcer(own)),
        "Risk-Adjusted Return": ratios.ratio(ratios.per_period(own, _FIXED_YEAR), _invested(own)),
        "Risk-Return Ratio": ratios.sharpe(own),
    }


def _ulcer(own: Floats) -> float:
    return math.sqrt(ratios.ratio(float((_curve(own) ** 2).sum()), len(own) - 1))


def _expected(own: Floats, by_month: Floats, by_year: Floats) -> Rows:
    gains, losses = own[own >= 0], own[own < 0]
    rate, spread = _rate(own), ratios.deviation(own)
    return {
        "Avg. Return": ratios.mean(own[own != 0]),
        "Avg. Win": ratios.mean(own[own > 0]),
        "Avg. Loss": ratios.mean(losses),
        "Win/Loss Ratio": trading.payoff(own),
        "Profit Ratio": ratios.ratio(
            ratios.ratio(ratios.mean(gains), len(gains)),
            -ratios.ratio(ratios.mean(losses), len(losses)),
        ),
        "Expected Daily": ratios.per_period(own, 1.0),
        "Expected Monthly": ratios.per_period(by_month, 1.0),
        "Expected Yearly": ratios.per_period(by_year, 1.0),
        "Kelly Criterion": rate - ratios.ratio(1.0 - rate, trading.payoff(own)),
        "Risk of Ruin": ((1.0 - rate) / (1.0 + rate)) ** len(own),
        "Daily Value-at-Risk": -abs(ratios.mean(own) + spread * _NORMAL.inv_cdf(_TAIL)),
        "Expected Shortfall (cVaR)": -abs(_shortfall(own)),
    }


def _rate(returns: Floats) -> float:
    """Return the part of gains among returns that are not 0."""
    count = np.count_nonzero(returns)
    return np.count_nonzero(returns > 0) / count if count else 0.0


def _shortfall(values: Floats) -> float:
    """Return the mean of the worst 5 % of a normal distribution like theirs."""
    density = _NORMAL.pdf(_NORMAL.inv_cdf(_TAIL))
    return ratios.mean(values) - ratios.deviation(values) * density / _TAIL


def _pain(own: Floats, months: npt.NDArray[np.int_]) -> Rows:
    factor, tails = trading.profit_factor(own), ratios.tail_ratio(own)
    low, high = np.quantile(own, [0.01, 0.99])
    return {
        "Max Consecutive Wins": int(trading.longest_run(own > 0)),
        "Max Consecutive Losses": int(trading.longest_run(own < 0)),
        "Gain/Pain Ratio": _to_pain(own),
        "Gain/Pain (1M)": _to_pain(np.add.reduceat(own, _begins(months))),
        "Payoff Ratio": trading.payoff(own),
        "Profit Factor": factor,
        "Common Sense Ratio": factor * tails,
        "CPC Index": factor * _rate(own) * trading.payoff(own),
        "Tail Ratio": tails,
        "Outlier Win Ratio": ratios.ratio(float(high), ratios.mean(own[own >= 0])),
        "Outlier Loss Ratio": ratios.ratio(float(low), ratios.mean(own[own < 0])),
    }


def _to_pain(returns: Floats) -> float:
    return ratios.ratio(float(returns.sum()), -float(returns[returns < 0].sum()))


def _begins(labels: npt.NDArray[np.int_]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))


def _compounded(own: Floats, labels: npt.NDArray[np.int_]) -> Floats:
    """Return what each stretch of equal labels came to."""
    parts: Floats = np.multiply.reduceat(own + 1.0, _begins(labels)) - 1.0
    return parts


def _lately(dates: npt.NDArray[np.datetime64], own: Floats, per_year: float) -> Rows:
    today = pd.Timestamp(dates[-1])

    def since(begin: pd.Timestamp) -> Floats:
        return own[dates >= begin.to_datetime64()]

    def months(count: int) -> Floats:
        return since(today - pd.DateOffset(months=count))

    return {
        "MTD": ratios.growth(since(today.normalize().replace(day=1))),
        "3M": ratios.growth(months(3)),
        "6M": ratios.growth(months(6)),
        "YTD": ratios.growth(since(today.normalize().replace(month=1, day=1))),
        "1Y": ratios.growth(months(12)),
        "3Y (ann.)": ratios.per_period(months(35), per_year),
        "5Y (ann.)": ratios.per_period(months(59), per_year),
        "10Y (ann.)": ratios.per_period(months(119), per_year),
        "All-time (ann.)": ratios.per_period(own, per_year),
    }


def _extremes(own: Floats, by_month: Floats, by_year: Floats) -> Rows:
    return {
        f"{which} {name}": float(pick(returns))
        for name, returns in (("Day", own), ("Month", by_month), ("Year", by_year))
        for which, pick in (("Best", np.max), ("Worst", np.min))
    }


def _depth(own: Floats) -> Rows:
    down, total = _curve(own), float(own.sum())
    pitfall = ratios.ratio(-_shortfall(down), ratios.deviation(own))
    return {
        "Recovery Factor": ratios.ratio(abs(total), -float(down.min())),
        "Ulcer Index": _ulcer(own),
        "Serenity Index": ratios.ratio(total, _ulcer(own) * pitfall),
    }


def _won(own: Floats, by_month: Floats, by_quarter: Floats, by_year: Floats) -> Rows:
    return {
        "Avg. Up Month": ratios.mean(by_month[by_month > 0]),
        "Avg. Down Month": ratios.mean(by_month[by_month < 0]),
        "Win Days": _rate(own),
        "Win Month": _rate(by_month),
        "Win Quarter": _rate(by_quarter),
        "Win Year": _rate(by_year),
    }


def _market(own: Floats, market: Floats, per_year: float) -> Rows:
    beta = ratios.beta(own, market)
    return {
        "Beta": beta,
        "Alpha": (ratios.mean(own) - beta * ratios.mean(market)) * per_year,
        "Correlation": ratios.correlation(own, market),
        "Treynor Ratio": ratios.ratio(ratios.growth(own), beta),
    }
