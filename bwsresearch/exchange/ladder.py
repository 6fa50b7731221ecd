"""A book around a price: levels from a seed, some of which change from one moment to the next."""

from typing import Final

import numpy as np

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.market import Book, Trades
from bwsresearch.exchange.noise import keys, uniform

__all__ = ["ladder"]

_MOST: Final = 5000
_MOMENT_MS: Final = 100
_LASTS: Final = 50
"""Moments for which the levels stay where they are."""


def ladder(root: int, last: Trades, grid: Grid, limit: int, now_ms: int, *, lots: int) -> Book:
    """Return a book whose best level, on the side that the last trade took, is at its price.

    `last` is that trade, or none for an empty book; `lots` the quantity of a typical level. The
    update id ascends with every change: with time and with every trade.
    """
    moment, rows = now_ms // _MOMENT_MS, min(limit, _MOST)
    if not len(last):
        return Book(moment, (), ())
    bid = int(last.price[-1]) // grid.tick - int(not last.is_buyer_maker[-1])
    sides = []
    for side, best, away in ((0, bid, -1), (1, bid + 1, 1)):
        draws = uniform(keys(root, 2 * (moment // _LASTS) + side, np.arange(rows, dtype=np.int64)))
        steps = draws % 5 // 2 + 1
        prices = best + away * (np.cumsum(steps) - steps[:1])
        quantities = _quantities(root, moment, prices, lots)
        kept = prices > 0
        pairs = zip(
            (prices[kept] * grid.tick).tolist(),
            (quantities[kept] * grid.step).tolist(),
            strict=True,
        )
        sides.append(tuple(pairs))
    return Book(moment + int(last.id[-1]) + 1, sides[0], sides[1])


def _quantities(root: int, moment: int, prices: Ints, lots: int) -> Ints:
    lasting, draws = uniform(keys(root, prices)), uniform(keys(root, moment, prices))
    chosen = np.where(draws < 3_000, draws * 16, lasting)
    return 1 + lots * (chosen * chosen >> 16) // 20_000
