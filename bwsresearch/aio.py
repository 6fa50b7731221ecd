"""The awaitable twins of the calls that give frames: `await bws.aio.klines(…)`, from any loop."""

from bwsresearch.history import account, bars, books, pulls, snapshots, ticks
from bwsresearch.history.blocking import anywhere

__all__ = [
    "agg_trades",
    "all_orders",
    "depth",
    "depth_history",
    "klines",
    "my_trades",
    "pull",
    "trades",
]

klines = anywhere(bars.klines, __name__)
agg_trades = anywhere(ticks.agg_trades, __name__)
trades = anywhere(ticks.trades, __name__)
depth = anywhere(books.depth, __name__)
depth_history = anywhere(snapshots.depth_history, __name__)
my_trades = anywhere(account.my_trades, __name__)
all_orders = anywhere(account.all_orders, __name__)
pull = anywhere(pulls.pull, __name__)
