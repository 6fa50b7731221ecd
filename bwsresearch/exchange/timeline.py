"""Recorded bars as they become known one after the other: what a feed shows of them between two looks.

Numbers of a bar are made when somebody looks at it: of half a million, most are passed over.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import UNIT, Amounts, split
from bwsresearch.exchange.fills import KlinesOnly
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen

__all__ = ["Remembering", "Timeline"]

_MINUTE_MS: Final = 60_000
_AMOUNTS: Final = ("open", "high", "low", "close", "volume", "quote_volume")

Known: TypeAlias = Iterator[tuple[int, BarOpened | BarSeen]]


class Timeline:
    """The bars of one symbol, oldest first; `columns` as recorded, see `recorded.Rows`."""

    def __init__(self, symbol: str, columns: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._symbol = symbol
        opened, closed = (
            columns[name].astype(np.int64) // 1000 for name in ("open_time", "close_time")
        )
        # Views give Python's own numbers.
        self._opened, self._closed = opened.data, closed.data
        self._amounts: dict[str, Amounts] = {name: split(columns[name]) for name in _AMOUNTS}
        volume = self._amounts["volume"]
        self._traded = ((volume.whole > 0) | (volume.parts > 0)).data

    def known(self, after_ms: int, upto_ms: int) -> Known:
        """Yield what becomes known of bars in (after, upto], and when: an open, or a whole bar."""
        opened, closed = self._opened, self._closed
        bar = bisect_right(closed, after_ms)
        while bar < len(opened) and opened[bar] <= upto_ms:
            # In a bar without trades nothing can be had at its open.
            if after_ms < opened[bar] and self._traded[bar]:
                yield opened[bar], BarOpened(self._symbol, opened[bar], self._at("open", bar))
            if closed[bar] <= upto_ms:
                yield closed[bar], self._whole(bar)
            bar += 1

    def skip(self, model: KlinesOnly, after_ms: int, upto_ms: int) -> None:
        """Bring a model for which no order waits to where (after, upto] would have brought it."""
        opened, closed = self._opened, self._closed
        following = bisect_right(closed, upto_ms)
        if following and closed[following - 1] > after_ms:
            model.skip(self._at("close", following - 1), self._at("volume", following - 1))
        is_new = following < len(opened) and after_ms < opened[following] <= upto_ms
        if is_new and self._traded[following]:
            model.begin(self._at("open", following), opened[following])

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price of the bars that closed in the last minutes, or 0."""
        bar, after_ms = bisect_right(self._closed, now_ms) - 1, now_ms - minutes * _MINUTE_MS
        worth = size = 0
        while bar >= 0 and self._closed[bar] > after_ms:
            volume = self._at("volume", bar)
            size += volume
            worth += self._at("quote_volume", bar) * UNIT or self._at("close", bar) * volume
            bar -= 1
        return (2 * worth + size) // (2 * size) if size else 0

    def add(self, time: int, worth: int, qty: int) -> None:
        """Count nothing: all bars are there already; see `klines_only.Averages`."""

    def _at(self, name: str, bar: int) -> int:
        return self._amounts[name].at(bar)

    def _whole(self, bar: int) -> BarSeen:
        numbers = (self._at(name, bar) for name in _AMOUNTS)
        return BarSeen(self._symbol, self._opened[bar], self._closed[bar], *numbers)


@runtime_checkable
class Remembering(Protocol):
    """A market whose recorded bars need not be asked for page by page."""

    def timeline(self, symbol: str) -> Timeline | None:
        """Return a symbol's finest recorded bars; None where there are none."""
