"""Random paths between given prices: from an open to a close, with a high and a low on the way.

A walk is bridged from open to close. What lies above both is then stretched until its highest point
is the high, what lies below them until its lowest is the low. So the extremes are where the walk
has its own, and steps say nothing about the next ones.
"""

from typing import Final

import numpy as np

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.noise import BELL_SD

__all__ = ["NATURAL", "stretched"]

NATURAL: Final = 1.665 * BELL_SD
"""The range of a walk of `bell` steps, in square roots of their number."""
_STRETCH: Final = 3.0
"""At most; the point itself gets to its goal in one leap when that is not enough."""


def stretched(
    path: Ints, ends: tuple[Ints, Ints], reached: tuple[Ints, Ints], goals: tuple[Ints, Ints]
) -> Ints:
    """Return a path, what is beyond its ends stretched.

    Args:
        path: prices.
        ends: the lower and the higher of its first and last price.
        reached: its lowest and highest price.
        goals: the prices that these are to have, in their place.
    """
    lower = _beyond(ends[0] - path, ends[0] - reached[0], ends[0] - goals[0])
    upper = _beyond(path - ends[1], reached[1] - ends[1], goals[1] - ends[1])
    return np.minimum(np.maximum(path, ends[0]), ends[1]) + upper - lower


def _beyond(way: Ints, reached: Ints, goal: Ints) -> Ints:
    factor = np.minimum(goal / np.maximum(reached, 1), _STRETCH)
    return np.floor(np.maximum(way, 0) * factor).astype(np.int64)
