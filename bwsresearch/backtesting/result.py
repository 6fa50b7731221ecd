"""What a run did: equity, orders, fills, round trips, figures, a plot and a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting import figures, pictures, report, statistics
from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.holdings import Holdings, floats
from bwsresearch.backtesting.records import Record
from bwsresearch.backtesting.rounds import Rounds
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.statistics import CONVENTIONS, Performance
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.times import TimeLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Result", "Task"]

_Floats: TypeAlias = npt.NDArray[np.float64]
_SIDES: Final = pd.CategoricalDtype(["BUY", "SELL"])
_STATUSES: Final = pd.CategoricalDtype(
    ["FILLED", "PARTIALLY_FILLED", "REJECTED", "CANCELED", "EXPIRED", "NEW"]
)


@dataclass(frozen=True, eq=False)
class Task:
    """What was asked for, so that it can be run once more under other rules.

    `klines` are the bars as they were given, of one symbol or of several; `balances` what there was,
    by asset, in 1e-8; `market` trades and books where fills come from them.
    """

    klines: pd.DataFrame
    strategy: Any
    params: Mapping[str, object]
    balances: Mapping[str, int]
    rules: Mapping[str, Rules]
    market: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """One run of a strategy; frames are made when they are asked for.

    Amounts are in the quote asset unless a column says otherwise.
    """

    task: Task
    bars: Mapping[str, Bars]
    strategy: str
    params: dict[str, object]
    """The strategy's parameters by name, its defaults among them."""
    record: Record
    origin: str = "backtest"
    """Where the fills come from: "backtest", "paper" or a server's name."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long the strategy's own call, the look-ahead check and the run took."""
    lookahead: str = ""
    """What the look-ahead check said; "" where there was none."""
    warmup: int = 0
    """How many bars passed before the strategy wanted anything."""

    @property
    def klines(self) -> pd.DataFrame:
        """The bars of the run; of several symbols the columns (field, symbol)."""
        return self.task.klines

    @property
    def base_asset(self) -> str:
        """What is traded; of several symbols, the first one's."""
        return self._first.base

    @property
    def quote_asset(self) -> str:
        """What everything is paid with and counted in."""
        return self._first.quote

    @property
    def rules(self) -> Rules:
        """By which orders filled; of several symbols, the first one's."""
        return self.task.rules[self._first.symbol]

    @property
    def start(self) -> tuple[int, int]:
        """Base and quote at the start, in 1e-8."""
        given = self.task.balances
        return given.get(self.base_asset, 0), given.get(self.quote_asset, 0)

    @cached_property
    def equity(self) -> "pd.Series[float]":
        """The account's worth at each bar's close, float64 in quote, by open time (UTC)."""
        return self._series(self._worth, "equity")

    @cached_property
    def position(self) -> "pd.Series[float]":
        """The base held at each bar's close, float64, by open time (UTC)."""
        return self._series(self.holdings.amounts(self.base_asset), "position")

    @cached_property
    def positions(self) -> pd.DataFrame:
        """What is held of each asset at each bar's close, float64, by open time (UTC)."""
        held = self.record.held()
        return pd.DataFrame(
            {asset: self.holdings.amounts(asset) for asset in held}, index=self.klines.index
        )

    @property
    def returns(self) -> "pd.Series[float]":
        """The return of each UTC day (of each bar where bars are longer), as the figures use it.

        Quantstats takes it as it is; it is a new Series every time, since quantstats changes some.
        """
        return statistics.returns_series(self.performance.returns)

    @property
    def benchmark_returns(self) -> "pd.Series[float]":
        """What buy and hold returned in the same periods.

        As a benchmark quantstats takes it without a zone only: `.tz_localize(None)`.
        """
        return statistics.returns_series(self.performance.benchmark_returns, "buy_and_hold")

    @property
    def initial_equity(self) -> float:
        """The account's worth before the first bar, at its open."""
        return self.holdings.initial

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, by the open time of the bar at whose close it was decided.

        Columns: symbol, side, type, qty (base), quote_qty (of buys at market by an amount), price and
        stop_price (0 where there is none), target (the exposure it was for, NaN for none), status
        (FILLED, REJECTED, CANCELED, EXPIRED, PARTIALLY_FILLED, NEW: nothing was traded any more),
        executed_qty, reason (the filter, or why it was cancelled or expired).
        """
        rows, scale = self.record.orders, self.record.scale
        return pd.DataFrame(
            {
                "symbol": pd.Categorical([o.symbol for o in rows], categories=list(self.bars)),
                "side": pd.Categorical([o.side for o in rows], dtype=_SIDES),
                "type": pd.Categorical([o.type for o in rows]),
                "qty": floats([o.qty for o in rows], scale),
                "quote_qty": floats([o.quote_qty for o in rows], scale),
                "price": floats([o.price for o in rows], UNIT),
                "stop_price": floats([o.stop_price for o in rows], UNIT),
                "target": np.array([o.target for o in rows], np.float64),
                "status": pd.Categorical([o.status for o in rows], dtype=_STATUSES),
                "executed_qty": floats([o.executed for o in rows], scale),
                "reason": pd.Categorical([o.reason for o in rows]),
            },
            index=self._times([(o.symbol, o.bar) for o in rows], "open_time"),
        )

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row per trade, by its time: the open of the bar that it was made in, for fills at opens.

        Columns: order (row of `orders`), symbol, side, price, qty (base), quote_qty, fee, fee_asset,
        is_maker, and the balances after it, base and quote.
        """
        rows, scale = self.record.fills, self.record.scale
        names = self.record.held()
        after = {asset: self.record.balances(asset) for asset in names}
        assets = self.record.assets
        pairs = list(enumerate(rows, 1))
        times = pd.DatetimeIndex(
            np.array([f.time for f in rows], "M8[ms]").astype("M8[us]"), name="time"
        )
        return pd.DataFrame(
            {
                "order": np.array([f.order for f in rows], np.int64),
                "symbol": pd.Categorical([f.symbol for f in rows], categories=list(self.bars)),
                "side": pd.Categorical([f.side for f in rows], dtype=_SIDES),
                "price": floats([f.price for f in rows], UNIT),
                "qty": floats([f.qty for f in rows], scale),
                "quote_qty": floats([f.quote_qty for f in rows], scale),
                "fee": floats([f.fee for f in rows], scale),
                "fee_asset": pd.Categorical([f.fee_asset for f in rows], categories=names),
                "is_maker": np.array([f.is_maker for f in rows], np.bool_),
                "base": floats([after[assets[f.symbol][0]][place] for place, f in pairs], scale),
                "quote": floats([after[assets[f.symbol][1]][place] for place, f in pairs], scale),
            },
            index=times.tz_localize("UTC"),
        )

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per round trip, from flat to flat; the last of a symbol may be open.

        Base that is there at the start counts as bought at the first open.
        Columns: symbol, entry_time, exit_time (NaT while open), qty (base bought), entry_price,
        exit_price (means; NaN while nothing is sold), fees, pnl (after fees; an open one is valued at
        the end), return (pnl as part of what was paid), bars, is_open.
        """
        trips, trades = self._rounds.trips, self._rounds.trades
        times = pd.DatetimeIndex(self.klines.index)
        return pd.DataFrame(
            {
                "symbol": pd.Categorical([t.symbol for t in trips], categories=list(self.bars)),
                "entry_time": pd.Series(times[trades.entry_bar]),
                "exit_time": pd.Series(times[trades.exit_bar]).mask(trades.is_open),
                "qty": floats([trip.bought for trip in trips], self.record.scale),
                "entry_price": np.array([trip.entry_price for trip in trips], np.float64),
                "exit_price": np.array([trip.exit_price for trip in trips], np.float64),
                "fees": trades.fees,
                "pnl": trades.pnl,
                "return": trades.returns,
                "bars": trades.bars,
                "is_open": trades.is_open,
            }
        )

    def stats(self, convention: str | None = None) -> "pd.Series[float]":
        """Return the figures by name, float64: parts of one, not percents; money in quote.

        Conventions, also in `attrs`: daily UTC returns, arithmetic, 365 days a year, ddof 1, CAGR on
        365.25 days; drawdown on bars, its length from peak to recovery; trade figures are of closed
        round trips, in quote, after fees; exposure is the part of bars at whose close base was held.
        What cannot be computed is NaN.

        `convention` "backtesting.py", "vectorbt" or "quantstats" gives the rows that these report, under
        their names, in their units (percents, Timestamps, Timedeltas), as they define them.

        Raises:
            ValueError: for another convention.
        """
        return statistics.stats(self.performance, convention)

    @property
    def drawdowns(self) -> pd.DataFrame:
        """One row per stretch below the highest equity, oldest first.

        Columns: peak_time, trough_time, recovery_time (NaT while it lasts), depth (a negative part), days
        (peak to recovery or to the end), decline_days, recovery_days (NaN while it lasts).
        """
        return statistics.drawdown_frame(self.performance)

    def rolling(self, window: str | int | pd.Timedelta = "30D") -> pd.DataFrame:
        """Return figures of every window of daily returns (of bars where these are longer), by its end.

        `window` is a length in days or a count of returns. Columns: return, volatility, sharpe, sortino,
        max_drawdown, and against buy and hold beta, alpha, correlation; NaN until a window is full.

        Raises:
            ValueError: for a window of less than two returns.
        """
        return statistics.rolling_frame(self.performance, window)

    @property
    def monthly_returns(self) -> pd.DataFrame:
        """The return of each month: a row per year, columns Jan to Dec and year; NaN without bars."""
        return statistics.monthly_frame(self.performance)

    @cached_property
    def performance(self) -> Performance:
        """What the figures are computed from, as arrays; `bwsresearch.backtesting.statistics` takes it."""
        return Performance(
            opened=pd.DatetimeIndex(self.klines.index).as_unit("us").asi8,
            equity=self._worth,
            initial=self.initial_equity,
            benchmark=self._held_worth,
            invested=self.holdings.invested,
            held=self._is_held,
            trades=self._rounds.trades,
            fees=float(sum(self._rounds.trades.fees)),
            traded=sum(fill.quote_qty for fill in self.record.fills) / self.record.scale,
            warmup=self.warmup,
        )

    @cached_property
    def buy_and_hold(self) -> "pd.Series[float]":
        """What the start would be worth in base bought at the first open, without fees."""
        return self._series(self._held_worth, "buy_and_hold")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity beside buy and hold on `ax`; without one, the whole run, with candles on top.

        Returns the Axes drawn on, the topmost of candles, volume, equity, drawdown and exposure
        without `ax`.
        """
        return self.draw(plot.shown(10, 9))[0] if ax is None else pictures.equity(self, ax)

    def plot_candles(
        self,
        ax: "Axes | None" = None,
        *,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
    ) -> "Axes":
        """Draw the bars that open in [start, end) as candles, with fills; "-2d" is before the last end.

        Raises:
            ValueError: when no bar opens there.
        """
        return pictures.candles(self, _axes(ax, 4.5), start, end)

    def plot_equity(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity at the end of each bar beside buy and hold, in quote."""
        return pictures.equity(self, _axes(ax, 4.0))

    def plot_drawdown(self, ax: "Axes | None" = None) -> "Axes":
        """Fill what is lost since the highest equity, in percent."""
        return pictures.drawdowns(self, _axes(ax, 2.5))

    def plot_monthly(self, ax: "Axes | None" = None) -> "Axes":
        """Colour the return of each month and year, in percent."""
        opened = pd.DatetimeIndex(self.klines.index)
        years = opened[-1].year - opened[0].year + 1
        return pictures.monthly(self, _axes(ax, 0.9 + 0.45 * years))

    def plot_trades(
        self, ax: "Axes | None" = None, *, by: Literal["time", "length"] = "time"
    ) -> "Axes":
        """Mark the return of each closed round trip: when it ended, or by how long it was held."""
        return (pictures.trades if by == "time" else pictures.durations)(self, _axes(ax, 4.0))

    def plot_rolling(
        self, ax: "Axes | None" = None, *, what: pictures.Moving = "sharpe", window: int = 30
    ) -> "Axes":
        """Draw Sharpe ratio, volatility or return of the last `window` daily returns, day by day.

        Raises:
            ValueError: when `what` is another figure, or `window` below 2.
        """
        return pictures.rolling(self, _axes(ax, 3.0), what, window)

    def draw(self, figure: "Figure") -> "list[Axes]":
        """Draw candles, volume, equity, drawdown and exposure into a figure, one below the other."""
        return pictures.overview(self, figure)

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
        attrs = self.klines.attrs
        symbol = attrs.get("symbol") if len(self.bars) == 1 else ", ".join(self.bars)
        market = [symbol, attrs.get("interval")]
        of = " ".join(part for part in market if isinstance(part, str)) or self.base_asset
        return f"{self.strategy}({given}) on {of}" if given else f"{self.strategy} on {of}"

    @property
    def _first(self) -> Bars:
        return next(iter(self.bars.values()))

    @cached_property
    def holdings(self) -> Holdings:
        """What was held and what it was worth, as arrays."""
        return Holdings(self.record, self.bars, pd.DatetimeIndex(self.klines.index))

    @property
    def _worth(self) -> _Floats:
        return self.holdings.worth

    @property
    def _held_worth(self) -> _Floats:
        return self.holdings.benchmark

    def _step(self, symbol: str) -> int:
        """Return the smallest amount of base that can be sold, in units."""
        return max(int(self.task.rules[symbol].step * self.record.scale), 1)

    @property
    def _is_held(self) -> "npt.NDArray[np.bool_]":
        """Whether more than dust is held at each close."""
        held = [
            self.holdings.amounts(bars.base) >= self._step(symbol) / self.record.scale
            for symbol, bars in self.bars.items()
        ]
        found: npt.NDArray[np.bool_] = np.any(held, axis=0)
        return found

    @cached_property
    def _rounds(self) -> Rounds:
        return Rounds(self.holdings, {symbol: self._step(symbol) for symbol in self.bars})

    def _series(self, values: _Floats, name: str) -> "pd.Series[float]":
        return pd.Series(values.copy(), index=self.klines.index, name=name, copy=False)

    def _times(self, bars: Sequence[tuple[str, int]], name: str) -> pd.DatetimeIndex:
        """Return the opening times of bars, given by symbol and row."""
        if len(self.bars) == 1:
            rows = np.array([bar for _, bar in bars], np.int64)
            return pd.DatetimeIndex(self.klines.index[rows]).rename(name)
        stamps = [self.bars[symbol].klines.index[bar] for symbol, bar in bars]
        return pd.DatetimeIndex(stamps, dtype="datetime64[us, UTC]", name=name)


def _axes(ax: "Axes | None", height: float) -> "Axes":
    """Return `ax`, or Axes of their own that a notebook shows."""
    return ax if ax is not None else plot.shown(10, height).subplots()
