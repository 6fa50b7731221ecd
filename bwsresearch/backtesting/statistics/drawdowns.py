"""Drawdowns of a curve: from a peak to the first value that reaches it again."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.statistics.performance import Performance
from bwsresearch.backtesting.statistics.periods import DAY_US, Floats, Ints

__all__ = ["Drawdowns", "account_drawdowns", "drawdown", "drawdowns", "longest_days", "troughs"]


class Drawdowns(NamedTuple):
    """Stretches below a peak, oldest first, as places in a curve.

    `peak` is the last place at the peak, `end` the first that reached it again, for one that still
    lasts the last place; `depth` the lowest part below the peak, negative.
    """

    peak: Ints
    end: Ints
    depth: Floats
    is_open: npt.NDArray[np.bool_]


def drawdown(worth: "npt.NDArray[np.floating[Any]]", initial: float | None = None) -> Floats:
    """Return how far each value lies below the highest before it (or `initial`), a negative part."""
    peak: Floats = np.maximum.accumulate(worth, dtype=np.float64)
    if initial is not None:
        np.maximum(peak, initial, out=peak)
    with np.errstate(all="ignore"):
        below: Floats = (worth - peak) / peak
    return below


def drawdowns(down: Floats) -> Drawdowns:
    """Return the drawdowns of a curve of `drawdown`, whose first value must be 0."""
    under = down < 0.0
    turns = np.flatnonzero(under[1:] != under[:-1]) + 1  # in and out by turns: the first is 0
    begins, ends = turns[::2], turns[1::2]
    depth = np.minimum.reduceat(down, turns)[::2] if len(turns) else np.zeros(0)
    lasts = len(begins) > len(ends)
    return Drawdowns(
        peak=begins - 1,
        end=np.append(ends, len(down) - 1) if lasts else ends,
        depth=depth,
        is_open=np.arange(len(begins)) >= len(ends),
    )


def troughs(down: Floats, found: Drawdowns) -> Ints:
    """Return the first place at which each drawdown is deepest."""
    deepest = [
        int(np.argmin(down[begin : end + 1])) + begin
        for begin, end in zip(found.peak, found.end, strict=True)
    ]
    return np.array(deepest, np.int64)


def account_drawdowns(performance: Performance) -> tuple[Drawdowns, Ints, Floats]:
    """Return the drawdowns of an account, the times of the curve's places, and the curve.

    The curve begins with the start at the first open, at which nothing is lost yet; the places after
    it are the ends of bars.
    """
    down = np.concatenate([[0.0], drawdown(performance.equity, performance.initial)])
    times = np.concatenate([performance.opened[:1], performance.ended])
    return drawdowns(down), times, down


def longest_days(found: Drawdowns, times: Ints) -> float:
    """Return the days of the longest drawdown, from its peak to the recovery or to the end; else 0."""
    return float((times[found.end] - times[found.peak]).max(initial=0)) / DAY_US
