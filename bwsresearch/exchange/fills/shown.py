"""One side of the market's book as it was last shown, and what of it is used up already.

A book says what was there at its time. Of that, own orders have taken some, and trades that were
printed since have taken some more; the rest is what can still be had.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

__all__ = ["ShownSide"]


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
    _printed: dict[int, int] = field(default_factory=dict)
    _reached: int | None = None

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

    def settle(self) -> None:
        """Forget the trades that a newer book knows of."""
        self._printed.clear()
        self._reached = None

    # ---- what is taken -----------------------------------------------------------------------

    def printed(self, price: int, qty: int) -> None:
        """Note a trade of the market with this side: all better levels are gone, and `qty` here."""
        rank = self.rank(price)
        self._reached = rank if self._reached is None else min(self._reached, rank)
        self._printed[price] = self._printed.get(price, 0) + qty

    def use(self, price: int, qty: int) -> None:
        """Note what an own order takes of a level."""
        self._used[price] = self.used(price) + qty

    def used(self, price: int) -> int:
        """Return what own orders have taken of a level."""
        return self._used.get(price, 0)

    def walk(self) -> Iterator[tuple[int, int]]:
        """Return (price, what is left) of the levels that have some, best first."""
        sizes, used, printed, reached = self.sizes, self._used, self._printed, self._reached
        for rank in reversed(self._ranks):
            if reached is None or rank <= reached:
                price = abs(rank)
                left = sizes[price] - used.get(price, 0) - printed.get(price, 0)
                if left > 0:
                    yield price, left
