"""Figures: made, turned into PNG, turned dark."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bwsresearch.plot.style import DARK, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["darken", "figure", "panels", "png", "shown"]


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
    drawn.set_facecolor(DARK)
    for ax in drawn.axes:
        ax.set_facecolor(DARK)
        ax.tick_params(which="both", colors=INK)
        for spine in ax.spines.values():
            spine.set_color(GREY)
    for text in drawn.findobj(Text):
        text.set_color(INK)


def panels(drawn: "Figure", heights: Sequence[float]) -> "list[Axes]":
    """Return Axes one below the other, of these relative heights, with one axis of time."""
    ratios = {"height_ratios": list(heights)}
    axes = list(drawn.subplots(len(heights), 1, sharex=True, gridspec_kw=ratios))
    drawn.align_ylabels(axes)
    return axes
