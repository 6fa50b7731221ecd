"""A price over time, and what was traded at it."""

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from bwsresearch.plot.style import GREEN, GREY, RED, dress, legend
from bwsresearch.plot.thinning import Floats, Stamps, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fills", "price"]

_MANY_FILLS: Final = 400
"""More markers than this hide the price that they stand on."""


def price(ax: "Axes", stamps: Stamps, closes: Floats, symbol: str, quote: str) -> "Axes":
    """Draw closes as a line."""
    ax.plot(*thinned(stamps, closes), color=GREY, linewidth=0.9, label="close")
    dress(ax, f"{symbol} close", quote)
    return ax


def fills(ax: "Axes", stamps: Stamps, prices: Floats, bought: npt.NDArray[np.bool_]) -> "Axes":
    """Mark buys with green triangles upwards, sales with red ones downwards; say so of too many."""
    if not len(stamps):
        return ax
    if len(stamps) > _MANY_FILLS:
        ax.set_title(f"{len(stamps):,} fills, too many to mark", loc="right", fontsize="small")
        return ax
    for side, marker, colour, name in ((True, "^", GREEN, "buy"), (False, "v", RED, "sell")):
        rows = bought == side
        if not rows.any():
            continue
        ax.scatter(
            stamps[rows], prices[rows], marker=marker, s=24, color=colour, zorder=3, linewidths=0,
            alpha=0.9, label=f"{name} ({int(rows.sum()):,})",
        )  # fmt: skip
    legend(ax)
    return ax
