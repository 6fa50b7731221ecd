"""How long a backtest of a year of minutes takes, and its report.

    python tests/benchmarks/backtest.py [--repeat 9] [--bars 525600]

SMA 20/50, all in or out, 0.1 % fee, filled at the next open, on 1m klines from a fixed seed. The strategy's
own call is timed apart: the backtest gets its answer as a Series. Prints medians and the least, wall
clock and CPU of this process.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import bwsresearch as bws
from bwsresearch import plot

YEAR = 525_600


def klines(bars: int = YEAR, seed: int = 20250101) -> pd.DataFrame:
    """A year of 1m klines of a walk whose variance clusters; the same every time."""
    draw = np.random.default_rng(seed)
    mean = 0.6**2 / YEAR
    variance, returns = mean, np.empty(bars)
    for bar, noise in enumerate(draw.standard_normal(bars)):
        returns[bar] = np.sqrt(variance) * noise
        variance = mean * 0.02 + 0.08 * returns[bar] ** 2 + 0.9 * variance
    close = np.round(34_000 * np.exp(np.cumsum(returns)), 2)
    opens = np.round(np.append(34_000.0, close[:-1]) + draw.integers(-3, 4, bars) * 0.01, 2)
    index = pd.date_range("2025-01-01", periods=bars, freq="1min", tz="UTC", name="open_time")
    frame = pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close),
            "low": np.minimum(opens, close),
            "close": close,
            "volume": draw.exponential(10, bars) + 0.01,
        },
        index=index.as_unit("us"),
    )
    frame.attrs.update(symbol="BTCUSDT", interval="1m", gaps=[])
    return frame


def sma_cross(k: pd.DataFrame, fast: int = 20, slow: int = 50) -> "pd.Series[float]":
    """Hold everything while the fast mean of closes is above the slow one, else nothing."""
    return (k["close"].rolling(fast).mean() > k["close"].rolling(slow).mean()).astype(float)


def timed(what: str, call, repeat: int):
    """Print how long a call takes, and return what it returned last."""
    walls, cpus, result = [], [], None
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(
        f"{what:<34} median {statistics.median(walls) * 1e3:8.1f} ms   least {min(walls) * 1e3:8.1f}"
        f"   CPU median {statistics.median(cpus) * 1e3:8.1f}"
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--bars", type=int, default=YEAR)
    asked = parser.parse_args()
    frame = klines(asked.bars)
    wanted = timed("the strategy's own call", lambda: sma_cross(frame), asked.repeat)

    def run() -> bws.Result:
        return bws.backtest(frame, wanted, balances={"USDT": 1_000_000})

    result = timed(f"backtest, {asked.bars:,} bars", run, asked.repeat)
    timed("backtest, its equity and figures", lambda: run().stats(), asked.repeat)
    timed(
        "backtest and all frames", lambda: (r := run(), r.orders, r.fills, r.trades), asked.repeat
    )
    few = max(3, asked.repeat // 3)
    timed("plot, drawn to a PNG", lambda: drawn(result), few)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        timed("save(report.html)", lambda: run().save(path), few)
        size = path.stat().st_size / 1e6
    print(
        f"{len(result.trades):,} round trips, {len(result.fills):,} fills, "
        f"final equity {result.equity.iloc[-1]:.8f}; report of {size:.2f} MB"
    )


def drawn(result: bws.Result) -> str:
    figure = plot.figure(10, 8)
    result.draw(figure)
    return plot.png(figure)


if __name__ == "__main__":
    main()
