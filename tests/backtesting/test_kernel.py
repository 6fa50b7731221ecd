import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting import Rules, backtest, kernel
from bwsresearch.backtesting.kernel.headlines import drawdown_of

from .lab import market, played, runs, sma_cross, steady, walk

MUCH = 10_000_000_000
"""Beside it the exchange's smallest amount, 1e-8, is nothing."""
DUST = 1e-3
"""What a whole number of 1e-8 base leaves of the quote."""
rules = st.builds(
    Rules,
    fee=st.sampled_from(["0", "0.001", "0.00075", "0.0123"]),
    fee_asset=st.sampled_from(["received", "quote"]),
    slippage_bps=st.sampled_from(["0", "2", "35"]),
    fill=st.sampled_from(["next_open", "next_open", "close"]),
)
switches = st.lists(
    st.tuples(
        st.integers(2_000, 4_000),
        st.integers(2_000, 4_000),
        st.sampled_from([0.0, 1.0, 1.0]),
        st.sampled_from([0.0, 1.0, float("nan"), 1.0, 0.0]),
    ),
    min_size=2,
    max_size=40,
)
starts = st.sampled_from([{"USDT": MUCH}, {"BTC": MUCH}, {"BTC": MUCH, "USDT": MUCH}])


def assert_agrees(klines, strategy, start, rules):
    """The kernel does what the exact run does, to 1e-9."""
    exact = backtest(klines, strategy, balances=start, rules=rules)
    found = kernel.run(klines, strategy, balances=start, rules=rules)
    # Of a buy for all quote, less than 1e-8 base is left over; a second one would be for that.
    meant = (exact.orders[["qty", "quote_qty"]].max(axis=1) > DUST).to_numpy()
    orders, fills = exact.orders[meant], exact.fills[meant[exact.fills["order"]]]
    told = ["side", "target", "status", "reason"]
    assert found.orders[told].astype(str).equals(orders[told].astype(str))
    pd.testing.assert_frame_equal(
        found.orders[["qty", "quote_qty"]], orders[["qty", "quote_qty"]], rtol=1e-9, atol=DUST
    )
    columns = ["side", "price", "qty", "quote_qty", "fee", "fee_asset", "base", "quote"]
    pd.testing.assert_frame_equal(found.fills[columns], fills[columns], rtol=1e-9, atol=DUST)
    assert found.fills["order"].tolist() == (np.cumsum(meant) - 1)[fills["order"]].tolist()
    pd.testing.assert_series_equal(found.equity, exact.equity, rtol=1e-9)
    stats = exact.stats()
    shared = [name for name in kernel.HEADLINES if name in stats.index]
    assert {name: found.headlines[name] for name in shared} == pytest.approx(
        stats[shared].to_dict(), rel=1e-6, abs=1e-8, nan_ok=True
    )
    assert found.final_equity == pytest.approx(exact.equity.iloc[-1], rel=1e-9)


@steady
@given(switches, starts, rules)
def test_all_in_and_out_agrees_with_the_exact_run(run, start, rules):
    assert_agrees(*played(run), start, rules)


@steady
@given(runs, starts, rules)
def test_parts_of_the_equity_agree_with_the_exact_run(run, start, rules):
    assert_agrees(*played(run), start, rules)


@pytest.mark.parametrize("freq", ["1min", "1h", "1D", "3D", "MS"])
def test_a_long_run_agrees_with_the_exact_run(freq):
    bars = {"1min": 6_000, "MS": 60}.get(freq, 800)
    klines = walk(bars, 4, freq=freq, volatility=0.002)
    assert_agrees(klines, sma_cross, {"USDT": MUCH}, Rules(fee="0.001"))


@pytest.mark.parametrize("rules", [Rules.backtesting_py(), Rules.vectorbt()])
def test_a_small_account_agrees_where_amounts_are_fine(rules):
    klines = walk(3_000, 6)
    exact = backtest(klines, sma_cross, balances={"USDT": 1_000}, rules=rules)
    found = kernel.run(klines, sma_cross, balances={"USDT": 1_000}, rules=rules)
    assert len(found.fills) > 250
    pd.testing.assert_series_equal(found.equity, exact.equity, rtol=1e-11)


@steady
@given(switches, rules)
def test_the_fast_path_does_what_the_slow_one_does(run, rules):
    klines, wanted = played(run)
    fast = kernel.run(klines, wanted, balances={"USDT": MUCH}, rules=rules)
    # A target between would take the slow path; one after the last trade changes nothing.
    more = pd.concat([klines, klines.iloc[[-1]].set_axis(klines.index[-1:] + pd.Timedelta("1h"))])
    more.attrs = klines.attrs
    slower = pd.Series(np.append(wanted.to_numpy(), 0.5), index=more.index)
    slow = kernel.run(more, slower, balances={"USDT": MUCH}, rules=rules)
    known = slow.track.at < len(klines)
    pd.testing.assert_frame_equal(slow.fills[known], fast.fills, rtol=1e-12, check_freq=False)


@steady
@given(switches, starts)
def test_true_and_false_are_one_and_zero(run, start):
    klines, wanted = played(run)
    market, held = (
        kernel.Market.of(klines),
        kernel.Start(*(start.get(a, 0.0) for a in ("BTC", "USDT"))),
    )
    terms = kernel.Terms.of(Rules())
    truth = wanted.to_numpy() > 0
    for one, other in zip(
        kernel.follow(market, truth, terms, held),
        kernel.follow(market, truth.astype(float), terms, held),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_fills_at_the_close_have_its_price_and_count_from_the_next_bar():
    klines = market([10.0, 20.0, 40.0, 20.0, 30.0], opens=[10.0, 10.0, 20.0, 40.0, 20.0])
    wanted = pd.Series([1.0, 1.0, 0.0, 0.0, 1.0], index=klines.index)
    found = kernel.run(
        klines,
        wanted,
        balances={"USDT": 100},
        rules=Rules(fee=0, fill="close"),
    )
    assert found.fills["price"].tolist() == [10.0, 40.0, 30.0]
    hours = [1, 3, 5]  # the last bar is over when nothing opens any more
    assert [time.hour for time in found.fills.index] == hours
    assert found.equity.tolist() == [100.0, 200.0, 400.0, 400.0, 400.0]
    assert found.headlines["exposure"] == 0.6


def _deepest(equity, initial):
    peak, deepest = initial, 0.0
    for value in equity:
        peak = max(peak, value)
        deepest = min(deepest, value / peak - 1)
    return deepest


@steady
@given(runs, starts, rules)
def test_the_deepest_drawdown_is_that_of_a_loop_over_all_bars(run, start, rules):
    klines, wanted = played(run)
    found = kernel.run(klines, wanted, balances=start, rules=rules)
    assert found.headlines["max_drawdown"] == pytest.approx(
        _deepest(found.equity, found.initial_equity), rel=1e-12, abs=1e-15
    )


def test_a_drawdown_within_one_holding_is_found():
    klines = market([10.0, 10, 30, 15, 40, 22, 39], opens=[10.0] * 7)
    found = kernel.Market.of(klines)
    held = kernel.spans(
        found,
        kernel.follow(found, np.ones(7), kernel.Terms(0.0, True, 0.0, False), kernel.Start(0, 1.0)),
        kernel.Start(0.0, 1.0),
    )
    assert drawdown_of(found, held, 1.0) == pytest.approx(15 / 30 - 1)


def test_turnover_is_what_is_traded_of_the_mean_equity_in_a_year():
    klines = market([10.0] * 365, opens=[10.0] * 365, freq="1D")
    wanted = pd.Series([1.0, 0.0, 1.0] + [0.0] * 362, index=klines.index)
    found = kernel.run(klines, wanted, balances={"USDT": 100}, rules=Rules(fee=0))
    assert found.headlines["turnover"] == pytest.approx(4 / (365 / 365.25))
    assert found.headlines["trades"] == 2


def test_a_run_without_trades_has_figures_without_a_warning():
    klines = walk(60, 1)
    found = kernel.run(klines, lambda k: np.zeros(len(k)), balances={"USDT": 100})
    assert (len(found.orders), len(found.fills)) == (0, 0)
    figures = found.headlines
    assert tuple(figures) == kernel.HEADLINES
    assert (figures["final_equity"], figures["trades"], figures["max_drawdown"]) == (
        100.0,
        0.0,
        0.0,
    )
    assert all(math.isnan(figures[name]) for name in ("sharpe", "win_rate", "profit_factor"))


def test_a_result_tells_what_was_run():
    klines = walk(200, 2)
    found = kernel.run(klines, sma_cross, balances={"USDT": 1000}, params={"fast": 3})
    assert found.params == {"fast": 3, "slow": 12}
    assert (found.strategy, found.base_asset, found.quote_asset) == ("sma_cross", "BTC", "USDT")
    assert found.targets.tolist() == sma_cross(klines, 3).tolist()
    assert found.balances == {"USDT": 1000}
    assert repr(found).startswith(
        f"<KernelResult sma_cross(fast=3, slow=12), {len(found.fills)} fi"
    )
    sent = klines.index.get_indexer(found.orders.index)
    filled = klines.index.get_indexer(found.fills.index)
    assert (filled - sent[found.fills["order"]]).tolist() == [1] * len(filled)
    np.testing.assert_allclose(
        found.returns, backtest(klines, sma_cross, balances={"USDT": MUCH}, params={"fast": 3}).returns,
        rtol=1e-8, atol=1e-9,
    )  # fmt: skip


def test_what_the_kernel_cannot_do_is_refused():
    klines = walk(20, 2)
    with pytest.raises(ValueError, match="balances are 0, a run needs some USDT or BTC"):
        kernel.run(klines, sma_cross, balances={"USDT": 0})
    for rules, what in (
        (Rules(fee_asset="BNB"), "fee_asset is BNB"),
        (Rules(fill="book"), "fill is book"),
    ):
        with pytest.raises(ValueError, match=f"{what}, a sweep knows .* run it with bws.backtest"):
            kernel.run(klines, sma_cross, balances={"USDT": 1}, rules=rules)
    with pytest.raises(ValueError, match="balances name EUR, must name the assets of BTCUSDT"):
        kernel.run(klines, sma_cross, balances={"EUR": 1})
