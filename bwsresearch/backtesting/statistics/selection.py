"""How much of a Sharpe ratio is luck: of few returns, of many trials, of a choice among them.

Sharpe ratios here are per return, as `ratios.sharpe` computes them: one for a year is divided by the
root of its returns first. Kurtosis is not excess: 3 for a normal distribution.
"""

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.statistics.periods import Floats

__all__ = [
    "Overfitting",
    "deflated_sharpe",
    "expected_max_sharpe",
    "overfitting",
    "probabilistic_sharpe",
]

_NORMAL: Final = NormalDist()
_MOST_BLOCKS: Final = 20
"""C(20, 10) = 184,756 halves."""
_AT_ONCE: Final = 1_000_000
"""Sharpe ratios in memory at a time."""
_NOISE: Final = 1e-7


def probabilistic_sharpe(
    sharpe: float,
    *,
    returns_count: int,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    above: float = 0.0,
) -> float:
    """Return the probability that the true Sharpe ratio is greater than `above`.

    `sharpe` and `above` are per return, of `returns_count` returns with this skew and kurtosis. NaN of
    fewer than two returns.
    Source: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012).
    """
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if returns_count < 2 or not variance > 0.0:
        return math.nan
    return _below((sharpe - above) * math.sqrt((returns_count - 1) / variance))


def expected_max_sharpe(trials_sharpe: Floats, *, trials: int | None = None) -> float:
    """Return the greatest Sharpe ratio to expect of trials that are all worthless.

    `trials_sharpe` are the ratios of all trials, of which the variance is taken (ddof 1); `trials` how
    many of them are independent, all of them when left out. 0 of a single trial.
    Source: Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias,
    Backtest Overfitting and Non-Normality" (2014).
    """
    ratios = np.asarray(trials_sharpe, np.float64)
    ratios = ratios[np.isfinite(ratios)]  # a trial that never traded has none
    count = len(ratios) if trials is None else trials
    if count < 1:
        raise ValueError(f"trials is {count}, must be 1 or more: nothing can be the best of none")
    if count == 1 or len(ratios) < 2:
        return 0.0
    best = _NORMAL.inv_cdf(1.0 - 1.0 / count)
    beyond = _NORMAL.inv_cdf(1.0 - 1.0 / (count * math.e))
    weight = float(np.euler_gamma)
    return float(np.std(ratios, ddof=1)) * ((1.0 - weight) * best + weight * beyond)


def deflated_sharpe(
    sharpe: float,
    *,
    trials_sharpe: Floats,
    returns_count: int,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    trials: int | None = None,
) -> float:
    """Return the probability that the best of many trials is better than the best of worthless ones.

    `sharpe` is of the chosen trial, per return, as are those of all trials; skew and kurtosis are of its
    `returns_count` returns. 0.95 and more is taken for a find, what is near 0.5 or below for luck.
    Source: Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias,
    Backtest Overfitting and Non-Normality" (2014).

    Raises:
        ValueError: for no trials.
    """
    return probabilistic_sharpe(
        sharpe,
        returns_count=returns_count,
        skew=skew,
        kurtosis=kurtosis,
        above=expected_max_sharpe(trials_sharpe, trials=trials),
    )


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What came of choosing the best trial on one half of the time and holding it on the other.

    Arrays have one element per way to halve the time.
    """

    probability: float
    """The part of halvings after which the chosen trial is in the lower half of all: PBO."""
    logits: Floats
    """log(w / (1 - w)) of the chosen trial's relative rank w on the other half, 0 in the middle."""
    in_sample: Floats
    """The chosen trial's Sharpe ratio where it was chosen, per return."""
    out_of_sample: Floats
    """Its Sharpe ratio on the other half."""

    @property
    def loss_probability(self) -> float:
        """The part of halvings after which the chosen trial lost."""
        return float(np.mean(self.out_of_sample < 0.0))


def overfitting(returns: Floats, *, blocks: int = 16) -> Overfitting:
    """Return how often the best trial of one half of the time is a poor one of the other half.

    `returns` has a row per period and a column per trial. Time is cut into `blocks` stretches, as equal
    as can be; every choice of half of them is a training set, the rest its test. The best is that of
    the greatest Sharpe ratio; a trial that does not vary has 0, equal ratios share their rank.
    Source: Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting" (2017):
    combinatorially symmetric cross-validation.

    Raises:
        ValueError: for fewer than two trials, an odd number of blocks, or more than there are periods.
    """
    table = np.asarray(returns, np.float64)
    _check(table, blocks)
    sums, squares, counts = _blocks(table, blocks)
    halves = _halves(blocks)
    rows = max(1, _AT_ONCE // table.shape[1])
    parts = [
        _judged(halves[first : first + rows], sums, squares, counts)
        for first in range(0, len(halves), rows)
    ]
    logits, inside, outside = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Overfitting(float(np.mean(logits <= 0.0)), logits, inside, outside)


def _check(table: npt.NDArray[np.float64], blocks: int) -> None:
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"returns have shape {table.shape}, must be periods × 2 or more trials")
    if blocks % 2 or not 2 <= blocks <= _MOST_BLOCKS:
        raise ValueError(f"blocks is {blocks}, must be even, 2 to {_MOST_BLOCKS}")
    if len(table) < 2 * blocks:
        raise ValueError(
            f"returns have {len(table)} periods, must have 2 for each of {blocks} blocks; use fewer"
        )
    if not np.isfinite(table).all():
        raise ValueError("returns are not all finite, put 0 where a trial returned nothing")


def _blocks(
    table: npt.NDArray[np.float64], blocks: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Floats]:
    """Return sums and sums of squares by block and trial, and the length of each block."""
    begins = np.linspace(0, len(table), blocks + 1).astype(np.int64)[:-1]
    counts = np.diff(np.append(begins, len(table))).astype(np.float64)
    return np.add.reduceat(table, begins), np.add.reduceat(table**2, begins), counts


def _halves(blocks: int) -> npt.NDArray[np.float64]:
    """Return every choice of half the blocks: a row of 0 and 1 each."""
    chosen = list(combinations(range(blocks), blocks // 2))
    halves = np.zeros((len(chosen), blocks))
    np.put_along_axis(halves, np.array(chosen), 1.0, axis=1)
    return halves


def _judged(
    inside: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    counts: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return logit and both Sharpe ratios of the chosen trial for each training set."""
    trained = _sharpes(inside, sums, squares, counts)
    tested = _sharpes(1.0 - inside, sums, squares, counts)
    each = np.arange(len(inside))
    best = trained.argmax(axis=1)
    of_best = tested[each, best][:, None]
    below = np.count_nonzero(tested < of_best, axis=1)
    level = np.count_nonzero(tested == of_best, axis=1)
    rank = (below + (level + 1) / 2.0) / (tested.shape[1] + 1)
    return np.log(rank / (1.0 - rank)), trained[each, best], tested[each, best]


def _sharpes(
    sets: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    counts: Floats,
) -> npt.NDArray[np.float64]:
    """Return the Sharpe ratio of each trial on each set of blocks; 0 where nothing varies."""
    n = (sets @ counts)[:, None]
    mean = (sets @ sums) / n
    deviation = np.sqrt(np.maximum((sets @ squares - mean**2 * n) / (n - 1.0), 0.0))
    found = np.zeros_like(deviation)
    # What is left of subtracted squares is no deviation.
    np.divide(mean, deviation, out=found, where=deviation > _NOISE * np.abs(mean))
    return found


def _below(value: float) -> float:
    """Return the part of a normal distribution below a value; exact in the tail, unlike 1 - x."""
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
