"""Rows of market data as the API's JSON text, many at a time.

A number's digits are looked up four at a time in a table of 32-bit words, into a matrix with one
line of words per row; leading zeros and padding are null bytes, which are deleted in the end.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.market import UNIT, AggTrades, Bars, Ints, Trades

__all__ = [
    "agg_trades_json",
    "decimal",
    "klines_blob",
    "klines_json",
    "page",
    "recorded_blob",
    "trades_json",
]

Blob: TypeAlias = tuple[bytes, Ints]
"""Rows one after the other, each with a comma behind it, and where each begins and the last ends."""

_Words: TypeAlias = npt.NDArray[np.uint32]
_Piece: TypeAlias = str | _Words
"""Text that all rows share, or each row's words of four characters; null bytes do not count."""

_FOUR: Final[_Words] = np.array([f"{i:04d}" for i in range(10_000)], "S4").view(np.uint32)
_POWERS: Final = 10 ** np.arange(1, 19, dtype=np.int64)
_DIGITS: Final = 20
_SHOWN: Final[_Words] = np.frombuffer(
    b"".join(bytes(_DIGITS - shown) + b"\xff" * shown for shown in range(_DIGITS)), np.uint32
).reshape(_DIGITS, -1)
"""By number of digits: the mask of the words that end with them."""
_FLAG: Final[_Words] = np.frombuffer(b"false\0\0\0true\0\0\0\0", np.uint32).reshape(2, 2)


def decimal(units: int) -> str:
    """Return an amount in units as the API writes it: eight decimals."""
    sign, amount = ("-", -units) if units < 0 else ("", units)
    return f"{sign}{amount // UNIT}.{amount % UNIT:08d}"


def page(blob: Blob, first: int, last: int) -> bytes:
    """Return the rows [first, last) of a blob as a JSON array."""
    text, offsets = blob
    return b"[" + text[offsets[first] : max(offsets[last] - 1, offsets[first])] + b"]"


def klines_json(bars: Bars) -> bytes:
    """Return bars as the JSON array of the API's 12-element rows."""
    return _array(_rows_of(bars))


def klines_blob(bars: Bars) -> Blob:
    """Return the rows of bars as a blob, for pages to be cut out of."""
    return _blob(_rows_of(bars))


def _rows_of(bars: Bars) -> _Words:
    values = {name: _divided(getattr(bars, name), UNIT) for name in _VALUES}
    return _klines(bars.open_time, bars.close_time, bars.trades, values)


def recorded_blob(columns: Mapping[str, npt.NDArray[np.generic]]) -> Blob:
    """Return recorded klines as a blob; the float of every number's text is the recorded number.

    `columns` holds int64 microseconds and counts, and float64 amounts.
    """
    values = {name: _split(columns[name].astype(np.float64)) for name in _VALUES}
    opens, closes = (columns[name].astype(np.int64) // 1000 for name in ("open_time", "close_time"))
    return _blob(_klines(opens, closes, columns["trades"].astype(np.int64), values))


_VALUES: Final = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "taker_buy_volume",
    "taker_buy_quote_volume",
)


def _split(amounts: npt.NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Return whole and 1e-8 parts; the whole part is cut off first, so that nothing is rounded."""
    whole = np.floor(amounts)
    fraction = np.rint((amounts - whole) * UNIT).astype(np.int64)
    return whole.astype(np.int64) + fraction // UNIT, fraction % UNIT


def _klines(
    opens: Ints, closes: Ints, trades: Ints, values: Mapping[str, tuple[Ints, Ints]]
) -> _Words:
    prices = [_amount(*values[name]) for name in _VALUES[:5]]
    quote, taker, taker_quote = (_amount(*values[name]) for name in _VALUES[5:])
    line: list[_Piece] = ["[", _whole(opens)]
    for piece in prices:
        line += [',"', *piece, '"']
    line += [",", _whole(closes), ',"', *quote, '",', _whole(trades)]
    line += [',"', *taker, '","', *taker_quote, '","0"],']
    return _joined(len(opens), line)


def trades_json(trades: Trades) -> bytes:
    """Return trades as the JSON array of the API's objects."""
    line: list[_Piece] = ['{"id":', _whole(trades.id)]
    line += [',"price":"', *_units(trades.price), '","qty":"', *_units(trades.qty)]
    line += ['","quoteQty":"', *_units(trades.quote_qty), '","time":', _whole(trades.time)]
    line += [',"isBuyerMaker":', _flag(trades.is_buyer_maker), ',"isBestMatch":true},']
    return _array(_joined(len(trades), line))


def agg_trades_json(trades: AggTrades) -> bytes:
    """Return aggregate trades as the JSON array of the API's objects."""
    line: list[_Piece] = ['{"a":', _whole(trades.id)]
    line += [',"p":"', *_units(trades.price), '","q":"', *_units(trades.qty)]
    line += ['","f":', _whole(trades.first_id), ',"l":', _whole(trades.last_id)]
    line += [',"T":', _whole(trades.time), ',"m":', _flag(trades.is_buyer_maker), ',"M":true},']
    return _array(_joined(len(trades), line))


def _units(amounts: Ints) -> list[_Piece]:
    return _amount(*_divided(amounts, UNIT))


def _amount(whole: Ints, fraction: Ints) -> list[_Piece]:
    high, low = _divided(fraction, 10_000)
    return [_whole(whole), ".", np.stack([_FOUR[high], _FOUR[low]], axis=1)]


def _divided(numbers: Ints, by: int) -> tuple[Ints, Ints]:
    quotient = numbers // by  # NumPy divides by a constant several times faster than divmod does
    return quotient, numbers - quotient * by


def _whole(numbers: Ints) -> _Words:
    """Return whole numbers: as many words as the widest needs."""
    groups, rest = [], numbers
    for _ in range((len(str(int(numbers.max(initial=0)))) - 1) // 4):
        rest, group = _divided(rest, 10_000)
        groups.append(_FOUR[group])
    words = np.stack([_FOUR[rest], *reversed(groups)], axis=1)
    digits = np.searchsorted(_POWERS, numbers, side="right") + 1
    return words & _SHOWN[:, -words.shape[1] :][digits]


def _flag(values: npt.NDArray[np.bool_]) -> _Words:
    return _FLAG[values.astype(np.int64)]


def _joined(count: int, line: Sequence[_Piece]) -> _Words:
    """Return the pieces of every row side by side."""
    pieces = [_text(piece) if isinstance(piece, str) else piece for piece in line]
    words = np.empty((count, sum(piece.shape[-1] for piece in pieces)), np.uint32)
    at = 0
    for piece in pieces:
        words[:, at : at + piece.shape[-1]] = piece
        at += piece.shape[-1]
    return words


def _text(text: str) -> _Words:
    return np.frombuffer(text.encode() + bytes(-len(text) % 4), np.uint32)


def _array(rows: _Words) -> bytes:
    return b"[" + rows.tobytes().translate(None, b"\0")[:-1] + b"]"


def _blob(rows: _Words) -> Blob:
    lengths = np.count_nonzero(rows.view(np.uint8), axis=1)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return rows.tobytes().translate(None, b"\0"), offsets
