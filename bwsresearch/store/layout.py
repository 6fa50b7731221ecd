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
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

import platformdirs

from bwsresearch.enums import Interval
from bwsresearch.errors import CacheError
from bwsresearch.tables import BOOKS
from bwsresearch.times import DAY_MS, HOUR_MS, STEP_MS, as_interval, next_open, open_time

__all__ = [
    "FILE",
    "TREE",
    "Location",
    "Partition",
    "Place",
    "beside",
    "default_root",
    "folder_of",
    "located",
    "tree",
]

FILE: Final = "part-0.parquet"
TREE: Final = PurePosixPath("v1")
"""What holds Parquet files only, below the root."""
Location: TypeAlias = Path | str
"""Where a cache lies: a folder, or a URL such as s3://bucket/prefix."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FORMATS: Final = {"hour": "%Y-%m-%dT%H", "date": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_LENGTH_MS: Final = {"hour": HOUR_MS, "date": DAY_MS}


def default_root() -> Location:
    """Return the cache's place: BWS_CACHE_DIR, or the platform's folder for caches.

    Raises:
        ValueError: as `located`.
    """
    chosen = os.environ.get("BWS_CACHE_DIR")
    if not chosen:
        return platformdirs.user_cache_path("bwsresearch")
    return located(chosen)


def located(text: str | Path) -> Location:
    """Return the place that a text names: a URL without a slash at its end, or a folder's path.

    Raises:
        ValueError: for a URL with a password in it, of several file systems, or of no place.
    """
    if isinstance(text, Path) or "://" not in text:
        return Path(text).expanduser()
    scheme, _, rest = text.partition("://")
    if scheme in ("file", "local"):
        return Path(url2pathname(urlsplit(text).path))
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            f"the cache's URL {scheme}://…@{rest.rpartition('@')[2]} names a user; leave that out, "
            "keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if "::" in text or not rest.strip("/"):
        raise ValueError(f"the cache's URL is {text}, must be like s3://bucket/prefix")
    return text.rstrip("/")


def folder_of(location: Location, what: str) -> Path:
    """Return a place that must be a folder for `what`.

    Raises:
        CacheError: when it is a URL.
    """
    if isinstance(location, str) and "://" in location:
        raise CacheError(
            f"{what} needs a cache in a folder, BWS_CACHE_DIR is {location}; copy it into one"
        )
    return Path(location)


def beside(location: Location) -> Path:
    """Return the folder for what must lie on this machine: the cache's own, or one for its URL."""
    if isinstance(location, str) and "://" in location:
        return platformdirs.user_cache_path("bwsresearch") / ".remote" / quote(location, safe="")
    return Path(location)


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
