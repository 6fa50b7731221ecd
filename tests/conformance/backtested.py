"""Backtests that other packages play, in their own interpreter: tasks, runs, what came of them."""

import gzip
import importlib.util
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bwsresearch.backtesting.statistics import Performance, Trades

__all__ = ["NAMES", "PEERS", "Run", "play", "read", "task_of"]

CLIENTS = Path(__file__).parent / "clients"
PEERS = ("backtesting_py", "vectorbt")
NAMES = ("year", "15m", "1h")
CASH, FEE = 1_000_000.0, 0.001
UNIT = 2.0**-46
"""Scales prices exactly, and leaves sizes below 2**53: as good as continuous."""
PATIENCE_S = 600


@dataclass(frozen=True, eq=False)
class Run:
    """What one package made of one task."""

    task: dict
    arrays: dict
    rows: dict

    def performance(self, **more):
        """Return what our statistics need, of this package's own equity and trades."""
        task, arrays = self.task, self.arrays
        held = arrays.get("held", np.zeros(len(task["opened"])))
        trades = Trades(
            entry_bar=arrays["entry_bar"],
            exit_bar=arrays["exit_bar"],
            pnl=arrays["pnl"],
            returns=arrays["return"],
            fees=arrays["fees"],
            is_open=arrays["is_open"],
        )
        return Performance(
            opened=task["opened"],
            equity=arrays["equity"],
            initial=float(task["cash"]),
            benchmark=float(task["cash"]) / float(task["open"][0]) * task["close"],
            invested=held * task["close"],
            held=held > 0,
            trades=trades,
            fees=float(trades.fees.sum()),
            warmup=int(np.isnan(task["exposure"]).sum()),
            **more,
        )


def crossings(close, fast, slow):
    """Return exposures: all in from a strict cross upward to the one downward, in exact ticks."""
    ticks = np.append(0, np.cumsum(np.rint(close * 100).astype(np.int64)))
    sums = [ticks[slow:] - ticks[slow - n : len(ticks) - n] for n in (fast, slow)]
    side = np.sign(sums[0] * slow - sums[1] * fast)
    turns = np.full(len(close), np.nan)
    turns[slow - 1] = 0.0  # the first bar on which both means are known
    turns[slow:][(side[:-1] < 0) & (side[1:] > 0)] = 1.0
    turns[slow:][(side[:-1] > 0) & (side[1:] < 0)] = 0.0
    return pd.Series(turns).ffill().to_numpy()


def task_of(klines, bar, fast, slow):
    """Return a task of `clients/backtests.py` as arrays."""
    columns = {name: klines[name].to_numpy(np.float64) for name in
               ("open", "high", "low", "close", "volume")}  # fmt: skip
    opened = pd.DatetimeIndex(klines.index).as_unit("us").asi8
    exposure = crossings(columns["close"], fast, slow)
    return columns | {
        "opened": opened, "exposure": exposure, "cash": CASH, "fee": FEE, "unit": UNIT, "bar": bar,
    }  # fmt: skip


def recorded(interval):
    """Return the real BTCUSDT bars of an interval, None without `BWS_REAL_DATA`."""
    root = os.environ.get("BWS_REAL_DATA")
    if root is None:
        return None
    path = Path(root) / "klines/api/BTCUSDT" / f"{interval}.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line)[:6] for line in lines]
    index = pd.DatetimeIndex(np.array([row[0] for row in rows], "M8[ms]").astype("M8[us]"))
    names = ("open", "high", "low", "close", "volume")
    return pd.DataFrame({n: [float(row[i]) for row in rows] for i, n in enumerate(names, 1)}, index)


def year():
    """Return the year of minutes that the benchmarks have."""
    path = Path(__file__).parents[1] / "benchmarks" / "backtest.py"
    spec = importlib.util.spec_from_file_location("bench_backtest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.klines()


def tasks():
    """Return all tasks by name; those on real bars only where there are some."""
    found = {"year": task_of(year(), "1min", 435, 920)}
    for interval, bar in (("15m", "15min"), ("1h", "1h")):
        bars = recorded(interval)
        if bars is not None:
            found[interval] = task_of(bars, bar, 100, 250)
    return found


def play(folder, python):
    """Let every package play every task, into files in `folder`."""
    names = []
    for name, task in tasks().items():
        np.savez(folder / f"{name}.npz", **task)
        names.append(f"{name}.npz")
    both = [start(python, peer, names, folder) for peer in PEERS]
    for one in both:
        finish(one)
    for name in names:
        of = read(folder, name.removesuffix(".npz"), "vectorbt").performance()
        returns, market = of.returns, of.benchmark_returns
        np.savez(
            folder / f"days-{name}", began=returns.began, returns=returns.parts, market=market.parts
        )
    finish(start(python, "quantstats", [f"days-{name}" for name in names], folder))


def start(python, peer, names, folder):
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.Popen(
        [python, str(CLIENTS / f"run_{peer}.py"), *names],
        cwd=folder,
        env=clean | {"PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, complaints = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, complaints[-3000:]


def read(folder, name, peer):
    """Return what a package made of a task, None when there was no such task."""
    if not (folder / f"{name}.npz").exists():
        return None
    arrays = [dict(np.load(folder / file)) for file in (f"{name}.npz", f"{name}.{peer}.npz")]
    rows = json.loads((folder / f"{name}.{peer}.json").read_text())["rows"]
    return Run(*arrays, rows)
