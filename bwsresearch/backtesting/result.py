"""What a backtest did: equity, orders, fills, round trips, figures, a plot and a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting import figures, report
from bwsresearch.backtesting.ledger import UNIT, Ledger, units
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.statistics import (
    CONVENTIONS,
    daily_returns,
    drawdown,
    ends,
    statistics,
)
from bwsresearch.backtesting.trips import Trip, held_before, round_trips
from bwsresearch.plot import Stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Result"]

_Floats: TypeAlias = npt.NDArray[np.float64]
_SIDES: Final = pd.CategoricalDtype(["BUY", "SELL"])
_STATUSES: Final = pd.CategoricalDtype(["FILLED", "REJECTED", "CANCELED", "NEW"])
_REASONS: Final = pd.CategoricalDtype(["", "LOT_SIZE", "NOTIONAL", "replaced before a trade"])


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """One run of a strategy; frames are made when they are asked for.

    Amounts are in the quote asset unless a column says otherwise.
    """

    klines: pd.DataFrame
    base_asset: str
    quote_asset: str
    rules: Rules
    params: dict[str, object]
    """The strategy's parameters by name, its defaults among them."""
    strategy: str
    ledger: Ledger
    start: tuple[int, int]
    """Base and quote at the start, in 1e-8."""

    @cached_property
    def equity(self) -> "pd.Series[float]":
        """The account's worth at each bar's close, float64 in quote, by open time (UTC)."""
        return self._series(self._worth, "equity")

    @cached_property
    def position(self) -> "pd.Series[float]":
        """The base held at each bar's close, float64, by open time (UTC)."""
        return self._series(self._holdings[0], "position")

    @cached_property
    def returns(self) -> "pd.Series[float]":
        """The return of each UTC day (of each bar where bars are longer), as the figures use it."""
        return daily_returns(self._series(self._worth, "equity"), self.initial_equity)

    @property
    def initial_equity(self) -> float:
        """The account's worth before the first bar, at its open."""
        return (self.start[1] + self.start[0] * self._first_open) / UNIT

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, by the open time of the bar at whose close it was sent.

        Columns: side, qty (base, of sales), quote_qty (of buys), target, status (FILLED, REJECTED,
        CANCELED: the target changed again before a trade, NEW: nothing was traded any more), reason.
        """
        rows = self.ledger.orders
        return pd.DataFrame(
            {
                "side": pd.Categorical([o.side for o in rows], dtype=_SIDES),
                "qty": _floats([o.qty for o in rows]),
                "quote_qty": _floats([o.quote_qty for o in rows]),
                "target": np.array([o.target for o in rows], np.float64),
                "status": pd.Categorical([o.status for o in rows], dtype=_STATUSES),
                "reason": pd.Categorical([o.reason for o in rows], dtype=_REASONS),
            },
            index=self._times([o.bar for o in rows], "open_time"),
        )

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row per trade, by its time: the open of the bar that it was made in.

        Columns: order (row of `orders`), side, price, qty (base), quote_qty, fee, fee_asset, and the
        balances after it, base and quote.
        """
        rows = self.ledger.fills
        assets = [self.base_asset, self.quote_asset]
        paid_in = [assets[not f.fee_in_base] for f in rows]
        return pd.DataFrame(
            {
                "order": np.array([f.order for f in rows], np.int64),
                "side": pd.Categorical([f.side for f in rows], dtype=_SIDES),
                "price": _floats([f.price for f in rows]),
                "qty": _floats([f.qty for f in rows]),
                "quote_qty": _floats([f.quote_qty for f in rows]),
                "fee": _floats([f.fee for f in rows]),
                "fee_asset": pd.Categorical(paid_in, categories=assets),
                "base": _floats([f.base for f in rows]),
                "quote": _floats([f.quote for f in rows]),
            },
            index=self._times([f.bar for f in rows], "time"),
        )

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per round trip, from flat to flat; the last one may be open, valued at the end.

        Base that is there at the start counts as bought at the first open.
        Columns: entry_time, exit_time (NaT while open), qty (base bought), entry_price, exit_price
        (means; NaN while nothing is sold), fees, pnl (after fees), return (pnl as part of what was
        paid), bars, is_open.
        """
        trips = self._trips
        entries = np.array([trip.entry for trip in trips], np.int64)
        exits = np.array([trip.exit for trip in trips], np.int64)
        is_open = exits < 0
        last = np.where(is_open, len(self.klines) - 1, exits)
        times = self.klines.index
        return pd.DataFrame(
            {
                "entry_time": pd.Series(times[entries]),
                "exit_time": pd.Series(times[last]).mask(is_open),
                "qty": _floats([trip.bought for trip in trips]),
                "entry_price": np.array([trip.entry_price for trip in trips], np.float64),
                "exit_price": np.array([trip.exit_price for trip in trips], np.float64),
                "fees": _floats([trip.quote_fees + trip.base_fees for trip in trips]),
                "pnl": self._profits,
                "return": self._profits / _floats([trip.paid for trip in trips]),
                "bars": last - entries,
                "is_open": is_open,
            }
        )

    def stats(self) -> "pd.Series[float]":
        """Return the figures by name, float64: parts of one, not percents; money in quote.

        Conventions, also in `attrs`: daily UTC returns, arithmetic, 365 days a year, ddof 1, CAGR on
        365.25 days; drawdown on bars, its length from peak to recovery; trade figures are of closed
        round trips, in quote, after fees; exposure is the part of bars at whose close base was held.
        What cannot be computed is NaN.
        """
        closed = np.array([trip.exit >= 0 for trip in self._trips], np.bool_)
        pnl, paid = self._profits[closed], _floats([trip.paid for trip in self._trips])[closed]
        return statistics(
            self._series(self._worth, "equity"),
            self.initial_equity,
            self._held_worth,
            pnl.tolist(),
            (pnl / paid).tolist(),
            fees=sum(trip.quote_fees + trip.base_fees for trip in self._trips) / UNIT,
            exposure=float(np.mean(self._holdings[0] >= self._step / UNIT)),
        )

    @cached_property
    def buy_and_hold(self) -> "pd.Series[float]":
        """What the start would be worth in base bought at the first open, without fees."""
        return self._series(self._held_worth, "buy_and_hold")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity beside buy and hold on `ax`; without one, price, equity, drawdown, exposure.

        Returns the Axes drawn on, the topmost of the four without `ax`.
        """
        if ax is not None:
            return plot.equity(ax, *self._lines)
        return self.draw(plot.shown(10, 8))[0]

    def draw(self, figure: "Figure") -> "list[Axes]":
        """Draw price with fills, equity, drawdown and exposure into a figure, one below the other."""
        axes = plot.panels(figure, (4, 3, 1.5, 1))
        name = str(self.klines.attrs.get("symbol", self.base_asset))
        # A close stands where its bar ends, so that a fill at the next open stands on the line.
        opened, closed = self._stamps
        fills = self.ledger.fills
        bars = np.array([fill.bar for fill in fills], np.int64)
        bought = np.array([fill.side == "BUY" for fill in fills], np.bool_)
        plot.price(axes[0], closed, self._closes, name, self.quote_asset)
        plot.fills(axes[0], opened[bars], _floats([fill.price for fill in fills]), bought)
        plot.equity(axes[1], *self._lines)
        plot.drawdown(axes[2], closed, drawdown(self._worth, self.initial_equity))
        with np.errstate(invalid="ignore"):  # an account that is worth nothing holds nothing
            held = np.nan_to_num(self._holdings[0] * self._closes / self._worth)
        plot.exposure(axes[3], np.append(opened, closed[-1:]), held)
        return axes

    def save(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs nothing else, and return where it is.

        Raises:
            OSError: when the file cannot be written.
        """
        target = Path(path).expanduser()
        if not target.parent.is_dir():  # known before a second of drawing
            raise FileNotFoundError(f"{target.parent} is no folder, make it before saving there")
        target.write_text(report.html(self), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return cards.text_card(self.title, figures.figures(self), CONVENTIONS)

    def _repr_html_(self) -> str:
        return cards.html_card(self.title, figures.figures(self), CONVENTIONS)

    @property
    def title(self) -> str:
        """Strategy, parameters and market in one line."""
        given = ", ".join(f"{name}={value}" for name, value in self.params.items())
        market = [self.klines.attrs.get(name) for name in ("symbol", "interval")]
        of = " ".join(part for part in market if isinstance(part, str)) or self.base_asset
        return f"{self.strategy}({given}) on {of}" if given else f"{self.strategy} on {of}"

    @property
    def _closes(self) -> _Floats:
        return self.klines["close"].to_numpy(np.float64)

    @property
    def _first_open(self) -> float:
        return float(self.klines["open"].iloc[0])

    @property
    def _stamps(self) -> tuple[Stamps, Stamps]:
        """When bars open and end."""
        # An index with a zone would turn into half a million objects.
        opened = pd.DatetimeIndex(self.klines.index).tz_localize(None).to_numpy()
        return opened, ends(self.klines.index).astype("M8[us]")

    @property
    def _step(self) -> int:
        return max(units(self.rules.step), 1)

    @property
    def _lines(self) -> tuple[Stamps, _Floats, _Floats, str]:
        return self._stamps[1], self._worth, self._held_worth, self.quote_asset

    @cached_property
    def _worth(self) -> _Floats:
        base, quote = self._holdings
        return quote + base * self._closes

    @property
    def _held_worth(self) -> _Floats:
        return self.initial_equity / self._first_open * self._closes

    @cached_property
    def _holdings(self) -> tuple[_Floats, _Floats]:
        """Base and quote at each bar's close."""
        fills = self.ledger.fills
        bars = [0, *(f.bar for f in fills), len(self.klines)]
        spans = [after - before for before, after in pairwise(bars)]
        base = _floats([self.start[0], *(f.base for f in fills)])
        quote = _floats([self.start[1], *(f.quote for f in fills)])
        return np.repeat(base, spans), np.repeat(quote, spans)

    @cached_property
    def _trips(self) -> list[Trip]:
        fills = self.ledger.fills
        if self.start[0] >= self._step:
            first = held_before(*self.start, round(self._first_open * UNIT))
            fills = [first, *fills]
        return list(round_trips(fills, self._step))

    @cached_property
    def _profits(self) -> _Floats:
        """The profit of each round trip after fees, in quote; an open one is valued at the end."""
        last = float(self._closes[-1])
        return np.array(
            [
                (trip.got - trip.paid - trip.quote_fees + trip.rest * last) / UNIT
                for trip in self._trips
            ],
            np.float64,
        )

    def _series(self, values: _Floats, name: str) -> "pd.Series[float]":
        return pd.Series(values.copy(), index=self.klines.index, name=name, copy=False)

    def _times(self, bars: Sequence[int], name: str) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.klines.index[np.array(bars, np.int64)]).rename(name)


def _floats(amounts: Sequence[int]) -> _Floats:
    """Return amounts in units as numbers: one correctly rounded division each."""
    return np.array([amount / UNIT for amount in amounts], np.float64)
