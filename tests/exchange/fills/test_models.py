"""What must hold of every fill model, whatever the market does and whoever orders."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch.exchange.fills import ModelConfig, fill_model
from bwsresearch.exchange.trading.liquidity import BarSeen
from bwsresearch.exchange.trading.orders import Ticket

from . import evidence
from .lab import NAMES, STEP, SYMBOL, TICK
from .market import LOT, Ticks, items
from .play import Place, Run, time_of

MODELS = ("depth+trades@1", "trades@1", "klines@1")
RUNS = settings(max_examples=200)
SEEDS = given(st.integers(0, 2**32), st.integers(100, 130))

every_model = pytest.mark.parametrize("model", MODELS)


def run(model, **given):
    return Run(fill_model(ModelConfig(id=model, **given), tick=TICK, step=STEP))


def played(model, tape, **given):
    made = run(model, **given)
    for item in tape:
        made.do(item)
    return made


@every_model
@RUNS
@SEEDS
def test_fills_have_evidence_once_within_limits_and_in_the_order_of_the_queue(model, seed, steps):
    made = run(model)
    before = made.engine.settlement.totals()
    for item in items(random.Random(seed), steps, model):
        waiting, known = resting(made), len(made.fills)
        made.do(item)
        check_balances(made)
        for fill in made.fills[known:]:
            if fill.part.is_maker:
                check_first(fill, waiting, item)
    evidence.check(made.tape, made.fills, made.orders)
    after = made.engine.settlement.totals()
    assert {asset: after[asset] for asset in before} == before
    assert {order.owner for order in made.orders} == set(NAMES)


def check_balances(made):
    for account in made.engine.accounts.values():
        mine = account.open_orders[SYMBOL].values()
        assert min([*account.free.values(), *account.locked.values()]) >= 0
        assert account.locked["USDT"] == sum(o.reserved for o in mine if o.is_buy)
        assert account.locked["BTC"] == sum(o.reserved for o in mine if not o.is_buy)


def resting(made):
    """What rests before an event; refreshed icebergs are left out, they go to the back."""
    book = made.venue().book
    return [
        order
        for side in (book.bids, book.asks)
        for level in side.levels.values()
        for order in level.values()
        if not order.ticket.iceberg_qty
    ]


def came_before(order, other):
    """Whether an order worked before another; of one moment a stop may be either."""
    if order.working_time == other.working_time:
        is_stop = order.ticket.is_algo or other.ticket.is_algo
        return not is_stop and order.order_id < other.order_id
    return order.working_time < other.working_time


def check_first(fill, waiting, event):
    """Nobody who stood before the filled order, and knew of the event, has anything left."""
    filled = fill.order
    for order in waiting:
        if order.is_buy != filled.is_buy or order is filled:
            continue
        if isinstance(event, BarSeen):
            knows = order.working_time <= event.open_time
        else:
            knows = order.working_time < event.time
        is_better = (
            order.price > filled.price if order.is_buy else order.price < filled.price
        ) or (order.price == filled.price and came_before(order, filled))
        assert not (knows and is_better and order.remaining), (order, filled)


@every_model
@RUNS
@given(st.integers(0, 2**32), st.integers(100, 130), st.integers(0, 2**32))
def test_what_is_yet_to_come_changes_nothing(model, seed, steps, other):
    tape = items(random.Random(seed), steps, model)
    cut = steps * 2 // 3
    since = time_of(tape[cut])
    future = [item for item in items(random.Random(other), steps, model) if time_of(item) > since]
    whole = played(model, tape).outputs
    # Another future is as far away as none.
    assert played(model, tape[:cut] + future).outputs[:cut] == whole[:cut]


@pytest.mark.parametrize(
    ("model", "rules"),
    [
        ("depth+trades@1", {"walk", "through", "touch", "book_cross"}),
        ("trades@1", {"ladder", "through"}),
        ("klines@1", {"open", "stop", "through"}),
    ],
)
def test_the_markets_of_these_properties_bring_out_every_rule(model, rules):
    found = Counter()
    for seed in range(10):
        made = played(model, items(random.Random(seed), 120, model))
        found += Counter(evidence.check(made.tape, made.fills, made.orders))
    assert set(found) == rules


@every_model
def test_the_same_inputs_give_the_same_outputs(model):
    tape = items(random.Random(7), 300, model)
    one, two = played(model, tape), played(model, tape)
    assert one.outputs == two.outputs
    assert len(one.fills) > 20


@RUNS
@given(st.integers(0, 2**32), st.integers(100, 130), st.integers(1, 2_000), st.booleans())
def test_an_order_that_is_longer_on_its_way_stands_no_better(seed, steps, latency, is_buy):
    market = Ticks(random.Random(seed))
    tape = [market.event() for _ in range(steps)]
    sent = tape[steps // 4].time + 1
    price = market.middle + (-2 if is_buy else 2)
    wish = Ticket(SYMBOL, is_buy=is_buy, type="LIMIT_MAKER", price=price * TICK, qty=100 * LOT)
    ahead = []
    for late in (0, latency):
        made, queue, due = run("depth+trades@1"), [], sent + late
        for event in tape:
            if event.time > due and not made.orders:
                made.do(Place(due, "alice", wish))
            made.do(event)
            rests = bool(made.orders) and made.orders[0].is_resting
            queue.append(made.orders[0].ahead if rests else None)
        ahead.append(queue)
    for sooner, later in zip(*ahead, strict=True):
        assert sooner is None or later is None or sooner <= later
