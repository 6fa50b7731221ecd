"""A root for every place: a folder, or the URL of one on object storage."""

from pathlib import Path

from bwsresearch.store.files import Entry, Key, Root, Source, Turn, Unwritable
from bwsresearch.store.folder import LocalRoot
from bwsresearch.store.layout import Location, located
from bwsresearch.store.locks import LOCK_S
from bwsresearch.store.objects import ObjectRoot

__all__ = ["Entry", "Key", "Root", "Source", "Turn", "Unwritable", "root_at"]


def root_at(location: Location, lock_s: float = LOCK_S) -> Root:
    """Return the root at a place; a writer waits up to `lock_s` seconds for its turn.

    Raises:
        ValueError: for what cannot be the URL of a root.
    """
    place = located(location)
    return LocalRoot(place, lock_s) if isinstance(place, Path) else ObjectRoot(place, lock_s)
