import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting.statistics import (
    CONVENTIONS,
    bar_days,
    daily_returns,
    drawdown,
    ends,
    statistics,
)

from .lab import steady


def curve(values, *, freq="1h", start="2024-01-01"):
    index = pd.date_range(start, periods=len(values), freq=freq, tz="UTC", name="open_time")
    return pd.Series(np.asarray(values, float), index=index.as_unit("us"), name="equity")


def figures(equity, initial=100.0, pnl=(), parts=()):
    benchmark = equity.to_numpy()
    return statistics(equity, initial, benchmark, pnl, parts, fees=0.0, exposure=0.5)


def random_walk(bars, seed, freq):
    draw = np.random.default_rng(seed)
    return curve(100 * np.exp(np.cumsum(draw.normal(0, 0.02, bars))), freq=freq)


def test_figures_of_three_days_computed_by_hand():
    stats = figures(curve([110.0, 99.0, 118.8], freq="1D"), 100.0)
    returns = [0.1, -0.1, 0.2]
    mean = 0.2 / 3
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / 2)
    assert stats["return"] == pytest.approx(0.188)
    assert stats["volatility"] == pytest.approx(deviation * math.sqrt(365))
    assert stats["sharpe"] == pytest.approx(mean / deviation * math.sqrt(365))
    assert stats["sortino"] == pytest.approx(mean / math.sqrt(0.01 / 3) * math.sqrt(365))
    assert stats["max_drawdown"] == pytest.approx(-0.1)
    assert stats["max_drawdown_days"] == 2.0  # from the first close to the recovery at the third
    assert stats["cagr"] == pytest.approx(1.188 ** (365.25 / 3) - 1)
    assert stats["calmar"] == pytest.approx(stats["cagr"] / 0.1)
    assert stats.attrs == {"conventions": CONVENTIONS}


def test_trade_figures_computed_by_hand():
    stats = figures(curve([1, 1]), 1.0, [30.0, -10.0, 0.0, -5.0], [0.3, -0.1, 0.0, -0.05])
    assert stats[["trades", "win_rate", "profit_factor"]].tolist() == [4.0, 0.25, 2.0]
    assert stats[["best_trade", "worst_trade"]].tolist() == [0.3, -0.1]
    assert stats["average_trade"] == pytest.approx(0.0375)


@pytest.mark.parametrize("freq", ["1min", "15min", "1h", "1D"])
@pytest.mark.parametrize("start", ["2024-01-01", "2024-02-27 21:45"])
def test_daily_figures_equal_formulas_of_pandas(freq, start):
    draw = np.random.default_rng(5)
    bars = {"1min": 6_000, "15min": 3_000, "1h": 3_000, "1D": 400}[freq]
    equity = curve(100 * np.exp(np.cumsum(draw.normal(0, 0.01, bars))), freq=freq, start=start)
    daily = equity.resample("1D").last()
    returns = (daily / daily.shift(fill_value=100.0)) - 1
    stats = figures(equity, 100.0)
    downside = returns.clip(upper=0).pow(2).mean() ** 0.5
    years = (equity.index[-1] + pd.Timedelta(freq) - equity.index[0]) / pd.Timedelta(365.25, "D")
    peak = equity.cummax().clip(lower=100.0)
    expected = {
        "return": equity.iloc[-1] / 100 - 1,
        "volatility": returns.std() * 365**0.5,
        "sharpe": returns.mean() / returns.std() * 365**0.5,
        "sortino": returns.mean() * 365 / (downside * 365**0.5),
        "cagr": (equity.iloc[-1] / 100) ** (1 / years) - 1,
        "max_drawdown": (equity / peak - 1).min(),
    }
    assert stats[list(expected)].to_dict() == pytest.approx(expected, rel=1e-12)
    index = daily_returns(equity, 100.0).index
    assert index.equals(daily.index)
    assert str(index.dtype) == "datetime64[us, UTC]"


def test_a_day_without_bars_returns_nothing_and_counts_as_a_day():
    equity = pd.concat([curve([110.0] * 24), curve([121.0] * 24, start="2024-01-04")])
    returns = daily_returns(equity, 100.0)
    assert returns.tolist() == pytest.approx([0.1, 0.0, 0.0, 0.1])
    assert [str(day.date()) for day in returns.index] == [f"2024-01-0{n}" for n in (1, 2, 3, 4)]


def test_a_year_is_the_time_that_passed_not_the_number_of_bars():
    whole = curve(np.linspace(101, 150, 24 * 30))
    gappy = whole[(whole.index.day < 10) | (whole.index.day > 20)]
    assert figures(gappy)["cagr"] == pytest.approx(figures(whole)["cagr"])


@pytest.mark.parametrize(("freq", "per_year"), [("3D", 365 / 3), ("7D", 365 / 7), ("MS", 12.0)])
def test_bars_longer_than_a_day_are_returns_of_their_own(freq, per_year):
    equity = random_walk(60, 8, freq)
    returns = pd.concat([pd.Series([100.0]), equity]).pct_change().iloc[1:]
    pd.testing.assert_series_equal(
        daily_returns(equity, 100.0), returns.set_axis(equity.index), check_names=False, check_freq=False
    )  # fmt: skip
    stats = figures(equity)
    assert stats["volatility"] == pytest.approx(returns.std() * per_year**0.5)
    assert stats["sharpe"] == pytest.approx(returns.mean() / returns.std() * per_year**0.5)


def test_the_end_of_a_bar_follows_from_its_length():
    hours = curve([1, 1, 1]).index
    assert ends(hours).tolist() == hours.shift(1, "h").as_unit("us").asi8.tolist()
    months = pd.date_range("2024-01-01", periods=4, freq="MS", tz="UTC").as_unit("us")
    following = pd.date_range("2024-02-01", periods=4, freq="MS", tz="UTC").as_unit("us")
    assert ends(months).tolist() == following.asi8.tolist()
    assert bar_days(hours[[0]]) != bar_days(hours[[0]])  # NaN: nobody knows
    assert bar_days(hours.delete(1)[:2].append(hours[2:] + pd.Timedelta("1h"))) == 1.5 / 24


def _longest_by_loop(values, initial, times):
    """Days from a peak to its recovery or to the end, the longest, by looking at each value."""
    peak, since, under, longest = initial, times[0], False, 0.0
    for value, time in zip(values, times[1:], strict=True):
        if value >= peak:
            if under:
                longest = max(longest, time - since)
            peak, since, under = value, time, False
        else:
            under = True
    return max(longest, times[-1] - since if under else 0.0)


@steady
@given(
    st.lists(st.integers(80, 120), min_size=2, max_size=30),
    st.lists(st.integers(0, 29), min_size=0, max_size=5, unique=True),
)
def test_the_longest_drawdown_runs_from_peak_to_recovery(values, dropped):
    whole = curve(values, freq="1h")
    keep = [n not in dropped or n in (0, 1) for n in range(len(values))]
    equity = whole[keep]
    hours = (ends(equity.index) - equity.index.asi8[0]) / 3.6e9
    expected = _longest_by_loop(equity.to_numpy(), 100.0, [0.0, *hours.tolist()])
    assert figures(equity)["max_drawdown_days"] == pytest.approx(expected / 24)


def test_drawdown_counts_from_the_start_and_from_every_peak():
    down = drawdown(np.array([90.0, 120.0, 60.0, 120.0, 150.0]), 100.0)
    assert down.tolist() == pytest.approx([-0.1, 0.0, -0.5, 0.0, 0.0])


def test_what_cannot_be_computed_is_nan():
    flat = figures(curve([100.0] * 48))
    assert flat[["return", "volatility", "max_drawdown", "max_drawdown_days"]].tolist() == [0.0] * 4
    undefined = ["sharpe", "sortino", "calmar", "win_rate", "profit_factor", "best_trade",
                 "worst_trade", "average_trade"]  # fmt: skip
    assert flat[undefined].isna().all()
    assert flat["trades"] == 0.0
    one_day = figures(curve([101.0, 102.0]))
    assert one_day[["volatility", "sharpe", "sortino"]].isna().all()
    assert np.isnan(figures(curve([1e9, 1e12], freq="1min"), 1.0)["cagr"])  # beyond float64
    winners = figures(curve([1, 1]), 1.0, [1.0, 2.0], [0.1, 0.2])
    assert np.isnan(winners["profit_factor"])
    assert figures(curve([1, 1]), 1.0, [-1.0], [-0.1])["profit_factor"] == 0.0


def test_an_account_that_lost_all_has_figures_without_a_warning():
    stats = figures(curve([100.0, 0.0, 0.0], freq="1D"))
    assert stats[["return", "max_drawdown", "cagr"]].tolist() == [-1.0, -1.0, -1.0]
    assert np.isnan(stats["sharpe"])


def test_all_figures_are_floats():
    stats = figures(curve([100.0, 101.0]))
    assert (stats.dtype, stats.name, len(stats)) == (np.float64, "stats", 18)
