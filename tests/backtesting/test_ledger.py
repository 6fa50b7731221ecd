from decimal import Decimal

import pytest
from hypothesis import given

from bwsresearch.backtesting import Rules, backtest
from bwsresearch.backtesting.ledger import UNIT, Fill, Ledger, Order, units

from .lab import Replay, balances, market, played, rules, runs, steady


def amount(text):
    return units(Decimal(text))


def account(base="0", quote="0", **rules):
    return Ledger(Rules(**rules), amount(base), amount(quote))


def trade(ledger, target, price, close=None):
    """Follow one target: decided at the close of bar 0, filled at the open of bar 1."""
    ledger.follow([int(target * UNIT)], [0], [amount(close or price)], [1], [amount(price)])
    return ledger.fills[-1] if ledger.fills else None


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
    ledger = account(quote=received)
    fill = trade(ledger, 1, "1")
    assert (fill.qty, fill.fee, fill.fee_in_base) == (amount(received), amount(fee), True)


def test_a_notional_is_rounded_down_as_the_exchange_rounds_it():
    fill = trade(account(base="0.079", fee=0), 0, "0.018901")
    assert fill.quote_qty == amount("0.00149317")  # 0.001493179


def test_a_buy_never_spends_more_than_its_quote_and_rounds_down_to_the_step():
    ledger = account(quote="20", step="0.000001")
    fill = trade(ledger, 1, "49138.91")
    assert fill.qty == amount("0.000407")
    assert fill.quote_qty == amount("19.99953637")
    assert ledger.quote == amount("0.00046363")
    assert ledger.base == amount("0.00040659")  # the fee of 0.00000041 in base


def test_the_fee_is_taken_from_what_is_received():
    ledger = account(quote="1000", fee="0.001")
    assert trade(ledger, 1, "100")[-4:] == (amount("0.01"), True, amount("9.99"), 0)
    assert trade(ledger, 0, "100")[-4:] == (amount("0.999"), False, 0, amount("998.001"))


def test_a_fee_in_quote_leaves_the_base_whole_and_is_part_of_what_is_spent():
    ledger = account(quote="1001", fee="0.001", fee_asset="quote")
    buy = trade(ledger, 1, "100")
    assert buy == Fill(0, 1, "BUY", amount("100"), amount("10"), amount("1000"), amount("1"),
                       False, amount("10"), 0)  # fmt: skip
    assert trade(ledger, 0, "100").quote == amount("999")


def test_an_order_below_the_smallest_quantity_is_rejected_and_recorded():
    ledger = account(quote="10", min_qty="0.2")
    assert trade(ledger, 1, "100") is None
    assert ledger.orders == [Order(0, "BUY", 0, amount("10"), 1.0, "REJECTED", "LOT_SIZE")]
    assert (ledger.base, ledger.quote) == (0, amount("10"))


def test_an_order_below_the_smallest_notional_is_rejected_and_recorded():
    ledger = account(base="0.04", min_notional="5")
    assert trade(ledger, 0, "100") is None
    assert ledger.orders == [Order(0, "SELL", amount("0.04"), 0, 0.0, "REJECTED", "NOTIONAL")]


def test_a_buy_of_exactly_the_smallest_notional_passes_although_the_step_takes_some_of_it():
    ledger = account(quote="5", min_notional="5", step="0.01")
    fill = trade(ledger, 1, "99")
    assert fill.quote_qty == amount("4.95")


def test_nothing_is_given_away_for_less_than_a_unit():
    cheap = account(quote="0.0000001")
    assert trade(cheap, 1, "40") is None  # 0.25 units of base
    assert [order.reason for order in cheap.orders] == ["LOT_SIZE"]
    dear = account(base="0.0000001")
    assert trade(dear, 0, "0.05") is None  # half a unit of quote
    assert [order.reason for order in dear.orders] == ["NOTIONAL"]
    gift = account(quote="0.00000001")
    assert trade(gift, 1, "0.00000003") is None  # 0.33333333 base, for which nothing would be paid
    assert [order.reason for order in gift.orders] == ["NOTIONAL"]
    fair = trade(account(quote="0.00000001"), 1, "0.00000002")
    assert (fair.qty, fair.quote_qty) == (amount("0.5"), 1)


def test_slippage_goes_against_the_order_and_rounds_against_it_too():
    buyer = account(quote="1000", slippage_bps=2, tick="0.01", fee=0)
    assert trade(buyer, 1, "100.03").price == amount("100.06")  # 100.050006
    seller = account(base="1", slippage_bps=2, tick="0.01", fee=0)
    assert trade(seller, 0, "100.03").price == amount("100.00")  # 100.009994


def test_without_slippage_the_open_is_the_price_whatever_the_tick():
    assert trade(account(quote="1000", tick="0.5"), 1, "100.03").price == amount("100.03")


def test_a_part_of_the_equity_is_bought_and_sold_by_the_close_that_decided():
    ledger = account(quote="1000", fee=0)
    buy = trade(ledger, 0.25, "200", close="100")  # 250 at an open of 200
    assert (buy.quote_qty, buy.qty) == (amount("250"), amount("1.25"))
    sale = trade(ledger, 0.125, "200", close="100")  # 875 × 0.125 = 109.375 of 125 stay
    assert sale.qty == amount("0.15625")


def test_a_first_target_may_be_what_is_held_already():
    ledger = account(base="1", quote="100")
    assert trade(ledger, 0.5, "100") is None
    assert ledger.orders == []


def test_dust_below_a_step_is_no_order():
    ledger = account(base="0.000009", step="0.00001")
    assert trade(ledger, 0, "100") is None
    assert ledger.orders == []


def test_amounts_beyond_28_digits_stay_exact():
    assert units(Decimal("123456789012345678901234.123456789")) == 12345678901234567890123412345678


@steady
@given(runs, rules, balances)
def test_a_run_equals_its_replay_in_decimal(run, rules, start):
    klines, wanted = played(run)
    base, quote = (Decimal(text) for text in start)
    ledger = backtest(klines, wanted, balances={"BTC": base, "USDT": quote}, rules=rules).ledger
    replay = Replay(rules, base, quote).run(klines, wanted)
    assert [
        [o.bar, o.side, Decimal(o.qty or o.quote_qty) / UNIT, o.status, o.reason]
        for o in ledger.orders
    ] == replay.orders
    assert [
        (f.bar, f.side, *(Decimal(n) / UNIT for n in (f.price, f.qty, f.quote_qty, f.fee)),
         Decimal(f.base) / UNIT, Decimal(f.quote) / UNIT)
        for f in ledger.fills
    ] == replay.fills  # fmt: skip


@steady
@given(runs, rules, balances)
def test_what_entered_is_there_or_was_paid(run, rules, start):
    klines, wanted = played(run)
    first = [amount(text) for text in start]
    ledger = backtest(
        klines, wanted, balances=dict(zip(("BTC", "USDT"), start, strict=True)), rules=rules
    ).ledger
    base = first[0] + sum(
        (f.qty if f.side == "BUY" else -f.qty) - f.fee * f.fee_in_base for f in ledger.fills
    )
    quote = first[1] - sum(
        (f.quote_qty if f.side == "BUY" else -f.quote_qty) + f.fee * (not f.fee_in_base)
        for f in ledger.fills
    )
    assert (ledger.base, ledger.quote) == (base, quote)
    assert all(f.base >= 0 and f.quote >= 0 for f in ledger.fills)


def test_the_numbers_of_orders_and_fills_belong_together():
    klines = market([100.0] * 6)
    result = backtest(klines, klines["close"] * [0, 1, 0, 1, 0, 1] / 100, balances={"USDT": 1000})
    filled = [n for n, order in enumerate(result.ledger.orders) if order.status == "FILLED"]
    assert [fill.order for fill in result.ledger.fills] == filled == [0, 1, 2, 3]
