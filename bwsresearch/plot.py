"""Arrays and Axes in, Axes out. The one file that knows matplotlib, which it loads when it draws.

Long series are thinned to the first, lowest, highest and last value of each strip of the picture, so
that no extreme is lost and half a million bars draw at once. Times are UTC without a zone.
"""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Floats",
    "Stamps",
    "darken",
    "depth",
    "drawdown",
    "equity",
    "exposure",
    "figure",
    "fills",
    "heat",
    "panels",
    "png",
    "price",
    "quotes",
    "shown",
    "spread",
    "thinned",
    "worth",
]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Stamps: TypeAlias = npt.NDArray[np.datetime64]

_STRIPS: Final = 1_500
_BLUE, _GREY, _GREEN, _RED = "#3b82f6", "#8a8f98", "#089981", "#e0475b"
_INK, _DARK = "#e6edf3", "#0d1117"
_UNKNOWN: Final = "#d5d8dd"
_MANY_FILLS: Final = 400
"""More markers than this hide the price that they stand on."""
_WIDE_RANGE: Final = 10.0
"""From this ratio of highest to lowest on, equity is drawn on a logarithmic axis."""


def figure(width: float, height: float) -> "Figure":
    """Return a figure of its own, in inches, unknown to pyplot."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    return Figure(figsize=(width, height), layout="constrained")


def shown(width: float, height: float) -> "Figure":
    """Return a figure that a notebook shows at the end of the cell."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - heavy

    return plt.figure(figsize=(width, height), layout="constrained")


def png(drawn: "Figure", dpi: int = 144) -> str:
    """Return a figure as base64 text of a PNG."""
    data = io.BytesIO()
    drawn.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
    return base64.b64encode(data.getvalue()).decode()


def darken(drawn: "Figure") -> None:
    """Turn a drawn figure into one for dark pages: light words and lines on a dark ground."""
    from matplotlib.text import Text  # noqa: PLC0415 - heavy

    drawn.set_layout_engine("none")  # where everything stands is known by now
    drawn.set_facecolor(_DARK)
    for ax in drawn.axes:
        ax.set_facecolor(_DARK)
        ax.tick_params(which="both", colors=_INK)
        for spine in ax.spines.values():
            spine.set_color(_GREY)
    for text in drawn.findobj(Text):
        text.set_color(_INK)


def panels(drawn: "Figure", heights: Sequence[float]) -> "list[Axes]":
    """Return Axes one below the other, of these relative heights, with one axis of time."""
    ratios = {"height_ratios": list(heights)}
    axes = list(drawn.subplots(len(heights), 1, sharex=True, gridspec_kw=ratios))
    drawn.align_ylabels(axes)
    return axes


def thinned(stamps: Stamps, values: Floats, strips: int = _STRIPS) -> tuple[Stamps, Floats]:
    """Return at most four points per strip: the first, lowest, highest and last, in their order."""
    if len(values) <= 4 * strips:
        return stamps, values
    per = -(-len(values) // strips)
    whole = len(values) // per * per
    table = values[:whole].reshape(-1, per)
    starts = np.arange(0, whole, per)
    places = [
        starts,
        starts + table.argmin(axis=1),
        starts + table.argmax(axis=1),
        starts + per - 1,
    ]
    if whole < len(values):
        rest = values[whole:]
        places.append(whole + np.array([0, rest.argmin(), rest.argmax(), len(rest) - 1]))
    picked = np.unique(np.concatenate(places))
    return stamps[picked], values[picked]


def price(ax: "Axes", stamps: Stamps, closes: Floats, symbol: str, quote: str) -> "Axes":
    """Draw closes as a line."""
    ax.plot(*thinned(stamps, closes), color=_GREY, linewidth=0.9, label="close")
    _dress(ax, f"{symbol} close", quote)
    return ax


def fills(ax: "Axes", stamps: Stamps, prices: Floats, bought: npt.NDArray[np.bool_]) -> "Axes":
    """Mark buys with green triangles upwards, sales with red ones downwards; say so of too many."""
    if not len(stamps):
        return ax
    if len(stamps) > _MANY_FILLS:
        ax.set_title(f"{len(stamps):,} fills, too many to mark", loc="right", fontsize="small")
        return ax
    for side, marker, colour, name in ((True, "^", _GREEN, "buy"), (False, "v", _RED, "sell")):
        rows = bought == side
        if not rows.any():
            continue
        ax.scatter(
            stamps[rows], prices[rows], marker=marker, s=24, color=colour, zorder=3, linewidths=0,
            alpha=0.9, label=f"{name} ({int(rows.sum()):,})",
        )  # fmt: skip
    _legend(ax)
    return ax


def equity(ax: "Axes", stamps: Stamps, worth: Floats, held: Floats, quote: str) -> "Axes":
    """Draw equity beside buy and hold, on a logarithmic axis where it spans a factor of ten."""
    ax.plot(*thinned(stamps, held), color=_GREY, linewidth=0.9, label="buy and hold")
    ax.plot(*thinned(stamps, worth), color=_BLUE, linewidth=1.3, label="strategy")
    low, high = min(worth.min(), held.min()), max(worth.max(), held.max())
    is_wide = bool(0 < low * _WIDE_RANGE <= high)
    if is_wide:
        ax.set_yscale("log")
    _dress(ax, "Equity at the close, logarithmic" if is_wide else "Equity at the close", quote)
    _legend(ax)
    return ax


def worth(ax: "Axes", stamps: Stamps, values: Floats, quote: str, begun: float) -> "Axes":
    """Draw what an account was worth, each value until the next, and a line where it began."""
    ax.axhline(begun, color=_GREY, linewidth=0.9)
    marker = "o" if len(values) == 1 else None
    ax.plot(
        *thinned(stamps, values), color=_BLUE, linewidth=1.3, drawstyle="steps-post", marker=marker,
    )  # fmt: skip
    if len(values) == 1:  # else the axis would show years
        hour = np.timedelta64(1, "h")
        ax.set_xlim(stamps[0] - hour, stamps[0] + hour)
    _dress(ax, "Equity", quote)
    return ax


def drawdown(ax: "Axes", stamps: Stamps, parts: Floats) -> "Axes":
    """Fill what is lost since the highest equity, in percent; `parts` are 0 or negative."""
    when, values = thinned(stamps, parts * 100.0)
    ax.fill_between(when, values, 0.0, color=_RED, alpha=0.35, linewidth=0)
    ax.plot(when, values, color=_RED, linewidth=0.8)
    _dress(ax, "Drawdown from the highest equity", "%")
    ax.set_ylim(top=0.0)
    return ax


def exposure(ax: "Axes", edges: Stamps, parts: Floats) -> "Axes":
    """Fill which part of the equity is held in base, in percent; means of strips of many bars.

    `edges` are the open times of the bars and the end of the last one: one more than `parts`.
    """
    per = max(1, len(parts) // (_STRIPS // 5))
    starts = np.arange(0, len(parts), per)
    means = np.add.reduceat(parts, starts) / np.diff(np.append(starts, len(parts)))
    ax.fill_between(
        np.append(edges[starts], edges[-1]), np.append(means, means[-1]) * 100.0,
        step="post", color=_BLUE, alpha=0.45, linewidth=0,
    )  # fmt: skip
    _dress(ax, "Exposure" if per == 1 else f"Exposure, means of {per:,} bars", "%")
    ax.set_ylim(0.0, 105.0)
    return ax


def depth(ax: "Axes", book: Any) -> "Axes":
    """Draw a book of `bws.depth`: cumulated quantity by price, bids left, asks right."""
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - heavy

    for side, colour in (("bid", _GREEN), ("ask", _RED)):
        rows = book[book["side"] == side]
        ax.fill_between(rows["price"], rows["cum_qty"], step="post", color=colour, alpha=0.3)
        ax.plot(
            rows["price"], rows["cum_qty"], color=colour, drawstyle="steps-post", linewidth=1.3,
            label=f"{side}s ({len(rows):,})",
        )  # fmt: skip
    ax.set_xlabel("price, quote")
    ax.xaxis.set_major_formatter(FuncFormatter(_plain))
    _dress(ax, f"{book.attrs.get('symbol', 'Book')} depth", "cumulated qty, base")
    ax.set_ylim(bottom=0.0)
    _legend(ax)
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
    ax.set_facecolor(_UNKNOWN)
    if len(some):
        low, high = (float(part) for part in np.quantile(some, [0.02, 0.995]))
        top = max(high, low * 10.0)
        shown = np.where(sizes < low, low, sizes).T
        mesh = ax.pcolormesh(
            times, prices, shown, cmap="Blues", norm="log", vmin=low, vmax=top, rasterized=True
        )
        bar = ax.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=40)
        bar.set_label(titles[1])
        bar.ax.yaxis.set_major_formatter(FuncFormatter(_plain))
        bar.ax.yaxis.set_minor_formatter(FuncFormatter(_plain) if top < low * 30 else "")
    _dress(ax, titles[0], "price, quote")
    ax.grid(visible=False)
    ax.margins(x=0.0)
    return ax


def quotes(ax: "Axes", best: "dict[str, tuple[Stamps, Floats]]") -> "Axes":
    """Draw lines that stand until the next value: of best asks, best bids and their middle."""
    for (name, line), colour in zip(best.items(), (_RED, _GREEN, _DARK), strict=True):
        width = 0.6 if colour == _DARK else 1.0
        ax.plot(*line, color=colour, linewidth=width, drawstyle="steps-post", label=name)
    _legend(ax)
    return ax


def spread(ax: "Axes", stamps: Stamps, values: Floats, usual: float) -> "Axes":
    """Draw the distance from bid to ask, and say which is usual."""
    ax.plot(stamps, values, color=_BLUE, linewidth=0.8, drawstyle="steps-post")
    _dress(ax, f"Spread, median {_plain(usual)}", "quote")
    ax.set_ylim(bottom=0.0, top=float(np.nanmax(values)) * 1.1)
    return ax


def _legend(ax: "Axes") -> None:
    """Put the legend beside the title, where it hides nothing."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=3, fontsize="small",
        borderpad=0.2, borderaxespad=0.2,
    )  # fmt: skip


def _dress(ax: "Axes", title: str, unit: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - heavy
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415 - heavy

    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_ylabel(unit)
    ax.grid(visible=True, color=_GREY, alpha=0.2, linewidth=0.6)
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.margins(x=0.01)
    ax.yaxis.set_major_formatter(FuncFormatter(_plain))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if ax.get_xlabel() == "":
        locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_formatter(formatter)


def _plain(value: float, _: int | None = None) -> str:
    """Return a tick's number without an exponent, thousands apart."""
    text = f"{value:,.10f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
