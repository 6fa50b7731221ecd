"""A picture of recorded books: what rested at which price, and the best prices, over time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch import plot
from bwsresearch.plot import Floats, Stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Books", "Heat", "books_of", "heat_of", "plot_depth_history"]

_STRIPS: Final = 600
_BANDS: Final = 160
_OUTLIERS: Final = 0.02
"""So many of the deepest levels may lie outside the picture: one order far away would be all of it."""
Places: TypeAlias = npt.NDArray[np.intp]


def plot_depth_history(history: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw a frame of `bws.depth_history`: quantity by price and time, the best prices, the spread.

    The colour of a cell is the mean of what rested in it, in base, over the books of its time; no more
    than 600 × 160 cells are drawn, each some ticks high. Grey is what was not recorded: no book, or no
    level so deep. Lines keep every extreme. With `ax`, the spread is left out. Returns the Axes of the
    quantities; times are UTC.

    Raises:
        ValueError: when the frame has no prices and quantities of books.
    """
    books = books_of(history)
    axes = [ax] if ax is not None else plot.panels(plot.shown(10, 7), (5, 1))
    symbol = history.attrs.get("symbol", "Book")
    if not len(books.times):
        axes[0].set_title(f"{symbol} depth: no books", loc="left", fontsize="medium")
        return axes[0]
    heat = heat_of(books)
    titles = (
        f"{symbol} depth, {len(books.times):,} books (grey: not recorded)",
        f"mean qty in {heat.height:g} quote, base",
    )
    plot.heat(axes, heat.times, heat.prices, heat.sizes, titles)
    middles = (books.bids + books.asks) / 2.0
    best = {"best ask": books.asks, "best bid": books.bids, "mid": middles}
    plot.quotes(axes[0], {name: _line(books, values) for name, values in best.items()})
    axes[0].set_ylim(heat.prices[0], heat.prices[-1])
    spreads = books.asks - books.bids
    if ax is None and not np.isnan(spreads).all():
        plot.spread(axes[1], *_line(books, spreads), float(np.nanmedian(spreads)))
    return axes[0]


def _line(books: "Books", values: Floats) -> tuple[Stamps, Floats]:
    """Return a line of what is known, with few points and all extremes, torn where books are missing."""
    is_known = ~np.isnan(values)
    stamps, shown = plot.thinned(books.times[is_known], values[is_known])
    places = np.searchsorted(stamps, books.holes, side="right")
    return np.insert(stamps, places, books.holes), np.insert(shown, places, np.nan)


@dataclass(frozen=True)
class Books:
    """Books as arrays: of each time the prices and quantities of both sides, NaN without a level.

    Bids are the first half of the columns, the best of each side comes first.
    """

    times: Stamps
    prices: Floats
    qtys: Floats

    @property
    def bids(self) -> Floats:
        """The best bid of each time."""
        return self.prices[:, 0]

    @property
    def asks(self) -> Floats:
        """The best ask of each time."""
        return self.prices[:, self.prices.shape[1] // 2]

    @property
    def step_us(self) -> int:
        """The usual distance of two books; a second of a single one."""
        steps = np.diff(self.times.astype("M8[us]").astype(np.int64))
        if not len(steps):
            return 1_000_000
        lengths, counts = np.unique(steps, return_counts=True)
        return int(lengths[counts.argmax()])

    @property
    def holes(self) -> Stamps:
        """Where the next book was due and is not there."""
        step = np.timedelta64(self.step_us, "us")
        ends = self.times[:-1][np.diff(self.times) > step * 1.5]
        return np.append(ends, self.times[-1:]) + step


def books_of(history: pd.DataFrame) -> Books:
    """Return the books of a frame of `bws.depth_history`, long or wide."""
    wide = [name for name in history.columns if str(name).startswith(("bid_price_", "ask_price_"))]
    if wide:
        sizes = [name.replace("_price_", "_qty_", 1) for name in wide]
        if set(sizes) <= set(history.columns):
            return Books(_stamps(history), _floats(history[wide]), _floats(history[sizes]))
    elif {"side", "level", "price", "qty"} <= set(history.columns):
        return _from_long(history)
    raise ValueError(
        "history has no price and qty of books; give what bws.depth_history(…) returns, "
        "with both of these columns"
    )


def _from_long(history: pd.DataFrame) -> Books:
    times, book = np.unique(_stamps(history), return_inverse=True)
    level = history["level"].to_numpy(np.intp) - 1
    levels = int(level.max(initial=0)) + 1
    side = (history["side"] == "ask").to_numpy(np.intp)
    sides = np.full((2, len(times), 2 * levels), np.nan)
    for at, name in enumerate(("price", "qty")):
        sides[at, book, side * levels + level] = history[name].to_numpy(np.float64)
    return Books(times, sides[0], sides[1])


def _stamps(history: pd.DataFrame) -> Stamps:
    return pd.DatetimeIndex(history.index).tz_localize(None).to_numpy("M8[us]")


def _floats(frame: pd.DataFrame) -> Floats:
    return frame.to_numpy(np.float64)


@dataclass(frozen=True)
class Heat:
    """Cells of a picture: edges in time and price, and what rested in each, NaN where unknown."""

    times: Stamps
    prices: Floats
    sizes: Floats
    height: float


def heat_of(books: Books, strips: int = _STRIPS, bands: int = _BANDS) -> Heat:
    """Return the mean quantity in each cell, over the books of its time that reach so far."""
    column, times = _columns(books, strips)
    low, height, count = _rows(books, bands)
    shape = (len(times) - 1, count)
    row = np.floor((books.prices - low) / height)
    inside = (row >= 0) & (row < count)  # NaN is not
    cell = (column[:, np.newaxis] * count + np.where(inside, row, 0).astype(np.intp))[inside]
    sums = np.bincount(cell, books.qtys[inside], minlength=shape[0] * count).reshape(shape)
    reached = _reached(books, column, (low, height), shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = np.where(reached > 0, sums / reached, np.nan)
    return Heat(times, low + height * np.arange(count + 1), sizes, height)


def _columns(books: Books, strips: int) -> tuple[Places, Stamps]:
    """Return in which strip each book lies, and the edges of strips of whole steps."""
    times, step = books.times.astype(np.int64), books.step_us
    slots = int((times[-1] - times[0]) // step) + 1
    width = -(-slots // strips) * step
    column = (times - times[0]) // width
    edges = times[0] + width * np.arange(int(column[-1]) + 2)
    return column.astype(np.intp), edges.astype("M8[us]")


def _rows(books: Books, bands: int) -> tuple[float, float, int]:
    """Return the lowest edge, the height, which is whole ticks, and the number of bands."""
    lows, highs = _reach(books)
    # fmin and fmax pass over NaN.
    low = np.fmin(np.fmin.reduce(books.bids), np.quantile(lows, _OUTLIERS, method="nearest"))
    high = np.fmax(np.fmax.reduce(books.asks), np.quantile(highs, 1 - _OUTLIERS, method="nearest"))
    tick = _tick(books.prices)
    height = tick * max(1, int(np.ceil((high - low) / tick / bands)))
    low -= height * (bands // 50) + tick / 2  # nothing touches the frame
    return float(low), height, int((high - low) // height) + 1 + bands // 50


def _tick(prices: Floats) -> float:
    """Return the smallest distance between prices, to the exchange's eight decimals."""
    known = np.unique(np.round(prices[~np.isnan(prices)], 8))
    steps = np.round(np.diff(known), 8)
    return float(steps.min()) if len(steps) else float(known[0]) * 1e-4


def _reach(books: Books) -> tuple[Floats, Floats]:
    """Return the lowest and the highest price of each book."""
    return np.nanmin(books.prices, axis=1), np.nanmax(books.prices, axis=1)


def _reached(
    books: Books, column: Places, band: tuple[float, float], shape: tuple[int, int]
) -> npt.NDArray[Any]:
    """Return how many books of each strip know something of each band."""
    low, height = band
    lows, highs = _reach(books)
    first = np.clip(np.floor((lows - low) / height), 0, shape[1]).astype(np.intp)
    last = np.clip(np.floor((highs - low) / height) + 1, 0, shape[1]).astype(np.intp)
    change = np.zeros((shape[0], shape[1] + 1), np.int64)
    np.add.at(change, (column, first), 1)
    np.add.at(change, (column, last), -1)
    return np.cumsum(change, axis=1)[:, :-1]
