"""Klines that other processes read for themselves: where they lie in the cache, and a check of them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.errors import CacheError
from bwsresearch.store import Cache, default_root
from bwsresearch.store.layout import located
from bwsresearch.tables import KLINES

__all__ = ["Source", "load", "source_of"]


class Source(NamedTuple):
    """Klines in a cache: those of [start_ms, end_ms); `digest` is of the frame that is meant."""

    root: str
    server: str
    symbol: str
    interval: str
    start_ms: int
    end_ms: int
    rows: int
    digest: str
    attrs: str


def source_of(klines: pd.DataFrame) -> Source:
    """Return where klines lie in the cache, by what `bws.klines` wrote on them.

    Raises:
        ValueError: when they do not tell.
    """
    told = [klines.attrs.get(name) for name in ("server", "symbol", "interval")]
    if not all(isinstance(one, str) for one in told) or "rule" in klines.attrs:
        raise ValueError(
            "klines do not come from the cache, so that other processes cannot read them: "
            "use executor='threads', or pull them with bws.klines"
        )
    server, symbol, interval = map(str, told)
    opened = _micros(klines.index) // 1000
    return Source(
        str(default_root()),
        server,
        symbol,
        interval,
        int(opened[0]),
        int(opened[-1]) + 1,
        len(klines),
        _digest(klines),
        json.dumps(klines.attrs, default=str),
    )


def load(source: Source) -> pd.DataFrame:
    """Return the klines of a source from the cache, the same as those that it was made of.

    Raises:
        CacheError: when the cache has not all of them, or others.
    """
    cache = Cache(located(source.root), source.server)
    columns, _ = cache.read(KLINES, source.symbol, source.interval, source.start_ms, source.end_ms)
    attrs: Mapping[str, Any] = json.loads(source.attrs)
    found = tables.frame(KLINES, columns, attrs)
    if len(found) != source.rows or _digest(found) != source.digest:
        raise CacheError(
            f"the cache at {source.root} has {len(found):,} klines of {source.symbol} "
            f"{source.interval}, which are not the {source.rows:,} of the sweep: pull them again, "
            "leave them as bws.klines gives them, or use executor='threads'"
        )
    return found


def _digest(klines: pd.DataFrame) -> str:
    """Return a digest of index, columns and values."""
    seal = hashlib.sha256()
    seal.update(_micros(klines.index).tobytes())
    for name in klines.columns:
        column = klines[name]
        is_time = isinstance(column.dtype, pd.DatetimeTZDtype)
        values = _micros(pd.DatetimeIndex(column)) if is_time else column.to_numpy()
        seal.update(f"{name} {values.dtype}".encode())
        seal.update(np.ascontiguousarray(values).tobytes())
    return seal.hexdigest()


def _micros(index: pd.Index) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return pd.DatetimeIndex(index).as_unit("us").asi8
