from decimal import Decimal

import msgspec
import pytest

from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import fee_of, notional
from bwsresearch.protocol.messages import Refusal

from .conftest import BTCUSDT, Floor, amount, text


def refusal(call, *args, **options):
    with pytest.raises(Refusal) as caught:
        call(*args, **options)
    return caught.value.body.code, caught.value.body.msg


# ---- price, time and the taker's improvement


def test_a_taker_pays_the_makers_price_best_first_and_oldest_first(floor):
    first = floor.place("alice", "SELL", price="101", qty="1")
    floor.place("bob", "SELL", price="101", qty="1")
    best = floor.place("bob", "SELL", price="100", qty="0.5")
    taker = floor.place("carol", "BUY", price="105", qty="2")
    assert floor.trades == [("100", "0.5"), ("101", "1"), ("101", "0.5")]
    assert (taker.status, text(taker.quote)) == ("FILLED", "201.5")
    assert (best.status, first.status) == ("FILLED", "FILLED")


def test_what_is_not_filled_rests_at_its_own_price(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    order = floor.place("bob", "BUY", price="100", qty="3")
    assert (order.status, text(order.remaining)) == ("PARTIALLY_FILLED", "2")
    assert floor.engine.venues["BTCUSDT"].shown(5)[0] == [(amount("100"), amount("2"))]
    assert floor.locked("bob", "USDT") == "200"


def test_ioc_expires_what_is_left_and_fok_takes_all_or_nothing(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    fok = floor.place("bob", "BUY", price="100", qty="2", time_in_force="FOK")
    assert (fok.status, fok.executed, fok.expiry_reason) == (
        "EXPIRED", 0, "UNFILLED_FOK_ORDER_EXPIRED",
    )  # fmt: skip
    ioc = floor.place("bob", "BUY", price="100", qty="2", time_in_force="IOC")
    assert (ioc.status, text(ioc.executed), ioc.expiry_reason) == (
        "EXPIRED", "1", "UNFILLED_IOC_QUANTITY_EXPIRED",
    )  # fmt: skip
    assert floor.locked("bob", "USDT") == "0"
    fok = floor.place("alice", "SELL", price="100", qty="1")
    fok = floor.place("bob", "BUY", price="101", qty="1", time_in_force="FOK")
    assert fok.status == "FILLED"


def test_a_maker_that_would_take_is_refused_and_leaves_nothing(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    before = floor.engine.venues["BTCUSDT"].next_order_id
    assert refusal(floor.place, "bob", "BUY", "LIMIT_MAKER", price="100", qty="1") == (
        -2010, "Order would immediately match and take.",
    )  # fmt: skip
    assert floor.engine.venues["BTCUSDT"].next_order_id == before
    assert floor.place("bob", "BUY", "LIMIT_MAKER", price="99.99", qty="1").status == "NEW"


def test_an_iceberg_shows_a_slice_and_queues_behind_when_it_is_refreshed(floor):
    ice = floor.place("alice", "SELL", price="100", qty="3", iceberg_qty="1")
    other = floor.place("bob", "SELL", price="100", qty="1")
    assert floor.engine.venues["BTCUSDT"].shown(1)[1] == [(amount("100"), amount("2"))]
    floor.place("carol", "BUY", price="100", qty="2.5")
    assert floor.trades == [("100", "1"), ("100", "1"), ("100", "0.5")]
    assert (text(ice.executed), other.status, text(ice.visible)) == ("1.5", "FILLED", "0.5")


# ---- at market


def test_a_market_order_that_finds_too_little_expires_with_what_it_got(floor):
    floor.place("alice", "SELL", price="100", qty="1.5")
    floor.place("carol", "BUY", price="100", qty="0.5")
    order = floor.place("bob", "BUY", "MARKET", qty="2")
    assert (order.status, text(order.executed), order.expiry_reason) == (
        "EXPIRED", "1", "INSUFFICIENT_LIQUIDITY",
    )  # fmt: skip
    assert floor.told == [
        ("bob", "NEW", "NEW"),
        ("bob", "TRADE", "PARTIALLY_FILLED"),
        ("alice", "TRADE", "FILLED"),
        ("bob", "EXPIRED", "EXPIRED"),
    ]


def test_a_market_order_on_an_empty_book_expires_unfilled(made):
    floor = made(filters=BTCUSDT.filters[:4])
    order = floor.place("bob", "SELL", "MARKET", qty="2")
    assert (order.status, order.executed) == ("EXPIRED", 0)


def test_a_market_buy_without_the_whole_price_is_refused_whole(floor):
    floor.place("alice", "SELL", price="1000", qty="0.6")
    floor.place("carol", "BUY", price="1000", qty="0.1")
    floor.place("alice", "SELL", price="1100", qty="99")
    floor.give("bob", USDT="-999000")
    code = refusal(floor.place, "bob", "BUY", "MARKET", qty="1")
    assert code == (-2010, "Account has insufficient balance for requested action.")
    assert floor.place("bob", "BUY", "MARKET", qty="0.9").status == "FILLED"


def test_a_quote_amount_buys_what_it_can_in_whole_steps(made):
    floor = made(
        filters=[
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.000001",
                "maxQty": "9000",
                "stepSize": "0.000001",
            }
        ]
    )
    floor.place("alice", "SELL", price="49138.91", qty="1")
    order = floor.place("bob", "BUY", "MARKET", quote_order_qty="20")
    assert (order.status, text(order.qty), text(order.quote)) == (
        "FILLED", "0.000407", "19.99953637",
    )  # fmt: skip


def test_a_quote_amount_that_empties_the_book_expires(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    order = floor.place("bob", "BUY", "MARKET", quote_order_qty="150")
    assert (order.status, text(order.executed)) == ("EXPIRED", "1")


@pytest.mark.parametrize("amount", ["100", "100.0009"])
def test_a_quote_amount_that_ends_with_the_book_is_filled(floor, amount):
    floor.place("alice", "SELL", price="100", qty="1")
    order = floor.place("bob", "BUY", "MARKET", quote_order_qty=amount)
    assert (order.status, text(order.executed), text(order.quote)) == ("FILLED", "1", "100")


def test_a_quote_amount_below_the_least_quantity_names_the_filter(floor):
    floor.place("alice", "SELL", price="900000", qty="1")
    assert refusal(floor.place, "bob", "BUY", "MARKET", quote_order_qty="8") == (
        -2010, "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
    )  # fmt: skip


# ---- money


@pytest.mark.parametrize(
    ("price", "qty", "worth"),
    [("0.018901", "0.079", "0.00149317"), ("35000", "0.49975", "17491.25")],
)
def test_notional_is_rounded_down(price, qty, worth):
    assert text(notional(amount(price), amount(qty))) == worth


def test_the_quote_of_an_order_is_the_sum_of_its_trades_each_rounded_down():
    fills = [
        ("0.077691", "0.03637"), ("0.077691", "0.07504"), ("0.077693", "0.06436"),
        ("0.077705", "0.11325"), ("0.077706", "0.10038"), ("0.077707", "0.09781"),
        ("0.077708", "0.09009"), ("0.077709", "0.09008"), ("0.07771", "0.07078"),
        ("0.077711", "0.10681"), ("0.077713", "0.06563"), ("0.077714", "0.0894"),
    ]  # fmt: skip
    info = msgspec.structs.replace(
        BTCUSDT, symbol="ETHBTC", base_asset="ETH", quote_asset="BTC", filters=[]
    )
    floor = Floor(info)
    floor.give("alice", ETH="10")
    for price, qty in fills:
        floor.place("alice", "SELL", symbol="ETHBTC", price=price, qty=qty)
    order = floor.place("bob", "BUY", symbol="ETHBTC", price="0.08", qty="1")
    assert (text(order.executed), text(order.quote)) == ("1", "0.07770588")


@pytest.mark.parametrize(
    ("received", "fee"),
    [
        ("187.594446", "0.18759445"), ("349.613908", "0.34961391"), ("233.4894363", "0.23348944"),
        ("19.9840288", "0.01998403"), ("0.000407", "0.00000041"), ("0.001684", "0.00000168"),
        ("0.00091591", "0.00000092"),
    ],
)  # fmt: skip
def test_a_commission_is_rounded_half_up(received, fee):
    assert text(fee_of(amount(received), amount("0.001"))) == fee


def test_the_commission_is_taken_from_what_is_received(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="1")
    assert floor.free("bob", "BTC") == "100.999"
    assert floor.free("alice", "USDT") == "1000099.9"
    assert floor.free("bob", "USDT") == "999900"
    assert floor.locked("alice", "BTC") == "0"


def test_a_commission_in_bnb_is_discounted_when_there_is_enough():
    bnb = msgspec.structs.replace(
        BTCUSDT, symbol="BNBBTC", base_asset="BNB", quote_asset="BTC", filters=[]
    )
    floor = Floor(bnb)
    floor.give("alice", BNB="10")
    floor.give("bob", BNB="1")
    rate = Commission(in_bnb=True)
    floor.engine.accounts["alice"].commission = rate
    floor.place("alice", "SELL", symbol="BNBBTC", price="0.0017503", qty="1")
    floor.place("bob", "BUY", symbol="BNBBTC", price="0.0017503", qty="1")
    floor.place("alice", "SELL", symbol="BNBBTC", price="0.0017502", qty="5.56")
    floor.engine.venues["BNBBTC"]._last = amount("0.0017503")  # the rate of the documented trade
    deal_before = floor.free("alice", "BNB")
    fee, asset = floor.engine.settlement._commission(
        floor.engine.accounts["alice"],
        floor.engine.accounts["alice"].orders["BNBBTC"][-1],
        "BTC",
        notional(amount("0.0017502"), amount("5.56")),
        is_maker=True,
    )
    assert (text(fee), asset) == ("0.00416976", "BNB")
    assert deal_before == floor.free("alice", "BNB")


def test_a_buy_below_its_limit_gives_back_what_was_locked_too_much(floor):
    floor.place("alice", "SELL", price="90", qty="1")
    floor.place("bob", "BUY", price="100", qty="2")
    assert floor.locked("bob", "USDT") == "100"
    assert floor.free("bob", "USDT") == "999810"


def test_an_order_without_the_money_is_refused(floor):
    assert refusal(floor.place, "alice", "BUY", price="50000", qty="20.1")[0] == -2010
    assert refusal(floor.place, "alice", "SELL", price="50000", qty="100.1")[0] == -2010
    assert floor.place("alice", "BUY", price="50000", qty="20").status == "NEW"


# ---- stops


def test_a_stop_waits_for_its_price_and_then_works(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="0.1")
    stop = floor.place("carol", "BUY", "STOP_LOSS_LIMIT", price="110", stop_price="105", qty="1")
    assert (stop.is_working, floor.locked("carol", "USDT")) == (False, "110")
    floor.place("alice", "SELL", price="105", qty="5")
    floor.place("bob", "BUY", price="105", qty="1")
    assert (stop.status, text(stop.executed)) == ("FILLED", "1")
    assert [r.cause for r in floor.step.reports if r.order is stop] == ["trigger", "fill"]


def test_a_stop_that_is_met_already_is_refused(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="0.1")
    assert refusal(
        floor.place, "carol", "SELL", "STOP_LOSS_LIMIT", price="90", stop_price="100", qty="1"
    ) == (-2010, "Order would trigger immediately.")


def test_a_market_stop_without_the_money_expires_as_rejected(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="0.1")
    floor.give("carol", USDT="-999890")
    stop = floor.place("carol", "BUY", "STOP_LOSS", stop_price="120", qty="1")
    assert floor.locked("carol", "USDT") == "100"
    floor.place("alice", "SELL", price="130", qty="5")
    floor.place("bob", "BUY", price="130", qty="1.9")
    assert (stop.status, stop.expiry_reason) == ("EXPIRED", "REJECTED")
    assert floor.locked("carol", "USDT") == "0"


@pytest.mark.parametrize(
    ("side", "kind", "stop", "delta", "path", "trigger"),
    [
        ("BUY", "STOP_LOSS", "43000", 500, ["42500", "43500", "42000", "44099.99"], "44100"),
        ("SELL", "STOP_LOSS", "39000", 1000, ["40000", "38900", "41000", "36900.01"], "36900"),
        ("BUY", "TAKE_PROFIT", "38000", 850, ["39000", "37500", "37000", "40144.99"], "40145"),
        ("SELL", "TAKE_PROFIT", "46000", 750, ["45000", "46100", "46500", "43012.51"], "43012.5"),
        ("SELL", "STOP_LOSS", None, 700, ["44000", "45500", "42315.01"], "42315"),
    ],
)
def test_a_trailing_stop_follows_the_extreme(side, kind, stop, delta, path, trigger):
    floor = Floor(msgspec.structs.replace(BTCUSDT, filters=BTCUSDT.filters[:1]))

    def trade_at(price):
        floor.place("alice", "SELL", price=price, qty="0.01")
        floor.place("bob", "BUY", price=price, qty="0.01")

    trade_at(path[0])
    given = {"stop_price": stop} if stop else {}
    order = floor.place("carol", side, kind, qty="1", trailing_delta=delta, **given)
    for price in path[1:]:
        trade_at(price)
        assert not order.is_working, price
    trade_at(trigger)
    assert order.is_working
    assert Decimal(text(order.extreme)) in {Decimal(p) for p in path}


# ---- self-trade prevention


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", ("EXPIRED_IN_MATCH", "2"), ("NEW", "0")),
        ("EXPIRE_MAKER", ("NEW", "0"), ("EXPIRED_IN_MATCH", "1")),
        ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", "2"), ("EXPIRED_IN_MATCH", "1")),
        ("DECREMENT", ("NEW", "1"), ("EXPIRED_IN_MATCH", "1")),
    ],
)
def test_the_takers_mode_says_who_expires(floor, mode, taker, maker):
    resting = floor.place("alice", "SELL", price="100", qty="1")
    order = floor.place("alice", "BUY", price="100", qty="2", stp=mode)
    assert (order.status, text(order.prevented)) == taker
    assert (resting.status, text(resting.prevented)) == maker
    assert floor.trades == []
    assert floor.locked("alice", "USDT") == text(order.reserved)
    assert floor.locked("alice", "BTC") == text(resting.reserved)


def test_without_prevention_an_account_trades_with_itself(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("alice", "BUY", price="100", qty="1")
    assert floor.trades == [("100", "1")]


# ---- cancel and amend


def test_a_cancel_unlocks_renames_and_frees_the_id(floor):
    order = floor.place("alice", "BUY", price="100", qty="1", client_order_id="mine")
    assert refusal(floor.place, "alice", "BUY", price="99", qty="1", client_order_id="mine") == (
        -2010, "Duplicate order sent.",
    )  # fmt: skip
    report = floor.cancel(order, new_client_order_id="other")
    assert (report.orig_client_order_id, report.client_order_id) == ("mine", "other")
    assert (order.status, floor.locked("alice", "USDT")) == ("CANCELED", "0")
    again = floor.place("alice", "BUY", price="99", qty="1", client_order_id="mine")
    assert floor.engine.find(floor.engine.accounts["alice"], "BTCUSDT", None, "mine") is again


def test_restrictions_of_a_cancel_are_kept(floor):
    floor.place("bob", "SELL", price="100", qty="0.5")
    order = floor.place("alice", "BUY", price="100", qty="1")
    assert refusal(floor.cancel, order, restriction="ONLY_NEW") == (
        -2011, "Order was not canceled due to cancel restrictions.",
    )  # fmt: skip
    assert floor.cancel(order, restriction="ONLY_PARTIALLY_FILLED").status == "CANCELED"


def test_an_amended_order_keeps_its_place(floor):
    first = floor.place("alice", "SELL", price="100", qty="2")
    floor.place("bob", "SELL", price="100", qty="2")
    account = floor.engine.accounts["alice"]
    report, _ = floor.engine.amend(account, first, amount("1"), floor.now)
    assert (report.execution, report.qty, floor.locked("alice", "BTC")) == (
        "REPLACED", amount("1"), "1",
    )  # fmt: skip
    floor.place("carol", "BUY", price="100", qty="1")
    assert first.status == "FILLED"
    assert refusal(floor.engine.amend, account, first, amount("3"), floor.now)[0] == -2038


# ---- filters


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"price": "100.001", "qty": "1"}, "PRICE_FILTER"),
        ({"price": "100", "qty": "0.000001"}, "LOT_SIZE"),
        ({"price": "100", "qty": "0.04"}, "NOTIONAL"),
        ({"price": "1000000", "qty": "10"}, "NOTIONAL"),
        ({"price": "100", "qty": "2", "iceberg_qty": "0.1"}, "ICEBERG_PARTS"),
    ],
)
def test_the_first_filter_that_fails_is_named(floor, given, name):
    assert refusal(floor.place, "alice", "BUY", **given) == (-1013, f"Filter failure: {name}")


def test_prices_far_from_the_average_are_refused_by_side(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="1")
    for side, price in (("BUY", "200.01"), ("BUY", "49.99"), ("SELL", "200.01"), ("SELL", "49.99")):
        assert refusal(floor.place, "carol", side, price=price, qty="1")[1].endswith("BY_SIDE")
    assert floor.place("carol", "BUY", price="50", qty="1").status == "NEW"
    assert floor.place("carol", "SELL", price="200", qty="1").status == "NEW"


def test_the_number_of_waiting_orders_is_limited(floor):
    floor.place("alice", "SELL", price="100", qty="1")
    floor.place("bob", "BUY", price="100", qty="0.1")
    for _ in range(5):
        floor.place("carol", "BUY", "STOP_LOSS", stop_price="120", qty="1")
    assert refusal(floor.place, "carol", "BUY", "STOP_LOSS", stop_price="120", qty="1") == (
        -1013, "Filter failure: MAX_NUM_ALGO_ORDERS",
    )  # fmt: skip


def test_ids_that_the_exchange_chooses_follow_from_the_seed(floor):
    one = [floor.place("alice", "BUY", price="100", qty="1").client_order_id for _ in range(3)]
    two = [Floor().place("alice", "BUY", price="100", qty="1").client_order_id]
    assert one[0] == two[0]
    assert len(set(one)) == 3
    assert all(len(name) == 22 and name.isalnum() for name in one)
