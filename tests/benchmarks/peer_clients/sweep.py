"""vectorbt runs pairs of averages on the same bars, ten columns at a time, and tells how long it took.

    python sweep.py TASK.npz

Run by `../sweep.py` in the environment that has vectorbt. A task has `opened` (epoch microseconds),
`open`, `close`, `fee`, `cash` and `pairs` (fast, slow). The first chunk, which compiles, is not counted.
Prints one line of JSON: seconds, pairs counted, MB at the most, and final equities of all pairs.
"""

import gc
import json
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd

COLUMNS = 10


def means(closes, window):
    """The mean of each window, without drift: in whole hundredths."""
    sums = np.concatenate([[0], np.cumsum(np.rint(closes * 100).astype(np.int64))])
    result = np.full(len(closes), np.nan)
    result[window - 1 :] = (sums[window:] - sums[:-window]) / (100 * window)
    return result


def chunk(vbt, task, closes, opens, pairs):
    """Final equities of a chunk of pairs."""
    above = np.column_stack(
        [means(task["close"], fast) > means(task["close"], slow) for fast, slow in pairs]
    )
    enter = np.zeros_like(above)
    leave = np.zeros_like(above)
    enter[1:], leave[1:] = above[:-1], ~above[:-1]  # decided at a close, filled at the next open
    portfolio = vbt.Portfolio.from_signals(
        closes, pd.DataFrame(enter, closes.index), pd.DataFrame(leave, closes.index), price=opens,
        size=np.inf, fees=float(task["fee"]), init_cash=float(task["cash"]),
        direction="longonly", accumulate=False, freq="1min",
    )  # fmt: skip
    return portfolio.final_value().tolist()


def main():
    import vectorbt as vbt

    warnings.simplefilter("ignore")
    with np.load(sys.argv[1]) as file:
        task = {key: file[key] for key in file.files}
    index = pd.DatetimeIndex(task["opened"].astype("M8[us]"))  # a zone would cost a second a call
    closes, opens = (pd.Series(task[name], index) for name in ("close", "open"))
    pairs = [tuple(pair) for pair in task["pairs"].tolist()]
    finals = chunk(vbt, task, closes, opens, pairs[:COLUMNS])
    began = time.perf_counter()
    for first in range(COLUMNS, len(pairs), COLUMNS):
        finals += chunk(vbt, task, closes, opens, pairs[first : first + COLUMNS])
        gc.collect()
    told = {
        "seconds": time.perf_counter() - began,
        "pairs": len(pairs) - COLUMNS,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "finals": finals,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
