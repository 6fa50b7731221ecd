"""Arrays and Axes in, Axes out. The one package that knows matplotlib, which it loads when it draws.

Long series are thinned to the first, lowest, highest and last value of each strip of the picture, and
many bars are drawn as fewer, longer ones: no extreme is lost and half a million bars draw at once. Times
are UTC without a zone.
"""

from bwsresearch.plot.accounts import drawdown, equity, exposure, rolling, worth
from bwsresearch.plot.books import depth, heat, quotes, spread
from bwsresearch.plot.canvas import darken, figure, panels, png, shown
from bwsresearch.plot.grids import heatmap, monthly
from bwsresearch.plot.outcomes import durations, histogram, trades
from bwsresearch.plot.prices import candles, fills, price, volume
from bwsresearch.plot.steps import waterfall
from bwsresearch.plot.style import hint
from bwsresearch.plot.thinning import Bars, Floats, Ints, Stamps, resampled, thinned

__all__ = [
    "Bars",
    "Floats",
    "Ints",
    "Stamps",
    "candles",
    "darken",
    "depth",
    "drawdown",
    "durations",
    "equity",
    "exposure",
    "figure",
    "fills",
    "heat",
    "heatmap",
    "hint",
    "histogram",
    "monthly",
    "panels",
    "png",
    "price",
    "quotes",
    "resampled",
    "rolling",
    "shown",
    "spread",
    "thinned",
    "trades",
    "volume",
    "waterfall",
    "worth",
]
