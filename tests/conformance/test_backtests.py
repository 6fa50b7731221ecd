"""The exact engine and the kernel do what other backtests do, trade by trade, to 1e-9.

By the same rules: all in at the next open, continuous sizes, fees from the quote. Those packages fill in
bars without a trade too, so that here every bar has one.
"""

import functools

import numpy as np
import pandas as pd
import pytest

from bwsresearch.backtesting import Rules, backtest, kernel

from .backtested import CASH, FEE, NAMES
from .test_statistics import differences, told

REL = 1e-9
ENGINES = ("exact", "kernel")


@functools.cache
def ours(name, played):
    task = played(name, "vectorbt").task
    columns = {column: task[column] for column in ("open", "high", "low", "close")}
    index = pd.DatetimeIndex(task["opened"].astype("M8[us]"), name="open_time").tz_localize("UTC")
    klines = pd.DataFrame({**columns, "volume": np.ones(len(index))}, index=index)
    klines.attrs["symbol"] = "BTCUSDT"
    wanted = pd.Series(task["exposure"], index=index)
    rules = Rules.backtesting_py(fee=FEE)
    start = {"USDT": int(CASH)}
    exact = backtest(klines, wanted, balances=start, rules=rules)
    return {"exact": exact, "kernel": kernel.run(klines, wanted, balances=start, rules=rules)}


@pytest.mark.parametrize("peer", ["backtesting_py", "vectorbt"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_equity_at_every_close_is_the_same(played, name, engine, peer):
    theirs = played(name, peer).arrays["equity"]
    mine = ours(name, played)[engine].equity.to_numpy()
    warm = int(np.isnan(played(name, peer).task["exposure"]).sum()) + 1
    np.testing.assert_allclose(mine[warm:], theirs[warm:], rtol=REL)


@pytest.mark.parametrize("peer", ["backtesting_py", "vectorbt"])
@pytest.mark.parametrize("name", NAMES)
def test_every_trade_is_the_same(played, name, peer):
    arrays = played(name, peer).arrays
    trades = ours(name, played)["exact"].trades
    closed = ~arrays["is_open"].astype(bool)
    mine = trades[~trades["is_open"]]
    index = ours(name, played)["exact"].klines.index
    assert len(mine) == closed.sum() > 100
    for column, edge in (("entry_time", "entry_bar"), ("exit_time", "exit_bar")):
        assert (index[arrays[edge][closed]] == mine[column]).all()
    for column, values in (("pnl", "pnl"), ("return", "return"), ("fees", "fees")):
        np.testing.assert_allclose(
            mine[column], arrays[values][closed], rtol=1e-8, atol=CASH * 1e-12
        )


@pytest.mark.parametrize(
    ("peer", "convention"), [("backtesting_py", "backtesting.py"), ("vectorbt", "vectorbt")]
)
@pytest.mark.parametrize("name", NAMES)
def test_every_statistic_of_our_own_run_is_theirs(played, name, peer, convention):
    run = played(name, peer)
    rows = told(ours(name, played)["exact"].stats(convention))
    assert differences(rows, run.rows) == {}
