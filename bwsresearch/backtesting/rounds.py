"""The round trips of a run as arrays: in which bars, and what each brought after fees."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bwsresearch.backtesting.bars import Ints
from bwsresearch.backtesting.holdings import Floats, Holdings, floats
from bwsresearch.backtesting.statistics import Trades
from bwsresearch.backtesting.trips import Trip, round_trips
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Rounds"]


@dataclass(frozen=True, eq=False)
class Rounds:
    """All symbols' trips by their entry; `steps` is the least base of each that can be sold, in units."""

    holdings: Holdings
    steps: Mapping[str, int]

    @cached_property
    def trips(self) -> list[Trip]:
        """The trips, oldest first."""
        record, bars = self.holdings.record, self.holdings.bars
        found = [
            trip
            for symbol, one in bars.items()
            for trip in round_trips(
                record, symbol, first_open=int(one.open[0]), step=self.steps[symbol]
            )
        ]
        if len(bars) > 1:
            found.sort(key=lambda trip: int(bars[trip.symbol].opened[trip.entry]))
        return found

    @cached_property
    def trades(self) -> Trades:
        """The trips as statistics take them; bars are those of all symbols together."""
        trips, bars = self.trips, self.holdings.bars
        ends = [trip.exit if trip.exit >= 0 else len(bars[trip.symbol]) - 1 for trip in trips]
        return Trades(
            entry_bar=self._rows([trip.entry for trip in trips]),
            exit_bar=self._rows(ends),
            pnl=self._profits,
            returns=self._profits / floats([t.paid for t in trips], self.holdings.record.scale),
            fees=np.array([self._fees(trip) for trip in trips], np.float64),
            is_open=np.array([trip.exit < 0 for trip in trips], np.bool_),
        )

    def _rows(self, own: list[int]) -> Ints:
        """Return the places in the joint index of bars that the trips' symbols count themselves."""
        bars = self.holdings.bars
        if len(bars) == 1:
            return np.array(own, np.int64)
        opened = self.holdings.index.as_unit("us").asi8 // 1000
        times = [int(bars[t.symbol].opened[bar]) for t, bar in zip(self.trips, own, strict=True)]
        return opened.searchsorted(times).astype(np.int64)

    @cached_property
    def _other_price(self) -> float:
        """The last price of what fees were paid in that is neither base nor quote of a trip: BNB."""
        return float(self.holdings.prices("BNB")[-1])

    def _other_fees(self, trip: Trip) -> float:
        if not trip.other_fees:
            return 0.0
        return trip.other_fees / self.holdings.record.scale * self._other_price

    def _fees(self, trip: Trip) -> float:
        """Return the fees of a trip in quote; those in another asset at its last close."""
        scale = self.holdings.record.scale
        return (trip.quote_fees + trip.base_fees) / scale + self._other_fees(trip)

    @cached_property
    def _profits(self) -> Floats:
        """The profit of each trip after fees, in quote; an open one is valued at the end."""
        scale, bars = self.holdings.record.scale, self.holdings.bars
        lasts = {name: int(one.close[-1]) / UNIT for name, one in bars.items()}
        return np.array(
            [
                (t.got - t.paid - t.quote_fees + t.rest * lasts[t.symbol]) / scale
                - self._other_fees(t)
                for t in self.trips
            ],
            np.float64,
        )
