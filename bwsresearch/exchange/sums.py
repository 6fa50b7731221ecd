"""Recorded bars into coarser ones: prices, counts and times as they are, volumes added exactly."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.enums import Interval
from bwsresearch.exchange import edges
from bwsresearch.exchange.amounts import UNIT, Ints, split, summed
from bwsresearch.times import STEP_MS

__all__ = ["coarser"]

Rows: TypeAlias = Mapping[
    str, npt.NDArray[np.int64] | npt.NDArray[np.float64] | npt.NDArray[np.bool_]
]


def coarser(columns: Rows, finer: Interval, interval: Interval, shift_ms: int) -> Rows:
    """Return bars of `interval` from bars of `finer`; those that reach beyond the rows are left out.

    A bar with some of its parts missing is the sum of the others, as on the exchange. Edges are
    those of a zone `shift_ms` ahead of UTC.
    """
    fine = columns["open_time"].astype(np.int64) // 1000
    opens = edges.starts(interval, fine, shift_ms)
    first = np.flatnonzero(np.concatenate([[True], opens[1:] != opens[:-1]]))
    last = np.append(first[1:], len(opens)) - 1
    starts = opens[first]
    ends = edges.ends(interval, starts, shift_ms)
    closes = columns["close_time"].astype(np.int64)[last]
    # Where trading halts within its last part, a longer bar ends with it too.
    halted = closes // 1000 < fine[last] + STEP_MS[finer] - 1
    whole = slice(int(starts[0] < fine[0]), len(starts) - int(ends[-1] > fine[-1] + STEP_MS[finer]))
    sums = {
        name: _sum(columns[name], first)
        for name in ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    }
    found: Rows = {
        "open_time": starts * 1000,
        "open": columns["open"][first],
        "high": np.maximum.reduceat(columns["high"], first),
        "low": np.minimum.reduceat(columns["low"], first),
        "close": columns["close"][last],
        "close_time": np.where(halted, closes, (ends - 1) * 1000),
        "trades": np.add.reduceat(columns["trades"].astype(np.int64), first),
        **sums,
    }
    return {name: values[whole] for name, values in found.items()}


def _sum(values: npt.NDArray[np.generic], first: Ints) -> npt.NDArray[np.float64]:
    """Return the sums of stretches: exact up to the rounding of the result."""
    whole, parts = summed(split(values), first)
    return whole.astype(np.float64) + parts / UNIT
