"""Years of klines and trades as one frame: planned in pages, cached, repaired, reported."""

from bwsresearch.history import account, bars, books, pulls, ticks
from bwsresearch.history.blocking import blocking

__all__ = ["agg_trades", "all_orders", "depth", "klines", "my_trades", "pull", "trades"]

klines = blocking(bars.klines, __name__)
agg_trades = blocking(ticks.agg_trades, __name__)
trades = blocking(ticks.trades, __name__)
depth = blocking(books.depth, __name__)
my_trades = blocking(account.my_trades, __name__)
all_orders = blocking(account.all_orders, __name__)
pull = blocking(pulls.pull, __name__)
