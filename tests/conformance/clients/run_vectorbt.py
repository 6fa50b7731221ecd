"""Vectorbt plays the tasks it is given: see backtests.py. Needs the package `vectorbt[rust]`.

Sizes are continuous, whatever `unit` says: its lots strand a position. Its engine is the one in Rust; what
that lacks is read as plain Python, which is slow by bars, but to compile it would take half a minute.
"""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import numpy as np
import pandas as pd
import vectorbt as vbt
from backtests import frame, main

RETURNS = [
    "Annualized Return [%]", "Annualized Volatility [%]", "Skew", "Kurtosis", "Tail Ratio",
    "Common Sense Ratio", "Value at Risk", "Alpha", "Beta",
]  # fmt: skip
ACCESSORS = [
    "downside_risk", "cond_value_at_risk", "information_ratio", "capture", "up_capture", "down_capture",
]  # fmt: skip
SLOW = ["ulcer_index", "martin_ratio"]
MOST = 200_000
"""Bars up to which those are asked for."""
ROLLING = {"sharpe_ratio": 30, "sortino_ratio": 30, "max_drawdown": 31}
"""Windows: its drawdown begins with the window's first return, ours with what was there before it."""


def played(task):
    bars = frame(task)
    wanted = pd.Series(task["exposure"], index=bars.index)
    before = wanted.shift(1)
    entries = (wanted == 1.0) & (before != 1.0)
    exits = (wanted == 0.0) & (before == 1.0)
    return vbt.Portfolio.from_signals(
        bars["Close"],
        entries.vbt.signals.fshift(1),
        exits.vbt.signals.fshift(1),
        price=bars["Open"],
        size=np.inf,
        fees=task["fee"],
        slippage=0.0,
        init_cash=task["cash"],
        direction="longonly",
        accumulate=False,
        size_granularity=np.nan,
        freq=task["bar"],
    )


def run(task):
    portfolio = played(task)
    trades = portfolio.trades.records
    arrays = {
        "equity": portfolio.value().to_numpy(np.float64),
        "held": portfolio.assets().to_numpy(np.float64),
        "entry_bar": trades["entry_idx"].to_numpy(np.int64),
        "exit_bar": trades["exit_idx"].to_numpy(np.int64),
        "qty": trades["size"].to_numpy(np.float64),
        "entry_price": trades["entry_price"].to_numpy(np.float64),
        "exit_price": trades["exit_price"].to_numpy(np.float64),
        "fees": (trades["entry_fees"] + trades["exit_fees"]).to_numpy(np.float64),
        "pnl": trades["pnl"].to_numpy(np.float64),
        "return": trades["return"].to_numpy(np.float64),
        "is_open": (trades["status"] == 0).to_numpy(),
    }
    returns = portfolio.get_returns_acc(benchmark_rets=portfolio.benchmark_returns())
    more = returns.stats()
    rows = portfolio.stats().to_dict() | {name: more[name] for name in RETURNS}
    wanted = ACCESSORS + SLOW * (len(arrays["equity"]) <= MOST)
    rows |= {name: getattr(returns, name)() for name in wanted}
    rows["sqn"] = portfolio.trades.closed.sqn()
    return arrays | by_days(portfolio), rows


def by_days(portfolio):
    """Return rolling figures of daily returns, and deflated Sharpe ratios of three trials on them."""
    daily = portfolio.value().resample("1D").last().ffill()
    daily = daily.vbt.to_returns(init_value=portfolio.init_cash)
    returns = daily.vbt.returns(freq="1D")
    trials = pd.DataFrame({"all": daily, "half": daily / 2 + 1e-4, "less": daily - 1e-3})
    deflated = trials.vbt.returns(freq="1D").deflated_sharpe_ratio()
    arrays = {
        f"rolling_{name}": getattr(returns, f"rolling_{name}")(window).to_numpy(np.float64)
        for name, window in ROLLING.items()
    }
    return arrays | {"daily": daily.to_numpy(), "deflated": deflated.to_numpy()}


if __name__ == "__main__":
    main("vectorbt", run)
