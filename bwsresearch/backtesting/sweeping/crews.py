"""Who does the work: threads of this process, or processes here and elsewhere that read for themselves.

Anything with `submit` and futures will do: executors of `concurrent.futures`, and Dask's client.
"""

import importlib
import math
import os
import pickle
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from bwsresearch.backtesting.exposure import checked_klines
from bwsresearch.backtesting.sweeping.grid import Point
from bwsresearch.backtesting.sweeping.runs import Dataset, Job, Row, evaluate
from bwsresearch.backtesting.sweeping.sources import Source, load

__all__ = ["Crew", "DaskClient", "Task", "completed", "crew_of", "packed", "run_elsewhere"]

T = TypeVar("T")
R = TypeVar("R")

_DATASETS: Final = 2
"""How many data sets a process keeps between batches."""


@runtime_checkable
class DaskClient(Protocol):
    """What is used of a `dask.distributed.Client`."""

    def submit(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return a future of a call."""

    def gather(self, futures: Any) -> Any:
        """Return the results of futures."""

    def scheduler_info(self) -> Any:
        """Return what is known of the workers."""


Crew: TypeAlias = int | Executor | DaskClient
"""So many threads, or what work is handed to."""


def crew_of(executor: "Literal['threads'] | Crew | None") -> Crew:
    """Return who does the work; one thread for each core by default.

    Raises:
        ValueError: for a number of threads below 1.
        TypeError: for what cannot do it.
    """
    if executor is None or executor == "threads":
        return _cores()
    if isinstance(executor, bool) or not isinstance(executor, (int, Executor, DaskClient)):
        raise TypeError(
            f"executor is {executor!r}, must be 'threads', a number of threads, an executor of "
            "concurrent.futures, or a Dask client"
        )
    if isinstance(executor, int) and executor < 1:
        raise ValueError(f"executor is {executor}, must be 1 thread or more")
    return executor


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Task:
    """Points to be run by another process: where its klines are, and what is run."""

    source: Source
    job: bytes
    points: Sequence[Point]


def packed(job: Job) -> bytes:
    """Return a job as bytes for another process.

    Raises:
        TypeError: when the strategy cannot be sent there.
    """
    by_value = find_spec("cloudpickle") is not None  # comes with Dask
    module = importlib.import_module("cloudpickle" if by_value else "pickle")
    try:
        found: bytes = module.dumps(job)
    except Exception as error:
        name = getattr(job.strategy, "__qualname__", repr(job.strategy))
        raise TypeError(
            f"strategy {name} cannot be sent to other processes ({error}); a lambda or a function "
            "within a function needs cloudpickle (pip install 'bwsresearch[scale]'): define it with "
            "def at the top of a module, or use executor='threads'"
        ) from error
    return found


_lock: Final = Lock()
_datasets: Final[OrderedDict[Source, Dataset]] = OrderedDict()


def run_elsewhere(task: Task) -> tuple[list[Row], float]:
    """Run a task in the process that this is called in, which reads the klines from the cache.

    Returns the rows, and the seconds that the quickest of them took.

    Raises:
        CacheError: when the cache that it sees has no such klines, or others.
    """
    job: Job = pickle.loads(task.job)  # noqa: S301 - the caller's own, by its own executor
    data, rows, least = _dataset(task.source), [], math.inf
    for point in task.points:
        began = time.perf_counter()
        rows.append(evaluate(data, job, point))
        least = min(least, time.perf_counter() - began)
    return rows, least


def _dataset(source: Source) -> Dataset:
    with _lock:
        data = _datasets.get(source)
        if data is None:
            data = _datasets[source] = Dataset.of(checked_klines(load(source)))
        _datasets.move_to_end(source)
        while len(_datasets) > _DATASETS:
            _datasets.popitem(last=False)
        return data


def completed(
    crew: Executor | DaskClient, call: Callable[[T], R], tasks: Sequence[T]
) -> Iterator[tuple[int, R]]:
    """Yield (place of the task, result) as they are done; the first error ends all of it."""
    done: SimpleQueue[int] = SimpleQueue()
    futures: list[Future[R]] = []
    try:
        for place, task in enumerate(tasks):
            futures.append(_submitted(crew, call, task))
            futures[-1].add_done_callback(partial(_put, done, place))
        for _ in tasks:
            place = done.get()
            yield place, futures[place].result()
    finally:
        for future in futures:
            future.cancel()


def _submitted(crew: Executor | DaskClient, call: Callable[[T], R], task: T) -> Future[R]:
    if isinstance(crew, Executor):
        return crew.submit(call, task)
    # Dask would take two equal tasks for one and keep what came of it.
    future: Future[R] = crew.submit(call, task, pure=False)
    return future


def _put(done: SimpleQueue[int], place: int, _: object) -> None:
    done.put(place)
