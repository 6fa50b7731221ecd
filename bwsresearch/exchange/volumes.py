"""Lots and atoms of a cell over its children, such that the trades of each child can have both.

Arrays have the shape (2, n, k): side of the taker, parent, child; prices are (n, k).
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import Ints
from bwsresearch.exchange.cells import Cells, Grid, shares
from bwsresearch.exchange.noise import Keys, uniform

__all__ = ["mean", "volumes"]

Floats: TypeAlias = npt.NDArray[np.float64]
Prices: TypeAlias = tuple[Ints, Ints, Ints, Ints]
_SEVERAL: Final = 1024
_TRIES: Final = 6
_HIGHEST: Final = 2**62


def volumes(
    cells: Cells, grid: Grid, trades: Ints, prices: Prices, noise: Keys, weights: Ints
) -> tuple[Ints, Ints]:
    """Return lots and atoms of the children, of which `prices` are open, high, low and close."""
    opens, highs, lows, closes = prices
    wander = (highs - lows) * (uniform(noise, 4) - 32_768) >> 18
    typical = ((opens + highs + lows + closes) >> 2) + wander
    # A quarter goes by the number of trades, so that none is left with next to nothing.
    each = np.maximum(cells.lots // np.maximum(cells.trades * 4, 1), 1)
    base = trades * each[..., None]
    free = cells.lots - base.sum(axis=-1)
    price = grid.price(cells.atoms, np.maximum(cells.lots, 1))
    tilted = _tilted(weights * (trades > 0), typical, price)
    lots = base + shares(free, tilted)
    atoms, missing, room = _atoms(cells, grid, trades, lots, typical, prices)
    for _ in range(_TRIES):
        short = np.nonzero(np.abs(missing) > room.sum(axis=-1))
        if not len(short[0]):
            break
        # What goes by the number of trades does not follow: the rest has to lean further.
        lean = grid.price(missing[short], np.maximum(free[short], 1))
        goal = mean(tilted[short], typical[short[1]]) + lean
        tilted[short] = _tilted((tilted[short] + 63) >> 6, typical[short[1]], goal)
        lots[short] = base[short] + shares(free[short], tilted[short])
        atoms, missing, room = _atoms(cells, grid, trades, lots, typical, prices)
    short = np.nonzero(np.abs(missing) > room.sum(axis=-1))
    if len(short[0]):  # children of so few trades that none has a choice of prices
        spare = lots[short] - trades[short]
        lots[short] += _moved(grid, missing[short], typical[short[1]], trades[short] > 0, spare)
        atoms, missing, room = _atoms(cells, grid, trades, lots, typical, prices)
    return lots, atoms + _spread(missing, room, lots)


def _moved(
    grid: Grid, missing: Ints, prices: Ints, busy: npt.NDArray[np.bool_], spare: Ints
) -> Ints:
    """Return lots that go from the cheapest to the dearest child, or back, to make up what is missing."""
    units, parts = grid.ratio
    wanted = np.abs(missing) if parts == 1 else np.abs(missing) * parts // units
    cheapest = np.where(busy, prices, _HIGHEST).argmin(axis=-1)
    dearest = np.where(busy, prices, -1).argmax(axis=-1)
    rows = np.arange(len(prices))
    giver, taker = (
        np.where(missing > 0, *two) for two in ((cheapest, dearest), (dearest, cheapest))
    )
    gap = np.abs(prices[rows, dearest] - prices[rows, cheapest])
    lots = np.minimum(wanted // np.maximum(gap, 1), spare[rows, giver]) * (gap > 0)
    moved = np.zeros_like(prices)
    moved[rows, giver] -= lots
    moved[rows, taker] += lots
    return moved


def _atoms(
    cells: Cells, grid: Grid, trades: Ints, lots: Ints, typical: Ints, prices: Prices
) -> tuple[Ints, Ints, Ints]:
    """Return typical atoms, what the children are short of together, and the room of each."""
    _, highs, lows, _ = prices
    span = highs - lows
    whole = lots * span
    # Every trade has a lot, wherever its price is: that much of the range is not free.
    slack = np.minimum(np.maximum(whole >> 3, trades * span), whole >> 1)
    least, most = grid.worth(lots * lows + slack), grid.worth(lots * highs - slack)
    atoms = np.minimum(np.maximum(grid.worth(lots * typical), least), most)
    missing = cells.atoms - atoms.sum(axis=-1)
    return atoms, missing, np.where(missing[..., None] > 0, most - atoms, atoms - least)


def mean(weights: Ints, values: Ints) -> Floats:
    """Return weighted means; the sums are of whole numbers, which no order of adding changes."""
    return (weights * values).sum(axis=-1) / np.maximum(weights.sum(axis=-1), 1)


def _tilted(weights: Ints, prices: Ints, price: Floats) -> Ints:
    """Return weights that favour dear or cheap children, so that their mean is about `price`."""
    low = prices.min(axis=-1)
    span = np.maximum(prices.max(axis=-1) - low, 1)
    place = (prices - low[..., None]) * _SEVERAL // span[..., None]
    now = mean(weights, place)
    variance = np.maximum(mean(weights, place * place) - now * now, 1.0)
    wanted = (price - low) * _SEVERAL / span
    slope = np.minimum(np.maximum(wanted - now, -_SEVERAL), _SEVERAL) / variance
    factor = 1.0 + slope[..., None] * (place - now[..., None])
    factor = np.minimum(np.maximum(factor, 0.05), 8.0)
    return (weights * factor * 16.0).astype(np.int64) + (weights > 0)


def _spread(missing: Ints, room: Ints, lots: Ints) -> Ints:
    """Return what is missing spread over children by their room; the widest takes the rest.

    Where there is not room enough, the one with the most lots does: it is off by the least.
    """
    total = room.sum(axis=-1)
    part = np.minimum(np.maximum(missing / np.maximum(total, 1), -1.0), 1.0)
    given = (room * part[..., None]).astype(np.int64, order="C")
    rest = missing - given.sum(axis=-1)
    children = given.reshape(-1, given.shape[-1])  # a view, of what lies in this order
    taker = np.where((np.abs(missing) > total)[..., None], lots, room).argmax(axis=-1)
    children[np.arange(len(children)), taker.ravel()] += rest.ravel()
    return given
