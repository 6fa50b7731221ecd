"""trades@1, rule by rule: a ladder implied by the last trades, and resting orders behind them."""

import pytest
from msgspec.structs import astuple

from bwsresearch.protocol.messages import Refusal

from .lab import Lab, amount


@pytest.fixture
def lab():
    """A minute in which 100 was traded, the last sale at 100.00 and the last purchase at 100.02."""
    made = Lab("trades@1")
    made.printed("100.05", "60", "BUY")
    made.printed("100", "30", "SELL")
    made.printed("100.02", "10", "BUY")
    return made


def prices(lab, order):
    return [(price, qty) for price, qty, *_ in lab.fills(order)]


def test_takers_meet_levels_of_a_part_of_the_last_minute_from_the_last_price_of_the_side(lab):
    # 90 were traded before the newest trade: 4.5 a level.
    order = lab.market("BUY", "10")
    assert prices(lab, order) == [("100.02", "4.5"), ("100.03", "4.5"), ("100.04", "1")]
    order = lab.market("SELL", "5")
    assert prices(lab, order) == [("100", "4.5"), ("99.99", "0.5")]


def test_the_ladder_names_the_newest_trade_as_its_evidence(lab):
    order = lab.market("SELL", "1")
    (found,) = lab.evidence(order)
    assert astuple(found)[:6] == ("level", 3, 1_003_000, amount("100"), amount("4.5"), "ladder")


def test_a_level_of_the_ladder_is_had_once(lab):
    assert prices(lab, lab.market("BUY", "3")) == [("100.02", "3")]
    order = lab.market("BUY", "3", by="bob")
    assert prices(lab, order) == [("100.02", "1.5"), ("100.03", "1.5")]


def test_twenty_levels_share_what_was_traded_and_then_there_is_no_more(lab):
    order = lab.market("BUY", "1000")
    assert (order.status, order.expiry_reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert order.executed == amount("90")
    assert prices(lab, order)[-1] == ("100.21", "4.5")
    assert lab.market("BUY", "1", by="bob").executed == 0


def test_the_ladder_that_moves_does_not_give_more_than_was_traded(lab):
    lab.market("BUY", "1000")
    lab.printed("110", "1", "BUY")  # the ten before count now, at prices that nobody has taken
    assert lab.market("BUY", "1000", by="bob").executed == amount("10")


def test_what_was_taken_comes_back_with_new_trades_only(lab):
    lab.market("BUY", "1000")
    lab.now += 60_000
    assert lab.market("BUY", "1").executed == 0  # nothing was traded in the last minute
    lab.printed("100", "40", "SELL")
    lab.printed("100", "1", "SELL")
    order = lab.market("BUY", "3")
    assert prices(lab, order) == [("100.02", "2"), ("100.03", "1")]


def test_sizes_are_whole_steps():
    made = Lab("trades@1")
    made.printed("100", "0.00333", "BUY")
    made.printed("100", "1", "BUY")
    assert prices(made, made.market("BUY", "1"))[0] == ("100", "0.00016")


def test_the_two_sides_stay_a_tick_apart_from_the_newest_trade(lab):
    lab.printed("100.02", "1", "SELL")  # where the last purchase was
    assert prices(lab, lab.market("BUY", "1")) == [("100.03", "1")]
    assert prices(lab, lab.market("SELL", "1")) == [("100.02", "1")]
    lab.printed("99", "1", "BUY")  # the market has fallen
    assert prices(lab, lab.market("BUY", "1")) == [("99", "1")]
    assert prices(lab, lab.market("SELL", "1")) == [("98.99", "1")]


def test_a_side_without_trades_is_a_tick_off_the_other():
    made = Lab("trades@1")
    made.printed("100", "100", "SELL")
    made.printed("100", "1", "SELL")
    assert prices(made, made.market("BUY", "1")) == [("100.01", "1")]


def test_before_the_first_trades_there_is_nothing_to_take():
    made = Lab("trades@1")
    assert made.market("BUY", "1").expiry_reason == "INSUFFICIENT_LIQUIDITY"
    made.printed("100", "5", "BUY")  # nothing was traded before it
    assert made.market("BUY", "1").expiry_reason == "INSUFFICIENT_LIQUIDITY"
    assert made.buy("1", "99").is_resting


def test_a_limit_maker_order_that_crosses_the_last_trades_is_refused(lab):
    with pytest.raises(Refusal, match="immediately match"):
        lab.buy("1", "100.02", kind="LIMIT_MAKER")
    assert lab.buy("1", "100.01", kind="LIMIT_MAKER").is_resting


def test_a_trade_beyond_the_price_fills_at_the_price_as_far_as_it_goes(lab):
    order = lab.buy("3", "99")
    lab.printed("98.99", "2", "SELL")
    assert lab.fills(order) == [("99", "2", "MAKER", "through")]


def test_a_touch_never_fills_since_the_queue_is_not_known(lab):
    order = lab.buy("3", "99")
    lab.printed("99", "1000", "SELL")
    assert lab.fills(order) == []


def test_a_touch_can_be_set_to_fill():
    made = Lab("trades@1", touch_fill="optimistic")
    order = made.buy("3", "99")
    made.printed("99", "2", "SELL")
    assert made.fills(order) == [("99", "2", "MAKER", "touch")]


def test_what_a_resting_order_had_of_a_trade_is_no_liquidity_for_takers(lab):
    lab.sell("90", "103", by="bob")
    lab.printed("104", "100", "BUY")
    lab.printed("104", "1", "BUY")
    # 90, 10 and the ten that were left of a hundred.
    assert prices(lab, lab.market("SELL", "6"))[0] == ("100", "5.5")


def test_a_stop_trades_at_the_ladder_behind_the_trade_that_triggers_it(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="99")
    lab.printed("98.50", "7", "SELL")
    assert (order.status, order.working_time) == ("FILLED", lab.now)
    assert prices(lab, order) == [("98.5", "1")]
    # 100 before it count, not its own 7.
    assert lab.evidence(order)[0].available == amount("5")


def test_books_and_bars_are_not_looked_at(lab):
    order = lab.buy("1", "99")
    lab.book({"99": "5"}, {"98": "5"})
    lab.opened("50", lab.now)
    lab.bar("100", "100", "50", "100", "1000", lab.now)
    assert lab.fills(order) == []
    assert lab.venue.last == amount("100.02")


def test_the_average_price_weighs_the_trades_of_the_last_minutes(lab):
    # 60 × 100.05 + 30 × 100 + 10 × 100.02
    assert lab.model.average(5, lab.now) == amount("100.032")
