"""Archives into the cache: the exchange's public CSV files and native rows of its API.

A file is read whole, every row is checked, and only then anything is written.
Source: github.com/binance/binance-public-data (columns; times in us from 2025-01-01).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.errors import ArchiveError
from bwsresearch.store.cache import Cache
from bwsresearch.store.checks import wrong_rows
from bwsresearch.store.contents import content, rows
from bwsresearch.store.naming import Named, named
from bwsresearch.store.spans import Spans, union
from bwsresearch.store.streams import is_recording, read_streams
from bwsresearch.tables import KLINES, BadRow, Columns, Schema
from bwsresearch.times import DAY_MS, Ms, next_opens

__all__ = ["Archive", "import_archives", "read_archive"]

_FIRST_US: Final = 1_230_768_000_000_000
"""2009: nothing was traded before."""
_OUTAGE_MS: Final = 2 * DAY_MS
"""The exchange never stood still for longer (33 hours in February 2018)."""
_LINE: Final = {
    "path": "str",
    "kind": "str",
    "symbol": "str",
    "interval": "str",
    "rows": "int64",
    "start": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
}


@dataclass(frozen=True, slots=True)
class Archive:
    """The rows of one file, sorted by key, and the time that they complete."""

    schema: Schema
    symbol: str
    interval: Interval | None
    columns: Columns
    covered: Spans


def import_archives(
    cache: Cache,
    paths: Sequence[str | Path],
    *,
    symbol: str | None = None,
    interval: str | None = None,
    now_ms: int,
) -> pd.DataFrame:
    """Read files into `cache` and return one row per file: path, kind, symbol, interval, rows, start, end.

    A recording of streams has a row for each kind that is in it. A .CHECKSUM among the files belongs to the archive beside it and is not listed.

    Raises:
        ArchiveError: as `read_archive`; the files before the wrong one are imported.
        CacheError: when the cache cannot be written.
    """
    lines = []
    for path in (Path(given).expanduser() for given in paths):
        if path.suffix == ".CHECKSUM" and path.with_suffix("").is_file():
            continue
        for archive in _archives(path, symbol, interval, now_ms):
            cache.write(
                archive.schema,
                archive.symbol,
                archive.interval,
                archive.columns,
                archive.covered,
                source="archive",
            )
            lines.append([str(path), *_line(archive)])
    return pd.DataFrame(lines, columns=list(_LINE)).astype(_LINE)


def _archives(
    path: Path, symbol: str | None, interval: str | None, now_ms: int
) -> Sequence[Archive]:
    """Return what is in a file: one kind of rows, or the several of a recording of streams."""
    if not is_recording(path):
        return [read_archive(path, symbol=symbol, interval=interval, now_ms=now_ms)]
    if interval is not None:
        raise ArchiveError(f"{path} is a recording of streams, which has no interval; leave it out")
    found = read_streams(path)
    if symbol is not None and symbol.upper() != found.symbol:
        raise ArchiveError(
            f"{path} is of {found.symbol}, but symbol is {symbol}; leave the option out"
        )
    return [
        Archive(schema, found.symbol, None, columns, covered)
        for schema, columns, covered in found.parts()
    ]


def _line(archive: Archive) -> list[object]:
    times = archive.columns[archive.schema.time].view("M8[us]")
    stamps = pd.DatetimeIndex(times[[0, -1]]).tz_localize("UTC") if len(times) else [None, None]
    return [archive.schema.name, archive.symbol, archive.interval or "", len(times), *stamps]


def read_archive(
    path: str | Path, *, symbol: str | None = None, interval: str | None = None, now_ms: int
) -> Archive:
    """Return the checked rows of one file; a bar that was still running is left out.

    Takes .csv, .jsonl and .json, plain or as .gz, and .zip with one file in it. A hole of up to two
    days between bars counts as covered: the archive says that there is nothing. One of whole days
    does not: it looks like a daily file that is missing. With a .CHECKSUM that agrees, the day or
    month of the name is covered from its beginning to its end. The last of native rows is not
    covered: the exchange gives the running bar last, so that it is asked for again.

    Raises:
        ArchiveError: naming file, row (from 1), value and cure.
    """
    place = Path(path)
    what = named(place, symbol, interval)
    text = content(place)
    try:
        columns = rows(what.schema, text)
        _check(what, columns, now_ms)
    except BadRow as error:
        where = "" if error.row is None else f", row {error.row + 1}"
        raise ArchiveError(f"{place}{where}: {error.what}; nothing was imported") from None
    columns = _closed(what, columns, now_ms)
    covered = _covered(what, columns, is_final=text.is_csv)
    if text.is_verified and what.days and what.days[-1][1] <= now_ms:
        covered = union(covered, what.days)
    return Archive(what.schema, what.symbol, what.interval, columns, covered)


def _check(what: Named, columns: Columns, now_ms: int) -> None:
    """Raise BadRow for the first row that cannot be what it claims to be."""
    times = columns[what.schema.time]
    wrong = list(wrong_rows(what.schema, what.interval, columns))
    for row in np.flatnonzero((times < _FIRST_US) | (times > now_ms * 1000))[:1]:
        stamp = f"{what.schema.time} is {times[row]} us, not between 2009 and now"
        wrong.append((int(row), stamp))
    if wrong:
        row, problem = min(wrong, key=itemgetter(0))
        raise BadRow(f"{problem}; check symbol and interval, or fetch it again", row)


def _closed(what: Named, columns: Columns, now_ms: int) -> Columns:
    if what.schema is not KLINES:
        return columns
    is_closed = tables.millis(columns, "close_time") < now_ms
    return columns if is_closed.all() else tables.sliced(columns, is_closed)


def _covered(what: Named, columns: Columns, *, is_final: bool) -> Spans:
    times = tables.millis(columns, what.schema.time)
    if not len(times):
        return ()
    if what.interval is None:
        return _between_trades(columns["id"], times)
    over = next_opens(what.interval, times)
    if not is_final:
        over[-1] = times[-1]
    holes = times[1:] - over[:-1]
    is_days = (times[1:] % DAY_MS == 0) & (over[:-1] % DAY_MS == 0) & (holes > 0)
    seams = np.flatnonzero((holes > _OUTAGE_MS) | is_days)
    return union(tuple((int(times[a]), int(over[b])) for a, b in _runs(seams, len(times))))


def _between_trades(ids: tables.Column, times: Ms) -> Spans:
    """Return the time between trades whose ids follow each other.

    Between others trades are missing; and the first and the last moment may have more of them.
    """
    runs = _runs(np.flatnonzero(np.diff(ids) != 1), len(ids))
    return union(tuple((int(times[a]) + 1, int(times[b])) for a, b in runs))


def _runs(seams: "np.ndarray[tuple[int], np.dtype[np.intp]]", count: int) -> list[tuple[int, int]]:
    """Return first and last position of the stretches that `seams` (positions) part."""
    return list(zip([0, *(seams + 1)], [*seams, count - 1], strict=True))
