"""The cache of one server: rows by series and range, with what is known to be complete.

Coverage is written in the same file as the rows, so that neither can be there without the other; a
stretch that was asked for and is empty is covered too. Writers of one file take turns by a lock.
"""

import contextlib
import time
import uuid
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.store import parquet
from bwsresearch.store.layout import FILE, Partition, Place, tree
from bwsresearch.store.locks import LOCK_S, locked
from bwsresearch.store.parquet import Damaged
from bwsresearch.store.spans import Spans, clip, union
from bwsresearch.tables import Columns, Schema
from bwsresearch.times import DAY_MS, Ms, as_interval

__all__ = ["Cache", "DamagedFileWarning"]

_ORPHAN_S: Final = 3600.0
_LAST_MS: Final = 2**47


class DamagedFileWarning(UserWarning):
    """A file of the cache was unreadable; it was put aside and its rows are fetched again."""


@dataclass
class Cache:
    """Rows of one server below one root.

    Args:
        root: the folder of all servers' caches.
        server: whose rows: "production", "testnet", "demo", "local-<hash>" or host and port.
        lock_s: how long to wait for another process that writes the same file, in seconds.

    Raises:
        ValueError: when the server has no name.
    """

    root: Path
    server: str
    lock_s: float = field(default=LOCK_S, repr=False)
    _swept: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if not self.server:
            raise ValueError("server is '', must name whose rows they are, such as 'production'")

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
        with _told(f"the cache at {self.root} cannot be read"):
            for partition in self._present(place, start_ms, end_ms):
                found = self._sound(schema, self._path(place, partition), start_ms, end_ms)
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
        rows = tables.unique(schema, columns)
        times, covered = tables.millis(rows, schema.time), union(covered)
        is_ascending = bool((times[1:] >= times[:-1]).all())
        with _told(f"the cache at {self.root} cannot be written"):
            files = self._files(place, times, covered)
            for at, partition in enumerate(files):
                own = tables.sliced(rows, _inside(times, partition, is_ascending=is_ascending))
                until_ms = files[at + 1].start_ms if at + 1 < len(files) else _LAST_MS
                spans = clip(covered, partition.start_ms, until_ms)
                if tables.length(own) or spans:
                    self._merge(schema, self._path(place, partition), own, spans, source)

    def _files(self, place: Place, times: Ms, covered: Spans) -> list[Partition]:
        """Return the files that rows and coverage go to, in order of time.

        A stretch without rows may be years long: its coverage goes to the file where it begins, and
        to those that lie in it, not to an empty file for every day.
        """
        days = times // DAY_MS
        days = days[np.flatnonzero(np.diff(days, prepend=days[:1] - 1))]
        found = {place.at(int(day) * DAY_MS) for day in days}
        for start_ms, end_ms in covered:
            found.add(place.at(start_ms))
            found.update(p for p in self._present(place, start_ms, end_ms) if p.end_ms > start_ms)
        return sorted(found, key=lambda partition: partition.start_ms)

    def _present(self, place: Place, start_ms: int, end_ms: int) -> list[Partition]:
        """Return the files that may hold something of [start_ms, end_ms), in order of time.

        That is also the last one before: its coverage may run on.
        """
        try:
            names = [path.name for path in (tree(self.root) / place.folder).iterdir()]
        except FileNotFoundError:
            return []
        # Names of this form sort as their times do.
        names = sorted(name for name in names if name.startswith(f"{place.unit}="))
        first = bisect_right(names, place.at(max(start_ms, 0)).folder) - 1
        last = bisect_right(names, place.at(min(end_ms, _LAST_MS) - 1).folder)
        found = []
        for name in names[max(first, 0) : last]:
            with contextlib.suppress(ValueError):  # nothing of ours
                found.append(place.partition(name))
        return found

    def _place(self, schema: Schema, symbol: str, interval: str | None) -> Place:
        return Place(self.server, schema.name, symbol, as_interval(interval) if interval else None)

    def _path(self, place: Place, partition: Partition) -> Path:
        return tree(self.root) / place.folder / partition.folder / FILE

    def _sound(
        self, schema: Schema, path: Path, start_ms: int, end_ms: int
    ) -> tuple[pa.Table, parquet.Footer] | None:
        """Return what a file holds; None when there is none, or a damaged one was put aside."""
        try:
            return parquet.read(schema, path, start_ms, end_ms)
        except Damaged:
            pass
        with locked(self.root, path, self.lock_s):
            try:
                return parquet.read(schema, path, start_ms, end_ms)  # perhaps mended by now
            except Damaged as damage:
                warning = self._put_aside(path, damage)
        warnings.warn(warning, stacklevel=3)
        return None

    def _put_aside(self, path: Path, damage: Damaged) -> DamagedFileWarning:
        """Move a file out of the tree; its lock is held."""
        below = path.relative_to(tree(self.root))
        kept = self.root / ".damaged" / below.with_name(f"{uuid.uuid4().hex[:8]}-{below.name}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.replace(kept)
        return DamagedFileWarning(
            f"{path} was damaged ({damage}); it lies in {kept} now and its rows are fetched again"
        )

    def _merge(
        self, schema: Schema, path: Path, columns: Columns, covered: Spans, source: str
    ) -> None:
        warning = None
        with locked(self.root, path, self.lock_s):
            try:
                old = parquet.read(schema, path)
            except Damaged as damage:
                warning = self._put_aside(path, damage)
                old = None
            if old is not None:
                columns = tables.concat(schema, [tables.from_arrow(schema, old[0]), columns])
                covered = union(old[1].coverage, covered)
                source = source if old[1].source == source else "mixed"
            self._sweep()
            rows = tables.unique(schema, columns)
            parquet.write(schema, path, rows, covered, source=source, temporary=self.root / ".tmp")
        if warning is not None:
            warnings.warn(warning, stacklevel=3)

    def _sweep(self) -> None:
        """Remove the drafts of processes that were killed, once per cache object."""
        if self._swept:
            return
        self._swept = True
        for draft in (self.root / ".tmp").glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > _ORPHAN_S:
                    draft.unlink()


def _inside(
    times: Ms, partition: Partition, *, is_ascending: bool
) -> slice | npt.NDArray[np.bool_]:
    """Return which of `times` lie in a partition."""
    if is_ascending:
        first, last = np.searchsorted(times, [partition.start_ms, partition.end_ms])
        return slice(int(first), int(last))
    return (times >= partition.start_ms) & (times < partition.end_ms)


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
