"""Taking out of the cache what cannot be true, and telling what is to be asked for again.

A damaged file is put aside; its sound row groups are kept. What was lost is written into the file that
takes its place, so that it is not forgotten when nobody can be asked now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bwsresearch import tables
from bwsresearch.store import parquet
from bwsresearch.store.checks import are_wrong
from bwsresearch.store.layout import TREE, Place
from bwsresearch.store.parquet import Damaged, Footer, Misplaced
from bwsresearch.store.roots import Key, Root, Source, Turn
from bwsresearch.store.salvage import known_lost, salvaged, stretch
from bwsresearch.store.spans import Spans, clip, minus, union
from bwsresearch.store.verification import Series, Survey, What, all_series, foreign
from bwsresearch.tables import Columns

__all__ = ["Mended", "mend", "move_foreign", "settle"]

_Found: TypeAlias = tuple[Columns, Footer]

_NEAR: Final = 64
"""Files behind one that are looked at: coverage that reaches further is asked for again."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What was wrong with a file, what was done, and which time is to be asked for again."""

    what: What
    key: Key
    done: str
    lost: Spans = ()


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of a file; `is_aside` when the original is worth keeping to look at."""

    what: What
    columns: Columns
    footer: Footer
    is_aside: bool


def move_foreign(root: Root, server: str) -> Iterator[Mended]:
    """Move files that are none of the cache out of the tree, but for those among other servers'."""
    entries = root.entries(TREE)
    series = all_series(entries)
    own = Place(server, "any", "any", None).folder.parts[0]
    others = {one.place.folder.parts[0] for one in series} - {own}
    for key in foreign(entries, series):
        if key.parts[1] not in others:
            kept = root.turn(key, lambda turn: turn.put_aside())
            root.remove([key])  # not every store moves
            yield Mended("foreign", key, f"moved to {kept}")


def mend(root: Root, series: Series) -> Iterator[Mended]:
    """Mend the files of a series one by one; what is sound is not touched.

    What a file has lost stays in its footer until `settle`, unless nobody can be asked for it.
    """
    menders = [_Mender(series, at, covered) for at, covered in enumerate(_elsewhere(root, series))]
    survey = Survey(root, series)
    for at, found in survey.files():
        if isinstance(found, Damaged) or menders[at].checked(found) is not None:
            done = root.turn(menders[at].key, menders[at].mended)
            if done is not None:
                yield done
        elif found[1].lost:
            yield Mended("damage", menders[at].key, "was put aside before", found[1].lost)
    for one, other, keys in survey.shared():
        for key in (one, other):
            at = [own for own, _ in series.files].index(key)
            done = root.turn(key, partial(menders[at].robbed, keys))
            if done is not None:
                yield done


def _elsewhere(root: Root, series: Series) -> Iterator[Spans]:
    """Return for each file what the files around it cover, each within its own reach."""
    reach = []
    for at, source in enumerate(root.ends(key for key, _ in series.files)):
        try:
            footer = parquet.read_footer(source)
        except Damaged:
            footer = None
        start_ms, until_ms = series.files[at][1].start_ms, series.until_ms(at)
        reach.append(clip(union(footer.coverage), start_ms, until_ms) if footer else ())
    for at in range(len(reach)):
        yield union(*reach[:at][-1:], *reach[at + 1 :][:_NEAR])


@dataclass(frozen=True, slots=True)
class _Mender:
    """What there is to mend at one file; `elsewhere` is what other files cover."""

    series: Series
    at: int
    elsewhere: Spans

    @property
    def key(self) -> Key:
        """The file."""
        return self.series.files[self.at][0]

    def mended(self, turn: Turn) -> Mended | None:
        """Mend the file while it is our turn; None when somebody else has."""
        return self._written(turn, self._judged(turn.source))

    def robbed(self, keys: list[int], turn: Turn) -> Mended | None:
        """Take rows away that another file claims too: which of the two is right, nobody knows."""
        found = self._read(turn.source)
        if found is None:
            return None
        columns, footer = found
        is_shared = np.isin(columns[self.series.schema.key], keys)
        lost = self._moments(columns, is_shared)
        left = self._without(columns, footer, footer.coverage, is_shared, lost)
        return self._written(turn, _Left("overlap", *left, is_aside=True))

    def _written(self, turn: Turn, left: _Left | None) -> Mended | None:
        if left is None:
            return None
        done = f"put aside in {turn.put_aside()}" if left.is_aside else "cut to what is its own"
        schema = self.series.schema
        turn.put(lambda file: parquet.write(schema, file, left.columns, left.footer))
        return Mended(left.what, self.key, done, left.footer.lost)

    def _read(self, source: Source | None) -> _Found | None:
        schema = self.series.schema
        found = parquet.read(schema, source, series=self.series.place.name)
        return None if found is None else (tables.from_arrow(schema, found[0]), found[1])

    def _judged(self, source: Source | None) -> _Left | None:
        """Return what is left of a file, None when it is sound or not there."""
        try:
            found = self._read(source)
        except Damaged as damage:
            return self._salvaged(source, damage)
        return None if found is None else self.checked(found)

    def _salvaged(self, source: Source | None, damage: Damaged) -> _Left:
        schema, what = self.series.schema, _what(damage)
        none = np.zeros(0, np.bool_)
        try:
            columns, footer, lost = salvaged(schema, self.series.place, source)
        except Damaged:
            nothing = Footer((), "network", self.series.place.name)
            left = self._without(tables.empty(schema), nothing, (), none, self._whole)
            return _Left(what, *left, is_aside=True)
        kept = np.zeros(tables.length(columns), np.bool_)
        left = self._without(columns, footer, footer.coverage, kept, lost)
        return replace(self.checked(left) or _Left(what, *left, True), what=what, is_aside=True)

    def checked(self, found: _Found) -> _Left | None:
        """Return what is left of what could be read, None when all of it is true."""
        columns, footer = found
        rows = self.series.own(self.at, columns)
        wrong = are_wrong(self.series.schema, self.series.place.interval, rows)
        claimed, partition = union(footer.coverage), self.series.files[self.at][1]
        coverage = clip(claimed, partition.start_ms, self.series.until_ms(self.at))
        is_strange = tables.length(rows) < tables.length(columns)
        # Rows of another time took the place of its own.
        strange = minus(self._whole, coverage) if is_strange else ()
        cut = minus(claimed, coverage)
        is_true = rows is columns and not wrong.any() and coverage == footer.coverage
        if is_true:
            return None
        lost = union(self._moments(rows, wrong), strange, minus(cut, self.elsewhere))
        what: What = "damage"
        if is_strange or (claimed and claimed[0][0] < partition.start_ms):
            what = "misplaced"
        elif cut and rows is columns and not wrong.any():
            what = "overlap"
        is_aside = rows is not columns or bool(wrong.any())
        return _Left(what, *self._without(rows, footer, coverage, wrong, lost), is_aside)

    def _without(
        self,
        rows: Columns,
        footer: Footer,
        coverage: Spans,
        wrong: npt.NDArray[np.bool_],
        lost: Spans,
    ) -> _Found:
        """Return the rows that are not wrong, and a footer that claims nothing of what is lost."""
        kept = tables.sliced(rows, ~wrong) if wrong.any() else rows
        known = known_lost(self.series.schema, footer, lost)
        name = self.series.place.name
        left = minus(coverage, lost)
        return kept, Footer(left, footer.source, name, minus(footer.empty, lost), known)

    @property
    def _whole(self) -> Spans:
        partition = self.series.files[self.at][1]
        return ((partition.start_ms, partition.end_ms),)

    def _moments(self, rows: Columns, which: npt.NDArray[np.bool_]) -> Spans:
        """Return the time of rows."""
        times = tables.millis(rows, self.series.schema.time)[which].tolist()
        return union(*((stretch(self.series.place.interval, time, time),) for time in times))


def _what(damage: Damaged) -> What:
    return "misplaced" if isinstance(damage, Misplaced) else "damage"


def settle(root: Root, key: Key, series: Series, asked: Spans) -> None:
    """Forget what of a file was lost and has been asked for again."""

    def settled(turn: Turn) -> None:
        try:
            found = parquet.read(series.schema, turn.source, series=series.place.name)
        except Damaged:
            return  # for another time
        if found is not None and (left := minus(found[1].lost, asked)) != found[1].lost:
            footer = msgspec.structs.replace(found[1], lost=left)
            columns = tables.from_arrow(series.schema, found[0])
            turn.put(lambda file: parquet.write(series.schema, file, columns, footer))

    root.turn(key, settled)
