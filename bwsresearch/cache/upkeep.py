"""Looking after the cache: what it holds, whether it is sound, and removing parts of it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.cache import parquet
from bwsresearch.cache.layout import FILE, Place, tree
from bwsresearch.cache.parquet import Damaged
from bwsresearch.errors import CacheError
from bwsresearch.tables import KLINES, SCHEMAS, Columns, Schema

__all__ = ["clear", "info", "series", "verify"]


def series(root: Path) -> Iterator[tuple[Place, list[Path]]]:
    """Return every series of the cache with its files, oldest first."""
    top = tree(root)
    files = sorted(top.glob(f"*/*/symbol=*/**/{FILE}"))
    for folder, group in groupby(files, key=lambda path: path.parent.parent):
        yield Place.of(folder.relative_to(top)), list(group)


def info(root: Path) -> pd.DataFrame:
    """Return one row per series; a damaged file counts with its size alone."""
    rows = [_line(place, files) for place, files in series(root)]
    columns = ["server", "kind", "symbol", "interval", "rows", "start", "end", "mb", "path"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(
        {
            "rows": "int64",
            "mb": "float64",
            "start": "datetime64[us, UTC]",
            "end": "datetime64[us, UTC]",
        }
    )


def _line(place: Place, files: list[Path]) -> list[object]:
    footers = [footer for path in files if (footer := _footer(path)) is not None]
    spans = [span for footer in footers for span in footer.coverage]
    return [
        place.server,
        place.kind,
        place.symbol,
        place.interval or "",
        sum(footer.rows for footer in footers),
        _stamp(min((a for a, _ in spans), default=None)),
        _stamp(max((b for _, b in spans), default=None)),
        sum(path.stat().st_size for path in files) / 1e6,
        str(files[0].parent.parent),
    ]


def _stamp(time_ms: int | None) -> pd.Timestamp | None:
    return None if time_ms is None else pd.Timestamp(time_ms, unit="ms", tz="UTC")


def _footer(path: Path) -> parquet.Footer | None:
    try:
        return parquet.read_footer(path)
    except Damaged:
        return None


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
        CacheError: when a folder cannot be removed.
    """
    freed = 0
    for place, files in list(series(root)):
        wanted = (
            (symbol, place.symbol),
            (interval, place.interval),
            (kind, place.kind),
            (server, place.server),
        )
        if all(value is None or value == has for value, has in wanted):
            freed += sum(path.stat().st_size for path in files)
            folder = files[0].parent.parent
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise CacheError(f"{folder} cannot be removed ({error.strerror})") from error
    return freed


@dataclass(frozen=True, slots=True)
class _Finding:
    path: Path
    problem: str


def verify(root: Path) -> pd.DataFrame:
    """Return one row per problem (path, problem); no rows when every file is sound."""
    found = [
        _Finding(path, problem)
        for place, files in series(root)
        for path in files
        for problem in _problems(place, path)
    ]
    rows = [(str(one.path), one.problem) for one in found]
    return pd.DataFrame(rows, columns=["path", "problem"], dtype=object)


def _problems(place: Place, path: Path) -> Iterator[str]:
    schema = SCHEMAS.get(place.kind)
    if schema is None:
        yield f"{place.kind} is no kind of rows of this cache"
        return
    try:
        found = parquet.read(schema, path, -(2**50), 2**50)
    except Damaged as damage:
        yield f"damaged: {damage}; its rows are fetched again when they are asked for"
        return
    if found is not None:
        columns = tables.from_arrow(schema, found[0])
        yield from _row_problems(schema, columns, found[1], place, path)


def _row_problems(
    schema: Schema, columns: Columns, footer: parquet.Footer, place: Place, path: Path
) -> Iterator[str]:
    keys, times = columns[schema.key], columns[schema.time] // 1000
    if (keys[1:] <= keys[:-1]).any():
        yield f"{schema.key} does not ascend"
    partitions = place.partitions(int(times.min()), int(times.max()) + 1) if len(times) else ()
    if any(part.folder != path.parent.name for part in partitions):
        yield "rows of another partition"
    if any(a >= b for a, b in footer.coverage):
        yield f"coverage {footer.coverage} is no range"
    if schema is KLINES:
        yield from _bar_problems(columns)


def _bar_problems(columns: Columns) -> Iterator[str]:
    low, high = columns["low"], columns["high"]
    inner = (
        np.minimum(columns["open"], columns["close"]),
        np.maximum(columns["open"], columns["close"]),
    )
    wrong = (low > inner[0]) | (high < inner[1]) | (columns["close_time"] < columns["open_time"])
    if wrong.any():
        first = tables.sliced(columns, np.flatnonzero(wrong)[:1])
        yield f"{int(wrong.sum())} impossible bars, the first at {int(first['open_time'][0])} us"
