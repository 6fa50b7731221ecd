"""How fast the local exchange answers, and what the client adds to that.

    python tests/benchmarks/client.py [--repeat 7] [--seconds 1]

The exchange is a process of its own: a recorded market of a year of 1m klines from a fixed seed, with
the weight limit raised. Prints medians of the repetitions, the best, and the CPU that an answer takes
in either process, which says more than the clock on a machine that others use too.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import psutil
from pull import MINUTE_MS, START_MS
from websockets.asyncio.client import connect

import bwsresearch as bws
from bwsresearch import heap
from bwsresearch.client.sync import Client
from bwsresearch.protocol import methods

PAGE = 1000
STARTS = [START_MS + n * PAGE * MINUTE_MS for n in range(500)]


class Meter:
    """Answers per second, and the CPU of both processes for each."""

    def __init__(self, exchange: psutil.Process, repeat: int, seconds: float) -> None:
        self.exchange, self.repeat, self.seconds = exchange, repeat, seconds
        self.own = psutil.Process()

    def of(self, what: str, burst: Callable[[float], int]) -> None:
        """Measure `burst`, which answers for how many requests it did until a moment."""
        burst(time.perf_counter() + 0.2)
        rates, theirs, ours = [], [], []
        for _ in range(self.repeat):
            server, client, began = _cpu(self.exchange), _cpu(self.own), time.perf_counter()
            count = burst(began + self.seconds)
            rates.append(count / (time.perf_counter() - began))
            theirs.append((_cpu(self.exchange) - server) / count * 1e6)
            ours.append((_cpu(self.own) - client) / count * 1e6)
        print(
            f"{what:52} {statistics.median(rates):7.0f}/s  best {max(rates):7.0f}/s   "
            f"CPU each: exchange {statistics.median(theirs):5.0f} µs, "
            f"client {statistics.median(ours):5.0f} µs"
        )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def raw(url: str, frames: list[bytes], in_flight: int) -> Callable[[float], int]:
    """A client that sends frames and counts what comes back, no more."""

    async def burst(end: float) -> int:
        async with connect(
            url, max_size=None, compression=None, proxy=None, ping_interval=None
        ) as socket:
            todo = itertools.cycle(frames)
            for _ in range(in_flight):
                await socket.send(next(todo), text=True)
            count = 0
            while time.perf_counter() < end:
                await socket.recv(decode=False)
                await socket.send(next(todo), text=True)
                count += 1
            for _ in range(in_flight):
                await socket.recv(decode=False)
            return count + in_flight

    return lambda end: asyncio.run(burst(end))


def blocking(call: Callable[[], object]) -> Callable[[float], int]:
    def burst(end: float) -> int:
        count = 0
        while time.perf_counter() < end:
            call()
            count += 1
        return count

    return burst


def flying(call: Callable[[int], Awaitable[object]], in_flight: int) -> Callable[[float], int]:
    """So many workers on the client's own loop, one crossing of the bridge for all."""

    async def burst(end: float) -> int:
        count = 0

        async def work() -> None:
            nonlocal count
            while time.perf_counter() < end:
                count += 1
                await call(count)

        await asyncio.gather(*(work() for _ in range(in_flight)))
        return count

    return lambda end: bws.run(burst(end))


def page(start_ms: int) -> methods.Klines:
    return methods.Klines("BTCUSDT", "1m", start_time=start_ms, limit=PAGE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    asked = parser.parse_args()
    command = [sys.executable, "-c", "import pull; pull.serve(0.0)"]
    with subprocess.Popen(
        command, cwd=sys.path[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        exchange = psutil.Process(process.pid)
        measure(url, exchange, Meter(exchange, asked.repeat, asked.seconds))
        process.communicate()


def measure(url: str, exchange: psutil.Process, meter: Meter) -> None:
    ping = [b'{"id":1,"method":"ping"}']
    pages = [
        json.dumps(
            {"id": n, "method": "klines", "params": page(start).params()}, separators=(",", ":")
        ).encode()
        for n, start in enumerate(STARTS)
    ]
    heap.keep()  # the bare client is to measure the exchange, not fresh memory
    client = Client(url)
    client.raw(page(START_MS))

    async def null() -> None: ...

    meter.of("ping, bare websockets, one after the other", raw(url, ping, 1))
    meter.of("ping, bare websockets, 32 in flight", raw(url, ping, 32))
    meter.of("ping, blocking client", blocking(client.ping))
    meter.of("ping, client, 32 in flight", flying(lambda _: client.aio.ping(), 32))
    meter.of("an empty coroutine over the bridge", blocking(lambda: bws.run(null())))
    meter.of("pages of 1000 klines, bare, one after the other", raw(url, pages, 1))
    meter.of("pages of 1000 klines, bare, 8 in flight", raw(url, pages, 8))
    meter.of("pages of 1000 klines, bare, 16 in flight", raw(url, pages, 16))
    meter.of(
        "pages of 1000 klines, client, 16 in flight, as text",
        flying(lambda n: client.aio.raw(page(STARTS[n % len(STARTS)])), 16),
    )
    for name, one in (("exchange", exchange), ("client", meter.own)):
        print(f"memory of the {name}: {one.memory_info().rss / 2**20:.0f} MB")
    client.close()


if __name__ == "__main__":
    main()
