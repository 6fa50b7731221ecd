"""Tables as colours: returns by month, a figure over two parameters."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from bwsresearch.plot.style import FIXED, UNKNOWN, plain
from bwsresearch.plot.thinning import Floats
from bwsresearch.times import MONTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.image import AxesImage

__all__ = ["heatmap", "monthly"]

_WORDS: Final = 200
"""More cells than this are too small for their numbers."""
_LABELS: Final = 16
_STRONG: Final = 0.2
"""A month of this return or more has the full colour."""
_BRIGHT: Final = 0.45


def monthly(ax: "Axes", years: Sequence[int], months: Floats, totals: Floats) -> "Axes":
    """Colour returns, parts of one: a row per year, a column per month, and the year's at the end.

    `months` has the shape (years, 12), NaN where nothing is known; red is loss, blue gain.
    """
    from matplotlib.colors import Normalize  # noqa: PLC0415 - heavy

    values = np.column_stack([months, np.full(len(years), np.nan), totals])
    norm = Normalize(-_STRONG, _STRONG)
    drawn = _cells(ax, values, norm, "RdBu", "none")
    drawn.set_extent((-0.5, 13.5, len(years) - 0.5, -0.5))
    _words(ax, drawn, values, lambda part: f"{round(part * 100.0, 1) + 0.0:,.1f}")
    ax.set_xticks(range(14), [*MONTHS, "", "year"])
    ax.set_yticks(range(len(years)), [str(year) for year in years])
    ax.set_title("Returns by month, %", loc="left", fontsize="medium")
    return ax


def heatmap(
    ax: "Axes",
    values: Floats,
    rows: Sequence[object],
    columns: Sequence[object],
    *,
    names: tuple[str, str],
    title: str,
    text: Callable[[float], str] = plain,
    best: Literal["max", "min", ""] = "max",
) -> "Axes":
    """Colour a figure over two parameters, `values` of shape (rows, columns); NaN is grey.

    Figures on both sides of 0 are red below, blue above and white at 0, as far as the farther of
    their ends; others go from dark to light. `names` are those of rows and columns, `text` writes a
    figure; the best one is marked and named, with `best` "" none is.

    Raises:
        ValueError: when the labels do not fit the shape.
    """
    from matplotlib.colors import Normalize  # noqa: PLC0415 - heavy

    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"values have shape {values.shape}, must be ({len(rows)}, {len(columns)}): "
            f"a row for each {names[0]}, a column for each {names[1]}"
        )
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    crosses = low < 0 < high
    reach = max(-low, high)
    norm = Normalize(-reach, reach) if crosses else Normalize(low, high)
    drawn = _cells(ax, values, norm, "RdBu" if crosses else "viridis", UNKNOWN)
    _words(ax, drawn, values, text)
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, aspect=30, format=lambda part, _: text(part))
    bar.outline.set_visible(False)
    _labels(ax, rows, columns)
    ax.set_ylabel(names[0])
    ax.set_xlabel(names[1])
    ax.set_title(title, loc="left", fontsize="medium")
    if best and len(known):
        place = np.nanargmax(values) if best == "max" else np.nanargmin(values)
        row, column = (int(at) for at in np.unravel_index(place, values.shape))
        where = f"{names[0]} {rows[row]}, {names[1]} {columns[column]}"
        _mark(ax, row, column, f"best {text(float(values[row, column]))}: {where}")
    return ax


def _cells(ax: "Axes", values: Floats, norm: "Normalize", colours: str, ground: str) -> "AxesImage":
    from matplotlib import colormaps  # noqa: PLC0415 - heavy

    cmap = colormaps[colours].with_extremes(bad=ground)
    drawn = ax.imshow(
        np.ma.masked_invalid(values), cmap=cmap, norm=norm, aspect="auto", interpolation="nearest"
    )
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return drawn


def _words(ax: "Axes", drawn: "AxesImage", values: Floats, text: Callable[[float], str]) -> None:
    """Write the numbers of few cells into them, in an ink that suits each cell's colour."""
    if values.size > _WORDS:
        return
    colours = np.asarray(drawn.to_rgba(values))
    luminance = (colours[..., :3] ** 2.2) @ np.array([0.2126, 0.7152, 0.0722])
    for row, column in np.argwhere(np.isfinite(values)):
        ink = "black" if luminance[row, column] > _BRIGHT**2.2 else "white"
        ax.text(
            column, row, text(float(values[row, column])), ha="center", va="center",
            color=ink, fontsize="small", gid=FIXED,
        )  # fmt: skip


def _labels(ax: "Axes", rows: Sequence[object], columns: Sequence[object]) -> None:
    for axis, labels in ((ax.yaxis, rows), (ax.xaxis, columns)):
        step = -(-len(labels) // _LABELS)
        places = range(0, len(labels), step)
        axis.set_ticks(places, [str(labels[place]) for place in places])


def _mark(ax: "Axes", row: int, column: int, words: str) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - heavy

    for colour, width in (("white", 4.0), ("black", 1.8)):  # seen on any colour
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(
            Rectangle(corner, 1, 1, fill=False, edgecolor=colour, linewidth=width, clip_on=False)
        )
    ax.set_title(words, loc="right", fontsize="small")
