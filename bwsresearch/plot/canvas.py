"""Figures: made, turned into PNG, turned dark."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bwsresearch.plot.style import DARK, FIXED, GREY, INK

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - heavy

    drawn.set_dpi(dpi)
    _settle(drawn)
    data = io.BytesIO()
    # Its own canvas draws once; `savefig` draws laid out figures twice.
    canvas = FigureCanvasAgg(drawn)
    canvas.print_png(data, metadata={"Software": None})  # type: ignore[no-untyped-call] # matplotlib's
    return base64.b64encode(data.getvalue()).decode()


def _settle(drawn: "Figure") -> None:
    """Decide once where everything stands: a figure that lays itself out does so with each drawing."""
    engine = drawn.get_layout_engine()
    if engine is not None and drawn.axes:
        engine.execute(drawn)
        drawn.set_layout_engine("none")


def darken(drawn: "Figure") -> None:
    """Turn a drawn figure into one for dark pages: light words and lines on a dark ground."""
    from matplotlib.text import Text  # noqa: PLC0415 - heavy

    _settle(drawn)
    drawn.set_facecolor(DARK)
    for ax in drawn.axes:
        ax.set_facecolor(DARK)
        ax.tick_params(which="both", colors=INK)
        for spine in ax.spines.values():
            spine.set_color(GREY)
    for text in drawn.findobj(Text):
        if text.get_gid() != FIXED:
            text.set_color(INK)


def panels(drawn: "Figure", heights: Sequence[float]) -> "list[Axes]":
    """Return Axes one below the other, of these relative heights, with one axis of time."""
    ratios = {"height_ratios": list(heights)}
    axes = list(drawn.subplots(len(heights), 1, sharex=True, gridspec_kw=ratios))
    drawn.align_ylabels(axes)
    return axes
