"""Rate limits as a frame."""

from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from bwsresearch.protocol.limits import LimitInterval, LimitRule
from bwsresearch.protocol.results import RateLimit

__all__ = ["limits_frame"]


def limits_frame(
    told: Sequence[tuple[RateLimit, int]], now_ms: int, attrs: Mapping[str, object]
) -> pd.DataFrame:
    """Return limits as a frame, one row each, in their order; each with the time when it was told.

    Times are the server's, epoch milliseconds: a count of an earlier window is 0 by now.
    Columns: rate_limit_type and interval categorical, interval_num and limit int64, used and left
    Int64 (missing where the server does not tell), resets_at datetime64[us, UTC], when the next
    window starts.
    """
    limits = [limit for limit, _ in told]
    windows = [_window_ms(limit) for limit in limits]
    counts = [
        count if (count := limit.count) is None or at_ms // length == now_ms // length else 0
        for (limit, at_ms), length in zip(told, windows, strict=True)
    ]
    used = pd.Series(counts, dtype="Int64")
    allowed = pd.Series([limit.limit for limit in limits], dtype="int64")
    resets = [(now_ms // length + 1) * length * 1000 for length in windows]
    frame = pd.DataFrame(
        {
            "rate_limit_type": pd.Categorical([limit.rate_limit_type for limit in limits]),
            "interval": pd.Categorical([limit.interval for limit in limits]),
            "interval_num": pd.Series([limit.interval_num for limit in limits], dtype="int64"),
            "limit": allowed,
            "used": used,
            "left": (allowed.astype("Int64") - used).clip(lower=0),
            "resets_at": pd.to_datetime(resets, unit="us", utc=True).as_unit("us"),
        }
    )
    frame.attrs.update(attrs)
    return frame


def _window_ms(limit: RateLimit) -> int:
    """Return the length of a limit's windows; a minute for an interval that is not known here."""
    known = (one for one in get_args(LimitInterval) if one == limit.interval)
    return LimitRule("ORDERS", next(known, "MINUTE"), limit.interval_num, limit.limit).window_ms
