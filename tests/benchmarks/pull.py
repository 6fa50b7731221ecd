"""How long a download takes, against an exchange that answers after 50 ms.

    python tests/benchmarks/pull.py [--repeat 7] [--latency-ms 50] [--bars 100000]

The exchange is a process of its own: a recorded market of 1m klines from a fixed seed, with the weight
limit raised. Every replay pulls into an empty cache, on a connection that is already open, since a
notebook opens it once. Prints medians and the least, wall clock and CPU of this process.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

START_MS = 1_672_531_200_000  # 2023-01-01
MINUTE_MS = 60_000
YEAR = 525_600


def columns(bars: int = YEAR, seed: int = 1, start_ms: int = START_MS):
    """A year of 1m klines that look like those of a liquid symbol; the same every time."""
    draw = np.random.default_rng(seed)
    opens = start_ms + MINUTE_MS * np.arange(bars, dtype=np.int64)
    close = np.round(30_000 * np.exp(np.cumsum(draw.normal(0, 4e-4, bars))), 2)
    first = np.concatenate([[30_000.0], close[:-1]])
    spread = np.round(np.abs(draw.normal(0, 6.0, (2, bars))), 2)
    volume = np.round(draw.gamma(1.5, 12.0, bars), 5)
    taken = np.round(volume * draw.uniform(0.3, 0.7, bars), 5)
    return {
        "open_time": opens * 1000,
        "open": first,
        "high": np.round(np.maximum(first, close) + spread[0], 2),
        "low": np.round(np.minimum(first, close) - spread[1], 2),
        "close": close,
        "volume": volume,
        "close_time": (opens + MINUTE_MS - 1) * 1000,
        "quote_volume": np.round(volume * close, 7),
        "trades": draw.poisson(900, bars).astype(np.int64),
        "taker_buy_volume": taken,
        "taker_buy_quote_volume": np.round(taken * close, 7),
    }


def serve(latency_ms: float) -> None:
    """Be the exchange, until the standard input ends."""
    from bwsresearch import server
    from bwsresearch.exchange.config import Config, Limits
    from bwsresearch.exchange.gateway import Gateway
    from bwsresearch.exchange.recorded import RecordedMarket, Recording
    from bwsresearch.local import live_clock

    market = RecordedMarket({"BTCUSDT": Recording({"1m": columns()})})
    gateway = Gateway(market, Config(Limits(weight_per_minute=10**9)))

    async def main() -> None:
        async with server.serve(gateway, clock=live_clock, latency_ms=latency_ms) as running:
            print(running.url, flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


@dataclass
class Timing:
    """Seconds of one measurement."""

    wall: list[float]
    cpu: list[float]

    def __str__(self) -> str:
        wall, cpu = sorted(self.wall), statistics.median(self.cpu)
        return (
            f"median {statistics.median(wall) * 1000:7.0f} ms  least {wall[0] * 1000:7.0f}"
            f"  most {wall[-1] * 1000:7.0f}  CPU {cpu * 1000:6.0f}  (n={len(wall)})"
        )


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work: Callable[[], object], repeat: int) -> Timing:
    timing = Timing([], [])
    for _ in range(repeat):
        began, cpu = time.perf_counter(), cpu_s()
        work()
        timing.wall.append(time.perf_counter() - began)
        timing.cpu.append(cpu_s() - cpu)
    return timing


def compare(url: str, bars: int, repeat: int) -> None:
    import bwsresearch as bws

    client = bws.connect(url)
    client.klines("BTCUSDT", "1m", limit=10)
    end = START_MS + bars * MINUTE_MS

    def pull(**options: object):
        df = bws.klines("BTCUSDT", "1m", start=START_MS, end=end, progress=False, **options)
        assert len(df) == bars, len(df)
        assert df.attrs["gaps"] == [], df.attrs["gaps"]
        return df

    def fresh(**options: object) -> Callable[[], object]:
        def work():
            bws.cache.clear()
            return pull(**options)

        return work

    pages = -(-bars // 1000)
    sequential = measured(fresh(in_flight=1), max(1, min(repeat, 5)))
    print(f"{bars:,} bars, {pages} pages one by one    {sequential}")
    for width in (16, 32):
        timing = measured(fresh(in_flight=width), repeat)
        ratio = statistics.median(sequential.wall) / statistics.median(timing.wall)
        print(f"{bars:,} bars, in_flight={width}           {timing}  {ratio:.1f} x faster")
    print(f"{bars:,} bars, in_flight=16, no cache {measured(fresh(cache=False), repeat)}")
    pull()
    print(f"{bars:,} bars from the cache          {measured(pull, repeat)}")


def a_year(url: str, repeat: int) -> None:
    import bwsresearch as bws

    bws.connect(url)
    end = START_MS + YEAR * MINUTE_MS

    def pull():
        df = bws.klines("BTCUSDT", "1m", start=START_MS, end=end, progress=False)
        assert len(df) == YEAR

    def fresh():
        bws.cache.clear()
        pull()

    print(f"{YEAR:,} bars, in_flight=16           {measured(fresh, repeat)}")
    print(f"{YEAR:,} bars from the cache          {measured(pull, repeat)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency_ms)
        return
    command = [sys.executable, __file__, "--serve", "--latency-ms", str(given.latency_ms)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as exchange,
    ):
        os.environ["BWS_CACHE_DIR"] = folder
        url = exchange.stdout.readline().strip()
        try:
            compare(url, given.bars, given.repeat)
            a_year(url, max(1, given.repeat // 2))
        finally:
            exchange.stdin.close()


if __name__ == "__main__":
    main()
