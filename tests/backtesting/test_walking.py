from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting import Rules, kernel
from bwsresearch.backtesting.walking import Window, _windows, walk_forward
from bwsresearch.errors import LookAhead

from .lab import steady, walk
from .sweeps import crossing, rolling

KLINES = walk(24 * 40, 11)
GRID = {"fast": [3, 6], "slow": [10, 20]}


def walked(klines=KLINES, strategy=crossing, parameters=GRID, **options):
    return walk_forward(klines, strategy, parameters, **{"train": "10D", "test": "5D"} | options)


def test_windows_follow_each_other():
    index = KLINES.index
    expected = [Window(n * 120, n * 120 + 240, min(n * 120 + 360, 960)) for n in range(6)]
    assert _windows(index, "10D", "5D", anchored=False) == expected
    anchored = [Window(0, w.split, w.end) for w in expected]
    assert _windows(index, "10D", "5D", anchored=True) == anchored
    assert _windows(index, "36D", "30D", anchored=False) == [Window(0, 864, 960)]


@steady
@given(
    st.lists(st.integers(1, 400), min_size=2, max_size=60, unique=True),
    st.integers(1, 120),
    st.integers(20, 60),
    st.booleans(),
)
def test_every_bar_after_the_first_training_is_tested_once(hours, train, test, anchored):
    index = pd.DatetimeIndex(
        pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(sorted(hours), "h")
    )
    try:
        windows = _windows(index, f"{train}h", f"{test}h", anchored=anchored)
    except ValueError:
        return
    assert windows[-1].end == len(index)
    for one, following in pairwise(windows):
        assert one.begin < one.split < one.end == following.split
    for window in windows:
        assert window.split - window.begin > 1


def test_the_best_of_the_past_is_held_through_the_next_window():
    found = walked(rules=Rules(fee="0.0005"), balances={"USDT": 100}, metric="return")
    for place, window in enumerate(_windows(KLINES.index, "10D", "5D", anchored=False)):
        past = KLINES.iloc[window.begin : window.split]
        runs = [
            (kernel.run(past, crossing, balances={"USDT": 100}, rules=Rules(fee="0.0005"),
                        params={"fast": fast, "slow": slow}).headlines, fast, slow)
            for fast in (3, 6) for slow in (10, 20)
        ]  # fmt: skip
        best, fast, slow = max(runs, key=lambda run: run[0]["return"])
        row = found.table.iloc[place]
        assert (row["fast"], row["slow"]) == (fast, slow)
        assert row["train_return"] == best["return"]
        assert row["train_sharpe"] == best["sharpe"]
        assert row["train_start"] == past.index[0]
        assert row["test_start"] == KLINES.index[window.split]


def test_one_point_is_a_run_over_all_tests_with_warm_indicators():
    found = walked(parameters={"fast": [5], "slow": [30]}, balances={"USDT": 100})
    rest = KLINES.iloc[240:]
    wanted = crossing(KLINES, 5, 30).iloc[240:]
    expected = kernel.run(rest, wanted, balances={"USDT": 100})
    pd.testing.assert_series_equal(found.equity, expected.equity)
    assert found.final_equity == expected.final_equity


def test_the_account_is_carried_on_from_window_to_window():
    found = walked()
    table, equity = found.table, found.equity
    assert table["test_end"].tolist()[:-1] == table["test_start"].tolist()[1:]
    assert table["test_trades"].sum() <= found.result.headlines["trades"]
    growth = 1.0
    for row in table.itertuples():
        part = equity[(equity.index >= row.test_start) & (equity.index < row.test_end)]
        growth *= 1.0 + row.test_return
        assert growth == pytest.approx(part.iloc[-1] / 1_000_000, rel=2e-3)


def test_later_klines_change_nothing_that_came_before():
    whole = walked()
    part = walked(KLINES.iloc[:720])
    shared = ["train_start", "test_start", "fast", "slow", "train_sharpe", "test_return"]
    pd.testing.assert_frame_equal(part.table[shared], whole.table[shared].iloc[: len(part.table)])
    pd.testing.assert_series_equal(part.equity, whole.equity.iloc[:480], check_freq=False)


def test_what_holds_at_the_start_of_a_test_wants_what_was_wanted_before():
    def rare(k, bar):
        answer = np.full(len(k), np.nan)
        answer[bar] = 1.0
        return answer

    found = walk_forward(KLINES.iloc[:360], rare, {"bar": [100]}, train="10D", test="5D")
    assert found.result.targets.tolist() == [1.0] * 120
    assert len(found.result.fills) == 1


def test_a_point_without_a_number_is_the_worst_and_the_first_of_equals_is_chosen():
    def strategy(k, level):
        return np.full(len(k), float(level == 2)) if level else np.zeros(len(k))

    found = walked(strategy=strategy, parameters={"level": [0, 2]})
    assert found.table["level"].tolist() == [2] * 6
    idle = walked(strategy=strategy, parameters={"level": [1, 0]})
    assert idle.table["level"].tolist() == [1] * 6


def test_the_least_fees_are_the_best():
    found = walked(metric="fees")
    assert {"train_fees", "test_fees"} <= set(found.table.columns)
    assert found.table["slow"].tolist() == [20] * 6


@pytest.mark.parametrize("executor", [1, 3])
def test_threads_and_kinds_of_answers_change_nothing(executor):
    expected = walked()
    for strategy in (crossing, rolling):
        found = walked(strategy=strategy, executor=executor)
        pd.testing.assert_frame_equal(found.table, expected.table)


def test_a_walk_prints_as_a_card():
    text = repr(walked())
    assert text.startswith("walk forward of crossing(fast, slow) on BTCUSDT\n  windows")
    for line in ("6, by sharpe", "mean Sharpe when chosen", "windows with a gain"):
        assert line in text
    assert "<table" in walked()._repr_html_()


def test_what_cannot_be_walked_is_refused():
    with pytest.raises(ValueError, match=r"train is 40 days 00:00:00, but the klines run from"):
        walked(train="40D")
    with pytest.raises(ValueError, match="in which there are no two klines, give a longer one"):
        walked(train="1min", test="60D")
    for bad in ("soon", "-3D", "0D"):
        with pytest.raises(ValueError, match="must be a length of time such as '30D' or '12h'"):
            walked(test=bad)
    with pytest.raises(ValueError, match="metric is 'luck', must be one of final_equity"):
        walked(metric="luck")
    with pytest.raises(LookAhead):
        walked(
            strategy=lambda k, x: crossing(k, x).shift(-1, fill_value=False), parameters={"x": [3]}
        )
