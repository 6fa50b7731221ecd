"""Whatever two runs differ in, reasons explain all of it, and each is what its rule alone changes."""

import dataclasses
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.backtesting import Rules, backtest, kernel, reconcile
from bwsresearch.backtesting.reconciling.outcome import REASONS

from .lab import market, sma_cross, walk

START = {"USDT": 10_000}
FILTERS = (
    {"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0.01", "maxPrice": "1000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
    {"filterType": "NOTIONAL", "minNotional": "400", "applyMinToMarket": True, "avgPriceMins": 5},
)


def random_run(seed, bars=60):
    """Bars with holes in their volume, random exposures, and rules with everything on."""
    draw = np.random.default_rng(seed)
    klines = walk(bars, seed)
    klines["volume"] = np.where(draw.random(bars) < 0.1, 0.0, draw.uniform(0.1, 4, bars))
    wanted = draw.choice([np.nan, 0.0, 0.25, 0.5, 1.0], bars, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    rules = Rules(
        fee=Decimal(str(draw.choice(["0", "0.001", "0.00075"]))),
        fee_asset=str(draw.choice(["received", "quote"])),
        slippage_bps=Decimal(str(draw.choice(["0", "2", "30"]))),
        participation=Decimal(str(draw.choice(["0.05", "0.3", "1"]))),
        latency=Decimal(str(draw.choice(["0", "0.25"]))),
        step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        tick=Decimal("0.01"),
        min_notional=Decimal(400),
        filters=FILTERS,
    )
    return klines, pd.Series(wanted, index=klines.index), rules


@pytest.mark.parametrize("part", range(4))
def test_reasons_explain_all_of_two_hundred_random_strategies(part):
    seen = dict.fromkeys(REASONS, 0)
    for seed in range(part * 50, part * 50 + 50):
        klines, wanted, rules = random_run(seed)
        fast = kernel.run(klines, wanted, balances=START, rules=rules)
        exact = backtest(klines, wanted, balances=START, rules=rules)
        found = reconcile(fast, exact)
        assert abs(found.residual) < 1e-8
        difference = exact.equity.iloc[-1] - fast.equity.iloc[-1]
        assert math.fsum(found.table["effect"]) == pytest.approx(difference, abs=1e-8)
        assert found.summary["total"] == pytest.approx(difference, abs=1e-8)
        for name in found.summary.index.drop("total"):
            seen[name] += 1
    for name in ("arithmetic", "timing", "rounding", "filter", "partial_fill"):
        assert seen[name] > 0, name
    assert not seen["missed"] + seen["quantity"]


def test_the_way_back_has_the_opposite_effects():
    klines, wanted, rules = random_run(3)
    fast = kernel.run(klines, wanted, balances=START, rules=rules)
    exact = backtest(klines, wanted, balances=START, rules=rules)
    there, back = reconcile(fast, exact), reconcile(exact, fast)
    assert back.difference == -there.difference
    assert abs(back.residual) < 1e-8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fee": "0.002"}, "fee"),
        ({"fee_asset": "quote"}, "fee"),
        ({"slippage_bps": 5}, "price"),
        ({"latency": "0.5"}, "timing"),
        ({"fill": "close"}, "timing"),
        ({"step": "0.01"}, "rounding"),
        ({"min_notional": 9_900}, "filter"),
        ({"participation": "0.02"}, "partial_fill"),
    ],
)
def test_one_rule_that_differs_is_the_one_reason_and_its_effect_the_difference(change, reason):
    klines = walk(300, seed=5)
    one = backtest(klines, sma_cross, balances=START)
    two = backtest(klines, sma_cross, balances=START, rules=Rules(**change))
    found = reconcile(one, two)
    assert found.summary.index.tolist() == [reason, "total"]
    assert found.summary[reason] == pytest.approx(
        two.equity.iloc[-1] - one.equity.iloc[-1], abs=1e-8
    )
    assert found.residual == 0.0
    assert found.names == ("backtest", "backtest")


def test_equal_runs_differ_in_nothing():
    klines = walk(300, seed=5)
    one, two = (backtest(klines, sma_cross, balances=START) for _ in range(2))
    found = reconcile(one, two)
    assert found.summary.to_dict() == {"total": 0.0}
    assert found.differing.empty
    assert found.difference == found.residual == 0.0
    assert len(found.table) == len(one.orders)


def test_a_row_shows_what_both_orders_did():
    klines = market([100.0] * 6, volume=[5] * 6)
    wanted = pd.Series([1, np.nan, 0, np.nan, np.nan, np.nan], index=klines.index)
    one = backtest(klines, wanted, balances={"USDT": 1000}, rules=Rules(fee=0))
    capped = Rules(fee="0.01", participation="0.4")
    two = backtest(klines, wanted, balances={"USDT": 1000}, rules=capped)
    row = reconcile(one, two).table.iloc[0]
    assert (row["status_a"], row["status_b"]) == ("FILLED", "EXPIRED")
    assert row[["qty_a", "qty_b", "price_a", "price_b", "fee_a", "fee_b"]].tolist() == [
        10.0, 2.0, 100.0, 100.0, 0.0, 2.0,
    ]  # fmt: skip


class Ladder(bws.Strategy):
    """Bids below the close, asks above it, and a stop."""

    size = 0.02

    def on_bar(self, bar, ctx):
        if ctx.bar_number % 5:
            return None
        ctx.cancel()
        orders = [
            {"side": "BUY", "type": "LIMIT", "quantity": self.size, "price": bar.close * 0.99}
        ]
        if ctx.position > self.size:
            orders.append(
                {"side": "SELL", "type": "LIMIT", "quantity": self.size, "price": bar.close * 1.01}
            )
        return orders


def test_a_strategy_that_orders_for_itself_is_explained_too():
    klines = walk(400, seed=9)
    one = backtest(klines, Ladder, balances=START, rules=Rules(tick="0.01", step="0.001"))
    two = backtest(
        klines, Ladder, balances=START, rules=Rules(fee_maker="0.0005", tick="0.01", step="0.015")
    )
    assert len(one.fills) > 40
    found = reconcile(one, two)
    assert found.summary.index.tolist() == ["fee", "rounding", "total"]
    assert found.residual == 0.0


def history(result, **change):
    """A backtest's fills as `bws.my_trades` would show them."""
    fills = result.fills
    frame = pd.DataFrame(
        {
            "id": range(len(fills)), "order_id": fills["order"] + 100, "price": fills["price"],
            "qty": fills["qty"], "quote_qty": fills["quote_qty"], "commission": fills["fee"],
            "commission_asset": fills["fee_asset"].astype(str), "is_buyer": fills["side"] == "BUY",
        },
        index=fills.index,
    )  # fmt: skip
    frame.attrs["symbol"] = "BTCUSDT"
    return frame.assign(**change)


def test_trades_of_an_account_that_did_the_same_differ_in_nothing():
    result = backtest(walk(300, seed=5), sma_cross, balances=START)
    found = reconcile(result, history(result))
    assert found.summary.to_dict() == {"total": 0.0}
    assert found.names == ("backtest", "account")


def test_facts_of_an_account_are_switched_one_after_the_other():
    result = backtest(walk(300, seed=5), sma_cross, balances=START)
    trades = history(result)
    row = int(np.flatnonzero(trades["is_buyer"])[2])
    worse = trades["price"].to_numpy().copy()
    worse[row] *= 1.01
    qty = trades["qty"].to_numpy().copy()
    qty[row] /= 1.01
    dear = trades["commission"].to_numpy().copy()
    dear[row + 1] *= 2
    missing = trades.assign(price=worse, qty=qty, commission=dear).drop(trades.index[-1])
    found = reconcile(result, missing)
    assert abs(found.residual) < 1e-8
    assert set(found.summary.index) >= {"price", "fee", "missed", "total"}
    at_row = found.table.iloc[row]
    assert at_row["price"] != 0.0
    assert found.table.iloc[row + 1]["fee"] == pytest.approx(-trades["commission"].iloc[row + 1])
    assert found.table["status_b"].iloc[-1] == ""


def test_a_fill_in_a_later_bar_is_a_matter_of_timing():
    result = backtest(walk(300, seed=5), sma_cross, balances=START)
    trades = history(result)
    moved = trades.set_axis(trades.index + pd.Timedelta("1h"))
    changed = moved.assign(
        price=moved["price"] * 1.001, quote_qty=(moved["qty"] * moved["price"] * 1.001)
    )
    found = reconcile(result, changed)
    assert found.summary.index[0] == "timing"
    assert abs(found.residual) < 1e-6


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda k: backtest(k[:-1], sma_cross, balances=START),
            r"the runs are of other bars of BTC",
        ),
        (
            lambda k: backtest(k, sma_cross, balances=START, params={"fast": 3}),
            r"the runs want another exposure of BTCUSDT at 2024",
        ),
        (
            lambda k: backtest(k, sma_cross, balances={"USDT": 5}),
            r"the runs began with 10000 USDT and 5 USDT; give both the same balances",
        ),
        (lambda k: backtest(k, Ladder, balances=START), r"the runs are of two strategies"),
        (lambda k: k, r"trades lack order_id"),
        (len, r"int is no run; give what bws.backtest"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_in_one_line(other, message):
    klines = walk(100, seed=5)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        reconcile(backtest(klines, sma_cross, balances=START), other(klines))
    assert "\n" not in str(caught.value)


def test_its_card_tells_both_ends_of_two_runs_of_one_name():
    klines = walk(300, seed=5)
    one = backtest(klines, sma_cross, balances=START)
    two = backtest(klines, sma_cross, balances=START, rules=Rules(fee="0.002"))
    text = repr(reconcile(one, two))
    for way, run in (("from", one), ("to", two)):
        line = next(line for line in text.splitlines() if f"{way} backtest, USDT" in line)
        assert line.endswith(f"{run.equity.iloc[-1]:,.2f}")


def test_it_shows_itself_as_a_card_and_as_a_picture():
    klines, wanted, rules = random_run(7)
    fast = kernel.run(klines, wanted, balances=START, rules=rules)
    found = reconcile(fast, backtest(klines, wanted, balances=START, rules=rules))
    text = repr(found)
    assert text.startswith("From kernel to backtest")
    assert "residual" in text
    line = next(line for line in text.splitlines() if line.split()[:1] == ["arithmetic"])
    assert line.split()[1] == "+0"  # floats are off by less than the smallest amount
    assert "<script" not in found._repr_html_()
    ax = found.plot()
    words = [label.get_text() for label in ax.get_yticklabels()]
    assert "rounding" in words
    assert "unexplained" not in words


def test_of_several_symbols_each_has_its_own_rows():
    from .test_engine import pair

    def half_each(k):
        return k["close"] * 0 + 0.5

    rules = Rules(step="0.01")
    one = backtest(pair(), half_each, balances=START)
    found = reconcile(one, backtest(pair(), half_each, balances=START, rules=rules))
    assert found.table["symbol"].tolist() == ["BTCUSDT", "ETHUSDT"]
    assert abs(found.residual) < 1e-8


def test_the_package_names_it():
    assert (bws.reconcile, bws.Reconciliation.__name__) == (reconcile, "Reconciliation")
    assert dataclasses.is_dataclass(bws.Reconciliation)
