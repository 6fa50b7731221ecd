"""Klines of any range: what the cache lacks is fetched in pages of 1000, checked and kept."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.cache import Spans
from bwsresearch.cache.spans import clip, minus
from bwsresearch.client.sync import Client
from bwsresearch.enums import Interval
from bwsresearch.errors import ServerError
from bwsresearch.history.clock import server_now
from bwsresearch.history.download import Job, Lane, Series, as_in_flight, opened
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import (
    CacheMode,
    Range,
    Span,
    as_cache_mode,
    as_symbols,
    needs_clock,
    resolved,
)
from bwsresearch.local import default_client, implied, server_of
from bwsresearch.protocol.methods import Klines
from bwsresearch.tables import KLINES, Columns
from bwsresearch.times import (
    STEP_MS,
    Ms,
    TimeLike,
    as_interval,
    iso,
    next_open,
    open_time,
    open_times,
)

__all__ = ["gaps", "klines"]

PAGE: Final = 1000
"""Rows of one request at most; web-socket-api.md "Klines"."""
_PROBE_PAGES: Final = 3
"""A range of more pages is first asked where its history begins."""
_LATE_MS: Final = 600_000
"""A bar that is missing for so long after its close is not late: it does not exist."""
_OPENED_MS: Final = 1_498_867_200_000
"""2017-07-01: the exchange opened after it, there is nothing to ask for before."""


async def klines(
    symbols: str | Sequence[str],
    interval: str,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    closed: bool = True,
    cache: CacheMode = True,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return klines of [start, end), oldest first, one row per bar; pages, limits and cache included.

    Index `open_time` (datetime64[us, UTC]); columns open high low close float64 (quote), volume
    float64 (base), close_time, quote_volume float64, trades int64, taker_buy_volume and
    taker_buy_quote_volume float64. A list of symbols gives columns (field, symbol): `df["close"]`.
    `attrs`: symbol, interval, server, start, end (epoch ms), source (cache, network or mixed), gaps
    (missing bars as [start_ms, end_ms)). Source: web-socket-api.md "Klines".

    Args:
        symbols: one symbol, or several; upper or lower case.
        interval: one of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M.
        start: first open time, inclusive: ISO text, date, datetime, Timestamp, epoch ms, "-2h"; UTC.
        end: exclusive; now when left out. Without start and period: the newest 1000 bars before it.
        period: in place of start, back from end: "90m" "12h" "7d" "4w" "3mo" "1y" "ytd" "max".
        closed: False adds the running bar, which is never cached.
        cache: True, False, or "refresh" to fetch again what is cached.
        progress: True or False; by default a bar is shown in notebooks and terminals.
        timeout: seconds per request, never per download; the client's own when left out.
        in_flight: requests that may be on their way at once.
        client: the connection to use; the default one when left out.

    Raises:
        ValueError: for an interval, range, period or option that cannot be meant.
        BadSymbol: when the exchange does not know the symbol.
        Disconnected, Timeout, Banned, ServerError: the pages that came are in the cache.
    """
    names, step, mode = as_symbols(symbols), as_interval(interval), as_cache_mode(cache)
    span, width = Span(start, end, period), as_in_flight(in_flight)
    connection = (client or default_client()).aio
    title = f"{names[0] if len(names) == 1 else f'{len(names)} symbols'} {step}"
    with Progress(title, wanted=progress) as shown:
        lane = Lane(connection, shown, width, timeout)
        pull = _Pull(lane, step, mode, await server_of(connection))
        frames = await pull.frames(names, span, closed=closed)
    return frames[names[0]] if isinstance(symbols, str) else tables.wide(frames)


@dataclass
class _Pull:
    """One call of `klines`."""

    lane: Lane
    interval: Interval
    mode: CacheMode
    server: str

    async def frames(
        self, names: list[str], span: Span, *, closed: bool
    ) -> dict[str, pd.DataFrame]:
        now_ms = await self._now() if needs_clock(span) or not closed else None
        want = self._wanted(span, now_ms)
        bars = [
            _Bars(Series(KLINES, name, self.interval, opened(self.mode, self.server)), want)
            for name in names
        ]
        try:
            await self._fill(bars, now_ms)
            running = [await self._running(b, now_ms) for b in bars] if not closed else []
        finally:
            for one in bars:
                one.series.save()
        for one, row in zip(bars, running, strict=False):
            one.series.parts.append(row)
        return {one.series.symbol: self._frame(one, closed=closed) for one in bars}

    async def _now(self) -> int:
        return await server_now(self.lane.client, self.lane.timeout)

    def _wanted(self, span: Span, now_ms: int | None) -> Range:
        want = resolved(span, now_ms or 0)
        start_ms = want.start_ms
        if span.is_open:
            last = open_time(self.interval, want.end_ms - 1)
            start_ms = next_open(self.interval, last, 1 - PAGE)
        return Range(min(max(start_ms, _OPENED_MS), want.end_ms), want.end_ms)

    async def _fill(self, bars: list["_Bars"], now_ms: int | None) -> None:
        """Fetch what the cache does not have; ask for the time only if something is missing."""
        lacking = [one for one in bars if await asyncio.to_thread(one.recall, self.mode)]
        if not lacking:
            return
        now = await self._now() if now_ms is None else now_ms
        for one in lacking:
            one.close_at(open_time(self.interval, now), now)
        await self.lane.run(partial(one.probe, self.lane) for one in lacking)
        self.lane.progress.expect(sum(one.pages for one in lacking))
        await self.lane.run(chain.from_iterable(one.jobs(self.lane) for one in lacking))

    async def _running(self, one: "_Bars", now_ms: int | None) -> Columns:
        opens = open_time(self.interval, now_ms or 0)
        if one.want.end_ms <= opens:
            return tables.empty(KLINES)
        request = Klines(one.series.symbol, self.interval, start_time=opens, limit=1)
        return tables.decode_klines(await self.lane.raw(request))

    def _frame(self, one: "_Bars", *, closed: bool) -> pd.DataFrame:
        columns = one.series.rows()
        end_ms = one.settled_ms
        holes = gaps(self.interval, tables.millis(columns, "open_time"), one.want.start_ms, end_ms)
        attrs: dict[str, object] = {
            "symbol": one.series.symbol,
            "interval": self.interval,
            "server": self.server,
            "start": one.want.start_ms,
            "end": one.want.end_ms,
            "source": one.source if closed else "mixed",
            "gaps": holes,
        }
        if implied(self.lane.client, one.series.symbol, self.interval):
            attrs["implied"] = True
        return tables.frame(KLINES, columns, attrs)


class _Bars:
    """The bars of one symbol: what is wanted, what is there, what is still to be asked for."""

    def __init__(self, series: Series, want: Range) -> None:
        self.series, self.want, self.settled_ms = series, want, want.end_ms
        self.cached = 0
        self.now_ms = 0
        self.missing: Spans = ((want.start_ms, want.end_ms),)

    @property
    def interval(self) -> Interval:
        return as_interval(self.series.interval or "")

    @property
    def source(self) -> str:
        if not self.series.fetched:
            return "cache"
        return "mixed" if self.cached else "network"

    @property
    def pages(self) -> int:
        return sum(1 for _ in self._pages())

    def recall(self, mode: CacheMode) -> bool:
        """Take the cached rows; return whether anything is missing."""
        want, series = self.want, self.series
        if want.start_ms == want.end_ms:
            self.missing = ()
        elif series.cache is not None and mode is True:
            columns, covered = series.cache.read(
                KLINES, series.symbol, series.interval, want.start_ms, want.end_ms
            )
            self.cached = tables.length(columns)
            series.parts.append(columns)
            self.missing = minus(((want.start_ms, want.end_ms),), covered)
        return bool(self.missing)

    def close_at(self, running_ms: int, now_ms: int) -> None:
        """Leave out the bar that opened at `running_ms` and all after it."""
        self.now_ms = now_ms
        self.missing = clip(self.missing, self.want.start_ms, running_ms)
        self.settled_ms = min(self.want.end_ms, max(running_ms, self.want.start_ms))

    async def probe(self, lane: Lane) -> None:
        """Find where a long range begins to have bars, and remember that there are none before."""
        begun: list[tuple[int, int]] = []
        for start_ms, end_ms in self.missing:
            first = start_ms
            if end_ms > next_open(self.interval, start_ms, _PROBE_PAGES * PAGE):
                first = await self._first(lane, start_ms, end_ms)
                if first > start_ms:
                    await self.series.add(tables.empty(KLINES), ((start_ms, first),))
            if first < end_ms:
                begun.append((first, end_ms))
        self.missing = tuple(begun)

    async def _first(self, lane: Lane, start_ms: int, end_ms: int) -> int:
        request = Klines(
            self.series.symbol, self.interval, start_time=start_ms, end_time=end_ms - 1, limit=1
        )
        columns = tables.decode_klines(await lane.raw(request))
        if not tables.length(columns):
            return end_ms
        return min(end_ms, max(start_ms, int(columns["open_time"][0]) // 1000))

    def _pages(self) -> Iterator[tuple[int, int]]:
        for start_ms, end_ms in self.missing:
            at = start_ms
            while at < end_ms:
                after = min(next_open(self.interval, at, PAGE), end_ms)
                yield at, after
                at = after

    def jobs(self, lane: Lane) -> Iterator[Job]:
        for start_ms, end_ms in self._pages():
            yield partial(self._fetch, lane, start_ms, end_ms)

    async def _fetch(self, lane: Lane, start_ms: int, end_ms: int) -> None:
        request = Klines(
            self.series.symbol, self.interval, start_time=start_ms, end_time=end_ms - 1, limit=PAGE
        )
        columns = tables.decode_klines(await lane.raw(request))
        self._check(columns, start_ms, end_ms)
        until = self._until(columns, start_ms, end_ms)
        await self.series.add(columns, ((start_ms, until),) if until > start_ms else ())
        lane.progress.arrived(tables.length(columns))

    def _check(self, columns: Columns, start_ms: int, end_ms: int) -> None:
        opens = tables.millis(columns, "open_time")
        if len(opens) and (
            opens[0] < start_ms or opens[-1] >= end_ms or (np.diff(opens) <= 0).any()
        ):
            raise ServerError(
                f"{self.series.symbol} {self.interval}: bars are not ascending within "
                f"[{iso(start_ms)}, {iso(end_ms)}) as asked; try again, or another server",
                method="klines",
            )

    def _until(self, columns: Columns, start_ms: int, end_ms: int) -> int:
        """Return up to where a page is final: bars that closed just now may still be written."""
        if self.now_ms - end_ms > _LATE_MS:
            return end_ms
        opens = tables.millis(columns, "open_time")
        served = next_open(self.interval, int(opens[-1])) if len(opens) else start_ms
        until = min(end_ms, max(served, self.now_ms - _LATE_MS))
        self.settled_ms = min(self.settled_ms, until)
        return until


def gaps(interval: Interval, opens: tables.Column, start_ms: int, end_ms: int) -> list[list[int]]:
    """Return the missing bars of [start_ms, end_ms) as [start, end) pairs; `opens` ascends, in ms."""
    first = open_time(interval, start_ms)
    first = first if first == start_ms else next_open(interval, first)
    last = open_time(interval, end_ms - 1)
    stop = next_open(interval, last)
    if stop <= first:
        return []
    stamps = np.asarray(opens, np.int64)
    inside = stamps[(stamps >= first) & (stamps < stop)]
    edges = np.concatenate(([first], _following(interval, inside)))
    begins = np.concatenate((inside, [stop]))
    holes = np.flatnonzero(begins > edges)
    return [[int(edges[i]), int(begins[i])] for i in holes]


def _following(interval: Interval, opens: Ms) -> Ms:
    if interval == "1M":
        months = opens.astype("M8[ms]").astype("M8[M]") + 1
        return months.astype("M8[ms]").astype(np.int64)
    # Bars that opened off the grid after a halt are followed by the grid's next bar.
    return open_times(interval, opens) + STEP_MS[interval]
