import pytest
from hypothesis import given

from bwsresearch.backtesting import Rules, backtest
from bwsresearch.backtesting.trips import round_trips

from .lab import balances, market, played, rules, runs, steady


def trades_of(closes, wanted, rules=None, **start):
    klines = market(closes)
    series = klines["close"] * 0 + wanted
    return backtest(klines, series, balances=start or {"USDT": 1000}, rules=rules).trades


FREE = Rules(fee=0)


def test_a_round_trip_goes_from_flat_to_flat():
    trades = trades_of([100, 100, 110, 121, 121], [1, 1, 0, 0, 0], FREE)
    assert trades.drop(columns=["symbol", "entry_time", "exit_time"]).to_dict("records") == [
        {"qty": 10.0, "entry_price": 100.0, "exit_price": 110.0, "fees": 0.0, "pnl": 100.0,
         "return": 0.1, "bars": 2, "is_open": False}
    ]  # fmt: skip
    klines = market([0] * 5)
    assert trades["entry_time"].tolist() == [klines.index[1]]
    assert trades["exit_time"].tolist() == [klines.index[3]]


def test_prices_of_a_trip_are_means_by_quantity():
    trades = trades_of([100, 100, 200, 100, 50], [0.5, 1, 0.5, 0, 0], FREE)
    # Buys 5 at 100, 500 at the close of 100 decided and filled at 100, sells half at 200 …
    assert len(trades) == 1
    assert trades["qty"].tolist() == [10.0]
    assert trades["entry_price"].tolist() == [100.0]
    assert trades["exit_price"].tolist() == pytest.approx([(5 * 200 + 5 * 100) / 10])
    assert trades["pnl"].tolist() == [500.0]


def test_profits_are_after_fees_and_fees_are_told_in_quote():
    trades = trades_of([100, 100, 100, 100], [1, 0, 0, 0], Rules(fee="0.01"))
    assert trades["fees"].tolist() == pytest.approx([0.1 * 100 + 9.9])  # 0.1 base, 9.90 quote
    assert trades["pnl"].tolist() == pytest.approx([-19.9])
    quote = trades_of([100, 100, 100, 100], [1, 0, 0, 0], Rules(fee="0.01", fee_asset="quote"))
    assert quote["pnl"].tolist() == pytest.approx([-quote["fees"].iloc[0]])


def test_the_last_trip_may_be_open_and_is_valued_at_the_last_close():
    trades = trades_of([100, 100, 100, 150], [1, 1, 1, 1], FREE)
    assert trades[["pnl", "return", "bars", "is_open"]].iloc[0].tolist() == [500.0, 0.5, 2, True]
    assert trades["exit_time"].isna().all()
    assert trades["exit_price"].isna().all()


def test_base_at_the_start_counts_as_bought_at_the_first_open():
    trades = trades_of([100, 120, 130], [0, 0, 0], FREE, BTC=2)
    assert trades[["qty", "entry_price", "exit_price", "pnl", "return", "bars"]].iloc[
        0
    ].tolist() == [2.0, 100.0, 100.0, 0.0, 0.0, 1]
    kept = trades_of([100, 120, 130], [float("nan")] * 3, FREE, BTC=2)
    assert kept[["pnl", "is_open"]].iloc[0].tolist() == [60.0, True]


def test_base_that_is_worth_less_than_a_unit_has_a_return_without_a_warning():
    trades = trades_of([0.5, 0.5, 1], [float("nan")] * 3, FREE, BTC="0.00000001", USDT=1)
    assert trades["is_open"].tolist() == [True]
    assert trades["return"].tolist() == [0.0]


def test_dust_that_cannot_be_sold_does_not_keep_a_trip_open():
    rules = Rules(fee="0.001", step="0.01")
    trades = trades_of([100, 100, 100, 100, 100], [1, 0, 1, 0, 0], rules)
    assert trades["is_open"].tolist() == [False, False]


def test_a_sale_that_is_refused_keeps_the_trip_open():
    trades = trades_of([100, 100, 1, 1, 1], [1, 0, 0, 0, 0], Rules(min_notional=50))
    assert trades["is_open"].tolist() == [False]
    refused = trades_of([100, 100, 1, 1, 1], [1, 1, 0, 0, 0], Rules(min_notional=50))
    assert refused["is_open"].tolist() == [True]


@steady
@given(runs, rules, balances)
def test_profits_and_what_dust_gained_are_the_change_of_equity(run, rules, start):
    klines, wanted = played(run)
    rules = Rules(fee=rules.fee, fee_asset=rules.fee_asset, slippage_bps=rules.slippage_bps)
    result = backtest(
        klines, wanted, balances=dict(zip(("BTC", "USDT"), start, strict=True)), rules=rules
    )
    gained = result.equity.iloc[-1] - result.initial_equity
    assert result.trades["pnl"].sum() == pytest.approx(gained, abs=1e-5)


@steady
@given(runs, rules, balances)
def test_every_fill_belongs_to_one_trip(run, rules, start):
    klines, wanted = played(run)
    record = backtest(
        klines, wanted, balances=dict(zip(("BTC", "USDT"), start, strict=True)), rules=rules
    ).record
    fills, first = record.fills, int(klines["open"].iloc[0] * 10**8)
    step = int(max(rules.step * 10**8, 1))
    trips = list(round_trips(record, "BTCUSDT", first_open=first, step=step))
    held = int(record.start["BTC"]) if record.start["BTC"] >= step else 0
    assert sum(trip.bought for trip in trips) == held + sum(
        fill.qty for fill in fills if fill.side == "BUY"
    )
    assert sum(trip.sold for trip in trips) == sum(f.qty for f in fills if f.side == "SELL")
    assert sum(trip.quote_fees for trip in trips) == sum(
        fill.fee for fill in fills if fill.fee_asset == "USDT"
    )
    assert [trip.exit >= 0 for trip in trips[:-1]] == [True] * (len(trips) - 1)
