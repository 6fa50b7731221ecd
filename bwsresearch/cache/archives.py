"""Archives into the cache: the exchange's public CSV files and native rows of its API.

A file is read whole, every row is checked, and only then anything is written.
Source: github.com/binance/binance-public-data (columns; times in us from 2025-01-01).
"""

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from bwsresearch import tables
from bwsresearch.cache.naming import Named, named
from bwsresearch.cache.spans import Spans, union
from bwsresearch.cache.store import Cache
from bwsresearch.enums import Interval
from bwsresearch.errors import ArchiveError
from bwsresearch.tables import AGG_TRADES, KLINES, BadRow, Columns, Schema
from bwsresearch.times import DAY_MS, STEP_MS, Ms, next_open, open_times

__all__ = ["Archive", "import_archives", "read_archive"]

_FIRST_US: Final = 1_230_768_000_000_000
"""2009: nothing was traded before."""
_OUTAGE_MS: Final = 2 * DAY_MS
"""The exchange never stood still for longer: a wider hole is not in the file, rather than empty."""
_COLUMNS: Final = {
    "klines": [*KLINES.dtypes, "ignore"],
    "trades": ["id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"],
    "aggs": [
        "id",
        "price",
        "qty",
        "first_id",
        "last_id",
        "time",
        "is_buyer_maker",
        "is_best_match",
    ],
}
_DECODE: Final = {
    "klines": tables.decode_klines,
    "trades": tables.decode_trades,
    "aggs": tables.decode_agg_trades,
}
_YES: Final = ["true", "True", "TRUE", "1"]
_NO: Final = ["false", "False", "FALSE", "0"]
_ROW: Final = re.compile(r"Row #(\d+): ")


@dataclass(frozen=True, slots=True)
class Archive:
    """The rows of one file, sorted by key, and the time that they complete."""

    schema: Schema
    symbol: str
    interval: str | None
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

    Raises:
        ArchiveError: as `read_archive`; the files before the wrong one are imported.
        CacheError: when the cache cannot be written.
    """
    lines = []
    for path in paths:
        archive = read_archive(path, symbol=symbol, interval=interval, now_ms=now_ms)
        cache.write(
            archive.schema,
            archive.symbol,
            archive.interval,
            archive.columns,
            archive.covered,
            source="archive",
        )
        times = archive.columns[archive.schema.time].view("M8[us]")
        stamps = pd.DatetimeIndex(times[[0, -1]]).tz_localize("UTC") if len(times) else [None] * 2
        lines.append(
            [
                str(path),
                archive.schema.name,
                archive.symbol,
                archive.interval or "",
                len(times),
                *stamps,
            ]
        )
    names = ["path", "kind", "symbol", "interval", "rows", "start", "end"]
    return pd.DataFrame(lines, columns=names)


def read_archive(
    path: str | Path, *, symbol: str | None = None, interval: str | None = None, now_ms: int
) -> Archive:
    """Return the checked rows of one file; a bar that was still running is left out.

    Takes .csv, .jsonl and .json, plain or as .gz, and .zip with one file in it. A gap of up to two
    days between bars counts as covered: the archive says that there is nothing.

    Raises:
        ArchiveError: naming file, row, value and cure.
    """
    place = Path(path)
    what = named(place, symbol, interval)
    data, is_checked = _content(place)
    try:
        columns = _rows(place, what.schema, data)
        _check(what, columns, now_ms)
    except BadRow as error:
        where = "" if error.row is None else f", row {error.row + 1}"
        raise ArchiveError(f"{place}{where}: {error.what}; nothing was imported") from None
    columns = _closed(what, columns, now_ms)
    covered = _covered(what, columns)
    if is_checked and what.days[-1:] and what.days[-1][1] <= now_ms:
        covered = union(covered, what.days)
    return Archive(what.schema, what.symbol, what.interval, columns, covered)


def _content(path: Path) -> tuple[bytes, bool]:
    """Return the text of a file and whether its checksum was verified."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}); check the path") from error
    is_checked = _checked(path, raw)
    try:
        if path.suffix == ".gz":
            return gzip.decompress(raw), is_checked
        if path.suffix == ".zip":
            return _unzipped(path, raw), is_checked
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{path} is damaged or cut off ({error}); fetch it again") from error
    return raw, is_checked


def _checked(path: Path, raw: bytes) -> bool:
    beside = path.with_name(f"{path.name}.CHECKSUM")
    if not beside.is_file():
        return False
    wanted = beside.read_text().split()[0].lower() if beside.stat().st_size else ""
    found = hashlib.sha256(raw).hexdigest()
    if wanted != found:
        raise ArchiveError(
            f"{path} has SHA-256 {found}, {beside.name} says {wanted}; fetch it again"
        )
    return True


def _unzipped(path: Path, raw: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        inside = [name for name in archive.namelist() if not name.endswith("/")]
        if len(inside) != 1:
            raise ArchiveError(f"{path} holds {len(inside)} files, must hold one; unpack it first")
        return archive.read(inside[0])


def _rows(path: Path, schema: Schema, data: bytes) -> Columns:
    if not data.strip():
        return tables.empty(schema)
    if ".csv" in path.suffixes or path.suffix == ".zip":
        return _csv(schema, data)
    text = data.strip()
    if not text.startswith(b"[[") and not text.startswith(b"[{") and text != b"[]":
        text = b"[" + b",".join(text.split(b"\n")) + b"]"
    return _DECODE[schema.name](text)


def _csv(schema: Schema, data: bytes) -> Columns:
    names = _COLUMNS[schema.name]
    has_header = not data.lstrip()[:1].isdigit()
    types = {name: _csv_type(schema, name) for name in names}
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            # One thread, so that an error can name its row.
            read_options=csv.ReadOptions(
                column_names=names, skip_rows=int(has_header), use_threads=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=types, include_columns=list(schema.dtypes), true_values=_YES,
                false_values=_NO, null_values=[],
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        text = str(error)
        row = _ROW.search(text)
        line = int(row[1]) - 1 - int(has_header) if row else None
        raise BadRow(f"{' '.join(text.split())[:160]}; fetch it again", line) from None
    return tables.checked(
        schema,
        {name: table.column(name).to_numpy() for name in schema.dtypes},
    )


def _csv_type(schema: Schema, name: str) -> pa.DataType:
    dtype = schema.dtypes.get(name)
    return pa.string() if dtype is None else pa.from_numpy_dtype(dtype)


def _check(what: Named, columns: Columns, now_ms: int) -> None:
    """Raise BadRow for the first row that cannot be what it claims to be."""
    key, times = columns[what.schema.key], columns[what.schema.time]
    name = what.schema.key
    _refuse(
        np.concatenate([[False], key[1:] <= key[:-1]]),
        lambda i: f"{name} is {key[i]} after {key[i - 1]}, must ascend; sort it, or fetch it again",
    )
    _refuse(
        (times < _FIRST_US) | (times > now_ms * 1000),
        lambda i: f"{what.schema.time} is {times[i]} us, not between 2009 and now; fetch it again",
    )
    for name in what.schema.dtypes:
        if columns[name].dtype == np.float64:
            _refuse_negative(name, columns[name])
    if what.schema is KLINES:
        _check_bars(what, columns)
    elif what.schema is AGG_TRADES:
        first, last = columns["first_id"], columns["last_id"]
        _refuse(
            first > last,
            lambda i: f"first_id {first[i]} is above last_id {last[i]}; fetch it again",
        )


def _refuse_negative(name: str, values: tables.Column) -> None:
    _refuse(values < 0, lambda i: f"{name} is {values[i]}, must not be negative; fetch it again")


def _check_bars(what: Named, columns: Columns) -> None:
    opens, interval = tables.millis(columns, "open_time"), what.interval
    assert interval is not None  # noqa: S101 - klines always have one
    _refuse(
        open_times(interval, opens) != opens,
        lambda i: f"open_time {opens[i]} is no opening of a {interval} bar; check the interval",
    )
    closes = tables.millis(columns, "close_time")
    _refuse(
        (closes < opens) | (closes >= _ends(interval, opens)),
        lambda i: (
            f"close_time {closes[i]} is not within the {interval} bar that opens at {opens[i]}; "
            "check the interval"
        ),
    )
    low, high = columns["low"], columns["high"]
    first, last = columns["open"], columns["close"]
    _refuse(
        (low > np.minimum(first, last)) | (high < np.maximum(first, last)),
        lambda i: (
            f"open {first[i]}, high {high[i]}, low {low[i]}, close {last[i]} are no bar; "
            "fetch it again"
        ),
    )


def _ends(interval: Interval, opens: Ms) -> Ms:
    if interval == "1M":
        return np.array([next_open(interval, int(at)) for at in opens], np.int64)
    return opens + STEP_MS[interval]


def _refuse(wrong: npt.NDArray[np.bool_], say: Callable[[int], str]) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadRow(say(row), row)


def _closed(what: Named, columns: Columns, now_ms: int) -> Columns:
    if what.schema is not KLINES:
        return columns
    is_closed = tables.millis(columns, "close_time") < now_ms
    return columns if is_closed.all() else tables.sliced(columns, is_closed)


def _covered(what: Named, columns: Columns) -> Spans:
    times = tables.millis(columns, what.schema.time)
    if not len(times):
        return ()
    if what.interval is not None:
        ends = _ends(what.interval, times)
        seams = np.flatnonzero(times[1:] - ends[:-1] > _OUTAGE_MS)
        firsts, lasts = np.append(0, seams + 1), np.append(seams, len(times) - 1)
        return tuple((int(times[a]), int(ends[b])) for a, b in zip(firsts, lasts, strict=True))
    # Between two ids that do not follow each other trades are missing; and the first and the last
    # moment may have more trades than the file.
    ids = columns["id"]
    seams = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = np.append(0, seams + 1), np.append(seams, len(ids) - 1)
    return union(
        tuple((int(times[a]) + 1, int(times[b])) for a, b in zip(firsts, lasts, strict=True))
    )
