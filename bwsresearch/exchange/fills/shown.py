"""One side of the market's book as it was last shown, and what of it is used up already.

A book says what was there a little before its time. Of that, own orders have taken some, and trades
that were printed since have taken some more; the rest is what can still be had.
"""

import contextlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

__all__ = ["ShownSide"]

_ALL: Final = 2**62
_SETTLED_MS: Final = 1000
"""So long after a trade every level is believed. Of a busy market's levels, 1 in 600 took longer to go."""


@dataclass(slots=True)
class ShownSide:
    """The bids or the asks: price → size, in units.

    Levels are ordered by rank, the price or its negative, so that the best is last and cheap to move.
    """

    is_bid: bool
    sizes: dict[int, int] = field(default_factory=dict)
    _ranks: list[int] = field(default_factory=list)
    _bound: int | None = None
    _used: dict[int, int] = field(default_factory=dict)
    _printed: dict[int, tuple[int, int]] = field(default_factory=dict)

    def rank(self, price: int) -> int:
        """Return a number that is higher for a better price."""
        return price if self.is_bid else -price

    @property
    def best(self) -> int | None:
        """The best price that is shown."""
        return abs(self._ranks[-1]) if self._ranks else None

    def shown(self, price: int) -> int | None:
        """Return the size at a price; None where the book does not reach so far."""
        size = self.sizes.get(price)
        if size is not None:
            return size
        return 0 if self._bound is not None and self.rank(price) >= self._bound else None

    def top(self, limit: int | None = None) -> tuple[tuple[int, int], ...]:
        """Return (price, size) of the best levels that are shown, all without a limit."""
        sizes = self.sizes
        return tuple((abs(r), sizes[abs(r)]) for r in islice(reversed(self._ranks), limit))

    # ---- what the market shows ---------------------------------------------------------------

    def replace(self, levels: Iterable[tuple[int, int]]) -> None:
        """Show a whole side; what lies beyond its last level is not known."""
        self.sizes = {price: size for price, size in levels if size}
        self._ranks = sorted(self.rank(price) for price in self.sizes)
        self._bound = self._ranks[0] if self._ranks else None
        for price in list(self._used):
            size = self.shown(price)
            if size is not None:
                self._resized(price, size)

    def change(self, levels: Iterable[tuple[int, int]]) -> None:
        """Show new sizes of some levels, 0 where a level is gone."""
        sizes, ranks, used = self.sizes, self._ranks, self._used
        for price, size in levels:
            if not size:
                if sizes.pop(price, None) is not None:
                    del ranks[bisect_left(ranks, self.rank(price))]
            else:
                if price not in sizes:
                    insort(ranks, self.rank(price))
                sizes[price] = size
            if price in used:
                self._resized(price, size)

    def _resized(self, price: int, size: int) -> None:
        """Keep what was used as part of what is shown, and forget it with the level.

        So a level gives what it has grown by, and never again what it showed before: all that is had
        of it is at most its first size and what it grew by since.
        """
        self._used[price] = min(self._used[price], size)
        if not size:
            del self._used[price]

    def settle(self, time: int, levels: Iterable[tuple[int, int]] | None = None) -> None:
        """Forget the trades that a book of `time` knows of, at the levels that it names or all of them.

        The time of a change is when it was sent: trades shortly before it are often not in it yet,
        and the levels that it does not name stand as they were before those.
        """
        printed = self._printed
        if not printed:
            return
        named = list(printed) if levels is None else [price for price, _ in levels]
        for price in named:
            if price in printed and printed[price][0] <= time:
                del printed[price]
        while printed and printed[oldest := next(iter(printed))][0] <= time - _SETTLED_MS:
            del printed[oldest]

    # ---- what is taken -----------------------------------------------------------------------

    def printed(self, time: int, price: int, qty: int) -> None:
        """Note a trade of the market with this side: all better levels are gone, and `qty` here."""
        rank, printed = self.rank(price), self._printed
        for better in reversed(self._ranks):
            if better <= rank:
                break
            printed.pop(abs(better), None)
            printed[abs(better)] = (time, _ALL)
        # What was noted last stands last.
        _, before = printed.pop(price, (0, 0))
        printed[price] = (time, before + qty)

    @contextlib.contextmanager
    def as_before(self) -> Iterator[None]:
        """Forget the trades that are noted in a `with` block after it."""
        noted = dict(self._printed)
        try:
            yield
        finally:
            self._printed = noted

    def use(self, price: int, qty: int) -> None:
        """Note what an own order takes of a level."""
        self._used[price] = self.used(price) + qty

    def used(self, price: int) -> int:
        """Return what own orders have taken of a level."""
        return self._used.get(price, 0)

    def walk(self) -> Iterator[tuple[int, int]]:
        """Return (price, what is left) of the levels that have some, best first."""
        sizes, used, printed = self.sizes, self._used, self._printed
        for rank in reversed(self._ranks):
            price = abs(rank)
            left = sizes[price] - used.get(price, 0)
            if price in printed:
                left -= printed[price][1]
            if left > 0:
                yield price, left
