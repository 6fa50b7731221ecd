"""Ratios of returns: pure functions of arrays, per return unless `per_year` is among the arguments.

Means are arithmetic, deviations have ddof 1. What cannot be computed is NaN.
"""

import math

import numpy as np

from bwsresearch.backtesting.statistics.periods import Floats

__all__ = [
    "beta",
    "compounded",
    "correlation",
    "deviation",
    "downside",
    "expected_shortfall",
    "growth",
    "kurtosis",
    "mean",
    "omega",
    "per_period",
    "ratio",
    "sharpe",
    "skew",
    "sortino",
    "tail_ratio",
    "value_at_risk",
]


def ratio(above: float, below: float) -> float:
    """Return `above / below`; NaN below nothing."""
    return float(above / below) if below else math.nan


def mean(values: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> float:
    """Return the arithmetic mean."""
    return float(np.mean(values.astype(np.float64))) if len(values) else math.nan


def deviation(returns: Floats) -> float:
    """Return the standard deviation, ddof 1."""
    return float(np.std(returns, ddof=1)) if len(returns) > 1 else math.nan


def downside(returns: Floats) -> float:
    """Return the root mean square of the losses, over all returns."""
    return math.sqrt(mean(np.minimum(returns, 0.0) ** 2)) if len(returns) else math.nan


def sharpe(returns: Floats, per_year: float = 1.0) -> float:
    """Return mean by deviation, for a year."""
    return ratio(mean(returns), deviation(returns)) * math.sqrt(per_year)


def sortino(returns: Floats, per_year: float = 1.0) -> float:
    """Return mean by the downside, for a year."""
    return ratio(mean(returns), downside(returns)) * math.sqrt(per_year)


def omega(returns: Floats) -> float:
    """Return the sum of gains by the sum of losses."""
    return ratio(float(returns[returns > 0].sum()), -float(returns[returns < 0].sum()))


def compounded(factor: float, times: float) -> float:
    """Return `factor` to the power of `times`, less 1; infinite beyond float64."""
    with np.errstate(all="ignore"):
        return float(np.float64(factor) ** times) - 1.0


def per_period(returns: Floats, periods: float = 1.0) -> float:
    """Return what so many returns come to, were all of them the same: the geometric mean of one."""
    if not len(returns):
        return math.nan
    return compounded(float(np.prod(returns + 1.0)), periods / len(returns))


def growth(returns: Floats) -> float:
    """Return what the returns come to, one after the other."""
    return float(np.prod(returns + 1.0)) - 1.0


def skew(returns: Floats) -> float:
    """Return the skewness, corrected for the sample's size as pandas does; NaN below 3 returns."""
    n = len(returns)
    centred = returns - mean(returns)
    second = mean(centred**2)
    if n < 3 or not second:
        return math.nan
    return math.sqrt(n * (n - 1)) / (n - 2) * mean(centred**3) / math.sqrt(second) ** 3


def kurtosis(returns: Floats) -> float:
    """Return the excess kurtosis, corrected as pandas does; NaN below 4 returns."""
    n = len(returns)
    centred = returns - mean(returns)
    second = mean(centred**2)
    if n < 4 or not second:
        return math.nan
    excess = mean(centred**4) / second**2 - 3.0
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6.0)


def value_at_risk(returns: Floats, part: float = 0.05) -> float:
    """Return the return that `part` of all fall below, interpolated."""
    return float(np.quantile(returns, part)) if len(returns) else math.nan


def expected_shortfall(returns: Floats, part: float = 0.05) -> float:
    """Return the mean of the worst `part` of all returns, the one at the border among them."""
    if not len(returns):
        return math.nan
    last = int((len(returns) - 1) * part)
    return mean(np.partition(returns, last)[: last + 1])


def tail_ratio(returns: Floats, part: float = 0.05) -> float:
    """Return how many times the best `part` begins as far from 0 as the worst."""
    if not len(returns):
        return math.nan
    worst, best = np.quantile(returns, [part, 1.0 - part])
    return abs(ratio(float(best), float(worst)))


def beta(returns: Floats, market: Floats) -> float:
    """Return the covariance with the market by the market's variance."""
    if len(returns) < 2:
        return math.nan
    apart = market - mean(market)
    return ratio(float(apart @ (returns - mean(returns))), float(apart @ apart))


def correlation(returns: Floats, market: Floats) -> float:
    """Return the correlation with the market, -1 to 1."""
    if len(returns) < 2:
        return math.nan
    own, apart = returns - mean(returns), market - mean(market)
    return ratio(float(own @ apart), math.sqrt(float(own @ own) * float(apart @ apart)))
