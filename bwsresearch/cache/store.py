"""The cache of one server: rows by series and range, with what is known to be complete.

Coverage is written in the same file as the rows, so that neither can be there without the other; a
stretch that was asked for and is empty is covered too. Writers of one file take turns by a lock.
"""

import contextlib
import os
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
from filelock import FileLock
from filelock import Timeout as LockTimeout

from bwsresearch import tables
from bwsresearch.cache import parquet
from bwsresearch.cache.layout import FILE, Partition, Place, tree
from bwsresearch.cache.parquet import Damaged
from bwsresearch.cache.spans import Spans, clip, union
from bwsresearch.errors import CacheError
from bwsresearch.tables import Columns, Schema
from bwsresearch.times import as_interval

__all__ = ["Cache", "DamagedFileWarning"]

_LOCK_S: Final = 60.0
_ORPHAN_S: Final = 3600.0
_ALL: Final = (-(2**50), 2**50)


class DamagedFileWarning(UserWarning):
    """A file of the cache was unreadable; it was put aside and its rows are fetched again."""


@dataclass
class Cache:
    """Rows of one server below one root.

    Args:
        root: the folder of all servers' caches.
        server: whose rows: "production", "testnet", "demo", "local-<hash>" or host and port.
    """

    root: Path
    server: str
    _swept: bool = field(default=False, repr=False)

    def read(
        self, schema: Schema, symbol: str, interval: str | None, start_ms: int, end_ms: int
    ) -> tuple[Columns, Spans]:
        """Return the rows of [start_ms, end_ms) sorted by key, and which of that time is covered.

        A damaged file is put aside with a warning and counts as not covered.

        Raises:
            CacheError: when the folder cannot be read.
        """
        place = self._place(schema, symbol, interval)
        parts = [tables.arrow_schema(schema).empty_table()]
        covered: list[Spans] = []
        for partition in place.partitions(start_ms, end_ms):
            path = self._path(place, partition)
            found = self._read(schema, path, start_ms, end_ms)
            if found is not None:
                parts.append(found[0].replace_schema_metadata(None))
                covered.append(clip(found[1].coverage, start_ms, end_ms))
        return tables.from_arrow(schema, pa.concat_tables(parts)), union(*covered)

    def write(
        self,
        schema: Schema,
        symbol: str,
        interval: str | None,
        columns: Columns,
        covered: Spans,
        *,
        source: str,
    ) -> None:
        """Add rows and the time that they complete; of equal keys the new row stays.

        Rows need not be sorted. All that was there before stays if the process dies in between.

        Raises:
            CacheError: when the folder cannot be written; nothing that was there is lost.
        """
        place = self._place(schema, symbol, interval)
        times = tables.millis(columns, schema.time)
        edges = [*covered]
        if len(times):
            edges.append((int(times.min()), int(times.max()) + 1))
        if not edges:
            return
        first, last = min(a for a, _ in edges), max(b for _, b in edges)
        for partition in place.partitions(first, last):
            mask = (times >= partition.start_ms) & (times < partition.end_ms)
            spans = clip(covered, partition.start_ms, partition.end_ms)
            if mask.any() or spans:
                rows = columns if mask.all() else tables.sliced(columns, mask)
                with _told(f"the cache at {self.root} cannot be written"):
                    self._merge(schema, self._path(place, partition), rows, spans, source)

    def _place(self, schema: Schema, symbol: str, interval: str | None) -> Place:
        return Place(self.server, schema.name, symbol, as_interval(interval) if interval else None)

    def _path(self, place: Place, partition: Partition) -> Path:
        return tree(self.root) / place.folder / partition.folder / FILE

    def _read(
        self, schema: Schema, path: Path, start_ms: int, end_ms: int
    ) -> tuple[pa.Table, parquet.Footer] | None:
        with _told(f"the cache at {self.root} cannot be read"):
            try:
                return parquet.read(schema, path, start_ms, end_ms)
            except Damaged as damage:
                self._set_aside(schema, path, damage)
                return None

    def _set_aside(self, schema: Schema, path: Path, damage: Damaged) -> None:
        """Move a damaged file out of the tree, unless somebody has mended it by now."""
        with self._locked(path):
            try:
                parquet.read(schema, path, *_ALL)
            except Damaged:
                self._move_aside(path, damage)

    def _move_aside(self, path: Path, damage: Damaged) -> None:
        folder = self.root / ".damaged"
        folder.mkdir(parents=True, exist_ok=True)
        name = str(path.relative_to(tree(self.root))).replace(os.sep, "__")
        kept = folder / f"{name}.{uuid.uuid4().hex[:8]}"
        path.replace(kept)
        warnings.warn(
            f"{path} was damaged ({damage}); it lies in {kept} now and its rows are fetched again",
            DamagedFileWarning,
            stacklevel=2,
        )

    def _merge(
        self, schema: Schema, path: Path, columns: Columns, covered: Spans, source: str
    ) -> None:
        with self._locked(path):
            try:
                old = parquet.read(schema, path, *_ALL)
            except Damaged as damage:
                self._move_aside(path, damage)
                old = None
            if old is not None:
                columns = tables.concat(schema, [tables.from_arrow(schema, old[0]), columns])
                covered = union(old[1].coverage, covered)
                source = source if old[1].source == source else "mixed"
            self._sweep()
            rows = tables.unique(schema, columns)
            parquet.write(schema, path, rows, covered, source=source, temporary=self.root / ".tmp")

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        name = str(path.parent.relative_to(tree(self.root))).replace(os.sep, "__")
        lock = FileLock(folder / f"{name}.lock", timeout=_LOCK_S)
        try:
            lock.acquire()
        except LockTimeout:
            raise CacheError(
                f"another process has held {lock.lock_file} for {_LOCK_S:.0f} s; "
                "end it, or set BWS_CACHE_DIR to another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _sweep(self) -> None:
        """Remove the drafts of processes that were killed, once per cache object."""
        if self._swept:
            return
        self._swept = True
        for draft in (self.root / ".tmp").glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > _ORPHAN_S:
                    draft.unlink()


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the system's refusals into one line that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CacheError(
            f"{what} ({reason}: {error.filename or 'no file named'}); "
            "free space, mend its rights, or set BWS_CACHE_DIR to another folder"
        ) from error
