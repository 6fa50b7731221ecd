"""How large the cache may become: what was written longest ago goes first.

The limit of BWS_CACHE_MAX_MB is kept by every write. What a download of this process has read or
written stays until that download is over, even where the cache is above its limit by it.
"""

import os
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from bwsresearch.store.layout import TREE, Location
from bwsresearch.store.roots import Entry, Key, Root, Turn, root_at
from bwsresearch.store.upkeep import held

__all__ = ["InUse", "keep_within", "max_bytes", "trim"]

_MB: Final = 1_000_000
_EVERY_S: Final = 60.0
"""Other processes write too: the files are counted so often, else what this one writes is added up."""
_SPARE: Final = 0.95
"""To this part of the limit is removed at once, not to the limit for every file anew."""
_ASIDE: Final = Key(".damaged")


class InUse:
    """The files that one reader or writer of a cache has touched; they stay while it lives."""

    def __init__(self, location: Location) -> None:
        self.location, self.keys = str(location), set[Key]()
        with _lock:
            _all.add(self)


_lock = threading.Lock()
_all: WeakSet[InUse] = WeakSet()


@dataclass
class _Count:
    """What one cache has, as far as this process knows."""

    size: int = 0
    counted_s: float = float("-inf")
    is_full: bool = False
    """Whether nothing more could be removed when it was counted."""


_counts: dict[str, _Count] = {}


def max_bytes() -> int | None:
    """Return the limit of BWS_CACHE_MAX_MB in bytes, None without.

    Raises:
        ValueError: when it is no number above 0.
    """
    text = os.environ.get("BWS_CACHE_MAX_MB")
    if not text:
        return None
    try:
        limit = int(float(text) * _MB)
    except (ValueError, OverflowError):
        limit = 0
    if limit <= 0:
        raise ValueError(
            f"BWS_CACHE_MAX_MB is {text!r}, must be megabytes above 0, such as 20000; unset it for none"
        )
    return limit


def keep_within(location: Location, root: Root, written: int) -> None:
    """Remove what is too much after `written` bytes were added, sparing what is in use."""
    limit = max_bytes()
    if limit is None:
        return
    with _lock:
        count = _counts.setdefault(str(location), _Count())
        count.size += written
        is_old = time.monotonic() - count.counted_s > _EVERY_S
        if not is_old and (count.size <= limit or count.is_full):
            return
        count.counted_s = time.monotonic()
        spare = set().union(*(one.keys for one in _all if one.location == str(location)))
    left = _removed(root, limit, int(limit * _SPARE), spare)[1]
    with _lock:
        count.size, count.is_full = left, left > limit


def trim(location: Location, max_mb: float) -> int:
    """Remove the files that were written longest ago until `max_mb` are left; return bytes freed.

    Raises:
        ValueError: when `max_mb` is no number of 0 or more.
        CacheError: when a file cannot be removed.
    """
    if not max_mb >= 0:  # NaN is not either
        raise ValueError(f"max_mb is {max_mb!r}, must be megabytes, 0 or more; 0 removes all")
    limit = int(min(max_mb * _MB, 2**62))
    return _removed(root_at(location), limit, limit, ())[0]


def _removed(root: Root, limit: int, aim: int, spare: Collection[Key]) -> tuple[int, int]:
    """Remove the oldest files down to `aim` when there is more than `limit`: bytes freed and left."""
    files = [file for _, found in held(root.entries(TREE)) for file in found]
    files += root.entries(_ASIDE)
    before = left = sum(file.size for file in files)
    if left > limit:
        for file in sorted(files, key=lambda file: (file.modified_s, file.key)):
            if left <= aim:
                break
            if file.key not in spare and _remove(root, file):
                left -= file.size
    return before - left, left


def _remove(root: Root, file: Entry) -> bool:
    """Remove a file unless it was written anew meanwhile; whether it is gone."""
    if file.key.parts[0] != str(TREE):
        root.remove([file.key])
        return True

    def change(turn: Turn) -> bool:
        return turn.version in ("", file.version) and turn.remove()

    return root.turn(file.key, change)
