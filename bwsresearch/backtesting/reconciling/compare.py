"""The comparison: runs under rules that are switched one by one, then recorded facts."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd

from bwsresearch.backtesting.engine import decisions, run
from bwsresearch.backtesting.given import Balances, balances_of
from bwsresearch.backtesting.kernel import KernelResult
from bwsresearch.backtesting.reconciling import facts
from bwsresearch.backtesting.reconciling.facts import Effect
from bwsresearch.backtesting.reconciling.outcome import Reconciliation
from bwsresearch.backtesting.reconciling.sides import (
    Side,
    Traded,
    Worth,
    of_history,
    of_kernel,
    of_result,
)
from bwsresearch.backtesting.reconciling.switches import bare, steps
from bwsresearch.backtesting.result import Result, Task
from bwsresearch.backtesting.rules import Rules

__all__ = ["Run", "reconcile"]

Run: TypeAlias = Result | KernelResult | pd.DataFrame
"""An exact run, one of the kernel, one on a paper account or a server, or trades of `bws.my_trades`."""
_Key: TypeAlias = tuple[str, int, str]


def reconcile(a: Run, b: Run, *, balances: Balances | None = None) -> Reconciliation:
    """Explain, order by order, why two runs of one strategy on the same bars ended differently.

    From `a` to `b` one rule after the other is switched, the strategy is run again through the exact
    engine each time, and what its equity changes by is that rule's effect: timing (fill, latency),
    price (slippage, tick), fee, rounding (step, unit), filter (minimums and filters) and partial_fill
    (participation), in this order; arithmetic is the step from the kernel's floats to exact amounts.
    Where a side was recorded on a paper account, a server or a real account, the facts of its orders
    follow in the same way: missed, filter, partial_fill, price or timing, quantity and fee. Nothing is
    computed as what is left over: `residual` is, and is 0.

    Args:
        a: a Result of `bws.backtest`, `paper.run` or `bws.replay`, one of the kernel, or a frame of
            `bws.my_trades`.
        b: likewise; one of both must be a run.
        balances: what a real account had before its trades; those of the run when left out.

    Raises:
        ValueError: when the runs are of other bars, another strategy or other balances.
    """
    one, two = _sides(a, b, balances)
    effects: list[Effect] = []
    task_a, task_b = _tasks(one, two)
    first = _exact(one, task_a, effects)
    last_rules = _rules(two, task_b)
    now = first
    for reason, rules in steps(first.task.rules, last_rules):  # type: ignore[union-attr] # exact
        following = of_result(run(replace(task_a, rules=rules), one.bars))
        _switched(now, following, reason, effects)
        now = following
    _exact_to(now, two, effects)
    return Reconciliation.of(one, two, effects)


def _sides(a: Run, b: Run, balances: Balances | None) -> tuple[Side, Side]:
    found = [_side(one) if not isinstance(one, pd.DataFrame) else None for one in (a, b)]
    known = next((side for side in found if side is not None), None)
    if known is None or known.task is None:
        raise ValueError("both sides are frames; give a run of bws.backtest as one of them")
    start = known.task.balances if balances is None else balances_of(balances)
    sides = [
        side if side is not None else of_history(frame, known.bars, start)  # type: ignore[arg-type] # a frame, where no side was made
        for side, frame in zip(found, (a, b), strict=True)
    ]
    _check_same(sides[0], sides[1])
    return sides[0], sides[1]


def _side(one: Result | KernelResult) -> Side:
    if isinstance(one, KernelResult):
        return of_kernel(one)
    if isinstance(one, Result):
        return of_result(one)
    raise TypeError(
        f"{type(one).__name__} is no run; give what bws.backtest, paper.run or bws.my_trades returned"
    )


def _check_same(one: Side, two: Side) -> None:
    """Raise ValueError when two sides cannot be compared."""
    if one.bars.keys() != two.bars.keys():
        raise ValueError(
            f"the runs are of {', '.join(one.bars)} and of {', '.join(two.bars)}; "
            "compare runs of the same symbols"
        )
    for symbol, bars in one.bars.items():
        other = two.bars[symbol]
        if bars is other:
            continue
        same = len(bars) == len(other) and all(
            np.array_equal(getattr(bars, name), getattr(other, name))
            for name in ("opened", "open", "high", "low", "close")
        )
        if not same:
            raise ValueError(f"the runs are of other bars of {symbol}; run both on the same klines")
    if one.task is None or two.task is None:
        return
    mine, others = ({k: v for k, v in s.balances.items() if v} for s in (one.task, two.task))
    if mine != others:
        raise ValueError(
            f"the runs began with {_told(mine)} and {_told(others)}; give both the same balances"
        )
    _check_strategy(one, two)


def _check_strategy(one: Side, two: Side) -> None:
    assert one.task is not None and two.task is not None  # noqa: S101, PT018 - the caller has looked
    first, second = decisions(one.task, one.bars), decisions(two.task, two.bars)
    if (first.changes is None) != (second.changes is None) or (
        first.changes is None
        and (one.task.strategy, one.task.params) != (two.task.strategy, two.task.params)
    ):
        raise ValueError("the runs are of two strategies or parameters; compare runs of one")
    for symbol, wanted in first.wanted.items():
        other = second.wanted[symbol]
        differs = ~((wanted == other) | (np.isnan(wanted) & np.isnan(other)))
        if differs.any():
            bar = int(np.flatnonzero(differs)[0])
            raise ValueError(
                f"the runs want another exposure of {symbol} at "
                f"{one.bars[symbol].klines.index[bar]}; compare runs of one strategy and parameters"
            )


def _told(balances: Mapping[str, int]) -> str:
    return ", ".join(f"{units / 1e8:g} {asset}" for asset, units in balances.items()) or "nothing"


def _tasks(one: Side, two: Side) -> tuple[Task, Task]:
    """Return how each side is run again: a real account by the other side's task."""
    task_a, task_b = one.task or two.task, two.task or one.task
    assert task_a is not None and task_b is not None  # noqa: S101, PT018 - one is a run
    if not isinstance(task_a.strategy, type) and isinstance(task_b.strategy, type):
        return task_b, task_b
    return task_a, task_b


def _rules(side: Side, task: Task) -> Mapping[str, Rules]:
    """Return the rules of the exact run that is nearest to a side."""
    if side.kind == "kernel":
        return {symbol: bare(one) for symbol, one in task.rules.items()}
    return task.rules


def _exact(side: Side, task: Task, effects: list[Effect]) -> Side:
    """Return the exact run that is nearest to a side, and note what leads from the side to it."""
    if side.kind == "exact":
        return side
    found = of_result(run(replace(task, rules=_rules(side, task)), side.bars))
    if side.kind == "kernel":
        _switched(side, found, "arithmetic", effects)
    else:
        effects += [e._replace(amount=-e.amount) for e in _facts(found, side)]
    return found


def _exact_to(now: Side, side: Side, effects: list[Effect]) -> None:
    """Note what leads from the nearest exact run to a side."""
    if side.kind == "kernel":
        _switched(now, side, "arithmetic", effects)
    elif side.kind == "recorded":
        effects += _facts(now, side)


def _facts(ours: Side, theirs: Side) -> list[Effect]:
    return facts.effects(ours.orders, theirs.orders, ours.bars)


def _switched(before: Side, after: Side, reason: str, effects: list[Effect]) -> None:
    """Note what a switch changed, by the stretch from each order's close to the next one's."""
    for symbol, bars in before.bars.items():
        closes = sorted(
            {o.bar for side in (before, after) for o in side.orders if o.symbol == symbol}
        )
        if not closes:
            continue
        firsts = _firsts([*before.orders, *after.orders], symbol)
        edges = [*closes[1:], len(bars) - 1]
        was = _growths(before.worth, symbol, edges)
        now = _growths(after.worth, symbol, edges)
        for close, old, new in zip(closes, was, now, strict=True):
            if old != new:
                effects.append(Effect(firsts[close], reason, new - old))


def _firsts(orders: list[Traded], symbol: str) -> dict[int, _Key]:
    """Return the key of the first order of each close."""
    found: dict[int, _Key] = {}
    for order in orders:
        if order.symbol == symbol:
            found.setdefault(order.bar, order.key)
    return found


def _growths(worth: Worth, symbol: str, edges: list[int]) -> list[Fraction]:
    """Return what a symbol's worth grew by up to each edge, from the one before or the start."""
    values = [worth(symbol, -1), *(worth(symbol, edge) for edge in edges)]
    return [after - before for before, after in pairwise(values)]
