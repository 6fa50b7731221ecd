"""What is sound of a damaged file: row groups whose checksums hold, and where the others were."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeAlias

import pyarrow as pa

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.store import parquet
from bwsresearch.store.layout import Place
from bwsresearch.store.parquet import Damaged, Footer
from bwsresearch.store.roots import Source, Turn
from bwsresearch.store.spans import Spans, minus, union
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, Columns, Schema
from bwsresearch.times import next_open, open_time

__all__ = [
    "Aside",
    "DamagedFileWarning",
    "Found",
    "is_askable",
    "known_lost",
    "read_or_aside",
    "salvaged",
    "stretch",
]

Found: TypeAlias = tuple[pa.Table, Footer]


class DamagedFileWarning(UserWarning):
    """A file of the cache was damaged: it was put aside, and what is sound of it kept.

    The other rows are fetched again where the exchange has them; those of books are gone.
    """


@dataclass(frozen=True, slots=True)
class Aside:
    """A damaged file: where it lies now, what was wrong with it, and a file of what is sound of it."""

    place: str
    damage: Damaged
    sound: bytes | None

    def fill(self, file: IO[bytes]) -> None:
        """Write what is sound."""
        file.write(self.sound or b"")

    def warning(self, name: str, schema: Schema) -> DamagedFileWarning:
        """Return what a user must know."""
        kept = "its rows" if self.sound is None else "its sound rows stay, the others"
        fate = (
            "fetched again" if is_askable(schema) else "lost, the exchange has no history of them"
        )
        return DamagedFileWarning(
            f"{name} was damaged ({self.damage}); it lies in {self.place} now, {kept} are {fate}"
        )


def read_or_aside(
    turn: Turn, read: Callable[[Source | None], Found | None], schema: Schema, place: Place
) -> tuple[Found | None, Aside | None]:
    """Return what a file holds, which is perhaps mended by now; a damaged one is put aside.

    What is sound of it is returned, and is to be put in its place.
    """
    try:
        return read(turn.source), None
    except Damaged as damage:
        sound = _file_of(schema, place, turn.source)
        aside = Aside(turn.put_aside(), damage, sound)
        return None if sound is None else read(pa.py_buffer(sound)), aside


def is_askable(schema: Schema) -> bool:
    """Whether the exchange has the history of this kind: of books there is none."""
    return schema in (KLINES, AGG_TRADES, TRADES)


def stretch(interval: Interval | None, first_ms: int, last_ms: int) -> tuple[int, int]:
    """Return the time of rows from the first to the last one: bars last, trades are moments."""
    if interval is None:
        return first_ms, last_ms + 1
    return open_time(interval, first_ms), next_open(interval, open_time(interval, last_ms))


def known_lost(schema: Schema, footer: Footer, lost: Spans) -> Spans:
    """Return what is to be asked for again; nothing where nobody can be asked."""
    return union(footer.lost, lost) if is_askable(schema) else ()


def salvaged(schema: Schema, place: Place, source: Source | None) -> tuple[Columns, Footer, Spans]:
    """Return the sound rows of a damaged file, its footer as it was, and the time of the others.

    Raises:
        Damaged: when the footer cannot be trusted, and so nothing can.
    """
    table, footer, groups = parquet.salvage(schema, source, series=place.name)
    lost = union(*((stretch(place.interval, first, last),) for first, last in groups))
    return tables.from_arrow(schema, table), footer, lost


def _file_of(schema: Schema, place: Place, source: Source | None) -> bytes | None:
    """Return a file with what is sound of a damaged one; None when that is no row.

    It does not cover what was lost, and says where that was until it is there again.
    """
    try:
        columns, footer, lost = salvaged(schema, place, source)
    except Damaged:
        return None
    if not tables.length(columns):
        return None
    kept = Footer(
        minus(footer.coverage, lost),
        footer.source,
        place.name,
        minus(footer.empty, lost),
        known_lost(schema, footer, lost),
        footer.level,
    )
    content = io.BytesIO()
    parquet.write(schema, content, columns, kept)
    return content.getvalue()
