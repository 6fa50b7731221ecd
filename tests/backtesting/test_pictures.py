from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num

from bwsresearch import plot
from bwsresearch.backtesting import Rules, backtest, pictures

from .lab import market, sma_cross, walk

FREE = Rules(fee=0)


@pytest.fixture(scope="module")
def result():
    return backtest(walk(1_000, seed=1), sma_cross, balances={"USDT": 10_000})


@pytest.fixture
def ax():
    return plot.figure(6, 3).subplots()


def naive(index):
    return index.tz_localize(None).to_numpy()


def test_a_plot_has_candles_volume_equity_drawdown_and_exposure(result):
    mpl.use("agg")
    import matplotlib.pyplot as plt

    top = result.plot()
    titles = [ax.get_title("left") for ax in top.figure.axes]
    plt.close(top.figure)
    assert titles == [
        "BTCUSDT, 1,000 bars", "Volume of each bar", "Equity at the close",
        "Drawdown from the highest equity", "Exposure, means of 4h",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "plot",
        "plot_candles",
        "plot_equity",
        "plot_drawdown",
        "plot_monthly",
        "plot_trades",
        "plot_rolling",
    ],
)
def test_each_plot_goes_where_it_is_told_or_to_a_figure_of_its_own(result, name, ax):
    mpl.use("agg")
    import matplotlib.pyplot as plt

    assert getattr(result, name)(ax) is ax
    assert ax.get_title("left")
    own = getattr(result, name)()
    assert own.figure.number in plt.get_fignums()
    plt.close(own.figure)


def test_months_are_as_high_in_a_picture_of_one_year_as_of_three(result):
    mpl.use("agg")
    import matplotlib.pyplot as plt

    index = pd.date_range("2021-06-01", "2023-06-01", freq="1D", tz="UTC")
    days = market([100.0] * len(index)).set_index(index)
    long = backtest(days, days["close"] * 0, balances={"USDT": 1})
    tall, low = (one.plot_monthly().figure for one in (long, result))
    plt.close("all")
    assert tall.get_figheight() - low.get_figheight() == pytest.approx(2 * 0.45)


def test_equity_is_drawn_at_the_ends_of_bars_beside_buy_and_hold(result, ax):
    result.plot(ax)
    assert [line.get_label() for line in ax.lines] == ["buy and hold", "strategy"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), result.buy_and_hold)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), result.equity)
    hour = np.timedelta64(1, "h")
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), naive(result.equity.index) + hour)


def test_a_fill_stands_at_its_time_and_price(ax):
    klines = market([100.0, 103.0, 101.0, 104.0])
    run = backtest(klines, klines["close"] > 0, balances={"USDT": 100}, rules=FREE)
    run.plot_candles(ax)
    (marker,) = ax.collections[-1].get_offsets()
    assert marker.tolist() == [date2num(naive(run.fills.index)[0]), 100.0]


def test_a_stretch_of_candles_has_its_fills_alone(result, ax):
    start, end = result.klines.index[[200, 300]]
    result.plot_candles(ax, start=start, end=end)
    assert ax.get_title("left") == "BTCUSDT, 100 bars"
    inside = result.fills[(result.fills.index >= start) & (result.fills.index < end)]
    drawn = np.concatenate([marks.get_offsets() for marks in ax.collections[4:]])
    assert sorted(drawn[:, 0]) == date2num(naive(inside.index)).tolist()
    last = result.plot_candles(plot.figure(6, 3).subplots(), start="-1d")  # before the last end
    assert last.get_title("left") == "BTCUSDT, 24 bars"


def test_a_stretch_without_bars_is_refused(result, ax):
    with pytest.raises(
        ValueError, match=r"no bar opens from 2025-01-01.* 1,000 bars are of 2024-01-01"
    ):
        result.plot_candles(ax, start="2025-01-01")
    with pytest.raises(ValueError, match="end is 'soon', not a time"):
        result.plot_candles(ax, end="soon")


def test_every_closed_trade_is_marked_once_by_time_and_by_length(result, ax):
    closed = result.trades[~result.trades["is_open"]]
    result.plot_trades(ax)
    drawn = np.concatenate([marks.get_offsets() for marks in ax.collections])
    order = drawn[:, 0].argsort()
    np.testing.assert_array_equal(
        drawn[order, 0], date2num(naive(pd.DatetimeIndex(closed["exit_time"])))
    )
    np.testing.assert_array_equal(drawn[order, 1], closed["return"] * 100)
    lengths = result.plot_trades(plot.figure(6, 3).subplots(), by="length")
    hours = np.concatenate([marks.get_offsets()[:, 0] for marks in lengths.collections])
    assert sorted(hours) == sorted(closed["bars"].tolist())
    assert lengths.get_xlabel() == "held, hours"


def test_months_multiply_to_the_return(result):
    years, table, totals = pictures.months(result)
    assert years == [2024]
    assert np.isnan(table[0, 2:]).all()
    assert np.nanprod(1 + table) == pytest.approx(1 + result.stats()["return"])
    assert totals[0] == pytest.approx(result.stats()["return"])


def test_a_rolling_return_is_that_of_its_days(result, ax):
    result.plot_rolling(ax, what="return", window=10)
    days, values = ax.lines[1].get_data()
    assert ax.get_title("left") == "Return of 10 days"
    daily = np.append(10_000.0, result.equity.groupby(result.equity.index.floor("1D")).last())
    np.testing.assert_allclose(values, (daily[10:] / daily[:-10] - 1) * 100, rtol=1e-9)
    assert days[0] == np.datetime64("2024-01-11")


def test_a_rolling_figure_of_more_days_than_there_are_is_told(result, ax):
    result.plot_rolling(ax, window=100)
    assert [text.get_text() for text in ax.texts] == [
        "Annual Sharpe ratio of 100 days: there are 42 days"
    ]
    with pytest.raises(ValueError, match="what is 'alpha', must be one of sharpe"):
        result.plot_rolling(ax, what="alpha")
    with pytest.raises(ValueError, match="window is 1, must be 2"):
        result.plot_rolling(ax, window=1)


def of_trades(lengths_s):
    """Bars that each last until their last trade, as `bws.bars` makes them by number."""
    klines = market(np.linspace(100.0, 120.0, len(lengths_s)))
    opened = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(
        np.cumsum([0, *lengths_s[:-1]]), "s"
    )
    klines.index = opened.as_unit("us").rename("open_time")
    klines["close_time"] = klines.index + pd.to_timedelta(np.array(lengths_s) * 0.9, "s")
    return klines


def test_bars_beyond_time_end_with_their_last_trade():
    klines = of_trades([100, 1, 5_000, 3, 60])
    ended = pictures.bars_of(klines).ended
    np.testing.assert_array_equal(ended, naive(pd.DatetimeIndex(klines["close_time"])))
    untold = pictures.bars_of(klines.drop(columns="close_time"))
    np.testing.assert_array_equal(untold.ended[:-1], untold.opened[1:])
    assert (untold.ended >= untold.opened).all()


def test_bars_of_time_end_where_the_next_begins_and_before_a_gap():
    klines = market([100.0] * 6)
    klines = klines.drop(klines.index[[2, 3]])
    bars = pictures.bars_of(klines)
    np.testing.assert_array_equal(bars.ended - bars.opened, np.full(4, np.timedelta64(1, "h")))
    monthly = pictures.bars_of(market([100.0] * 5, freq="MS"))
    np.testing.assert_array_equal(monthly.ended[:-1], monthly.opened[1:])


def test_a_run_on_bars_beyond_time_is_drawn_whole():
    klines = of_trades(np.random.default_rng(1).integers(1, 10_000, 400).tolist())
    run = backtest(klines, sma_cross, balances={"USDT": 10_000})
    figure = plot.figure(8, 8)
    axes = run.draw(figure)
    assert axes[0].get_title("left") == "BTCUSDT, 400 bars"
    assert axes[4].get_title("left") == "Exposure, means of 2 bars"
    assert (np.diff(axes[2].lines[1].get_xdata()) > np.timedelta64(0, "us")).all()
    plot.png(figure)


def test_of_several_symbols_the_first_ones_bars_are_drawn_where_it_has_some():
    one, two = market([1.0, 2.0, 3.0]), market([5.0] * 5)
    wide = pd.concat({"AUSDT": one, "BUSDT": two}, axis=1).swaplevel(axis=1)
    bars = pictures.bars_of(wide)
    assert bars.close.tolist() == [1.0, 2.0, 3.0]
    assert len(pictures.spans(wide)[1]) == 5
    np.testing.assert_array_equal(bars.opened, naive(one.index))


def test_a_fill_at_the_last_close_is_drawn(ax):
    klines = market([100.0, 101.0, 102.0])
    run = backtest(klines, klines["close"] > 0, balances={"USDT": 100}, rules=FREE)
    late = run.fills.set_axis(klines.index[-1:] + pd.Timedelta("1h"))
    told = SimpleNamespace(klines=klines, fills=late, base_asset="BTC", quote_asset="USDT")
    pictures.candles(told, ax)
    assert len(ax.collections[-1].get_offsets()) == 1
    part = pictures.closer(told, plot.figure(6, 3).subplots(), slice(0, 2))
    assert part.get_legend() is None
