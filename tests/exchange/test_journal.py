import random
from decimal import Decimal

import msgspec
import pytest

from bwsresearch.exchange.journal import Damaged, Journal, parsed

from .trading.conftest import Floor
from .trading.test_invariants import floor, step


def written(run):
    lines = []
    journal = Journal(lines.append)
    run(journal)
    journal.commit()
    return b"".join(lines).splitlines()


def test_a_line_is_what_was_added_and_carries_its_checksum():
    (line,) = written(lambda journal: journal.add("note", 12, {"text": 'quoted "crc" here'}))
    assert line == (
        b'{"v":1,"seq":1,"k":"note","t":12000000,"text":"quoted \\"crc\\" here","crc":"%s"}'
        % line[-10:-2]
    )
    assert parsed(line)["text"] == 'quoted "crc" here'


@pytest.mark.parametrize(
    "harm", [lambda line: line[:-1], lambda line: line.replace(b"12", b"13"), lambda line: line[:0]]
)
def test_a_line_that_was_cut_or_changed_is_damaged(harm):
    (line,) = written(lambda journal: journal.add("note", 12, {"text": "x"}))
    with pytest.raises(Damaged):
        parsed(harm(line))


def test_lines_are_handed_on_together_when_committed():
    batches = []
    journal = Journal(batches.append)
    journal.add("req", 1, {})
    journal.add("res", 1, {"of": 1})
    assert batches == []
    journal.commit()
    journal.commit()
    assert [batch.count(b"\n") for batch in batches] == [2]


def test_a_step_is_written_with_its_orders_fills_balances_and_events():
    made = Floor()
    made.place("alice", "SELL", price="100", qty="1")
    taker = made.place("bob", "BUY", price="101", qty="2", client_order_id="mine")
    records = [parsed(line) for line in written(lambda journal: journal.step(made.step, 7))]
    assert [r["k"] for r in records] == [
        "order", "order", "fill", "order", "fill", "bal", "bal", "bal", "bal",
        "evt", "evt", "evt", "evt", "evt",
    ]  # fmt: skip
    first, last = records[0]["order"], records[1]["order"]
    assert (first["status"], first["executedQty"]) == ("NEW", "0.00000000")
    assert (last["status"], last["executedQty"], last["clientOrderId"]) == (
        "PARTIALLY_FILLED", "1.00000000", "mine",
    )  # fmt: skip
    fill = records[2]
    assert {k: fill[k] for k in ("account", "side", "px", "qty", "role", "fee", "feeAsset")} == {
        "account": "bob", "side": "BUY", "px": "100.00000000", "qty": "1.00000000",
        "role": "TAKER", "fee": "0.00100000", "feeAsset": "BTC",
    }  # fmt: skip
    assert fill["evidence"]["ref"] == 1
    assert fill["orderId"] == taker.order_id
    assert [r["body"]["x"] for r in records if r["k"] == "evt" and "x" in r["body"]] == [
        "NEW", "TRADE", "TRADE",
    ]  # fmt: skip
    assert all(r["of" if r["k"] == "order" else "cause"] == 7 for r in records if r["k"] != "fill")


def test_the_journal_of_a_run_adds_up_to_its_balances_and_orders():
    made, dice = floor(), random.Random(5)
    lines = []
    journal = Journal(lines.append)
    for _ in range(300):
        done = step(made, dice)
        if done is not None:
            journal.step(done, 0)
    journal.commit()
    records = [parsed(line) for line in b"".join(lines).splitlines()]
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    balances = {
        (r["account"], r["asset"]): (r["free"], r["locked"]) for r in records if r["k"] == "bal"
    }
    for (name, asset), (free, locked) in balances.items():
        account = made.engine.accounts[name]
        assert Decimal(free) * 10**8 == account.free[asset]
        assert Decimal(locked) * 10**8 == account.locked[asset]
    orders = {r["order"]["orderId"]: r["order"] for r in records if r["k"] == "order"}
    for order in made.engine.venues["BTCUSDT"].orders.values():
        row = orders[order.order_id]
        assert (row["status"], row["clientOrderId"]) == (order.status, order.client_order_id)
        assert Decimal(row["executedQty"]) * 10**8 == order.executed
    executed = sum(Decimal(r["qty"]) for r in records if r["k"] == "fill")
    assert executed * 10**8 == sum(
        o.executed for o in made.engine.venues["BTCUSDT"].orders.values()
    )
    assert msgspec.json.encode(records[0])
