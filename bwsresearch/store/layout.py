"""Where the rows of a series lie: one file per month, year or day, in a tree that others can read.

    <root>/v1/<server>/klines/symbol=BTCUSDT/interval=1m/month=2024-01/part-0.parquet
    <root>/v1/<server>/aggs/symbol=BTCUSDT/date=2024-01-31/part-0.parquet

Klines of an hour and longer lie in years, those of a second in days, and books in hours
(hour=2024-01-31T05). Nothing but Parquet files is in the tree, since some readers fail on others:
locks (.locks), drafts (.tmp) and damaged files (.damaged) lie beside it.
"""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

import platformdirs

from bwsresearch.enums import Interval
from bwsresearch.tables import BOOKS
from bwsresearch.times import DAY_MS, HOUR_MS, STEP_MS, as_interval, next_open, open_time

__all__ = ["FILE", "TREE", "Location", "Partition", "Place", "default_root", "tree"]

FILE: Final = "part-0.parquet"
TREE: Final = PurePosixPath("v1")
"""What holds Parquet files only, below the root."""
Location: TypeAlias = Path | str
"""Where a cache lies: a folder."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FORMATS: Final = {"hour": "%Y-%m-%dT%H", "date": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_LENGTH_MS: Final = {"hour": HOUR_MS, "date": DAY_MS}


def default_root() -> Path:
    """Return the cache's folder: BWS_CACHE_DIR, or the platform's place for caches."""
    chosen = os.environ.get("BWS_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("bwsresearch")


def tree(root: Path) -> Path:
    """Return the folder that holds Parquet files only."""
    return root / TREE


@dataclass(frozen=True, slots=True)
class Partition:
    """One file's stretch of time, half-open, and the name of its folder."""

    folder: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """One series of one server: `kind` is the schema's name, `interval` None for trades."""

    server: str
    kind: str
    symbol: str
    interval: Interval | None

    @property
    def folder(self) -> Path:
        """The folder of the series below the tree."""
        path = Path(_safe(self.server), self.kind, f"symbol={_safe(self.symbol)}")
        # "1M" and "1m" are the same name to some file systems; "1mo" is the archives' word too.
        return path / f"interval={self.interval.replace('M', 'mo')}" if self.interval else path

    @property
    def name(self) -> str:
        """What a file of the series says that it belongs to."""
        return self.folder.as_posix()

    def at(self, time_ms: int) -> Partition:
        """Return the partition that a time belongs to."""
        unit = self.unit
        start_ms = _floor(unit, time_ms)
        return Partition(f"{unit}={_label(unit, start_ms)}", start_ms, _next(unit, start_ms))

    def partition(self, folder: str) -> Partition:
        """Return the partition of a folder's name; a ValueError when it is none of this series."""
        unit, _, label = folder.partition("=")
        stamp = dt.datetime.strptime(label, _FORMATS[self.unit]).replace(tzinfo=dt.UTC)
        found = self.at((stamp - _EPOCH) // dt.timedelta(milliseconds=1))
        if (unit, found.folder) != (self.unit, folder):
            raise ValueError(f"{folder} is no {self.unit} of a {self.kind} series")
        return found

    @property
    def unit(self) -> str:
        """What one file's stretch of time is: "hour", "date", "month" or "year"."""
        if self.kind == BOOKS.name:
            return "hour"  # 720,000 levels, of a book of 100 a side each second
        if self.interval is None or self.interval == "1s":
            return "date"
        return "month" if STEP_MS.get(self.interval, DAY_MS) < HOUR_MS else "year"

    @staticmethod
    def of(folder: Path) -> "Place":
        """Return the place of a series' folder, given below the tree; the opposite of `folder`.

        Raises:
            ValueError: when it is not the folder of a series.
        """
        server, kind, symbol, *rest = folder.parts
        interval = rest[0].removeprefix("interval=").replace("mo", "M") if rest else None
        place = Place(
            unquote(server),
            kind,
            unquote(symbol.removeprefix("symbol=")),
            None if interval is None else as_interval(interval),
        )
        if place.folder != folder:
            raise ValueError(f"{folder} is not the folder of a series")
        return place


def _safe(name: str) -> str:
    # A server's name comes from outside; "." and ".." would lead out of the tree.
    return quote(name, safe="-._") if name.strip(".") else name.replace(".", "%2E")


def _floor(unit: str, time_ms: int) -> int:
    if unit in _LENGTH_MS:
        return time_ms // _LENGTH_MS[unit] * _LENGTH_MS[unit]
    month = open_time("1M", time_ms)
    if unit == "month":
        return month
    stamp = _EPOCH + dt.timedelta(milliseconds=month)
    return next_open("1M", month, 1 - stamp.month)


def _next(unit: str, start_ms: int) -> int:
    if unit in _LENGTH_MS:
        return start_ms + _LENGTH_MS[unit]
    return next_open("1M", start_ms, 1 if unit == "month" else 12)


def _label(unit: str, start_ms: int) -> str:
    return (_EPOCH + dt.timedelta(milliseconds=start_ms)).strftime(_FORMATS[unit])
