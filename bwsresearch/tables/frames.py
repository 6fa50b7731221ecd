"""Columns to DataFrames: the index, the dtypes and the attrs that a user sees."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, SupportsFloat, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from bwsresearch.tables.columns import finite
from bwsresearch.tables.schemas import Column, Columns, Schema

__all__ = ["depth_frame", "frame", "wide"]

_SIDES: Final = pd.CategoricalDtype(["bid", "ask"])
_Level: TypeAlias = Sequence[SupportsFloat | str]


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


def depth_frame(
    bids: Sequence[_Level], asks: Sequence[_Level], attrs: Mapping[str, object]
) -> pd.DataFrame:
    """Return an order book, one row per level: bids from the best down, then asks from the best up.

    Columns: side (categorical bid, ask), price (quote) and qty (base) float64, cum_qty float64
    the sum of qty from the best level of the side to this one.
    Source: web-socket-api.md "Order book".

    Raises:
        BadRow: when a price or quantity is no finite number.
    """
    levels = [*bids, *asks]
    prices, sizes = (
        np.fromiter((float(level[i]) for level in levels), np.float64, len(levels)) for i in (0, 1)
    )
    finite("price", prices)
    finite("qty", sizes)
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
