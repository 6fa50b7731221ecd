"""Bars of time without trades: as the exchange shows them, or as gaps."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from bwsresearch import tables
from bwsresearch.sampling.grid import Grid
from bwsresearch.tables import Columns
from bwsresearch.times import Ms, iso

__all__ = ["filled", "holes"]

_MOST: Final = 50_000_000
_ZERO: Final = (
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
)


def filled(columns: Columns, grid: Grid, lost: Sequence[tuple[int, int]]) -> Columns:
    """Return bars with those between them that have no trades: flat at the last price, volume 0.

    Where trades are missing (`lost`, in ms, half-open), it is not known that there were none.

    Raises:
        ValueError: when there would be too many.
    """
    __tracebackhide__ = True
    opens = tables.millis(columns, "open_time")
    if not len(opens):
        return columns
    count = grid.count(int(opens[0]), int(opens[-1]))
    if count > _MOST:
        raise ValueError(
            f"bars of {grid.name} from {iso(int(opens[0]))} to {iso(int(opens[-1]))} are {count}, "
            f"must be at most {_MOST}; use longer ones, or empty='drop'"
        )
    every = grid.every(int(opens[0]), int(opens[-1]))
    if len(every) == len(opens):
        return columns
    at = np.searchsorted(opens, every, side="right") - 1
    is_flat = opens[at] != every
    known = ~(is_flat & _touched(every, grid.ends(every), lost))
    return _flattened(columns, grid, every[known], at[known], is_flat[known])


def _flattened(
    columns: Columns, grid: Grid, opens: Ms, at: Ms, is_flat: npt.NDArray[np.bool_]
) -> Columns:
    """Return the bars `at`; those that are flat have only the close of that bar."""
    result = {name: values[at] for name, values in columns.items()}
    result["open_time"], result["close_time"] = opens * 1000, (grid.ends(opens) - 1) * 1000
    for name in ("open", "high", "low"):
        result[name][is_flat] = result["close"][is_flat]
    for name in _ZERO:
        result[name][is_flat] = 0
    return result


def _touched(opens: Ms, ends: Ms, lost: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Return which bars have a moment in common with a stretch."""
    result = np.zeros(len(opens), np.bool_)
    for start_ms, end_ms in lost:
        first = np.searchsorted(ends, start_ms, side="right")
        result[first : np.searchsorted(opens, end_ms)] = True
    return result


def holes(grid: Grid, opens: Ms) -> list[list[int]]:
    """Return the missing bars between others as [start_ms, end_ms) pairs."""
    ends = grid.ends(opens[:-1])
    seams = np.flatnonzero(opens[1:] != ends)
    pairs = zip(ends[seams].tolist(), opens[1:][seams].tolist(), strict=True)
    return [list(pair) for pair in pairs]
