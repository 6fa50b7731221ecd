"""Does a strategy know the future? Its answer on the first bars must not change with later ones."""

import warnings
from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.exposure import Strategy, checked_klines, targets
from bwsresearch.errors import LookAhead

__all__ = ["check_lookahead", "look_ahead"]

_Floats: TypeAlias = npt.NDArray[np.float64]
_NOISE: Final = 1e-8
"""Targets are whole numbers of it."""
_CURE: Final = (
    "use this bar and earlier ones alone (shift(-1), center=True, bfill and the mean or maximum of a "
    "whole column look ahead)"
)


def check_lookahead(
    klines: pd.DataFrame,
    strategy: Strategy,
    *,
    params: Mapping[str, object] | None = None,
    prefixes: int = 200,
    bars: int = 5_000,
) -> None:
    """Recompute a strategy without the later bars, and refuse one whose earlier answers change.

    The answer on each of `prefixes` beginnings of the first `bars` bars is compared as a whole with
    the answer on all of those bars, and that one with the answer on all klines. The beginnings are
    the same every time: half of them end where the target changes, the others lie evenly. A strategy
    may fail on the shortest beginnings: it has not enough bars there.

    Raises:
        LookAhead: names the first bar whose target changes, and by how much.
        ValueError: when `prefixes` is below 1 or `bars` below 3, or klines are no klines.
        TypeError: when the strategy is no function.
    """
    if not callable(strategy):
        raise TypeError(
            f"strategy is a {type(strategy).__name__}, a check recomputes it: give the function"
        )
    if prefixes < 1 or bars < 3:
        raise ValueError(
            f"prefixes is {prefixes} and bars {bars}, must be 1 and 3 at least; leave them out"
        )
    table = checked_klines(klines)
    wanted = targets(table, strategy, params or {})
    look_ahead(table, strategy, params or {}, wanted, prefixes=prefixes, bars=bars)


def look_ahead(
    klines: pd.DataFrame,
    strategy: Strategy,
    params: Mapping[str, object],
    wanted: _Floats,
    *,
    prefixes: int = 200,
    bars: int = 5_000,
) -> None:
    """Check as `check_lookahead` does, for checked klines whose answer is `wanted` already.

    Raises:
        LookAhead: when an answer changes with later bars.
    """
    head = klines.iloc[:bars]
    known = wanted if len(head) == len(klines) else targets(head, strategy, params)
    begun = False
    for length in _lengths(known, prefixes).tolist():
        answer = _answer(head.iloc[:length], strategy, params, is_late=begun)
        if answer is not None:
            begun = True
            _compare(head, strategy, params, answer, known)
    if not begun and len(head) > 2:  # it fails on every one: say how
        _answer(head.iloc[:-1], strategy, params, is_late=True)
    _compare(klines, strategy, params, known, wanted)


def _lengths(known: _Floats, count: int) -> npt.NDArray[np.int64]:
    """Return how long the beginnings are, ascending: from 2 bars to all but one."""
    ends = np.flatnonzero(_differs(known[1:], known[:-1])) + 2  # the change is their last bar
    ends = ends[ends < len(known)]
    moves = _some(ends, count // 2)
    return np.union1d(moves, _some(np.arange(2, len(known)), count - len(moves)))


def _some(values: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return `count` of the values, evenly apart, the last among them."""
    if len(values) <= count:
        return values
    return values[(np.arange(1, count + 1) * len(values)) // count - 1] if count else values[:0]


def _answer(
    head: pd.DataFrame, strategy: Strategy, params: Mapping[str, object], *, is_late: bool
) -> _Floats | None:
    """Return the answer on a beginning; None where it fails for want of bars, before `is_late`."""
    try:
        with warnings.catch_warnings():  # of windows that are not full yet
            warnings.simplefilter("ignore")
            return targets(head, strategy, params)
    except Exception as error:
        if not is_late:
            return None
        raise LookAhead(
            f"the strategy fails on the first {len(head):,} bars alone "
            f"({type(error).__name__}: {error}); compute its answer from the klines that it is given"
        ) from error


def _compare(
    klines: pd.DataFrame,
    strategy: Strategy,
    params: Mapping[str, object],
    answer: _Floats,
    later: _Floats,
) -> None:
    count = len(answer)
    places = np.flatnonzero(_differs(answer, later[:count]))
    if not len(places):
        return
    if _differs(later, targets(klines.iloc[: len(later)], strategy, params)).any():
        raise LookAhead(
            "the strategy answers the same bars differently each time; seed its random numbers, "
            "and keep nothing between calls"
        )
    bar = int(places[0])
    before, after = answer[bar], later[bar]
    by = "" if np.isnan(before) or np.isnan(after) else f", {after - before:+.4g}"
    raise LookAhead(
        f"the strategy looks ahead: its target at {klines.index[bar]} is {before:.4g} by the first "
        f"{count:,} bars and {after:.4g} by {len(later):,}{by}; {_CURE}"
    )


def _differs(some: _Floats, others: _Floats) -> npt.NDArray[np.bool_]:
    """Return where targets are not the same; NaN is equal to NaN."""
    is_other: npt.NDArray[np.bool_] = np.isnan(some) != np.isnan(others)
    is_other |= np.abs(some - others) > _NOISE
    return is_other
