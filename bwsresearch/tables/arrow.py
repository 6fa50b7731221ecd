"""Columns to Arrow tables and back."""

from typing import Final, cast

import numpy as np
import pyarrow as pa

from bwsresearch.tables.schemas import Column, Columns, Schema

__all__ = ["Collected", "arrow_schema", "checked_arrow", "from_arrow", "to_arrow"]

_LARGE: Final = 4_000_000
"""Rows from which on a column is a large piece of memory by itself."""


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema: `timestamp[us, tz=UTC]`, double, int64 and bool, none nullable."""
    return pa.schema(
        [
            pa.field(
                name,
                pa.timestamp("us", tz="UTC")
                if name in schema.stamps
                else pa.from_numpy_dtype(dtype),
                nullable=False,
            )
            for name, dtype in schema.dtypes.items()
        ]
    )


def to_arrow(schema: Schema, columns: Columns) -> pa.Table:
    """Return the columns as an Arrow table; numbers are shared, not copied."""
    types = arrow_schema(schema)
    arrays = [
        pa.array(
            columns[name].view("M8[us]") if name in schema.stamps else columns[name],
            types.field(name).type,
        )
        for name in schema.dtypes
    ]
    return pa.table(arrays, schema=types)


def checked_arrow(schema: Schema, found: pa.Schema) -> None:
    """Raise ValueError unless the columns are those of the schema, in its types and order."""
    wanted = arrow_schema(schema)
    if found.names != wanted.names:
        raise ValueError(f"columns are {', '.join(found.names)}, must be {', '.join(wanted.names)}")
    for name, kind in zip(wanted.names, wanted.types, strict=True):
        if found.field(name).type != kind:
            raise ValueError(f"column {name} is {found.field(name).type}, must be {kind}")


def from_arrow(schema: Schema, table: pa.Table) -> Columns:
    """Return an Arrow table of this schema as columns, in new arrays.

    Raises:
        ValueError: when a column is missing, has another type or holds nulls.
    """
    collected = Collected(schema, table.num_rows)
    collected.add(table)
    return collected.columns()


class Collected:
    """Arrow tables of one schema one after the other as columns, in the memory of the columns alone.

    `capacity` is how many rows there will be, about; more take a copy.
    """

    def __init__(self, schema: Schema, capacity: int) -> None:
        self._schema, self._count = schema, 0
        self._places = _places(schema, capacity)

    def add(self, table: pa.Table) -> None:
        """Take the rows of a table; a ValueError as for `from_arrow`."""
        checked_arrow(self._schema, table.schema)
        after = self._count + table.num_rows
        if after > len(self._places[self._schema.time]):
            former, self._places = self.columns(), _places(self._schema, after)
            for name, values in former.items():
                self._places[name][: self._count] = values
        for name, place in self._places.items():
            _fill(place[self._count : after], table.column(name), name)
        self._count = after

    def columns(self) -> Columns:
        """Return the rows that there are; no rows must be added any more."""
        return {name: place[: self._count] for name, place in self._places.items()}


def _places(schema: Schema, capacity: int) -> Columns:
    eights = [name for name, dtype in schema.dtypes.items() if dtype.itemsize == 8]
    if capacity > _LARGE:
        eights = []  # each column of its own, so that one can be given back without the others
    # One block for all: the system hands out a large piece of memory in half the time.
    block = np.empty((len(eights), capacity), np.int64)
    places = dict(zip(eights, block, strict=True))
    result: Columns = {}
    for name, dtype in schema.dtypes.items():
        place = places[name] if name in places else np.empty(capacity, dtype)
        result[name] = cast("Column", place.view(dtype))
    return result


def _fill(place: Column, column: pa.ChunkedArray, name: str) -> None:
    if column.null_count:
        raise ValueError(f"column {name} holds {column.null_count} nulls, must hold none")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    at = 0
    for chunk in column.chunks:
        place[at : at + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        at += len(chunk)
