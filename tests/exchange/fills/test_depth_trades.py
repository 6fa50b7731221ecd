"""depth+trades@1, rule by rule: takers walk the book, resting orders wait for trades."""

import pytest
from msgspec.structs import astuple

from bwsresearch.protocol.messages import Refusal

from .lab import Lab, amount

BIDS = {"99": "5", "98": "5", "97": "5"}
ASKS = {"101": "5", "102": "5", "103": "5"}


@pytest.fixture
def lab():
    made = Lab()
    made.book(BIDS, ASKS)
    return made


# ---- takers ----------------------------------------------------------------------------------


def test_a_market_order_walks_the_levels_at_their_prices(lab):
    order = lab.market("BUY", "7")
    assert lab.fills(order) == [("101", "5", "TAKER", "walk"), ("102", "2", "TAKER", "walk")]


def test_a_limit_order_takes_within_its_limit_and_rests_with_the_remainder(lab):
    order = lab.buy("7", "101")
    assert lab.fills(order) == [("101", "5", "TAKER", "walk")]
    assert order.is_resting
    assert order.remaining == amount("2")


def test_evidence_of_a_taker_names_the_book_and_what_was_left_of_the_level(lab):
    lab.market("BUY", "2")
    order = lab.market("SELL", "1")
    (found,) = lab.evidence(order)
    assert astuple(found) == ("level", 1, 1_001_000, amount("99"), amount("5"), "walk", 0, 0)


def test_a_level_is_had_once_by_all_accounts(lab):
    first, second = lab.market("BUY", "4", by="alice"), lab.market("BUY", "4", by="bob")
    assert lab.fills(first) == [("101", "4", "TAKER", "walk")]
    assert lab.fills(second) == [("101", "1", "TAKER", "walk"), ("102", "3", "TAKER", "walk")]


def test_the_same_size_shown_again_is_not_had_again(lab):
    lab.market("BUY", "5")
    lab.book(BIDS, ASKS)
    order = lab.market("BUY", "1")
    assert lab.fills(order) == [("102", "1", "TAKER", "walk")]


def test_a_level_that_grows_gives_what_it_has_grown_by(lab):
    lab.market("BUY", "5")
    lab.change(asks={"101": "7"})
    order = lab.market("BUY", "3")
    assert lab.fills(order) == [("101", "2", "TAKER", "walk"), ("102", "1", "TAKER", "walk")]


def test_a_level_that_shrinks_and_grows_gives_no_more_than_was_new_in_it(lab):
    lab.market("BUY", "5")
    lab.change(asks={"101": "2"})
    assert lab.fills(lab.market("BUY", "1")) == [("102", "1", "TAKER", "walk")]
    lab.change(asks={"101": "6"})
    order = lab.market("BUY", "5")
    assert lab.fills(order) == [("101", "4", "TAKER", "walk"), ("102", "1", "TAKER", "walk")]


def test_a_level_that_was_gone_is_a_new_one(lab):
    lab.market("BUY", "5")
    lab.change(asks={"101": "0"})
    lab.change(asks={"101": "5"})
    assert lab.fills(lab.market("BUY", "5")) == [("101", "5", "TAKER", "walk")]


def test_a_level_beyond_a_short_book_stays_used(lab):
    order = lab.market("BUY", "15")
    assert len(lab.fills(order)) == 3
    lab.book({"99": "5"}, {"101": "5"})  # says nothing about 102 and 103
    lab.book(BIDS, ASKS)
    assert lab.market("BUY", "1").expiry_reason == "INSUFFICIENT_LIQUIDITY"


def test_without_a_book_a_market_order_expires():
    made = Lab()
    order = made.market("BUY", "1")
    assert (order.status, order.expiry_reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_a_book_older_than_its_age_is_none(lab):
    at = lab.now
    assert lab.market("BUY", "1", at=at + 5_000).status == "FILLED"
    order = lab.market("BUY", "1", at=at + 5_001)
    assert (order.status, order.expiry_reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert lab.buy("1", "101").is_resting


def test_the_age_of_a_book_can_be_set():
    made = Lab(max_book_age=0.5)
    made.book(BIDS, ASKS)
    assert made.market("BUY", "1", at=made.now + 501).status == "EXPIRED"


def test_what_was_traded_since_the_book_is_not_there_any_more(lab):
    lab.printed("102", "3", "BUY")  # so the asks at 101 are gone, and 3 of those at 102
    order = lab.market("BUY", "3")
    assert lab.fills(order) == [("102", "2", "TAKER", "walk"), ("103", "1", "TAKER", "walk")]
    lab.book(BIDS, {"102": "2", "103": "5"})
    assert lab.fills(lab.market("BUY", "1")) == [("103", "1", "TAKER", "walk")]


def test_a_book_from_before_a_trade_does_not_bring_back_what_was_traded(lab):
    at = lab.now + 500
    lab.printed("101", "3", "BUY", at=at)
    lab.change(asks={"103": "6"}, at=at - 100)
    assert lab.fills(lab.market("BUY", "1")) == [("101", "1", "TAKER", "walk")]
    order = lab.market("BUY", "2", by="bob")
    assert lab.fills(order) == [("101", "1", "TAKER", "walk"), ("102", "1", "TAKER", "walk")]


def test_a_trade_of_the_books_own_moment_is_in_it(lab):
    lab.printed("101", "5", "BUY", at=lab.now)
    assert lab.fills(lab.market("BUY", "1")) == [("101", "1", "TAKER", "walk")]


def test_fok_needs_all_of_it_within_the_limit(lab):
    order = lab.buy("11", "102", time_in_force="FOK")
    assert (order.status, order.executed) == ("EXPIRED", 0)
    assert lab.buy("10", "102", time_in_force="FOK").status == "FILLED"


def test_a_limit_maker_order_that_crosses_is_refused(lab):
    with pytest.raises(Refusal, match="immediately match"):
        lab.buy("1", "101", kind="LIMIT_MAKER")
    assert lab.buy("1", "100.99", kind="LIMIT_MAKER").is_resting


def test_an_older_book_changes_nothing(lab):
    lab.book(BIDS, {"100": "9"}, update_id=7)
    lab.change(asks={"100": "0"}, update_id=6)
    assert lab.fills(lab.market("BUY", "1")) == [("100", "1", "TAKER", "walk")]


def test_changes_without_a_whole_book_are_no_book():
    made = Lab()
    made.change(BIDS, ASKS)
    assert made.market("BUY", "1").status == "EXPIRED"


# ---- trades through and at the price ------------------------------------------------------------


def test_a_trade_beyond_the_price_fills_at_the_price_as_far_as_it_goes(lab):
    order = lab.buy("3", "99")
    lab.printed("98.50", "2", "SELL")
    assert lab.fills(order) == [("99", "2", "MAKER", "through")]
    assert order.remaining == amount("1")


def test_a_trade_beyond_the_price_counts_whoever_was_its_taker(lab):
    order = lab.sell("1", "101")
    lab.printed("101.50", "1", "SELL")
    assert lab.fills(order) == [("101", "1", "MAKER", "through")]


def test_a_touch_is_not_a_fill(lab):
    order = lab.buy("1", "99")
    lab.printed("99", "5", "SELL")
    assert lab.fills(order) == []
    assert order.ahead == 0


def test_a_touch_fills_with_what_is_left_behind_the_queue(lab):
    order = lab.buy("2", "99")
    assert order.ahead == amount("5")
    lab.printed("99", "4", "SELL")
    assert (order.ahead, lab.fills(order)) == (amount("1"), [])
    lab.printed("99", "2.5", "SELL")
    assert lab.fills(order) == [("99", "1.5", "MAKER", "touch")]
    (found,) = lab.evidence(order)
    assert (found.available, found.ahead_before, found.ahead_after) == (
        amount("1.5"), amount("1"), 0,
    )  # fmt: skip


def test_a_touch_by_a_taker_of_the_same_side_is_nothing(lab):
    order = lab.buy("1", "100")
    assert order.ahead == 0
    lab.printed("100", "5", "BUY")
    assert lab.fills(order) == []


def test_a_price_inside_the_spread_has_no_queue(lab):
    order = lab.sell("1", "100")
    lab.printed("100", "1", "BUY")
    assert lab.fills(order) == [("100", "1", "MAKER", "touch")]


def test_cancels_ahead_count_only_when_the_book_proves_them(lab):
    order = lab.buy("1", "99")
    lab.change(bids={"99": "9"})  # others came: behind us
    assert order.ahead == amount("5")
    lab.change(bids={"99": "3"})
    assert order.ahead == amount("3")
    lab.change(bids={"99": "8"})
    assert order.ahead == amount("3")


def test_a_book_of_the_moment_in_which_an_order_begins_to_rest_proves_no_cancel(lab):
    order = lab.buy("1", "99")
    lab.change(bids={"99": "3"}, at=lab.now)
    assert order.ahead == amount("5")


def test_a_trade_that_is_told_after_a_book_that_shows_it_moves_the_queue_once(lab):
    order = lab.buy("1", "99")
    traded = lab.now + 500
    lab.change(bids={"99": "2"})
    lab.printed("99", "5", "SELL", at=traded)
    assert (order.ahead, lab.fills(order)) == (amount("2"), [])
    lab.printed("99", "2.5", "SELL")
    assert lab.fills(order) == [("99", "0.5", "MAKER", "touch")]


def test_a_trade_beyond_fills_however_late_it_is_told(lab):
    order = lab.buy("1", "99")
    traded = lab.now + 500
    lab.change(bids={"99": "2"})
    lab.printed("98.99", "5", "SELL", at=traded)
    assert lab.fills(order) == [("99", "1", "MAKER", "through")]


def test_a_level_that_is_gone_fills_nothing_until_a_trade_says_so(lab):
    order = lab.buy("1", "99")
    lab.change(bids={"99": "0"})
    assert (order.ahead, lab.fills(order)) == (0, [])
    lab.printed("99", "1", "SELL")
    assert lab.fills(order) == [("99", "1", "MAKER", "touch")]


def test_without_a_book_a_touch_never_fills_but_a_trade_beyond_does():
    made = Lab()
    order = made.buy("2", "99")
    made.printed("99", "1000", "SELL")
    assert made.fills(order) == []
    made.printed("98.99", "1", "SELL")
    assert made.fills(order) == [("99", "1", "MAKER", "through")]
    assert made.evidence(order)[0].ahead_before == -1


def test_an_order_beyond_the_shown_levels_has_an_unknown_queue_until_they_reach_it(lab):
    order = lab.buy("1", "96")
    lab.printed("96", "1000", "SELL", at=lab.now)  # of the same moment: no fill either way
    lab.printed("96", "1000", "SELL")
    assert lab.fills(order) == []
    lab.book({"97": "1", "96": "4", "95": "1"}, ASKS)
    assert order.ahead == amount("4")


def test_an_order_that_rested_under_an_old_book_gets_its_place_by_the_next_one(lab):
    lab.now += 10_000
    order = lab.buy("1", "98")
    lab.printed("98", "50", "SELL")
    assert lab.fills(order) == []
    lab.change(asks={"101": "6"})
    assert order.ahead == amount("5")


def test_own_orders_of_one_price_are_met_in_their_order_and_the_queue_once(lab):
    first, second = lab.buy("1", "99", by="alice"), lab.buy("2", "99", by="bob")
    lab.printed("99", "5", "SELL")  # the market's five pass before both
    assert (first.ahead, second.ahead) == (0, 0)
    lab.printed("99", "2", "SELL")
    assert lab.fills(first) == [("99", "1", "MAKER", "touch")]
    assert lab.fills(second) == [("99", "1", "MAKER", "touch")]


def test_who_comes_later_waits_for_those_who_came_between(lab):
    first = lab.buy("1", "99")
    lab.change(bids={"99": "8"})
    second = lab.buy("1", "99")
    lab.printed("99", "6", "SELL")  # five, the first order, and no more: three stand between
    assert lab.fills(first) == [("99", "1", "MAKER", "touch")]
    assert (second.ahead, lab.fills(second)) == (amount("3"), [])


def test_the_better_price_is_met_first_and_a_trade_is_shared(lab):
    worse, better = lab.sell("2", "101"), lab.sell("2", "100.50", by="bob")
    lab.printed("101.50", "3", "BUY")
    assert lab.fills(better) == [("100.5", "2", "MAKER", "through")]
    assert lab.fills(worse) == [("101", "1", "MAKER", "through")]


def test_a_trade_is_shared_by_orders_of_both_sides():
    made = Lab(book_cross=False)
    bought, sold = made.buy("2", "105", by="alice"), made.sell("2", "95", by="bob")
    made.printed("100", "3", "SELL")
    assert made.fills(bought) == [("105", "2", "MAKER", "through")]
    assert made.fills(sold) == [("95", "1", "MAKER", "through")]


def test_a_trade_with_a_level_that_was_taken_before_is_not_had_again(lab):
    order = lab.buy("7", "101")  # takes the five at 101, and rests with two
    lab.book(BIDS, {"100.50": "4", "101": "5"})
    assert lab.fills(order)[1:] == [("101", "2", "MAKER", "book_cross")]
    other = lab.buy("9", "100.80", by="bob")
    assert lab.fills(other) == [("100.5", "2", "TAKER", "walk")]
    lab.printed("100.50", "4", "BUY")  # the market buys the same four
    assert len(lab.fills(other)) == 1


def test_trades_of_the_moment_in_which_an_order_begins_to_work_are_not_for_it(lab):
    order = lab.buy("1", "100")
    lab.printed("99", "1", "SELL", at=lab.now)
    assert lab.fills(order) == []
    lab.printed("99", "1", "SELL", at=lab.now + 1)
    assert lab.fills(order) == [("100", "1", "MAKER", "through")]


def test_amending_down_keeps_the_place(lab):
    order = lab.buy("3", "99")
    lab.printed("99", "4", "SELL")
    lab.engine.amend(lab.engine.accounts["alice"], order, amount("1"), lab.now + 1)
    assert order.ahead == amount("1")
    lab.printed("99", "9", "SELL")
    assert lab.fills(order) == [("99", "1", "MAKER", "touch")]


def test_an_iceberg_stands_behind_the_whole_level_with_each_slice(lab):
    order = lab.buy("3", "99", iceberg_qty="1")
    lab.printed("99", "9", "SELL")
    assert lab.fills(order) == [("99", "1", "MAKER", "touch")]
    assert order.ahead == amount("5")
    lab.printed("99", "6", "SELL")
    assert lab.fills(order)[1:] == [("99", "1", "MAKER", "touch")]


def test_a_trade_beyond_an_iceberg_fills_slice_after_slice(lab):
    order = lab.buy("3", "99", iceberg_qty="1")
    lab.printed("98", "2.5", "SELL")
    assert [qty for _, qty, *_ in lab.fills(order)] == ["1", "1", "0.5"]


@pytest.mark.parametrize(
    ("touch_fill", "qty", "fills"),
    [
        ("never", "1000", []),
        ("optimistic", "0.5", [("99", "0.5", "MAKER", "touch")]),
        ("queue", "1000", [("99", "1", "MAKER", "touch")]),
    ],
)
def test_what_a_touch_gives_can_be_set(touch_fill, qty, fills):
    made = Lab(touch_fill=touch_fill)
    made.book(BIDS, ASKS)
    order = made.buy("1", "99")
    made.printed("99", qty, "SELL")
    assert made.fills(order) == fills


# ---- books that cross ----------------------------------------------------------------------------


def test_a_book_beyond_the_price_fills_at_the_price_and_is_used(lab):
    order = lab.buy("3", "100")
    lab.book(BIDS, {"99.50": "2", "99.80": "4"})
    assert lab.fills(order) == [
        ("100", "2", "MAKER", "book_cross"), ("100", "1", "MAKER", "book_cross"),
    ]  # fmt: skip
    assert [(e.price, e.available) for e in lab.evidence(order)] == [
        (amount("99.50"), amount("2")), (amount("99.80"), amount("4")),
    ]  # fmt: skip
    taker = lab.market("BUY", "4", by="bob")
    assert lab.fills(taker) == [("99.8", "3", "TAKER", "walk")]


def test_a_book_at_the_price_fills_nothing(lab):
    order = lab.buy("1", "100")
    lab.book(BIDS, {"100": "9"})
    assert lab.fills(order) == []


def test_a_book_of_the_moment_in_which_an_order_begins_to_work_is_not_for_it(lab):
    order = lab.sell("1", "100")
    lab.book({"100.50": "9"}, ASKS, at=lab.now)
    assert lab.fills(order) == []


def test_crossing_books_can_be_left_out():
    made = Lab(book_cross=False)
    made.book(BIDS, ASKS)
    order = made.sell("1", "100")
    made.book({"100.50": "9"}, ASKS)
    assert made.fills(order) == []


# ---- stops ---------------------------------------------------------------------------------------


def test_a_stop_waits_for_a_book_that_knows_of_the_trade_that_triggered_it(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="98")
    lab.printed("98", "4", "SELL")
    assert (order.status, order.working_time) == ("NEW", lab.now)
    assert lab.fills(order) == []
    lab.change(bids={"99": "0", "98": "0"})
    assert lab.fills(order) == [("97", "1", "TAKER", "walk")]


def test_the_trade_that_triggers_a_stop_is_no_liquidity_for_it(lab):
    order = lab.place("SELL", "STOP_LOSS_LIMIT", qty="1", stop_price="98", price="97")
    lab.printed("98", "4", "SELL")
    lab.book({"96": "5"}, ASKS)
    assert (lab.fills(order), order.is_resting) == ([], True)
    lab.printed("98", "4", "BUY")
    assert lab.fills(order) == [("97", "1", "MAKER", "through")]


def test_a_stop_that_waits_for_its_book_can_be_cancelled(lab):
    order = lab.place("BUY", "STOP_LOSS", qty="1", stop_price="102")
    lab.printed("102", "1", "BUY")
    lab.engine.cancel(lab.engine.accounts["alice"], order, lab.now + 1)
    lab.book(BIDS, ASKS)
    assert (order.status, lab.fills(order)) == ("CANCELED", [])
    assert lab.engine.accounts["alice"].locked["USDT"] == 0


def test_a_stop_that_cannot_be_paid_when_the_book_is_known_expires():
    made = Lab()
    made.book({"99": "5"}, {"101": "5"})
    account = made.engine.accounts["carol"]
    made.printed("100", "1", "BUY")
    made.engine.deposit(account, "USDT", amount("150") - account.free["USDT"], made.now)
    order = made.place("BUY", "STOP_LOSS", qty="1", stop_price="102", by="carol")
    made.printed("102", "1", "BUY")
    assert account.locked["USDT"] == amount("100")
    made.book({"99": "5"}, {"200": "5"})
    assert (order.status, order.expiry_reason) == ("EXPIRED", "REJECTED")
    assert (account.free["USDT"], account.locked["USDT"]) == (amount("150"), 0)


def test_a_stop_does_not_know_of_trades_of_its_own_moment(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="98")
    lab.printed("97", "1", "SELL", at=lab.now)
    assert order.working_time == -1
    lab.printed("97.50", "1", "SELL")
    assert order.working_time == lab.now


def test_a_stop_limit_that_waited_stands_before_those_who_came_after_its_trigger(lab):
    stop = lab.place("SELL", "STOP_LOSS_LIMIT", qty="1", stop_price="98", price="99.50")
    lab.printed("98", "1", "SELL")
    later = lab.sell("1", "99.50", by="bob")
    lab.book({"97": "1"}, {"101": "1"})
    lab.printed("99.60", "1", "BUY")
    assert lab.fills(stop) == [("99.5", "1", "MAKER", "through")]
    assert lab.fills(later) == []


# ---- prices --------------------------------------------------------------------------------------


def test_the_average_price_weighs_the_trades_of_the_last_minutes(lab):
    assert lab.model.average(5, lab.now) == 0
    lab.printed("100", "1", "BUY")
    lab.printed("103", "2", "BUY")
    assert lab.model.average(5, lab.now) == amount("102")
    assert lab.model.average(5, lab.now + 299_999) == amount("103")
    assert lab.model.average(5, lab.now + 300_000) == amount("103")  # the last price
    assert lab.model.average(0, lab.now) == amount("103")
    assert lab.venue.last == amount("103")
