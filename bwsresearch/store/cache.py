"""The cache of one server: rows by series and range, with what is known to be complete.

Coverage is written in the same file as the rows, so that neither can be there without the other; a
stretch that was asked for and is empty is covered too. Writers of one file take turns.
"""

import contextlib
import warnings
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Final, TypeVar

import msgspec
import pyarrow as pa

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.store import parquet
from bwsresearch.store.layout import FILE, TREE, Location, Partition, Place
from bwsresearch.store.locks import LOCK_S
from bwsresearch.store.parquet import Damaged
from bwsresearch.store.partitions import LAST_MS, inside, overlapping, touched
from bwsresearch.store.roots import Key, Root, Source, Turn, Unwritable, root_at
from bwsresearch.store.salvage import Aside, DamagedFileWarning, Found, read_or_aside
from bwsresearch.store.sizes import InUse, keep_within, max_bytes
from bwsresearch.store.spans import Spans, clip, union
from bwsresearch.tables import Columns, Schema
from bwsresearch.times import as_interval

__all__ = ["Cache", "DamagedFileWarning"]

_LARGE: Final = 2**24
"""Bytes of a file's rows, in memory, that Arrow is to give back rather than to keep for the next."""

T = TypeVar("T")


@dataclass
class Cache:
    """Rows of one server below one root; what it has touched stays while it lives, see `sizes`.

    Args:
        root: the folder of all servers' caches.
        server: whose rows: "production", "testnet", "demo", "local-<hash>" or host and port.
        lock_s: how long to wait for another process that writes the same file, in seconds.
        is_limited: whether BWS_CACHE_MAX_MB holds for it, and what is too much goes.

    Raises:
        ValueError: when the server has no name, or BWS_CACHE_MAX_MB is no number.
    """

    root: Location
    server: str
    lock_s: float = field(default=LOCK_S, repr=False)
    is_limited: bool = field(default=True, repr=False)
    _files: Root = field(init=False, repr=False, compare=False)
    _use: InUse = field(init=False, repr=False, compare=False)
    _written: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.server:
            raise ValueError("server is '', must name whose rows they are, such as 'production'")
        max_bytes()
        self._files, self._use = root_at(self.root, self.lock_s), InUse(self.root)

    def read(
        self,
        schema: Schema,
        symbol: str,
        interval: str | None,
        start_ms: int,
        end_ms: int,
        *,
        columns: Collection[str] | None = None,
    ) -> tuple[Columns, Spans]:
        """Return the rows of [start_ms, end_ms) sorted by key, and which of that time is covered.

        A damaged file is put aside with a warning; its row groups that are sound stay, the time of the
        others counts as not covered. With `columns` only the time and these are read.

        Raises:
            CacheError: when the folder cannot be read.
        """
        place = self._place(schema, symbol, interval)
        kept = schema if columns is None else schema.only(columns)
        covered: list[Spans] = []
        with _told(f"the cache at {self.root} cannot be read"):
            keys = [_key(place, p) for p in self._present(place, start_ms, end_ms)]
            self._use.keys.update(keys)
            sources = list(self._files.sources(keys))
            rows = tables.Collected(kept, _count(sources, start_ms, end_ms))
            read = partial(
                parquet.read,
                schema,
                start_ms=start_ms,
                end_ms=end_ms,
                series=place.name,
                columns=list(kept.dtypes),
            )
            for key, source in zip(keys, sources, strict=True):
                found = self._sound(schema, place, key, source, read)
                if found is not None:
                    rows.add(found[0])
                    covered.append(clip(found[1].coverage, start_ms, end_ms))
                    is_large = found[0].nbytes > _LARGE
                    del found
                    if is_large:
                        pa.default_memory_pool().release_unused()
        return rows.columns(), union(*covered)

    def stretches(
        self, schema: Schema, symbol: str, interval: str | None, start_ms: int, end_ms: int
    ) -> Spans:
        """Return the times of the files that may hold something of [start_ms, end_ms), in order.

        What `read` gives of one stretch after the other needs the memory of one file.

        Raises:
            CacheError: when the folder cannot be read.
        """
        with _told(f"the cache at {self.root} cannot be read"):
            place = self._place(schema, symbol, interval)
            found = self._present(place, start_ms, end_ms)
        return tuple((one.start_ms, one.end_ms) for one in found)

    def write(
        self,
        schema: Schema,
        symbol: str,
        interval: str | None,
        columns: Columns,
        covered: Spans,
        *,
        source: str,
        empty: Spans = (),
    ) -> None:
        """Add rows and the time that they complete; of equal keys the new row stays.

        Rows need not be sorted. All that was there before stays if the process dies in between.
        `empty` is what of `covered` was asked for once more since rows seemed to be missing.

        Raises:
            CacheError: when the folder cannot be written; nothing that was there is lost.
        """
        place = self._place(schema, symbol, interval)
        rows = tables.unique(schema, columns)
        times, covered = tables.millis(rows, schema.time), union(covered)
        is_ascending = bool((times[1:] >= times[:-1]).all())
        self._written = 0
        with _told(f"the cache at {self.root} cannot be written"):
            names = self._names(place)
            files, is_fresh = touched(place, names, times, covered), False
            for at, partition in enumerate(files):
                own = tables.sliced(rows, inside(times, partition, is_ascending=is_ascending))
                until_ms = files[at + 1].start_ms if at + 1 < len(files) else LAST_MS
                spans = clip(covered, partition.start_ms, until_ms)
                if tables.length(own) or spans:
                    known = clip(union(empty), partition.start_ms, until_ms)
                    added = parquet.Footer(spans, source, place.name, known)
                    was_fresh = is_fresh
                    is_fresh = self._merge(schema, place, partition, own, added)
                    if is_fresh and not was_fresh:
                        self._make_room(schema, place, partition, names)
            if self.is_limited:
                keep_within(self.root, self._files, self._written)

    def _present(self, place: Place, start_ms: int, end_ms: int) -> list[Partition]:
        return overlapping(place, self._names(place), start_ms, end_ms)

    def _names(self, place: Place) -> list[str]:
        """Return the names of a series' partitions, in order of time, as they sort."""
        names = self._files.names(TREE / place.folder)
        return sorted(name for name in names if name.startswith(f"{place.unit}="))

    def _place(self, schema: Schema, symbol: str, interval: str | None) -> Place:
        return Place(self.server, schema.name, symbol, as_interval(interval) if interval else None)

    def _sound(
        self,
        schema: Schema,
        place: Place,
        key: Key,
        source: Source | None,
        read: Callable[[Source | None], Found | None],
    ) -> Found | None:
        """Return what a file holds, of a damaged one what is sound; None when there is nothing."""
        try:
            return read(source)
        except Damaged:
            pass

        def mended(turn: Turn) -> tuple[Found | None, Aside | None]:
            found, aside = read_or_aside(turn, read, schema, place)
            if aside is not None and aside.sound is not None:
                turn.put(aside.fill)
            return found, aside

        try:
            return self._told_of_damage(schema, key, mended)
        except Unwritable as refused:
            text = f"{self._files.shown(key)} is damaged, and stays where it is: {refused}"
            warnings.warn(DamagedFileWarning(text), stacklevel=3)
            return None

    def _merge(
        self,
        schema: Schema,
        place: Place,
        partition: Partition,
        columns: Columns,
        added: parquet.Footer,
    ) -> bool:
        """Add rows to a file, and return whether there was none."""

        def merged(turn: Turn) -> tuple[bool, Aside | None]:
            read = partial(parquet.read, schema, series=place.name)
            old, aside = read_or_aside(turn, read, schema, place)
            rows, footer = columns, added
            if old is not None:
                rows = tables.concat(schema, [tables.from_arrow(schema, old[0]), columns])
                footer = old[1].merged(added)
            rows = tables.unique(schema, rows)

            def fill(file: IO[bytes]) -> None:
                parquet.write(schema, file, rows, footer)
                self._written += file.tell()

            turn.put(fill)
            return old is None and aside is None, aside

        key = _key(place, partition)
        self._use.keys.add(key)
        return self._told_of_damage(schema, key, merged)

    def _make_room(
        self, schema: Schema, place: Place, fresh: Partition, names: Sequence[str]
    ) -> None:
        """Let a fresh file say what the one before it said of this time, and of what comes behind.

        That one claimed that nothing is here. It would claim so still if the fresh file were lost.
        """
        at = bisect_left(names, fresh.folder)
        before = [TREE / place.folder / name / FILE for name in names[max(at - 1, 0) : at]]
        for key, end in zip(before, self._files.ends(before), strict=True):
            with contextlib.suppress(
                Damaged, ValueError
            ):  # what is told when it is read, or not ours
                footer = parquet.read_footer(end)
                if footer is None:
                    known = self._names(place)
                    if (
                        key.parent.name not in known
                    ):  # it was taken into the one before it meanwhile
                        self._make_room(schema, place, fresh, known)
                elif clip(footer.coverage, fresh.start_ms, LAST_MS):
                    others = [name for name in names[at : at + 2] if name != fresh.folder]
                    following = [place.partition(name).start_ms for name in others[:1]]
                    until_ms = min(following, default=LAST_MS)
                    passed_on = clip(footer.coverage, fresh.end_ms, until_ms)
                    if passed_on:
                        added = parquet.Footer(passed_on, footer.source, place.name)
                        self._merge(schema, place, fresh, tables.empty(schema), added)
                    self._files.turn(key, partial(_cut, schema, place, fresh.start_ms))

    def _told_of_damage(
        self, schema: Schema, key: Key, change: Callable[[Turn], tuple[T, Aside | None]]
    ) -> T:
        """Take a turn at a file; warn of what was put aside by it."""
        value, aside = self._files.turn(key, change)
        if aside is not None:
            warnings.warn(aside.warning(self._files.shown(key), schema), stacklevel=4)
        return value


def _count(sources: Sequence[Source | None], start_ms: int, end_ms: int) -> int:
    """Return about how many rows several files have; one alone tells when it is read."""
    count = 0
    for source in sources if len(sources) > 1 else ():
        with contextlib.suppress(Damaged):  # which is told when it is read
            count += parquet.count(source, start_ms, end_ms)
    return count


def _cut(schema: Schema, place: Place, until_ms: int, turn: Turn) -> None:
    """Let a file cover nothing from a time on."""
    found = parquet.read(schema, turn.source, series=place.name)
    if found is not None:
        rows = tables.from_arrow(schema, found[0])
        coverage = clip(found[1].coverage, -LAST_MS, until_ms)
        footer = msgspec.structs.replace(found[1], coverage=coverage)
        turn.put(lambda file: parquet.write(schema, file, rows, footer))


def _key(place: Place, partition: Partition) -> Key:
    return TREE / place.folder / partition.folder / FILE


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
