import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting import Rules, backtest
from bwsresearch.backtesting.statistics import (
    drawdown,
    drawdown_frame,
    ends,
    monthly_frame,
    returns_series,
    rolling_frame,
    stats,
)

from .lab import sma_cross, steady, walk
from .test_statistics import account, curve, random_walk

UTC = "datetime64[us, UTC]"


def stamp(text):
    return pd.Timestamp(text, tz="UTC")


def test_a_drawdown_has_its_peak_trough_and_recovery():
    equity = curve([110.0, 99.0, 88.0, 99.0, 110.0, 120.0, 60.0], freq="1D")
    frame = drawdown_frame(account(equity))
    assert frame.to_dict("records") == [
        {
            "peak_time": stamp("2024-01-02"),  # the close of the first day
            "trough_time": stamp("2024-01-04"),
            "recovery_time": stamp("2024-01-06"),
            "depth": pytest.approx(-0.2),
            "days": 4.0,
            "decline_days": 2.0,
            "recovery_days": 2.0,
        },
        {
            "peak_time": stamp("2024-01-07"),
            "trough_time": stamp("2024-01-08"),
            "recovery_time": pd.NaT,
            "depth": pytest.approx(-0.5),
            "days": 1.0,
            "decline_days": 1.0,
            "recovery_days": pytest.approx(np.nan, nan_ok=True),
        },
    ]


def test_a_loss_from_the_first_bar_on_is_a_drawdown_since_the_first_open():
    frame = drawdown_frame(account(curve([90.0, 80.0, 100.0], freq="1D")))
    assert frame["peak_time"].tolist() == [stamp("2024-01-01")]
    assert frame["depth"].tolist() == pytest.approx([-0.2])


@pytest.mark.parametrize("values", [[100.0, 101.0, 102.0], [100.0, 90.0, 80.0, 110.0, 70.0]])
def test_drawdown_frames_have_the_same_kinds_of_columns_full_or_empty(values):
    frame = drawdown_frame(account(curve(values)))
    assert frame.dtypes.astype(str).to_dict() == {
        "peak_time": UTC, "trough_time": UTC, "recovery_time": UTC, "depth": "float64",
        "days": "float64", "decline_days": "float64", "recovery_days": "float64",
    }  # fmt: skip


def _by_loop(values, initial, times):
    """Peak, trough, end and depth of each drawdown, by looking at one value after the other."""
    found, peak, since, lowest = [], initial, times[0], None
    for value, time in zip(values, times[1:], strict=True):
        if value >= peak:
            if lowest is not None:
                found.append((since, lowest[1], time, lowest[0] / peak - 1, False))
            peak, since, lowest = value, time, None
        elif lowest is None or value < lowest[0]:
            lowest = (value, time)
    if lowest is not None:
        found.append((since, lowest[1], times[-1], lowest[0] / peak - 1, True))
    return found


@steady
@given(
    st.lists(st.integers(80, 120), min_size=2, max_size=30),
    st.lists(st.integers(0, 29), min_size=0, max_size=5, unique=True),
)
def test_drawdowns_are_those_a_loop_finds(values, dropped):
    whole = curve(values, freq="1h")
    equity = whole[[n not in dropped or n in (0, 1) for n in range(len(values))]]
    hours = [0.0, *((ends(equity.index) - equity.index.asi8[0]) / 3.6e9).tolist()]
    expected = _by_loop(equity.to_numpy(), 100.0, hours)
    performance = account(equity)
    frame = drawdown_frame(performance)
    first = equity.index[0]
    assert ((frame["peak_time"] - first) / pd.Timedelta("1h")).tolist() == [e[0] for e in expected]
    assert ((frame["trough_time"] - first) / pd.Timedelta("1h")).tolist() == [
        e[1] for e in expected
    ]
    assert frame["depth"].tolist() == pytest.approx([e[3] for e in expected])
    assert frame["recovery_time"].isna().tolist() == [e[4] for e in expected]
    lengths = [(e[2] - e[0]) / 24 for e in expected]
    assert frame["days"].tolist() == pytest.approx(lengths)
    found = stats(performance)
    assert found["max_drawdown_days"] == pytest.approx(max(lengths, default=0.0))
    assert found["drawdowns"] == len(expected)
    if expected:
        assert found["average_drawdown"] == pytest.approx(np.mean([e[3] for e in expected]))
        assert found["average_drawdown_days"] == pytest.approx(np.mean(lengths))


def test_drawdown_counts_from_the_start_and_from_every_peak():
    down = drawdown(np.array([90.0, 120.0, 60.0, 120.0, 150.0]), 100.0)
    assert down.tolist() == pytest.approx([-0.1, 0.0, -0.5, 0.0, 0.0])


@pytest.mark.parametrize("window", ["20D", 20, pd.Timedelta("20D")])
def test_rolling_figures_are_those_of_each_window(window):
    equity = random_walk(24 * 60, 3, "1h", volatility=0.01)
    draw = np.random.default_rng(4)
    closes = equity.to_numpy() * np.exp(draw.normal(0, 0.01, len(equity)))
    whole = account(equity, closes=closes)
    frame = rolling_frame(whole, window)
    assert frame.index.equals(returns_series(whole.returns).index)
    assert frame.iloc[:19].isna().all(axis=None)
    for last in (20, 33, 60):
        hours = slice(24 * (last - 20), 24 * last)
        before = equity.iloc[hours.start - 1] if hours.start else 100.0
        first = closes[hours.start - 1] if hours.start else 100.0
        part = account(equity[hours], before, closes=closes[hours], first_open=first)
        by_day = account(equity[hours][23::24], before)
        expected = stats(part)
        row = frame.iloc[last - 1]
        names = ["return", "volatility", "sharpe", "sortino", "beta", "alpha", "correlation"]
        assert row[names].tolist() == pytest.approx(expected[names].tolist(), rel=1e-9)
        down = drawdown(by_day.equity, before)
        assert row["max_drawdown"] == pytest.approx(down.min(), rel=1e-9)


def test_a_window_longer_than_the_run_is_never_full():
    frame = rolling_frame(account(random_walk(24 * 5, 3, "1h")), "30D")
    assert (len(frame), frame.isna().all(axis=None)) == (5, True)


def test_a_window_counts_bars_where_these_are_longer_than_a_day():
    frame = rolling_frame(account(random_walk(30, 3, "7D")), "28D")
    assert frame["sharpe"].notna().sum() == 30 - 3


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("1D", "window is '1D', must have 2 returns or more, of 1 days each"),
        (1, "window is 1, must have 2 returns or more"),
        ("soon", "window is 'soon', must be a length such as '30D', or a count"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(window, message):
    with pytest.raises(ValueError, match=message):
        rolling_frame(account(random_walk(24 * 5, 3, "1h")), window)


def test_months_belong_to_the_bars_that_open_in_them():
    equity = curve([110.0, 121.0, 60.5, 121.0], freq="1h", start="2023-12-31 22:00")
    frame = monthly_frame(account(equity))
    assert frame.index.tolist() == [2023, 2024]
    assert frame.loc[2023, "Dec"] == pytest.approx(0.21)
    assert frame.loc[2024, "Jan"] == pytest.approx(0.0)
    assert frame["year"].tolist() == pytest.approx([0.21, 0.0])
    assert frame.drop(columns="year").notna().sum().sum() == 2
    assert [frame.index.name, *frame.columns[[0, 11, 12]]] == ["year", "Jan", "Dec", "year"]


def test_months_come_to_the_whole_also_where_bars_are_missing():
    equity = random_walk(24 * 900, 6, "1h", volatility=0.005)
    gappy = equity[(equity.index.month != 7) | (equity.index.year != 2025)]
    frame = monthly_frame(account(gappy))
    assert np.isnan(frame.loc[2025, "Jul"])
    assert (frame["year"] + 1).prod() == pytest.approx(gappy.iloc[-1] / 100)
    last = gappy.groupby([gappy.index.year, gappy.index.month]).last()
    expected = last / last.shift(fill_value=100.0) - 1
    months = frame.drop(columns="year").to_numpy().ravel()
    assert months[~np.isnan(months)].tolist() == pytest.approx(expected.tolist(), rel=1e-9)


@pytest.fixture(scope="module")
def result():
    return backtest(walk(2_000, seed=1), sma_cross, balances={"USDT": 10_000})


def test_a_result_gives_the_frames_of_its_performance(result):
    one = result.performance
    pd.testing.assert_frame_equal(result.drawdowns, drawdown_frame(one))
    pd.testing.assert_frame_equal(result.rolling("14D"), rolling_frame(one, "14D"))
    pd.testing.assert_frame_equal(result.monthly_returns, monthly_frame(one))
    pd.testing.assert_series_equal(result.stats("vectorbt"), stats(one, "vectorbt"))
    assert result.drawdowns["depth"].min() == result.stats()["max_drawdown"]
    held = (result.benchmark_returns + 1).prod() - 1
    assert held == pytest.approx(result.stats()["buy_and_hold_return"])


def test_turnover_and_exposure_of_a_result_are_those_of_its_fills(result):
    found = result.stats()
    years = 2_000 / 24 / 365.25
    traded = result.fills["quote_qty"].sum()
    assert found["turnover"] == pytest.approx(traded / result.equity.mean() / years)
    exposure = result.position * result.klines["close"] / result.equity
    assert found["average_exposure"] == pytest.approx(exposure.mean())
    assert found["max_exposure"] == pytest.approx(exposure.max())


def test_what_is_done_to_returns_is_done_to_a_copy(result):
    taken = result.returns
    taken.iloc[:] = 0.0
    taken.index = taken.index.tz_localize(None)
    assert result.returns.index.tz is not None
    assert result.returns.any()


def test_an_open_trade_counts_in_what_was_traded():
    klines = walk(100, seed=2)
    one = backtest(klines, klines["close"] > 0, balances={"USDT": 100}, rules=Rules(fee=0))
    found = one.stats()
    assert found[["trades", "open_trades"]].tolist() == [0.0, 1.0]
    assert found["open_pnl"] == pytest.approx(one.equity.iloc[-1] - 100)
    assert found["turnover"] > 0
