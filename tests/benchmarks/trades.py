"""How long trades in bulk take, and how much memory: pulled, read from the cache, made into bars.

    python tests/benchmarks/trades.py [--rows 100000 1000000 10000000] [--steps STEP…]

The exchange is a process of its own: a recorded market of aggregate trades from a fixed seed, about
1.7 million a day, with the weight limit raised. Every step runs in a process of its own as well;
its peak is the most memory that the system says it had during the step (Linux), `before` what it
had when the step began: for bars that is the frame of the trades. Prints a table.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

START_MS = 1_704_067_200_000  # 2024-01-01
MOST = 10_000_000
SYMBOL = "BTCUSDT"


def columns(rows: int = MOST, seed: int = 1):
    """Trades that look like those of a liquid symbol, no two of which are one aggregate."""
    draw = np.random.default_rng(seed)
    # Most follow another at once; they come in bursts, as those of the exchange do.
    steps = np.where(draw.random(rows) < 0.6, 0, draw.exponential(127.0, rows)).astype(np.int64)
    walk = np.cumsum(draw.choice([-3, -1, 0, 0, 0, 1, 3], rows))
    price = 4_200_000 + walk
    # A price that differs from the one before tells neighbours apart where time and side do not.
    is_sell = np.cumsum(draw.random(rows) < 0.3) % 2 == 1
    same = (steps[1:] == 0) & (price[1:] == price[:-1]) & (is_sell[1:] == is_sell[:-1])
    steps[1:][same] = 1
    qty = np.maximum(1, np.round(np.exp(draw.normal(6.0, 2.2, rows)))).astype(np.int64)
    round_ones = draw.random(rows) < 0.3
    qty[round_ones] = draw.choice([10, 100, 1_000, 5_000, 10_000], int(round_ones.sum()))
    return {
        "time": (START_MS + np.cumsum(steps)) * 1000,
        "id": 3_000_000_000 + np.arange(rows, dtype=np.int64),
        "price": price / 100,
        "qty": qty / 100_000,
        "quote_qty": price * qty / 10_000_000,
        "is_buyer_maker": is_sell,
    }


def serve() -> None:
    """Be the exchange, until the standard input ends; say where it is and when the rows end."""
    from bwsresearch import server
    from bwsresearch.exchange.config import Config, Limits
    from bwsresearch.exchange.gateway import Gateway
    from bwsresearch.exchange.recorded import RecordedMarket, Recording
    from bwsresearch.local import live_clock

    trades = columns()
    ends = {rows: int(trades["time"][rows - 1]) // 1000 for rows in (10**5, 10**6, MOST)}
    market = RecordedMarket({SYMBOL: Recording({}, trades)})
    gateway = Gateway(market, Config(Limits(weight_per_minute=10**9)))
    assert len(market._symbols[SYMBOL].source.aggregates) == MOST

    async def main() -> None:
        async with server.serve(gateway, clock=live_clock) as running:
            print(json.dumps([running.url, ends]), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


def high_water_mb() -> float:
    """Return the most memory that this process had since the mark was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measured(call: Callable[[], pd.DataFrame]) -> None:
    """Print as JSON what a call took."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the mark
    base, cpu, began = high_water_mb(), time.process_time(), time.perf_counter()
    frame = call()
    took = {
        "rows": len(frame),
        "s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": high_water_mb(),
        "base_mb": base,
    }
    print(json.dumps(took))


def by_pandas(trades: pd.DataFrame) -> pd.DataFrame:
    """Minutes as pandas makes them, in the columns of klines."""
    bought = ~trades["is_buyer_maker"]
    turnover = trades["price"] * trades["qty"]
    table = pd.DataFrame(
        {
            "volume": trades["qty"],
            "quote_volume": turnover,
            "trades": trades["last_id"] - trades["first_id"] + 1,
            "taker_buy_volume": trades["qty"].where(bought, 0.0),
            "taker_buy_quote_volume": turnover.where(bought, 0.0),
        }
    )
    return trades["price"].resample("1min").ohlc().join(table.resample("1min").sum())


RULES = {
    "bars of 1m": {"every": "1m"},
    "bars of 1s": {"every": "1s"},
    "bars, ticks=1000": {"ticks": 1000},
    "bars, volume=50": {"volume": 50},
    "bars, quote=1e6": {"quote": 1e6},
    "bars, volume=0.05": {"volume": 0.05},
}


def step(name: str, url: str, end: int) -> None:
    """Do one step against the exchange, or on what is cached of it."""
    import bwsresearch as bws

    client = bws.connect(url)
    client.klines(SYMBOL, "1m", limit=1)
    span = {"start": START_MS, "end": end + 1, "progress": False}

    def frame(**options: object) -> pd.DataFrame:
        return bws.agg_trades(SYMBOL, **span, **options)

    def into_the_cache() -> range:
        return range(int(bws.pull(SYMBOL, "agg_trades", **span)["fetched"].iloc[0]))

    if name in RULES or name == "pandas, 1min":
        trades = frame()
        rule = RULES.get(name)
        measured(lambda: bws.bars(trades, **rule) if rule else by_pandas(trades))
    else:
        steps = {
            "agg_trades": frame,
            "agg_trades, cache=False": lambda: frame(cache=False),
            "bws.pull": into_the_cache,
            "from the cache": frame,
            "price and qty": lambda: frame(columns=["price", "qty"]),
        }
        measured(steps[name])


STEPS = ["bws.pull", "agg_trades", "from the cache", "price and qty"]
FRESH = ["bws.pull", "agg_trades", "agg_trades, cache=False"]


def ran(name: str, url: str, end: int, folder: str) -> dict[str, float]:
    """Run one step in a process of its own, and return what it took."""
    command = [sys.executable, __file__, "--step", name, "--url", url, "--end", str(end)]
    done = subprocess.run(
        command,
        env=os.environ | {"BWS_CACHE_DIR": folder},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**5, 10**6, MOST])
    parser.add_argument("--steps", nargs="+")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--end", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    elif given.step:
        step(given.step, given.url, given.end)
    else:
        table(given.rows, given.steps)


def table(several: list[int], steps: list[str] | None) -> None:
    """Run all steps and print a line for each."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as exchange:
        url, ends = json.loads(exchange.stdout.readline())
        print(
            "| rows | what | comes to | s | CPU s | CPU us a row | peak MB | before | MB on disk |"
        )
        print("|--:|---|--:|--:|--:|--:|--:|--:|--:|")
        try:
            for rows in several:
                names = steps or [*STEPS, *([*RULES, "pandas, 1min"] if rows == MOST else [])]
                with tempfile.TemporaryDirectory() as folder:
                    lines(rows, names, url, ends[str(rows)], Path(folder))
        finally:
            exchange.stdin.close()


def lines(rows: int, names: list[str], url: str, end: int, folder: Path) -> None:
    """Print a line for each step; what pulls begins with an empty cache."""
    for name in names:
        if name in FRESH:
            shutil.rmtree(folder / "v1", ignore_errors=True)
        took = ran(name, url, end, str(folder))
        print(
            f"| {rows:>10,} | {name:<23} | {took['rows']:>10,} | {took['s']:7.2f} | "
            f"{took['cpu_s']:6.2f} | {took['cpu_s'] / rows * 1e6:5.2f} | {took['peak_mb']:5.0f} | "
            f"{took['base_mb']:4.0f} | {megabytes(folder):5.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
