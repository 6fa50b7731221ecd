"""Where the rows of a series lie: one file per month, year or day, in a tree that others can read.

    <root>/v1/<server>/klines/symbol=BTCUSDT/interval=1m/month=2024-01/part-0.parquet
    <root>/v1/<server>/aggs/symbol=BTCUSDT/date=2024-01-31/part-0.parquet

Klines of an hour and longer lie in years, those of a second in days. Nothing but Parquet files is in
the tree, since some readers fail on others: locks, temporary and damaged files lie beside it.
"""

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import platformdirs

from bwsresearch.enums import Interval
from bwsresearch.times import DAY_MS, STEP_MS, next_open, open_time

__all__ = ["FILE", "Partition", "Place", "default_root", "tree"]

FILE: Final = "part-0.parquet"
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


def default_root() -> Path:
    """Return the cache's folder: BWS_CACHE_DIR, or the platform's place for caches."""
    chosen = os.environ.get("BWS_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("bwsresearch")


def tree(root: Path) -> Path:
    """Return the folder that holds Parquet files only."""
    return root / "v1"


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

    def partitions(self, start_ms: int, end_ms: int) -> Iterator[Partition]:
        """Return the partitions that [start_ms, end_ms) touches, oldest first."""
        unit = self._unit
        at = _floor(unit, start_ms)
        while at < end_ms:
            after = _next(unit, at)
            yield Partition(f"{unit}={_label(unit, at)}", at, after)
            at = after

    @property
    def _unit(self) -> str:
        if self.interval is None or self.interval == "1s":
            return "date"
        return "month" if STEP_MS.get(self.interval, DAY_MS) < _HOUR_MS else "year"

    @staticmethod
    def of(folder: Path) -> "Place":
        """Return the place of a series' folder, given below the tree; the opposite of `folder`."""
        server, kind, symbol, *rest = folder.parts
        interval = rest[0].removeprefix("interval=").replace("mo", "M") if rest else None
        return Place(
            unquote(server),
            kind,
            unquote(symbol.removeprefix("symbol=")),
            interval,  # type: ignore[arg-type] # written by `folder`
        )


def _safe(name: str) -> str:
    return quote(name, safe="-._")


def _floor(unit: str, time_ms: int) -> int:
    if unit == "date":
        return time_ms // DAY_MS * DAY_MS
    if unit == "month":
        return open_time("1M", time_ms)
    year = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=time_ms)).year
    return _year_ms(year)


def _next(unit: str, at: int) -> int:
    if unit == "date":
        return at + DAY_MS
    return next_open("1M", at, 1 if unit == "month" else 12)


def _year_ms(year: int) -> int:
    return (dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days * DAY_MS


def _label(unit: str, at: int) -> str:
    stamp = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=at)
    return stamp.strftime({"date": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[unit])
