"""Rows of market data as the API's JSON text, many at a time.

A number's digits are looked up four at a time in tables of 32-bit words, each word a column of a
matrix with one line per row; leading zeros and padding are null bytes, which are deleted in the end.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import UNIT, Amounts, Ints, divided, split
from bwsresearch.exchange.market import AggTrades, Bars, Trades

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
"""Text that all rows share, or each row's word of four characters; null bytes do not count."""

_FOUR: Final[_Words] = np.array([f"{i:04d}" for i in range(10_000)], "S4").view(np.uint32)
_POINT: Final[_Words] = np.array([f".{i:03d}" for i in range(1_000)], "S4").view(np.uint32)
_LAST: Final[_Words] = np.array([str(i).rjust(4, "\0") for i in range(10_000)], "S4").view(
    np.uint32
)
"""Without leading zeros."""
_LEADING: Final[_Words] = np.where(np.arange(10_000) > 0, _LAST, 0).astype(np.uint32)
"""Nothing at all for 0, which others follow."""
_NOTHING: Final[_Words] = np.zeros(1, np.uint32)
_DECIMALS: Final = 8
_FLAG: Final[_Words] = np.frombuffer(b"false\0\0\0true\0\0\0\0", np.uint32).reshape(2, 2)


@functools.lru_cache(maxsize=8192)
def decimal(units: int) -> str:
    """Return an amount in units as the API writes it: eight decimals."""
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    if len(digits) > _DECIMALS:
        return f"{sign}{digits[:-_DECIMALS]}.{digits[-_DECIMALS:]}"
    return f"{sign}0.{digits.zfill(_DECIMALS)}"


def page(blob: Blob, first: int, last: int) -> bytes:
    """Return the rows [first, last) of a blob as a JSON array."""
    text, offsets = blob
    rows = memoryview(text)[offsets[first] : max(offsets[last] - 1, offsets[first])]
    return b"".join((b"[", rows, b"]"))  # copies once, where + would thrice


def klines_json(bars: Bars) -> bytes:
    """Return bars as the JSON array of the API's 12-element rows."""
    return _array(_rows_of(bars))


def klines_blob(bars: Bars) -> Blob:
    """Return the rows of bars as a blob, for pages to be cut out of."""
    return _blob(_rows_of(bars))


def _rows_of(bars: Bars) -> _Words:
    values = {name: Amounts(*divided(getattr(bars, name), UNIT)) for name in _VALUES[:4]}
    values |= {name: getattr(bars, name) for name in _VALUES[4:]}
    return _klines(bars.open_time, bars.close_time, bars.trades, values)


def recorded_blob(columns: Mapping[str, npt.NDArray[np.generic]]) -> Blob:
    """Return recorded klines as a blob; the float of every number's text is the recorded number.

    `columns` holds int64 microseconds and counts, and float64 amounts.
    """
    values = {name: split(columns[name]) for name in _VALUES}
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


def _klines(opens: Ints, closes: Ints, trades: Ints, values: Mapping[str, Amounts]) -> _Words:
    line: list[_Piece] = ["[", *_whole(opens), ',"']
    for name in _VALUES[:4]:
        line += _amount(values[name], '","')
    line += [*_amount(values["volume"], '",'), *_whole(closes), ',"']
    line += [*_amount(values["quote_volume"], '",'), *_whole(trades), ',"']
    for name in _VALUES[6:]:
        line += _amount(values[name], '","')
    line.append('0"],')
    return _joined(len(opens), line)


def trades_json(trades: Trades) -> bytes:
    """Return trades as the JSON array of the API's objects."""
    line: list[_Piece] = ['{"id":', *_whole(trades.id)]
    line += [',"price":"', *_units(trades.price), 'qty":"', *_units(trades.qty)]
    line += ['quoteQty":"', *_units(trades.quote_qty), 'time":', *_whole(trades.time)]
    line += [',"isBuyerMaker":', *_flag(trades.is_buyer_maker), ',"isBestMatch":true},']
    return _array(_joined(len(trades), line))


def agg_trades_json(trades: AggTrades) -> bytes:
    """Return aggregate trades as the JSON array of the API's objects."""
    line: list[_Piece] = ['{"a":', *_whole(trades.id)]
    line += [',"p":"', *_units(trades.price), 'q":"', *_units(trades.qty)]
    line += ['f":', *_whole(trades.first_id), ',"l":', *_whole(trades.last_id)]
    line += [',"T":', *_whole(trades.time), ',"m":', *_flag(trades.is_buyer_maker), ',"M":true},']
    return _array(_joined(len(trades), line))


def _units(amounts: Ints) -> list[_Piece]:
    return _amount(Amounts(*divided(amounts, UNIT)), '","')


def _amount(amounts: Amounts, behind: str) -> list[_Piece]:
    """Return amounts and at most three characters behind them, which fill the words that they take."""
    high, rest = divided(amounts.parts, 100_000)
    middle, last = divided(rest, 10)
    return [*_whole(amounts.whole), _POINT[high], _FOUR[middle], _digits(behind)[last]]


@functools.cache
def _digits(behind: str) -> _Words:
    return np.array([f"{i}{behind}" for i in range(10)], "S4").view(np.uint32)


def _whole(numbers: Ints) -> list[_Words]:
    """Return whole numbers in as many words as the widest needs."""
    words: list[_Words] = []
    rest = numbers
    for _ in range((len(str(int(numbers.max(initial=0)))) - 1) // 4):
        upper, group = divided(rest, 10_000)
        word = _FOUR[group]
        if not upper.all():
            word = np.where(upper > 0, word, (_LEADING if words else _LAST)[group])
        words.append(word)
        rest = upper
    return [(_LEADING if words else _LAST)[rest], *reversed(words)]


def _flag(values: npt.NDArray[np.bool_]) -> list[_Words]:
    return list(_FLAG[values.astype(np.int64)].T)


def _joined(count: int, line: Sequence[_Piece]) -> _Words:
    """Return the pieces of every row side by side, behind a word of nothing."""
    texts = [_NOTHING]
    texts += [_text(piece) if isinstance(piece, str) else _NOTHING for piece in line]
    row = np.concatenate(texts)
    words = np.empty((count, len(row)), np.uint32)
    words[:] = row
    at = 1
    for piece, text in zip(line, texts[1:], strict=True):
        if not isinstance(piece, str):
            words[:, at] = piece
        at += len(text)
    return words


@functools.cache
def _text(text: str) -> _Words:
    return np.frombuffer(text.encode() + bytes(-len(text) % 4), np.uint32)


def _array(rows: _Words) -> bytes:
    """Return rows as a JSON array: their first word is free for its bracket, their last a comma."""
    if not len(rows):
        return b"[]"
    text = rows.view(np.uint8)
    text[0, 0] = ord("[")
    text[-1, np.flatnonzero(text[-1])[-1]] = ord("]")
    return rows.tobytes().translate(None, b"\0")


def _blob(rows: _Words) -> Blob:
    lengths = np.count_nonzero(rows.view(np.uint8), axis=1)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return rows.tobytes().translate(None, b"\0"), offsets
