from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.enums import OrderType
from bwsresearch.protocol import methods
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.placement import checked, identified, resp_type

MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
EXTRA = "Parameter '{}' sent when not required."
NEITHER = "Param '{}' or '{}' must be sent, but both were empty/null!"
COMBINATION = "Combination of optional parameters invalid."

VALUES = {
    "time_in_force": "GTC",
    "quantity": "1",
    "quote_order_qty": "10",
    "price": "2",
    "stop_price": "3",
    "trailing_delta": 100,
    "iceberg_qty": "0.5",
}
WIRE = {
    "time_in_force": "timeInForce",
    "quantity": "quantity",
    "quote_order_qty": "quoteOrderQty",
    "price": "price",
    "stop_price": "stopPrice",
    "trailing_delta": "trailingDelta",
    "iceberg_qty": "icebergQty",
}
LEAST = {
    "LIMIT": ("time_in_force", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": ("quantity",),
    "STOP_LOSS": ("quantity", "stop_price"),
    "STOP_LOSS_LIMIT": ("time_in_force", "quantity", "price", "stop_price"),
    "TAKE_PROFIT": ("quantity", "trailing_delta"),
    "TAKE_PROFIT_LIMIT": ("time_in_force", "quantity", "price", "trailing_delta"),
}
MORE = {
    "LIMIT": {"iceberg_qty"},
    "LIMIT_MAKER": {"iceberg_qty"},
    "MARKET": set(),
    "STOP_LOSS": {"trailing_delta"},
    "STOP_LOSS_LIMIT": {"trailing_delta", "iceberg_qty"},
    "TAKE_PROFIT": {"stop_price"},
    "TAKE_PROFIT_LIMIT": {"stop_price", "iceberg_qty"},
}
each_type = pytest.mark.parametrize("kind", LEAST)


def order(kind, names=None, *, of=methods.OrderPlace, **params):
    """Return an order with what its type needs at least, or with the parameters named."""
    given = {name: VALUES[name] for name in (LEAST[kind] if names is None else names)} | params
    rest = {"cancel_replace_mode": "STOP_ON_FAILURE"} if of is methods.OrderCancelReplace else {}
    return of("A", side="BUY", type=kind, **given, **rest)


def fault(request):
    try:
        assert checked(request) is request
    except Refusal as refusal:
        return refusal.body.code, refusal.body.msg
    return None


def test_every_order_type_has_its_table():
    assert LEAST.keys() == MORE.keys() == set(OrderType.__args__)


@each_type
@pytest.mark.parametrize("of", [methods.OrderPlace, methods.OrderTest, methods.OrderCancelReplace])
def test_the_least_and_the_most_that_a_type_needs_pass_in_every_method(kind, of):
    assert fault(order(kind, of=of)) is None
    assert fault(order(kind, {*LEAST[kind], *MORE[kind]}, of=of)) is None


@each_type
@pytest.mark.parametrize("name", VALUES)
def test_what_a_type_has_no_use_for_is_refused(kind, name):
    told = fault(order(kind, {*LEAST[kind], name}))
    if name in LEAST[kind] or name in MORE[kind]:
        assert told is None
    else:
        assert told == (-1106, EXTRA.format(WIRE[name]))


@each_type
@pytest.mark.parametrize("name", VALUES)
def test_what_a_type_needs_is_missed(kind, name):
    told = fault(order(kind, {one for one in LEAST[kind] if one != name}))
    if name not in LEAST[kind]:
        assert told is None
    elif kind == "MARKET":
        assert told == (-1102, NEITHER.format("quantity", "quoteOrderQty"))
    elif name in ("stop_price", "trailing_delta"):
        assert told == (-1102, NEITHER.format("stopPrice", "trailingDelta"))
    else:
        assert told == (-1102, MANDATORY.format(WIRE[name]))


@pytest.mark.parametrize(
    ("request_", "code", "msg"),
    [
        (order("MARKET", ["quote_order_qty"]), None, None),
        (order("MARKET", ["quantity", "quote_order_qty"]), -1106, EXTRA.format("quoteOrderQty")),
        (order("MARKET", quantity=0), -1102, NEITHER.format("quantity", "quoteOrderQty")),
        (order("STOP_LOSS", stop_price="0.0"), -1102, NEITHER.format("stopPrice", "trailingDelta")),
        (order("LIMIT", []), -1102, MANDATORY.format("timeInForce")),
        (
            order("LIMIT", iceberg_qty=1, time_in_force="IOC"),
            -2010,
            "Unsupported order combination",
        ),
        (order("LIMIT", iceberg_qty=0, time_in_force="IOC"), None, None),
        (order("LIMIT_MAKER", iceberg_qty=1), None, None),
        (order("LIMIT", strategy_type=999_999), -1134, "strategyType was less than 1000000."),
        (order("LIMIT", strategy_type=0), -1134, "strategyType was less than 1000000."),
        (order("LIMIT", strategy_type=1_000_000, strategy_id=0), None, None),
        (order("LIMIT", peg_price_type="PRIMARY_PEG"), None, None),
        (order("LIMIT_MAKER", ["quantity"], peg_price_type="PRIMARY_PEG"), None, None),
        (order("LIMIT", peg_offset_type="PRICE_LEVEL"), -1128, COMBINATION),
        (order("LIMIT", peg_price_type="PRIMARY_PEG", peg_offset_value=1), -1128, COMBINATION),
        (order("LIMIT", peg_offset_type="PRICE_LEVEL", peg_offset_value=1), -1128, COMBINATION),
        (
            order("MARKET", peg_price_type="PRIMARY_PEG"),
            -2010,
            "This order type may not use pegged price.",
        ),
        (
            order("LIMIT_MAKER", peg_price_type="MARKET_PEG"),
            -2010,
            "This price peg cannot be used with this order type.",
        ),
        (
            order(
                "LIMIT",
                peg_price_type="PRIMARY_PEG",
                peg_offset_type="PRICE_LEVEL",
                peg_offset_value=101,
            ),
            -1130,
            "Data sent for parameter 'pegOffsetValue' is not valid.",
        ),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(request_, code, msg):
    assert fault(request_) == (None if code is None else (code, msg))


DAY = 86_400_000


@pytest.mark.parametrize("kind", [methods.AllOrders, methods.MyTrades])
@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (1, 1, None),
        (1, 1 + DAY, None),
        (None, 1, None),
        (1, None, None),
        (1, 2 + DAY, (-1127, "More than 24 hours between startTime and endTime.")),
        (2, 1, (-1128, COMBINATION)),
        (1_700_000_000_000, (1_700_000_000_000 + DAY) * 1000, None),
        (
            1_700_000_000_000,
            (1_700_000_000_000 + DAY) * 1000 + 1,
            (-1127, "More than 24 hours between startTime and endTime."),
        ),
    ],
)
def test_histories_span_a_day_at_most(kind, start, end, told):
    assert fault(kind("A", start_time=start, end_time=end)) == told


@pytest.mark.parametrize(
    "request_", [methods.Ping(), methods.OrderCancel("A", order_id=1), methods.AccountStatus()]
)
def test_other_requests_pass(request_):
    assert fault(request_) is None


@given(
    st.sampled_from(sorted(LEAST)),
    st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in VALUES.items()}),
)
def test_what_passes_has_all_that_the_engine_needs(kind, params):
    request = order(kind, [], **params)
    if fault(request) is None:
        assert request.quantity or request.quote_order_qty
        assert kind == "MARKET" or request.quantity
        assert ("LIMIT" in kind) == (request.price is not None)
        assert ("STOP" in kind or "PROFIT" in kind) == bool(
            request.stop_price or request.trailing_delta
        )


@pytest.mark.parametrize("kind", LEAST)
def test_market_and_limit_orders_answer_in_full_and_others_briefly(kind):
    assert resp_type(order(kind)) == ("FULL" if kind in ("MARKET", "LIMIT") else "ACK")
    assert resp_type(order(kind, new_order_resp_type="RESULT")) == "RESULT"


def test_an_order_gets_an_id_of_the_client_unless_it_has_one():
    plain = order("LIMIT")
    assert identified(plain, "mine") == order("LIMIT", new_client_order_id="mine")
    assert identified(plain, "mine").price == Decimal(2)
    own = order("LIMIT", new_client_order_id="own")
    assert identified(own, "mine") is own
    for other in (order("LIMIT", of=methods.OrderTest), methods.OrderCancel("A", order_id=1)):
        assert identified(other, "mine") is other
