"""History into the cache and no further: many series, in the memory of a few pages."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.history.download import Lane, as_in_flight, as_timeout, connection_of
from bwsresearch.history.filling import fill_bars, fill_trades
from bwsresearch.history.pages import Bars
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import (
    CacheMode,
    Range,
    Span,
    as_symbols,
    needs_clock,
    resolved,
)
from bwsresearch.history.runs import AGGREGATES, SINGLES
from bwsresearch.history.series import Series
from bwsresearch.store.holes import Holes
from bwsresearch.tables import KLINES, Schema
from bwsresearch.times import TimeLike, as_interval

__all__ = ["pull"]

_TRADES: Final = {"agg_trades": AGGREGATES, "trades": SINGLES}
_COLUMNS: Final = {
    "symbol": "str",
    "what": "str",
    "rows": "int64",
    "fetched": "int64",
    "gaps": "object",
    "source": "str",
}


def pull(
    symbols: str | Iterable[str],
    what: str | Iterable[str] = "1h",
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    period: str | None = None,
    refresh: bool = False,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Fetch into the cache what it lacks of [start, end), of all symbols together; one row per series.

    Memory holds the pages that are not written yet, whatever the range: years of hundreds of symbols
    are pulled like this, and read afterwards with `klines`, `trades`, `agg_trades` or `bws.cache`. A
    pull that was ended is taken up where it stopped.

    Columns: symbol, what, rows int64 (in the range now), fetched int64 (of them from the server, this
    time), gaps (missing bars or ids as [start_ms, end_ms) pairs), source (cache, network or mixed).
    `attrs`: server, start, end (epoch ms).

    Args:
        symbols: one symbol, or several; upper or lower case.
        what: an interval of klines, "agg_trades" or "trades", or several of them.
        start: as for `klines`, as are end and period; one of start and period is needed.
        end: exclusive; now when left out.
        period: in place of start, back from end.
        refresh: whether to fetch again what is cached.
        progress: True or False; by default a bar is shown in notebooks and terminals.
        timeout: seconds per request, never per download; the client's own when left out.
        in_flight: requests that may be on their way at once.
        client: the connection to use; the default one when left out.

    Raises:
        ValueError: for symbols, a kind, range or option that cannot be meant.
        CacheError: when the cache cannot be written.
        BadSymbol, Disconnected, Timeout, Banned, ServerError: as for `klines`; what came is cached.
    """
    __tracebackhide__ = True
    ask = _Ask(as_symbols(symbols), _kinds(what), Span(start, end, period), refresh)
    if ask.span.is_open:
        raise ValueError("no range is given; pass start= or period=, such as period='1y'")
    shown = Progress(ask.title, wanted=progress)
    return _summary(
        ask, Lane(connection_of(client), shown, as_in_flight(in_flight), as_timeout(timeout))
    )


def _kinds(what: object) -> list[str]:
    """Return intervals and kinds of trades, each once; a ValueError or TypeError otherwise."""
    if not isinstance(what, Iterable):
        raise TypeError(f"what is {what!r}, must be text such as '1h' or 'agg_trades', or a list")
    names = [what] if isinstance(what, str) else list(what)
    if not names:
        raise ValueError("what is empty, give at least one such as '1h'")
    for name in names:
        if name not in _TRADES and name not in INTERVALS:
            kinds = " ".join([*INTERVALS, *_TRADES])
            raise ValueError(f"what is {name!r}, must be one of {kinds}")
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice, name it once")
    return names


@dataclass(frozen=True)
class _Ask:
    """What is asked for."""

    symbols: list[str]
    kinds: list[str]
    span: Span
    refresh: bool

    @property
    def title(self) -> str:
        """What stands before the bar."""
        count = len(self.symbols)
        names = self.symbols[0] if count == 1 else f"{count} symbols"
        return f"{names} {' '.join(self.kinds)}"


async def _summary(ask: _Ask, lane: Lane) -> pd.DataFrame:
    server = await lane.server()
    now_ms = await lane.now() if needs_clock(ask.span) else None
    want = resolved(ask.span, now_ms or 0)
    with lane.progress:
        rows = await _Pull(ask, lane, server, want, now_ms).rows()
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    frame.attrs = {"server": server, "start": want.start_ms, "end": want.end_ms}
    return frame


@dataclass
class _Pull:
    """One call of `pull`."""

    ask: _Ask
    lane: Lane
    server: str
    want: Range
    now_ms: int | None

    async def rows(self) -> list[list[object]]:
        """Fetch, and return a row for each series."""
        bars, trades = self._bars(), self._trades()
        several: list[tuple[Series, str]] = [(one.series, one.interval) for one in bars]
        several += [(one, kind) for kind, group in trades.items() for one in group]
        if not self.want.is_empty:
            with contextlib.ExitStack() as ends:
                for one, _ in several:
                    ends.callback(one.save)  # those of all, whatever becomes of one
                await fill_bars(bars, self.lane, self.now_ms)
                for kind, group in trades.items():
                    await fill_trades(_TRADES[kind], group, self.want, self.lane, self.now_ms)
        return [await asyncio.to_thread(_row, one, what, self.want) for one, what in several]

    def _bars(self) -> list[Bars]:
        return [
            Bars(
                self._series(KLINES, name, as_interval(kind)),
                as_interval(kind),
                self.want,
                page=self.lane.page,
            )
            for kind in self.ask.kinds
            if kind in INTERVALS
            for name in self.ask.symbols
        ]

    def _trades(self) -> dict[str, list[Series]]:
        return {
            kind: [self._series(_TRADES[kind].schema, name, None) for name in self.ask.symbols]
            for kind in self.ask.kinds
            if kind in _TRADES
        }

    def _series(self, schema: Schema, symbol: str, interval: Interval | None) -> Series:
        mode: CacheMode = "refresh" if self.ask.refresh else True
        return Series(schema, symbol, interval, self.server, mode, is_kept=False)


def _row(series: Series, what: str, want: Range) -> list[object]:
    """Return what the cache has of a series now."""
    rows, holes = 0, Holes(series.schema, as_interval(series.interval) if series.interval else None)
    for columns, covered in series.held(want.start_ms, want.end_ms):
        rows += tables.length(columns)
        holes.add(columns, covered, ())
    gaps = [list(hole) for hole in holes.found()]
    return [series.symbol, what, rows, min(series.fetched_rows, rows), gaps, series.source]
