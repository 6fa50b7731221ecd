"""Other packages' statistics, by our formulas, of their own equity and trades, to 1e-9 of each value."""

import math

import numpy as np
import pandas as pd
import pytest

from bwsresearch.backtesting.statistics import deflated_sharpe, frames, stats
from bwsresearch.backtesting.statistics import ratios as of
from bwsresearch.backtesting.statistics.peers import quantstats

from .backtested import NAMES
from .clients.backtests import plain

REL = 1e-9


def told(rows):
    """Our rows as a package hands its own over."""
    return {name: plain(value) for name, value in rows.items()}


def differences(ours, theirs):
    """The rows that are not the same, with both values."""
    return {
        name: (ours.get(name, "missing"), value)
        for name, value in theirs.items()
        if not is_same(ours.get(name, "missing"), value)
    }


def is_same(one, two):
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return all(is_same(one[key], two[key]) for key in one)
    if isinstance(one, int | float) and isinstance(two, int | float):
        return one == two or math.isclose(one, two, rel_tol=REL)
    return one == two


@pytest.mark.parametrize("name", NAMES)
def test_all_that_backtesting_py_reports_is_ours_too(played, name):
    run = played(name, "backtesting_py")
    ours = told(stats(run.performance(), "backtesting.py"))
    assert len(run.arrays["pnl"]) > 100
    assert list(ours) == list(run.rows)
    assert differences(ours, run.rows) == {}


@pytest.mark.parametrize("name", NAMES)
def test_all_that_vectorbt_reports_is_ours_too(played, name):
    run = played(name, "vectorbt")
    ours = told(stats(run.performance(), "vectorbt"))
    assert len(run.rows) >= 44
    assert list(ours)[:28] == list(run.rows)[:28]
    assert differences(ours, run.rows) == {}


@pytest.mark.parametrize("name", NAMES)
def test_quantstats_agrees_on_the_same_daily_returns(played, name):
    run = played(f"days-{name}", "quantstats")
    task = run.task
    ours = told(quantstats.of_returns(task["began"], task["returns"], task["market"]))
    exact = {name: value for name, value in run.rows.items() if not name.startswith("report: ")}
    assert len(exact) > 60
    assert differences(ours, exact) == {}
    report = {n.removeprefix("report: "): v for n, v in run.rows.items() if n not in exact}
    rounded = {n: round(v, 2) if isinstance(v, float) else v for n, v in ours.items()}
    assert set(report) == set(ours)
    assert {n: (rounded[n], v) for n, v in report.items() if rounded[n] != v} == {}


@pytest.mark.parametrize("name", NAMES)
def test_quantstats_takes_our_daily_returns_as_they_are(played, name):
    run = played(name, "vectorbt")
    own = frames.returns_series(run.performance().returns)
    assert str(own.index.dtype) == "datetime64[us, UTC]"
    assert played(f"days-{name}", "quantstats").arrays["is_same"]
    ours = stats(run.performance())
    exact = played(f"days-{name}", "quantstats").rows
    same = {
        "sharpe": "Sharpe", "sortino": "Sortino", "volatility": "Volatility (ann.)", "omega": "Omega",
        "probabilistic_sharpe": "Prob. Sharpe Ratio", "skew": "Skew", "kurtosis": "Kurtosis",
        "tail_ratio": "Tail Ratio", "best_day": "Best Day", "worst_day": "Worst Day", "beta": "Beta",
        "alpha": "Alpha", "correlation": "Correlation",
    }  # fmt: skip
    assert {n: (ours[n], exact[o]) for n, o in same.items() if not is_same(ours[n], exact[o])} == {}


@pytest.mark.parametrize("name", NAMES)
def test_rolling_figures_are_those_of_both_packages(played, name):
    run, days = played(name, "vectorbt"), played(f"days-{name}", "quantstats")
    ours = frames.rolling_frame(run.performance(), "30D")
    for column in ("volatility", "sharpe", "sortino", "beta"):
        same(ours[column], days.arrays[column])
    np.testing.assert_array_equal(run.arrays["daily"], days.task["returns"])
    for column in ("sharpe", "sortino"):
        same(ours[column], run.arrays[f"rolling_{column}_ratio"])
    same(ours["max_drawdown"][30:], run.arrays["rolling_max_drawdown"][30:])


def same(ours, theirs):
    """Theirs drifts, to 1e-9 of a value or of 1, and is anything where there is nothing to divide by."""
    varies = (ours.notna() & (ours != 0)).to_numpy()
    assert varies.sum() > 300
    np.testing.assert_allclose(ours[varies], theirs[varies], rtol=REL, atol=REL)


@pytest.mark.parametrize("name", NAMES)
def test_months_are_those_of_quantstats(played, name):
    months = played(f"days-{name}", "quantstats").arrays["months"]
    ours = frames.monthly_frame(played(name, "vectorbt").performance())
    np.testing.assert_allclose(ours.fillna(0.0), months, rtol=REL, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_deflated_sharpe_ratios_are_those_of_vectorbt(played, name):
    run = played(name, "vectorbt")
    daily = run.arrays["daily"]
    trials = [daily, daily / 2 + 1e-4, daily - 1e-3]
    sharpes = np.array([of.sharpe(trial) for trial in trials])
    ours = [
        deflated_sharpe(
            one,
            trials_sharpe=sharpes,
            returns_count=len(trial),
            skew=biased(trial, 3),
            kurtosis=biased(trial, 4),
        )
        for one, trial in zip(sharpes, trials, strict=True)
    ]
    assert ours == pytest.approx(run.arrays["deflated"].tolist(), rel=REL)


def biased(returns, power):
    apart = returns - returns.mean()
    return (apart**power).mean() / (apart**2).mean() ** (power / 2)


@pytest.mark.parametrize("name", NAMES)
def test_both_packages_make_the_same_trades_of_a_task(played, name):
    one, two = (played(name, peer) for peer in ("backtesting_py", "vectorbt"))
    closed = ~two.arrays["is_open"]
    frame = [
        pd.DataFrame({n: r.arrays[n][k] for n in ("entry_bar", "exit_bar", "qty", "fees", "pnl")})
        for r, k in ((one, slice(None)), (two, closed))
    ]
    pd.testing.assert_frame_equal(*frame, rtol=REL, atol=0)
    first = one.performance().warmup + 1
    np.testing.assert_allclose(one.arrays["equity"][first:], two.arrays["equity"][first:], rtol=REL)
