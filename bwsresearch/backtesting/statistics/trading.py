"""Figures of round trips: pure functions of their profits or returns; what cannot be computed is NaN."""

import math

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.statistics.periods import Floats
from bwsresearch.backtesting.statistics.ratios import deviation, mean, ratio

__all__ = [
    "geometric_mean",
    "kelly",
    "longest_run",
    "payoff",
    "profit_factor",
    "quality",
    "win_rate",
]


def win_rate(profits: Floats) -> float:
    """Return the part of trades that gained."""
    return mean(profits > 0)


def profit_factor(profits: Floats) -> float:
    """Return the sum of gains by the sum of losses."""
    return ratio(float(profits[profits > 0].sum()), -float(profits[profits < 0].sum()))


def payoff(profits: Floats) -> float:
    """Return the mean gain by the mean loss."""
    return ratio(mean(profits[profits > 0]), -mean(profits[profits < 0]))


def kelly(profits: Floats) -> float:
    """Return the part of the capital that Kelly's criterion would bet on each trade."""
    rate = win_rate(profits)
    return rate - ratio(1.0 - rate, payoff(profits))


def quality(profits: Floats) -> float:
    """Return the system quality number: the mean profit by its deviation, times √trades."""
    return ratio(mean(profits), deviation(profits)) * math.sqrt(len(profits))


def geometric_mean(returns: Floats) -> float:
    """Return the return that, earned by each trade, comes to the same; -1 when one lost all."""
    if not len(returns):
        return math.nan
    factors = returns + 1.0
    if (factors <= 0.0).any():
        return -1.0
    return math.expm1(mean(np.log(factors)))


def longest_run(claims: npt.NDArray[np.bool_]) -> float:
    """Return how many in a row are true at most."""
    edges = np.diff(np.concatenate([[0], claims.astype(np.int8), [0]]))
    return float((np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)).max(initial=0))
