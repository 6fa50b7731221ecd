"""What an account held and was worth at the close of each bar, by the record of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.bars import Bars, Ints
from bwsresearch.backtesting.records import Record
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Floats", "Holdings"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Holdings:
    """Amounts and worth at the closes of `index`, the opening times of all bars together.

    Assets count at the last close of their symbol, before the first one at its first open.
    """

    record: Record
    bars: Mapping[str, Bars]
    index: pd.DatetimeIndex

    @cached_property
    def rows(self) -> list[int]:
        """The row of each fill: the last bar that had opened by then."""
        if len(self.bars) == 1:
            return [max(fill.bar, 0) for fill in self.record.fills]
        opened = self.index.as_unit("us").asi8 // 1000
        times = [fill.time for fill in self.record.fills]
        found = np.maximum(opened.searchsorted(times, side="right") - 1, 0)
        rows: list[int] = found.tolist()
        return rows

    def amounts(self, asset: str) -> Floats:
        """Return how much there is of an asset at each close."""
        record = self.record
        edges = [0, *self.rows, len(self.index)]
        spans = [after - before for before, after in pairwise(edges)]
        values = floats(record.balances(asset), record.scale)
        return np.repeat(values, spans)

    def prices(self, asset: str) -> Floats:
        """Return what one of an asset is worth at each close; NaN where nothing tells its price."""
        one = next((bars for bars in self.bars.values() if bars.base == asset), None)
        if one is None:
            is_money = any(bars.quote == asset for bars in self.bars.values())
            return np.full(len(self.index), 1.0 if is_money else np.nan)
        closes = one.klines["close"].to_numpy(np.float64)
        if len(self.bars) == 1:
            return closes
        opened, own = self.index.as_unit("us").asi8, _micros(one)
        places = own.searchsorted(opened, side="right") - 1
        first = float(one.klines["open"].iloc[0])
        return np.where(places < 0, first, closes[places])

    def first_price(self, asset: str) -> float:
        """Return what one of an asset is worth before the first bar."""
        for bars in self.bars.values():
            if bars.base == asset:
                return float(bars.klines["open"].iloc[0])
        return 1.0 if any(bars.quote == asset for bars in self.bars.values()) else float("nan")

    @cached_property
    def initial(self) -> float:
        """The worth at the start, at the first opens."""
        record = self.record
        if len(self.bars) == 1:
            (one,) = self.bars.values()
            first = int(one.open[0])
            total = record.start.get(one.quote, 0) * UNIT + record.start.get(one.base, 0) * first
            others = set(record.start) - {one.quote, one.base}
            if not others:
                return total / (UNIT * record.scale)
        return sum(
            amount / record.scale * self.first_price(asset)
            for asset, amount in record.start.items()
            if amount
        )

    @cached_property
    def worth(self) -> Floats:
        """The worth of everything at each close."""
        total = np.zeros(len(self.index))
        for asset in self.record.held():
            if self.record.start.get(asset) or self.record.changes(asset):
                amounts = self.amounts(asset)
                is_money = any(bars.quote == asset for bars in self.bars.values())
                total += amounts if is_money else amounts * self.prices(asset)
        return total

    @cached_property
    def benchmark(self) -> Floats:
        """The worth at each close of a start that bought at the first opens, without fees.

        Several symbols have equal parts.
        """
        parts = [
            self.prices(bars.base) / float(bars.klines["open"].iloc[0])
            for bars in self.bars.values()
        ]
        return self.initial * (parts[0] if len(parts) == 1 else np.mean(parts, axis=0))

    @cached_property
    def invested(self) -> Floats:
        """The worth of what is held besides quote, at each close."""
        total = np.zeros(len(self.index))
        for bars in self.bars.values():
            total += self.amounts(bars.base) * self.prices(bars.base)
        return total


def _micros(bars: Bars) -> Ints:
    return pd.DatetimeIndex(bars.klines.index).as_unit("us").asi8


def floats(amounts: Sequence[int], scale: int) -> Floats:
    """Return amounts in units as numbers: one correctly rounded division each."""
    return np.array([amount / scale for amount in amounts], np.float64)
