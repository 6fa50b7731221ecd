"""Markets of trades, and of trades with books, and bars that are not of the clock."""

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.backtesting import Rules, backtest, kernel
from bwsresearch.tables import wide

from .lab import market, sma_cross, walk

BOOK = Rules(fee=0, fill="book")
USDT = {"USDT": 10_000}


def trades(count=4_000, seed=1, start="2024-01-01"):
    """Trades of a walk, about one a second."""
    draw = np.random.default_rng(seed)
    times = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(
        np.cumsum(draw.integers(1, 2_000, count)), unit="ms"
    )
    prices = np.round(30_000 + np.cumsum(draw.normal(0, 2, count)), 2)
    qty = np.round(draw.uniform(0.01, 2, count), 5)
    frame = pd.DataFrame(
        {
            "id": np.arange(1, count + 1), "price": prices, "qty": qty,
            "quote_qty": np.round(prices * qty, 8), "is_buyer_maker": draw.random(count) < 0.5,
        },
        index=pd.DatetimeIndex(times, name="time").as_unit("us"),
    )  # fmt: skip
    frame.attrs["symbol"] = "BTCUSDT"
    return frame


@pytest.fixture(scope="module")
def tape():
    return trades()


@pytest.fixture(scope="module")
def minutes(tape):
    klines = bws.bars(tape, "1m")
    klines.attrs["symbol"] = "BTCUSDT"
    return klines


def test_orders_fill_by_trades_that_were_there(tape, minutes):
    result = backtest(minutes, sma_cross, balances=USDT, rules=BOOK, trades=tape)
    assert len(result.fills) > 4
    known = set(tape["price"].tolist())
    spread = np.ptp(tape["price"].to_numpy())
    for fill in result.record.fills:
        order = result.record.orders[fill.order]
        assert fill.time >= order.time
        near = tape["price"].asof(pd.Timestamp(fill.time, unit="ms", tz="UTC"))
        assert abs(fill.price / 1e8 - near) < spread
    assert known


def test_a_large_order_pays_more_than_a_small_one(tape, minutes):
    wanted = pd.Series(np.nan, index=minutes.index)
    wanted.iloc[5] = 1.0
    small, large = (
        backtest(minutes, wanted, balances={"USDT": cash}, rules=BOOK, trades=tape)
        for cash in (100, 3_000_000)
    )
    assert len(large.fills) > len(small.fills) == 1
    assert large.fills["price"].mean() > small.fills["price"].iloc[0]


def books(tape, every=5):
    """Two levels a side around the last price."""
    rows = []
    for time, price in tape["price"].iloc[::every].items():
        for side, sign in (("bid", -1), ("ask", 1)):
            rows += [
                (time, side, round(price + sign * away, 2), size)
                for away, size in ((0.5, 0.2), (2.0, 500.0))
            ]
    frame = pd.DataFrame(rows, columns=["time", "side", "price", "qty"]).set_index("time")
    frame.attrs["symbol"] = "BTCUSDT"
    return frame


def test_with_books_an_order_walks_their_levels(tape, minutes):
    wanted = pd.Series(np.nan, index=minutes.index)
    wanted.iloc[5] = 1.0
    depth = books(tape)
    result = backtest(
        minutes, wanted, balances={"USDT": 60_000}, rules=BOOK, trades=tape, depth=depth
    )
    assert result.fills["qty"].iloc[0] == pytest.approx(0.2)
    assert len(result.fills) == 2
    assert result.fills["price"].is_monotonic_increasing
    assert set(result.fills["price"]) <= set(depth["price"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rules": Rules(fill="book")}, r"fill='book' and trades are not given"),
        ({"trades": "tape"}, r"rules have fill='next_open' and trades are given"),
        ({"rules": BOOK, "depth": "tape"}, r"depth is given without trades"),
    ],
)
def test_a_market_that_does_not_fit_the_rules_is_refused(tape, minutes, given, message):
    asked = {name: tape if value == "tape" else value for name, value in given.items()}
    with pytest.raises(ValueError, match=message):
        backtest(minutes, sma_cross, balances=USDT, **asked)


@pytest.mark.parametrize("rule", [{"ticks": 40}, {"volume": 30.0}, {"quote": 1_000_000.0}])
def test_bars_by_amount_run_in_both_engines(tape, rule):
    klines = bws.bars(tape, **rule)
    rules = Rules(unit="1e-18")
    exact = backtest(klines, sma_cross, balances=USDT, rules=rules)
    fast = kernel.run(klines, sma_cross, balances=USDT, rules=rules)
    assert len(exact.fills) > 4
    np.testing.assert_allclose(exact.equity, fast.equity, rtol=1e-9)
    assert exact.fills["price"].tolist() == pytest.approx(fast.fills["price"].tolist())
    assert exact.stats()["trades"] > 1


def test_bars_of_the_same_moment_fill_at_the_next_one():
    klines = market([100.0, 101.0, 102.0, 103.0], opens=[100, 100.5, 101.5, 102.5])
    klines.index = pd.DatetimeIndex([klines.index[0]] * 4, name="open_time")
    klines.attrs["rule"] = {"ticks": 1}
    wanted = pd.Series([np.nan, 1, np.nan, 0], index=klines.index)
    result = backtest(klines, wanted, balances=USDT, rules=Rules(fee=0))
    assert [fill.price for fill in result.record.fills] == [101_50000000]
    fast = kernel.run(klines, wanted, balances=USDT, rules=Rules(fee=0))
    assert fast.fills["price"].tolist() == [101.5]


def test_fees_in_bnb_need_some_and_its_price():
    frames = {name: walk(60, seed=n) for n, name in enumerate(("BTCUSDT", "BNBUSDT"))}
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h", gaps=[])
    klines = wide(frames)

    def one(k):
        wanted = k["close"] * np.nan
        wanted["BTCUSDT"] = 0.0
        wanted.loc[k.index[5:50], "BTCUSDT"] = 1.0
        return wanted

    rules = Rules(fee_asset="BNB")
    result = backtest(klines, one, balances={"USDT": 10_000, "BNB": 1}, rules=rules)
    assert result.fills["fee_asset"].tolist() == ["BNB", "BNB"]
    first = result.fills.iloc[0]
    price = klines["open"]["BNBUSDT"].iloc[6]
    assert first["fee"] == pytest.approx(first["qty"] * first["price"] * 0.00075 / price, rel=0.05)
    assert result.equity.notna().all()


def test_fees_in_bnb_count_at_the_price_of_bnb_whatever_was_paid_before():
    frames = {name: walk(60, seed=n) for n, name in enumerate(("BTCUSDT", "BNBUSDT"))}
    frames["BNBUSDT"][["open", "high", "low", "close"]] /= 100
    for name, frame in frames.items():
        frame.attrs.update(symbol=name, interval="1h", gaps=[])

    def bnb_later(k):
        wanted = k["close"] * 0
        wanted.loc[k.index[5:50], "BTCUSDT"] = 0.5
        wanted.loc[k.index[10:], "BNBUSDT"] = 0.25
        return wanted

    result = backtest(
        wide(frames), bnb_later, balances={"USDT": 10_000}, rules=Rules(fee_asset="BNB")
    )
    assert result.fills["fee_asset"].tolist()[::2] == ["BTC", "BNB"]
    assert result.fills["fee_asset"].iloc[2] == "BNB"
    assert result.trades["fees"].max() < 10
    assert result.stats()["fees"] < 20


def test_trips_through_bars_of_the_same_moment_have_their_own_bars():
    klines = market([100.0, 101.0, 102.0, 103.0])
    klines.index = pd.DatetimeIndex([klines.index[0]] * 4, name="open_time")
    klines.attrs["rule"] = {"ticks": 1}
    wanted = pd.Series([1.0, np.nan, 0.0, np.nan], index=klines.index)
    result = backtest(klines, wanted, balances=USDT, rules=Rules(fee=0))
    assert result.trades["bars"].tolist() == [2]
