import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch import tables
from bwsresearch.backtesting import Rules, kernel
from bwsresearch.backtesting.sweeping import sweep

from .lab import market, walk
from .sweeps import GRID, KLINES, crossing, idle, rolling


def test_every_point_is_a_run_of_the_kernel():
    rules = Rules(fee="0.002", fee_asset="quote", slippage_bps=3)
    found = sweep(KLINES, crossing, GRID, where="fast < slow", balances={"USDT": 500}, rules=rules)
    assert len(found) == 23
    for place, row in found.table.iterrows():
        params = {"fast": int(row["fast"]), "slow": int(row["slow"])}
        one = kernel.run(KLINES, crossing, balances={"USDT": 500}, rules=rules, params=params)
        assert row[list(kernel.HEADLINES)].to_dict() == pytest.approx(
            one.headlines, rel=1e-15, nan_ok=True
        )
        np.testing.assert_array_equal(found.returns[place], one.returns)


def test_columns_are_parameters_and_figures_with_their_conventions():
    table = sweep(KLINES, crossing, {"fast": [3, 5]}).table
    assert list(table.columns) == ["fast", *kernel.HEADLINES]
    assert table["fast"].tolist() == [3, 5]
    assert "365 days a year" in table.attrs["conventions"]


def test_pandas_and_our_indicators_choose_the_same():
    quick, slow = (sweep(KLINES, one, GRID).table for one in (crossing, rolling))
    pd.testing.assert_frame_equal(quick, slow)


@pytest.mark.parametrize("executor", [None, "threads", 1, 3])
def test_the_number_of_threads_changes_nothing(executor):
    expected = sweep(KLINES, crossing, GRID, executor=1)
    found = sweep(KLINES, crossing, GRID, executor=executor)
    pd.testing.assert_frame_equal(found.table, expected.table)


def test_a_pool_of_threads_is_used_and_left_open():
    names = set()

    def strategy(k, fast=3):
        names.add(threading.current_thread().name)
        return crossing(k, fast)

    with ThreadPoolExecutor(2, "mine") as pool:
        sweep(KLINES, strategy, {"fast": range(2, 9)}, executor=pool, lookahead=False)
        assert pool.submit(int, 3).result() == 3
    assert {name.split("_")[0] for name in names} == {"mine"}


def test_a_sweep_computes_each_window_once(monkeypatch):
    from bwsresearch.ta import indicators

    made = []
    monkeypatch.setattr(
        indicators,
        "means",
        lambda sums, window: made.append(window) or np.zeros(len(sums.sums) - 1),
    )
    sweep(KLINES, crossing, GRID, executor=1, lookahead=False)
    assert sorted(made) == sorted({*GRID["fast"], *GRID["slow"]})


def test_strategies_cannot_change_what_others_see():
    before = KLINES.copy()

    def spoils(k, fast=3):
        answer = crossing(k, fast)
        k["close"] = 1.0
        k["extra"] = 2.0
        return answer

    found = sweep(KLINES, spoils, {"fast": [3, 4, 5]}, executor=1)
    expected = sweep(KLINES, crossing, {"fast": [3, 4, 5]})
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(KLINES, before)


def test_each_symbol_is_swept_by_itself():
    frames = {"BTCUSDT": walk(400, 1), "ETHUSDT": walk(300, 2)}
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h")
    found = sweep(frames, crossing, {"fast": [3, 5]}, balances={"USDT": 100})
    assert found.table["symbol"].tolist() == ["BTCUSDT"] * 2 + ["ETHUSDT"] * 2
    for name, frame in frames.items():
        alone = sweep(frame, crossing, {"fast": [3, 5]}, balances={"USDT": 100}).table
        part = found.table[found.table["symbol"] == name].drop(columns="symbol")
        pd.testing.assert_frame_equal(part.reset_index(drop=True), alone)
    assert found.title == "sweep of crossing(fast) on BTCUSDT, ETHUSDT 1h"


def test_a_wide_frame_is_its_symbols():
    frames = {"BTCUSDT": walk(400, 1), "ETHUSDT": walk(400, 2).iloc[50:]}
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h")
        frame["trades"] = 5

    def strategy(k, fast=3):
        assert k["trades"].dtype == np.int64
        assert k.attrs["symbol"] in frames
        return crossing(k, fast)

    wide = sweep(tables.wide(frames), strategy, {"fast": [3, 5]}).table
    pd.testing.assert_frame_equal(wide, sweep(frames, strategy, {"fast": [3, 5]}).table)


@pytest.mark.parametrize("strategy", [crossing, lambda k, fast: crossing(k, fast).to_numpy()])
def test_true_and_false_stay_what_they_are(strategy):
    size = {"size": lambda result: result.targets.itemsize}
    assert sweep(KLINES, strategy, {"fast": [3]}, metrics=size).table["size"].tolist() == [1.0]
    assert sweep(KLINES, rolling, {"fast": [3]}, metrics=size).table["size"].tolist() == [8.0]


def test_metrics_are_further_columns():
    found = sweep(
        KLINES, crossing, {"fast": [3, 5]}, balances={"USDT": 100},
        metrics={"last": lambda r: r.equity.iloc[-1], "fills": lambda r: len(r.fills)},
    ).table  # fmt: skip
    assert list(found.columns[-2:]) == ["last", "fills"]
    assert found["last"].tolist() == pytest.approx(found["final_equity"].tolist(), rel=1e-12)
    assert (found["fills"] >= 2 * found["trades"]).all()


def test_a_million_is_there_when_nothing_is_said():
    found = sweep(KLINES, idle, {"x": [1]}).table
    assert found["final_equity"].tolist() == [1_000_000.0]


def test_an_error_tells_at_which_point_it_came_up():
    def strategy(k, fast=3):
        if fast == 5:
            raise KeyError("no such column")
        return crossing(k, fast)

    with pytest.raises(KeyError) as caught:
        sweep(KLINES, strategy, {"fast": [3, 5, 7]})
    assert caught.value.__notes__ == ["at fast=5"]


def test_a_bad_answer_is_refused_as_in_a_backtest():
    with pytest.raises(ValueError, match=r"the strategy returned shape \(3,\), must be \(600,\)"):
        sweep(KLINES, lambda _, x: np.ones(x, bool), {"x": [3]}, lookahead=False)
    with pytest.raises(ValueError, match=r"the strategy's Series has 5 rows of another index"):
        sweep(KLINES, lambda k, x: crossing(k, x).iloc[:5], {"x": [3]}, lookahead=False)
    with pytest.raises(ValueError, match=r"exposure is 1\.5"):
        sweep(KLINES, lambda k, x: np.full(len(k), x), {"x": [1.0, 1.5]})


def test_a_strategy_that_knows_the_future_is_refused():
    def leaks(k, fast=3):
        return crossing(k, fast).shift(-1, fill_value=False)

    with pytest.raises(bws.LookAhead):
        sweep(KLINES, leaks, {"fast": [3]})
    assert len(sweep(KLINES, leaks, {"fast": [3]}, lookahead=False)) == 1


def test_what_cannot_be_swept_is_refused():
    with pytest.raises(TypeError, match="a sweep takes a function of klines and parameters"):
        sweep(KLINES, KLINES["close"], {"fast": [3]})
    with pytest.raises(TypeError, match="klines is a list, must be a DataFrame"):
        sweep([1], crossing, {"fast": [3]})
    with pytest.raises(ValueError, match="klines is empty, give one frame at least"):
        sweep({}, crossing, {"fast": [3]})
    with pytest.raises(ValueError, match="executor is 0, must be 1 thread or more"):
        sweep(KLINES, crossing, {"fast": [3]}, executor=0)
    with pytest.raises(TypeError, match="executor is 'processes', must be 'threads', a number"):
        sweep(KLINES, crossing, {"fast": [3]}, executor="processes")
    with pytest.raises(ValueError, match="balances name EUR"):
        sweep(KLINES, crossing, {"fast": [3]}, balances={"EUR": 1})


def test_base_at_the_start_counts():
    found = sweep(
        market([10.0, 10, 10]),
        lambda k, x: np.full(len(k), x),
        {"x": [np.nan]},
        balances={"BTC": 2},
    ).table
    assert found[["final_equity", "exposure"]].iloc[0].tolist() == [20.0, 1.0]


def test_sweeps_and_walks_are_public():
    assert (bws.sweep, bws.Sweep) == (sweep, type(sweep(KLINES, idle, {"x": [1]})))
    assert callable(bws.walk_forward)
    assert {"sweep", "walk_forward", "WalkForward", "ta"} <= set(dir(bws))
