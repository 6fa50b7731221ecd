"""The exact run: a strategy's decisions into orders of the exchange in memory, and its record."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting import given, stepping
from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.brokers import PitBroker
from bwsresearch.backtesting.exposure import Exposures, pool_targets, targets
from bwsresearch.backtesting.exposure import Strategy as ExposureOf
from bwsresearch.backtesting.following import Change, decided, follow
from bwsresearch.backtesting.lookahead import look_ahead
from bwsresearch.backtesting.pit import Pit
from bwsresearch.backtesting.records import Record
from bwsresearch.backtesting.result import Result, Task
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Strategy, made
from bwsresearch.backtesting.terms import scale
from bwsresearch.backtesting.ticks import events_of, market_of
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.heap import uncollected

__all__ = ["Decisions", "backtest", "decisions", "performed", "run"]


class Decisions(NamedTuple):
    """The targets of each symbol, and their changes; None where a strategy orders bar by bar."""

    wanted: Mapping[str, npt.NDArray[np.float64]]
    changes: list[Change] | None


def backtest(
    klines: pd.DataFrame,
    strategy: "Exposures | type[Strategy]",
    *,
    balances: given.Balances,
    rules: Rules | Mapping[str, Rules] | None = None,
    params: Mapping[str, object] | None = None,
    trades: pd.DataFrame | None = None,
    depth: pd.DataFrame | None = None,
    lookahead: bool = True,
) -> Result:
    """Run a strategy over closed klines and return what it would have done.

    A function's target exposure (part of the equity that is held in base) is decided at a bar's
    close; an order at market is sent when the target changes, and fills at the open of the next bar
    in which something was traded. A buy spends `target × equity − position` of the quote, valued at
    the close it was decided at: what it buys for that is known at the fill. A sale sells as much base.
    NaN holds. A class of `bws.Strategy` orders for itself. Orders go through the matching, the
    filters and the fees of the local exchange, exact to 1e-8.

    Args:
        klines: the frame of `bws.klines`, or one with its columns and a UTC index; also one of
            several symbols, whose strategy shares one pool of money, and bars of `bws.bars`.
        strategy: a function of the klines and of `params` to a Series or array of exposures (0 to 1;
            of several symbols a frame, 1 together), or such a Series; or a subclass of
            `bws.Strategy`. At each bar it must look at that bar and earlier ones only.
        balances: what is there at the start, such as {"USDT": 10_000}; base may be among it.
        rules: prices, fees, steps and minimums; 0.1 % of what is received when left out. A mapping
            gives each symbol its own.
        params: arguments of the strategy, by name.
        trades: the market's trades (`bws.trades`, `bws.agg_trades`): orders fill by them, under
            rules with `fill="book"`; the klines decide alone.
        depth: its books besides (`bws.depth_history`).
        lookahead: False leaves out the check that a function's earlier answers do not depend on
            later bars (200 prefixes of the first 5,000 bars).

    A Series of True and False is exposure 1 and 0. Base that is there at the start counts as bought
    at the first open.

    Raises:
        ValueError: for klines, exposures or balances that cannot be meant.
        LookAhead: when a function's answer for a bar changes with later bars.
        TypeError: when the strategy is no function, or answers with something else than numbers.
    """
    bars = given.bars_of(klines, balances)
    chosen = given.rules_of(bars, rules)
    task = Task(
        klines if len(bars) > 1 else next(iter(bars.values())).klines,
        strategy,
        dict(params or {}),
        given.balances_of(balances),
        chosen,
        market_of(bars, chosen, trades, depth),
    )
    return run(task, bars, lookahead=lookahead)


def run(
    task: Task,
    bars: Mapping[str, Bars],
    *,
    lookahead: bool = False,
    perform: "Callable[[Task, Mapping[str, Bars], Decisions], Record] | None" = None,
    origin: str = "backtest",
) -> Result:
    """Carry out a task in the exchange in memory, or as `perform` does."""
    begun = time.perf_counter()
    found = decisions(task, bars)
    decided_at = time.perf_counter()
    note = _checked(task, found) if lookahead else ""
    checked_at = time.perf_counter()
    with uncollected():  # of a hundred thousand new objects, none is in a cycle
        record = perform(task, bars, found) if perform else performed(task, bars, found).record()
    seconds = {
        "strategy": decided_at - begun,
        "lookahead": checked_at - decided_at,
        "run": time.perf_counter() - checked_at,
    }
    return Result(
        task,
        bars,
        given.name_of(task.strategy, task.klines),
        given.params_of(task.strategy, task.params),
        record,
        origin=origin,
        seconds=seconds,
        lookahead=note,
        warmup=_warmup(found),
    )


def _warmup(found: Decisions) -> int:
    """Return how many bars have no target yet."""
    firsts = [np.flatnonzero(~np.isnan(wanted)) for wanted in found.wanted.values()]
    return min((int(known[0]) for known in firsts if len(known)), default=0)


def decisions(task: Task, bars: Mapping[str, Bars]) -> Decisions:
    """Return what a strategy wants, as far as that is known before the run."""
    strategy = task.strategy
    if isinstance(strategy, Strategy) or (
        isinstance(strategy, type) and issubclass(strategy, Strategy)
    ):
        return Decisions({}, None)
    if len(bars) == 1:
        ((symbol, one),) = bars.items()
        wanted = {symbol: targets(one.klines, strategy, task.params)}
    else:
        klines = {symbol: one.klines for symbol, one in bars.items()}
        wanted = pool_targets(task.klines, klines, strategy, task.params)
    held = {symbol: task.balances.get(one.base, 0) for symbol, one in bars.items()}
    return Decisions(wanted, decided(bars, wanted, held))


def _checked(task: Task, found: Decisions) -> str:
    """Return what the look-ahead check says; it raises where a strategy looks ahead."""
    strategy = task.strategy
    if found.changes is None:
        return "not needed: the strategy sees closed bars alone"
    if isinstance(strategy, (pd.Series, pd.DataFrame)):
        return "not possible: the exposures were computed before"
    if len(found.wanted) == 1:
        (wanted,) = found.wanted.values()
        look_ahead(task.klines, strategy, task.params, wanted)
    else:
        for symbol in found.wanted:
            look_ahead(task.klines, _column(strategy, symbol), task.params,
                       targets(task.klines, _column(strategy, symbol), task.params))  # fmt: skip
    return "none: 200 prefixes of the first 5,000 bars answer alike"


def _column(strategy: "Callable[..., pd.DataFrame]", symbol: str) -> ExposureOf:
    def of_symbol(klines: pd.DataFrame, **params: Any) -> "pd.Series[Any]":
        return strategy(klines, **params)[symbol]

    return of_symbol


def performed(task: Task, bars: Mapping[str, Bars], found: Decisions) -> Pit:
    """Run what was decided through the exchange in memory, to the end of the bars."""
    factor = scale(next(iter(task.rules.values()))) // UNIT
    start = {asset: amount * factor for asset, amount in task.balances.items()}
    pit = Pit(bars, task.rules, start, events_of(task.market, bars, factor))
    broker = PitBroker(pit)
    if found.changes is None:
        stepping.run(made(task.strategy, task.params), broker, bars, task.rules)
    else:
        follow(broker, bars, found.changes)
    pit.look(max(int(one.closed[-1]) for one in bars.values()))
    return pit
