"""Where bars begin and end, in a time zone that is `shift_ms` ahead of UTC."""

import numpy as np

from bwsresearch.enums import Interval
from bwsresearch.exchange.amounts import Ints
from bwsresearch.times import STEP_MS, open_times

__all__ = ["ends", "starts"]


def starts(interval: Interval, times: Ints, shift_ms: int = 0) -> Ints:
    """Return the open time of the bar that contains each time."""
    return open_times(interval, times + shift_ms) - shift_ms


def ends(interval: Interval, opens: Ints, shift_ms: int = 0) -> Ints:
    """Return when bars that open at `opens` end, exclusive."""
    if interval != "1M":
        return opens + STEP_MS[interval]
    months = (opens + shift_ms).astype("M8[ms]").astype("M8[M]") + 1
    return months.astype("M8[ms]").astype(np.int64) - shift_ms
