"""What the cache lacks of several series, planned together and fetched through one lane."""

from collections.abc import Sequence
from functools import partial
from itertools import chain

from bwsresearch.history.download import Lane
from bwsresearch.history.pages import Bars
from bwsresearch.history.ranges import Range
from bwsresearch.history.runs import Kind, Run
from bwsresearch.history.series import Series
from bwsresearch.store.spans import Spans, clip, minus

__all__ = ["fill_bars", "fill_trades"]

_SETTLED_MS = 60_000
"""Trades younger than this may still be followed by others of the same moment."""


async def fill_bars(bars: Sequence[Bars], lane: Lane, now_ms: int | None) -> None:
    """Fetch what the cache does not have; ask for the time only if something is missing."""
    await lane.run(one.recall for one in bars)
    lacking = [one for one in bars if one.is_lacking]
    if not lacking:
        return
    now = await lane.now() if now_ms is None else now_ms
    for one in lacking:
        one.close_at(now)
    await lane.run(partial(one.probe, lane) for one in lacking)
    lane.progress.expect(sum(one.pages for one in lacking))
    await lane.run(chain.from_iterable(one.jobs(lane) for one in lacking))
    await lane.run(one.series.flush for one in lacking)


async def fill_trades(
    kind: Kind, several: Sequence[Series], want: Range, lane: Lane, now_ms: int | None
) -> int | None:
    """Fetch the trades of [want) that the cache does not have, as `fill_bars` does.

    Return the server's time, `now_ms` when nothing was missing.
    """
    lacking: list[tuple[Series, Spans]] = []

    async def recall(series: Series) -> None:
        covered = await series.recall(want.start_ms, want.end_ms)
        if missing := minus(((want.start_ms, want.end_ms),), covered):
            lacking.append((series, missing))

    await lane.run(partial(recall, series) for series in several)
    if not lacking:
        return now_ms
    now = await lane.now() if now_ms is None else now_ms
    runs = [
        Run(kind, lane, series, start, end, now - _SETTLED_MS)
        for series, missing in lacking
        for start, end in clip(missing, 0, max(0, now))
    ]
    await lane.run(run.locate for run in runs)
    lane.progress.expect(sum(run.pages for run in runs))
    await lane.run(job for run in runs for job in run.jobs())
    await lane.run(series.flush for series, _ in lacking)
    return now
