"""Whether the cache is sound: every file read, every row checked, files held against each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.store import parquet
from bwsresearch.store.checks import wrong_rows
from bwsresearch.store.holes import Holes
from bwsresearch.store.layout import TREE, Location, Partition, Place
from bwsresearch.store.parquet import Damaged, Footer, Misplaced
from bwsresearch.store.roots import Entry, Key, Root, Source, root_at
from bwsresearch.store.spans import Spans, clip, union
from bwsresearch.store.upkeep import held
from bwsresearch.tables import SCHEMAS, Columns, Schema
from bwsresearch.times import iso

__all__ = ["Series", "Survey", "What", "all_series", "foreign", "partition_of", "verify"]

What: TypeAlias = Literal["damage", "gap", "overlap", "foreign", "misplaced"]
"""What is wrong; a gap is no error: the exchange had outages."""

_COLUMNS: Final = ("path", "problem", "what")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file."""

    what: What
    key: Key
    text: str


@dataclass(frozen=True)
class Series:
    """The files of one series that are in their places, oldest first, each with its time."""

    place: Place
    schema: Schema
    files: list[tuple[Key, Partition]]

    def until_ms(self, at: int) -> int:
        """Return up to where the file number `at` may cover: to the next one."""
        return self.files[at + 1][1].start_ms if at + 1 < len(self.files) else 2**47

    def own(self, at: int, columns: Columns) -> Columns:
        """Return the rows that belong into the file number `at`, sorted, each once."""
        rows, partition = tables.unique(self.schema, columns), self.files[at][1]
        times = tables.millis(rows, self.schema.time)
        is_own = (times >= partition.start_ms) & (times < partition.end_ms)
        return rows if is_own.all() else tables.sliced(rows, is_own)


def all_series(entries: Sequence[Entry]) -> list[Series]:
    """Return the series that files in order of their names make up; other files are left out."""
    found = []
    for place, files in held(entries):
        placed = [(file.key, partition_of(place, file.key.parent.name)) for file in files]
        known = [(key, partition) for key, partition in placed if partition is not None]
        if place.kind in SCHEMAS and known:
            found.append(Series(place, SCHEMAS[place.kind], known))
    return found


def partition_of(place: Place, folder: str) -> Partition | None:
    """Return the partition of a folder's name, None when it is none of the series."""
    try:
        return place.partition(folder)
    except ValueError:
        return None


def foreign(entries: Sequence[Entry], series: Sequence[Series]) -> list[Key]:
    """Return the files that belong to no series."""
    known = {key for one in series for key, _ in one.files}
    return [entry.key for entry in entries if entry.key not in known]


def verify(root: Location) -> pd.DataFrame:
    """Return one row per problem: path, problem, what; no rows when every file is sound."""
    home = root_at(root)
    entries = home.entries(TREE)
    series = all_series(entries)
    problems = [
        Problem(
            "foreign",
            key,
            "no file of this cache; some readers of the folder fail on it, move it away",
        )
        for key in foreign(entries, series)
    ]
    for one in series:
        problems += _Check(home, one).problems()
    problems.sort(key=lambda problem: problem.key)
    lines = [(home.shown(problem.key), problem.text, problem.what) for problem in problems]
    return pd.DataFrame(lines, columns=list(_COLUMNS), dtype="str")


@dataclass
class Survey:
    """One reading of a series, a file at a time; what lies between files is known at its end."""

    root: Root
    series: Series
    is_all: bool = False
    """Whether holes that are known to be empty count as well."""
    _ranges: list[tuple[Key, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.holes = Holes(self.series.schema, self.series.place.interval)

    def files(self) -> Iterator[tuple[int, tuple[Columns, Footer] | Damaged]]:
        """Return what each file holds, or why it cannot be read."""
        keys, schema = [key for key, _ in self.series.files], self.series.schema
        for at, source in enumerate(self.root.sources(keys)):
            try:
                found = parquet.read(schema, source, series=self.series.place.name)
            except Damaged as damage:
                yield at, damage
                continue
            if found is not None:  # else somebody has cleared it meanwhile
                columns, footer = tables.from_arrow(schema, found[0]), found[1]
                self._take(at, columns, footer)
                yield at, (columns, footer)

    def _take(self, at: int, columns: Columns, footer: Footer) -> None:
        covered = clip(union(footer.coverage), -(2**50), self.series.until_ms(at))
        empty = () if self.is_all else footer.empty
        self.holes.add(self.series.own(at, columns), covered, empty)
        if tables.length(columns):
            keys = columns[self.series.schema.key]
            self._ranges.append((self.series.files[at][0], int(keys.min()), int(keys.max())))

    def shared(self) -> Iterator[tuple[Key, Key, list[int]]]:
        """Return two files and the keys that both hold, ascending.

        A change of a book is told by its whole order, not by its key alone.
        """
        order = list(self.series.schema.order)
        for one, other in _meeting(self._ranges):
            first, second = (_keys(self.series, it) for it in self.root.sources([one, other]))
            common = first.merge(second, how="inner", on=order)[self.series.schema.key]
            if len(common):
                yield one, other, sorted(int(key) for key in common.unique())


@dataclass
class _Check:
    """One look at one series: a file's rows are in memory at a time."""

    root: Root
    series: Series

    def problems(self) -> Iterator[Problem]:
        """Return what is wrong with the files, and between them."""
        survey = Survey(self.root, self.series)
        for at, found in survey.files():
            if isinstance(found, Damaged):
                yield _damaged(self.series.files[at][0], found)
            else:
                yield from self._problems(at, *found)
        yield from self._gaps(survey.holes.found())
        for one, other, keys in survey.shared():
            more = f", and {len(keys) - 1:,} more" if len(keys) > 1 else ""
            text = f"{self.series.schema.key} {keys[0]} is in {one.parent.name} too{more}"
            yield Problem("overlap", other, text)

    def _problems(self, at: int, columns: Columns, footer: Footer) -> Iterator[Problem]:
        """Return what is wrong with a file that can be read."""
        key, partition = self.series.files[at]
        place, coverage = self.series.place, footer.coverage
        times = tables.millis(columns, self.series.schema.time)
        if len(times) and not partition.start_ms <= times.min() <= times.max() < partition.end_ms:
            yield Problem("misplaced", key, f"rows of another {place.unit} than {partition.folder}")
        if coverage != union(coverage):
            yield Problem("damage", key, f"covers {coverage}, which are no ranges in order")
        elif coverage and coverage[0][0] < partition.start_ms:
            text = f"covers time from {iso(coverage[0][0])} on, before its own {place.unit}"
            yield Problem("misplaced", key, text)
        until = self.series.until_ms(at)
        if coverage and max(end for _, end in coverage) > until:
            following = self.series.files[at + 1][1].folder
            yield Problem("overlap", key, f"covers time of {following} too, which has its own file")
        for start, end in footer.lost:
            text = f"what was damaged from {iso(start)} to {iso(end)} is not fetched again yet"
            yield Problem("damage", key, text)
        for row, text in wrong_rows(self.series.schema, place.interval, columns):
            yield Problem("damage", key, f"row {row + 1}: {text}")

    def _gaps(self, holes: Spans) -> Iterator[Problem]:
        starts = [partition.start_ms for _, partition in self.series.files]
        for start, end in holes:
            at = max(int(np.searchsorted(starts, start, side="right")) - 1, 0)
            rows = "bars" if self.series.place.interval else "ids"
            text = (
                f"{rows} are missing from {iso(start)} to {iso(end)}, which is covered; "
                "`bwsresearch cache repair` asks for them"
            )
            yield Problem("gap", self.series.files[at][0], text)


def _meeting(ranges: Sequence[tuple[Key, int, int]]) -> Iterator[tuple[Key, Key]]:
    """Return the pairs of files whose ranges of keys meet."""
    by_first = sorted(ranges, key=itemgetter(1))
    for at, (one, _, last) in enumerate(by_first):
        for other, low, _ in by_first[at + 1 :]:
            if low > last:
                break
            yield one, other


def _damaged(key: Key, damage: Damaged) -> Problem:
    if isinstance(damage, Misplaced):
        return Problem("misplaced", key, f"{damage}")
    return Problem(
        "damage", key, f"damaged: {damage}; its rows are fetched again when they are asked for"
    )


def _keys(series: Series, source: Source | None) -> pd.DataFrame:
    try:
        found = parquet.read(series.schema, source)
    except Damaged:
        found = None
    columns = (
        tables.empty(series.schema) if found is None else tables.from_arrow(series.schema, found[0])
    )
    return pd.DataFrame({name: columns[name] for name in series.schema.order})
