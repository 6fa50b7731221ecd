"""A few indicators: `bws.ta.sma(klines.close, 20)`. A Series in, a Series out; an array, an array.

Each looks at its bar and earlier ones alone; NaN stands where there are not enough of them yet.
"""

from bwsresearch.ta.indicators import atr, crossover, ema, rsi, sma, std, zscore

__all__ = ["atr", "crossover", "ema", "rsi", "sma", "std", "zscore"]
