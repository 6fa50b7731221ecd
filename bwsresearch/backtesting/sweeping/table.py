"""What a sweep found: one row per point, the best of them, and how much of that is luck."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting import figures
from bwsresearch.backtesting.naming import strategy_name
from bwsresearch.backtesting.statistics import (
    CONVENTIONS,
    Overfitting,
    deflated_sharpe,
    overfitting,
    ratios,
)
from bwsresearch.backtesting.sweeping.grid import Point
from bwsresearch.backtesting.sweeping.runs import Job, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Sweep", "best_of", "tabled"]

_PARTS: Final = frozenset({"return", "cagr", "max_drawdown", "win_rate", "exposure"})
_SMALL_IS_BETTER: Final = frozenset({"fees", "turnover"})


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The figures of a strategy at every point of a grid.

    `table` has a row per point (and symbol): its parameters, then final_equity, return, cagr, sharpe,
    sortino, max_drawdown, trades, win_rate, profit_factor, fees, exposure, turnover (what was traded
    in a year, as a multiple of the mean equity) and further metrics. Parts are parts of one, not
    percents, money is in quote; `attrs` tell the conventions.
    """

    table: pd.DataFrame
    strategy: str
    market: str
    """Symbols and interval, as far as the klines name them."""
    parameters: tuple[str, ...]
    returns: tuple[npt.NDArray[np.float64], ...]
    """For each row of the table the return of each UTC day, of each bar where these are longer."""
    seconds: float
    """How long the runs took."""

    def __len__(self) -> int:
        return len(self.table)

    def best(self, metric: str = "sharpe") -> "pd.Series[Any]":
        """Return the row with the greatest value of a metric; the least of fees and turnover.

        Raises:
            ValueError: when there is no such metric, or no point has a number for it.
        """
        row: pd.Series[Any] = self.table.astype(object).iloc[self._best(metric)]
        return row

    def best_params(self, metric: str = "sharpe") -> Point:
        """Return the parameters of `best`, as `bws.backtest(…, params=…)` takes them."""
        row = self.best(metric)
        return {name: row[name] for name in self.parameters}

    def deflated_sharpe(self, *, symbol: str = "", trials: int | None = None) -> float:
        """Return the probability that the best point is better than the best of worthless ones.

        By Sharpe ratios of the returns of all points; `trials` is how many of them are independent, all
        when left out. 0.95 and more is taken for a find, what is near 0.5 or below for luck.
        Source: `bwsresearch.backtesting.statistics.deflated_sharpe`.

        Raises:
            ValueError: as `best` does, or for a symbol that the sweep has not.
        """
        own = [self.returns[place] for place in self._of(symbol).index]
        sharpes = np.array([ratios.sharpe(returns) for returns in own])
        if np.isnan(sharpes).all():
            raise ValueError("no point has a sharpe: nothing was traded, or for too few days")
        best = own[best_of(sharpes, "sharpe")]
        return deflated_sharpe(
            ratios.sharpe(best),
            trials_sharpe=sharpes,
            returns_count=len(best),
            skew=ratios.skew(best),
            kurtosis=ratios.kurtosis(best) + 3.0,
            trials=trials,
        )

    def overfitting(self, *, blocks: int = 16, symbol: str = "") -> Overfitting:
        """Return how often the best point of one half of the time is a poor one of the other half.

        Time is cut into `blocks` stretches, of which every half is a training set once; `probability`
        of what is returned is the part of these after which the best was in the lower half.
        Source: `bwsresearch.backtesting.statistics.overfitting`.

        Raises:
            ValueError: for fewer than two points, an odd number of blocks, or too few returns.
        """
        own = [self.returns[place] for place in self._of(symbol).index]
        return overfitting(np.nan_to_num(np.column_stack(own)), blocks=blocks)

    def heatmap(
        self,
        x: str | None = None,
        y: str | None = None,
        metric: str = "sharpe",
        *,
        symbol: str = "",
    ) -> pd.DataFrame:
        """Return a metric with a row per value of `y` and a column per value of `x`.

        The first two parameters when left out. Where there are more, the best of their values counts;
        NaN stands where there is no point. Of several symbols name one.

        Raises:
            ValueError: for parameters, a metric or a symbol that the sweep has not.
        """
        across, down = self._axes(x, y)
        self._check(metric)
        rows = self._of(symbol)
        how = "min" if metric in _SMALL_IS_BETTER else "max"
        found = rows.groupby([down, across], sort=False)[metric].agg(how)
        ys, xs = _different(rows[down]), _different(rows[across])
        values = [[found.get((y_value, x_value), np.nan) for x_value in xs] for y_value in ys]
        return pd.DataFrame(
            values, index=pd.Index(ys, name=down), columns=pd.Index(xs, name=across), dtype=float
        )

    def plot(
        self,
        x: str | None = None,
        y: str | None = None,
        metric: str = "sharpe",
        *,
        symbol: str = "",
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw `heatmap` as colours, its best point marked; on `ax`, or on a figure of its own.

        Raises:
            ValueError: as `heatmap` does.
        """
        values = self.heatmap(x, y, metric, symbol=symbol)
        of = f"{metric.replace('_', ' ')} of {self.strategy} on {symbol or self.market}"
        return plot.heatmap(
            ax if ax is not None else plot.shown(8, 6).subplots(),
            values.to_numpy(np.float64),
            list(values.index),
            list(values.columns),
            names=(str(values.index.name), str(values.columns.name)),
            title=of,
            text=_text(metric),
            best="min" if metric in _SMALL_IS_BETTER else "max",
        )

    def _axes(self, x: str | None, y: str | None) -> tuple[str, str]:
        names = list(self.parameters)
        if len(names) < 2:
            raise ValueError(
                f"the sweep has one parameter, {names[0]}; use .table.plot({names[0]!r})"
            )
        across = x if x is not None else next(name for name in names if name != y)
        down = y if y is not None else next(name for name in names if name != across)
        for name in (across, down):
            if name not in names:
                raise ValueError(f"{name} is no parameter, the sweep has {', '.join(names)}")
        if across == down:
            raise ValueError(f"x and y are both {across}, name two parameters")
        return across, down

    def _of(self, symbol: str) -> pd.DataFrame:
        if "symbol" not in self.table.columns:
            return self.table
        known = list(self.table["symbol"].unique())
        if symbol not in known:
            raise ValueError(f"symbol is {symbol!r}, name one of {', '.join(map(str, known))}")
        return self.table[self.table["symbol"] == symbol]

    def _check(self, metric: str) -> None:
        known = [name for name in self.table.columns if name not in {*self.parameters, "symbol"}]
        if metric not in known:
            raise ValueError(f"metric is {metric!r}, must be one of {', '.join(known)}")

    def _best(self, metric: str) -> int:
        self._check(metric)
        values = self.table[metric].to_numpy(np.float64)
        if np.isnan(values).all():
            raise ValueError(f"no point has a {metric}: nothing was traded, or for too few days")
        return best_of(values, metric)

    @property
    def _lines(self) -> dict[str, str]:
        sharpes = self.table["sharpe"].dropna()
        lines = {"points": f"{len(self.table):,}", "time": f"{self.seconds:,.2f} s"}
        if not len(sharpes):
            return lines
        row = self.best()
        return lines | {
            **{f"best {name}": str(row[name]) for name in ("symbol",) if name in row},
            **{f"best {name}": str(row[name]) for name in self.parameters},
            "its Sharpe": f"{row['sharpe']:,.2f}",
            "its return": figures.percent(row["return"]),
            "its max drawdown": figures.percent(row["max_drawdown"]),
            "its trades": f"{row['trades']:,.0f}",
            "median Sharpe": f"{sharpes.median():,.2f}",
            "points with a gain": figures.percent(float((self.table["return"] > 0).mean()), 1),
        }

    @property
    def title(self) -> str:
        """Strategy, parameters and market in one line."""
        return f"sweep of {self.strategy}({', '.join(self.parameters)}) on {self.market}"

    def __repr__(self) -> str:
        return cards.text_card(self.title, self._lines, CONVENTIONS)

    def _repr_html_(self) -> str:
        return cards.html_card(self.title, self._lines, CONVENTIONS)


def _text(metric: str) -> Callable[[float], str]:
    """Return how a metric is written."""
    if metric in _PARTS:
        return lambda part: figures.percent(part, 1)
    return lambda value: f"{value:,.0f}" if abs(value) >= 100 else f"{round(value, 2) + 0.0:,.2f}"


def best_of(values: npt.NDArray[np.float64], metric: str) -> int:
    """Return the place of the best value of a metric, the first of several; 0 where none is known."""
    signed = -values if metric in _SMALL_IS_BETTER else values
    return int(np.argmax(np.where(np.isnan(signed), -np.inf, signed)))


def _different(values: "pd.Series[Any]") -> list[Any]:
    """Return the different values, numbers by their size and others as they first appear."""
    different = values.drop_duplicates()
    is_number = pd.api.types.is_numeric_dtype(values.dtype)
    return list(different.sort_values() if is_number else different)


def tabled(
    frames: Mapping[str, pd.DataFrame],
    jobs: Mapping[str, Job],
    points: Sequence[Point],
    rows: Mapping[str, Sequence[Row]],
    *,
    parameters: Sequence[str],
    seconds: float,
) -> Sweep:
    """Return the sweep of rows by symbol, in the order of the points."""
    parts: list[pd.DataFrame] = []
    returns: list[npt.NDArray[np.float64]] = []
    for name, some in rows.items():
        given = pd.DataFrame(points)
        figured = pd.DataFrame([row.figures for row in some])
        part = pd.concat([given, figured], axis=1)
        if name:
            part.insert(0, "symbol", name)
        parts.append(part)
        returns += [row.returns for row in some]
    table = pd.concat(parts, ignore_index=True)
    table.attrs["conventions"] = CONVENTIONS
    first = next(iter(frames))
    return Sweep(
        table=table,
        strategy=strategy_name(jobs[first].strategy, frames[first]),
        market=_market(frames),
        parameters=tuple(parameters),
        returns=tuple(returns),
        seconds=seconds,
    )


def _market(frames: Mapping[str, pd.DataFrame]) -> str:
    attrs = next(iter(frames.values())).attrs
    symbols = [name or str(attrs.get("symbol", "klines")) for name in frames]
    named = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    interval = attrs.get("interval")
    return f"{named} {interval}" if isinstance(interval, str) else named
