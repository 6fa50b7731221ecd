"""Walk forward: choose parameters on one stretch of time, hold them through the next, and go on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from bwsresearch import cards
from bwsresearch.backtesting import figures, kernel
from bwsresearch.backtesting.exposure import Strategy, checked_klines, targets
from bwsresearch.backtesting.lookahead import look_ahead
from bwsresearch.backtesting.naming import strategy_name
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.statistics import CONVENTIONS
from bwsresearch.backtesting.sweeping.crews import Crew, crew_of
from bwsresearch.backtesting.sweeping.grid import Parameters, Point, Where, grid
from bwsresearch.backtesting.sweeping.running import job_of, rows_of
from bwsresearch.backtesting.sweeping.runs import Job
from bwsresearch.backtesting.sweeping.table import best_of
from bwsresearch.history.progress import Progress

__all__ = ["WalkForward", "Window", "walk_forward"]

_SHOWN: Final = ("return", "sharpe", "max_drawdown", "trades")


@dataclass(frozen=True)
class Window:
    """Bars to choose on, [begin, split), and bars to hold the choice through, [split, end)."""

    begin: int
    split: int
    end: int


@dataclass(frozen=True, eq=False, repr=False)
class WalkForward:
    """What came of parameters that were chosen on the past, window by window.

    `table` has a row per window: train_start, test_start and test_end (exclusive), the parameters
    chosen, and figures of both: train_… of a run on the training bars alone, test_… of the account
    that is carried on, from the first open of the window. `result` is that account's run over all
    test windows.
    """

    table: pd.DataFrame
    result: kernel.KernelResult
    parameters: tuple[str, ...]
    metric: str
    seconds: float

    @property
    def equity(self) -> "pd.Series[float]":
        """The account's worth at each bar's close, over all test windows."""
        return self.result.equity

    @property
    def final_equity(self) -> float:
        """The account's worth at the last close."""
        return self.result.final_equity

    @property
    def title(self) -> str:
        """Strategy and market in one line."""
        symbol = str(self.result.klines.attrs.get("symbol", self.result.base_asset))
        names = ", ".join(self.parameters)
        return f"walk forward of {self.result.strategy}({names}) on {symbol}"

    def __repr__(self) -> str:
        return cards.text_card(self.title, self._lines, CONVENTIONS)

    def _repr_html_(self) -> str:
        return cards.html_card(self.title, self._lines, CONVENTIONS)

    @property
    def _lines(self) -> dict[str, str]:
        found, table = self.result.headlines, self.table
        return {
            "windows": f"{len(table):,}, by {self.metric}",
            "return": figures.percent(found["return"]),
            "Sharpe": _plain(found["sharpe"]),
            "mean Sharpe when chosen": _plain(float(table["train_sharpe"].mean())),
            "max drawdown": figures.percent(found["max_drawdown"]),
            "trades": f"{found['trades']:,.0f}",
            "windows with a gain": figures.percent(float((table["test_return"] > 0).mean()), 1),
        }


def walk_forward(
    klines: pd.DataFrame,
    strategy: Strategy,
    parameters: Parameters,
    *,
    train: str | pd.Timedelta = "90D",
    test: str | pd.Timedelta = "30D",
    metric: str = "sharpe",
    anchored: bool = False,
    where: Where | None = None,
    balances: kernel.Balances | None = None,
    rules: Rules | None = None,
    executor: "Literal['threads'] | Crew | None" = None,
    progress: bool | None = None,
    lookahead: bool = True,
) -> WalkForward:
    """Choose the best parameters of each training window and trade them through the test after it.

    In a test window the strategy sees the training bars too, so that its indicators are warm, but
    only what it decides at the closes of test bars is traded. The account is carried on from window
    to window: where the target of the new parameters is another, it trades at the first close.

    Args:
        klines: the frame of `bws.klines` for one symbol.
        strategy: a function of klines and parameters to target exposure, as in `bws.sweep`.
        parameters: values by name.
        train: length of the training windows; the first one begins with the klines.
        test: length of the test windows, which follow each other; the last one may be shorter.
        metric: what the best of a training window has the greatest value of (the least of fees and
            turnover); the first of several, a point without a number is the worst.
        anchored: True lets all training windows begin with the klines.
        where: which combinations are wanted, as in `bws.sweep`.
        balances: what is there at the start of the first test; 1,000,000 quote when left out. Each
            training run begins with the same.
        rules: fees, slippage and fill, as in `bws.sweep`.
        executor: who runs the training windows, as in `bws.sweep`.
        progress: True or False; by default a bar is shown in notebooks and terminals.
        lookahead: False leaves out the check that the strategy does not know the future.

    Raises:
        ValueError: when there is no bar after the first training window, or no such metric.
        LookAhead, TypeError, CacheError: as `bws.sweep`.
    """
    table, points, crew = checked_klines(klines), grid(parameters, where), crew_of(executor)
    if metric not in kernel.HEADLINES:
        raise ValueError(f"metric is {metric!r}, must be one of {', '.join(kernel.HEADLINES)}")
    windows = _windows(pd.DatetimeIndex(table.index), train, test, anchored=anchored)
    job = job_of(table, strategy, balances, rules or Rules(), {})
    if lookahead:
        look_ahead(table, strategy, points[0], targets(table, strategy, points[0]), prefixes=50)
    began = time.perf_counter()
    frames = {str(n): table.iloc[w.begin : w.split] for n, w in enumerate(windows)}
    with Progress(
        f"walk of {strategy_name(strategy, table)}", wanted=progress, unit="run"
    ) as shown:
        shown.expect(len(points) * len(windows))
        rows = rows_of(frames, dict.fromkeys(frames, job), points, crew, shown)
    trained = [[row.figures for row in rows[name]] for name in frames]
    places = [best_of(np.array([one[metric] for one in some]), metric) for some in trained]
    chosen = [points[place] for place in places]
    result = _held(table, job, windows, chosen)
    return WalkForward(
        table=_table(
            table.index,
            windows,
            chosen,
            [some[place] for some, place in zip(trained, places, strict=True)],
            _tested(result, windows),
            metric,
        ),
        result=result,
        parameters=tuple(parameters),
        metric=metric,
        seconds=time.perf_counter() - began,
    )


def _windows(
    index: pd.DatetimeIndex,
    train: str | pd.Timedelta,
    test: str | pd.Timedelta,
    *,
    anchored: bool,
) -> list[Window]:
    before, after = _length("train", train), _length("test", test)
    start, last = index[0], index[-1]
    if start + before > last:
        raise ValueError(
            f"train is {before}, but the klines run from {start} to {last}: nothing is left to test "
            "on, give a shorter one"
        )
    windows: list[Window] = []
    split = start + before
    while split <= last:
        begin = start if anchored else split - before
        places = index.searchsorted([begin, split, split + after])
        window = Window(*(int(place) for place in places))
        if window.split - window.begin > 1 and window.end > window.split:  # a gap has no bars
            windows.append(window)
        split += after
    if not windows:
        raise ValueError(f"train is {before}, in which there are no two klines, give a longer one")
    return _joined(windows, len(index))


def _joined(windows: Sequence[Window], bars: int) -> list[Window]:
    """Return windows whose tests follow each other: one before a gap goes on after it."""
    ends = [*(window.split for window in windows[1:]), bars]
    return [Window(w.begin, w.split, end) for w, end in zip(windows, ends, strict=True)]


def _length(name: str, given: str | pd.Timedelta) -> pd.Timedelta:
    try:
        length = pd.Timedelta(given)
    except ValueError:
        length = pd.Timedelta(0)
    if not length > pd.Timedelta(0):
        raise ValueError(f"{name} is {given!r}, must be a length of time such as '30D' or '12h'")
    return length


def _held(
    klines: pd.DataFrame, job: Job, windows: Sequence[Window], chosen: Sequence[Point]
) -> kernel.KernelResult:
    """Return the run of the account through all test windows."""
    parts = [
        _wanted(klines.iloc[w.begin : w.end], job.strategy, params)[w.split - w.begin :]
        for w, params in zip(windows, chosen, strict=True)
    ]
    tested = klines.iloc[windows[0].split : windows[-1].end]
    wanted, market = np.concatenate(parts), kernel.Market.of(tested)
    return kernel.KernelResult(
        klines=tested,
        base_asset=job.base_asset,
        quote_asset=job.quote_asset,
        rules=job.rules,
        strategy=strategy_name(job.strategy, klines),
        params={},
        balances={job.base_asset: job.start.base, job.quote_asset: job.start.quote},
        targets=wanted,
        market=market,
        start=job.start,
        track=kernel.follow(market, wanted, kernel.Terms.of(job.rules), job.start),
    )


def _wanted(klines: pd.DataFrame, strategy: Strategy, params: Point) -> kernel.Floats:
    """Return the targets of bars; what holds at a bar wants what was wanted before it."""
    wanted = targets(klines, strategy, params)
    places = np.where(np.isnan(wanted), 0, np.arange(len(wanted)))
    held: kernel.Floats = wanted[np.maximum.accumulate(places)]
    return held


def _tested(result: kernel.KernelResult, windows: Sequence[Window]) -> list[dict[str, float]]:
    """Return the figures of the account in each test window."""
    found: list[dict[str, float]] = []
    first, track = windows[0].split, result.track
    terms = kernel.Terms.of(result.rules)
    for window in windows:
        begin, end = window.split - first, window.end - first
        done = int(np.searchsorted(track.bar, begin))
        start = result.start
        if done:
            start = kernel.Start(float(track.base[done - 1]), float(track.quote[done - 1]))
        market = kernel.Market.of(result.klines.iloc[begin:end])
        found.append(kernel.headlines(market, terms, track.within(begin, end), start))
    return found


def _table(
    index: pd.Index,
    windows: Sequence[Window],
    chosen: Sequence[Point],
    trained: Sequence[dict[str, float]],
    tested: Sequence[dict[str, float]],
    metric: str,
) -> pd.DataFrame:
    after = index[-1:] + (index[-1] - index[-2])
    opened = index.append(after)
    times = pd.DataFrame(
        {
            "train_start": opened[[w.begin for w in windows]],
            "test_start": opened[[w.split for w in windows]],
            "test_end": opened[[w.end for w in windows]],
        }
    )
    names = [*_SHOWN, *([metric] if metric not in _SHOWN else [])]
    both = [(f"train_{n}", trained, n) for n in names] + [(f"test_{n}", tested, n) for n in names]
    told = pd.DataFrame({title: [one[name] for one in some] for title, some, name in both})
    table = pd.concat([times, pd.DataFrame(chosen), told], axis=1)
    table.attrs["conventions"] = CONVENTIONS
    return table


def _plain(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:,.2f}"
