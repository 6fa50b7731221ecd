"""A journal played again leads to the same state, whatever was sent and wherever it ends."""

import random
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwsresearch.exchange.recovery import Disagreement, replayed

from .lab import MARKET, Lab, send

RUNS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

TAKE = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@RUNS
@given(st.integers(0, 2**32))
def test_a_replay_leads_to_the_same_state_and_the_same_replies(seed):
    lab, dice = Lab(), random.Random(seed)
    for _ in range(100):
        send(lab, dice)
    again = replayed(lab.records, MARKET)
    assert again.state_hash() == lab.office.state_hash()
    assert again.engine.settlement.totals() == lab.office.engine.settlement.totals()


@settings(RUNS, max_examples=4)
@given(st.integers(0, 2**32))
def test_it_does_so_against_a_watched_market(seed):
    lab, dice = Lab(model="depth+trades@1"), random.Random(seed)
    for _ in range(40):
        lab.now += dice.randrange(2_000)
        send(lab, dice)
    assert replayed(lab.records, MARKET).state_hash() == lab.office.state_hash()


@settings(RUNS, max_examples=2)
@given(st.integers(0, 2**32))
def test_what_a_query_let_happen_is_recorded(seed):
    lab, dice = Lab(model="depth+trades@1"), random.Random(seed)
    for _ in range(20):
        lab.now += dice.randrange(10_000)
        send(lab, dice)
        lab.now += dice.randrange(10_000)
        method = dice.choice(["account.status", "openOrders.status"])
        lab.result(dice.choice(list(lab.keys)), method)
    assert replayed(lab.records, MARKET).state_hash() == lab.office.state_hash()


def test_a_fill_that_a_query_brought_is_in_the_journal_at_once():
    lab = Lab(model="depth+trades@1")
    price = Decimal(lab.result("alice", "order.place", TAKE)["fills"][0]["price"])
    order = lab.limit("alice", "BUY", price - 1, "0.01")["orderId"]
    for _ in range(10):
        lab.now += 20_000
        lab.result("alice", "openOrders.status")
    ends = [r["order"] for r in lab.records if r["k"] == "order" and r["order"]["orderId"] == order]
    assert ends[-1]["status"] == "FILLED"
    assert replayed(lab.records, MARKET).state_hash() == lab.office.state_hash()


@settings(RUNS, max_examples=20)
@given(st.integers(0, 2**32), st.integers(0, 10**6))
def test_a_request_without_reply_is_carried_out(seed, cut):
    lab, dice = Lab(), random.Random(seed)
    hashes = {}
    for _ in range(40):
        send(lab, dice)
        hashes[len(lab.records)] = lab.office.state_hash()
    records = lab.records
    requests = [n for n, record in enumerate(records) if record["k"] == "req"]
    at = requests[cut % len(requests)]
    end = next(n for n in hashes if n > at)
    office = replayed(records[: at + 1], MARKET)
    assert office.state_hash() == hashes[end]


def test_the_state_is_recorded_now_and_then_and_compared():
    lab, dice = Lab(), random.Random(3)
    while lab.journal.seq < 4_500:
        send(lab, dice)
    records = lab.records
    snaps = [record for record in records if record["k"] == "snap"]
    numbers = [snap["seq"] for snap in snaps]
    assert [number // 1_000 for number in numbers] == [1, 2, 4]
    assert replayed(records, MARKET).state_hash() == lab.office.state_hash()
    snaps[1]["hash"] = snaps[0]["hash"]
    with pytest.raises(Disagreement, match=f"record {numbers[1]}: the state is another than was"):
        replayed(records, MARKET)


def test_what_was_changed_afterwards_is_found():
    lab = Lab()
    lab.limit("alice", "BUY", 14000, "0.01")
    records = lab.records
    reply = next(record for record in records if record["k"] == "res")
    reply["body"]["orderId"] = 7
    with pytest.raises(Disagreement, match=r"order.place: ends as"):
        replayed(records, MARKET)


def test_a_journal_of_another_market_or_without_beginning_is_refused():
    lab = Lab()
    records = lab.records
    with pytest.raises(ValueError, match="must begin with 'open'"):
        replayed(records[1:], MARKET)
    with pytest.raises(ValueError, match="is empty"):
        replayed([], MARKET)
    records[0]["market"] = "local-other"
    with pytest.raises(ValueError, match="was written on local-other"):
        replayed(records, MARKET)
