"""How long a strategy takes through the exchange: a year of minutes on paper, and over a socket.

    python tests/benchmarks/replay.py [--bars 525600] [--repeat 3] [--paper] [--profile]

SMA 20/50, all in or out, on the klines of `backtest.py`. The server is `bwsresearch serve --market cache
--control` in another process, with signed orders and a journal; its clock is moved through the control
port. Prints wall clock and CPU of both processes, and whether the runs are those of the backtest.
"""

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from backtest import YEAR, klines, sma_cross

import bwsresearch as bws
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

KEY, SECRET = "b" * 64, "benchmark"
BALANCES = {"USDT": 1_000_000}
ACCOUNTS = f"""
[[account]]
name = "bench"
balances = {{ USDT = "1000000" }}
[[account.key]]
api_key = "{KEY}"
secret = "{SECRET}"
"""
CONFIG = """
[model]
slippage_bps = 0
participation = inf
"""


def into_cache(frame: pd.DataFrame, root: Path) -> None:
    """Write klines as production's into a cache."""
    opened = frame.index.as_unit("us").asi8
    step = opened[1] - opened[0]
    volume = frame["volume"].to_numpy()
    paid = np.round(volume * frame["close"].to_numpy(), 8)
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    columns |= {
        "open_time": opened, "close_time": opened + step - 1, "quote_volume": paid,
        "trades": np.full(len(frame), 9), "taker_buy_volume": volume / 2,
        "taker_buy_quote_volume": paid / 2,
    }  # fmt: skip
    told = {name: np.asarray(columns[name], dtype) for name, dtype in KLINES.dtypes.items()}
    covered = ((int(opened[0]) // 1000, int(opened[-1] + step) // 1000),)
    Cache(root, "production").write(
        KLINES, frame.attrs["symbol"], frame.attrs["interval"], told, covered, source="test"
    )


class Served:
    """A server of cached klines in another process."""

    def __init__(self, folder: Path, root: Path, start: str) -> None:
        (folder / "accounts.toml").write_text(ACCOUNTS)
        (folder / "config.toml").write_text(CONFIG)
        options = {
            "--port": 0, "--market": "cache", "--cache": root, "--clock": start, "--control": 0,
            "--accounts": folder / "accounts.toml", "--config": folder / "config.toml",
            "--journal": folder / "journal",
        }  # fmt: skip
        words = [str(word) for pair in options.items() for word in pair]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bwsresearch", "serve", *words],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = [self.process.stdout.readline().split()[-1] for _ in range(2)]
        self.client = bws.connect(lines[0], api_key=KEY, api_secret=SECRET)
        self.control = lines[1]

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.terminate()
        self.process.wait()


def cpu_of(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Return the CPU seconds of a running process, its own and the system's for it."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / 100, int(fields[12]) / 100


def over_socket(frame: pd.DataFrame, root: Path, *, profile: bool) -> bool:
    """Print how long a replay takes; return whether it is the backtest."""
    with tempfile.TemporaryDirectory() as name:
        server = Served(Path(name), root, frame.index[0].isoformat())
        try:
            rules = bws.Rules.binance("BTCUSDT", client=server.client)
            profiler = cProfile.Profile()
            before, mine = cpu_of(server.process), os.times()
            wall = time.perf_counter()
            if profile:
                profiler.enable()
            result = bws.replay(
                frame, sma_cross, client=server.client, control=server.control, rules=rules
            )
            profiler.disable()
            wall, after, done = time.perf_counter() - wall, cpu_of(server.process), os.times()
        finally:
            server.close()
        orders = len(result.record.orders)
        print(
            f"over a socket  {wall:6.2f} s, {orders:,} orders, {wall / orders * 1e3:.3f} ms each; "
            f"CPU {done.user - mine.user:.2f} + {done.system - mine.system:.2f} s here, "
            f"{after[0] - before[0]:.2f} + {after[1] - before[1]:.2f} s on the server"
        )
        if profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    expected = bws.backtest(frame, sma_cross, balances=BALANCES, rules=rules, lookahead=False)
    return result.record == expected.record


def on_paper(frame: pd.DataFrame) -> bool:
    """Likewise on a paper account in this process."""
    rules = bws.Rules(step="0.00001", tick="0.01", min_notional="5")
    with tempfile.TemporaryDirectory() as name:
        account = bws.paper(BALANCES, rules=rules, journal=Path(name) / "journal")
        wall, cpu = time.perf_counter(), time.process_time()
        result = account.run(frame, sma_cross)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        account.close()
    orders = len(result.record.orders)
    print(f"on paper       {wall:6.2f} s, {wall / orders * 1e3:.3f} ms an order; CPU {cpu:.2f} s")
    expected = bws.backtest(frame, sma_cross, balances=BALANCES, rules=rules, lookahead=False)
    return result.record == expected.record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=YEAR)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    frame = klines(asked.bars)
    frame["volume"] = (frame["volume"] + 1e-5).round(5)  # its step is that of BTCUSDT
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        into_cache(frame, root)
        for _ in range(asked.repeat):
            same = over_socket(frame, root, profile=asked.profile)
            print(f"equal to the backtest: {same}")
    if asked.paper:
        print(f"equal to the backtest: {on_paper(frame)}")


if __name__ == "__main__":
    main()
