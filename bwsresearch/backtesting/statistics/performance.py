"""What statistics are computed from: an equity curve, its market and its round trips, as arrays."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.statistics import periods
from bwsresearch.backtesting.statistics.periods import Floats, Ints, Returns

__all__ = ["Performance", "Trades"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trades:
    """Round trips, oldest first: one element each, amounts in quote.

    `entry_bar` and `exit_bar` are places in the bars; an open trade exits at the last one, where it is
    valued. `pnl` is after fees, `returns` what it is as a part of what was paid.
    """

    entry_bar: Ints
    exit_bar: Ints
    pnl: Floats
    returns: Floats
    fees: Floats
    is_open: npt.NDArray[np.bool_]

    @cached_property
    def closed(self) -> "Trades":
        """The trades that are over."""
        over = ~self.is_open
        return Trades(**{one.name: getattr(self, one.name)[over] for one in fields(self)})

    @property
    def bars(self) -> Ints:
        """How many bars lie between entry and exit."""
        return self.exit_bar - self.entry_bar

    def __len__(self) -> int:
        return len(self.pnl)


@dataclass(frozen=True, eq=False, kw_only=True)
class Performance:
    """One run: arrays of one element per bar, oldest first; money in quote, times in microseconds."""

    opened: Ints
    """When each bar opens, int64 epoch, UTC, ascending."""
    equity: Floats
    """The account's worth at each bar's close."""
    initial: float
    """Its worth before the first bar."""
    benchmark: Floats
    """The worth of buy and hold at each close: `initial` in base at the first open, without fees."""
    invested: Floats
    """The worth of what is held in base at each close."""
    held: npt.NDArray[np.bool_]
    """Whether that is a position: dust that cannot be sold is none."""
    trades: Trades
    fees: float = 0.0
    """All that was paid in fees, at the price of their trades."""
    traded: float = 0.0
    """The sum of all fills, purchases and sales."""
    warmup: int = 0
    """Bars before the first on which the strategy could decide; only backtesting.py looks at it."""

    def __post_init__(self) -> None:
        lengths = {
            name: len(getattr(self, name)) for name in ("equity", "benchmark", "invested", "held")
        }
        for name, length in lengths.items():
            if length != len(self.opened):
                raise ValueError(f"{name} has {length} values, must have one for each of the "
                                 f"{len(self.opened)} bars")  # fmt: skip
        if not len(self.opened):
            raise ValueError("a performance has no bars, must have one at least")

    @cached_property
    def ended(self) -> Ints:
        """When each bar is over."""
        return periods.bar_ends(self.opened, self.bar_days)

    @cached_property
    def bar_days(self) -> float:
        """The length of a bar in days; NaN of a single one."""
        return periods.bar_days(self.opened)

    @cached_property
    def per_year(self) -> float:
        """How many of `returns` a year has."""
        return periods.per_year(self.bar_days)

    @cached_property
    def returns(self) -> Returns:
        """What each UTC day returned, each bar where bars are longer."""
        return periods.period_returns(self.opened, self.equity, self.initial, self.bar_days)

    @cached_property
    def benchmark_returns(self) -> Returns:
        """What buy and hold returned in the same periods."""
        return periods.period_returns(self.opened, self.benchmark, self.initial, self.bar_days)

    @cached_property
    def exposure(self) -> Floats:
        """The part of the equity that is held in base at each close; 0 of an account worth nothing."""
        with np.errstate(all="ignore"):
            parts = self.invested / self.equity
        return np.nan_to_num(parts, copy=False, posinf=0.0, neginf=0.0)

    @property
    def days(self) -> float:
        """The time from the first open to the end of the last bar."""
        return float(self.ended[-1] - self.opened[0]) / periods.DAY_US
