"""The last prices that a journal has seen, as rates of assets in one of them."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.exchange.journal import Record
from bwsresearch.journals.rows import Marks

__all__ = ["rates"]

Floats: TypeAlias = npt.NDArray[np.float64]
Pairs: TypeAlias = Mapping[str, tuple[str, str]]
"""Base and quote asset of each symbol."""


def rates(
    listings: Sequence[Record], marks: Iterable[Marks], quote: str
) -> "dict[str, pd.Series[float]]":
    """Return of each traded asset its prices in `quote`, by time (UTC), from its first price on.

    By the symbol of both, in either direction, or else by way of a third asset.
    """
    pairs = _pairs(listings)
    index, prices = _table(marks, list(pairs))
    found: dict[str, pd.Series[float]] = {}
    for asset in dict.fromkeys(name for pair in pairs.values() for name in pair):
        if asset != quote:
            values = _rate(asset, quote, pairs, prices)
            if np.isfinite(values).any():
                found[asset] = pd.Series(values, index=index, name=asset).dropna()
    return found


def _pairs(listings: Iterable[Record]) -> dict[str, tuple[str, str]]:
    pairs = {}
    for record in listings:
        rows = record["symbols"] if record["k"] == "open" else ()
        for row in [record["symbol"]] if record["k"] == "list" else rows:
            pairs[row["symbol"]] = row["baseAsset"], row["quoteAsset"]
    return pairs


def _table(
    marks: Iterable[Marks], symbols: Sequence[str]
) -> tuple[pd.DatetimeIndex, dict[str, Floats]]:
    """Return the times of all marks, and the last price of each symbol at each; NaN before it."""
    at: dict[int, dict[str, str]] = {}
    for mark in sorted(marks, key=attrgetter("seq")):
        if mark.last is not None:
            at[mark.t] = mark.last
    index = pd.DatetimeIndex((np.fromiter(at, np.int64, len(at)) // 1000).view("M8[us]"))
    return index.tz_localize("UTC").rename("time"), {
        symbol: np.array([float(last.get(symbol, "nan")) for last in at.values()])
        for symbol in symbols
    }


def _rate(asset: str, quote: str, pairs: Pairs, prices: Mapping[str, Floats]) -> Floats:
    values = _direct(asset, quote, prices)
    for base, other in pairs.values():
        if asset in (base, other) and quote not in (base, other):
            third = other if asset == base else base
            via = _direct(asset, third, prices) * _direct(third, quote, prices)
            values = np.where(np.isnan(values), via, values)
    return values


def _direct(asset: str, into: str, prices: Mapping[str, Floats]) -> Floats:
    if asset + into in prices:
        straight = prices[asset + into]
    else:
        straight = np.full(len(next(iter(prices.values()))), np.nan)
    turned = prices.get(into + asset)
    return straight if turned is None else np.where(np.isnan(straight), 1.0 / turned, straight)
