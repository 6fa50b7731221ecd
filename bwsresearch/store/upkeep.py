"""Looking after the cache: what it holds, and removing parts of it."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import pandas as pd

from bwsresearch.errors import CacheError
from bwsresearch.store import parquet
from bwsresearch.store.layout import FILE, TREE, Location, Place
from bwsresearch.store.parquet import Damaged
from bwsresearch.store.roots import Entry, Key, Root, Source, root_at
from bwsresearch.store.spans import union
from bwsresearch.tables import SCHEMAS
from bwsresearch.times import as_interval

__all__ = [
    "Wanted",
    "check_interval_and_kind",
    "clear",
    "held",
    "info",
    "places",
    "remove",
    "series",
]

_COLUMNS: Final = {
    "server": "str",
    "kind": "str",
    "symbol": "str",
    "interval": "str",
    "rows": "int64",
    "start": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
    "mb": "float64",
    "path": "str",
}


def series(root: Path) -> Iterator[tuple[Place, list[Path]]]:
    """Return every series of a folder with its files, oldest first; what else is there is left out."""
    for place, files in held(root_at(root).entries(TREE)):
        yield place, [root / file.key for file in files]


def places(root: Location) -> list[Place]:
    """Return every series of the cache."""
    return [place for place, _ in held(root_at(root).entries(TREE))]


def held(entries: Iterable[Entry]) -> Iterator[tuple[Place, list[Entry]]]:
    """Return the series that files in order of their names make up; other files are left out."""
    files = (entry for entry in entries if entry.key.name == FILE)
    for folder, group in groupby(files, key=lambda entry: entry.key.parent.parent):
        with contextlib.suppress(ValueError):
            yield Place.of(Path(folder.relative_to(TREE))), list(group)


def info(root: Location) -> pd.DataFrame:
    """Return one row per series; a damaged file counts with its size alone."""
    place = root_at(root)
    rows = [_line(place, *found) for found in held(place.entries(TREE))]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _line(root: Root, place: Place, files: list[Entry]) -> list[object]:
    ends = root.ends(file.key for file in files)
    footers = [footer for end in ends if (footer := _footer(end)) is not None]
    covered = union(*(footer.coverage for footer in footers))
    return [
        place.server,
        place.kind,
        place.symbol,
        place.interval or "",
        sum(footer.rows for footer in footers),
        _stamp(covered[0][0] if covered else None),
        _stamp(covered[-1][1] if covered else None),
        sum(file.size for file in files) / 1e6,
        root.shown(files[0].key.parent.parent),
    ]


def _stamp(time_ms: int | None) -> pd.Timestamp | None:
    return None if time_ms is None else pd.Timestamp(time_ms, unit="ms", tz="UTC")


def _footer(end: Source | None) -> parquet.Footer | None:
    try:
        return parquet.read_footer(end)
    except Damaged:
        return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which series are meant: those that match all that is given, every one without."""

    symbol: str | None = None
    interval: str | None = None
    kind: str | None = None
    server: str | None = None

    def __post_init__(self) -> None:
        check_interval_and_kind(self.interval, self.kind)

    def holds(self, place: Place) -> bool:
        """Whether a series is meant."""
        return (
            self.symbol in (None, place.symbol)
            and self.interval in (None, place.interval)
            and self.kind in (None, place.kind)
            and self.server in (None, place.server)
        )

    def check(self, cached: Sequence[Place]) -> None:
        """Raise ValueError for a symbol or a server of which nothing is cached."""
        _check_held("symbol", self.symbol, {place.symbol for place in cached})
        _check_held("server", self.server, {place.server for place in cached})


def clear(
    root: Location,
    wanted: Wanted | None = None,
    *,
    before_ms: int | None = None,
    beside: Sequence[Path] = (),
) -> int:
    """Remove the series that are wanted, or of them what is older; return bytes freed.

    `beside` are folders with a tree of their own, of which the same goes.

    Raises:
        ValueError: for what cannot be an interval or a kind, or a symbol or server that is not cached.
        CacheError: when a file cannot be removed.
    """
    homes, wanted = [root_at(one) for one in (root, *beside)], wanted or Wanted()
    cached = [(home, *found) for home in homes for found in held(home.entries(TREE))]
    wanted.check([place for _, place, _ in cached])
    return sum(
        _remove(home, place, files) if before_ms is None else _age(home, place, files, before_ms)
        for home, place, files in cached
        if wanted.holds(place)
    )


def _age(root: Root, place: Place, files: Sequence[Entry], before_ms: int) -> int:
    """Remove the files whose whole stretch of time lies before `before_ms`."""
    old = [file for file in files if _end_ms(place, file) <= before_ms]
    remove(root, place, old)
    return sum(file.size for file in old)


def _end_ms(place: Place, file: Entry) -> int:
    """Return when a file's stretch of time is over, never for what is not named so."""
    with contextlib.suppress(ValueError):
        return place.partition(file.key.parent.name).end_ms
    return 2**63


def check_interval_and_kind(interval: str | None, kind: str | None) -> None:
    """Raise ValueError for what cannot be an interval or a kind, or not both at once."""
    if interval is not None:
        as_interval(interval)
    if kind is not None and kind not in SCHEMAS:
        raise ValueError(f"kind is {kind!r}, must be one of {', '.join(SCHEMAS)}")
    if interval is not None and kind not in (None, "klines"):
        raise ValueError(f"interval is {interval!r}, but {kind} have none; leave it out")


def _check_held(what: str, given: str | None, held: set[str]) -> None:
    """Refuse a name that the cache does not hold; an empty cache has nothing left to clear."""
    if given is not None and held and given not in held:
        raise ValueError(
            f"{what} is {given!r}, of which nothing is cached; there is {', '.join(sorted(held))}"
        )


def _remove(root: Root, place: Place, files: Sequence[Entry]) -> int:
    aside = Key(".damaged", place.folder)
    freed = sum(file.size for file in [*files, *root.entries(aside)])
    remove(root, place, files)
    root.remove_all(aside)
    return freed


def remove(root: Root, place: Place, files: Sequence[Entry]) -> None:
    """Remove files of a series; a CacheError when the system refuses."""
    try:
        root.remove(file.key for file in files)
    except OSError as error:
        raise CacheError(
            f"{root.shown(TREE / place.folder)} cannot be removed ({error.strerror}); "
            "mend its rights"
        ) from error
