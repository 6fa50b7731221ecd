"""Pictures of the page, each drawn for light and for dark ones."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Final

from bwsresearch import plot
from bwsresearch.backtesting import pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bwsresearch.backtesting.result import Result

__all__ = ["closer", "overview", "rolling", "trades"]

_WIDTH: Final = 11.0
_CLOSE: Final = 200
"""Bars of the closer look."""
_WINDOW: Final = 30


def overview(result: "Result") -> str:
    """Return the whole run: candles with fills, volume, equity, drawdown and exposure."""
    return _figure(
        lambda drawn: pictures.overview(result, drawn),
        10.0,
        "price with fills, volume, equity beside buy and hold, drawdown and exposure over time",
    )


def closer(result: "Result") -> str:
    """Return the last bars with fills one by one, where the overview cannot show them so."""
    bars, fills = len(result.klines), result.fills
    if fills.empty or bars <= _CLOSE:
        return ""
    last = int(result.klines.index.searchsorted(fills.index[-1], side="right"))
    end = min(last + _CLOSE // 10, bars)
    rows = slice(max(end - _CLOSE, 0), end)
    return _figure(
        lambda drawn: pictures.closer(result, drawn.subplots(), rows),
        3.6,
        f"a closer look: {rows.stop - rows.start} bars around the last fill",
    )


def trades(result: "Result") -> str:
    """Return what each round trip brought, by its length, and how often."""
    if not (~result.trades["is_open"]).any():
        return ""

    def draw(drawn: "Figure") -> None:
        left, right = drawn.subplots(1, 2)
        pictures.durations(result, left)
        pictures.distribution(result, right)

    return _figure(draw, 3.8, "returns of closed round trips, after fees, by length and by count")


def rolling(result: "Result") -> str:
    """Return the Sharpe ratio of a month as it moved, where there are two months at least."""
    if len(result.returns) < 2 * _WINDOW:
        return ""
    return _figure(
        lambda drawn: pictures.rolling(result, drawn.subplots(), "sharpe", _WINDOW),
        2.6,
        f"Sharpe ratio of the last {_WINDOW} returns as it moved",
    )


def _figure(draw: "Callable[[Figure], object]", height: float, words: str) -> str:
    """Return a drawing twice, for light and for dark pages; a browser shows the one that fits."""
    drawn = plot.figure(_WIDTH, height)
    draw(drawn)
    light = plot.png(drawn)
    plot.darken(drawn)
    return (
        '<figure><div class="scroll"><picture>'
        '<source media="screen and (prefers-color-scheme:dark)" '
        f'srcset="data:image/png;base64,{plot.png(drawn)}">'
        f'<img alt="{escape(words)}" src="data:image/png;base64,{light}"></picture></div>'
        f"<figcaption>{escape(words[0].upper() + words[1:])}. Times are UTC.</figcaption></figure>"
    )
