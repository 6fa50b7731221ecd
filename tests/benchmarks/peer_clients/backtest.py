"""One package plays the same year of bars in its own natural way, and tells how long that took.

    python backtest.py PACKAGE TASK.npz REPEAT

Run by `backtest_peers.py` in the environment that has the package. A task is that of
`tests/conformance/clients/backtests.py`. A run ends with the equity of every bar and the closed trades;
backtesting.py's ends with all its statistics, since it cannot do without. Prints one line of JSON:
seconds of the import, of the first run and of each further one (wall clock and CPU), MB at the most,
final equity and closed trades.
"""

import json
import math
import os
import resource
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance" / "clients"))


def exact(task):
    """Our engine, under the other packages' rules: fees in quote, no steps."""
    import bwsresearch as bws

    klines, wanted = ours(task)
    rules = bws.Rules(fee=str(task["fee"]), fee_asset="quote")

    def run():
        result = bws.backtest(klines, wanted, balances={"USDT": task["cash"]}, rules=rules)
        return result.equity.iloc[-1], (~result.trades["is_open"]).sum()

    return run


def callback(task):
    """Our engine, asking a strategy at every bar, which orders when the exposure changes."""
    import bwsresearch as bws

    klines, wanted = ours(task)
    targets = wanted.tolist()
    rules = bws.Rules(fee=str(task["fee"]), fee_asset="quote")
    kept = 1 / (1 + float(task["fee"]))

    class Crossing(bws.Strategy):
        def on_start(self, ctx):
            del ctx
            self.held = 0.0

        def on_bar(self, bar, ctx):
            del bar
            target = targets[ctx.bar_number]
            if target == self.held or math.isnan(target):
                return None
            self.held = target
            if target:
                return {"side": "BUY", "type": "MARKET", "quote_order_qty": ctx.cash * kept}
            return {"side": "SELL", "type": "MARKET", "quantity": ctx.position}

    def run():
        result = bws.backtest(klines, Crossing, balances={"USDT": task["cash"]}, rules=rules)
        return result.equity.iloc[-1], (~result.trades["is_open"]).sum()

    return run


def kernel(task):
    """Our arithmetic in NumPy, which sweeps use: with its headlines."""
    import bwsresearch as bws
    from bwsresearch.backtesting import kernel as arithmetic

    klines, wanted = ours(task)
    rules = bws.Rules(fee=str(task["fee"]), fee_asset="quote")

    def run():
        result = arithmetic.run(klines, wanted, balances={"USDT": task["cash"]}, rules=rules)
        return result.equity.iloc[-1], result.headlines["trades"]

    return run


def ours(task):
    """Bars and exposures as our users have them."""
    import pandas as pd

    index = pd.DatetimeIndex(task["opened"].astype("M8[us]"), name="open_time").tz_localize("UTC")
    names = ("open", "high", "low", "close", "volume")
    klines = pd.DataFrame({name: task[name] for name in names}, index=index)
    klines.attrs["symbol"] = "BTCUSDT"
    return klines, pd.Series(task["exposure"], index=index)


def backtesting_py(task):
    import run_backtesting_py

    def run():
        arrays, _ = run_backtesting_py.run(task)
        return arrays["equity"][-1], len(arrays["pnl"])

    return run


def vectorbt(task):
    os.environ["NUMBA_DISABLE_JIT"] = "0"  # as its users have it
    import run_vectorbt

    def run():
        portfolio = run_vectorbt.played(task)
        return portfolio.value().iloc[-1], (portfolio.trades.records["status"] == 1).sum()

    return run


PACKAGES = {
    "bwsresearch, exact": exact,
    "bwsresearch, exact, callback each bar": callback,
    "bwsresearch, kernel": kernel,
    "backtesting.py": backtesting_py,
    "vectorbt": vectorbt,
}


def main():
    import numpy as np

    name, path, repeat = sys.argv[1], sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")
    with np.load(path) as file:
        task = {key: file[key] if file[key].ndim else file[key].item() for key in file.files}
    began = time.perf_counter()
    run = PACKAGES[name](task)
    told = {"import": time.perf_counter() - began, "wall": [], "cpu": []}
    began = time.perf_counter()
    run()
    told["first"] = time.perf_counter() - began
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        final, trades = run()
        told["wall"].append(time.perf_counter() - wall)
        told["cpu"].append(time.process_time() - cpu)
    told |= {"final": float(final), "trades": int(trades)}
    told["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
