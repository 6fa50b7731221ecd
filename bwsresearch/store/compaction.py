"""Writing the cache anew where that makes it smaller or faster to read; nothing that it holds changes.

Files are replaced in turn with other writers. A file without rows, which only says that a stretch is
empty, is taken into the file before it. That file says so first, and only then the empty one goes, so
that nothing is forgotten if the process dies in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import pandas as pd

from bwsresearch import tables
from bwsresearch.store import parquet
from bwsresearch.store.layout import TREE, Location
from bwsresearch.store.parquet import Damaged, Footer
from bwsresearch.store.roots import Key, Root, Source, Turn, root_at
from bwsresearch.store.spans import clip, minus, union
from bwsresearch.store.upkeep import Wanted
from bwsresearch.store.verification import Series, all_series, partition_of

__all__ = ["LEVEL", "compact"]

LEVEL: Final = 6
"""7 to 9 % smaller than the level 1 of fresh files, and read as fast; 9 is no smaller than that."""
_COLUMNS: Final = {
    "server": "str",
    "kind": "str",
    "symbol": "str",
    "interval": "str",
    "files_before": "int64",
    "files_after": "int64",
    "bytes_before": "int64",
    "bytes_after": "int64",
}


def compact(root: Location, wanted: Wanted, *, level: int = LEVEL) -> pd.DataFrame:
    """Write anew what is smaller or faster for it; one row per series, with its files and bytes.

    Raises:
        ValueError: when the level is not 1 to 22, or nothing is cached of a symbol or server.
        CacheError: when a file cannot be written.
    """
    if not 1 <= level <= 22:
        raise ValueError(f"level is {level!r}, must be 1 to 22; 6 is a good one")
    home = root_at(root)
    before = _sizes(home)
    cached = all_series(home.entries(TREE))
    wanted.check([one.place for one in cached])
    meant = [one for one in cached if wanted.holds(one.place)]
    for series in meant:
        _Press(home, series, level).press()
    after = _sizes(home)
    lines = [
        [
            series.place.server,
            series.place.kind,
            series.place.symbol,
            series.place.interval or "",
            *(sum(key in sizes for key, _ in series.files) for sizes in (before, after)),
            *(sum(sizes.get(key, 0) for key, _ in series.files) for sizes in (before, after)),
        ]
        for series in meant
    ]
    return pd.DataFrame(lines, columns=list(_COLUMNS)).astype(_COLUMNS)


def _sizes(root: Root) -> dict[Key, int]:
    return {entry.key: entry.size for entry in root.entries(TREE)}


@dataclass
class _Press:
    """The compaction of one series."""

    root: Root
    series: Series
    level: int

    def press(self) -> None:
        """Take empty files into those before them, and write the others anew where it pays."""
        footers = list(self._footers())
        for first, after in _runs(footers):
            self._take_in(first, range(first + 1, after))
        for at, footer in enumerate(footers):
            if footer is not None and footer.rows:
                self._rewrite(at, footer)

    def _footers(self) -> Iterator[Footer | None]:
        for source in self.root.ends(key for key, _ in self.series.files):
            yield self._footer(source)

    def _footer(self, source: Source | None) -> Footer | None:
        """Return a footer, None for what is for `verify` to judge, and not for us."""
        try:
            footer = parquet.read_footer(source)
        except Damaged:
            return None
        is_own = footer is not None and footer.series in ("", self.series.place.name)
        return footer if is_own else None

    # ---- empty files -----------------------------------------------------------------------------

    def _take_in(self, first: int, empty: range) -> None:
        """Let a file cover what the empty files behind it do, and remove those."""
        keys = [self.series.files[at][0] for at in empty]
        until_ms = self.series.until_ms(empty[-1])
        found = [self._footer(source) for source in self.root.ends(keys)]
        taken = [footer for footer in found if footer is not None and _is_empty(footer)]
        if len(taken) < len(keys):
            return  # somebody writes there this very moment
        added = Footer(
            union(*(footer.coverage for footer in taken)),
            "network",
            self.series.place.name,
            union(*(footer.empty for footer in taken)),
        )
        if self._widen(first, added, until_ms):
            for key in keys:
                self._drop(key, added)
            self._narrow(first, until_ms)

    def _widen(self, first: int, added: Footer, until_ms: int) -> bool:
        def change(turn: Turn) -> bool:
            found = self._sound(turn)
            if found is None:
                return False
            columns, footer = found
            merged = footer.merged(added)
            coverage = clip(merged.coverage, -(2**50), until_ms)
            kept = msgspec.structs.replace(
                merged, coverage=coverage, source=footer.source, level=footer.level
            )
            self._put(turn, columns, kept)
            return True

        return self.root.turn(self.series.files[first][0], change)

    def _drop(self, key: Key, added: Footer) -> None:
        """Remove a file if it is still empty, and covers nothing that is not taken in."""

        def change(turn: Turn) -> None:
            footer = self._footer(turn.source)
            is_same = footer is not None and not minus(footer.coverage, added.coverage)
            if footer is not None and _is_empty(footer) and is_same:
                turn.remove()

        self.root.turn(key, change)

    def _narrow(self, first: int, until_ms: int) -> None:
        """Take back what is in a file of its own after all: others may have written meanwhile."""
        key, partition = self.series.files[first]
        following = [
            own.start_ms
            for name in self.root.names(key.parent.parent)
            if (own := partition_of(self.series.place, name)) is not None
            and partition.start_ms < own.start_ms < until_ms
        ]
        if not following:
            return

        def change(turn: Turn) -> None:
            found = self._sound(turn)
            if found is not None:
                columns, footer = found
                coverage = clip(footer.coverage, -(2**50), min(following))
                self._put(turn, columns, msgspec.structs.replace(footer, coverage=coverage))

        self.root.turn(key, change)

    # ---- the others ------------------------------------------------------------------------------

    def _rewrite(self, at: int, footer: Footer) -> None:
        key = self.series.files[at][0]
        (source,) = self.root.ends([key])
        try:
            is_good = footer.level >= self.level and parquet.is_as_written(
                self.series.schema, source
            )
        except Damaged:
            return
        if not is_good:
            self.root.turn(key, self._pressed)

    def _pressed(self, turn: Turn) -> None:
        found = self._sound(turn)
        if found is not None:
            columns, footer = found
            name = self.series.place.name
            level = max(self.level, footer.level)
            self._put(turn, columns, msgspec.structs.replace(footer, series=name, level=level))

    def _sound(self, turn: Turn) -> tuple[tables.Columns, Footer] | None:
        schema = self.series.schema
        try:
            found = parquet.read(schema, turn.source, series=self.series.place.name)
        except Damaged:
            return None
        return None if found is None else (tables.from_arrow(schema, found[0]), found[1])

    def _put(self, turn: Turn, columns: tables.Columns, footer: Footer) -> None:
        turn.put(lambda file: parquet.write(self.series.schema, file, columns, footer))


def _is_empty(footer: Footer) -> bool:
    return not footer.rows and not footer.lost


def _runs(footers: list[Footer | None]) -> Iterator[tuple[int, int]]:
    """Return the file before each row of empty ones, and the end of that row."""
    first: int | None = None
    for at, footer in enumerate([*footers, None]):
        if footer is not None and _is_empty(footer) and first is not None:
            continue
        if first is not None and at > first + 1:
            yield first, at
        first = None if footer is None else at
