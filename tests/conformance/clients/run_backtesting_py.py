"""Backtesting.py plays the tasks it is given: see backtests.py. Needs the package `backtesting`."""

import math
import warnings

import numpy as np
from backtesting import Strategy
from backtesting.lib import FractionalBacktest
from backtests import frame, main


def run(task):
    exposure = task["exposure"]

    class Follow(Strategy):
        def init(self):
            self.wanted = self.I(lambda: exposure, name="wanted", plot=False)

        def next(self):
            if self.wanted[-1] == 1.0 and not self.position:
                self.buy()
            elif self.wanted[-1] == 0.0 and self.position:
                self.position.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an open trade at the end is meant
        stats = FractionalBacktest(
            frame(task),
            Follow,
            cash=task["cash"],
            commission=task["fee"],
            fractional_unit=task["unit"],
            trade_on_close=False,
            exclusive_orders=False,
            finalize_trades=False,
        ).run()
    trades = stats["_trades"]
    arrays = {
        "equity": stats["_equity_curve"]["Equity"].to_numpy(np.float64),
        "entry_bar": trades["EntryBar"].to_numpy(np.int64),
        "exit_bar": trades["ExitBar"].to_numpy(np.int64),
        "qty": trades["Size"].to_numpy(np.float64),
        "entry_price": trades["EntryPrice"].to_numpy(np.float64),
        "exit_price": trades["ExitPrice"].to_numpy(np.float64),
        "fees": trades["Commission"].to_numpy(np.float64),
        "pnl": trades["PnL"].to_numpy(np.float64),
        "return": trades["ReturnPct"].to_numpy(np.float64),
        "is_open": np.zeros(len(trades), np.bool_),
    }
    rows = {name: value for name, value in stats.items() if not name.startswith("_")}
    return arrays, {name: math.nan if value is None else value for name, value in rows.items()}


if __name__ == "__main__":
    main("backtesting_py", run)
