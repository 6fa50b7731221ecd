"""Recorded bars as they become known one after the other: what a feed shows of them between two looks.

Numbers of a bar are made when somebody looks at it: of half a million, most are passed over.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import Amounts, split
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen

__all__ = ["Remembering", "Timeline"]

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

    def known(self, after_ms: int, upto_ms: int, *, is_watched: bool, memory_ms: int) -> Known:
        """Yield what becomes known of bars in (after, upto], and when: an open, or a whole bar.

        Nobody waits for bars that are not watched: of those that have closed, the last one and those
        of the last `memory_ms` are enough.
        """
        opened, closed = self._opened, self._closed
        bar = bisect_right(closed, after_ms)
        if not is_watched:
            over = bisect_right(closed, upto_ms, bar)
            bar = max(bar, min(over - 1, bisect_right(closed, upto_ms - memory_ms)))
        while bar < len(opened) and opened[bar] <= upto_ms:
            is_closed = closed[bar] <= upto_ms
            # In a bar without trades nothing can be had at its open.
            if after_ms < opened[bar] and self._traded[bar] and (is_watched or not is_closed):
                time = opened[bar]
                yield time, BarOpened(self._symbol, time, self._amounts["open"].at(bar))
            if is_closed:
                yield closed[bar], self._whole(bar)
            bar += 1

    def _whole(self, bar: int) -> BarSeen:
        numbers = (self._amounts[name].at(bar) for name in _AMOUNTS)
        return BarSeen(self._symbol, self._opened[bar], self._closed[bar], *numbers)


@runtime_checkable
class Remembering(Protocol):
    """A market whose recorded bars need not be asked for page by page."""

    def timeline(self, symbol: str) -> Timeline | None:
        """Return a symbol's finest recorded bars; None where there are none."""
