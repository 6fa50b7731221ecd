"""Trades and aggregate trades: found by time, paged by id, cached by time."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
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
from bwsresearch.tables import Columns
from bwsresearch.times import TimeLike

__all__ = ["agg_trades", "trades"]


def agg_trades(
    symbol: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    limit: int | None = None,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the aggregate trades of [start, end), by ascending id, paged and cached.

    Index `time` (datetime64[us, UTC], times repeat); columns id int64, price float64 (quote), qty
    float64 (base), first_id and last_id int64, is_buyer_maker bool (True: the taker sold).
    Without a range: the newest `limit` (1000), not cached. `attrs` and errors as for `klines`; gaps
    lie where ids are missing. Source: web-socket-api.md "Aggregate trades".
    """
    __tracebackhide__ = True
    ask = _Ask.of(AGGREGATES, symbol, Span(start, end, period), limit, cache)
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
    `attrs` and errors as for `klines`; gaps lie where ids are missing.
    Source: web-socket-api.md "Historical trades".
    """
    __tracebackhide__ = True
    ask = _Ask.of(SINGLES, symbol, Span(start, end, period), limit, cache)
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

    mode: CacheMode

    @classmethod
    def of(cls, kind: Kind, symbol: str, span: Span, limit: int | None, cache: object) -> "_Ask":
        """Return what can be meant; a ValueError or TypeError otherwise."""
        __tracebackhide__ = True
        name, mode = as_symbol(symbol), as_cache_mode(cache)
        if not span.is_open and limit is not None:
            raise ValueError(f"limit is {limit!r} beside a range; give one of the two")
        if span.is_open and span.end is not None:
            raise ValueError(f"end is {span.end!r} without start; give start= or period=")
        rows = PAGE if limit is None else limit
        most = as_limit(rows, PAGE, "rows; for more give start= or period=")
        return cls(kind, name, span, most, mode)

    @property
    def title(self) -> str:
        """What stands before the bar."""
        return f"{self.symbol} {self.kind.schema.name}"


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
            series = Series(schema, ask.symbol, None, server, ask.mode)
            want = await _filled(ask, lane, series)
            columns = _within(series.rows(), want)
            attrs |= {"start": want.start_ms, "end": want.end_ms, "source": series.source}
    attrs["gaps"] = _gaps(columns)
    return tables.frame(schema, columns, attrs)


async def _filled(ask: _Ask, lane: Lane, series: Series) -> Range:
    """Fetch what the cache lacks of the range, and return it as resolved."""
    now_ms = await lane.now() if needs_clock(ask.span) else None
    want = resolved(ask.span, now_ms or 0)
    if not want.is_empty:
        try:
            await fill_trades(ask.kind, [series], want, lane, now_ms)
        finally:
            series.save()
    return want


def _gaps(columns: Columns) -> list[list[int]]:
    """Return where ids are missing between rows, as pairs [time before, time after) in ms."""
    seams = np.flatnonzero(np.diff(columns["id"]) != 1)
    times = tables.millis(columns, "time")
    return [[int(times[i]), max(int(times[i + 1]), int(times[i]) + 1)] for i in seams]


def _within(columns: Columns, want: Range) -> Columns:
    times = tables.millis(columns, "time")
    mask = (times >= want.start_ms) & (times < want.end_ms)
    return columns if mask.all() else tables.sliced(columns, mask)
