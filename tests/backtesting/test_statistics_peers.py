"""That these are the packages' own figures, `conformance/test_statistics.py` proves; here is the rest."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting.statistics import stats

from .lab import steady
from .test_statistics import account, curve, random_walk, trades

CONVENTIONS = ("backtesting.py", "vectorbt", "quantstats")


@pytest.fixture(scope="module")
def performance():
    equity = random_walk(24 * 100, 4, "1h", volatility=0.005)
    draw = np.random.default_rng(9)
    closes = equity.to_numpy() * np.exp(draw.normal(0, 0.01, len(equity)))
    made = trades(
        [5.0, -2.0, 1.0], [0.05, -0.02, 0.01], [3, 90, 200], [80, 100, 2399], fees=[0.1, 0.2, 0.3],
        is_open=[False, False, True],
    )  # fmt: skip
    held = np.zeros(len(equity))
    held[3:80] = held[90:100] = held[200:] = 0.5
    return account(equity, 100.0, made, closes=closes, held=held, fees=0.6, traded=100.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_convention_is_written_on_its_rows(performance, convention):
    found = stats(performance, convention)
    assert found.name == convention
    assert found.attrs["conventions"].startswith(f"{convention}: ")
    assert found.index.is_unique


def test_an_unknown_convention_is_refused_with_the_choices(performance):
    message = (
        "convention is 'bt', must be 'backtesting.py', 'vectorbt', 'quantstats' or None for ours"
    )
    with pytest.raises(ValueError, match=message):
        stats(performance, "bt")


def test_rows_are_in_the_units_of_their_package(performance):
    one, two, three = (stats(performance, name) for name in CONVENTIONS)
    assert one["Start"] == two["Start"] == pd.Timestamp("2024-01-01", tz="UTC")
    assert one["Duration"] == pd.Timedelta(days=100) - pd.Timedelta("1h")
    assert two["Period"] == pd.Timedelta(days=100)
    assert one["Max. Trade Duration"] == pd.Timedelta(hours=77)
    assert one["Avg. Trade Duration"] == pd.Timedelta(hours=44)  # (77 + 10) / 2, whole bars upward
    assert two["Avg Winning Trade Duration"] == pd.Timedelta(hours=77)
    assert two["Total Return [%]"] == pytest.approx(100 * three["Cumulative Return"])
    assert three["Start Period"] == "2024-01-01"
    assert three["Longest DD Days"] == int(three["Longest DD Days"])


def test_conventions_differ_where_their_definitions_do(performance):
    ours, one, two, three = (stats(performance, name) for name in (None, *CONVENTIONS))
    assert (ours["trades"], one["# Trades"], two["Total Trades"]) == (2.0, 2, 3)
    assert ours["profit_factor"] == two["Profit Factor"] == 2.5  # of quote
    assert ours["profit_factor_pct"] == one["Profit Factor"] == pytest.approx(2.5)  # of returns
    assert ours["expectancy"] == two["Expectancy"] == 1.5
    assert ours["fees"] == two["Total Fees Paid"] == 0.6
    assert one["Commissions [$]"] == pytest.approx(0.3)  # of closed trades
    assert one["Exposure Time [%]"] == pytest.approx(100 * (78 + 11) / 2400)
    assert ours["exposure"] == pytest.approx((77 + 10 + 2200) / 2400)
    assert ours["sharpe"] == pytest.approx(three["Sharpe"], rel=1e-12)
    sharpes = [ours["sharpe"], one["Sharpe Ratio"], two["Sharpe Ratio"]]
    assert np.diff(sorted(sharpes)).min() > 1e-3


@pytest.mark.parametrize(
    ("start", "freq", "bars", "years"),
    [
        ("2024-01-01", "1h", 24 * 30, 365),
        ("2024-01-01", "B", 60, 252),  # no bar on a weekend
        ("2024-01-01", "7D", 60, 52),
        ("2023-12-31", "YS", 8, 1),
    ],
)
def test_the_year_of_backtesting_py_is_that_of_its_bars(start, freq, bars, years):
    draw = np.random.default_rng(2)
    equity = curve(100 * np.exp(np.cumsum(draw.normal(0, 0.01, bars))), freq=freq, start=start)
    daily = equity.resample("1D").last().dropna()
    growth = (daily.iloc[-1] / daily.iloc[0]) ** (years / (len(daily) - 1)) - 1
    found = stats(account(equity), "backtesting.py")
    assert found["Return (Ann.) [%]"] == pytest.approx(100 * growth)


def test_a_drawdown_that_begins_with_the_last_bar_is_not_seen_by_backtesting_py():
    found = stats(account(curve([100.0, 90.0, 100.0, 120.0, 60.0], freq="1D")), "backtesting.py")
    assert found["Max. Drawdown [%]"] == pytest.approx(-50.0)
    assert found["Avg. Drawdown [%]"] == pytest.approx(-10.0)
    assert found["Max. Drawdown Duration"] == pd.Timedelta("2D")


def test_an_account_that_never_traded_has_no_figures_of_trades():
    idle = account(curve([100.0] * 100))
    one, two, three = (stats(idle, name) for name in CONVENTIONS)
    for row in ("Win Rate [%]", "Best Trade [%]", "Max. Trade Duration", "SQN", "Sharpe Ratio"):
        assert math.isnan(one[row])
    assert (one["# Trades"], one["Exposure Time [%]"], one["Max. Drawdown [%]"]) == (0, 0.0, 0.0)
    assert (two["Total Trades"], two["Sharpe Ratio"]) == (0, math.inf)  # in its eyes
    assert math.isnan(two["Win Rate [%]"])
    assert (three["Time in Market"], three["Cumulative Return"]) == (0.0, 0.0)


@steady
@given(
    st.lists(
        st.sampled_from([0.0, 1e-9, 1.0, 50.0, 99.0, 100.0, 101.0, 1e12]), min_size=1, max_size=40
    ),
    st.sampled_from(["1min", "8h", "1D", "7D", "MS"]),
)
def test_no_curve_makes_a_convention_fail_or_warn(values, freq):
    made = trades([1.0, -1.0], [0.5, -1.0], [0, 0], [0, 0])
    performance = account(curve(values, freq=freq), 100.0, made, closes=np.ones(len(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = [stats(performance, name) for name in (None, *CONVENTIONS)]
    assert [len(row) for row in rows] == [61, 32, 46, 81 if rows[3]["Max Drawdown"] < 0 else 76]
