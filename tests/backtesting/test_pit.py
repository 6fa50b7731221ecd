"""What one order at market gives, to the last unit: the exchange's own arithmetic on bars."""

from decimal import Decimal

import pytest
from hypothesis import given

from bwsresearch.backtesting import Rules, backtest

from .lab import Replay, balances, market, played, rules, runs, steady

UNIT = 100_000_000


def amount(text):
    return int(Decimal(text) * UNIT)


def trade(target, price, close=None, *, base="0", quote="0", **rules):
    """Follow one target: decided at the close of bar 0, filled at the open of bar 1."""
    price, close = float(price), float(close or price)
    klines = market([close, price, price], [close, price, price])
    wanted = klines["close"] * float("nan")
    wanted.iloc[0] = target
    start = {"BTC": base, "USDT": quote}
    return backtest(klines, wanted, balances=start, rules=Rules(**rules))


def only(result):
    (fill,) = result.record.fills
    return fill


def left(result):
    return tuple(result.record.balances(asset)[-1] for asset in ("BTC", "USDT"))


@pytest.mark.parametrize(
    ("received", "fee"),
    [  # trades that the exchange made
        ("187.594446", "0.18759445"),
        ("349.613908", "0.34961391"),
        ("0.000407", "0.00000041"),
        ("0.001684", "0.00000168"),
        ("233.4894363", "0.23348944"),
        ("0.0000005", "0.00000000"),
        ("0.000005", "0.00000001"),  # a tie: half up
    ],
)
def test_a_fee_is_rounded_half_up_as_the_exchange_rounds_it(received, fee):
    fill = only(trade(1, 1, quote=received))
    assert (fill.qty, fill.fee, fill.fee_asset) == (amount(received), amount(fee), "BTC")


def test_a_notional_is_rounded_down_as_the_exchange_rounds_it():
    fill = only(trade(0, "0.018901", base="0.079", fee=0))
    assert fill.quote_qty == amount("0.00149317")  # 0.001493179


def test_a_buy_never_spends_more_than_its_quote_and_rounds_down_to_the_step():
    result = trade(1, "49138.91", quote="20", step="0.000001")
    assert only(result).qty == amount("0.000407")
    assert only(result).quote_qty == amount("19.99953637")
    # The fee of 0.00000041 is taken in base.
    assert left(result) == (amount("0.00040659"), amount("0.00046363"))


def test_the_fee_is_taken_from_what_is_received():
    assert left(trade(1, 100, quote="1000")) == (amount("9.99"), 0)
    assert left(trade(0, 100, base="9.99")) == (0, amount("998.001"))


def test_a_fee_in_quote_leaves_the_base_whole_and_is_part_of_what_is_spent():
    result = trade(1, 100, quote="1001", fee_asset="quote")
    assert (only(result).quote_qty, only(result).fee) == (amount("1000"), amount("1"))
    assert left(result) == (amount("10"), 0)
    assert left(trade(0, 100, base="10", fee_asset="quote")) == (0, amount("999"))


def test_a_fee_in_bnb_needs_its_price_and_falls_back_to_what_is_received():
    fill = only(trade(1, 100, quote="1000", fee_asset="BNB"))
    assert (fill.fee, fill.fee_asset) == (amount("0.01"), "BTC")


@pytest.mark.parametrize(
    ("given", "side", "reason"),
    [
        ({"quote": "10", "min_qty": "0.2"}, "BUY", "LOT_SIZE"),
        ({"base": "0.04", "min_notional": "5"}, "SELL", "NOTIONAL"),
        ({"base": "0.04", "min_qty": "0.2", "min_notional": "5"}, "SELL", "LOT_SIZE"),
        ({"quote": "4", "min_qty": "0.2", "min_notional": "5"}, "BUY", "NOTIONAL"),
    ],
)
def test_an_order_below_a_minimum_is_rejected_and_recorded(given, side, reason):
    result = trade(float(side == "BUY"), 100, **given)
    (order,) = result.record.orders
    assert (order.side, order.status, order.reason) == (side, "REJECTED", reason)
    assert not result.record.fills


def test_a_buy_of_exactly_the_smallest_notional_passes_although_the_step_takes_some_of_it():
    fill = only(trade(1, 99, quote="5", min_notional="5", step="0.01"))
    assert fill.quote_qty == amount("4.95")


@pytest.mark.parametrize(
    ("price", "given"),
    [
        ("40", {"quote": "0.0000001"}),  # 0.25 units of base
        ("0.05", {"base": "0.0000001"}),  # half a unit of quote
        ("0.00000003", {"quote": "0.00000001"}),  # a third of base, for which nothing would be paid
    ],
)
def test_nothing_is_given_away_for_less_than_a_unit(price, given):
    result = trade(float("quote" in given), price, **given)
    assert [order.status for order in result.record.orders] == ["REJECTED"]


def test_slippage_goes_against_the_order_and_rounds_against_it_too():
    rules = {"slippage_bps": 2, "tick": "0.01", "fee": 0}
    assert only(trade(1, "100.03", quote="1000", **rules)).price == amount("100.06")  # 100.050006
    assert only(trade(0, "100.03", base="1", **rules)).price == amount("100.00")  # 100.009994


def test_without_slippage_the_open_is_the_price():
    assert only(trade(1, "100.03", quote="1000", tick="0.01")).price == amount("100.03")


def test_a_part_of_the_equity_is_bought_and_sold_by_the_close_that_decided():
    buy = only(trade(0.25, 200, 100, quote="1000", fee=0))  # 250 at an open of 200
    assert (buy.quote_qty, buy.qty) == (amount("250"), amount("1.25"))
    sale = only(trade(0.125, 200, 100, base="1.25", quote="750", fee=0))
    assert sale.qty == amount("0.15625")  # 875 × 0.125 = 109.375 of 125 stay


def test_a_first_target_may_be_what_is_held_already():
    assert trade(0.5, 100, base="1", quote="100").record.orders == []


def test_dust_below_a_step_is_no_order():
    assert trade(0, 100, base="0.000009", step="0.00001").record.orders == []


def test_a_finer_unit_leaves_no_rounding_that_a_float_could_see():
    result = trade(1, "30000.07", quote="1000000", fee_asset="quote", unit="1e-18")
    assert result.fills["qty"].iloc[0] == pytest.approx(1e6 / 30000.07 / 1.001, rel=1e-15)


def test_only_a_part_of_the_volume_can_be_had_and_the_rest_expires():
    klines = market([100.0] * 4, volume=[10, 10, 10, 10])
    wanted = klines["close"] * float("nan")
    wanted.iloc[0] = 1
    result = backtest(
        klines, wanted, balances={"USDT": 1000}, rules=Rules(fee=0, participation="0.3")
    )
    assert only(result).qty == amount("3")
    (order,) = result.record.orders
    assert (order.status, order.reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_an_order_that_arrives_after_an_open_waits_for_the_next_one():
    klines = market([100.0] * 4, opens=[100, 101, 102, 103])
    wanted = klines["close"] * float("nan")
    wanted.iloc[0] = 1
    result = backtest(klines, wanted, balances={"USDT": 1000}, rules=Rules(latency="0.1"))
    assert only(result).price == amount("102")


def test_orders_may_fill_at_the_close_that_decided_them():
    klines = market([100.0, 110.0, 120.0], opens=[100, 105, 115])
    wanted = klines["close"] * 0 + [float("nan"), 1, 0]
    result = backtest(klines, wanted, balances={"USDT": 1000}, rules=Rules(fee=0, fill="close"))
    assert [fill.price for fill in result.record.fills] == [amount("110"), amount("120")]
    assert result.equity.tolist() == pytest.approx([1000, 1000, 1000 * 120 / 110])


@steady
@given(runs, rules, balances)
def test_a_run_equals_its_replay_in_decimal(run, rules, start):
    klines, wanted = played(run)
    base, quote = (Decimal(text) for text in start)
    record = backtest(klines, wanted, balances={"BTC": base, "USDT": quote}, rules=rules).record
    replay = Replay(rules, base, quote).run(klines, wanted)
    assert [
        [o.bar, o.side, Decimal(o.qty or o.quote_qty) / UNIT, o.status, o.reason]
        for o in record.orders
    ] == replay.orders
    after = zip(record.balances("BTC")[1:], record.balances("USDT")[1:], strict=True)
    assert [
        (f.bar, f.side, *(Decimal(n) / UNIT for n in (f.price, f.qty, f.quote_qty, f.fee)),
         *(Decimal(n) / UNIT for n in both))
        for f, both in zip(record.fills, after, strict=True)
    ] == replay.fills  # fmt: skip


@steady
@given(runs, rules, balances)
def test_no_balance_is_ever_below_nothing(run, rules, start):
    klines, wanted = played(run)
    begin = dict(zip(("BTC", "USDT"), start, strict=True))
    record = backtest(klines, wanted, balances=begin, rules=rules).record
    for asset in ("BTC", "USDT"):
        assert min(record.balances(asset)) >= 0


def test_the_numbers_of_orders_and_fills_belong_together():
    klines = market([100.0] * 6)
    result = backtest(klines, klines["close"] * [0, 1, 0, 1, 0, 1] / 100, balances={"USDT": 1000})
    filled = [n for n, order in enumerate(result.record.orders) if order.status == "FILLED"]
    assert [fill.order for fill in result.record.fills] == filled == [0, 1, 2, 3]


def test_a_volume_beyond_64_bits_is_cut_and_still_fills():
    klines = market([0.00001] * 4, volume=[2e12] * 4, symbol="SHIBUSDT")
    wanted = klines["close"] * 0 + [1, 1, 0, 0]
    filters = ({"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True,
                "avgPriceMins": 5},)  # fmt: skip
    rules = Rules(participation="0.1", min_notional=5, filters=filters)
    result = backtest(klines, wanted, balances={"USDT": 1000}, rules=rules)
    assert result.orders["status"].tolist() == ["FILLED", "FILLED"]
    assert result.bars["SHIBUSDT"].volume.min() > 0
