"""The sweep: points in batches, handed to threads or to other processes."""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Literal

import pandas as pd

from bwsresearch.backtesting import kernel
from bwsresearch.backtesting.exposure import Strategy, targets
from bwsresearch.backtesting.lookahead import look_ahead
from bwsresearch.backtesting.naming import assets, strategy_name
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.sweeping import grid
from bwsresearch.backtesting.sweeping.crews import (
    Crew,
    DaskClient,
    Task,
    completed,
    crew_of,
    packed,
    run_elsewhere,
)
from bwsresearch.backtesting.sweeping.frames import frames_of
from bwsresearch.backtesting.sweeping.grid import Parameters, Point, Where
from bwsresearch.backtesting.sweeping.runs import (
    Dataset,
    Job,
    Metrics,
    Row,
    memory_room,
    run_batch,
)
from bwsresearch.backtesting.sweeping.sources import source_of
from bwsresearch.backtesting.sweeping.table import Sweep, tabled
from bwsresearch.history.progress import Progress

__all__ = ["job_of", "rows_of", "sweep"]

_QUOTE = 1_000_000.0
_BATCHES = 64
_LEAST_S = 0.05
"""A batch for another process is worth its way when it takes so long."""
_TRIED = 4
"""Tasks of two points that are run before it is known how long one takes."""
_PREFIXES = 50


def sweep(
    klines: "pd.DataFrame | Mapping[str, pd.DataFrame]",
    strategy: Strategy,
    parameters: Parameters,
    *,
    balances: kernel.Balances | None = None,
    rules: Rules | None = None,
    where: Where | None = None,
    metrics: Metrics | None = None,
    executor: "Literal['threads'] | Crew | None" = None,
    progress: bool | None = None,
    lookahead: bool = True,
) -> Sweep:
    """Run a strategy at every combination of parameters and return a table of figures.

    Runs are the kernel's: continuous amounts in float64, the fees, slippage and fill of the rules,
    but no steps, minimums, participation or latency; `bws.backtest` runs the chosen point exactly.

    Args:
        klines: the frame of `bws.klines` for one symbol or for several (each is swept by itself),
            or frames by name.
        strategy: a function of klines and parameters to target exposure (0 to 1, True and False, NaN
            holds). The indicators of `bws.ta` are computed once per window.
        parameters: values by name, such as {"fast": range(5, 60, 5), "slow": [60, 90]}.
        balances: what is there at the start; 1,000,000 quote when left out.
        rules: fees, slippage and fill; 0.1 % of what is received when left out.
        where: which combinations are wanted: a comparison such as "fast < slow", or a function of a
            dict of parameters.
        metrics: further columns: functions of a `KernelResult` to a number, by name.
        executor: "threads" (one for each core, also when left out), a number of threads, an executor
            of `concurrent.futures`, or a Dask client. Other processes read the klines from the cache.
        progress: True or False; by default a bar is shown in notebooks and terminals.
        lookahead: False leaves out the check that the strategy does not know the future, which is
            made at the first point (50 prefixes of the first 5,000 bars).

    Raises:
        ValueError: for klines, parameters, balances or rules that cannot be meant, or klines that
            other processes cannot read.
        LookAhead: when the strategy's answer for a bar changes with later bars.
        TypeError: when the strategy is no function, or cannot be sent to other processes.
        CacheError: when other processes see other klines than these.
    """
    points = grid.grid(parameters, where)
    frames, crew = frames_of(klines), crew_of(executor)
    jobs = {
        name: job_of(frame, strategy, balances, rules or Rules(), metrics or {})
        for name, frame in frames.items()
    }
    first = next(iter(frames.values()))
    if lookahead:
        wanted = targets(first, strategy, points[0])
        look_ahead(first, strategy, points[0], wanted, prefixes=_PREFIXES)
    began = time.perf_counter()
    total = len(points) * len(frames)
    title = f"sweep of {strategy_name(strategy, first)}"
    with Progress(title, wanted=progress, unit="run") as shown:
        shown.expect(total)
        rows = rows_of(frames, jobs, points, crew, shown)
    return tabled(
        frames, jobs, points, rows, parameters=list(parameters), seconds=time.perf_counter() - began
    )


def job_of(
    klines: pd.DataFrame,
    strategy: Strategy,
    balances: kernel.Balances | None,
    rules: Rules,
    metrics: Metrics,
) -> Job:
    """Return what is run on the klines of one symbol.

    Raises:
        ValueError: for balances or rules that cannot be meant.
        TypeError: when the strategy is no function.
    """
    _check(strategy)
    kernel.Terms.of(rules)
    if balances is None:
        return Job(strategy, rules, "base", "quote", kernel.Start(0.0, _QUOTE), metrics)
    base, quote = assets(klines.attrs.get("symbol"), balances)
    start = kernel.start_of(base, quote, balances)
    return Job(strategy, rules, base, quote, start, metrics)


def _check(strategy: object) -> None:
    if not callable(strategy) or isinstance(strategy, type):
        raise TypeError(
            f"strategy is {strategy!r}, a sweep takes a function of klines and parameters "
            "to target exposure"
        )


def rows_of(
    frames: Mapping[str, pd.DataFrame],
    jobs: Mapping[str, Job],
    points: Sequence[Point],
    crew: Crew,
    shown: Progress,
) -> dict[str, list[Row]]:
    """Return what came of every point, by symbol, in the order of the points."""
    if isinstance(crew, int):
        with ThreadPoolExecutor(crew, "bwsresearch-sweep") as pool:
            return _here(pool, frames, jobs, points, shown)
    if isinstance(crew, ThreadPoolExecutor):
        return _here(crew, frames, jobs, points, shown)
    return _elsewhere(crew, frames, jobs, points, shown)


def _here(
    pool: ThreadPoolExecutor,
    frames: Mapping[str, pd.DataFrame],
    jobs: Mapping[str, Job],
    points: Sequence[Point],
    shown: Progress,
) -> dict[str, list[Row]]:
    """Run in threads, which share the klines and what is computed of them."""
    found: dict[str, list[Row]] = {}
    for name, frame in frames.items():
        data = Dataset.of(frame)
        size = -(-len(points) // _BATCHES)
        batches = grid.batches(points, memory_room(len(frame)), size)
        call = partial(run_batch, data, jobs[name])
        tasks = [[points[place] for place in batch] for batch in batches]
        rows: dict[int, Row] = {}
        for batch, some in completed(pool, call, tasks):
            rows.update(zip(batches[batch], some, strict=True))
            shown.done(len(some))
        found[name] = [rows[place] for place in range(len(points))]
    return found


def _elsewhere(
    crew: Executor | DaskClient,
    frames: Mapping[str, pd.DataFrame],
    jobs: Mapping[str, Job],
    points: Sequence[Point],
    shown: Progress,
) -> dict[str, list[Row]]:
    """Run in other processes, which read the klines from the cache; nothing large is sent."""
    made = {name: (source_of(frame), packed(jobs[name])) for name, frame in frames.items()}
    first, bars = next((name, len(frame)) for name, frame in frames.items())
    found: dict[str, dict[int, Row]] = {name: {} for name in frames}

    def run(batches: Sequence[tuple[str, list[int]]]) -> float:
        tasks = [Task(*made[name], [points[n] for n in places]) for name, places in batches]
        least = math.inf
        for number, (rows, each) in completed(crew, run_elsewhere, tasks):
            name, places = batches[number]
            found[name].update(zip(places, rows, strict=True))
            shown.done(len(rows))
            least = min(least, each)
        return least

    # A few points tell how long one takes; they let several processes read the klines, too.
    some = grid.batches(points, memory_room(bars), 1)
    tried = [(first, batch) for batch in some[:: max(1, len(some) // _TRIED)][:_TRIED]]
    seconds = run(tried)
    size = max(-(-len(points) * len(frames) // _BATCHES), math.ceil(_LEAST_S / seconds))
    rest: list[tuple[str, list[int]]] = []
    for name, frame in frames.items():
        for batch in grid.batches(points, memory_room(len(frame)), size):
            left = [n for n in batch if n not in found[name]]
            if left:
                rest.append((name, left))
    run(rest)
    return {name: [rows[n] for n in range(len(points))] for name, rows in found.items()}
