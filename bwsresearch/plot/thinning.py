"""Fewer points that show the same: no extreme is lost."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["STRIPS", "Floats", "Stamps", "thinned"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Stamps: TypeAlias = npt.NDArray[np.datetime64]

STRIPS: Final = 1_500


def thinned(stamps: Stamps, values: Floats, strips: int = STRIPS) -> tuple[Stamps, Floats]:
    """Return at most four points per strip: the first, lowest, highest and last, in their order."""
    if len(values) <= 4 * strips:
        return stamps, values
    per = -(-len(values) // strips)
    whole = len(values) // per * per
    table = values[:whole].reshape(-1, per)
    starts = np.arange(0, whole, per)
    places = [
        starts,
        starts + table.argmin(axis=1),
        starts + table.argmax(axis=1),
        starts + per - 1,
    ]
    if whole < len(values):
        rest = values[whole:]
        places.append(whole + np.array([0, rest.argmin(), rest.argmax(), len(rest) - 1]))
    picked = np.unique(np.concatenate(places))
    return stamps[picked], values[picked]
