"""What a backtest did: equity, orders, fills, round trips, figures, a plot and a report."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting import report
from bwsresearch.backtesting.ledger import UNIT, Fill, Ledger, round_trips, units
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.statistics import CONVENTIONS, daily_returns, drawdown, statistics
from bwsresearch.plot import Floats, Stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Result"]

_Floats = npt.NDArray[np.float64]
_SIDES = pd.CategoricalDtype(["BUY", "SELL"])
_STATUSES = pd.CategoricalDtype(["FILLED", "REJECTED", "CANCELED", "NEW"])


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
    strategy: str
    ledger: Ledger
    start: tuple[int, int]
    """Base and quote at the start, in 1e-8."""

    @cached_property
    def equity(self) -> "pd.Series[float]":
        """The account's worth at each bar's close, float64 in quote, by open time (UTC)."""
        base, quote = self._holdings
        worth = quote + base * self._closes
        return pd.Series(worth, index=self.klines.index, name="equity", copy=False)

    @cached_property
    def position(self) -> "pd.Series[float]":
        """The base held at each bar's close, float64, by open time (UTC)."""
        return pd.Series(self._holdings[0], index=self.klines.index, name="position")

    @cached_property
    def returns(self) -> "pd.Series[float]":
        """The return of each UTC day, as the figures use it."""
        return daily_returns(self.equity, self.initial_equity)

    @property
    def initial_equity(self) -> float:
        """The account's worth before the first bar, at its open."""
        first = float(self.klines["open"].iloc[0])
        return (self.start[1] + self.start[0] * first) / UNIT

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, by the open time of the bar at whose close it was sent.

        Columns: side, qty (base, of sales), quote_qty (of buys), target, status (FILLED, REJECTED,
        CANCELED: replaced before a trade, NEW: sent at the last bar), reason.
        """
        rows = self.ledger.orders
        return pd.DataFrame(
            {
                "side": pd.Categorical([o.side for o in rows], dtype=_SIDES),
                "qty": _floats([o.qty for o in rows]),
                "quote_qty": _floats([o.quote_qty for o in rows]),
                "target": np.array([o.target for o in rows], np.float64),
                "status": pd.Categorical([o.status for o in rows], dtype=_STATUSES),
                "reason": pd.Categorical([o.reason for o in rows], categories=["", "LOT_SIZE", "NOTIONAL", "replaced before a trade"]),
            },
            index=self._times([o.bar for o in rows], "sent"),
        )  # fmt: skip

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row per trade, by the open time of the bar at whose open it was made.

        Columns: order (row of `orders`), side, price, qty (base), quote_qty, fee, fee_asset, and the
        balances after it, base and quote.
        """
        rows = self.ledger.fills
        assets = [self.base_asset, self.quote_asset]
        return pd.DataFrame(
            {
                "order": np.array([f.order for f in rows], np.int64),
                "side": pd.Categorical([f.side for f in rows], dtype=_SIDES),
                "price": _floats([f.price for f in rows]),
                "qty": _floats([f.qty for f in rows]),
                "quote_qty": _floats([f.quote_qty for f in rows]),
                "fee": _floats([f.fee for f in rows]),
                "fee_asset": pd.Categorical(
                    [assets[not f.fee_in_base] for f in rows], categories=assets
                ),
                "base": _floats([f.base for f in rows]),
                "quote": _floats([f.quote for f in rows]),
            },
            index=self._times([f.bar for f in rows], "time"),
        )

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per round trip, from flat to flat; the last one may be open, valued at the end.

        Columns: entry_time, exit_time (NaT while open), qty (base bought), entry_price, exit_price
        (means), fees, pnl (quote, after fees), return (part of what was paid), bars, is_open.
        """
        trips = list(round_trips(self.ledger.fills, units(self.rules.step)))
        rows = [self._trip(trip) for trip in trips]
        names = ["entry_time", "exit_time", "qty", "entry_price", "exit_price"]
        names += ["fees", "pnl", "return", "bars", "is_open"]
        table = pd.DataFrame(rows, columns=names)
        stamp = self.klines.index.dtype
        kinds = dict.fromkeys(names[2:8], "float64") | {"bars": "int64", "is_open": "bool"}
        return table.astype({"entry_time": stamp, "exit_time": stamp, **kinds})

    def stats(self) -> "pd.Series[float]":
        """Return the figures by name, float64: parts of one, not percents; money in quote.

        Conventions: daily UTC returns, arithmetic, 365 days a year, ddof 1, CAGR on 365.25 days; trade
        figures are of closed round trips, in quote, after fees; exposure is the part of bars at whose
        close base was held. What cannot be computed is NaN.
        """
        trades = self.trades
        closed = trades[~trades["is_open"]]
        return statistics(
            self.equity,
            self.initial_equity,
            self.buy_and_hold.to_numpy(np.float64),
            closed["pnl"].tolist(),
            closed["return"].tolist(),
            fees=self._fees,
            exposure=self._exposure,
        )

    @cached_property
    def buy_and_hold(self) -> "pd.Series[float]":
        """What the start would be worth in base bought at the first open, without fees."""
        first = float(self.klines["open"].iloc[0])
        worth = self.initial_equity / first * self._closes
        return pd.Series(worth, index=self.klines.index, name="buy_and_hold", copy=False)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity beside buy and hold on `ax`; without one, price, fills, equity and drawdown.

        Returns the Axes drawn on, the topmost of the three without `ax`.
        """
        if ax is not None:
            return plot.equity(ax, *self._lines)
        figure = plot.shown(10, 8)
        return self.draw(figure)[0]

    def draw(self, figure: "Figure") -> "list[Axes]":
        """Draw price with fills, equity and drawdown into a figure, one below the other."""
        top, middle, bottom = plot.panels(figure)
        name = str(self.klines.attrs.get("symbol", self.base_asset))
        stamps = self.klines.index.to_numpy()
        plot.price(top, stamps, self._closes, name, self.quote_asset)
        bars = np.array([f.bar for f in self.ledger.fills], np.int64)
        paid = _floats([f.price for f in self.ledger.fills])
        bought = np.array([f.side == "BUY" for f in self.ledger.fills], np.bool_)
        plot.fills(top, stamps[bars], paid, bought)
        plot.equity(middle, *self._lines)
        plot.drawdown(bottom, stamps, drawdown(self.equity.to_numpy(np.float64)))
        return [top, middle, bottom]

    def save(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs nothing else, and return where it is.

        Raises:
            OSError: when the file cannot be written.
        """
        target = Path(path)
        target.write_text(report.html(self), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return cards.text_card(self.title, report.figures(self)) + f"\n  ({CONVENTIONS})"

    def _repr_html_(self) -> str:
        return cards.html_card(self.title, report.figures(self))

    @property
    def title(self) -> str:
        """Strategy, parameters and market in one line."""
        given = ", ".join(f"{name}={value}" for name, value in self.params.items())
        market = [self.klines.attrs.get(name) for name in ("symbol", "interval")]
        of = " ".join(str(part) for part in market if part) or self.base_asset
        return f"{self.strategy}({given}) on {of}"

    @property
    def _closes(self) -> _Floats:
        return self.klines["close"].to_numpy(np.float64)

    @property
    def _lines(self) -> tuple[Stamps, Floats, Floats, str]:
        stamps = self.klines.index.to_numpy()
        worth, held = (line.to_numpy(np.float64) for line in (self.equity, self.buy_and_hold))
        return stamps, worth, held, self.quote_asset

    @cached_property
    def _holdings(self) -> tuple[_Floats, _Floats]:
        """Base and quote at each bar's close."""
        fills = self.ledger.fills
        bars = np.array([0, *(f.bar for f in fills), len(self.klines)], np.int64)
        spans = np.diff(bars)
        base = _floats([self.start[0], *(f.base for f in fills)])
        quote = _floats([self.start[1], *(f.quote for f in fills)])
        return np.repeat(base, spans), np.repeat(quote, spans)

    @property
    def _exposure(self) -> float:
        least = max(units(self.rules.step), 1) / UNIT
        return float(np.mean(self._holdings[0] >= least))

    @property
    def _fees(self) -> float:
        """All fees in quote: those in base at the price of their trade."""
        return sum(
            f.fee * f.price / UNIT if f.fee_in_base else float(f.fee) for f in self.ledger.fills
        ) / UNIT  # fmt: skip

    def _times(self, bars: list[int], name: str) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.klines.index[np.array(bars, np.int64)]).rename(name)

    def _trip(self, trip: tuple[Fill, ...]) -> list[object]:
        buys = [f for f in trip if f.side == "BUY"]
        sales = [f for f in trip if f.side == "SELL"]
        step = max(units(self.rules.step), 1)
        is_open = not (sales and sales[-1] is trip[-1] and trip[-1].base < step)
        bought, paid = sum(f.qty for f in buys), sum(f.quote_qty for f in buys)
        sold, got = sum(f.qty for f in sales), sum(f.quote_qty for f in sales)
        in_quote = sum(f.fee for f in trip if not f.fee_in_base)
        fees = in_quote + sum(f.fee * f.price // UNIT for f in trip if f.fee_in_base)
        last = len(self.klines) - 1 if is_open else trip[-1].bar
        rest = trip[-1].base * float(self._closes[-1]) if is_open else 0.0
        pnl = (got + rest - paid - in_quote) / UNIT
        index = self.klines.index
        return [
            index[trip[0].bar],
            pd.NaT if is_open else index[last],
            bought / UNIT,
            paid / bought if bought else np.nan,
            got / sold if sold else np.nan,
            fees / UNIT,
            pnl,
            pnl / (paid / UNIT) if paid else np.nan,
            last - trip[0].bar,
            is_open,
        ]


def _floats(amounts: list[int]) -> _Floats:
    """Return amounts in units as numbers: one correctly rounded division each."""
    return np.array([amount / UNIT for amount in amounts], np.float64)
