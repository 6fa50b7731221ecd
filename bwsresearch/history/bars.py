"""Klines of any range: what the cache lacks is fetched in pages of 1000, checked and kept."""

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.enums import Interval
from bwsresearch.history.download import Lane, as_in_flight, as_timeout, connection_of
from bwsresearch.history.filling import fill_bars
from bwsresearch.history.pages import PAGE, Bars
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
from bwsresearch.history.series import Series
from bwsresearch.local import implied
from bwsresearch.store.holes import gaps
from bwsresearch.tables import KLINES
from bwsresearch.times import TimeLike, as_interval, next_open, open_time

__all__ = ["klines"]


def klines(
    symbols: str | Iterable[str],
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
) -> Coroutine[Any, Any, pd.DataFrame]:
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
    __tracebackhide__ = True
    ask = _Ask(
        as_symbols(symbols),
        isinstance(symbols, str),
        as_interval(interval),
        Span(start, end, period),
        closed,
        as_cache_mode(cache),
    )
    shown = Progress(ask.title, wanted=progress)
    return _frame(
        ask, Lane(connection_of(client), shown, as_in_flight(in_flight), as_timeout(timeout))
    )


@dataclass(frozen=True)
class _Ask:
    """What is asked for; `is_flat` for one symbol that was not in a list."""

    symbols: list[str]
    is_flat: bool
    interval: Interval
    span: Span
    closed: bool
    mode: CacheMode

    @property
    def title(self) -> str:
        """What stands before the bar."""
        count = len(self.symbols)
        return f"{self.symbols[0] if count == 1 else f'{count} symbols'} {self.interval}"


async def _frame(ask: _Ask, lane: Lane) -> pd.DataFrame:
    with lane.progress:
        frames = await _Pull(ask, lane, await lane.server()).frames()
    return frames[ask.symbols[0]] if ask.is_flat else tables.wide(frames)


@dataclass
class _Pull:
    """One call of `klines`."""

    ask: _Ask
    lane: Lane
    server: str

    async def frames(self) -> dict[str, pd.DataFrame]:
        """Return a frame for each symbol."""
        ask = self.ask
        now_ms = await self.lane.now() if needs_clock(ask.span) or not ask.closed else None
        want = self._wanted(now_ms)
        bars = [
            Bars(self._series(name), ask.interval, want, page=self.lane.page)
            for name in ask.symbols
        ]
        try:
            await fill_bars(bars, self.lane, now_ms)
            if not ask.closed and now_ms is not None:
                running = (partial(one.fetch_running, self.lane, now_ms) for one in bars)
                await self.lane.run(running)
        finally:
            for one in bars:
                one.series.save()
        return {one.series.symbol: self._framed(one) for one in bars}

    def _series(self, name: str) -> Series:
        return Series(KLINES, name, self.ask.interval, self.server, self.ask.mode)

    def _wanted(self, now_ms: int | None) -> Range:
        interval, want = self.ask.interval, resolved(self.ask.span, now_ms or 0)
        if not self.ask.span.is_open:
            return want
        newest = next_open(interval, now_ms or 0, -1 if self.ask.closed else 0)
        last = min(open_time(interval, want.end_ms - 1), newest)
        return Range.of(next_open(interval, last, 1 - PAGE), want.end_ms)

    def _framed(self, one: Bars) -> pd.DataFrame:
        columns, interval = one.series.rows(), self.ask.interval
        opens = tables.millis(columns, "open_time")
        # "max" asks for what there is: it has no gap before the first bar.
        is_max = self.ask.span.period == "max" and len(opens)
        begins = int(opens[0]) if is_max else one.want.start_ms
        attrs: dict[str, object] = {
            "symbol": one.series.symbol,
            "interval": interval,
            "server": self.server,
            "start": one.want.start_ms,
            "end": one.want.end_ms,
            "source": one.series.source,
            "gaps": gaps(interval, opens, begins, one.settled_ms),
        }
        if implied(self.lane.client, one.series.symbol, interval):
            attrs["implied"] = True
        return tables.frame(KLINES, columns, attrs)
