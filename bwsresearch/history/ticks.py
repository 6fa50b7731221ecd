"""Trades and aggregate trades: found by time, paged by id, cached by time."""

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.errors import CacheError
from bwsresearch.history.download import Lane, as_in_flight, as_timeout, connection_of
from bwsresearch.history.filling import fill_trades
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import (
    CacheMode,
    Range,
    Span,
    as_cache_mode,
    as_limit,
    as_symbol,
    needs_clock,
    resolved,
)
from bwsresearch.history.runs import AGGREGATES, PAGE, SINGLES, Kind, newest
from bwsresearch.history.series import Series
from bwsresearch.local import implied
from bwsresearch.tables import Columns, Schema
from bwsresearch.times import TimeLike

__all__ = ["agg_trades", "trades"]

_TRIES: Final = 3
"""The files of a cache may be damaged, or cleared, while they are written."""


def agg_trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the aggregate trades of [start, end), by ascending id, paged and cached.

    Index `time` (datetime64[us, UTC], times repeat); columns id int64, price float64 (quote), qty
    float64 (base), first_id and last_id int64, is_buyer_maker bool (True: the taker sold).
    Without a range: the newest `limit` (1000), not cached. With `columns` the frame has only these,
    and memory holds only these. `attrs` and errors as for `klines`; gaps lie where ids are missing;
    until is the server's time (epoch ms) where the range reaches beyond it.
    Source: web-socket-api.md "Aggregate trades".
    """
    __tracebackhide__ = True
    ask = _Ask.of(AGGREGATES, symbol, Span(start, end, period), limit, columns, cache)
    shown = Progress(ask.title, wanted=progress)
    return _frame(
        ask, Lane(connection_of(client), shown, as_in_flight(in_flight), as_timeout(timeout))
    )


def trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the trades of [start, end), by ascending id, paged and cached.

    Index `time` (datetime64[us, UTC], times repeat); columns id int64, price float64 (quote), qty
    float64 (base), quote_qty float64, is_buyer_maker bool (True: the taker sold). Without a range:
    the newest `limit` (1000), not cached. A page weighs 25: aggregate trades are 6 times cheaper.
    `columns`, `attrs` and errors as for `agg_trades`.
    Source: web-socket-api.md "Historical trades".
    """
    __tracebackhide__ = True
    ask = _Ask.of(SINGLES, symbol, Span(start, end, period), limit, columns, cache)
    shown = Progress(ask.title, wanted=progress)
    return _frame(
        ask, Lane(connection_of(client), shown, as_in_flight(in_flight), as_timeout(timeout))
    )


@dataclass(frozen=True)
class _Ask:
    """What is asked for: a range, or the newest `limit` when no range is given."""

    kind: Kind
    symbol: str
    span: Span
    limit: int
    columns: Sequence[str] | None
    mode: CacheMode

    @classmethod
    def of(
        cls,
        kind: Kind,
        symbol: str,
        span: Span,
        limit: int | None,
        columns: object,
        cache: object,
    ) -> "_Ask":
        """Return what can be meant; a ValueError or TypeError otherwise."""
        __tracebackhide__ = True
        name, mode = as_symbol(symbol), as_cache_mode(cache)
        if not span.is_open and limit is not None:
            raise ValueError(f"limit is {limit!r} beside a range; give one of the two")
        if span.is_open and span.end is not None:
            raise ValueError(f"end is {span.end!r} without start; give start= or period=")
        rows = PAGE if limit is None else limit
        most = as_limit(rows, PAGE, "rows; for more give start= or period=")
        return cls(kind, name, span, most, _as_columns(columns, kind.schema), mode)

    @property
    def title(self) -> str:
        """What stands before the bar."""
        return f"{self.symbol} {self.kind.schema.name}"


def _as_columns(columns: object, schema: Schema) -> list[str] | None:
    """Return names of columns, None for all; a ValueError or TypeError for what can be none."""
    __tracebackhide__ = True
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise TypeError(f"columns is {columns!r}, must be a list such as ['price', 'qty']")
    names = list(columns)
    known = [name for name in schema.dtypes if name != schema.time]
    for name in names or [None]:
        if name not in known:
            raise ValueError(f"columns is {names!r}, must be some of {' '.join(known)}")
    return names


async def _frame(ask: _Ask, lane: Lane) -> pd.DataFrame:
    schema, server = ask.kind.schema, await lane.server()
    attrs: dict[str, object] = {"symbol": ask.symbol, "server": server}
    if implied(lane.client, ask.symbol, schema.name):
        attrs["implied"] = True
    with lane.progress:
        if ask.span.is_open:
            columns = await newest(ask.kind, ask.symbol, lane, ask.limit)
            attrs["source"] = "network"
        else:
            columns, told = await _pulled(ask, lane, server)
            attrs |= told
    attrs["gaps"] = _gaps(columns)
    shown = schema if ask.columns is None else schema.only(ask.columns)
    return tables.frame(shown, columns, attrs)


async def _pulled(ask: _Ask, lane: Lane, server: str) -> tuple[Columns, dict[str, object]]:
    """Return the rows of a range, and what the frame says of them."""
    series = Series(
        ask.kind.schema,
        ask.symbol,
        None,
        server,
        ask.mode,
        is_reread=ask.mode is not False,
        columns=ask.columns,
    )
    now_ms = await lane.now() if needs_clock(ask.span) else None
    want = resolved(ask.span, now_ms or 0)
    columns, now_ms = await _filled(ask, lane, series, want, now_ms)
    told: dict[str, object] = {"start": want.start_ms, "end": want.end_ms}
    told["source"] = series.source
    if now_ms is not None and now_ms < want.end_ms:
        told["until"] = now_ms
    return columns, told


async def _filled(
    ask: _Ask, lane: Lane, series: Series, want: Range, now_ms: int | None
) -> tuple[Columns, int | None]:
    """Fetch what the cache lacks of the range; return its rows, and the server's time if it is known."""
    if want.is_empty:
        return series.rows(), now_ms
    for _ in range(_TRIES):
        try:
            now_ms = await fill_trades(ask.kind, [series], want, lane, now_ms)
        finally:
            series.save()
        columns = await series.reread(want.start_ms, want.end_ms)
        if columns is not None:
            return _within(columns, want), now_ms
    raise CacheError(
        f"the cache loses rows of {ask.symbol} while they are fetched; "
        "see bws.cache.verify(), or use cache=False"
    )


def _gaps(columns: Columns) -> list[list[int]]:
    """Return where ids are missing between rows, as pairs [time before, time after) in ms."""
    ids = columns["id"]
    if not len(ids) or ids[-1] - ids[0] == len(ids) - 1:
        return []
    seams = np.flatnonzero(np.diff(ids) != 1)
    times = columns["time"]
    pairs = ((int(times[i]) // 1000, int(times[i + 1]) // 1000) for i in seams)
    return [[before, max(after, before + 1)] for before, after in pairs]


def _within(columns: Columns, want: Range) -> Columns:
    times = columns["time"]
    start_us, end_us = want.start_ms * 1000, want.end_ms * 1000
    if not len(times) or (times.min() >= start_us and times.max() < end_us):
        return columns
    return tables.sliced(columns, (times >= start_us) & (times < end_us))
