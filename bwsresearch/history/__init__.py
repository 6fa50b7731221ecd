"""Years of klines and trades as one frame: planned in pages, cached, repaired, reported."""

from bwsresearch.history import account, bars, books, pulls, snapshots, ticks
from bwsresearch.history.blocking import blocking
from bwsresearch.history.liquidity import plot_depth_history
from bwsresearch.history.recorder import Recorder, record_depth

__all__ = [
    "Recorder",
    "agg_trades",
    "all_orders",
    "depth",
    "depth_history",
    "klines",
    "my_trades",
    "plot_depth_history",
    "pull",
    "record_depth",
    "trades",
]

klines = blocking(bars.klines, __name__)
agg_trades = blocking(ticks.agg_trades, __name__)
trades = blocking(ticks.trades, __name__)
depth = blocking(books.depth, __name__)
depth_history = blocking(snapshots.depth_history, __name__)
my_trades = blocking(account.my_trades, __name__)
all_orders = blocking(account.all_orders, __name__)
pull = blocking(pulls.pull, __name__)
