"""Rows on this machine, as Parquet: `bws.cache.info()`, `sql`, `scan`, `verify`, `clear`, `import_`.

The place is that of the environment variable BWS_CACHE_DIR, a folder or a URL such as
s3://bucket/prefix, or the platform's folder for caches. Keys and address of a store are what its
tools take: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL.
"""

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from bwsresearch.history import repair as repairs
from bwsresearch.history.blocking import blocking
from bwsresearch.store import (
    Cache,
    DamagedFileWarning,
    compaction,
    default_root,
    queries,
    sizes,
    upkeep,
    verification,
)
from bwsresearch.store.archives import import_archives
from bwsresearch.store.layout import folder_of
from bwsresearch.store.spool import forsaken
from bwsresearch.times import TimeLike, epoch_ms, period_start

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "DamagedFileWarning",
    "clear",
    "compact",
    "import_",
    "info",
    "path",
    "repair",
    "scan",
    "sql",
    "trim",
    "verify",
]

_PERIOD: Final = re.compile(r"\d+ ?[a-z]+|ytd|max")

repair = blocking(repairs.repair, __name__)


def path() -> Path | str:
    """Return the place of the cache: its folder, which need not exist yet, or its URL as text."""
    return default_root()


def info() -> pd.DataFrame:
    """Return what the cache holds, one row per series.

    Columns: server, kind (klines, aggs, trades, depth, book_tickers, books), symbol, interval (""
    but for klines), rows int64, start and end of what is covered (UTC), mb float64 on disk, path.
    """
    return upkeep.info(default_root())


def scan(
    kind: str = "klines",
    symbol: str | None = None,
    interval: str | None = None,
    server: str | None = None,
) -> "pl.LazyFrame":
    """Return cached rows as a lazy Polars frame; only what a query needs is read.

    Columns: those of the kind, times as datetime[us, UTC]; symbol, and interval of klines. Rows of
    one series are in the order of time, the order of series is not promised.

    Args:
        kind: "klines", "aggs", "trades", "depth", "book_tickers" or "books".
        symbol: upper or lower case; all when left out.
        interval: of klines, such as "1h"; all when left out.
        server: whose rows; when left out production's, or those of the only one that is there.

    Raises:
        ImportError: when Polars is not installed.
        ValueError: for what cannot be a kind or an interval, or a server that is not cached; and
            when none is named and there are several.
        CacheError: when nothing of it is cached.
    """
    name = None if symbol is None else symbol.upper()
    return queries.scan(
        folder_of(default_root(), "scan"), kind, symbol=name, interval=interval, server=server
    )


def sql(statement: str, server: str | None = None) -> pd.DataFrame:
    """Return the answer of DuckDB to a statement over the cached rows of one server.

    There is a view for each kind that is cached: klines, aggs, trades, depth, book_tickers, books,
    with the columns of `scan`. Times come as datetime64[us, UTC], and are UTC in the statement too.

        bws.cache.sql("select symbol, max(high) from klines where interval = '1h' group by symbol")

    Raises:
        ImportError: when DuckDB is not installed.
        ValueError: as for `scan`.
        CacheError: when nothing is cached.
        duckdb.Error: what DuckDB has to say to the statement.
    """
    return queries.query(folder_of(default_root(), "sql"), statement, server=server)


def clear(
    symbol: str | None = None,
    *,
    interval: str | None = None,
    kind: str | None = None,
    server: str | None = None,
    older_than: TimeLike | None = None,
) -> int:
    """Remove what matches all that is given, everything without, and return the bytes freed.

    So does what a recorder has left behind that was killed; what one that runs has not brought into
    the files yet, it brings.

    Args:
        symbol: upper or lower case.
        interval: of klines, such as "1h".
        kind: "klines", "aggs", "trades", "depth", "books" or "book_tickers".
        server: whose rows: "production", "testnet", "demo", "local-<hash>", host and port.
        older_than: by the time of the rows, not of the file: "90d", "6mo", "1y" back from now, or a
            time as `bws.klines` takes it. Files go as a whole, when all of their month, year or day is
            older. See `trim` for what was not written for long.

    Raises:
        ValueError: for what cannot be an interval, a kind or a time, or a symbol or server that is
            not cached.
        CacheError: when a file cannot be removed.
    """
    before_ms = None if older_than is None else _before_ms(older_than)
    wanted = _wanted(symbol, interval, kind, server)
    with forsaken(default_root()) as folders:
        return upkeep.clear(default_root(), wanted, before_ms=before_ms, beside=folders)


def _before_ms(older_than: TimeLike) -> int:
    now_ms = time.time_ns() // 1_000_000
    if isinstance(older_than, str) and _PERIOD.fullmatch(older_than):
        return period_start(older_than, now_ms)
    return epoch_ms(older_than, now_ms, name="older_than")


def _wanted(
    symbol: str | None, interval: str | None, kind: str | None, server: str | None
) -> upkeep.Wanted:
    return upkeep.Wanted(None if symbol is None else symbol.upper(), interval, kind, server)


def trim(max_mb: float) -> int:
    """Remove the files that were not used for longest until the rest is within `max_mb` MB.

    What counts as use is writing: a file that a download, an import or `compact` has written is new,
    one that was only read is not. What was put aside as damaged counts too. Returns the bytes freed.

    With the environment variable BWS_CACHE_MAX_MB every download keeps to that limit by itself; it
    spares what it has read and written itself, even where that alone is more.

    Raises:
        ValueError: when `max_mb` is no number of 0 or more.
        CacheError: when a file cannot be removed.
    """
    return sizes.trim(default_root(), max_mb)


def compact(
    symbol: str | None = None,
    *,
    interval: str | None = None,
    kind: str | None = None,
    server: str | None = None,
    level: int = compaction.LEVEL,
) -> pd.DataFrame:
    """Write anew what is smaller or faster to read for it; may run beside downloads.

    Files are compressed harder than a download does, old ones get today's encodings, and files that
    only say that a day is empty are taken into the one before. What the cache holds stays the same. A
    second call has nothing to do.

    Columns, one row per series: server, kind, symbol, interval, files_before, files_after,
    bytes_before, bytes_after (int64).

    Args:
        symbol: upper or lower case; all when left out.
        interval: of klines, such as "1h".
        kind: "klines", "aggs", "trades", "depth", "books" or "book_tickers".
        server: whose rows.
        level: of zstd, 1 to 22. 6 saves 7 to 9 % and is read as fast as 1; more hardly saves more.

    Raises:
        ValueError: for a level, an interval or a kind that cannot be, or a symbol or server that is
            not cached.
        CacheError: when a file cannot be written.
    """
    wanted = _wanted(symbol, interval, kind, server)
    return compaction.compact(default_root(), wanted, level=level)


def verify() -> pd.DataFrame:
    """Read every file and return one row per problem: path, problem, what; none when all is sound.

    `what` is "damage" (checksums, rows that cannot be, rows out of order), "misplaced" (rows of another
    stretch of time, a file of another series), "overlap" (a row in two files, coverage of one that
    reaches into another), "foreign" (no file of this cache), or "gap": bars or ids are missing in time
    that is covered. A gap is no error, the exchange had outages; `repair` asks for it once.

    Nothing is changed. One file is in memory at a time.
    """
    return verification.verify(default_root())


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
