"""Asking again for what the cache has lost, and once for what seems to be missing in it."""

import asyncio
from bisect import bisect_right
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.enums import Interval
from bwsresearch.errors import BadSymbol
from bwsresearch.history import bars, ticks
from bwsresearch.history.download import Lane, as_in_flight, as_timeout, connection_of, counted
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import as_symbol
from bwsresearch.store import Cache, Spans, default_root
from bwsresearch.store.layout import TREE
from bwsresearch.store.mending import Mended, mend, move_foreign, settle
from bwsresearch.store.roots import Key, Root, root_at
from bwsresearch.store.salvage import is_askable
from bwsresearch.store.spans import minus, union
from bwsresearch.store.upkeep import Wanted
from bwsresearch.store.verification import Series, Survey, What, all_series
from bwsresearch.tables import AGG_TRADES
from bwsresearch.times import opens

__all__ = ["repair"]

_PAGE: Final = 1000
_COLUMNS: Final = {
    "kind": "str",
    "symbol": "str",
    "interval": "str",
    "what": "str",
    "done": "str",
    "start": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
    "rows_asked": "Int64",
    "rows_got": "int64",
    "requests": "int64",
    "path": "str",
}


def repair(
    client: Client | None = None,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    kind: str | None = None,
    refresh: bool = False,
    progress: bool | None = None,
    timeout: float | None = None,
    in_flight: int = 16,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Mend the cache of the client's server, and fetch again just what is damaged or missing.

    Damaged and foreign files are put aside, beside the tree; their sound parts are kept. Rows and
    coverage that cannot be true are dropped. What a server says is empty, is known to be and not asked
    for again. Books have no history: what of them is damaged is gone.

    Returns one row per file that was mended and one per stretch that was asked for: kind, symbol,
    interval, what (as `verify` has it), done, start and end (UTC, NaT for none), rows_asked (bars of
    the stretch, NA for trades, whose number nobody knows), rows_got (that were not there before),
    requests, path.

    Args:
        client: whose server's rows; the default one when left out.
        symbol: upper or lower case; all when left out.
        interval: of klines, such as "1h"; all when left out.
        kind: "klines", "aggs" or "trades"; all when left out.
        refresh: True asks again for gaps that are known to be empty.
        progress: True or False; by default a bar is shown in notebooks and terminals.
        timeout: seconds per request; the client's own when left out.
        in_flight: requests that may be on their way at once.

    Raises:
        ValueError: for options that cannot be meant.
        CacheError: when the cache cannot be written.
        Disconnected, Timeout, Banned, ServerError: what was not asked for yet, the next call asks for.
    """
    __tracebackhide__ = True
    shown = Progress("repair", wanted=progress)
    lane = Lane(connection_of(client), shown, as_in_flight(in_flight), as_timeout(timeout))
    only = Wanted(None if symbol is None else as_symbol(symbol), interval, kind)
    return _repaired(only, lane, client, refresh=refresh)


async def _repaired(
    only: Wanted, lane: Lane, client: Client | None, *, refresh: bool
) -> pd.DataFrame:
    server, root = await lane.server(), root_at(default_root())
    lines: list[list[object]] = []
    if only == Wanted():
        moved = await asyncio.to_thread(lambda: list(move_foreign(root, server)))
        lines += [_line(root, None, one) for one in moved]
    entries = await asyncio.to_thread(root.entries, TREE)
    meant = [s for s in all_series(entries) if s.place.server == server and only.holds(s.place)]
    for series in meant:
        work = _Work(root, series, lane, client)
        await work.do(refresh=refresh)
        lines += work.lines
    return pd.DataFrame(lines, columns=list(_COLUMNS)).astype(_COLUMNS)


def _line(root: Root, series: Series | None, done: Mended) -> list[object]:
    place = None if series is None else series.place
    names = ["", "", ""] if place is None else [place.kind, place.symbol, place.interval or ""]
    return [*names, done.what, done.done, None, None, pd.NA, 0, 0, root.shown(done.key)]


@dataclass(frozen=True)
class _Wish:
    """A stretch of time that is asked for, and why."""

    what: What
    key: Key
    start_ms: int
    end_ms: int

    def bars(self, interval: Interval | None) -> int | None:
        """Return how many bars it has, None for trades: nobody knows their number."""
        return None if interval is None else len(opens(interval, self.start_ms, self.end_ms))


@dataclass
class _Work:
    """The mending of one series."""

    root: Root
    series: Series
    lane: Lane
    client: Client | None
    lines: list[list[object]] = field(default_factory=list)

    async def do(self, *, refresh: bool) -> None:
        """Mend the files, ask for what they have lost and for what is missing between the rows."""
        mended = await asyncio.to_thread(lambda: list(mend(self.root, self.series)))
        self.lines += [_line(self.root, self.series, one) for one in mended]
        if is_askable(self.series.schema):
            wishes = list(_wishes(mended)) + await self._gaps(is_all=refresh)
            answered = union(await self._ask_all(wishes))
            for one in mended:
                await asyncio.to_thread(settle, self.root, one.key, self.series, answered)
            await self._remember(answered)

    async def _holes(self, *, is_all: bool) -> Spans:
        survey = Survey(self.root, self.series, is_all)
        await asyncio.to_thread(lambda: list(survey.files()))
        return survey.holes.found()

    async def _gaps(self, *, is_all: bool) -> list[_Wish]:
        starts = [partition.start_ms for _, partition in self.series.files]
        keys = [key for key, _ in self.series.files]
        return [
            _Wish("gap", keys[max(bisect_right(starts, start) - 1, 0)], start, end)
            for start, end in await self._holes(is_all=is_all)
        ]

    async def _ask_all(self, wishes: Sequence[_Wish]) -> Spans:
        """Ask for short stretches many at once, for long ones one after the other.

        Returns those that were answered; what was done is told in their order.
        """
        self.lane.progress.expect(len(wishes))
        said: dict[_Wish, list[object]] = {}
        answered: list[tuple[int, int]] = []

        async def ask(wish: _Wish, in_flight: int) -> None:
            said[wish], is_answered = await self._ask(wish, in_flight)
            answered.extend([(wish.start_ms, wish.end_ms)] * is_answered)

        short = [w for w in wishes if (w.bars(self.series.place.interval) or _PAGE) <= _PAGE]
        await self.lane.run(partial(ask, wish, 1) for wish in short)
        for wish in wishes:
            if wish not in said:
                await ask(wish, self.lane.in_flight)
        self.lines += [said[wish] for wish in sorted(said, key=lambda wish: wish.start_ms)]
        return tuple(answered)

    async def _ask(self, wish: _Wish, in_flight: int) -> tuple[list[object], bool]:
        """Return the line of a stretch that was asked for, and whether there was an answer."""
        requests: list[str] = []
        counting = counted.set(requests)
        had = await asyncio.to_thread(self._held, wish)
        got, done, is_answered = 0, "", True
        try:
            await self._fetched(wish, in_flight)
        except BadSymbol as error:
            done, is_answered = f"not fetched: {error.msg}", False
        else:
            got = await asyncio.to_thread(self._held, wish) - had
            done = "fetched" if got or wish.what != "gap" else "known to be empty"
        finally:
            counted.reset(counting)
        self.lane.arrived(got)
        return self._line(wish, done, got, len(requests)), is_answered

    async def _fetched(self, wish: _Wish, in_flight: int) -> None:
        place, lane = self.series.place, self.lane
        if place.interval is not None:
            await bars.klines(
                place.symbol,
                place.interval,
                start=wish.start_ms,
                end=wish.end_ms,
                cache="refresh",
                progress=False,
                timeout=lane.timeout,
                in_flight=in_flight,
                client=self.client,
            )
            return
        call = ticks.agg_trades if self.series.schema is AGG_TRADES else ticks.trades
        await call(
            place.symbol,
            start=wish.start_ms,
            end=wish.end_ms,
            cache="refresh",
            progress=False,
            timeout=lane.timeout,
            in_flight=in_flight,
            client=self.client,
        )

    @property
    def _cache(self) -> Cache:
        return Cache(default_root(), self.series.place.server)

    def _held(self, wish: _Wish) -> int:
        place, schema = self.series.place, self.series.schema
        own = schema, place.symbol, place.interval
        return tables.length(self._cache.read(*own, wish.start_ms, wish.end_ms)[0])

    def _line(self, wish: _Wish, done: str, got: int, requests: int) -> list[object]:
        place = self.series.place
        count = wish.bars(place.interval)
        stamps = [pd.Timestamp(at, unit="ms", tz="UTC") for at in (wish.start_ms, wish.end_ms)]
        names = [place.kind, place.symbol, place.interval or "", wish.what, done]
        asked = pd.NA if count is None else count
        return [*names, *stamps, asked, got, requests, self.root.shown(wish.key)]

    async def _remember(self, asked: Spans) -> None:
        """Remember what is still missing of what was asked for: the server has none of it."""
        holes = [hole for hole in await self._holes(is_all=False) if not minus((hole,), asked)]
        if holes:
            place, schema = self.series.place, self.series.schema
            known = union(tuple(holes))
            own = schema, place.symbol, place.interval, tables.empty(schema), known
            write = partial(self._cache.write, *own, source="network", empty=known)
            await asyncio.to_thread(write)


def _wishes(mended: Sequence[Mended]) -> Iterator[_Wish]:
    """Return what the files have lost, each stretch once."""
    asked: Spans = ()
    for one in mended:
        for start, end in minus(one.lost, asked):
            yield _Wish(one.what, one.key, start, end)
        asked = union(asked, one.lost)
