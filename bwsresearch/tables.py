"""Records to columns to Arrow to DataFrames and back; dtypes, index and units are decided here only.

Columns are plain NumPy arrays, one per field: times int64 in microseconds, prices and volumes
float64 (exactly `float` of the exchange's string), counts and ids int64, flags bool. A time keeps
the millisecond that the exchange shows by default: what a source adds below it is cut off, so
that rows are the same whether they came as milliseconds, as microseconds or from an archive.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final, SupportsFloat, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bwsresearch.times import Ms

__all__ = [
    "AGG_TRADES",
    "KLINES",
    "SCHEMAS",
    "TRADES",
    "BadRow",
    "Column",
    "Columns",
    "Schema",
    "arrow_schema",
    "checked",
    "checked_arrow",
    "concat",
    "decode_agg_trades",
    "decode_klines",
    "decode_trades",
    "depth_frame",
    "empty",
    "frame",
    "from_arrow",
    "length",
    "micros",
    "millis",
    "sliced",
    "to_arrow",
    "unique",
    "wide",
]

Column: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, Column]
"""One owned, writable array per field, all of one length, in the order of the schema."""

_INT: Final = np.dtype(np.int64)
_FLOAT: Final = np.dtype(np.float64)
_BOOL: Final = np.dtype(np.bool_)
_MICROS_FROM: Final = 10**14
"""From here on a number is a time in microseconds: as milliseconds it would lie after 5138."""
_EXACT: Final = 2.0**53
_PATH: Final = re.compile(r"`?\$\[(\d+)\]")


@dataclass(frozen=True)
class Schema:
    """What one kind of rows consists of.

    Attributes:
        name: "klines", "aggs" or "trades"; also the top folder of the cache.
        time: the field that becomes the index.
        key: the field that is unique and that rows are sorted by.
        dtypes: the dtype of every field, in the order of the frame.
        stamps: the fields that are times.
    """

    name: str
    time: str
    key: str
    dtypes: dict[str, np.dtype[np.generic]]
    stamps: frozenset[str]


KLINES: Final = Schema(
    "klines",
    "open_time",
    "open_time",
    {
        "open_time": _INT,
        "open": _FLOAT,
        "high": _FLOAT,
        "low": _FLOAT,
        "close": _FLOAT,
        "volume": _FLOAT,
        "close_time": _INT,
        "quote_volume": _FLOAT,
        "trades": _INT,
        "taker_buy_volume": _FLOAT,
        "taker_buy_quote_volume": _FLOAT,
    },
    frozenset({"open_time", "close_time"}),
)
"""Bars, one per row. Source: web-socket-api.md "Klines"."""

AGG_TRADES: Final = Schema(
    "aggs",
    "time",
    "id",
    {
        "time": _INT,
        "id": _INT,
        "price": _FLOAT,
        "qty": _FLOAT,
        "first_id": _INT,
        "last_id": _INT,
        "is_buyer_maker": _BOOL,
    },
    frozenset({"time"}),
)
"""Aggregate trades. Source: web-socket-api.md "Aggregate trades"."""

TRADES: Final = Schema(
    "trades",
    "time",
    "id",
    {
        "time": _INT,
        "id": _INT,
        "price": _FLOAT,
        "qty": _FLOAT,
        "quote_qty": _FLOAT,
        "is_buyer_maker": _BOOL,
    },
    frozenset({"time"}),
)
"""Single trades. Source: web-socket-api.md "Historical trades"."""

SCHEMAS: Final[dict[str, Schema]] = {s.name: s for s in (KLINES, AGG_TRADES, TRADES)}
"""Every schema by its name."""


class BadRow(ValueError):
    """A row cannot be read as numbers; `row` counts from 0, None when the text itself is broken."""

    def __init__(self, what: str, row: int | None = None) -> None:
        self.what, self.row = what, row
        super().__init__(what if row is None else f"row {row}: {what}")

    def __reduce__(self) -> tuple[type["BadRow"], tuple[str, int | None]]:
        return type(self), (self.what, self.row)


class _Trade(msgspec.Struct, gc=False):
    time: float
    id: float
    price: float
    qty: float
    quote_qty: float = msgspec.field(name="quoteQty")
    is_buyer_maker: bool = msgspec.field(name="isBuyerMaker")


class _AggTrade(msgspec.Struct, gc=False):
    time: float = msgspec.field(name="T")
    id: float = msgspec.field(name="a")
    price: float = msgspec.field(name="p")
    qty: float = msgspec.field(name="q")
    first_id: float = msgspec.field(name="f")
    last_id: float = msgspec.field(name="l")
    is_buyer_maker: bool = msgspec.field(name="m")


_KlineRow: TypeAlias = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float
]
# One decoder that reads every field as float is twice as fast as one that makes ints and Decimals.
_KLINES: Final = msgspec.json.Decoder(list[_KlineRow], strict=False)
_AGG_TRADES: Final = msgspec.json.Decoder(list[_AggTrade], strict=False)
_TRADES: Final = msgspec.json.Decoder(list[_Trade], strict=False)
_AGG_FIELDS: Final = attrgetter(*AGG_TRADES.dtypes)
_TRADE_FIELDS: Final = attrgetter(*TRADES.dtypes)


def decode_klines(rows: bytes) -> Columns:
    """Return the klines of a JSON array of the API's 12-element rows, in the order of the text.

    Times may be milliseconds or microseconds. The last element ("ignore") is left out.

    Raises:
        BadRow: a ValueError that names the row (from 0), the field and what is wrong.
    """
    try:
        found = _KLINES.decode(rows)
    except msgspec.DecodeError as error:
        raise _bad_row(error) from None
    return _columns(KLINES, np.fromiter(chain.from_iterable(found), _FLOAT, 12 * len(found)), 12)


def decode_agg_trades(rows: bytes) -> Columns:
    """Return the aggregate trades of a JSON array of the API's objects; as `decode_klines`."""
    try:
        found = _AGG_TRADES.decode(rows)
    except msgspec.DecodeError as error:
        raise _bad_row(error) from None
    flat = chain.from_iterable(map(_AGG_FIELDS, found))
    return _columns(AGG_TRADES, np.fromiter(flat, _FLOAT, 7 * len(found)), 7)


def decode_trades(rows: bytes) -> Columns:
    """Return the trades of a JSON array of the API's objects; as `decode_klines`."""
    try:
        found = _TRADES.decode(rows)
    except msgspec.DecodeError as error:
        raise _bad_row(error) from None
    flat = chain.from_iterable(map(_TRADE_FIELDS, found))
    return _columns(TRADES, np.fromiter(flat, _FLOAT, 6 * len(found)), 6)


def _columns(schema: Schema, flat: npt.NDArray[np.float64], width: int) -> Columns:
    table = flat.reshape(-1, width)
    return checked(schema, {name: table[:, i] for i, name in enumerate(schema.dtypes)})


def checked(schema: Schema, columns: Mapping[str, npt.NDArray[np.generic]]) -> Columns:
    """Return `columns` of raw numbers in the dtypes of the schema; times in ms or us become us.

    Raises:
        BadRow: when a number is not finite, or a time, count or id not whole and below 2**53.
    """
    result: Columns = {}
    for name, dtype in schema.dtypes.items():
        raw = columns[name]
        if raw.dtype == _FLOAT:
            _check(name, cast("npt.NDArray[np.float64]", raw), whole=dtype == _INT)
        values = raw.astype(dtype, order="C", copy=True)
        result[name] = micros(values) if name in schema.stamps else cast("Column", values)
    return result


def _check(name: str, values: npt.NDArray[np.float64], *, whole: bool) -> None:
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise BadRow(f"{name} is {values[row]}, must be a finite number; get the data again", row)
    if whole:
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


def _bad_row(error: msgspec.DecodeError) -> BadRow:
    """Return the error with the row that msgspec's path `$[row]…` names."""
    text = str(error)
    match = _PATH.search(text)
    return BadRow(f"{text}; get the data again", int(match[1]) if match else None)


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
    checked_arrow(schema, table.schema)
    return {name: _from_arrow(table.column(name), name) for name in schema.dtypes}


def _from_arrow(column: pa.ChunkedArray, name: str) -> Column:
    if column.null_count:
        raise ValueError(f"column {name} holds {column.null_count} nulls, must hold none")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    pieces = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    if not pieces:
        return cast("Column", np.empty(0, column.type.to_pandas_dtype()))
    return cast("Column", np.concatenate(pieces))


def frame(schema: Schema, columns: Columns, attrs: Mapping[str, object]) -> pd.DataFrame:
    """Return the columns as a DataFrame that owns them: writable, no copy of the numbers.

    Index: `schema.time` as datetime64[us, UTC]; the other times are columns of the same dtype.
    The frame takes the arrays over: do not go on using `columns`. `attrs` holds JSON values only.

    Raises:
        TypeError: when `attrs` holds what JSON cannot say.
    """
    data = {
        name: _stamps(columns[name]).array if name in schema.stamps else _owned(columns[name])
        for name in schema.dtypes
        if name != schema.time
    }
    index = _stamps(columns[schema.time]).rename(schema.time)
    result = pd.DataFrame(data, index=index, copy=False)
    result.attrs.update(_json(attrs))
    return result


def _stamps(values: Column) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(_owned(values).view("M8[us]")).tz_localize("UTC")


def _owned(values: Column) -> Column:
    # Writing into a frame over a borrowed read-only buffer raises, as NumPy does.
    return values if values.flags.writeable else values.copy()


def _json(attrs: Mapping[str, object]) -> dict[str, object]:
    return msgspec.json.decode(msgspec.json.encode(attrs), type=dict[str, object])


_SIDES: Final = pd.CategoricalDtype(["bid", "ask"])
_Level: TypeAlias = Sequence[SupportsFloat | str]


def depth_frame(
    bids: Sequence[_Level], asks: Sequence[_Level], attrs: Mapping[str, object]
) -> pd.DataFrame:
    """Return an order book, one row per level: bids from the best down, then asks from the best up.

    Columns: side (categorical bid, ask), price (quote) and qty (base) float64, cum_qty float64
    the sum of qty from the best level of the side to this one.
    Source: web-socket-api.md "Order book".
    """
    levels = [*bids, *asks]
    prices, sizes = (
        np.fromiter((float(level[i]) for level in levels), _FLOAT, len(levels)) for i in (0, 1)
    )
    split = len(bids)
    sides = np.repeat(np.array([0, 1], np.int8), [split, len(asks)])
    result = pd.DataFrame(
        {
            "side": pd.Categorical.from_codes(sides, dtype=_SIDES),
            "price": prices,
            "qty": sizes,
            "cum_qty": np.concatenate([np.cumsum(sizes[:split]), np.cumsum(sizes[split:])]),
        }
    )
    result.attrs.update(_json(attrs))
    return result


def wide(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return klines of several symbols side by side: columns (field, symbol), `wide["close"]`.

    The index is the union of theirs; where a symbol has no bar its fields are NaN or NaT.
    attrs: what all frames agree on stays as it is, the rest becomes {symbol: value}; `symbol`
    is the list of symbols.

    Raises:
        ValueError: when there is no frame, or an index repeats (trades have no common rows).
    """
    if not frames:
        raise ValueError("symbols is empty, give at least one")
    for symbol, table in frames.items():
        if not table.index.is_unique:
            raise ValueError(f"times of {symbol} repeat; ask for one symbol at a time")
    symbols = list(frames)
    fields = list(next(iter(frames.values())).columns)
    joined = pd.concat(list(frames.values()), axis=1, keys=symbols, sort=True)
    order = pd.MultiIndex.from_product([fields, symbols], names=["field", "symbol"])
    result = joined.swaplevel(axis=1).reindex(columns=order)
    result.attrs = _common_attrs({symbol: table.attrs for symbol, table in frames.items()})
    return result


def _common_attrs(attrs: Mapping[str, Mapping[object, object]]) -> dict[object, object]:
    every = list(attrs.values())
    keys = list(dict.fromkeys(chain.from_iterable(every)))
    result: dict[object, object] = {}
    for key in keys:
        values = [one.get(key) for one in every]
        same = all(value == values[0] for value in values)
        result[key] = values[0] if same else dict(zip(attrs, values, strict=True))
    return {**result, "symbol": list(attrs)}


def unique(schema: Schema, columns: Columns) -> Columns:
    """Return the rows sorted by key, each key once: of equal keys the last row stays."""
    keys = columns[schema.key]
    if (keys[1:] > keys[:-1]).all():
        return columns
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_last = np.append(ordered[1:] != ordered[:-1], True)
    return sliced(columns, order[is_last])


def millis(columns: Columns, name: str) -> Ms:
    """Return a time column in milliseconds."""
    return cast("Ms", columns[name]) // 1000
