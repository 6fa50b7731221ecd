"""What recorders have kept of order books, as frames."""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.sync import Client
from bwsresearch.history.download import connection_of
from bwsresearch.history.ranges import Range, Span, as_limit, as_symbol, resolved
from bwsresearch.local import server_of
from bwsresearch.store import Cache, Spans, default_root
from bwsresearch.store.spans import clip, minus, union
from bwsresearch.store.spool import recall
from bwsresearch.tables import BOOK_FIELDS, BOOKS, Columns
from bwsresearch.times import HOUR_MS, Ms, TimeLike

__all__ = ["depth_history"]

_MOST: Final = 5000
_LAST_MS: Final = 2**42
_UNITS: Final = ((HOUR_MS, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def depth_history(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    levels: int | None = 10,
    columns: Iterable[str] = ("price", "qty"),
    wide: bool = False,
    server: str | None = None,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return recorded books of [start, end), oldest first; nothing is asked of the exchange.

    One row per level: index `time` (datetime64[us, UTC], when the book was due), columns side
    (categorical bid, ask), level int64 (1 is the best), price (quote) and qty (base) float64; of one
    time bids from the best down, then asks from the best up. With `wide`, one row per time: bid_price_1,
    bid_qty_1, bid_price_2, …, ask_qty_10, NaN where a book has no such level.
    `attrs`: symbol, server, start, end (epoch ms), source, every (the usual distance, such as "1s",
    None of fewer than two books), gaps (what was not recorded, as [start_ms, end_ms)).
    Where two recorders have a book of one time, the one that was asked for first is shown.
    Source: web-socket-api.md "Order book", by `bws.record_depth`.

    Args:
        symbol: one symbol.
        start: inclusive, in any form, by this machine's clock if "-2h"; the first book's when left out.
        end: exclusive; the end of the last book when left out.
        period: in place of start, back from end: "90m", "7d".
        levels: how many a side at most; None for all that were recorded.
        columns: which of price, qty, last_update_id, request_time and reply_time, in this order; the
            times are the server's, when the book was asked for and when it was there.
        wide: True for a row per time.
        server: whose books: "production", "testnet", "local-<hash>"; the client's when left out.
        client: the connection whose server is meant; the default one when left out.

    Raises:
        ValueError: for a range or option that cannot be meant.
        CacheError: when the cache cannot be read.
    """
    __tracebackhide__ = True
    most = as_limit(_MOST if levels is None else levels, _MOST, "levels a side, or None")
    if server is not None and client is not None:
        raise ValueError(f"server is {server!r} beside client; give one of the two")
    if server is not None and not server:
        raise ValueError("server is '', must name whose books, such as 'production'")
    ask = _Ask(
        as_symbol(symbol), Span(start, end, period), most, levels is None, _fields(columns), wide
    )
    return _frame(ask, server if server is not None else connection_of(client))


def _fields(columns: Iterable[str]) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    wrong = next((n for n in names if n not in BOOK_FIELDS or names.count(n) > 1), None)
    if wrong is not None or not names:
        raise ValueError(
            f"columns is {list(names)!r}, must be some of {', '.join(BOOK_FIELDS)}, each once"
        )
    return names


@dataclass(frozen=True, slots=True)
class _Ask:
    symbol: str
    span: Span
    levels: int
    is_all: bool
    fields: tuple[str, ...]
    is_wide: bool

    def range(self) -> Range:
        """Return the range by this machine's clock; without an end as wide as can be."""
        now_ms = time.time_ns() // 1_000_000
        found = resolved(self.span, now_ms)
        start_ms = 0 if self.span.is_open else found.start_ms
        is_endless = self.span.end is None and self.span.period is None
        return Range(start_ms, _LAST_MS if is_endless else found.end_ms)


async def _frame(ask: _Ask, whose: str | AsyncClient) -> pd.DataFrame:
    server = whose if isinstance(whose, str) else await server_of(whose)
    return await asyncio.to_thread(_recalled, ask, Cache(default_root(), server))


def _recalled(ask: _Ask, cache: Cache) -> pd.DataFrame:
    want = ask.range()
    # Spools first: what is moved meanwhile is found in the files.
    loose, covered = recall(cache, BOOKS, ask.symbol, want.start_ms, want.end_ms)
    parts, spans = [_shown(ask, [])], [covered]
    for start_ms, end_ms in _stretches(ask, cache, want, loose):
        rows, known = cache.read(BOOKS, ask.symbol, None, start_ms, end_ms)
        spans.append(known)
        parts.append(_shown(ask, [rows, *(_between(one, start_ms, end_ms) for one in loose)]))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    attrs = _attrs(ask, cache.server, want, union(*spans), columns)
    if not ask.is_wide:
        return tables.books_frame(columns, ask.fields, attrs)
    deepest = int(columns["level"].max(initial=0)) if ask.is_all else ask.levels
    return tables.wide_books_frame(columns, ask.fields, deepest, attrs)


def _stretches(ask: _Ask, cache: Cache, want: Range, loose: list[Columns]) -> Spans:
    """Return the pieces that are read one after the other, so that no more lies in memory at once.

    Each goes on to the next, since what a file covers may do so too.
    """
    files = cache.stretches(BOOKS, ask.symbol, None, want.start_ms, want.end_ms)
    hours = [np.unique(tables.millis(rows, "time") // HOUR_MS) * HOUR_MS for rows in loose]
    starts = sorted({start for start, _ in files} | {int(at) for at in chain(*hours)})
    return clip(tuple(pairwise([*starts, _LAST_MS])), want.start_ms, want.end_ms)


def _between(columns: Columns, start_ms: int, end_ms: int) -> Columns:
    times = tables.millis(columns, "time")
    return tables.sliced(columns, slice(*np.searchsorted(times, [start_ms, end_ms])))


def _shown(ask: _Ask, parts: list[Columns]) -> Columns:
    """Return the rows of one piece that are asked for, in the columns that are needed for it."""
    rows = tables.unique(BOOKS, tables.concat(BOOKS, parts))
    kept = tables.first_books(rows) & (rows["level"] <= ask.levels)
    return {name: rows[name][kept] for name in ("time", "is_ask", "level", *ask.fields)}


def _attrs(
    ask: _Ask, server: str, want: Range, covered: Spans, columns: Columns
) -> dict[str, object]:
    end_ms = want.end_ms
    if want.end_ms == _LAST_MS:
        end_ms = max(covered[-1][1] if covered else 0, want.start_ms)
    start_ms = want.start_ms
    if ask.span.is_open:
        start_ms = covered[0][0] if covered else end_ms
    return {
        "symbol": ask.symbol,
        "server": server,
        "start": start_ms,
        "end": end_ms,
        "source": "cache",
        "every": _every(tables.millis(columns, "time")),
        "gaps": [list(gap) for gap in minus(((start_ms, end_ms),), covered)],
    }


def _every(times: Ms) -> str | None:
    """Return the usual distance of times, as a person writes it."""
    steps = np.diff(times[np.flatnonzero(np.diff(times, prepend=times[:1] - 1))])
    if not len(steps):
        return None
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[counts.argmax()])
    unit_ms, name = next((ms, name) for ms, name in _UNITS if usual % ms == 0)
    return f"{usual // unit_ms}{name}"
