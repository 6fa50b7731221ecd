"""What rows of each kind consist of: fields, dtypes, index and key."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["AGG_TRADES", "KLINES", "SCHEMAS", "TRADES", "Column", "Columns", "Schema"]

Column: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
Columns: TypeAlias = dict[str, Column]
"""One owned, writable array per field, all of one length, in the order of the schema."""

_INT: Final = np.dtype(np.int64)
_FLOAT: Final = np.dtype(np.float64)
_BOOL: Final = np.dtype(np.bool_)


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
