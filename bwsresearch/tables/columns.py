"""Rows as NumPy columns: checked, joined, cut and sorted."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from bwsresearch.tables.schemas import Column, Columns, Schema
from bwsresearch.times import Ms

__all__ = [
    "BadRow",
    "ascends",
    "checked",
    "concat",
    "empty",
    "finite",
    "length",
    "micros",
    "millis",
    "sliced",
    "unique",
]

_MICROS_FROM: Final = 10**14
"""From here on a number is a time in microseconds: as milliseconds it would lie after 5138."""
_EXACT: Final = 2.0**53


class BadRow(ValueError):
    """A row cannot be read as numbers; `row` counts from 0, None when the text itself is broken."""

    def __init__(self, what: str, row: int | None = None) -> None:
        self.what, self.row = what, row
        super().__init__(what if row is None else f"row {row}: {what}")

    def __reduce__(self) -> tuple[type["BadRow"], tuple[str, int | None]]:
        return type(self), (self.what, self.row)


def checked(schema: Schema, columns: Mapping[str, npt.NDArray[np.generic]]) -> Columns:
    """Return `columns` of raw numbers in the dtypes of the schema; times in ms or us become us.

    Raises:
        BadRow: when a number is not finite, or a time, count or id not whole and below 2**53.
    """
    result: Columns = {}
    for name, dtype in schema.dtypes.items():
        raw = columns[name]
        if raw.dtype == np.float64:
            numbers = cast("npt.NDArray[np.float64]", raw)
            finite(name, numbers)
            if dtype == np.int64:
                _whole(name, numbers)
        values = raw.astype(dtype, order="C", copy=True)
        result[name] = micros(values) if name in schema.stamps else cast("Column", values)
    return result


def finite(name: str, values: npt.NDArray[np.float64]) -> None:
    """Raise BadRow for the first value that is no finite number."""
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise BadRow(f"{name} is {values[row]}, must be a finite number; get the data again", row)


def _whole(name: str, values: npt.NDArray[np.float64]) -> None:
    wrong = (values != np.trunc(values)) | (np.abs(values) >= _EXACT)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadRow(
            f"{name} is {float(values[row])!r}, must be a whole number below 2**53; "
            "get the data again",
            row,
        )


def micros(times: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return times in ms or us (told apart by their size) as us, cut to whole milliseconds."""
    stamps = cast("Ms", times)
    return np.where(np.abs(stamps) >= _MICROS_FROM, stamps // 1000, stamps) * 1000


def millis(columns: Columns, name: str) -> Ms:
    """Return a time column in milliseconds."""
    return cast("Ms", columns[name]) // 1000


def length(columns: Columns) -> int:
    """Return the number of rows."""
    return len(next(iter(columns.values())))


def empty(schema: Schema) -> Columns:
    """Return the columns of no rows."""
    return {name: cast("Column", np.empty(0, dtype)) for name, dtype in schema.dtypes.items()}


def concat(schema: Schema, parts: Sequence[Columns]) -> Columns:
    """Return the rows of `parts` one after the other, in new arrays."""
    if not parts:
        return empty(schema)
    return {
        name: cast("Column", np.concatenate([part[name] for part in parts]))
        for name in schema.dtypes
    }


def sliced(
    columns: Columns, where: slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]
) -> Columns:
    """Return the rows that a slice, a mask or an array of positions picks, in new arrays."""
    if isinstance(where, slice):
        return {name: values[where].copy() for name, values in columns.items()}
    return {name: values[where] for name, values in columns.items()}


def unique(schema: Schema, columns: Columns) -> Columns:
    """Return the rows sorted by key, each key once: of equal keys the last row stays.

    What is sorted and unique already is returned as it is, not copied.
    """
    if ascends(schema, columns):
        return columns
    keys = [columns[name] for name in schema.order]
    order = np.lexsort(keys[::-1])
    is_last = np.zeros(len(order), np.bool_)
    is_last[-1:] = True
    for key in keys:
        ordered = key[order]
        is_last[:-1] |= ordered[1:] != ordered[:-1]
    return sliced(columns, order[is_last])


def ascends(schema: Schema, columns: Columns) -> bool:
    """Whether the rows are sorted by key, each key once."""
    is_after: npt.NDArray[np.bool_] = np.zeros(max(length(columns) - 1, 0), np.bool_)
    is_level = ~is_after
    for name in schema.order:
        key = columns[name]
        is_after |= is_level & (key[1:] > key[:-1])
        is_level &= key[1:] == key[:-1]
    return bool(is_after.all())
