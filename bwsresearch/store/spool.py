"""Rows on their way into the cache: written at once to small files beside the tree, merged in later.

To write a few rows to the file of an hour is to write the hour anew. So a recorder brings its rows
to the disk in a spool of its own every few seconds, and into the tree every few minutes. What a
recorder leaves behind that was killed, the next one takes up.

    <root>/.spool/<name>/v1/<server>/books/symbol=BTCUSDT/hour=2024-01-31T05/part-0.parquet
    <root>/.spool/<name>/owner.lock
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.store.cache import Cache
from bwsresearch.store.layout import Location, beside
from bwsresearch.store.spans import Spans, union
from bwsresearch.store.upkeep import series
from bwsresearch.tables import SCHEMAS, Columns, Schema

__all__ = ["Spool", "forsaken", "recall"]

_FOLDER: Final = ".spool"
_LOCK: Final = "owner.lock"
_LAST_MS: Final = 2**43


@dataclass
class Spool:
    """What one recorder has not merged yet; not for two threads at once."""

    cache: Cache
    _folder: Path | None = field(default=None, init=False)
    _lock: FileLock | None = field(default=None, init=False)

    def add(self, schema: Schema, symbol: str, columns: Columns, covered: Spans) -> None:
        """Bring rows to the disk, and the time that they complete.

        Raises:
            CacheError: when the folder cannot be written; nothing that was there is lost.
        """
        inner = _inside(self._owned(), self.cache.server)
        inner.write(schema, symbol, None, columns, covered, source="network")

    def merge(self) -> None:
        """Move all of it into the cache, and what recorders have left behind that were killed.

        Raises:
            CacheError: when the cache cannot be written; the rows stay in the spool.
        """
        root = self.cache.root
        if self._folder is not None:
            _move(root, self._folder)
        with forsaken(root) as folders:
            for folder in folders:
                _move(root, folder)

    def close(self) -> None:
        """Merge, and leave no folder behind; a later `add` makes a new one."""
        self.merge()
        if self._folder is not None and self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.release()
            self._folder = self._lock = None

    def _owned(self) -> Path:
        """Return the spool's folder, which is locked as long as this process lives."""
        while self._folder is None:
            folder = beside(self.cache.root) / _FOLDER / uuid.uuid4().hex[:12]
            try:
                folder.mkdir(parents=True)
                lock = _lock(folder)
                lock.acquire()
            except OSError as error:
                raise CacheError(
                    f"{folder} cannot be written ({error.strerror}); "
                    "free space, mend its rights, or set BWS_CACHE_DIR to another folder"
                ) from error
            # Between the two lines somebody may have found it without an owner, and removed it.
            if (folder / _LOCK).exists():
                self._folder, self._lock = folder, lock
        return self._folder


def recall(
    cache: Cache, schema: Schema, symbol: str, start_ms: int, end_ms: int
) -> tuple[list[Columns], Spans]:
    """Return what lies in all spools of [start_ms, end_ms), and the time that it completes.

    To be asked before the cache: what is moved in between is found there.

    Raises:
        CacheError: when a folder cannot be read.
    """
    found = [
        _inside(folder, cache.server).read(schema, symbol, None, start_ms, end_ms)
        for folder in _folders(cache.root)
    ]
    return [rows for rows, _ in found if tables.length(rows)], union(*(spans for _, spans in found))


@contextlib.contextmanager
def forsaken(root: Location) -> Iterator[list[Path]]:
    """Hold the spools of recorders that are dead; what nothing is left in afterwards is removed."""
    held: dict[Path, FileLock] = {}
    try:
        for folder in _folders(root):
            if (lock := _taken(folder)) is not None:
                held[folder] = lock
        yield list(held)
        for folder in held:
            if not list(series(folder)):
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        for lock in held.values():
            lock.release()


def _inside(folder: Path, server: str) -> Cache:
    # What is on its way is not removed because there is too much of something else.
    return Cache(folder, server, is_limited=False)


def _folders(root: Location) -> list[Path]:
    return sorted(path.parent for path in (beside(root) / _FOLDER).glob(f"*/{_LOCK}"))


def _lock(folder: Path) -> FileLock:
    # Not one thread's: rows are written by whichever is free.
    return FileLock(folder / _LOCK, thread_local=False)


def _taken(folder: Path) -> FileLock | None:
    """Return the lock of a spool whose recorder is dead, held; None when it lives."""
    lock = _lock(folder)
    with contextlib.suppress(Timeout, OSError):
        lock.acquire(timeout=0)
        return lock
    return None


def _move(root: Location, folder: Path) -> None:
    for place, _ in list(series(folder)):
        schema = SCHEMAS[place.kind]
        inner = _inside(folder, place.server)
        rows, covered = inner.read(schema, place.symbol, None, 0, _LAST_MS)
        cache = Cache(root, place.server)
        cache.write(schema, place.symbol, None, rows, covered, source="network")
        shutil.rmtree(folder / "v1" / place.folder, ignore_errors=True)
