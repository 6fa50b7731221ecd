"""One file of the cache: rows sorted by key, and in its footer the time that they cover.

How it gets into its place is `roots`' business.
"""

import contextlib
import re
from collections.abc import Sequence
from typing import IO, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bwsresearch import tables
from bwsresearch.store import seal
from bwsresearch.store.roots import Source
from bwsresearch.store.spans import Spans, minus, union
from bwsresearch.tables import KLINES, Columns, Schema

__all__ = ["Damaged", "Footer", "Misplaced", "count", "read", "read_footer", "salvage", "write"]

_KEY: Final = b"bwsresearch"
_VERSION: Final = 2
_UNSEALED: Final = 1
"""Files of this version have no digest of their footer, and do not tell their series."""
_LEVEL: Final = 1
_WEEK_ROWS: Final = 10_080
_GROUP_ROWS: Final = 131_072


class Damaged(Exception):
    """The file cannot be read as what it should be."""


class Misplaced(Damaged):
    """The file is one of another series."""


class Footer(msgspec.Struct, frozen=True):
    """What a file says of itself beside its rows.

    Attributes:
        coverage: what was asked for and is final, in ms, half-open. It begins in the file's own
            stretch of time, and may run on behind it where there are no rows and no other file.
        source: "network", "archive" or "mixed".
        series: the folder of the series below the tree; "" in files that do not tell.
        empty: what was asked for once more since rows seemed to be missing, and is empty, in ms.
        lost: what was damaged and has not been fetched again yet, in ms.
        level: of compression by zstd; fresh files are written fast, old ones may be written small.
        version: of this layout.
        rows: how many there are.
    """

    coverage: Spans
    source: str
    series: str = ""
    empty: Spans = ()
    lost: Spans = ()
    level: int = _LEVEL
    version: int = _VERSION
    rows: int = 0

    def merged(self, added: "Footer") -> "Footer":
        """Return what a file says when rows are added to it."""
        coverage = union(self.coverage, added.coverage)
        return Footer(
            coverage,
            self.source if self.source == added.source else "mixed",
            added.series,
            union(self.empty, added.empty),
            minus(union(self.lost, added.lost), coverage),
        )


def read(
    schema: Schema,
    source: Source | None,
    start_ms: int = -(2**50),
    end_ms: int = 2**50,
    *,
    series: str = "",
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, Footer] | None:
    """Return the rows of a file with a time in [start_ms, end_ms), and its footer; None without file.

    With `columns` nothing else is read; the time is one of them.

    Raises:
        Damaged: when it is no sound file of this schema, or one of another series than `series`.
    """
    with _opened(source) as file:
        if file is None:
            return None
        footer = _footer(file)
        _check(schema, file, footer, series)
        groups = _groups(file, start_ms * 1000, end_ms * 1000)
        table = _sound(file.read_row_groups(groups, columns))
        return _between(schema, table, start_ms * 1000, end_ms * 1000), footer


def count(source: Source | None, start_ms: int, end_ms: int) -> int:
    """Return about how many rows `read` would return, and not fewer; raises Damaged as `read` does."""
    with _opened(source) as file:
        if file is None:
            return 0
        groups = _groups(file, start_ms * 1000, end_ms * 1000)
        return sum(file.metadata.row_group(group).num_rows for group in groups)


def is_as_written(schema: Schema, source: Source | None) -> bool:
    """Whether a sound file has the version, the row groups and the encodings of fresh ones."""
    with _opened(source) as file:
        if file is None or _footer(file).version != _VERSION:
            return file is None
        meta, wanted = file.metadata, _options(schema, _LEVEL)
        if meta.num_row_groups > -(-meta.num_rows // wanted["row_group_size"]):
            return False
        return all(
            _is_encoded(meta.row_group(group).column(at), wanted)
            for group in range(meta.num_row_groups)
            for at in range(meta.num_columns)
        )


def _is_encoded(column: Any, wanted: dict[str, Any]) -> bool:
    if column.compression != "ZSTD":
        return False
    delta = wanted["column_encoding"].get(column.path_in_schema)
    return delta is None or delta in column.encodings


def salvage(
    schema: Schema, source: Source | None, *, series: str
) -> tuple[pa.Table, Footer, Spans]:
    """Return what is sound of a damaged file: rows, its footer, and where the others were.

    That is the first and the last time of every damaged row group, in ms, both inclusive.

    Raises:
        Damaged: when the footer cannot be trusted, and so nothing can.
    """
    with _opened(source) as file:
        if file is None:
            raise Damaged("it is not there")
        footer = _footer(file)
        if footer.version == _UNSEALED:
            raise Damaged("its footer has no seal")
        _check(schema, file, footer, series)
        parts, lost = [tables.arrow_schema(schema).empty_table()], []
        for group in range(file.num_row_groups):
            try:
                part = _sound(file.read_row_group(group))
            except (pa.ArrowException, OSError, ValueError, Damaged):
                times = file.metadata.row_group(group).column(0).statistics
                lost.append((times.min_raw // 1000, times.max_raw // 1000))
            else:
                parts.append(part.replace_schema_metadata(None))
        return pa.concat_tables(parts), footer, tuple(lost)


def _check(schema: Schema, file: "pq.ParquetFile", footer: Footer, series: str) -> None:
    if series and footer.series not in ("", series):
        raise Misplaced(f"it is a file of {footer.series}")
    tables.checked_arrow(schema, file.schema_arrow)


def _sound(table: pa.Table) -> pa.Table:
    if any(column.null_count for column in table.columns):
        raise Damaged("it holds nulls")
    return table


def read_footer(source: Source | None) -> Footer | None:
    """Return the footer of a file, None without file; raises Damaged as `read` does."""
    with _opened(source) as file:
        return None if file is None else _footer(file)


class _opened(contextlib.AbstractContextManager["pq.ParquetFile | None"]):  # noqa: N801 - used as a function
    """Open a file; whatever its content does to the reader is Damaged."""

    def __init__(self, source: Source | None) -> None:
        self._source = source
        self._bytes: Any = None

    def __enter__(self) -> "pq.ParquetFile | None":
        if self._source is None:
            return None
        try:
            self._bytes = _bytes(self._source)
            return _parsed(self._bytes)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError, ValueError) as error:
            self._close()
            raise _damaged(error) from error
        except Damaged:
            self._close()
            raise

    def _close(self) -> None:
        if self._bytes is not None:
            self._bytes.close()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._close()
        if isinstance(error, (pa.ArrowException, OSError, ValueError)):
            raise _damaged(error) from error


def _bytes(source: Source) -> pa.NativeFile:
    return pa.BufferReader(source) if isinstance(source, pa.Buffer) else pa.OSFile(str(source))


def _parsed(file: pa.NativeFile) -> "pq.ParquetFile":
    """Return a file whose footer is what was written: Arrow may not survive another one."""
    footer, is_sealed = seal.footer_of(file)
    found = pq.read_metadata(pa.BufferReader(footer))
    if not is_sealed and _record(found.metadata).version != _UNSEALED:
        raise Damaged("its footer has no seal")
    return pq.ParquetFile(file, metadata=found, page_checksum_verification=True)


def _damaged(error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno is not None:
        return error  # the system's trouble, not the file's
    return Damaged(" ".join(str(error).split())[:200])


def _footer(file: "pq.ParquetFile") -> Footer:
    meta = file.metadata
    return msgspec.structs.replace(_record(meta.metadata), rows=meta.num_rows)


def _record(found: dict[bytes, bytes] | None) -> Footer:
    text = (found or {}).get(_KEY)
    if text is None:
        raise Damaged("it has no record of what it covers")
    try:
        record = msgspec.json.decode(text, type=Footer)
    except msgspec.DecodeError as error:
        raise Damaged(f"its record of what it covers is unreadable ({error})") from None
    if record.version not in (_UNSEALED, _VERSION):
        raise Damaged(f"it has version {record.version} of this cache, not {_VERSION}")
    return record


def _groups(file: "pq.ParquetFile", start_us: int, end_us: int) -> list[int]:
    """Return the row groups that may hold times in [start_us, end_us)."""
    meta = file.metadata
    kept = []
    for i in range(meta.num_row_groups):
        stats = meta.row_group(i).column(0).statistics
        is_known = stats is not None and stats.has_min_max
        if not is_known or (stats.max_raw >= start_us and stats.min_raw < end_us):
            kept.append(i)
    return kept


def _between(schema: Schema, table: pa.Table, start_us: int, end_us: int) -> pa.Table:
    """Return the rows in [start_us, end_us): a slice where times ascend, else a selection."""
    times = table.column(schema.time).cast(pa.int64()).to_numpy()
    inside = (times >= start_us) & (times < end_us)
    if inside.all():
        return table
    if (times[1:] >= times[:-1]).all():
        first, last = np.searchsorted(times, [start_us, end_us])
        return table.slice(first, last - first)
    return table.filter(pa.array(inside))


def write(schema: Schema, file: IO[bytes], columns: Columns, footer: Footer) -> None:
    """Write a whole file: rows that are sorted by key, and what it says of itself."""
    kept = ("coverage", "source", "series", "empty", "lost", "level")
    record = {"version": _VERSION} | {name: getattr(footer, name) for name in kept}
    table = tables.to_arrow(schema, columns)
    table = table.replace_schema_metadata({_KEY: msgspec.json.encode(record)})
    content = pa.BufferOutputStream()
    pq.write_table(table, content, **_options(schema, footer.level))
    seal.write_sealed(content.getvalue(), file)


def _options(schema: Schema, level: int) -> dict[str, Any]:
    names = list(schema.dtypes)
    whole = {name for name in names if schema.dtypes[name].kind == "i"}
    return {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": False if schema is KLINES else _repeating(schema),
        "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        "row_group_size": _WEEK_ROWS if schema is KLINES else _GROUP_ROWS,
        # A flipped bit would otherwise come back as another price.
        "write_page_checksum": True,
        "sorting_columns": [pq.SortingColumn(names.index(name)) for name in schema.order],
    }


def _repeating(schema: Schema) -> list[str]:
    """Return the columns that have the same few values over and over."""
    return [name for name in schema.dtypes if re.fullmatch(r"(bid_|ask_)?(price|qty)", name)]
