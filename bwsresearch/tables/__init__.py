"""Records to columns to Arrow to DataFrames and back; dtypes, index and units are decided here only.

Columns are plain NumPy arrays, one per field: times int64 in microseconds, prices and volumes
float64 (exactly `float` of the exchange's string), counts and ids int64, flags bool. A time keeps
the millisecond that the exchange shows by default: what a source adds below it is cut off, so
that rows are the same whether they came as milliseconds, as microseconds or from an archive.
"""

from bwsresearch.tables.accounts import all_orders_frame, my_trades_frame
from bwsresearch.tables.arrow import Collected, arrow_schema, checked_arrow, from_arrow, to_arrow
from bwsresearch.tables.books import (
    BOOK_FIELDS,
    books_frame,
    decode_book,
    first_books,
    wide_books_frame,
)
from bwsresearch.tables.columns import (
    BadRow,
    ascends,
    checked,
    concat,
    empty,
    length,
    micros,
    millis,
    sliced,
    unique,
)
from bwsresearch.tables.decode import decode_agg_trades, decode_klines, decode_trades
from bwsresearch.tables.frames import depth_frame, frame, wide
from bwsresearch.tables.schemas import (
    AGG_TRADES,
    BOOK_TICKERS,
    BOOKS,
    DEPTH,
    KLINES,
    SCHEMAS,
    TRADES,
    Column,
    Columns,
    Schema,
)

__all__ = [
    "AGG_TRADES",
    "BOOKS",
    "BOOK_FIELDS",
    "BOOK_TICKERS",
    "DEPTH",
    "KLINES",
    "SCHEMAS",
    "TRADES",
    "BadRow",
    "Collected",
    "Column",
    "Columns",
    "Schema",
    "all_orders_frame",
    "arrow_schema",
    "ascends",
    "books_frame",
    "checked",
    "checked_arrow",
    "concat",
    "decode_agg_trades",
    "decode_book",
    "decode_klines",
    "decode_trades",
    "depth_frame",
    "empty",
    "first_books",
    "frame",
    "from_arrow",
    "length",
    "micros",
    "millis",
    "my_trades_frame",
    "sliced",
    "to_arrow",
    "unique",
    "wide",
    "wide_books_frame",
]
