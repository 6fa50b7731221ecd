"""Which files of a series a stretch of time belongs to, and which rows belong to a file."""

import contextlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch.store.layout import Partition, Place
from bwsresearch.store.spans import Spans
from bwsresearch.times import DAY_MS, HOUR_MS, Ms

__all__ = ["LAST_MS", "inside", "overlapping", "touched"]

LAST_MS: Final = 2**47
"""Behind all times that have a file."""


def touched(place: Place, names: Sequence[str], times: Ms, covered: Spans) -> list[Partition]:
    """Return the files that rows and coverage go to, in order of time.

    A stretch without rows may be years long: its coverage goes to the file where it begins, and
    to those that lie in it, not to an empty file for every day.
    """
    step_ms = HOUR_MS if place.unit == "hour" else DAY_MS
    steps = times // step_ms
    steps = steps[np.flatnonzero(np.diff(steps, prepend=steps[:1] - 1))]
    found = {place.at(int(step) * step_ms) for step in steps}
    for start_ms, end_ms in covered:
        found.add(place.at(start_ms))
        present = overlapping(place, names, start_ms, end_ms)
        found.update(p for p in present if p.end_ms > start_ms)
    return sorted(found, key=lambda partition: partition.start_ms)


def overlapping(place: Place, names: Sequence[str], start_ms: int, end_ms: int) -> list[Partition]:
    """Return the partitions that may hold something of [start_ms, end_ms), in order of time.

    That is also the last one before: its coverage may run on.
    """
    first = bisect_right(names, place.at(max(start_ms, 0)).folder) - 1
    last = bisect_right(names, place.at(min(end_ms, LAST_MS) - 1).folder)
    found = []
    for name in names[max(first, 0) : last]:
        with contextlib.suppress(ValueError):  # nothing of ours
            found.append(place.partition(name))
    return found


def inside(times: Ms, partition: Partition, *, is_ascending: bool) -> slice | npt.NDArray[np.bool_]:
    """Return which of `times` lie in a partition."""
    if is_ascending:
        first, last = np.searchsorted(times, [partition.start_ms, partition.end_ms])
        return slice(int(first), int(last))
    return (times >= partition.start_ms) & (times < partition.end_ms)
