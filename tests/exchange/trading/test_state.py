import random

from bwsresearch.exchange.trading.state import state_hash

from .conftest import amount
from .test_invariants import floor, step


def run(seed, steps=80):
    made, dice = floor(), random.Random(seed)
    for _ in range(steps):
        step(made, dice)
    return made


def test_equal_runs_have_equal_hashes():
    assert state_hash(run(1).engine) == state_hash(run(1).engine)
    assert state_hash(run(1).engine) != state_hash(run(2).engine)


def test_the_smallest_difference_shows():
    one, other = run(3), run(3)
    other.engine.deposit(other.engine.accounts["alice"], "USDT", 1, other.now)
    assert state_hash(one.engine) != state_hash(other.engine)
    one, other = run(3), run(3)
    for made, price in ((one, "50"), (other, "50.01")):
        made.place("bob", "BUY", price=price, qty="1")
    assert state_hash(one.engine) != state_hash(other.engine)
    assert amount("50") != amount("50.01")
