"""How long other packages take for the same backtest, beside ours and one after the other.

    BWS_CONFORMANCE_PYTHON=OTHER/bin/python python tests/benchmarks/backtest_peers.py
        [--bars 525600] [--fast 20] [--slow 50] [--repeat 3] [--only WORD] [--into FOLDER]

OTHER is an environment with the extra `conformance`. SMA 20/50, all in or out, 0.1 % of quote, filled at
the next open, on the year of minutes of `backtest.py`. Each package is a process of its own that is
given signals, so that only the run counts. Prints a table, and leaves it with a plot in the folder.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from backtest import YEAR, klines
from conformance.backtested import task_of
from peer_clients.backtest import PACKAGES

HERE = Path(__file__).parent
CLIENT = HERE / "peer_clients" / "backtest.py"
RESULTS = HERE / "results"


def told(python, name, path, repeat):
    """Return what one package tells of its runs, None when it fails."""
    command = [python, str(CLIENT), name, str(path), str(repeat)]
    ours = {"PYTHONPATH": str(HERE.parents[1])} if python == sys.executable else {}
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=1800, env=clean | ours
    )
    if done.returncode:
        print(f"{name} failed: {done.stderr[-600:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def table(found) -> str:
    """Return the figures as a table, the quickest first."""
    exact = statistics.median(found["bwsresearch, exact"]["wall"])
    lines = [
        "| package | median s | CPU s | times our exact | first run s | import s | peak MB | trades | final equity |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, one in sorted(found.items(), key=lambda item: statistics.median(item[1]["wall"])):
        wall, cpu = statistics.median(one["wall"]), statistics.median(one["cpu"])
        lines.append(
            f"| {name} | {wall:.3f} | {cpu:.3f} | {wall / exact:.2f} | {one['first']:.2f} "
            f"| {one['import']:.1f} | {one['rss_mb']:.0f} | {one['trades']:,} | {one['final']:.8f} |"
        )
    return "\n".join(lines)


def plot(found, title, path):
    """Draw the medians on a logarithmic axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    ax = figure.add_subplot()
    ranked = sorted(found.items(), key=lambda item: -statistics.median(item[1]["wall"]))
    names = [name for name, _ in ranked]
    walls = [statistics.median(one["wall"]) for _, one in ranked]
    tints = ["#3b82f6" if name.startswith("bws") else "#8a8f98" for name in names]
    bars = ax.barh(names, walls, color=tints)
    ax.bar_label(bars, [f"{wall:.3g} s" for wall in walls], padding=4, fontsize=9)
    ax.set_xscale("log")
    ax.set_xlim(min(walls) / 2, max(walls) * 2.5)
    ax.set_xlabel("seconds (logarithmic)")
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def check(found):
    """Hold the others to one another: a table of runs that differ would compare nothing."""
    peers = [found[name] for name in ("backtesting.py", "vectorbt") if name in found]
    assert len({one["trades"] for one in peers}) <= 1, peers
    finals = [one["final"] for one in peers]
    assert all(math.isclose(one, finals[0], rel_tol=1e-9) for one in finals), finals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=YEAR)
    parser.add_argument("--fast", type=int, default=20)
    parser.add_argument("--slow", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the packages' names")
    parser.add_argument("--into", type=Path, default=RESULTS)
    given = parser.parse_args()
    others = os.environ.get("BWS_CONFORMANCE_PYTHON")
    if not others:
        parser.error("BWS_CONFORMANCE_PYTHON is not set, which names the other packages' Python")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        np.savez(path, **task_of(klines(given.bars), "1min", given.fast, given.slow))
        for name in PACKAGES:
            if given.only in name or name == "bwsresearch, exact":
                python = sys.executable if name.startswith("bwsresearch") else others
                one = told(python, name, path, given.repeat)
                if one is not None:
                    found[name] = one
    check(found)
    title = f"SMA {given.fast}/{given.slow} on {given.bars:,} 1m klines, signals given"
    print(title, table(found), sep="\n\n")
    given.into.mkdir(parents=True, exist_ok=True)
    (given.into / "backtest.md").write_text(f"{title}\n\n{table(found)}\n")
    plot(found, title, given.into / "backtest.png")


if __name__ == "__main__":
    main()
