import pickle

import pytest

from bwsresearch.errors import BinanceError, OutcomeUnknown, ServerError
from bwsresearch.protocol import methods
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.outcomes import lost, outcome

WHY = "connection lost after send"
ORDER = {"side": "BUY", "type": "MARKET", "quantity": 1}
PLACED = methods.OrderPlace("BTCUSDT", **ORDER, new_client_order_id="mine")


@pytest.mark.parametrize(
    ("request_", "text", "facts"),
    [
        (
            PLACED,
            f"order.place mine: {WHY}; query newClientOrderId=mine",
            ("BTCUSDT", "mine", None),
        ),
        (
            methods.OrderPlace("BTCUSDT", **ORDER),
            f"order.place BTCUSDT: {WHY}; query openOrders.status and allOrders",
            ("BTCUSDT", None, None),
        ),
        (
            methods.OrderCancelReplace(
                "BTCUSDT",
                **ORDER,
                cancel_replace_mode="STOP_ON_FAILURE",
                cancel_order_id=7,
                new_client_order_id="new",
            ),
            f"order.cancelReplace new: {WHY}; query newClientOrderId=new",
            ("BTCUSDT", "new", None),
        ),
        (
            methods.OrderCancel("BTCUSDT", order_id=7),
            f"order.cancel 7: {WHY}; query orderId=7",
            ("BTCUSDT", None, 7),
        ),
        (
            methods.OrderCancel("BTCUSDT", orig_client_order_id="old", new_client_order_id="new"),
            f"order.cancel old: {WHY}; query origClientOrderId=old",
            ("BTCUSDT", "old", None),
        ),
        (
            methods.OrderAmendKeepPriority("BTCUSDT", order_id=7, new_qty=1),
            f"order.amend.keepPriority 7: {WHY}; query orderId=7",
            ("BTCUSDT", None, 7),
        ),
        (
            methods.OpenOrdersCancelAll("BTCUSDT"),
            f"openOrders.cancelAll BTCUSDT: {WHY}; query openOrders.status",
            ("BTCUSDT", None, None),
        ),
    ],
)
def test_a_lost_reply_says_what_to_ask_for(request_, text, facts):
    error = lost(request_, WHY)
    assert str(error) == text
    assert (error.symbol, error.client_order_id, error.order_id) == facts
    assert (error.method, error.code, error.status) == (request_.method, None, None)


def test_what_became_of_an_order_survives_pickling():
    error = pickle.loads(pickle.dumps(lost(PLACED, WHY)))
    assert type(error) is OutcomeUnknown
    assert (str(error), error.client_order_id) == (str(lost(PLACED, WHY)), "mine")


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_a_failure_of_the_exchange_leaves_an_order_unknown(code):
    error = outcome(PLACED, ServerError("no idea", status=500, code=code, method="order.place"))
    assert type(error) is OutcomeUnknown
    assert str(error) == (
        f"order.place mine: no idea (code {code}, status 500); query newClientOrderId=mine"
    )


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (PLACED, ServerError("busy", status=503, code=-1008)),
        (PLACED, ServerError("closing", status=503, code=-1016)),
        (PLACED, BinanceError("no", status=400, code=-2010)),
        (methods.AccountStatus(), ServerError("no idea", status=500, code=-1007)),
        (methods.OrderTest("A", **ORDER), ServerError("no idea", status=500, code=-1007)),
    ],
)
def test_what_changed_nothing_stays_what_it_is(request_, error):
    assert outcome(request_, error) is error


def test_everything_that_may_not_be_sent_twice_can_be_lost():
    for kind in CATALOGUE.values():
        if not kind.is_read:
            params = {
                "side": "BUY",
                "type": "MARKET",
                "cancel_replace_mode": "STOP_ON_FAILURE",
                "new_qty": 1,
            }
            known = {
                name: value for name, value in params.items() if name in kind.__struct_fields__
            }
            assert lost(kind("A", **known), WHY).symbol == "A"
