"""Looking after the cache: what it holds, whether it is sound, and removing parts of it."""

import contextlib
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import pandas as pd

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.store import parquet
from bwsresearch.store.checks import wrong_rows
from bwsresearch.store.layout import FILE, Place, tree
from bwsresearch.store.locks import locked
from bwsresearch.store.parquet import Damaged
from bwsresearch.store.spans import union
from bwsresearch.tables import SCHEMAS
from bwsresearch.times import as_interval

__all__ = ["clear", "info", "series", "verify"]

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
    """Return every series of the cache with its files, oldest first; what else is there is left out."""
    top = tree(root)
    files = sorted(top.glob(f"*/*/symbol=*/**/{FILE}"))
    for folder, group in groupby(files, key=lambda path: path.parent.parent):
        with contextlib.suppress(ValueError):
            yield Place.of(folder.relative_to(top)), list(group)


def info(root: Path) -> pd.DataFrame:
    """Return one row per series; a damaged file counts with its size alone."""
    rows = [_line(place, files) for place, files in series(root)]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _line(place: Place, files: list[Path]) -> list[object]:
    footers = [footer for path in files if (footer := _footer(path)) is not None]
    covered = union(*(footer.coverage for footer in footers))
    return [
        place.server,
        place.kind,
        place.symbol,
        place.interval or "",
        sum(footer.rows for footer in footers),
        _stamp(covered[0][0] if covered else None),
        _stamp(covered[-1][1] if covered else None),
        sum(map(_size, files)) / 1e6,
        str(files[0].parent.parent),
    ]


def _stamp(time_ms: int | None) -> pd.Timestamp | None:
    return None if time_ms is None else pd.Timestamp(time_ms, unit="ms", tz="UTC")


def _footer(path: Path) -> parquet.Footer | None:
    try:
        return parquet.read_footer(path)
    except Damaged:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # somebody has cleared it meanwhile
        return 0


def clear(
    root: Path,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    kind: str | None = None,
    server: str | None = None,
) -> int:
    """Remove the series that match all that is given, everything without; return bytes freed.

    Raises:
        ValueError: for what cannot be an interval or a kind, or a symbol or server that is not cached.
        CacheError: when a file cannot be removed.
    """
    held = list(series(root))
    _check_interval_and_kind(interval, kind)
    _check_held("symbol", symbol, {place.symbol for place, _ in held})
    _check_held("server", server, {place.server for place, _ in held})
    freed = 0
    for place, files in held:
        wanted = (
            (symbol, place.symbol),
            (interval, place.interval),
            (kind, place.kind),
            (server, place.server),
        )
        if all(value is None or value == has for value, has in wanted):
            freed += _remove(root, place, files)
    return freed


def _check_interval_and_kind(interval: str | None, kind: str | None) -> None:
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


def _remove(root: Path, place: Place, files: list[Path]) -> int:
    folder, aside = tree(root) / place.folder, root / ".damaged" / place.folder
    freed = sum(map(_size, [*files, *aside.rglob("*")]))
    try:
        for path in files:
            with locked(root, path):
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # something else lies in it
                    path.parent.rmdir()
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise CacheError(
            f"{folder} cannot be removed ({error.strerror}); mend its rights"
        ) from error
    for empty in (folder, *folder.parents[: len(place.folder.parts) - 1]):
        with contextlib.suppress(OSError):  # others lie in it
            empty.rmdir()
    return freed


def verify(root: Path) -> pd.DataFrame:
    """Return one row per problem (path, problem); no rows when every file is sound."""
    known = {path: place for place, files in series(root) for path in files}
    found = [
        (str(path), problem)
        for path in sorted(tree(root).rglob("*"))
        if not path.is_dir()
        for problem in _problems(path, known.get(path))
    ]
    return pd.DataFrame(found, columns=["path", "problem"], dtype="str")


def _problems(path: Path, place: Place | None) -> Iterator[str]:
    if place is None or place.kind not in SCHEMAS:
        yield "no file of this cache; some readers of the folder fail on it, move it away"
        return
    schema = SCHEMAS[place.kind]
    try:
        found = parquet.read(schema, path)
    except Damaged as damage:
        yield f"damaged: {damage}; its rows are fetched again when they are asked for"
        return
    if found is None:
        return  # somebody has cleared it meanwhile
    columns, footer = tables.from_arrow(schema, found[0]), found[1]
    times = tables.millis(columns, schema.time)
    if len(times) and {place.at(int(t)).folder for t in (times.min(), times.max())} != {
        path.parent.name
    }:
        yield f"rows of another {place.unit} than {path.parent.name}"
    if footer.coverage != union(footer.coverage):
        yield f"covers {footer.coverage}, which are no ranges in order"
    for row, problem in wrong_rows(schema, place.interval, columns):
        yield f"row {row + 1}: {problem}"
