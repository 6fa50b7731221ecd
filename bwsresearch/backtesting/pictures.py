"""Pictures of a result: the arrays of its frames, on Axes."""

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from bwsresearch import plot
from bwsresearch.backtesting.statistics import bar_days, drawdown, ends
from bwsresearch.plot import Bars, Floats, Stamps
from bwsresearch.times import TimeLike, epoch_ms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bwsresearch.backtesting.result import Result

__all__ = [
    "Moving",
    "bars_of",
    "candles",
    "closer",
    "distribution",
    "drawdowns",
    "durations",
    "equity",
    "monthly",
    "months",
    "overview",
    "rolling",
    "spans",
    "trades",
]

Moving: TypeAlias = Literal["sharpe", "volatility", "return"]
"""What can be drawn of a window that moves over the days."""

_COLUMNS: Final = ("open", "high", "low", "close", "volume")
_DAY_US: Final = 86_400_000_000
_TITLES: Final[dict[Moving, str]] = {
    "sharpe": "Annual Sharpe ratio",
    "volatility": "Annual volatility",
    "return": "Return",
}


def overview(result: "Result", figure: "Figure") -> "list[Axes]":
    """Draw candles with fills, volume, equity, drawdown and exposure, one below the other."""
    axes = plot.panels(figure, (4, 1, 3, 1.5, 1))
    bars = bars_of(result.klines)
    _candles(result, axes[0], bars)
    plot.volume(axes[1], bars, result.base_asset)
    equity(result, axes[2])
    drawdowns(result, axes[3])
    opened, ended = spans(result.klines)
    plot.exposure(axes[4], np.append(opened, ended[-1:]), _invested(result))
    return axes


def _invested(result: "Result") -> Floats:
    """Return which part of the equity is not in quote at the end of each bar."""
    with np.errstate(all="ignore"):  # an account that is worth nothing holds nothing
        parts = result.holdings.invested / result.equity.to_numpy(np.float64)
    held: Floats = np.nan_to_num(parts)
    return held


def candles(
    result: "Result", ax: "Axes", start: TimeLike | None = None, end: TimeLike | None = None
) -> "Axes":
    """Draw the bars that open in [start, end) and the fills among them.

    Raises:
        ValueError: when no bar opens there, or a time cannot be read.
    """
    bars = bars_of(result.klines)
    if start is None and end is None:
        return _candles(result, ax, bars)
    # "-2d" counts from the end of the bars, not from today.
    now = int(bars.ended[-1].astype("M8[ms]").astype(np.int64))
    low = bars.opened[0] if start is None else _stamp(epoch_ms(start, now))
    high = bars.ended[-1] if end is None else _stamp(epoch_ms(end, now, name="end"))
    rows = slice(*np.searchsorted(bars.opened, np.array([low, high])))
    if rows.start >= rows.stop:
        raise ValueError(
            f"no bar opens from {low} to {high}, the {len(bars.opened):,} bars are of "
            f"{bars.opened[0]} to {bars.opened[-1]}"
        )
    return _candles(result, ax, bars.part(rows))


def _candles(result: "Result", ax: "Axes", bars: Bars) -> "Axes":
    symbol = _symbols(result.klines)[0]
    plot.candles(ax, bars, symbol or result.base_asset, result.quote_asset)
    fills = result.fills
    if "symbol" in fills.columns and symbol:
        fills = fills[fills["symbol"] == symbol]
    stamps = _stamps(fills.index)
    # The end is the next bar's, but for the last one: a fill at its close is in it.
    side: Literal["left", "right"] = "right" if bars.ended[-1] == _last(result) else "left"
    rows = slice(
        int(np.searchsorted(stamps, bars.opened[0])),
        int(np.searchsorted(stamps, bars.ended[-1], side)),
    )
    prices = fills["price"].to_numpy(np.float64)
    bought = (fills["side"] == "BUY").to_numpy(np.bool_)
    return plot.fills(ax, stamps[rows], prices[rows], bought[rows])


def _last(result: "Result") -> np.datetime64:
    last: np.datetime64 = spans(result.klines)[1][-1]
    return last


def closer(result: "Result", ax: "Axes", rows: slice) -> "Axes":
    """Draw some of the bars, by their places, and the fills among them."""
    return _candles(result, ax, bars_of(result.klines).part(rows))


def equity(result: "Result", ax: "Axes") -> "Axes":
    """Draw equity at the end of each bar beside buy and hold."""
    worth, held = (part.to_numpy(np.float64) for part in (result.equity, result.buy_and_hold))
    return plot.equity(ax, spans(result.klines)[1], worth, held, result.quote_asset)


def drawdowns(result: "Result", ax: "Axes") -> "Axes":
    """Fill what is lost since the highest equity at the end of a bar."""
    parts = drawdown(result.equity.to_numpy(np.float64), result.initial_equity)
    return plot.drawdown(ax, spans(result.klines)[1], parts)


def monthly(result: "Result", ax: "Axes") -> "Axes":
    """Colour the return of each month, and of each year."""
    return plot.monthly(ax, *months(result))


def months(result: "Result") -> tuple[list[int], Floats, Floats]:
    """Return years, the returns of their months (years, 12), NaN without bars, and of the years.

    A month belongs to the bars that open in it.
    """
    table = result.monthly_returns
    months = table.drop(columns="year").to_numpy(np.float64)
    return table.index.tolist(), months, table["year"].to_numpy(np.float64)


def trades(result: "Result", ax: "Axes") -> "Axes":
    """Mark the return of each closed round trip when it ended."""
    closed = _closed(result)
    ended = _stamps(pd.DatetimeIndex(closed["exit_time"]))
    return plot.trades(ax, ended, *_outcomes(closed))


def durations(result: "Result", ax: "Axes") -> "Axes":
    """Mark the return of each closed round trip over how long it lasted."""
    closed = _closed(result)
    lasted = (closed["exit_time"] - closed["entry_time"]).dt.total_seconds()
    return plot.durations(ax, lasted.to_numpy(np.float64), *_outcomes(closed))


def distribution(result: "Result", ax: "Axes") -> "Axes":
    """Count the returns of closed round trips."""
    return plot.histogram(ax, _closed(result)["return"].to_numpy(np.float64), "Returns of trades")


def rolling(result: "Result", ax: "Axes", what: Moving = "sharpe", window: int = 30) -> "Axes":
    """Draw a figure of the last `window` daily returns (of bars where these are longer), day by day.

    Raises:
        ValueError: when `what` is no such figure, or `window` below 2.
    """
    if what not in get_args(Moving):
        raise ValueError(f"what is {what!r}, must be one of {', '.join(get_args(Moving))}")
    if window < 2:
        raise ValueError(f"window is {window}, must be 2 returns at least")
    returns = result.returns.to_numpy(np.float64)
    length = max(bar_days(result.klines.index), 1.0)
    unit = "days" if length == 1.0 else "bars"
    title = f"{_TITLES[what]} of {window} {unit}"
    if len(returns) < window:
        return plot.hint(ax, f"{title}: there are {len(returns)} {unit}")
    moved = result.rolling(window)[what].to_numpy(np.float64)[window - 1 :]
    values = moved if what == "sharpe" else moved * 100.0
    ended = _stamps(result.returns.index)[window - 1 :] + np.timedelta64(
        int(length * _DAY_US), "us"
    )
    return plot.rolling(ax, ended, values, title, "" if what == "sharpe" else "%")


def bars_of(klines: pd.DataFrame) -> Bars:
    """Return klines as arrays; of several symbols the bars of the first, where it has some."""
    opened, ended = spans(klines)
    one = _one_symbol(klines)
    columns = [one[name].to_numpy(np.float64) for name in _COLUMNS]
    known = ~np.isnan(columns[0])
    if not known.all():
        opened, ended, columns = opened[known], ended[known], [part[known] for part in columns]
    return Bars(opened, ended, *columns)


def spans(klines: pd.DataFrame) -> tuple[Stamps, Stamps]:
    """Return when each bar opens, and when it ends: where the next of its length would begin.

    Bars beyond time, which are not all of one length, end with their last trade, or where the next one
    opens when they do not tell it.
    """
    opened = _stamps(klines.index)
    ended = ends(klines.index).astype("M8[us]")
    if (opened[1:] < ended[:-1]).any():
        one = _one_symbol(klines)
        told = "close_time" in one.columns
        ended = np.append(opened[1:], ended[-1:])
        ended = _stamps(pd.DatetimeIndex(one["close_time"])) if told else ended
    return opened, ended


def _one_symbol(klines: pd.DataFrame) -> pd.DataFrame:
    """Return klines of one symbol, of several those of the first."""
    if klines.columns.nlevels == 1:
        return klines
    wanted = klines.columns.get_level_values(1) == _symbols(klines)[0]
    return klines.loc[:, wanted].droplevel(1, axis=1)


def _symbols(klines: pd.DataFrame) -> list[str]:
    """Return the symbols of klines, "" where they name none."""
    if klines.columns.nlevels > 1:
        return [str(name) for name in klines.columns.get_level_values(1).unique()]
    named = klines.attrs.get("symbol")
    return [named if isinstance(named, str) else ""]


def _closed(result: "Result") -> pd.DataFrame:
    return result.trades[~result.trades["is_open"]]


def _outcomes(closed: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the returns of trades and what was paid for them."""
    paid = closed["qty"].to_numpy(np.float64) * closed["entry_price"].to_numpy(np.float64)
    return closed["return"].to_numpy(np.float64), paid


def _stamps(index: pd.Index) -> Stamps:
    # An index with a zone would turn into half a million objects.
    return pd.DatetimeIndex(index).tz_localize(None).to_numpy("M8[us]")


def _stamp(time_ms: int) -> np.datetime64:
    return np.datetime64(time_ms * 1_000, "us")
