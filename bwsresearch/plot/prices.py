"""A price over time, and what was traded at it."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from bwsresearch.plot.style import BLUE, GREEN, GREY, ORANGE, RED, WIDE, dress, legend
from bwsresearch.plot.thinning import Bars, Floats, Stamps, resampled, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["candles", "fills", "price", "volume"]

_CANDLES: Final = 1_500
"""Up to so many bars are drawn one by one."""
_FEW_FILLS: Final = 60
_MANY_FILLS: Final = 400
"""More markers than this hide the price that they stand on."""
_GAP: Final = 0.15
"""Part of a bar's time that is left free on each side of its body."""
_SEAM: Final = 1e-3
"""Part of a picture's width that is no gap."""
_DENSE: Final = 400
"""More bodies than this touch each other."""


def price(ax: "Axes", stamps: Stamps, closes: Floats, symbol: str, quote: str) -> "Axes":
    """Draw closes as a line."""
    ax.plot(*thinned(stamps, closes), color=GREY, linewidth=0.9, label="close")
    dress(ax, f"{symbol} close", quote)
    return ax


def candles(ax: "Axes", bars: Bars, symbol: str, quote: str, most: int = _CANDLES) -> "Axes":
    """Draw bars from open to close with wicks to high and low, each as wide as it lasts.

    More than `most` are drawn as fewer, longer ones, of which the title says how long they are.
    """
    from matplotlib.collections import LineCollection, PolyCollection  # noqa: PLC0415 - heavy

    shown, name = _fewer(bars, most)
    left, right = _sides(shown)
    middle = (left + right) / 2.0
    bottom, top = np.minimum(shown.open, shown.close), np.maximum(shown.open, shown.close)
    for rises, colour in ((True, GREEN), (False, RED)):
        rows = (shown.close >= shown.open) == rises
        wicks = [
            _segments(middle[rows], top[rows], shown.high[rows]),
            _segments(middle[rows], shown.low[rows], bottom[rows]),
        ]
        lines: Any = np.concatenate(wicks)  # matplotlib takes arrays, its types do not say so
        bodies: Any = _boxes(left[rows], right[rows], bottom[rows], top[rows])
        for drawn in (
            LineCollection(lines, colors=colour, linewidths=0.7),
            PolyCollection(bodies, facecolors=colour, edgecolors=colour, linewidths=0.7),
        ):
            ax.add_collection(drawn, autolim=False)
    title = f"{symbol}, candles of {name}" if name else f"{symbol}, {len(middle):,} bars"
    if len(middle):
        low, high = shown.low.min(), shown.high.max()
        ax.update_datalim([(left[0], low), (right[-1], high)])
        if 0 < low * WIDE <= high:
            ax.set_yscale("log")
            title += ", logarithmic"
    ax.autoscale_view()
    dress(ax, title, quote)
    return ax


def volume(ax: "Axes", bars: Bars, base: str, most: int = _CANDLES) -> "Axes":
    """Draw how much was traded in each bar, or in each of fewer and longer ones."""
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - heavy

    shown, name = _fewer(bars, most)
    left, right = _sides(shown)
    boxes: Any = _boxes(left, right, np.zeros(len(left)), shown.volume)
    is_dense = len(left) > _DENSE  # soft edges of so many columns would make a pattern
    drawn = PolyCollection(
        boxes, facecolors=BLUE, linewidths=0, alpha=0.55, antialiaseds=not is_dense
    )
    ax.add_collection(drawn, autolim=False)
    if len(left):
        ax.update_datalim([(left[0], 0.0), (right[-1], shown.volume.max())])
    dress(ax, f"Volume in {name}" if name else "Volume of each bar", base)
    ax.autoscale_view()
    ax.set_ylim(bottom=0.0)
    return ax


def fills(ax: "Axes", stamps: Stamps, prices: Floats, bought: npt.NDArray[np.bool_]) -> "Axes":
    """Mark buys with blue triangles upwards, sales with orange ones downwards; say so of too many."""
    if not len(stamps):
        return ax
    if len(stamps) > _MANY_FILLS:
        ax.set_title(f"{len(stamps):,} fills, too many to mark", loc="right", fontsize="small")
        return ax
    for side, marker, colour, name in ((True, "^", BLUE, "buy"), (False, "v", ORANGE, "sell")):
        rows = bought == side
        if not rows.any():
            continue
        ax.scatter(
            stamps[rows], prices[rows], marker=marker, s=70 if len(stamps) <= _FEW_FILLS else 36, color=colour, zorder=3,
            edgecolors="white", linewidths=0.6, label=f"{name} ({int(rows.sum()):,})",
        )  # fmt: skip
    legend(ax)
    return ax


def _fewer(bars: Bars, most: int) -> tuple[Bars, str]:
    """Return bars as they are, or if there are too many, fewer that have room for a body each."""
    return resampled(bars, most // 2) if len(bars.opened) > most else (bars, "")


def _sides(bars: Bars) -> tuple[Floats, Floats]:
    """Return from when to when the box of each bar is drawn, in matplotlib's days."""
    from matplotlib.dates import date2num  # noqa: PLC0415 - heavy

    opened, ended = (date2num(part) for part in (bars.opened, bars.ended))  # type: ignore[no-untyped-call] # matplotlib's
    if len(opened) <= _DENSE:
        gap = (ended - opened) * _GAP
        return opened + gap, ended - gap
    until = np.append(opened[1:], ended[-1:])  # no seam that would be wider than what it shows
    return opened, np.where(until - ended < (until[-1] - opened[0]) * _SEAM, until, ended)


def _segments(x: Floats, low: Floats, high: Floats) -> Floats:
    """Return upright lines (count, 2, 2) of those that have a length."""
    rows = high > low
    x, low, high = x[rows], low[rows], high[rows]
    return np.stack([np.stack([x, low], axis=1), np.stack([x, high], axis=1)], axis=1)


def _boxes(left: Floats, right: Floats, bottom: Floats, top: Floats) -> Floats:
    """Return rectangles as corners (count, 4, 2)."""
    return np.stack(
        [
            np.stack([left, bottom], axis=1),
            np.stack([left, top], axis=1),
            np.stack([right, top], axis=1),
            np.stack([right, bottom], axis=1),
        ],
        axis=1,
    )
