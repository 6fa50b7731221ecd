"""Strategies that order for themselves, bar by bar."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bwsresearch as bws
from bwsresearch.backtesting import Rules, backtest
from bwsresearch.tables import wide

from .lab import market, walk

USDT = {"USDT": 1_000}
FREE = Rules(fee=0, tick="0.01", step="0.001")


def scripted(*orders):
    """A strategy that orders what is written for each bar, and notes what it sees."""

    class Scripted(bws.Strategy):
        seen = None

        def on_start(self, ctx):
            Scripted.seen = []

        def on_bar(self, bar, ctx):
            Scripted.seen.append((bar, ctx.position, ctx.cash, ctx.equity, ctx.now))
            number = ctx.bar_number
            return orders[number] if number < len(orders) else None

    return Scripted


def test_a_limit_waits_for_a_bar_that_goes_beyond_it():
    klines = market([100, 99, 95, 100], volume=[10] * 4)
    buy = {"side": "BUY", "type": "LIMIT", "quantity": 2, "price": 97}
    result = backtest(klines, scripted(buy), balances=USDT, rules=FREE)
    assert result.fills[["price", "qty", "is_maker"]].values.tolist() == [[97.0, 2.0, True]]
    assert [fill.bar for fill in result.record.fills] == [2]
    assert result.orders["status"].tolist() == ["FILLED"]
    assert result.orders.iloc[0][["type", "price", "executed_qty"]].tolist() == ["LIMIT", 97.0, 2.0]


def test_a_stop_sells_when_its_price_is_met():
    klines = market([100, 100, 90, 90], opens=[100, 100, 98, 90], volume=[10] * 4)
    buy = {"side": "BUY", "type": "MARKET", "quantity": 3}
    stop = {"side": "SELL", "type": "STOP_LOSS", "quantity": 3, "stop_price": 95}
    result = backtest(klines, scripted(buy, stop), balances=USDT, rules=FREE)
    assert result.fills["price"].tolist() == [100.0, 95.0]
    assert result.record.fills[-1].bar == 2


def test_what_a_strategy_sees_is_what_was_there_at_the_close():
    klines = market([100, 110, 120], volume=[10] * 3)
    strategy = scripted({"side": "BUY", "type": "MARKET", "quantity": 2})
    backtest(klines, strategy, balances=USDT, rules=FREE)
    bars, positions, cash, equity, now = zip(*strategy.seen, strict=True)
    assert [bar.close for bar in bars] == [100.0, 110.0, 120.0]
    assert positions == (0.0, 2.0, 2.0)
    assert cash == (1000.0, 800.0, 800.0)
    assert equity == (1000.0, 1020.0, 1040.0)
    assert now[0] == klines.index[1]


def test_what_is_cancelled_at_a_close_does_not_fill_in_the_next_bar():
    klines = market([100, 100, 90, 90], volume=[10] * 4)

    class Shy(bws.Strategy):
        def on_bar(self, bar, ctx):
            if ctx.bar_number == 0:
                return {"side": "BUY", "type": "LIMIT", "quantity": 1, "price": 95}
            (order,) = ctx.open_orders or [None]
            if order is not None:
                assert (order.price, order.qty, order.side) == (Decimal(95), Decimal(1), "BUY")
                ctx.cancel(order.order_id)
            return None

    result = backtest(klines, Shy, balances=USDT, rules=FREE)
    assert result.orders["status"].tolist() == ["CANCELED"]
    assert result.fills.empty


def test_history_ends_with_the_bar_that_has_closed():
    lengths = []

    class Reader(bws.Strategy):
        def on_bar(self, bar, ctx):
            past = ctx.history(3)
            assert past["close"].iloc[-1] == bar.close
            lengths.append(len(past))

    backtest(walk(5, 1), Reader, balances=USDT)
    assert lengths == [1, 2, 3, 3, 3]


def test_parameters_are_class_attributes_and_each_run_begins_anew():
    class Counter(bws.Strategy):
        size = 1

        def on_start(self, ctx):
            self.bars = 0

        def on_bar(self, bar, ctx):
            self.bars += 1
            if self.bars == 1:
                return {"side": "BUY", "type": "MARKET", "quantity": self.size}
            return None

    klines = market([100] * 4, volume=[10] * 4)
    runs = [
        backtest(klines, Counter, balances=USDT, rules=FREE, params={"size": size})
        for size in (1, 2, 2)
    ]
    assert [run.fills["qty"].tolist() for run in runs] == [[1.0], [2.0], [2.0]]
    assert runs[1].params == {"size": 2}
    assert runs[1].title.startswith("Counter(size=2) on BTCUSDT")


def test_floats_are_rounded_towards_less():
    klines = market([100] * 3, volume=[10] * 3)
    orders = [
        {"side": "BUY", "type": "LIMIT", "quantity": 1.23456, "price": 99.999},
        {"side": "BUY", "type": "LIMIT", "quantity": 0.1 + 0.2, "price": 0.07 * 100},
    ]
    result = backtest(klines, scripted(orders), balances=USDT, rules=FREE)
    assert result.orders[["qty", "price"]].values.tolist() == [[1.234, 99.99], [0.3, 7.0]]


def test_a_refused_order_is_a_row_and_not_an_error():
    klines = market([100] * 3, volume=[10] * 3)
    result = backtest(
        klines,
        scripted({"side": "SELL", "type": "MARKET", "quantity": 1}),
        balances=USDT,
        rules=FREE,
    )
    row = result.orders.iloc[0]
    assert row["status"] == "REJECTED"
    assert "insufficient balance" in row["reason"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"side": "BUY", "type": "MARKET", "quantiy": 1}, r"quantiy.*did you mean quantity\?"),
        ({"side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}, r"did you mean time_in_force\?"),
        ({"side": "buy", "type": "MARKET", "quantity": 1}, r"side 'buy', must be one of BUY SELL"),
        ({"side": "BUY", "type": "market", "quantity": 1}, r"type 'market', must be one of LIMIT "),
        ({"side": "BUY", "type": "LIMIT", "quantity": 1}, r"Mandatory parameter 'price'"),
        ({"type": "MARKET", "quantity": 1}, r"side and type are needed"),
        (
            {"symbol": "ETHUSDT", "side": "BUY"},
            r"on_bar ordered ETHUSDT, but the klines are of BTC",
        ),
        (
            {"side": "BUY", "type": "MARKET", "quantity": "much"},
            r"quantity is 'much', must be a num",
        ),
        (5, r"on_bar returned a int, must return parameters of an order"),
        (["BUY"], r"on_bar returned a str, must return parameters"),
    ],
)
def test_what_cannot_be_an_order_is_refused_in_one_line(answer, message):
    klines = market([100] * 3)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        backtest(klines, scripted(answer), balances=USDT, rules=FREE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("strategy", "params", "message"),
    [
        (scripted()(), {}, r"strategy is an object of Scripted, give the class and params="),
        (scripted(), {"speed": 1}, r"Scripted has no parameter speed; it has seen"),
        (bws.Strategy, {}, r"Strategy has no on_bar"),
    ],
)
def test_what_is_no_strategy_is_refused(strategy, params, message):
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=message):
        backtest(market([100] * 3), strategy, balances=USDT, params=params)


def test_several_symbols_close_together_and_orders_name_theirs():
    frames = {name: walk(30, seed=n) for n, name in enumerate(("BTCUSDT", "ETHUSDT"))}
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h", gaps=[])
    klines = wide(frames)
    klines.iloc[4, klines.columns.get_level_values(1) == "ETHUSDT"] = np.nan
    seen = []

    class Both(bws.Strategy):
        def on_bar(self, bars, ctx):
            seen.append(sorted(bars))
            if ctx.bar_number == 10:
                return [
                    {"symbol": name, "side": "BUY", "type": "MARKET", "quote_order_qty": 400}
                    for name in bars
                ]
            return None

    result = backtest(klines, Both, balances=USDT, rules=FREE)
    assert seen[4] == ["BTCUSDT"]
    assert seen[5] == ["BTCUSDT", "ETHUSDT"]
    assert sorted(result.fills["symbol"]) == ["BTCUSDT", "ETHUSDT"]


class Ladder(bws.Strategy):
    """Bids below the close, asks above it, a stop, and all of it anew every few bars."""

    every = 4
    seed = 0

    def on_start(self, ctx):
        self.draw = np.random.default_rng(self.seed)

    def on_bar(self, bar, ctx):
        if ctx.bar_number % self.every:
            return None
        ctx.cancel()
        away = float(self.draw.uniform(0.001, 0.02))
        orders = [
            {"side": "BUY", "type": "LIMIT", "quantity": 0.002, "price": bar.close * (1 - away)}
        ]
        if ctx.position >= 0.004:
            half = ctx.position / 2
            orders += [
                {"side": "SELL", "type": "LIMIT", "quantity": half, "price": bar.close * (1 + away)},
                {"side": "SELL", "type": "STOP_LOSS", "quantity": half,
                 "stop_price": bar.close * 0.97},
            ]  # fmt: skip
        return orders


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 119))
def test_what_orders_did_before_a_cut_does_not_depend_on_bars_behind_it(seed, cut):
    klines = walk(120, seed % 7)
    rules = Rules(tick="0.01", step="0.00001", participation="0.2", slippage_bps=1)
    asked = {"balances": {"USDT": 10_000}, "rules": rules, "params": {"seed": seed}}
    whole = backtest(klines, Ladder, **asked)
    part = backtest(klines[:cut], Ladder, **asked)
    assert part.record.fills == [fill for fill in whole.record.fills if fill.bar < cut]
    np.testing.assert_array_equal(part.equity, whole.equity[:cut])
    sent = [order for order in whole.record.orders if order.bar < cut]
    assert [order[:10] for order in part.record.orders] == [order[:10] for order in sent]


def test_balances_hold_at_every_fill_of_a_busy_strategy():
    result = backtest(walk(600, 3), Ladder, balances={"USDT": 10_000}, rules=FREE)
    assert len(result.fills) > 50
    for asset in ("BTC", "USDT"):
        assert min(result.record.balances(asset)) >= 0
    assert result.fills["is_maker"].any()
