"""One point after the other on the klines of one symbol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting import kernel
from bwsresearch.backtesting.exposure import Answer, Strategy, answer
from bwsresearch.backtesting.naming import default_params, strategy_name
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.sweeping.grid import Point
from bwsresearch.ta.memo import Memo, remembering

__all__ = ["Dataset", "Job", "Metrics", "Row", "evaluate", "memory_room", "run_batch"]

Metrics: TypeAlias = Mapping[str, Callable[[kernel.KernelResult], float]]
"""Further figures of a run, by name."""

_MEMORY: Final = 192 << 20
"""Bytes of indicators that a sweep keeps."""


class Row(NamedTuple):
    """What came of one point: figures by name, and the return of each period."""

    figures: dict[str, float]
    returns: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Job:
    """What is run at each point."""

    strategy: Strategy
    rules: Rules
    base_asset: str
    quote_asset: str
    start: kernel.Start
    metrics: Metrics


@dataclass(frozen=True, eq=False)
class Dataset:
    """A sweep's own klines, which nobody changes, and what was computed of them."""

    klines: pd.DataFrame
    market: kernel.Market
    memo: Memo

    @classmethod
    def of(cls, klines: pd.DataFrame) -> Self:
        """Return a data set of checked klines; they are copied."""
        # Column by column, so that each lies in one piece.
        own = pd.DataFrame({name: klines[name] for name in klines.columns}, copy=True)
        own.attrs = klines.attrs
        numbers = [name for name in own.columns if own[name].dtype == np.float64]
        # Their views are read-only where pandas copies on write, and remembered only there.
        columns = [own[name].to_numpy() for name in numbers]
        return cls(own, kernel.Market.of(own), Memo(columns, limit=_MEMORY))


def memory_room(bars: int) -> int:
    """Return how many indicators of so many bars a sweep keeps."""
    return _MEMORY // (8 * bars)


def evaluate(data: Dataset, job: Job, params: Point) -> Row:
    """Run one point; what goes wrong is told with its parameters."""
    try:
        with remembering(data.memo):
            wanted = answer(data.klines, job.strategy, params)
        terms = kernel.Terms.of(job.rules)
        track = kernel.follow(data.market, wanted, terms, job.start)
        figures, returns = kernel.judged(data.market, terms, track, job.start)
        if job.metrics:
            result = _result(data, job, params, wanted, track)
            figures |= {name: float(metric(result)) for name, metric in job.metrics.items()}
    except Exception as error:
        error.add_note(f"at {', '.join(f'{name}={value!r}' for name, value in params.items())}")
        raise
    return Row(figures, returns)


def run_batch(data: Dataset, job: Job, points: Sequence[Point]) -> list[Row]:
    """Run points, in their order."""
    return [evaluate(data, job, point) for point in points]


def _result(
    data: Dataset,
    job: Job,
    params: Point,
    wanted: Answer,
    track: kernel.Track,
) -> kernel.KernelResult:
    return kernel.KernelResult(
        klines=data.klines,
        base_asset=job.base_asset,
        quote_asset=job.quote_asset,
        rules=job.rules,
        strategy=strategy_name(job.strategy, data.klines),
        params=default_params(job.strategy) | params,
        balances={job.base_asset: job.start.base, job.quote_asset: job.start.quote},
        targets=wanted,
        market=data.market,
        start=job.start,
        track=track,
    )
