"""One order in all the forms in which it is told: replies, queries, events and the journal agree."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .lab import Lab, send

RUNS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
REPLY = (
    "symbol", "orderId", "orderListId", "clientOrderId", "price", "origQty", "executedQty",
    "cummulativeQuoteQty", "origQuoteOrderQty", "status", "timeInForce", "type", "side",
    "workingTime", "selfTradePreventionMode",
)  # fmt: skip
EVENT = {
    "s": "symbol", "c": "clientOrderId", "S": "side", "o": "type", "f": "timeInForce",
    "q": "origQty", "p": "price", "P": "stopPrice", "F": "icebergQty", "X": "status",
    "i": "orderId", "z": "executedQty", "Z": "cummulativeQuoteQty", "Q": "origQuoteOrderQty",
    "O": "time", "T": "updateTime", "V": "selfTradePreventionMode",
}  # fmt: skip


@RUNS
@given(st.integers(0, 2**32))
def test_an_order_is_the_same_wherever_it_is_told(seed):
    lab, dice = Lab(), random.Random(seed)
    told = {}
    for _ in range(100):
        before = len(lab.lines)
        reply = send(lab, dice).get("result")
        is_order = isinstance(reply, dict) and "executedQty" in reply
        events = [
            (record["account"], record["body"])
            for record in lab.recorded(before)
            if record["k"] == "evt" and record["body"]["e"] == "executionReport"
        ]
        told |= {body["i"]: (account, body) for account, body in events}
        if is_order:
            account, _ = told[reply["orderId"]]
            row = status(lab, account, reply["orderId"])
            names = [name for name in REPLY if name in reply]
            assert len(names) >= len(REPLY) - 1  # a cancel does not tell the workingTime
            assert {name: row[name] for name in names} == {name: reply[name] for name in names}
            if "fills" in reply:
                executed = sum(float(fill["qty"]) for fill in reply["fills"])
                assert abs(executed - float(row["executedQty"])) < 1e-9
    for number, (account, event) in told.items():
        row = status(lab, account, number)
        assert {wire: event[wire] for wire in EVENT} == {w: row[name] for w, name in EVENT.items()}
    for account in lab.keys:
        listed = lab.result(account, "allOrders", {"symbol": "BTCUSDT", "limit": 1000})
        mine = sorted(number for number, (owner, _) in told.items() if owner == account)
        assert listed == [status(lab, account, number) for number in mine]


def status(lab, account, number):
    return lab.result(account, "order.status", {"symbol": "BTCUSDT", "orderId": number})
