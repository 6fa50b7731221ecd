"""How long a sweep of 1,000 pairs of averages over a year of minutes takes, and how much memory.

    python tests/benchmarks/sweep.py [--bars 525600] [--repeat 3] [--peer-pairs 30]

SMA 5 to 100 by 110 to 600, all in or out, 0.1 % of quote, filled at the next open, on the year of minutes
of `backtest.py`: in threads (with the peak memory of the whole process), through Dask in two processes
that read the klines from a cache, and one vectorised run by itself, the strategy's call apart. Beside
vectorbt where BWS_CONFORMANCE_PYTHON names a Python that has it: a part of the pairs, ten columns at a
time, scaled to all of them. Prints medians of wall clock, and CPU of this process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import bwsresearch as bws
from bwsresearch import ta
from bwsresearch.backtesting import kernel
from bwsresearch.backtesting.sweeping import sweep
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

sys.path.insert(0, str(Path(__file__).parent))
from backtest import YEAR, klines, sma_cross

GRID = {"fast": range(5, 105, 5), "slow": range(110, 610, 10)}
RULES = bws.Rules(fee="0.001", fee_asset="quote")
CASH = 1_000_000
PEER = Path(__file__).parent / "peer_clients" / "sweep.py"


def crossing(k, fast, slow):
    """Hold everything while the fast mean of closes is above the slow one."""
    return ta.sma(k["close"], fast) > ta.sma(k["close"], slow)


def timed(what, call, repeat):
    """Print how long a call takes, and return the median and what it returned last."""
    walls, cpus, result = [], [], None
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(
        f"{what:<44} median {statistics.median(walls):8.3f} s   least {min(walls):8.3f}"
        f"   CPU median {statistics.median(cpus):8.3f}"
    )
    return statistics.median(walls), result


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def swept(frame, executor=None, **options):
    return sweep(frame, crossing, GRID, rules=RULES, executor=executor, progress=False, **options)


def threads(bars, repeat):
    """In a process of its own, so that its memory is that of the sweep."""
    frame = klines(bars)
    print(f"{'memory before the sweep':<44} {peak_mb():8.0f} MB")
    _, found = timed("1,000 pairs in threads", lambda: swept(frame), repeat)
    print(f"{'peak memory of the process':<44} {peak_mb():8.0f} MB")
    print(f"checksum: {found.table['final_equity'].sum():.6f}")


def cached(frame, root):
    """The same klines in a cache, and as it gives them."""
    opened = frame.index.asi8
    volume = frame["volume"].to_numpy()
    columns = {name: frame[name].to_numpy().copy() for name in ("open", "high", "low", "close")}
    columns |= {
        "open_time": opened.copy(),
        "close_time": opened + 59_999_000,
        "volume": volume.copy(),
    }
    columns |= {"trades": np.ones(len(frame), np.int64), "quote_volume": volume * columns["close"]}
    columns |= dict.fromkeys(("taker_buy_volume", "taker_buy_quote_volume"), volume / 2)
    columns = {name: columns[name] for name in KLINES.dtypes}
    span = int(opened[0]) // 1000, int(opened[-1]) // 1000 + 60_000
    Cache(root, "production").write(KLINES, "BTCUSDT", "1m", columns, (span,), source="network")
    return bws.klines("BTCUSDT", "1m", start=span[0], end=span[1], progress=False)


def dask(bars, repeat):
    """Threads and two processes of Dask on the same klines."""
    from distributed import Client, LocalCluster

    with tempfile.TemporaryDirectory() as root:
        os.environ["BWS_CACHE_DIR"] = root
        frame = cached(klines(bars), root)
        here, one = timed("threads, cached klines", lambda: swept(frame, lookahead=False), repeat)
        options = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
            timed("Dask, 2 processes, the first time", lambda: swept(frame, client), 1)
            there, other = timed(
                "Dask, 2 processes", lambda: swept(frame, client, lookahead=False), repeat
            )
        assert one.table.equals(other.table)
    print(f"{'Dask by threads':<44} {there / here:15.2f}")


def single(bars, repeat):
    """One run with its equity and its figures."""
    frame = klines(bars)
    wanted = sma_cross(frame)

    def run():
        result = kernel.run(frame, wanted, balances={"USDT": CASH}, rules=RULES)
        return len(result.equity), result.headlines

    _, found = timed("one run, its equity and its figures", run, max(9, repeat))
    print(f"{found[1]['trades']:,.0f} round trips, final equity {found[1]['final_equity']:.8f}")


def vectorbt(bars, count):
    """Some of the pairs, and the same ones by us."""
    python = os.environ.get("BWS_CONFORMANCE_PYTHON")
    if (
        not python
        or subprocess.run(
            [python, "-c", "import vectorbt"], check=False, capture_output=True
        ).returncode
    ):
        print("vectorbt: not there; BWS_CONFORMANCE_PYTHON names a Python that has it")
        return
    frame = klines(bars)
    table = swept(frame).table
    every = max(1, len(table) // (count + 10))
    some = table.iloc[::every].head(count + 10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        pairs = some[["fast", "slow"]].to_numpy(np.int64)
        prices = {name: frame[name].to_numpy() for name in ("open", "close")}
        np.savez(path, opened=frame.index.asi8, fee=0.001, cash=CASH, pairs=pairs, **prices)
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [python, str(PEER), str(path)], capture_output=True, text=True, check=True, env=clean
        )
    told = json.loads(done.stdout.splitlines()[-1])
    scaled = told["seconds"] / told["pairs"] * len(table)
    print(
        f"{'vectorbt, ' + str(told['pairs']) + ' pairs':<44} {told['seconds']:15.3f} s   "
        f"scaled to {len(table):,}: {scaled:.0f} s   peak {told['rss_mb']:.0f} MB"
    )
    away = np.abs(np.array(told["finals"]) / some["final_equity"].to_numpy() - 1).max()
    print(f"final equities differ by {away:.1e} at most")


PARTS = {"threads": threads, "dask": dask, "single": single}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=YEAR)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-pairs", type=int, default=30)
    parser.add_argument("--part", choices=PARTS, help="this alone, in this process")
    given = parser.parse_args()
    if given.part:
        PARTS[given.part](given.bars, given.repeat)
        return
    for part in PARTS:
        sizes = ["--bars", str(given.bars), "--repeat", str(given.repeat)]
        subprocess.run([sys.executable, __file__, "--part", part, *sizes], check=True)
    vectorbt(given.bars, given.peer_pairs)


if __name__ == "__main__":
    main()
