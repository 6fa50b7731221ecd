"""Rows on this machine, as Parquet: `bws.cache.info()`, `clear`, `verify`, `path`, `import_`.

The folder is that of the environment variable BWS_CACHE_DIR, or the platform's place for caches.
"""

import os
import time
from pathlib import Path

import pandas as pd

from bwsresearch.store import Cache, DamagedFileWarning, default_root, upkeep
from bwsresearch.store.archives import import_archives

__all__ = ["DamagedFileWarning", "clear", "import_", "info", "path", "verify"]


def path() -> Path:
    """Return the folder of the cache; it need not exist yet."""
    return default_root()


def info() -> pd.DataFrame:
    """Return what the cache holds, one row per series.

    Columns: server, kind (klines, aggs, trades, depth, book_tickers), symbol, interval ("" but for
    klines), rows int64, start and end of what is covered (UTC), mb float64 on disk, path.
    """
    return upkeep.info(default_root())


def clear(
    symbol: str | None = None,
    *,
    interval: str | None = None,
    kind: str | None = None,
    server: str | None = None,
) -> int:
    """Remove what matches all that is given, everything without, and return the bytes freed.

    Args:
        symbol: upper or lower case.
        interval: of klines, such as "1h".
        kind: "klines", "aggs", "trades", "depth" or "book_tickers".
        server: whose rows: "production", "testnet", "demo", "local-<hash>", host and port.

    Raises:
        ValueError: for what cannot be an interval or a kind, or a symbol or server that is not cached.
        CacheError: when a file cannot be removed.
    """
    name = None if symbol is None else symbol.upper()
    return upkeep.clear(default_root(), symbol=name, interval=interval, kind=kind, server=server)


def verify() -> pd.DataFrame:
    """Read every file and return one row per problem: path, problem; no rows when all is sound.

    Looks at checksums, the place of every row, what it can be, and what does not belong there.
    """
    return upkeep.verify(default_root())


def import_(
    *paths: str | Path,
    symbol: str | None = None,
    interval: str | None = None,
    server: str = "production",
) -> pd.DataFrame:
    """Read archives and recordings into the cache; one row per file and kind.

    Takes the exchange's public archives (CSV, .gz or .zip, with .CHECKSUM when beside them) and native
    rows (.jsonl, .json, .gz). Symbol and interval come from the path (`BTCUSDT-1h-2024-12.csv`,
    `BTCUSDT/15m.jsonl.gz`) or from the arguments. A file is imported whole or not at all, without a
    bar that still runs. Holes of up to two days count as known to be empty, and are not asked for.

    A recording of combined streams (lines of `local_ns {json}`, plain or .gz, as a socket brought them:
    depth, bookTicker, trade, and a whole book) gives rows of the kinds depth, trades and book_tickers.
    Its symbol stands in it.

    Columns: path, kind, symbol, interval, rows int64, start and end (the first and the last row's time,
    UTC).

    Raises:
        ValueError: when no file is given.
        TypeError: when one is not a path.
        ArchiveError: naming file, row, value and cure, when a file cannot be read or a row is wrong.
        CacheError: when the cache cannot be written.
    """
    if not paths:
        raise ValueError("no file is given, name at least one such as BTCUSDT-1h-2024-12.zip")
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"a file is {path!r}, must be a path; give a list as import_(*files)")
    now_ms = time.time_ns() // 1_000_000
    return import_archives(
        Cache(default_root(), server), paths, symbol=symbol, interval=interval, now_ms=now_ms
    )
