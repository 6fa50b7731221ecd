"""Klines as a run walks them: one symbol's bars, in the exchange's units and milliseconds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.statistics import ends
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Bars", "Ints"]

_MOST: Final = 9.2e10
"""Beyond that, amounts in 1e-8 have more than 64 bits: some coins trade more of them in a day."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bars:
    """The closed bars of one symbol, oldest first.

    `base` is traded and paid for with `quote`. Prices and volumes are in 1e-8, times epoch ms: a bar
    has been seen whole at `closed`, its last moment, and what is decided then is sent when it is `over`:
    at the next one's opening where they touch.
    """

    symbol: str
    base: str
    quote: str
    klines: pd.DataFrame

    def __len__(self) -> int:
        return len(self.klines)

    @cached_property
    def opened(self) -> Ints:
        """When each bar opens."""
        return pd.DatetimeIndex(self.klines.index).as_unit("us").asi8 // 1000

    @cached_property
    def closed(self) -> Ints:
        """The last moment of each bar."""
        return np.maximum(self.over - 1, self.opened)

    @cached_property
    def over(self) -> Ints:
        """When each bar is over."""
        over = -(-ends(self.klines.index) // 1000)
        if "rule" in self.klines.attrs and "close_time" in self.klines.columns:
            # Bars by amount end with a trade, not by the clock.
            last = pd.DatetimeIndex(self.klines["close_time"]).as_unit("us").asi8
            over = -(-(last + 1) // 1000)
        over[:-1] = np.minimum(over[:-1], self.opened[1:])
        return np.maximum(over, self.opened)

    @cached_property
    def open(self) -> Ints:
        """First prices."""
        return self._units("open")

    @cached_property
    def high(self) -> Ints:
        """Highest prices."""
        return self._units("high")

    @cached_property
    def low(self) -> Ints:
        """Lowest prices."""
        return self._units("low")

    @cached_property
    def close(self) -> Ints:
        """Last prices."""
        return self._units("close")

    @cached_property
    def volume(self) -> Ints:
        """Base traded; 0 where nothing was, and at most what 64 bits hold: 92,000,000,000."""
        return np.maximum(self._units("volume"), self.is_traded)

    @cached_property
    def is_traded(self) -> npt.NDArray[np.bool_]:
        """Whether anything was traded in a bar."""
        return self.klines["volume"].to_numpy(np.float64) > 0

    @cached_property
    def quote_volume(self) -> Ints:
        """Quote traded; what the closes make of the volume where the klines do not say it."""
        volume = self.klines["volume"].to_numpy(np.float64)
        paid = self.klines["close"].to_numpy(np.float64) * np.minimum(volume, _MOST)
        if "quote_volume" in self.klines.columns:
            # Beside a volume that was cut, the quote that was really paid would tell a wrong average.
            told = self.klines["quote_volume"].to_numpy(np.float64)
            paid = np.where(volume > _MOST, paid, told)
        return _whole(paid)

    def _units(self, name: str) -> Ints:
        return _whole(self.klines[name].to_numpy(np.float64))


def _whole(values: npt.NDArray[np.float64]) -> Ints:
    whole: Ints = np.rint(np.minimum(values, _MOST) * UNIT).astype(np.int64)
    return whole
