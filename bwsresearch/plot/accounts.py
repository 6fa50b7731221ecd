"""What an account was worth over time, lost, and held."""

from typing import TYPE_CHECKING

import numpy as np

from bwsresearch.plot.style import BLUE, GREY, RED, WIDE, dress, legend, percents
from bwsresearch.plot.thinning import STRIPS, Floats, Stamps, bundles, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["drawdown", "equity", "exposure", "rolling", "worth"]


def equity(
    ax: "Axes", stamps: Stamps, worth: Floats, held: Floats, quote: str, name: str = "buy and hold"
) -> "Axes":
    """Draw equity beside a benchmark, on a logarithmic axis where it spans a factor of ten."""
    ax.plot(*thinned(stamps, held), color=GREY, linewidth=0.9, label=name)
    ax.plot(*thinned(stamps, worth), color=BLUE, linewidth=1.3, label="strategy")
    low, high = min(worth.min(), held.min()), max(worth.max(), held.max())
    is_wide = bool(0 < low * WIDE <= high)
    if is_wide:
        ax.set_yscale("log")
    dress(ax, "Equity at the close, logarithmic" if is_wide else "Equity at the close", quote)
    legend(ax)
    return ax


def worth(ax: "Axes", stamps: Stamps, values: Floats, quote: str, begun: float) -> "Axes":
    """Draw what an account was worth, each value until the next, and a line where it began."""
    ax.axhline(begun, color=GREY, linewidth=0.9)
    marker = "o" if len(values) == 1 else None
    ax.plot(
        *thinned(stamps, values), color=BLUE, linewidth=1.3, drawstyle="steps-post", marker=marker,
    )  # fmt: skip
    if len(values) == 1:  # else the axis would show years
        hour = np.timedelta64(1, "h")
        ax.set_xlim(stamps[0] - hour, stamps[0] + hour)
    dress(ax, "Equity", quote)
    return ax


def drawdown(ax: "Axes", stamps: Stamps, parts: Floats) -> "Axes":
    """Fill what is lost since the highest equity, in percent; `parts` are 0 or negative."""
    when, values = thinned(stamps, parts * 100.0)
    ax.fill_between(when, values, 0.0, color=RED, alpha=0.35, linewidth=0)
    ax.plot(when, values, color=RED, linewidth=0.8)
    dress(ax, "Drawdown from the highest equity", "%")
    worst = int(parts.argmin())
    if parts[worst] < 0:
        day = np.datetime_as_string(stamps[worst], unit="D")
        words = f"deepest {percents(float(parts[worst]))}, {day}"
        ax.set_title(words, loc="right", fontsize="small")
    ax.set_ylim(top=0.0, bottom=None if parts[worst] < 0 else -1.0)
    return ax


def exposure(ax: "Axes", edges: Stamps, parts: Floats) -> "Axes":
    """Fill which part of the equity is held in base, in percent; means of strips of many bars.

    `edges` are the open times of the bars and the end of the last one: one more than `parts`.
    """
    starts, name = bundles(edges[:-1], STRIPS // 4)
    means = np.add.reduceat(parts, starts) / np.diff(np.append(starts, len(parts)))
    ax.fill_between(
        np.append(edges[starts], edges[-1]), np.append(means, means[-1]) * 100.0,
        step="post", color=BLUE, alpha=0.45, linewidth=0,
    )  # fmt: skip
    dress(ax, f"Exposure, means of {name}" if name else "Exposure", "%")
    ax.set_ylim(0.0, 105.0)
    return ax


def rolling(ax: "Axes", stamps: Stamps, values: Floats, title: str, unit: str) -> "Axes":
    """Draw a figure that moves with time beside a line at 0; NaN leaves a hole."""
    known = ~np.isnan(values)
    ax.axhline(0.0, color=GREY, linewidth=0.9)
    ax.plot(*thinned(stamps[known], values[known]), color=BLUE, linewidth=1.1)
    dress(ax, title, unit)
    return ax
