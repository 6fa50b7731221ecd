"""How a backtest is handed to another package, and what it came to handed back, in files.

    python run_PEER.py TASK.npz…        for each task FOO.npz there is FOO.PEER.npz and FOO.PEER.json after

A task holds arrays of one element per bar: `opened` (int64 epoch microseconds), `open`, `high`, `low`,
`close`, `volume`, and `exposure`: 1 all in, 0 all out, decided at the bar's close and filled at the next
open; NaN at the start until the strategy can decide. Beside them `cash`, `fee` (a part), `unit` (the
least base that can be traded) and `bar` (its length, as pandas writes it). A task for quantstats holds
`began` (int64 epoch microseconds), `returns` and `market`.

The npz holds `equity` per bar and trades by arrays: entry_bar, exit_bar, qty, entry_price, exit_price, fees,
pnl, return, is_open. The json holds rows of statistics by name: times as {"us": epoch}, lengths as
{"days": float}, what is no number as null.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["frame", "main", "plain"]


def frame(task):
    """Return the bars of a task with the capital names that packages want, without a zone."""
    index = pd.DatetimeIndex(task["opened"].astype("M8[us]"))
    names = {name.capitalize(): task[name] for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame(names, index=index)


def plain(value):
    """Return a statistic as JSON can hold it."""
    if isinstance(value, pd.Timedelta):
        return {"days": value / pd.Timedelta(1, "D")}
    if isinstance(value, pd.Timestamp):
        return {"us": int(value.as_unit("us").asm8.astype(np.int64))}
    if isinstance(value, str):
        return value
    number = float(value)
    return None if math.isnan(number) else number


def main(name, run):
    """Run each task that the command names with `run(task)`: arrays and rows out."""
    for path in map(Path, sys.argv[1:]):
        with np.load(path) as file:
            task = {key: file[key] if file[key].ndim else file[key].item() for key in file.files}
        wall, cpu = time.perf_counter(), time.process_time()
        arrays, rows = run(task)
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        np.savez(path.with_suffix(f".{name}.npz"), **arrays)
        told = {key: plain(value) for key, value in rows.items()}
        path.with_suffix(f".{name}.json").write_text(json.dumps({"rows": told, "took": took}))
