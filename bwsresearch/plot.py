"""Arrays and Axes in, Axes out. The one file that knows matplotlib, which it loads when it draws.

Long series are thinned to the lowest and highest value of each strip of the picture, so that no
extreme is lost and half a million bars draw at once.
"""

import base64
import io
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Floats",
    "Stamps",
    "depth",
    "drawdown",
    "equity",
    "figure",
    "fills",
    "panels",
    "png",
    "price",
    "shown",
    "thinned",
]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Stamps: TypeAlias = npt.NDArray[np.datetime64]

_STRIPS: Final = 1_500
_BLUE, _GREY, _GREEN, _RED = "#2962ff", "#8a8f98", "#089981", "#d32f45"
_MANY_FILLS: Final = 400


def figure(width: float, height: float) -> "Figure":
    """Return a figure of its own, in inches, unknown to pyplot."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    return Figure(figsize=(width, height), layout="constrained")


def shown(width: float, height: float) -> "Figure":
    """Return a figure that a notebook shows at the end of the cell."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - heavy

    return plt.figure(figsize=(width, height), layout="constrained")


def png(drawn: "Figure", dpi: int = 110) -> str:
    """Return a figure as base64 text of a PNG."""
    data = io.BytesIO()
    drawn.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
    return base64.b64encode(data.getvalue()).decode()


def panels(drawn: "Figure") -> "tuple[Axes, Axes, Axes]":
    """Return three Axes, one below the other, with one axis of time."""
    top, middle, bottom = drawn.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2, 1]}
    )
    return top, middle, bottom


def thinned(stamps: Stamps, values: Floats, strips: int = _STRIPS) -> tuple[Stamps, Floats]:
    """Return at most four points per strip: the first, lowest, highest and last, in their order."""
    if len(values) <= 4 * strips:
        return stamps, values
    edges = np.linspace(0, len(values), strips + 1).astype(np.int64)
    starts = edges[:-1]
    strip = np.repeat(np.arange(strips), np.diff(edges))
    order = np.lexsort((values, strip))
    picked = np.unique(np.concatenate([starts, edges[1:] - 1, order[starts], order[edges[1:] - 1]]))
    return stamps[picked], values[picked]


def price(ax: "Axes", stamps: Stamps, closes: Floats, symbol: str, quote: str) -> "Axes":
    """Draw closes as a line."""
    ax.plot(*thinned(stamps, closes), color=_GREY, linewidth=0.9, label="close")
    ax.set_ylabel(quote)
    _dress(ax, f"{symbol}, with fills")
    return ax


def fills(ax: "Axes", stamps: Stamps, prices: Floats, bought: npt.NDArray[np.bool_]) -> "Axes":
    """Mark buys with green triangles upwards, sales with red ones downwards."""
    size = 26 if len(stamps) <= _MANY_FILLS else 5
    for side, marker, colour, name in ((True, "^", _GREEN, "buy"), (False, "v", _RED, "sell")):
        rows = bought == side
        ax.scatter(
            stamps[rows], prices[rows], marker=marker, s=size, color=colour, zorder=3,
            linewidths=0, alpha=0.9 if size > 5 else 0.5, label=f"{name} ({int(rows.sum()):,})",
        )  # fmt: skip
    ax.legend(loc="upper left", frameon=False, ncols=3, fontsize="small")
    return ax


def equity(ax: "Axes", stamps: Stamps, worth: Floats, held: Floats, quote: str) -> "Axes":
    """Draw equity beside buy and hold."""
    ax.plot(*thinned(stamps, held), color=_GREY, linewidth=0.8, alpha=0.8, label="buy and hold")
    ax.plot(*thinned(stamps, worth), color=_BLUE, linewidth=1.2, label="strategy")
    ax.set_ylabel(quote)
    ax.legend(loc="upper left", frameon=False, ncols=2, fontsize="small")
    _dress(ax, "equity")
    return ax


def drawdown(ax: "Axes", stamps: Stamps, parts: Floats) -> "Axes":
    """Fill what is lost since the highest equity, in percent; `parts` are 0 or negative."""
    when, values = thinned(stamps, parts * 100.0)
    ax.fill_between(when, values, 0.0, color=_RED, alpha=0.35, linewidth=0)
    ax.set_ylabel("%")
    _dress(ax, "drawdown")
    return ax


def depth(ax: "Axes", book: Any) -> "Axes":
    """Draw a book of `bws.depth`: cumulated quantity by price, bids left, asks right."""
    for side, colour in (("bid", _GREEN), ("ask", _RED)):
        rows = book[book["side"] == side]
        ax.fill_between(rows["price"], rows["cum_qty"], step="post", color=colour, alpha=0.35)
        ax.plot(rows["price"], rows["cum_qty"], color=colour, drawstyle="steps-post", label=side)
    ax.set_xlabel("price")
    ax.set_ylabel("cumulated quantity")
    ax.legend(frameon=False)
    _dress(ax, str(book.attrs.get("symbol", "depth")))
    return ax


def _dress(ax: "Axes", title: str) -> None:
    ax.set_title(title, loc="left", fontsize="medium")
    ax.grid(visible=True, color=_GREY, alpha=0.2, linewidth=0.6)
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.margins(x=0.01)
    if ax.get_xlabel() == "":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - heavy

        locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_formatter(formatter)
