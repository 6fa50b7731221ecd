import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import bwsresearch as bws
from bwsresearch.backtesting.sweeping import crews, sources, sweep
from bwsresearch.errors import CacheError

from .sweeps import KLINES, crossing

GRID = {"fast": [3, 5, 8], "slow": [10, 20, 30, 40]}


def strategy_by_value():
    """A strategy that other processes need not import from these tests."""
    from bwsresearch import ta

    return lambda k, fast, slow: ta.sma(k["close"], fast) > ta.sma(k["close"], slow)


@pytest.fixture
def cached():
    """Klines that are in the cache."""
    with bws.connect("local") as client:
        return bws.klines(
            "BTCUSDT", "1h", start="2024-01-01", end="2024-01-11", client=client, progress=False
        )


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def dask():
    options = {"dashboard_address": ":0", "threads_per_worker": 1}
    with LocalCluster(n_workers=2, processes=True, **options) as cluster, Client(cluster) as client:
        yield client


@pytest.mark.parametrize("crew", ["processes", "dask"])
def test_other_processes_find_the_same_as_threads(crew, cached, request):
    executor = request.getfixturevalue(crew)
    metrics = {"pid": lambda _: os.getpid()}
    found = sweep(cached, strategy_by_value(), GRID, executor=executor, metrics=metrics)
    here = sweep(cached, strategy_by_value(), GRID)
    pd.testing.assert_frame_equal(found.table.drop(columns="pid"), here.table)
    assert found.returns[5].tolist() == here.returns[5].tolist()
    assert os.getpid() not in found.table["pid"].astype(int).tolist()


def test_several_symbols_go_to_other_processes(dask):
    with bws.connect("local") as client:
        wide = bws.klines(
            ["BTCUSDT", "ETHUSDT"], "1h", start="2024-01-01", end="2024-01-11", client=client,
            progress=False,
        )  # fmt: skip
    found = sweep(wide, strategy_by_value(), GRID, executor=dask)
    pd.testing.assert_frame_equal(found.table, sweep(wide, strategy_by_value(), GRID).table)


def test_a_part_of_cached_klines_is_read_again(cached):
    part = cached.iloc[50:150]
    found = sources.load(sources.source_of(part))
    pd.testing.assert_frame_equal(found, part, check_freq=False)
    assert found.attrs == part.attrs


def test_klines_that_are_not_in_the_cache_stay_here(processes):
    with pytest.raises(ValueError, match="klines do not come from the cache, so that other proces"):
        sweep(KLINES, strategy_by_value(), GRID, executor=processes)


@pytest.mark.parametrize(
    "change",
    [
        lambda k: k.assign(close=k["close"] + 0.01),
        lambda k: k.drop(k.index[7]),
        lambda k: k.assign(mean=k["close"]),
        lambda k: k[k.columns[::-1]],
    ],
)
def test_klines_that_were_changed_are_refused_by_other_processes(cached, change):
    changed = change(cached)
    changed.attrs = cached.attrs
    with pytest.raises(
        CacheError, match=r"which are not the 2[34]\d of the sweep: pull them again"
    ):
        sources.load(sources.source_of(changed))


def test_a_cache_that_is_gone_is_told_in_one_line(cached, processes, cache_dir, tmp_path):
    cache_dir.rename(tmp_path / "elsewhere")
    with pytest.raises(CacheError) as caught:
        sweep(cached, strategy_by_value(), GRID, executor=processes)
    assert "has 0 klines of BTCUSDT 1h, which are not the 240 of the sweep" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("crew", ["processes", "dask"])
def test_an_error_elsewhere_tells_at_which_point_it_came_up(crew, cached, request):
    def strategy(k, fast):
        if fast == 30:
            raise ArithmeticError("too much")
        return k["close"] > k["close"].shift(fast)

    executor = request.getfixturevalue(crew)
    with pytest.raises(ArithmeticError, match="too much") as caught:
        sweep(cached, strategy, {"fast": [3, 5, 30, 9, 2]}, executor=executor)
    assert "at fast=30" in caught.value.__notes__


def test_without_cloudpickle_a_lambda_is_refused_with_its_cure(cached, processes, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(TypeError) as caught:
        sweep(cached, strategy_by_value(), GRID, executor=processes)
    assert "cannot be sent to other processes" in str(caught.value)
    assert "define it with def at the top of a module" in str(caught.value)


def test_a_task_is_small(cached):
    job = crews.packed(_job(cached))
    task = crews.Task(sources.source_of(cached), job, [{"fast": 3, "slow": 9}] * 16)
    assert len(pickle.dumps(task)) < 5_000


def test_a_process_keeps_the_klines_between_batches(cached, cache_dir, tmp_path):
    task = crews.Task(
        sources.source_of(cached), crews.packed(_job(cached)), [{"fast": 3, "slow": 9}]
    )
    first, seconds = crews.run_elsewhere(task)
    assert 0 < seconds < 60
    cache_dir.rename(tmp_path / "elsewhere")
    again, _ = crews.run_elsewhere(task)
    assert first[0].figures == again[0].figures
    np.testing.assert_array_equal(first[0].returns, again[0].returns)


def _job(klines):
    from bwsresearch.backtesting import Rules
    from bwsresearch.backtesting.sweeping.running import job_of

    return job_of(klines, crossing, None, Rules(), {})
