"""Books: one by price, many over time, and the distance between their sides."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bwsresearch.plot.style import BLUE, DARK, GREEN, RED, UNKNOWN, dress, legend, plain
from bwsresearch.plot.thinning import Floats, Stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["depth", "heat", "quotes", "spread"]


def depth(ax: "Axes", book: Any) -> "Axes":
    """Draw a book of `bws.depth`: cumulated quantity by price, bids left, asks right."""
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - heavy

    for side, colour in (("bid", GREEN), ("ask", RED)):
        rows = book[book["side"] == side]
        ax.fill_between(rows["price"], rows["cum_qty"], step="post", color=colour, alpha=0.3)
        ax.plot(
            rows["price"], rows["cum_qty"], color=colour, drawstyle="steps-post", linewidth=1.3,
            label=f"{side}s ({len(rows):,})",
        )  # fmt: skip
    ax.set_xlabel("price, quote")
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    dress(ax, f"{book.attrs.get('symbol', 'Book')} depth", "cumulated qty, base")
    ax.set_ylim(bottom=0.0)
    legend(ax)
    return ax


def heat(
    axes: "list[Axes]", times: Stamps, prices: Floats, sizes: Floats, titles: tuple[str, str]
) -> "Axes":
    """Colour what rests at a price over time in the first of `axes`; its scale lies beside them all.

    `times` and `prices` are the edges of the cells of `sizes` (time, price); NaN is grey, which is not
    the colour of 0. `titles` are the picture's and the scale's.
    """
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - heavy

    ax, some = axes[0], sizes[sizes > 0]
    ax.set_facecolor(UNKNOWN)
    if len(some):
        low, high = (float(part) for part in np.quantile(some, [0.02, 0.995]))
        top = max(high, low * 10.0)
        shown = np.where(sizes < low, low, sizes).T
        mesh = ax.pcolormesh(
            times, prices, shown, cmap="Blues", norm="log", vmin=low, vmax=top, rasterized=True
        )
        bar = ax.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=40)
        bar.set_label(titles[1])
        bar.ax.yaxis.set_major_formatter(FuncFormatter(plain))
        bar.ax.yaxis.set_minor_formatter(FuncFormatter(plain) if top < low * 30 else "")
    dress(ax, titles[0], "price, quote")
    ax.grid(visible=False)
    ax.margins(x=0.0)
    return ax


def quotes(ax: "Axes", best: "dict[str, tuple[Stamps, Floats]]") -> "Axes":
    """Draw lines that stand until the next value: of best asks, best bids and their middle."""
    for (name, line), colour in zip(best.items(), (RED, GREEN, DARK), strict=True):
        width = 0.6 if colour == DARK else 1.0
        ax.plot(*line, color=colour, linewidth=width, drawstyle="steps-post", label=name)
    legend(ax)
    return ax


def spread(ax: "Axes", stamps: Stamps, values: Floats, usual: float) -> "Axes":
    """Draw the distance from bid to ask, and say which is usual."""
    ax.plot(stamps, values, color=BLUE, linewidth=0.8, drawstyle="steps-post")
    dress(ax, f"Spread, median {plain(usual)}", "quote")
    ax.set_ylim(bottom=0.0, top=float(np.nanmax(values)) * 1.1)
    return ax
