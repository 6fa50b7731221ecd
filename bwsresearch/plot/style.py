"""What all pictures share: colours, titles, units, ticks and legends."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "DARK",
    "FIXED",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "RED",
    "UNKNOWN",
    "WIDE",
    "dates",
    "dress",
    "hint",
    "legend",
    "percents",
    "plain",
]

BLUE, ORANGE, GREY = "#3b82f6", "#f59e0b", "#8a8f98"
GREEN, RED = "#0d9488", "#d9483b"
"""Green and red differ in blue too, so that few eyes take one for the other."""
WIDE: Final = 10.0
"""From this ratio of highest to lowest on, money is drawn on a logarithmic axis."""
INK, DARK = "#e6edf3", "#0d1117"
UNKNOWN: Final = "#d5d8dd"
FIXED: Final = "fixed"
"""The gid of words on a ground of their own, which a dark page leaves as they are."""

_DECADES: Final = 1e4
"""Up to this ratio a logarithmic axis has numbers between the powers of ten."""
_OFFSETS: Final = [
    "UTC",
    "%Y UTC",
    "%Y-%b UTC",
    "%Y-%b-%d UTC",
    "%Y-%b-%d UTC",
    "%Y-%b-%d %H:%M UTC",
]


def dress(ax: "Axes", title: str, unit: str) -> None:
    """Give Axes a title, a unit, a grid and plain numbers; dates below unless `x` has a label."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 - heavy

    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_ylabel(unit)
    ax.grid(visible=True, color=GREY, alpha=0.2, linewidth=0.6)
    ax.set_axisbelow(True)
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.margins(x=0.01)
    ax.yaxis.set_major_formatter(FuncFormatter(plain))
    if ax.get_yscale() == "log":
        low, high = ax.get_ylim()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < low * _DECADES else (1,)))
    ax.yaxis.set_minor_locator(NullLocator())
    if ax.get_xlabel() == "":
        dates(ax)


def dates(ax: "Axes") -> None:
    """Write times below in few words, and say that they are UTC."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - heavy

    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib's
    ax.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, offset_formats=_OFFSETS)  # type: ignore[no-untyped-call] # matplotlib's
    ax.xaxis.set_major_formatter(formatter)


def legend(ax: "Axes") -> None:
    """Put the legend beside the title, where it hides nothing."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=3, fontsize="small",
        borderpad=0.2, borderaxespad=0.2, handletextpad=0.5, columnspacing=1.2,
    )  # fmt: skip


def hint(ax: "Axes", text: str) -> "Axes":
    """Say in the middle of Axes why they are empty."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def plain(value: float, _: int | None = None) -> str:
    """Return a tick's number without an exponent, thousands apart."""
    text = f"{value:,.10f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def percents(part: float, decimals: int = 1) -> str:
    """Return a part of one in percent, thousands apart; what is not quite all lost never reads -100 %."""
    while part > -1.0 and round(part, decimals + 2) == -1.0 and decimals < 8:
        decimals += 1
    return f"{round(part * 100.0, decimals) + 0.0:,.{decimals}f} %"
