"""Books at regular times: from the API's JSON to columns, and to the frames that a user sees."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.tables.columns import BadRow, checked
from bwsresearch.tables.schemas import BOOKS, Column, Columns

__all__ = ["BOOK_FIELDS", "books_frame", "decode_book", "first_books", "wide_books_frame"]

_SIDES: Final = pd.CategoricalDtype(["bid", "ask"])
BOOK_FIELDS: Final = ("price", "qty", "last_update_id", "request_time", "reply_time")
"""What a frame of books may show of each level."""
_OF_LEVEL: Final = ("price", "qty")
"""What each level has of its own; the rest is the same for a whole book."""
Places: TypeAlias = npt.NDArray[np.intp]


class _Book(msgspec.Struct, rename="camel", gc=False):
    last_update_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


# One decoder that reads prices as float makes no strings or Decimals on the way.
_DECODER: Final = msgspec.json.Decoder(_Book, strict=False)


def decode_book(text: bytes, *, due_ms: int, request_ms: int, reply_ms: int) -> Columns:
    """Return the levels of an answer to `depth` as rows: bids from the best down, then asks up.

    Raises:
        BadRow: when the text is no book, or a price or quantity no finite number.
    """
    try:
        book = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise BadRow(f"{error}; ask again") from None
    bids, asks = len(book.bids), len(book.asks)
    count = bids + asks
    levels = np.array([*book.bids, *book.asks], np.float64).reshape(count, 2)
    return checked(
        BOOKS,
        {
            "time": np.full(count, due_ms),
            "last_update_id": np.full(count, book.last_update_id),
            "is_ask": np.repeat([False, True], [bids, asks]),
            "level": np.concatenate([np.arange(1, bids + 1), np.arange(1, asks + 1)]),
            "price": levels[:, 0],
            "qty": levels[:, 1],
            "request_time": np.full(count, request_ms),
            "reply_time": np.full(count, reply_ms),
        },
    )


def first_books(columns: Columns) -> npt.NDArray[np.bool_]:
    """Return which rows belong to the book of their time that was asked for first.

    Two recorders of one symbol may both have a book of one time.
    """
    time, update = columns["time"], columns["last_update_id"]
    is_new = np.ones(len(time), np.bool_)
    is_new[1:] = (time[1:] != time[:-1]) | (update[1:] != update[:-1])
    starts = np.flatnonzero(is_new)
    order = np.lexsort((columns["request_time"][starts], time[starts]))
    ordered = time[starts][order]
    chosen = np.zeros(len(starts), np.bool_)
    chosen[order] = np.append(True, ordered[1:] != ordered[:-1])[: len(starts)]
    return np.repeat(chosen, np.diff(np.append(starts, len(time))))


def books_frame(
    columns: Columns, fields: Sequence[str], attrs: Mapping[str, object]
) -> pd.DataFrame:
    """Return books one row per level: index time, columns side, level and the `fields`.

    Rows are sorted by time; of one time bids from the best down, then asks from the best up.
    """
    data: dict[str, object] = {
        "side": pd.Categorical.from_codes(columns["is_ask"].astype(np.int8), dtype=_SIDES),
        "level": columns["level"],
        **{name: _shown(name, columns[name]) for name in fields},
    }
    return _framed(data, columns["time"], attrs)


def wide_books_frame(
    columns: Columns, fields: Sequence[str], levels: int, attrs: Mapping[str, object]
) -> pd.DataFrame:
    """Return books one row per time: bid_price_1, bid_qty_1, bid_price_2, …, ask_qty_`levels`.

    What a book does not have is NaN; columns of the whole book come first.
    """
    times, starts, book = np.unique(columns["time"], return_index=True, return_inverse=True)
    shared = {n: _shown(n, columns[n][starts]) for n in fields if n not in _OF_LEVEL}
    own = [name for name in fields if name in _OF_LEVEL]
    block = np.full((len(times), 2, levels, len(own)), np.nan)
    side, level = columns["is_ask"].astype(np.intp), cast("Places", columns["level"]) - 1
    for at, name in enumerate(own):
        block[book, side, level, at] = columns[name]
    names = [f"{s}_{n}_{i}" for s in ("bid", "ask") for i in range(1, levels + 1) for n in own]
    flat = block.reshape(len(times), len(names))
    data: dict[str, object] = {**shared, **{name: flat[:, i] for i, name in enumerate(names)}}
    return _framed(data, cast("Column", times), attrs)


def _framed(data: Mapping[str, object], times: Column, attrs: Mapping[str, object]) -> pd.DataFrame:
    result = pd.DataFrame(dict(data), index=_stamps(times).rename("time"))
    result.attrs.update(msgspec.json.decode(msgspec.json.encode(attrs), type=dict[str, object]))
    return result


def _shown(name: str, values: Column) -> Column | pd.DatetimeIndex:
    return _stamps(values) if name in BOOKS.stamps else values


def _stamps(values: Column) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(values.view("M8[us]")).tz_localize("UTC")
