"""What trades brought: one mark each, and how often."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from bwsresearch.plot.style import GREEN, GREY, RED, dress, hint, legend, percents, plain
from bwsresearch.plot.thinning import Floats, Stamps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["durations", "histogram", "trades"]

_MANY: Final = 1_000
"""From so many on, marks are small and let others shine through."""
_MARGIN: Final = 0.03
_BINS: Final = 60
_TAILS: Final = (0.005, 0.995)
_UNITS: Final = {86_400.0: "days", 3_600.0: "hours", 60.0: "minutes"}


def trades(ax: "Axes", ended: Stamps, returns: Floats, paid: Floats) -> "Axes":
    """Mark each trade's return, in percent, when it ended; what was paid is the area of its mark.

    `returns` are parts of one.
    """
    _marks(ax, ended, returns, paid)
    dress(ax, "Return of each trade", "%")
    ax.margins(x=_MARGIN)
    return ax


def durations(ax: "Axes", seconds: Floats, returns: Floats, paid: Floats) -> "Axes":
    """Mark each trade's return over how long it lasted, on a logarithmic axis where that varies much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 - heavy

    lengths, unit = _length(seconds)
    _marks(ax, lengths, returns, paid)
    ax.set_xlabel(f"held, {unit}")
    dress(ax, "Return by time held", "%")
    ax.margins(x=_MARGIN)
    if len(lengths) and 0 < lengths.min() * 10.0 <= lengths.max():
        ax.set_xscale("log")
        narrow = lengths.max() < lengths.min() * 1_000.0
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    return ax


def _marks(ax: "Axes", x: npt.NDArray[Any], returns: Floats, paid: Floats) -> None:
    ax.axhline(0.0, color=GREY, linewidth=0.9)
    if not len(returns):
        hint(ax, "no closed trade")
        return
    many = len(returns) > _MANY
    area = (8.0 if many else 24.0) * (0.25 + 0.75 * paid / float(paid.max()))
    for wins, marker, colour, name in ((True, "o", GREEN, "win"), (False, "D", RED, "loss")):
        rows = (returns > 0) == wins
        if rows.any():
            ax.scatter(
                x[rows], returns[rows] * 100.0, s=area[rows], marker=marker, color=colour,
                alpha=0.35 if many else 0.7, linewidths=0, label=f"{name} ({int(rows.sum()):,})",
            )  # fmt: skip
    legend(ax)


def _length(seconds: Floats) -> tuple[Floats, str]:
    """Return lengths in the unit that suits the usual one, and its name."""
    usual = float(np.median(seconds)) if len(seconds) else 0.0
    for unit, name in _UNITS.items():
        if usual >= 3.0 * unit:
            return seconds / unit, name
    return seconds, "seconds"


def histogram(ax: "Axes", returns: Floats, what: str = "Returns") -> "Axes":
    """Draw how many returns, parts of one, lie where; a line is their mean.

    No bar has losses and gains. What lies beyond the outermost bars of many returns counts in them,
    and the label says so.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415 - heavy

    known = returns[np.isfinite(returns)] * 100.0
    ax.set_xlabel("%")
    dress(ax, f"{what} ({len(known):,})", "how many")
    if not len(known):
        hint(ax, "none")
        return ax
    edges, is_cut = _edges(known)
    counts, _ = np.histogram(np.clip(known, edges[0], edges[-1]), edges)
    middle = (edges[:-1] + edges[1:]) / 2.0
    colours = [GREEN if at > 0 else RED for at in middle]
    ax.bar(middle, counts, width=np.diff(edges) * 0.92, color=colours, alpha=0.75, linewidth=0)
    mean = float(known.mean())
    ax.axvline(
        mean, color=GREY, linewidth=1.2, linestyle="--", label=f"mean {percents(mean / 100, 3)}"
    )
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    if is_cut:
        ax.set_xlabel("% (the outermost bars hold all beyond)")
    legend(ax)
    return ax


def _edges(values: Floats) -> tuple[Floats, bool]:
    """Return the edges of bars, 0 among them, and whether values lie beyond the outermost."""
    low, high = float(values.min()), float(values.max())
    if len(values) > 200:
        low, high = (float(at) for at in np.quantile(values, _TAILS))
    width = (max(high, 0.0) - min(low, 0.0)) / min(_BINS, max(8, int(np.sqrt(len(values)) * 2)))
    width = width or 1.0
    first, last = int(np.floor(low / width)), int(np.ceil(high / width))
    edges = np.arange(min(first, 0), max(last, 0) + 1) * width
    if len(edges) < 2:
        edges = np.array([-width, 0.0, width])
    return edges, bool(values.min() < edges[0] or values.max() > edges[-1])
