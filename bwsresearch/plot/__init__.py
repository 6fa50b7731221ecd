"""Arrays and Axes in, Axes out. The one package that knows matplotlib, which it loads when it draws.

Long series are thinned to the first, lowest, highest and last value of each strip of the picture, so
that no extreme is lost and half a million bars draw at once. Times are UTC without a zone.
"""

from bwsresearch.plot.accounts import drawdown, equity, exposure, worth
from bwsresearch.plot.books import depth, heat, quotes, spread
from bwsresearch.plot.canvas import darken, figure, panels, png, shown
from bwsresearch.plot.prices import fills, price
from bwsresearch.plot.thinning import Floats, Stamps, thinned

__all__ = [
    "Floats",
    "Stamps",
    "darken",
    "depth",
    "drawdown",
    "equity",
    "exposure",
    "figure",
    "fills",
    "heat",
    "panels",
    "png",
    "price",
    "quotes",
    "shown",
    "spread",
    "thinned",
    "worth",
]
