"""The awaitable twins of the calls that give frames: `await bws.aio.klines(…)`, from any loop."""

from bwsresearch.history import bars, books, ticks
from bwsresearch.history.blocking import anywhere

__all__ = ["agg_trades", "depth", "klines", "trades"]

klines = anywhere(bars.klines)
agg_trades = anywhere(ticks.agg_trades)
trades = anywhere(ticks.trades)
depth = anywhere(books.depth)
