import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch.client.budget import ALWAYS_MS, Budget
from bwsresearch.protocol.limits import Counter, LimitRule
from bwsresearch.protocol.results import RateLimit

MINUTE = 60_000
START = 28_000_000 * MINUTE
"""A server's minute."""

WEIGHT = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6000)


def known(**fields):
    """A budget that has the server's time from itself."""
    return Budget(learned_ms=ALWAYS_MS, **fields)


def test_what_is_on_its_way_is_used():
    budget = known()
    budget.charge(20, START + 5000)
    budget.charge(4, START + 5001)
    assert budget.used == 24


def test_a_reply_that_tells_all_that_was_sent_adds_nothing():
    budget = known()
    charge = budget.charge(20, START + 5000)
    budget.settle(charge, START + 5000, START + 5100, 20)
    assert (budget.used, budget.seen) == (20, 20)


def test_what_others_use_is_known_with_the_next_reply():
    budget = known()
    first, second = (budget.charge(2, START + 5000) for _ in range(2))
    budget.settle(second, START + 5000, START + 5100, 1004)
    assert budget.used == 1006
    budget.settle(first, START + 5000, START + 5100, 1002)
    assert budget.used == 1004


def test_a_reply_that_tells_nothing_counts_until_one_tells_more():
    budget = known()
    silent = budget.charge(30, START + 5000)
    budget.settle(silent, START + 5000, START + 5100)
    assert budget.used == 30
    earlier, later = budget.charge(2, START + 5050), budget.charge(2, START + 5100)
    budget.settle(earlier, START + 5050, START + 5150, 2)
    assert budget.used == 2 + 30 + 2
    budget.settle(later, START + 5100, START + 5200, 34)
    assert budget.used == 34


def test_a_request_waits_for_the_next_window_and_a_moment():
    budget = known(limit=100)
    assert budget.wait_ms(97, START + 50_000) == 0
    budget.charge(97, START + 50_000)
    assert budget.wait_ms(1, START + 50_000) == 10_100
    assert budget.wait_ms(1, START + MINUTE + 99) == 1
    assert budget.wait_ms(97, START + 2 * MINUTE + 100) == 0


def test_a_little_of_the_limit_is_spared():
    budget = known(limit=6000)
    budget.charge(5938, START + 30_000)
    assert budget.wait_ms(2, START + 30_000) == 0
    assert budget.wait_ms(3, START + 30_000) == 30_100


def test_what_needs_the_spared_part_has_it_in_an_empty_window():
    budget = known(limit=100)
    assert budget.wait_ms(99, START + 30_000) == 0
    budget.charge(2, START + 30_000)
    assert budget.wait_ms(98, START + 30_000) == 0
    assert budget.wait_ms(99, START + 30_000) == 30_100


def test_what_no_window_has_room_for_does_not_wait():
    budget = known(limit=60)
    budget.charge(57, START + 30_000)
    assert budget.wait_ms(250, START + 30_000) == 0


def test_what_is_on_its_way_when_a_window_ends_counts_in_the_next():
    budget = known()
    slow = budget.charge(50, START - 500)
    budget.turn(START + 100)
    assert budget.used == 50
    budget.settle(slow, START - 500, START + 500, 4711)  # the count is of either window
    assert budget.used == 50
    charge = budget.charge(2, START + 600)
    budget.settle(charge, START + 600, START + 700, 2)
    assert budget.used == 2


def test_what_is_answered_when_the_next_window_may_be_open_counts_there_too():
    budget = known()
    charge = budget.charge(50, START - 300)
    budget.settle(charge, START - 300, START - 99, 50)
    assert budget.used == 50
    budget.turn(START + 100)
    assert budget.used == 50


def test_what_was_never_answered_is_forgotten_two_windows_later():
    budget = known()
    budget.charge(50, START + 30_000)
    budget.turn(START + MINUTE + 30_000)
    assert budget.used == 50
    budget.turn(START + 2 * MINUTE + 30_000)
    assert budget.used == 0


def test_after_a_pause_nothing_is_used():
    budget = known()
    late = budget.charge(50, START + 30_000)
    budget.turn(START + 10 * MINUTE)
    assert budget.used == 0
    budget.settle(late, START + 30_000, START + 10 * MINUTE, 50)
    assert (budget.pending, budget.carried) == (0, 0)


def test_reads_wait_as_long_as_the_server_says():
    budget = known()
    budget.block(START + 7000)
    budget.block(START + 5000)
    assert budget.wait_ms(1, START + 1000) == 6000
    assert budget.wait_ms(1, START + 7000) == 0


def test_the_limit_and_its_window_are_what_the_server_says():
    budget = known()
    budget.charge(50, START + 5000)
    budget.told(RateLimit("REQUEST_WEIGHT", "SECOND", 10, 300))
    assert (budget.limit, budget.rule.window_ms, budget.is_told) == (300, 10_000, True)
    budget.turn(START + 5000)
    budget.charge(297, START + 5000)
    assert budget.wait_ms(1, START + 5000) == 5100


def test_time_is_learned_from_the_middle_of_a_request():
    budget = Budget()
    assert not budget.knows_time(START)
    budget.learn_time(START + 7_050, START, START + 100)
    assert (budget.offset_ms, budget.error_ms) == (7_000, 51)
    assert budget.knows_time(START + 599_999)
    assert not budget.knows_time(START + 700_000)
    assert not budget.knows_time(START - 1)  # this machine's clock was set back


def test_a_less_sure_time_is_taken_only_when_it_is_another():
    budget = Budget()
    budget.learn_time(START + 1000, START, START)
    budget.learn_time(START + 1300, START, START + 600)
    assert (budget.offset_ms, budget.error_ms) == (1000, 1)
    budget.learn_time(START + 5300, START, START + 600)
    assert (budget.offset_ms, budget.error_ms) == (5000, 301)


def test_a_server_of_another_year_has_windows_of_its_own():
    budget = Budget()
    charge = budget.charge(3000, START + 30_000)
    ago = START - 500_000 * MINUTE
    budget.learn_time(ago + 59_000, START + 30_000, START + 30_000)
    assert budget.used == 3000
    budget.settle(charge, START + 30_000, START + 30_000, 3000)
    assert budget.wait_ms(3000, START + 30_000) == 1000 + 100 + 1


# ---- against a server ----------------------------------------------------------------------------


@dataclass
class World:
    """A server, processes that share a budget, and software that nobody here knows of."""

    seed: int
    limit: int
    processes: int
    lanes: int
    weights: tuple
    latency_ms: int
    skew_ms: int
    is_in_order: bool
    lost: float
    others: bool
    minutes: int = 4
    refused: int = 0
    counts: dict = field(default_factory=dict)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.counter = Counter(LimitRule("REQUEST_WEIGHT", "MINUTE", 1, self.limit))
        self.budget = Budget(limit=self.limit)
        self.events, self.number = [], itertools.count()
        self.now = START + self.random.randrange(0, MINUTE)
        self.arrived, self.replied = [0] * self.processes, [0] * self.processes

    @property
    def wall(self):
        return self.now - self.skew_ms

    def later(self, delay, act, *args):
        heapq.heappush(self.events, (self.now + delay, next(self.number), act, args))

    def travel(self, lasts, process):
        """How long a frame takes; those of a connection may overtake each other, or not."""
        delay = self.random.randrange(0, self.latency_ms + 1)
        if self.is_in_order:
            delay = max(delay, lasts[process] - self.now)
            lasts[process] = self.now + delay
        return delay

    def run(self):
        sent, there = self.wall, self.now + self.random.randrange(0, self.latency_ms + 1)
        self.now = there + self.random.randrange(0, self.latency_ms + 1)
        self.budget.learn_time(there, sent, self.wall)
        end = (START // MINUTE + self.minutes + 1) * MINUTE
        for process in range(self.processes):
            for _ in range(self.lanes):
                self.later(self.random.randrange(0, 50), self.ask, process)
        if self.others:
            self.later(0, self.other)
        while self.events and self.now < end:
            self.now, _, act, args = heapq.heappop(self.events)
            act(*args)

    def ask(self, process, weight=None):
        weight = weight or self.random.choice(self.weights)
        if wait := self.budget.wait_ms(weight, self.wall):
            self.later(wait, self.ask, process, weight)
            return
        charge = self.budget.charge(weight, self.wall)
        self.later(self.travel(self.arrived, process), self.handle, process, charge, self.wall)

    def handle(self, process, charge, sent):
        self.refused += not self.counter.charge(charge.weight, self.now)
        count = self.counter.used
        self.counts[self.counter.window] = count
        told = None if self.random.random() < self.lost else count
        self.later(self.travel(self.replied, process), self.settle, process, charge, sent, told)

    def settle(self, process, charge, sent, count):
        self.budget.settle(charge, sent, self.wall, count)
        self.later(0, self.ask, process)

    def other(self):
        """Use a little: while a reply is on its way less than what is spared."""
        self.counter.charge(1, self.now)
        self.counts[self.counter.window] = self.counter.used
        gap = 8 * self.latency_ms // max(1, self.limit // 100) + 1
        self.later(self.random.randrange(gap, 20 * gap), self.other)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    limit=st.sampled_from([1000, 2400, 6000]),
    processes=st.integers(1, 4),
    lanes=st.integers(1, 16),
    weights=st.sampled_from([(2,), (4,), (2, 5), (1, 2, 4, 20)]),
    latency_ms=st.sampled_from([0, 5, 50, 300]),
    skew_ms=st.integers(-MINUTE, MINUTE),
    is_in_order=st.booleans(),
    lost=st.sampled_from([0.0, 0.01]),
    others=st.booleans(),
)
def test_the_server_never_refuses_and_a_busy_window_is_used(**setting):
    world = World(**setting)
    world.run()
    assert world.refused == 0
    rate = setting["processes"] * setting["lanes"] * min(setting["weights"])
    is_busy = rate * MINUTE / (2 * setting["latency_ms"] + 1) > 2 * setting["limit"]
    whole = sorted(world.counts)[1:-1]
    assert len(whole) >= 3
    if is_busy:
        # A heavy request may find less room than it needs.
        least = 0.97 * setting["limit"] - max(setting["weights"])
        assert [world.counts[window] for window in whole if world.counts[window] < least] == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_pull_uses_98_percent_of_6000(processes):
    world = World(
        seed=7,
        limit=6000,
        processes=processes,
        lanes=16,
        weights=(2,),
        latency_ms=50,
        skew_ms=4321,
        is_in_order=True,
        lost=0.0,
        others=False,
    )
    world.run()
    whole = sorted(world.counts)[1:-1]
    assert world.refused == 0
    assert all(5880 <= world.counts[window] <= 6000 for window in whole)
