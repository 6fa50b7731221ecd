"""What is in the file of an archive: bytes, unpacked and verified, and the rows that they say."""

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import csv

from bwsresearch import tables
from bwsresearch.errors import ArchiveError
from bwsresearch.tables import KLINES, BadRow, Columns, Schema

__all__ = ["Content", "content", "rows"]

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
_HEADER: Final = re.compile(rb'("?[A-Za-z_][^,\n]*,)+"?[A-Za-z_][^,\n]*(\n|$)')
"""A first line of words only; a damaged row still has numbers."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Content:
    """The unpacked text of a file, without white space around it.

    Attributes:
        text: the bytes, never empty.
        is_csv: whether it is CSV; JSON else.
        is_verified: whether a checksum beside the file agreed.
    """

    text: bytes
    is_csv: bool
    is_verified: bool


def content(path: Path) -> Content:
    """Return what is in a file.

    Raises:
        ArchiveError: when it cannot be read, is cut off, empty, or not what its checksum says.
    """
    if path.is_dir():
        raise ArchiveError(f"{path} is a folder; give the files in it")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}); check the path") from error
    is_verified = _verified(path, raw)
    text = _unpacked(path, raw).removeprefix(_BOM).strip()
    if not text:
        raise ArchiveError(f"{path} is empty; fetch it again")
    return Content(text, ".csv" in path.suffixes or path.suffix == ".zip", is_verified)


def _verified(path: Path, raw: bytes) -> bool:
    beside = path.with_name(f"{path.name}.CHECKSUM")
    if not beside.is_file():
        return False
    words = beside.read_bytes().decode(errors="replace").split()
    if not words:
        raise ArchiveError(f"{beside} is empty; fetch it again, or remove it")
    found = hashlib.sha256(raw).hexdigest()
    if words[0].lower() != found:
        raise ArchiveError(
            f"{path} has SHA-256 {found}, {beside.name} says {words[0]}; fetch it again"
        )
    return True


def _unpacked(path: Path, raw: bytes) -> bytes:
    try:
        if path.suffix == ".gz":
            return gzip.decompress(raw)
        if path.suffix == ".zip":
            return _unzipped(path, raw)
    # zipfile says RuntimeError and NotImplementedError for what is encrypted or packed otherwise.
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise ArchiveError(f"{path} is damaged or cut off ({error}); fetch it again") from error
    return raw


def _unzipped(path: Path, raw: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        inside = [name for name in archive.namelist() if not name.endswith("/")]
        if len(inside) != 1:
            raise ArchiveError(f"{path} holds {len(inside)} files, must hold one; unpack it first")
        return archive.read(inside[0])


def rows(schema: Schema, content: Content) -> Columns:
    """Return the rows that a text says, in its order.

    Raises:
        BadRow: naming the row from 0 (a header does not count), and what is wrong.
    """
    if content.is_csv:
        return _from_csv(schema, content.text)
    if content.text.startswith(b"[") and not _is_line(content.text):
        return _DECODE[schema.name](content.text)
    return _from_lines(schema, content.text.splitlines())


def _is_line(text: bytes) -> bool:
    """Whether an array is one row of klines, rather than a list of rows."""
    return not text[1:].lstrip().startswith((b"[", b"{", b"]"))


def _from_lines(schema: Schema, lines: list[bytes]) -> Columns:
    decode, filled = _DECODE[schema.name], [line for line in lines if line.strip()]
    try:
        return decode(b"[" + b",".join(filled) + b"]")
    except BadRow:
        for number, line in enumerate(filled):
            try:
                decode(b"[" + line + b"]")
            except BadRow as error:
                raise BadRow(error.what, number) from None
        raise


def _from_csv(schema: Schema, text: bytes) -> Columns:
    names = _COLUMNS[schema.name]
    has_header = _HEADER.match(text) is not None
    if has_header and b"\n" not in text:
        return tables.empty(schema)
    types = {name: _csv_type(schema, name) for name in names}
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
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
        said = str(error)
        row = _ROW.search(said)
        line = int(row[1]) - 1 - int(has_header) if row else None
        raise BadRow(
            f"{' '.join(_ROW.sub('', said).split())[:160]}; fetch it again", line
        ) from None
    return tables.checked(schema, {name: table.column(name).to_numpy() for name in schema.dtypes})


def _csv_type(schema: Schema, name: str) -> pa.DataType:
    dtype = schema.dtypes.get(name)
    return pa.string() if dtype is None else pa.from_numpy_dtype(dtype)
