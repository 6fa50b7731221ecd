import functools
import gzip
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bwsresearch as bws
from bwsresearch import tables
from bwsresearch.backtesting import Rules, backtest

from .lab import balances, market, played, rules, runs, sma_cross, steady, walk

NAN = float("nan")
FREE = Rules(fee=0)
USDT = {"USDT": 1000}


def run(klines, wanted, rules=FREE, **balances):
    series = pd.Series(wanted, index=klines.index, dtype=float)
    return backtest(klines, series, balances=balances or USDT, rules=rules)


def test_the_package_names_it():
    assert (bws.backtest, bws.Rules) == (backtest, Rules)
    assert bws.Result is type(run(market([1, 2]), [0, 0]))
    assert {"backtest", "Result", "Rules"} <= set(bws.__all__)


def test_what_a_close_decides_is_filled_at_the_next_open():
    klines = market([100, 110, 120, 130], opens=[99, 101, 112, 119])
    result = run(klines, [NAN, 1, NAN, 0])
    (fill,) = result.record.fills
    assert (fill.bar, fill.side, fill.price) == (2, "BUY", 112 * 10**8)
    assert result.orders["status"].tolist() == ["FILLED", "NEW"]
    assert result.orders.index.tolist() == klines.index[[1, 3]].tolist()
    assert result.fills.index.tolist() == [klines.index[2]]


@steady
@given(runs, rules, balances)
def test_no_fill_is_in_the_bar_that_decided_it_nor_in_one_without_trades(run, rules, start):
    klines, wanted = played(run)
    result = backtest(
        klines, wanted, balances=dict(zip(("BTC", "USDT"), start, strict=True)), rules=rules
    )
    volume = klines["volume"].to_numpy()
    for fill in result.record.fills:
        sent = result.record.orders[fill.order].bar
        assert sent < fill.bar
        assert not volume[sent + 1 : fill.bar].any()
        assert volume[fill.bar] > 0


@steady
@given(runs, rules, balances, st.data())
def test_results_of_a_prefix_are_the_prefix_of_the_results(run, rules, start, data):
    klines, wanted = played(run)
    cut = data.draw(st.integers(2, len(klines)), label="cut")
    begin = dict(zip(("BTC", "USDT"), start, strict=True))
    whole = backtest(klines, wanted, balances=begin, rules=rules)
    part = backtest(klines[:cut], wanted[:cut], balances=begin, rules=rules)
    pd.testing.assert_series_equal(part.equity, whole.equity[:cut], check_freq=False)
    assert part.record.fills == [fill for fill in whole.record.fills if fill.bar < cut]
    sent = [order for order in whole.record.orders if order.bar < cut]
    # What waits at the cut is known to wait; all else is settled.
    settled = [
        order if order.status != "NEW" else sent[n] for n, order in enumerate(part.record.orders)
    ]
    assert settled == sent
    assert [o.status for o in part.record.orders].count("NEW") <= 1


def test_a_function_of_earlier_bars_keeps_the_prefix_too():
    klines = walk(300, seed=11)
    whole = backtest(klines, sma_cross, balances=USDT)
    for cut in (2, 13, 150, 299):
        part = backtest(klines[:cut], sma_cross, balances=USDT)
        assert part.record.fills == [fill for fill in whole.record.fills if fill.bar < cut]


def test_nan_holds_what_was_wanted():
    result = run(market([100] * 8), [NAN, 1, NAN, NAN, 1, 0, NAN, 0])
    assert [(o.bar, o.side) for o in result.record.orders] == [(1, "BUY"), (5, "SELL")]


def test_an_order_is_sent_only_when_the_target_changes():
    klines = walk(50, seed=3)
    result = run(klines, [0.5] * 25 + [0.7] * 25)
    assert [order.bar for order in result.record.orders] == [0, 25]
    assert [order.target for order in result.record.orders] == [0.5, 0.7]


def test_noise_of_floating_point_is_no_change_of_target():
    wanted = 0.3 + np.array([0, 1e-16, -1e-16, 5e-17, 0]) * 3
    assert len(set(wanted.tolist())) > 1
    assert len(run(market([100] * 5), wanted).record.orders) == 1


def test_a_rejected_order_is_not_sent_again_before_the_target_changes():
    result = run(market([100] * 6), [1, 1, 1, 0.5, 1, 1], Rules(min_qty=100))
    assert [(o.bar, o.status) for o in result.record.orders] == [
        (0, "REJECTED"), (3, "REJECTED"), (4, "REJECTED"),
    ]  # fmt: skip


def test_an_order_waits_while_nothing_is_traded():
    klines = market([100] * 5, opens=[100, 101, 102, 103, 104], volume=[1, 0, 0, 1, 1])
    result = run(klines, [1, NAN, NAN, NAN, NAN])
    (fill,) = result.record.fills
    assert (fill.bar, fill.side, fill.price) == (3, "BUY", 103 * 10**8)
    assert result.position.tolist()[:3] == [0, 0, 0]


def test_a_target_that_changes_while_an_order_waits_replaces_it():
    klines = market([100] * 5, volume=[1, 0, 0, 1, 1])
    result = run(klines, [1, 0.5, NAN, NAN, NAN])
    assert [(o.status, o.reason) for o in result.record.orders] == [
        ("CANCELED", "replaced before a trade"), ("FILLED", ""),
    ]  # fmt: skip
    assert result.position.iloc[-1] == 5.0
    withdrawn = run(klines, [1, 0, NAN, NAN, NAN])
    assert withdrawn.orders["status"].tolist() == ["CANCELED"]
    assert withdrawn.fills.empty


def test_an_order_replaced_when_nothing_is_traded_any_more_does_not_wait():
    klines = market([100] * 4, volume=[1, 0, 0, 0])
    result = run(klines, [1, 0.5, 0.25, NAN])
    assert result.orders["status"].tolist() == ["CANCELED", "CANCELED", "NEW"]


def test_a_strategy_that_never_trades_keeps_what_it_has():
    klines = walk(20, seed=5)
    result = run(klines, [0] * 20)
    assert (result.record.orders, result.record.fills) == ([], [])
    assert result.equity.tolist() == [1000.0] * 20
    assert run(klines, [NAN] * 20).orders.empty


def test_base_at_the_start_is_sold_by_a_first_target_of_nothing():
    result = run(market([100, 100, 100]), [0, 0, 0], BTC=2, USDT=50)
    (fill,) = result.record.fills
    assert (fill.bar, fill.side, fill.qty) == (1, "SELL", 2 * 10**8)
    assert result.equity.tolist() == [250.0, 250.0, 250.0]


def test_base_at_the_start_counts_towards_the_target():
    result = run(market([100, 100, 100]), [0.5, NAN, NAN], BTC=1, USDT=300)
    assert result.position.tolist() == [1.0, 2.0, 2.0]
    held = run(market([100, 100, 100]), [NAN, NAN, NAN], BTC=1)
    assert (held.position.tolist(), held.initial_equity) == ([1.0] * 3, 100.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_frictionless_run_equals_the_product_of_its_returns(seed):
    klines = walk(2_000, seed=seed)
    wanted = sma_cross(klines).shift().fillna(0.0).to_numpy()
    fee = 0.001
    result = run(klines, wanted, Rules(fee=fee, fee_asset="quote"), USDT=10**9)
    assert result.equity.to_numpy() == pytest.approx(_product(klines, wanted, fee, 1e9), rel=1e-9)
    assert 50 < len(result.trades) < 1000


def test_real_hours_equal_the_product_of_their_returns(real_data):
    with gzip.open(real_data / "klines/api/BTCUSDT/1h.jsonl.gz", "rt") as lines:
        rows = [json.loads(line)[:6] for line in lines]
    _, opens, _, _, closes, volume = np.array(rows, dtype=np.float64).T
    klines = market(closes, opens, volume, start="2018-01-01")
    wanted = sma_cross(klines, 20, 50).to_numpy()
    result = run(klines, wanted, Rules(fee_asset="quote"), USDT=10**9)
    last = _product(klines, wanted, 0.001, 1e9)[-1]
    assert result.equity.iloc[-1] == pytest.approx(last, rel=1e-9)


def _product(klines, wanted, fee, start):
    """Equity at each close of an all-in strategy of 0 and 1, by cumulated products alone."""
    opens, closes = (klines[name].to_numpy() for name in ("open", "close"))
    held = np.zeros(len(klines))  # what is held during a bar: the target of the bar before it
    held[1:] = wanted[:-1]
    for bar in np.flatnonzero(klines["volume"].to_numpy() == 0):  # fills nothing
        held[bar] = held[bar - 1]
    before = np.concatenate([[0.0], held[:-1]])
    last = np.concatenate([opens[:1], closes[:-1]])
    bought, sold = (held > before), (held < before)
    growth = np.ones(len(klines))
    growth *= np.where(before == 1, np.where(sold, opens / last * (1 - fee), 1.0), 1.0)
    growth *= np.where(bought, closes / opens / (1 + fee), 1.0)
    growth *= np.where((held == 1) & ~bought, closes / last, 1.0)
    return start * np.cumprod(growth)


def test_parameters_reach_the_function_by_name():
    klines = walk(100, seed=2)
    result = backtest(klines, sma_cross, balances=USDT, params={"fast": 3, "slow": 30})
    expected = run(klines, sma_cross(klines, 3, 30).to_numpy(), Rules())
    assert result.record.fills == expected.record.fills
    assert result.params == {"fast": 3, "slow": 30}


def test_the_title_tells_defaults_too():
    klines = walk(20, seed=2)
    klines.attrs["interval"] = "1h"
    title = backtest(klines, sma_cross, balances=USDT, params={"slow": 9}).title
    assert title == "sma_cross(fast=5, slow=9) on BTCUSDT 1h"
    bound = functools.partial(sma_cross, fast=2)
    assert backtest(klines, bound, balances=USDT).title.startswith("sma_cross(fast=2, slow=12)")
    series = klines["close"] > 0
    assert backtest(klines, series, balances=USDT).title == "exposure on BTCUSDT 1h"
    named = series.rename("always")
    assert backtest(klines, named, balances=USDT).title == "always on BTCUSDT 1h"


def test_a_strategy_that_changes_its_frame_changes_nobody_elses():
    klines = walk(60, seed=4)
    before = klines.copy()

    def vandal(k):
        k["open"] = 1.0
        k.loc[k.index[5], "close"] = 7.0
        k["signal"] = 1.0
        k.attrs["symbol"] = "ETHBTC"
        return k["signal"]

    result = backtest(klines, vandal, balances=USDT, rules=FREE)
    pd.testing.assert_frame_equal(klines, before)
    assert klines.attrs == before.attrs
    honest = backtest(klines, lambda k: k["close"] * 0 + 1, balances=USDT, rules=FREE)
    pd.testing.assert_series_equal(result.equity, honest.equity)
    assert result.title == "vandal on BTCUSDT"


def test_a_frame_that_changes_later_does_not_change_the_result():
    klines = walk(60, seed=4)
    result = backtest(klines, sma_cross, balances=USDT)
    expected = backtest(klines.copy(), sma_cross, balances=USDT).equity
    klines.loc[:, "close"] = 1.0
    klines.iloc[0, 0] = 1.0
    pd.testing.assert_series_equal(result.equity, expected)


def test_changing_what_a_result_gave_does_not_change_its_figures():
    result = backtest(walk(60, seed=4), sma_cross, balances=USDT)
    stats = backtest(walk(60, seed=4), sma_cross, balances=USDT).stats()
    result.equity.iloc[:] = 1.0
    result.trades["pnl"] = 5.0
    result.fills["fee"] = 5.0
    pd.testing.assert_series_equal(result.stats(), stats)


def test_klines_without_a_symbol_take_their_quote_from_the_balances():
    klines = market([100, 100, 100], symbol=None)
    result = run(klines, [1, NAN, NAN], EUR=100)
    assert (result.base_asset, result.quote_asset) == ("BASE", "EUR")
    assert result.title == "exposure on BASE"
    with pytest.raises(ValueError, match=r"klines name no symbol and balances BTC, EUR; give the"):
        run(klines, [1, NAN, NAN], BTC=1, EUR=100)


@pytest.mark.parametrize(
    ("symbol", "given", "assets"),
    [
        ("BTCUSDT", {"USDT": 1}, ("BTC", "USDT")),
        ("BTCUSDT", {"BTC": 1}, ("BTC", "USDT")),
        ("BTCUSDT", {"BTC": 1, "USDT": 0}, ("BTC", "USDT")),
        ("ETHBTC", {"ETH": 1}, ("ETH", "BTC")),
        ("ETHBTC", {"ETH": 1, "BTC": 2}, ("ETH", "BTC")),
        ("BTCTUSD", {"TUSD": 1}, ("BTC", "TUSD")),
        ("BNTUSD", {"USD": 1}, ("BNT", "USD")),
        ("SHIBDOGE", {"DOGE": 1}, ("SHIB", "DOGE")),
        ("1000SATSFDUSD", {"FDUSD": "1"}, ("1000SATS", "FDUSD")),
    ],
)
def test_the_balances_tell_base_from_quote(symbol, given, assets):
    result = run(market([1, 1], symbol=symbol), [0, 0], **given)
    assert (result.base_asset, result.quote_asset) == assets


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"EUR": 1}, r"balances name EUR, must name the assets of BTCUSDT"),
        ({"USDT": 1, "ETH": 1}, r"balances name ETH, but BTCUSDT is BTC and USDT"),
        ({"BTCUSDT": 1}, r"balances name BTCUSDT, must name the assets of BTCUSDT"),
        ({}, r"balances is \{\}, name what is there, such as \{'USDT': 10_000\}"),
        (10_000, r"balances is 10000, name what is there"),
        ({"USDT": -1}, r"balance of USDT is -1, must be 0 or more"),
        ({"USDT": NAN}, r"balance of USDT is nan, must be 0 or more"),
        ({"USDT": "much"}, r"balance of USDT is 'much', must be a number, 0 or more"),
        ({"USDT": 0}, r"balances of USDT are 0, a run needs some to start with"),
    ],
)
def test_balances_that_cannot_be_meant_are_refused_in_one_line(given, message):
    klines = market([1, 1])
    with pytest.raises(ValueError, match=message) as caught:
        backtest(klines, klines["close"], balances=given)
    assert "\n" not in str(caught.value)


def pair(bars=40):
    """Klines of two symbols, one beside the other."""
    frames = {name: walk(bars, seed=n) for n, name in enumerate(("BTCUSDT", "ETHUSDT"))}
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h", gaps=[])
    return tables.wide(frames)


def test_several_symbols_share_one_pool_of_money():
    wide = pair()

    def half_each(k):
        return k["close"] * 0 + 0.5

    result = backtest(wide, half_each, balances=USDT, rules=FREE)
    assert result.title == "half_each on BTCUSDT, ETHUSDT 1h"
    assert result.fills["symbol"].tolist() == ["BTCUSDT", "ETHUSDT"]
    # The second is decided after the first was filled: half of what there is then.
    assert result.fills["quote_qty"].tolist() == pytest.approx([500, 500], abs=0.1)
    worth = sum(result.positions[s[:3]] * wide["close"][s] for s in ("BTCUSDT", "ETHUSDT"))
    pd.testing.assert_series_equal(
        result.equity, (worth + result.positions["USDT"]), check_names=False, rtol=1e-12
    )


def test_what_is_sold_pays_for_what_is_bought_at_the_same_close():
    wide = pair()

    def rotate(k):
        wanted = k["close"] * 0
        wanted.iloc[5:20, 0], wanted.iloc[20:, 1] = 1.0, 1.0
        return wanted

    result = backtest(wide, rotate, balances=USDT, rules=FREE)
    assert result.orders["status"].tolist() == ["FILLED"] * 3
    assert [(f.symbol, f.side, f.bar) for f in result.record.fills] == [
        ("BTCUSDT", "BUY", 6), ("BTCUSDT", "SELL", 21), ("ETHUSDT", "BUY", 21),
    ]  # fmt: skip
    assert result.positions["USDT"].iloc[-1] < 1e-3


def test_one_symbol_of_several_runs_as_it_would_alone():
    wide = pair()
    alone = wide.xs("BTCUSDT", axis=1, level=-1)
    alone.attrs["symbol"] = "BTCUSDT"
    wanted = sma_cross(alone)

    def first(k):
        return (k["close"] * 0).assign(BTCUSDT=sma_cross(k.xs("BTCUSDT", axis=1, level=-1)))

    together = backtest(wide, first, balances=USDT)
    assert together.record.fills == backtest(alone, wanted, balances=USDT).record.fills


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda k: k["close"] * 0 + 0.6, r"exposures at .* add up to 1.2, must be 1 at most"),
        (lambda k: k["close"]["BTCUSDT"] * 0, r"returned a Series, must return a DataFrame"),
        (lambda k: k["close"][["BTCUSDT"]] * 0, r"40 rows of BTCUSDT, must be one per bar \(40\)"),
    ],
)
def test_exposures_of_a_pool_that_cannot_be_are_refused_in_one_line(answer, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        backtest(pair(), answer, balances=USDT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("binance", r"rules is 'binance', must be a Rules such as bws.Rules.binance\('BTCUSDT'\)"),
        ({"fee": "0.001"}, r"rules is \{'fee': '0.001'\}, must be a Rules"),
        ({"BTCUSDT": FREE}, r"rules has none for ETHUSDT; give one for each symbol"),
        (
            {"BTCUSDT": FREE, "ETHUSDT": Rules()},
            r"rules differ in fee \(0, 0.001\), which belongs to",
        ),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_in_one_line(rules, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        backtest(pair(), lambda k: k["close"] * 0, balances=USDT, rules=rules)
    assert "\n" not in str(caught.value)


def test_rules_left_out_are_a_tenth_of_a_percent_of_what_is_received():
    assert backtest(market([1, 1]), lambda k: k["close"], balances=USDT).rules == Rules()
