"""klines@1, rule by rule: the next open for takers, beyond the price for makers, stops first."""

import pytest
from msgspec.structs import astuple

from bwsresearch.protocol.messages import Refusal

from .lab import Lab, amount

MINUTE = 60_000
START = 1_200_000


class Minutes(Lab):
    """A lab of bars, 100 traded in each unless it is said; every other minute has none."""

    def __init__(self, **settings):
        super().__init__("klines@1", **settings)
        self.at, self.pause = START, 1
        self.minute("100", "100", "100", "100")

    def minute(self, opens, high, low, close, volume="100"):
        """One whole bar."""
        self.begin(opens)
        self.end(opens, high, low, close, volume)

    def begin(self, opens):
        self.opened(opens, self.at)

    def end(self, opens, high, low, close, volume="100"):
        self.bar(opens, high, low, close, volume, self.at)
        self.before, self.at = self.at, self.at + 2 * MINUTE


@pytest.fixture
def lab():
    """The bar of START has closed, the next has not opened."""
    return Minutes(slippage_bps=0)


# ---- takers ----------------------------------------------------------------------------------


def test_a_market_order_waits_for_the_next_open(lab):
    lab.begin("100")
    order = lab.market("BUY", "3")
    assert (order.status, order.executed) == ("NEW", 0)
    lab.end("100", "120", "80", "110")
    assert order.status == "NEW"
    lab.begin("111")
    assert (order.status, order.update_time) == ("FILLED", lab.at)
    assert lab.fills(order) == [("111", "3", "TAKER", "open")]


def test_an_order_of_the_moment_of_an_open_trades_at_it(lab):
    before = lab.market("BUY", "1", at=lab.at)
    lab.begin("105")
    after = lab.market("BUY", "1", at=lab.at)
    late = lab.market("BUY", "1", at=lab.at + 1)
    assert lab.fills(before) == lab.fills(after) == [("105", "1", "TAKER", "open")]
    assert lab.fills(late) == []


def test_slippage_is_against_the_taker_and_rounded_so():
    made = Minutes(slippage_bps=2)
    bought, sold = made.market("BUY", "1"), made.market("SELL", "1", by="bob")
    made.begin("123.45")  # 0.02469 off: 123.47469 and 123.42531
    assert made.fills(bought) == [("123.48", "1", "TAKER", "open")]
    assert made.fills(sold) == [("123.42", "1", "TAKER", "open")]
    assert astuple(made.evidence(sold)[0])[:4] == ("bar", made.at, made.at, amount("123.45"))


def test_a_taker_gets_a_part_of_the_bar_before_and_all_share_it(lab):
    first, second = lab.market("BUY", "7"), lab.market("SELL", "7", by="bob")
    lab.begin("100")
    assert first.status == "FILLED"
    assert (second.status, second.executed) == ("EXPIRED", amount("3"))
    assert second.expiry_reason == "INSUFFICIENT_LIQUIDITY"


def test_the_volume_of_the_bar_that_opens_is_not_known_to_takers(lab):
    order = lab.market("BUY", "1000")
    lab.begin("100")
    lab.end("100", "100", "100", "100", volume="1000000")
    assert order.executed == amount("10")


def test_before_any_bar_has_closed_a_taker_gets_nothing():
    made = Lab("klines@1")
    order = made.market("BUY", "1")
    made.opened("100", START)
    assert (order.status, order.expiry_reason) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_a_waiting_market_order_holds_what_it_needs_and_gives_it_back(lab):
    account = lab.engine.accounts["alice"]
    before = account.free["USDT"]
    order = lab.market("BUY", "3")
    assert account.locked["USDT"] == order.reserved == amount("300")
    lab.engine.cancel(account, order, lab.now + 1)
    assert (account.free["USDT"], account.locked["USDT"]) == (before, 0)
    lab.begin("100")
    assert order.status == "CANCELED"


def test_a_market_order_that_cannot_be_paid_at_the_open_expires(lab):
    account = lab.engine.accounts["carol"]
    lab.engine.deposit(account, "USDT", amount("150") - account.free["USDT"], lab.now)
    order = lab.market("BUY", "1", by="carol")
    lab.begin("151")
    assert (order.status, order.expiry_reason) == ("EXPIRED", "REJECTED")
    assert (account.free["USDT"], account.locked["USDT"]) == (amount("150"), 0)


def test_a_quote_amount_becomes_a_quantity_at_the_open(lab):
    account = lab.engine.accounts["alice"]
    order = lab.place("BUY", "MARKET", quote_order_qty="550")
    assert (order.qty, account.locked["USDT"]) == (0, amount("550"))
    lab.begin("110")
    assert lab.fills(order) == [("110", "5", "TAKER", "open")]
    assert (order.status, order.qty, account.locked["USDT"]) == ("FILLED", amount("5"), 0)
    sale = lab.place("SELL", "MARKET", quote_order_qty="220", at=lab.at)
    assert lab.fills(sale) == [("110", "2", "TAKER", "open")]


def test_a_limit_order_that_crosses_the_open_takes_at_it_and_not_at_its_limit(lab):
    order = lab.buy("15", "120")
    assert (order.is_resting, order.status) == (False, "NEW")
    lab.begin("105")
    assert lab.fills(order) == [("105", "10", "TAKER", "open")]
    assert order.is_resting
    lab.end("105", "106", "104", "105", volume="120")
    # Ten of the bar's twelve are used.
    assert lab.fills(order)[1:] == [("120", "2", "MAKER", "through")]


def test_ioc_and_fok_are_decided_at_the_open(lab):
    ioc = lab.buy("15", "101", time_in_force="IOC")
    fok = lab.buy("1", "101", time_in_force="FOK", by="bob")
    lab.begin("100")
    assert (ioc.status, ioc.executed) == ("EXPIRED", amount("10"))
    assert (fok.status, fok.expiry_reason) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")


def test_a_limit_maker_order_that_crosses_the_last_price_is_refused(lab):
    with pytest.raises(Refusal, match="immediately match"):
        lab.buy("1", "100", kind="LIMIT_MAKER")
    assert lab.buy("1", "99.99", kind="LIMIT_MAKER").is_resting


# ---- resting orders --------------------------------------------------------------------------


def test_a_bar_beyond_the_price_fills_at_the_price_and_one_that_touches_it_does_not(lab):
    order = lab.buy("3", "99", kind="LIMIT_MAKER")
    lab.minute("100", "101", "99", "100")
    assert lab.fills(order) == []
    lab.minute("100", "101", "98.99", "100")
    assert lab.fills(order) == [("99", "3", "MAKER", "through")]
    assert astuple(lab.evidence(order)[0])[:5] == (
        "bar", lab.before, lab.before + MINUTE - 1, amount("98.99"), amount("10"),
    )  # fmt: skip


def test_a_touch_can_be_set_to_fill():
    made = Minutes(touch_fill="optimistic")
    order = made.sell("3", "101", kind="LIMIT_MAKER")
    made.minute("100", "101", "99", "100")
    assert made.fills(order) == [("101", "3", "MAKER", "touch")]


def test_an_order_does_not_see_the_bar_in_which_it_was_placed(lab):
    lab.begin("100")
    order = lab.buy("1", "95", kind="LIMIT_MAKER")
    limit = lab.buy("1", "95", by="bob")
    lab.end("100", "101", "90", "100")
    assert lab.fills(order) == lab.fills(limit) == []
    lab.minute("100", "101", "90", "100")
    assert lab.fills(order) == lab.fills(limit) == [("95", "1", "MAKER", "through")]


def test_an_order_placed_as_a_bar_opens_works_in_it(lab):
    order = lab.buy("1", "95", kind="LIMIT_MAKER", at=lab.at)
    lab.minute("100", "101", "90", "100")
    assert lab.fills(order) == [("95", "1", "MAKER", "through")]


def test_own_orders_share_a_part_of_the_bar_by_price_then_time(lab):
    worse = lab.buy("4", "95", by="alice", kind="LIMIT_MAKER")
    better = lab.buy("4", "96", by="bob", kind="LIMIT_MAKER")
    last = lab.buy("4", "95", by="carol", kind="LIMIT_MAKER")
    lab.minute("100", "101", "90", "100")
    assert [better.executed, worse.executed, last.executed] == [
        amount("4"), amount("4"), amount("2"),
    ]  # fmt: skip


def test_a_bar_without_volume_fills_and_triggers_nothing(lab):
    order = lab.buy("1", "95", kind="LIMIT_MAKER")
    stop = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="95")
    lab.begin("100")
    lab.end("100", "100", "90", "100", volume="0")
    assert (order.executed, stop.working_time) == (0, -1)


def test_participation_can_be_set_and_is_cut_to_whole_steps():
    made = Minutes(participation=0.33)
    order = made.buy("50", "95", kind="LIMIT_MAKER")
    made.minute("100", "101", "90", "100", volume="0.00011")
    assert order.executed == amount("0.00003")


# ---- stops -----------------------------------------------------------------------------------


def test_a_stop_within_a_bar_trades_at_its_price_with_slippage():
    made = Minutes(slippage_bps=10)
    order = made.place("SELL", "STOP_LOSS", qty="1", stop_price="95")
    made.minute("100", "101", "90", "100")
    assert made.fills(order) == [("94.9", "1", "TAKER", "stop")]
    (found,) = made.evidence(order)
    assert astuple(found)[:4] == ("bar", made.before, made.before + MINUTE - 1, amount("95"))


def test_a_stop_behind_a_gap_trades_at_the_open_and_never_at_its_price(lab):
    sale = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="95")
    lab.begin("93")
    assert lab.fills(sale) == [("93", "1", "TAKER", "open")]
    lab.end("93", "95", "90", "95")
    purchase = lab.place("BUY", "STOP_LOSS", qty="1", stop_price="97")
    lab.begin("99")
    assert lab.fills(purchase) == [("99", "1", "TAKER", "open")]


def test_a_gap_that_only_the_whole_bar_shows_is_one_too(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="95")
    lab.end("93", "96", "90", "94")
    assert lab.fills(order) == [("93", "1", "TAKER", "stop")]


def test_a_stop_does_not_see_the_bar_in_which_it_was_placed_but_its_close(lab):
    lab.begin("100")
    far = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="92", by="alice")
    near = lab.place("SELL", "STOP_LOSS", qty="1", stop_price="96", by="bob")
    lab.end("100", "101", "90", "95")
    assert far.working_time == -1
    assert (near.working_time, near.executed) == (lab.now, 0)
    lab.begin("94")
    assert lab.fills(near) == [("94", "1", "TAKER", "open")]


def test_stop_and_profit_in_one_bar_mean_the_stop_came_first(lab):
    limit = lab.sell("8", "105", by="alice", kind="LIMIT_MAKER")
    profit = lab.place("SELL", "TAKE_PROFIT", qty="8", stop_price="104", by="bob")
    stop = lab.place("SELL", "STOP_LOSS", qty="8", stop_price="95", by="carol")
    lab.minute("100", "110", "90", "100")
    assert lab.fills(stop) == [("95", "8", "TAKER", "stop")]
    assert lab.fills(profit) == [("104", "2", "TAKER", "stop")]
    assert lab.fills(limit) == []


def test_the_best_path_lets_profit_come_first():
    made = Minutes(slippage_bps=0, bar_path="best")
    limit = made.sell("8", "105", by="alice", kind="LIMIT_MAKER")
    stop = made.place("SELL", "STOP_LOSS", qty="8", stop_price="95", by="carol")
    made.minute("100", "110", "90", "100")
    assert made.fills(limit) == [("105", "8", "MAKER", "through")]
    assert made.fills(stop) == [("95", "2", "TAKER", "stop")]


def test_a_stop_limit_works_from_the_next_bar_unless_it_can_trade_at_the_trigger(lab):
    trades = lab.place("SELL", "STOP_LOSS_LIMIT", qty="1", stop_price="95", price="94")
    rests = lab.place("SELL", "STOP_LOSS_LIMIT", qty="1", stop_price="95", price="96", by="bob")
    lab.minute("100", "110", "90", "100")
    assert lab.fills(trades) == [("95", "1", "TAKER", "stop")]
    assert (lab.fills(rests), rests.is_resting) == ([], True)
    lab.minute("92", "97", "91", "92")
    assert lab.fills(rests) == [("96", "1", "MAKER", "through")]


def test_a_trailing_stop_follows_the_bars_against_the_order_first(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", trailing_delta=1000)
    # 91 comes before 120 could lift the trigger from 90 to 108; the close of 110 is above it.
    lab.minute("100", "120", "91", "110")
    assert (order.working_time, order.extreme) == (-1, amount("120"))
    lab.minute("110", "111", "100", "105")
    assert lab.fills(order) == [("108", "1", "TAKER", "stop")]


def test_a_trailing_stop_meets_the_close_after_its_bars_high(lab):
    order = lab.place("SELL", "STOP_LOSS", qty="1", trailing_delta=1000)
    lab.minute("100", "120", "99", "100")
    assert lab.fills(order) == [("108", "1", "TAKER", "stop")]


def test_a_trailing_purchase_turns_at_the_low(lab):
    order = lab.place("BUY", "STOP_LOSS", qty="1", trailing_delta=500)
    lab.minute("100", "104", "80", "81")
    assert (order.working_time, order.extreme) == (-1, amount("80"))
    lab.minute("81", "90", "81", "89")
    assert lab.fills(order) == [("84", "1", "TAKER", "stop")]


# ---- prices ----------------------------------------------------------------------------------


def test_the_last_price_is_the_open_of_a_running_bar_and_the_close_of_a_closed_one(lab):
    assert lab.venue.last == amount("100")
    lab.begin("103")
    assert lab.venue.last == amount("103")
    lab.end("103", "120", "90", "104")
    assert lab.venue.last == amount("104")


def test_the_average_price_weighs_the_bars_of_the_last_minutes(lab):
    lab.minute("100", "100", "100", "104", volume="300")
    assert lab.model.average(5, lab.now) == amount("103")
    assert lab.model.average(1, lab.now) == amount("104")
    assert lab.model.average(1, lab.now + MINUTE) == amount("104")
