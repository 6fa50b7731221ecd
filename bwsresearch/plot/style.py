"""What all pictures share: colours, titles, units, ticks and legends."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "DARK", "GREEN", "GREY", "INK", "RED", "UNKNOWN", "dress", "legend", "plain"]

BLUE, GREY, GREEN, RED = "#3b82f6", "#8a8f98", "#089981", "#e0475b"
INK, DARK = "#e6edf3", "#0d1117"
UNKNOWN: Final = "#d5d8dd"


def dress(ax: "Axes", title: str, unit: str) -> None:
    """Give Axes a title, a unit, a grid, plain numbers and dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - heavy
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415 - heavy

    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_ylabel(unit)
    ax.grid(visible=True, color=GREY, alpha=0.2, linewidth=0.6)
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.margins(x=0.01)
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if ax.get_xlabel() == "":
        locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call] # matplotlib's
        ax.xaxis.set_major_formatter(formatter)


def legend(ax: "Axes") -> None:
    """Put the legend beside the title, where it hides nothing."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=3, fontsize="small",
        borderpad=0.2, borderaxespad=0.2,
    )  # fmt: skip


def plain(value: float, _: int | None = None) -> str:
    """Return a tick's number without an exponent, thousands apart."""
    text = f"{value:,.10f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
