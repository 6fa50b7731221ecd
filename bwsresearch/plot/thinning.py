"""Fewer points that show the same: no extreme is lost, no volume, neither end."""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["STRIPS", "Bars", "Floats", "Ints", "Stamps", "bundles", "resampled", "thinned"]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.signedinteger[Any]]
Stamps: TypeAlias = npt.NDArray[np.datetime64]

STRIPS: Final = 1_500
_LENGTHS: Final = {
    f"{count}{unit}": count * seconds * 1_000_000
    for unit, seconds, counts in (
        ("s", 1, (1, 5, 15, 30)),
        ("m", 60, (1, 3, 5, 15, 30)),
        ("h", 3_600, (1, 2, 4, 6, 8, 12)),
        ("d", 86_400, (1, 2, 4, 8, 16, 32)),
    )
    for count in counts
}
"""Lengths in microseconds that people think in; each begins at a multiple of itself, UTC."""


class Bars(NamedTuple):
    """Bars as arrays of one length: when each opens and ends, its prices, its volume in base."""

    opened: Stamps
    ended: Stamps
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def part(self, rows: slice) -> "Bars":
        """Return some of the bars."""
        return Bars(
            self.opened[rows],
            self.ended[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
        )


def thinned(stamps: Stamps, values: Floats, strips: int = STRIPS) -> tuple[Stamps, Floats]:
    """Return at most four points per strip: the first, lowest, highest and last, in their order."""
    if len(values) <= 4 * strips:
        return stamps, values
    per = -(-len(values) // strips)
    whole = len(values) // per * per
    table = values[:whole].reshape(-1, per)
    starts = np.arange(0, whole, per)
    places = [
        starts,
        starts + table.argmin(axis=1),
        starts + table.argmax(axis=1),
        starts + per - 1,
    ]
    if whole < len(values):
        rest = values[whole:]
        places.append(whole + np.array([0, rest.argmin(), rest.argmax(), len(rest) - 1]))
    picked = np.unique(np.concatenate(places))
    return stamps[picked], values[picked]


def bundles(opened: Stamps, most: int = STRIPS) -> tuple[Ints, str]:
    """Return where at most `most` bundles of neighbouring bars begin, and what each is: "6h", "20 bars".

    Bars of even times are bundled by whole lengths of the clock, others by their number. The name is
    "" where every bar stands for itself.
    """
    if len(opened) <= most:
        return np.arange(len(opened)), ""
    times = opened.astype("M8[us]").astype(np.int64)
    steps = np.diff(times)
    step = max(int(steps.min()), 1)
    if not (steps % step).any():
        for name, length in _LENGTHS.items():
            if length % step == 0 and (times[-1] - times[0]) // length + 2 <= most:
                return np.flatnonzero(np.diff(times // length, prepend=-1)), name
    per = -(-len(opened) // most)
    return np.arange(0, len(opened), per), f"{per:,} bars"


def resampled(bars: Bars, most: int = STRIPS) -> tuple[Bars, str]:
    """Return at most `most` bars of the same prices and volume, and what each of them is.

    The first open, the highest high, the lowest low, the last close, the sum of volume.
    """
    first, name = bundles(bars.opened, most)
    if not name:
        return bars, name
    last = np.append(first[1:], len(bars.opened)) - 1
    return Bars(
        bars.opened[first],
        bars.ended[last],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    ), name
