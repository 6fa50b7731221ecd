"""How long rows take from JSON to columns, into the cache and out of it as a frame.

    python tests/benchmarks/cache.py [--repeat 15]

The rows are a year of 1m klines of the synthetic market, seed 1. The cache lies in a temporary folder;
files are in the system's memory when they are read, as in a notebook that was used a moment ago.
Prints medians and the least, wall clock, and the CPU of all threads.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Window
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.history import klines
from bwsresearch.local import LocalEndpoint
from bwsresearch.store import Cache
from bwsresearch.tables import AGG_TRADES, KLINES, Columns, Schema

START_MS = 1_672_531_200_000  # 2023-01-01
MINUTE_MS = 60_000
DAY_MS = 86_400_000
END_MS = START_MS + 365 * DAY_MS
SYMBOL = "BTCUSDT"


@dataclass
class Line:
    """One line of the table, in ms or MB."""

    what: str
    median: float
    least: float
    cpu: float | None
    unit: str
    most: float | None

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f"{self.cpu:.2f}"
        verdict = "ok" if self.most is None or self.median <= self.most else "MISSED"
        aim = self.unit if self.most is None else f"≤ {self.most:g} {self.unit}"
        return (
            f"| {self.what:<52} | {self.median:8.2f} | {self.least:8.2f} | {cpu:>7} "
            f"| {aim} | {verdict} |"
        )


def timed(what: str, call: Callable[[], object], most_ms: float, repeat: int) -> Line:
    """Run `call` again and again, after one run that does not count."""
    call()
    wall, cpu = [], []
    for _ in range(repeat):
        begun, worked = time.perf_counter(), time.process_time()
        call()
        wall.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    return Line(what, statistics.median(wall), min(wall), statistics.median(cpu), "ms", most_ms)


def pages(market: SyntheticMarket) -> list[bytes]:
    """The year as the exchange answers it, a thousand bars at a time."""
    step = 1000 * MINUTE_MS
    return [
        market.klines(SYMBOL, "1m", Window(at, min(at + step, END_MS) - 1, 1000), END_MS + DAY_MS)
        for at in range(START_MS, END_MS, step)
    ]


def framed(cache: Cache, schema: Schema, interval: str | None, start_ms: int, end_ms: int) -> int:
    """Read a range into a frame."""
    columns, _ = cache.read(schema, SYMBOL, interval, start_ms, end_ms)
    return len(tables.frame(schema, tables.unique(schema, columns), {}))


def megabytes(root: Path) -> float:
    return sum(path.stat().st_size for path in root.rglob("*.parquet")) / 1e6


def append(cache: Cache, page: Columns) -> None:
    """Add a page to a month that is full already."""
    first = int(page["open_time"][0]) // 1000
    span = (first, first + 1000 * MINUTE_MS)
    cache.write(KLINES, SYMBOL, "1m", page, (span,), source="network")


def measured(root: Path, repeat: int) -> list[Line]:
    """Measure everything, in the order of a row's life."""
    market = SyntheticMarket(1)
    texts = pages(market)
    columns = tables.concat(KLINES, [tables.decode_klines(text) for text in texts])
    cache = Cache(root, market.identity)
    lines = [
        timed("1000 klines, JSON to columns", lambda: tables.decode_klines(texts[3]), 1.0, 200)
    ]
    begun = time.perf_counter()
    cache.write(KLINES, SYMBOL, "1m", columns, ((START_MS, END_MS),), source="network")
    once = (time.perf_counter() - begun) * 1000
    lines += [
        Line("a year of 1m into the cache, once", once, once, None, "ms", None),
        Line("files of a year of 1m", megabytes(root), megabytes(root), None, "MB", 24),
        timed(
            "a year of 1m out of the cache, a frame",
            lambda: framed(cache, KLINES, "1m", START_MS, END_MS),
            150,
            repeat,
        ),
    ]
    client = Client(LocalEndpoint(Gateway(market, Config()), clock=lambda: END_MS + DAY_MS))
    year = {"start": START_MS, "end": END_MS}
    found = klines(SYMBOL, "1m", client=client, **year)
    assert found.attrs["source"] == "cache"
    assert len(found) == 525_600
    day = START_MS + 100 * DAY_MS
    lines += [
        timed(
            "the same by bws.klines",
            lambda: klines(SYMBOL, "1m", client=client, **year),
            150,
            repeat,
        ),
        timed(
            "one day out of it, a frame",
            lambda: framed(cache, KLINES, "1m", day, day + DAY_MS),
            10,
            100,
        ),
        timed(
            "the same by bws.klines",
            lambda: klines(SYMBOL, "1m", client=client, start=day, end=day + DAY_MS),
            10,
            100,
        ),
    ]
    page = tables.sliced(columns, slice(41_000, 42_000))  # behind it January is full
    lines.append(timed("a page of 1000 into a full month", lambda: append(cache, page), 60, 30))
    lines.append(of_days(cache, repeat))
    client.close()
    return lines


def of_days(cache: Cache, repeat: int) -> Line:
    """Measure a day out of two years of daily files, which have no rows."""
    for at in range(START_MS, START_MS + 730 * DAY_MS, DAY_MS):
        span = (at, at + DAY_MS - 1)
        none = tables.empty(AGG_TRADES)
        cache.write(AGG_TRADES, SYMBOL, None, none, (span,), source="network")
    day = START_MS + 500 * DAY_MS
    return timed(
        "one day out of two years of daily files",
        lambda: framed(cache, AGG_TRADES, None, day, day + DAY_MS),
        10,
        repeat,
    )


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--repeat", type=int, default=15)
    repeat = arguments.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BWS_CACHE_DIR"] = folder
        print(f"| {'':<52} |   median |    least |     cpu | aim | |")
        print("|---|---|---|---|---|---|")
        for line in measured(Path(folder), repeat):
            print(line)


if __name__ == "__main__":
    main()
