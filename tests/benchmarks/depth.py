"""What recorded books take on the disk, and how long it takes to write and to read them.

    python tests/benchmarks/depth.py [--books 86400] [--levels 100]

One book a second of a price that walks in ticks; each second a third of the quantities is new. The rows
go the way of a recorder: decoded, flushed every ten books, merged every three hundred. Prints wall clock
and the peak of memory above what the imports need, as it stands after each line.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

import bwsresearch as bws
from bwsresearch.history.keeping import Shelf
from bwsresearch.store import Cache
from bwsresearch.tables import decode_book

START_MS = 1_704_067_200_000  # 2024-01-01
SECOND_MS = 1000


class Walk:
    """Replies to `depth`, one a second."""

    def __init__(self, levels: int) -> None:
        self.draw = np.random.default_rng(1)
        self.levels, self.mid = levels, 6_000_000
        self.qtys = self.draw.exponential(0.5, 2 * levels)

    def text(self, number: int) -> bytes:
        self.mid += int(self.draw.integers(-40, 41))
        is_new = self.draw.random(2 * self.levels) < 1 / 3
        self.qtys = np.where(is_new, self.draw.exponential(0.5, 2 * self.levels), self.qtys)
        steps = 1 + np.cumsum(self.draw.geometric(0.1, (2, self.levels)), axis=1)
        prices = np.concatenate([self.mid - steps[0], self.mid + steps[1]]).tolist()
        rows = [
            (f"{price / 100:.8f}", f"{qty:.5f}000")
            for price, qty in zip(prices, self.qtys.tolist(), strict=True)
        ]
        book = {"lastUpdateId": 10**10 + 37 * number, "bids": rows[: self.levels]}
        return msgspec.json.encode(book | {"asks": rows[self.levels :]})


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def record(root: Path, books: int, levels: int) -> dict[str, float]:
    """Record so many books; return the seconds that each part took."""
    shelf, walk = Shelf(Cache(root, "production"), SECOND_MS), Walk(levels)
    spent = {"decode": 0.0, "flush": 0.0, "merge": 0.0}

    def timed(what: str, call: Callable[[], object]) -> object:
        begun = time.perf_counter()
        try:
            return call()
        finally:
            spent[what] += time.perf_counter() - begun

    for number in range(books):
        text, due_ms = walk.text(number), START_MS + number * SECOND_MS
        times = {"due_ms": due_ms, "request_ms": due_ms + 2, "reply_ms": due_ms + 50 + number % 30}
        shelf.add("BTCUSDT", due_ms, timed("decode", partial(decode_book, text, **times)))
        if number % 300 == 299:
            timed("merge", partial(shelf.merge, due_ms + 1))
        elif number % 10 == 9:
            timed("flush", partial(shelf.flush, due_ms + 1))
    timed("merge", shelf.close)
    return spent


def read(what: str, base_mb: float, call: Callable[[], pd.DataFrame]) -> None:
    begun = time.perf_counter()
    frame = call()
    seconds = time.perf_counter() - begun
    print(
        f"{what:<34} {seconds:7.2f} s  {len(frame):>11,} rows  peak {peak_mb() - base_mb:6,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--books", type=int, default=86_400)
    parser.add_argument("--levels", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BWS_CACHE_DIR"] = folder
        bws.depth_history("BTCUSDT", server="production")
        base_mb = peak_mb()
        spent = record(Path(folder), options.books, options.levels)
        files = list((Path(folder) / "v1").rglob("*.parquet"))
        size = sum(path.stat().st_size for path in files)
        print(f"{size / 1e6:.1f} MB in {len(files)} files, {size / options.books:,.0f} B a book")
        each = ", ".join(f"{name} {s / options.books * 1e6:,.0f} us" for name, s in spent.items())
        print(f"a book: {each}; peak {peak_mb() - base_mb:,.0f} MB")
        for what, more in (
            ("an hour, 10 levels", {"end": START_MS + 3_600_000}),
            ("all, 10 levels", {}),
            ("all, 10 levels, wide", {"wide": True}),
            ("all levels", {"levels": None}),
        ):
            read(what, base_mb, partial(bws.depth_history, "BTCUSDT", server="production", **more))


if __name__ == "__main__":
    main()
