"""From one total to another, step by step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from bwsresearch.plot.style import BLUE, GREEN, GREY, RED, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["waterfall"]

_NOTHING: Final = 1e-8
"""The exchange's smallest amount: less is no rest."""


def waterfall(
    ax: "Axes",
    labels: Sequence[str],
    amounts: Sequence[float],
    *,
    start: float,
    end: float,
    unit: str,
    names: tuple[str, str] = ("start", "end"),
) -> "Axes":
    """Draw signed amounts that lead from `start` to `end`, one below the other, each from the last's end.

    What the amounts leave over is a step of its own, "unexplained". The axis covers where the totals
    are, not 0. `names` are those of both totals.

    Raises:
        ValueError: when there is not one label per amount.
    """
    if len(labels) != len(amounts):
        raise ValueError(f"{len(labels)} labels for {len(amounts)} amounts, give one for each")
    words, steps = list(labels), [float(amount) for amount in amounts]
    rest = end - start - sum(steps)
    if abs(rest) > max(_NOTHING, abs(end) * 1e-12):
        words.append("unexplained")
        steps.append(rest)
    totals = start + np.concatenate([[0.0], np.cumsum(steps)])
    low, high = min(totals.min(), end), max(totals.max(), end)
    room = (high - low or abs(start) or 1.0) * 0.12
    rows = np.arange(len(steps)) + 1
    ax.barh(0, start - low + room, left=low - room, color=GREY, height=0.7)
    ax.barh(len(steps) + 1, end - low + room, left=low - room, color=GREY, height=0.7)
    colours = [GREEN if step > 0 else RED for step in steps]
    if words[len(labels) :]:
        colours[-1] = BLUE
    ax.barh(rows, steps, left=totals[:-1], color=colours, height=0.7)
    ax.vlines(totals, np.arange(len(totals)), np.arange(len(totals)) + 1, color=GREY, linewidth=0.8)
    texts = [plain(round(start, 8)), *(_signed(step) for step in steps), plain(round(end, 8))]
    right = [start, *np.maximum(totals[:-1], totals[1:]), end]
    for row, (at, text) in enumerate(zip(right, texts, strict=True)):
        ax.annotate(
            text, (at, row), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize="small",
        )  # fmt: skip
    ax.set_yticks(range(len(steps) + 2), [names[0], *words, names[1]])
    ax.invert_yaxis()
    ax.set_xlim(low - room, high + room * 2.5)
    _dress(ax, f"From {names[0]} to {names[1]}: {_signed(end - start)} {unit}", unit)
    return ax


def _dress(ax: "Axes", title: str, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415 - heavy

    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_xlabel(unit)
    ax.xaxis.set_major_formatter(FuncFormatter(plain))
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.grid(visible=True, axis="x", color=GREY, alpha=0.2, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    for name in ("top", "right", "left"):
        ax.spines[name].set_visible(False)


def _signed(amount: float) -> str:
    """Return an amount with its sign, to the exchange's eight decimals."""
    text = plain(round(abs(amount), 8))
    return text if text == "0" else f"{'+' if amount > 0 else '-'}{text}"
