import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting.statistics import (
    CONVENTIONS,
    Performance,
    Trades,
    ends,
    returns_series,
    stats,
)

from .lab import steady


def curve(values, *, freq="1h", start="2024-01-01"):
    index = pd.date_range(start, periods=len(values), freq=freq, tz="UTC", name="open_time")
    return pd.Series(np.asarray(values, float), index=index.as_unit("us"), name="equity")


def trades(pnl=(), parts=(), entries=None, exits=None, *, fees=None, is_open=None):
    count = len(pnl)
    return Trades(
        entry_bar=np.array(range(count) if entries is None else entries, np.int64),
        exit_bar=np.array(range(count) if exits is None else exits, np.int64),
        pnl=np.array(pnl, np.float64),
        returns=np.array(parts, np.float64),
        fees=np.array(np.zeros(count) if fees is None else fees, np.float64),
        is_open=np.array(np.zeros(count) if is_open is None else is_open, np.bool_),
    )


def account(equity, initial=100.0, made=None, *, closes=None, held=None, **more):
    """A performance of an equity curve; its market moves as the account does, unless it is told."""
    values = equity.to_numpy()
    market = values if closes is None else np.asarray(closes, np.float64)
    base = np.zeros(len(equity)) if held is None else np.asarray(held, np.float64)
    return Performance(
        opened=equity.index.asi8,
        equity=values,
        initial=initial,
        benchmark=initial / more.pop("first_open", initial) * market,
        invested=base * market,
        held=base >= more.pop("step", 1e-8),
        trades=trades() if made is None else made,
        **more,
    )


def figures(equity, initial=100.0, pnl=(), parts=(), **more):
    return stats(account(equity, initial, trades(pnl, parts), **more))


def random_walk(bars, seed, freq, volatility=0.02):
    draw = np.random.default_rng(seed)
    return curve(100 * np.exp(np.cumsum(draw.normal(0, volatility, bars))), freq=freq)


def test_figures_of_three_days_computed_by_hand():
    found = figures(curve([110.0, 99.0, 118.8], freq="1D"), 100.0)
    returns = [0.1, -0.1, 0.2]
    mean = 0.2 / 3
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / 2)
    assert found["return"] == pytest.approx(0.188)
    assert found["volatility"] == pytest.approx(deviation * math.sqrt(365))
    assert found["sharpe"] == pytest.approx(mean / deviation * math.sqrt(365))
    assert found["sortino"] == pytest.approx(mean / math.sqrt(0.01 / 3) * math.sqrt(365))
    assert found["omega"] == pytest.approx(3.0)
    assert found["max_drawdown"] == pytest.approx(-0.1)
    assert found["max_drawdown_days"] == 2.0  # from the first close to the recovery at the third
    assert found["drawdowns"] == 1.0
    assert found["ulcer_index"] == pytest.approx(math.sqrt(0.01 / 3))
    assert found["cagr"] == pytest.approx(1.188 ** (365.25 / 3) - 1)
    assert found["calmar"] == pytest.approx(found["cagr"] / 0.1)
    assert found["recovery_factor"] == pytest.approx(1.88)
    assert found[["best_day", "worst_day"]].tolist() == pytest.approx([0.2, -0.1])
    assert found["positive_days"] == pytest.approx(2 / 3)
    assert found.attrs == {"conventions": CONVENTIONS}


def test_trade_figures_computed_by_hand():
    found = figures(curve([1, 1, 1, 1]), 1.0, [30.0, -10.0, 0.0, -5.0], [0.3, -0.1, 0.0, -0.05])
    assert found[["trades", "win_rate", "profit_factor"]].tolist() == [4.0, 0.25, 2.0]
    assert found[["best_trade", "worst_trade"]].tolist() == [0.3, -0.1]
    assert found["average_trade"] == pytest.approx(0.0375)
    assert found["average_trade_geometric"] == pytest.approx((1.3 * 0.9 * 0.95) ** 0.25 - 1)
    assert found["profit_factor_pct"] == pytest.approx(2.0)
    assert found["expectancy"] == 3.75
    assert found["payoff"] == 4.0
    assert found["kelly"] == pytest.approx(0.25 - 0.75 / 4)
    assert found["sqn"] == pytest.approx(2 * 3.75 / np.std([30, -10, 0, -5], ddof=1))
    assert found[["average_win", "average_loss"]].tolist() == pytest.approx([0.3, -0.075])
    assert found[["max_wins", "max_losses"]].tolist() == [1.0, 1.0]


def test_lengths_of_trades_are_from_entry_to_exit_in_days():
    equity = curve([1.0] * 48)
    made = trades([1.0, -1.0, 2.0], [0.1, -0.1, 0.2], [0, 12, 20], [12, 18, 44])
    found = stats(account(equity, 1.0, made))
    assert found["average_trade_days"] == pytest.approx(42 / 72)
    assert found["max_trade_days"] == 1.0
    assert found[["average_win_days", "average_loss_days"]].tolist() == [0.75, 0.25]


def test_an_open_trade_is_told_apart_and_in_no_figure_of_trades():
    made = trades([5.0, -2.0], [0.5, -0.2], [0, 1], [1, 3], is_open=[False, True])
    found = stats(account(curve([1.0] * 4), 1.0, made))
    assert found[["trades", "open_trades", "open_pnl"]].tolist() == [1.0, 1.0, -2.0]
    assert found[["win_rate", "expectancy", "worst_trade"]].tolist() == [1.0, 5.0, 0.5]


@pytest.mark.parametrize("freq", ["1min", "15min", "1h", "1D"])
@pytest.mark.parametrize("start", ["2024-01-01", "2024-02-27 21:45"])
def test_daily_figures_equal_formulas_of_pandas(freq, start):
    draw = np.random.default_rng(5)
    bars = {"1min": 6_000, "15min": 3_000, "1h": 3_000, "1D": 400}[freq]
    equity = curve(100 * np.exp(np.cumsum(draw.normal(0, 0.01, bars))), freq=freq, start=start)
    market = equity * np.exp(draw.normal(0, 0.01, bars))
    daily, held = equity.resample("1D").last(), market.resample("1D").last()
    returns = (daily / daily.shift(fill_value=100.0)) - 1
    beside = (held / held.shift(fill_value=100.0)) - 1
    found = figures(equity, 100.0, closes=market)
    downside = returns.clip(upper=0).pow(2).mean() ** 0.5
    years = (equity.index[-1] + pd.Timedelta(freq) - equity.index[0]) / pd.Timedelta(365.25, "D")
    peak = equity.cummax().clip(lower=100.0)
    beta = returns.cov(beside) / beside.var()
    apart = returns - beside
    expected = {
        "return": equity.iloc[-1] / 100 - 1,
        "buy_and_hold_return": market.iloc[-1] / 100 - 1,
        "excess_return": (equity.iloc[-1] - market.iloc[-1]) / 100,
        "volatility": returns.std() * 365**0.5,
        "sharpe": returns.mean() / returns.std() * 365**0.5,
        "sortino": returns.mean() * 365 / (downside * 365**0.5),
        "cagr": (equity.iloc[-1] / 100) ** (1 / years) - 1,
        "max_drawdown": (equity / peak - 1).min(),
        "ulcer_index": (equity / peak - 1).pow(2).mean() ** 0.5,
        "skew": returns.skew() if len(returns) > 2 else np.nan,
        "kurtosis": returns.kurt() if len(returns) > 3 else np.nan,
        "value_at_risk": returns.quantile(0.05),
        "tail_ratio": abs(returns.quantile(0.95) / returns.quantile(0.05)),
        "beta": beta,
        "alpha": (returns.mean() - beta * beside.mean()) * 365,
        "correlation": returns.corr(beside),
        "information_ratio": apart.mean() / apart.std() * 365**0.5,
        "up_capture": returns[beside > 0].mean() / beside[beside > 0].mean(),
        "down_capture": returns[beside < 0].mean() / beside[beside < 0].mean(),
    }
    assert found[list(expected)].to_dict() == pytest.approx(expected, rel=1e-9, nan_ok=True)
    series = returns_series(account(equity).returns)
    assert series.index.equals(daily.index)
    assert str(series.index.dtype) == "datetime64[us, UTC]"


def test_a_day_without_bars_returns_nothing_and_counts_as_a_day():
    equity = pd.concat([curve([110.0] * 24), curve([121.0] * 24, start="2024-01-04")])
    returns = returns_series(account(equity).returns)
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
    own = returns_series(account(equity).returns)
    np.testing.assert_allclose(own, returns, rtol=0, atol=1e-15)
    assert own.index.equals(equity.index)
    found = figures(equity)
    assert found["volatility"] == pytest.approx(returns.std() * per_year**0.5)
    assert found["sharpe"] == pytest.approx(returns.mean() / returns.std() * per_year**0.5)


def test_the_end_of_a_bar_follows_from_its_length():
    hours = curve([1, 1, 1]).index
    assert ends(hours).tolist() == hours.shift(1, "h").as_unit("us").asi8.tolist()
    months = pd.date_range("2024-01-01", periods=4, freq="MS", tz="UTC").as_unit("us")
    following = pd.date_range("2024-02-01", periods=4, freq="MS", tz="UTC").as_unit("us")
    assert ends(months).tolist() == following.asi8.tolist()
    assert np.isnan(account(curve([1.0])).bar_days)  # nobody knows
    assert account(curve([1.0] * 4).iloc[[0, 1, 3]]).bar_days == 1.5 / 24


def test_exposure_is_of_bars_of_their_worth_and_of_all_that_was_traded():
    equity = curve([100.0, 100.0, 200.0, 100.0], freq="1D")
    found = figures(
        equity, closes=[10.0, 10.0, 20.0, 10.0], held=[0.0, 5.0, 10.0, 0.004], step=0.01,
        traded=500.0, fees=3.0,
    )  # fmt: skip
    assert found["exposure"] == 0.5  # what is less than a step is none
    assert found["average_exposure"] == pytest.approx((0.5 + 1.0 + 0.0004) / 4)
    assert found["max_exposure"] == 1.0
    assert found["turnover"] == pytest.approx(500 / 125 / (4 / 365.25))
    assert found["fees"] == 3.0


def test_what_cannot_be_computed_is_nan():
    flat = figures(curve([100.0] * 48))
    nothing = ["return", "volatility", "max_drawdown", "max_drawdown_days", "trades", "drawdowns"]
    assert flat[nothing].tolist() == [0.0] * 6
    undefined = ["sharpe", "sortino", "calmar", "win_rate", "profit_factor", "best_trade",
                 "worst_trade", "average_trade", "omega", "beta", "average_drawdown", "kelly",
                 "sqn", "probabilistic_sharpe", "skew", "up_capture"]  # fmt: skip
    assert flat[undefined].isna().all()
    one_day = figures(curve([101.0, 102.0]))
    assert one_day[["volatility", "sharpe", "sortino"]].isna().all()
    assert np.isnan(figures(curve([1e9, 1e12], freq="1min"), 1.0)["cagr"])  # beyond float64
    winners = figures(curve([1, 1]), 1.0, [1.0, 2.0], [0.1, 0.2])
    assert np.isnan(winners["profit_factor"])
    assert figures(curve([1, 1]), 1.0, [-1.0], [-0.1])["profit_factor"] == 0.0


def test_an_account_that_lost_all_has_figures_without_a_warning():
    found = figures(curve([100.0, 0.0, 0.0], freq="1D"), held=[1.0, 1.0, 0.0])
    assert found[["return", "max_drawdown", "cagr"]].tolist() == [-1.0, -1.0, -1.0]
    assert found["max_exposure"] == 1.0
    assert np.isnan(found["sharpe"])


def test_all_figures_are_floats_under_names_of_one_case():
    found = figures(curve([100.0, 101.0]))
    assert (found.dtype, found.name, len(found)) == (np.float64, "stats", 61)
    assert all(
        name == name.lower() and name.isidentifier() for name in found.index if name != "return"
    )
    assert found.index.is_unique


@pytest.mark.parametrize("lacks", ["equity", "benchmark", "invested", "held"])
def test_arrays_of_another_length_than_the_bars_are_refused(lacks):
    whole = dict.fromkeys(("equity", "benchmark", "invested", "held"), np.ones(3))
    whole[lacks] = np.ones(2)
    with pytest.raises(
        ValueError, match=f"{lacks} has 2 values, must have one for each of the 3 bars"
    ):
        Performance(opened=curve([1, 1, 1]).index.asi8, initial=1.0, trades=trades(), **whole)


def test_no_bars_are_refused():
    with pytest.raises(ValueError, match="a performance has no bars, must have one at least"):
        account(curve([]))


def _run_by_loop(claims):
    longest = now = 0
    for claim in claims:
        now = now + 1 if claim else 0
        longest = max(longest, now)
    return longest


@steady
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=30))
def test_the_longest_run_of_wins_is_the_one_a_loop_finds(profits):
    pnl = [float(profit) for profit in profits]
    found = figures(curve([1.0] * 40), 1.0, pnl, [profit / 10 for profit in pnl])
    assert found["max_wins"] == _run_by_loop(profit > 0 for profit in pnl)
    assert found["max_losses"] == _run_by_loop(profit < 0 for profit in pnl)
