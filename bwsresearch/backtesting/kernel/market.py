"""What the kernel needs to know of klines, computed once for all runs on them."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd

from bwsresearch.backtesting.statistics.periods import DAY_US, Floats, Ints, bar_days, bar_ends

__all__ = ["Floats", "Ints", "Market"]

_YEAR_DAYS: Final = 365.25


@dataclass(frozen=True, eq=False)
class Market:
    """Closed bars, oldest first: arrays of one element per bar unless it is said otherwise."""

    opens: Floats
    closes: Floats
    traded: Ints | None
    """The bars in which something was traded, None for all."""
    sums: Floats
    """Prefix sums of the closes, one more than there are bars."""
    lasts: Ints
    """The bar at whose close each period of the returns ends: a UTC day, a bar where these are longer."""
    bar_days: float
    years: float
    """From the first open to the end of the last bar, in years of 365.25 days."""

    @classmethod
    def of(cls, klines: pd.DataFrame) -> Self:
        """Return the market of checked klines."""
        index = pd.DatetimeIndex(klines.index)
        closes = klines["close"].to_numpy(np.float64)
        is_traded = klines["volume"].to_numpy(np.float64) > 0
        opened = index.as_unit("us").asi8
        length = bar_days(opened)
        sums = np.zeros(len(closes) + 1)
        np.cumsum(closes, out=sums[1:])
        return cls(
            opens=klines["open"].to_numpy(np.float64),
            closes=closes,
            traded=None if is_traded.all() else np.flatnonzero(is_traded),
            sums=sums,
            lasts=np.arange(len(closes)) if length > 1.0 else _last_of_days(opened),
            bar_days=length,
            years=float(bar_ends(opened[-1:], length)[0] - opened[0]) / DAY_US / _YEAR_DAYS,
        )

    def __len__(self) -> int:
        return len(self.closes)

    def filling(self, bars: Ints, *, at_close: bool) -> Ints:
        """Return the bar in which an order fills that is sent at the close of each of `bars`.

        The first later one in which something was traded, with `at_close` that bar itself if so; -1
        where there is none.
        """
        first = bars if at_close else bars + 1
        if self.traded is None:
            return np.where(first < len(self.closes), first, -1)
        return np.append(self.traded, -1)[np.searchsorted(self.traded, first)]


def _last_of_days(opened: Ints) -> Ints:
    """Return for each UTC day from the first to the last its last bar, or the last one before it."""
    first, last = int(opened[0] // DAY_US), int(opened[-1] // DAY_US)
    ends_of_days = np.arange(first + 1, last + 2) * DAY_US
    return np.searchsorted(opened, ends_of_days, side="left") - 1
