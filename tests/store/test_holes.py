import numpy as np
import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.store.holes import gaps
from bwsresearch.times import next_open, open_time, opens

START = 1_704_067_200_000  # 2024-01-01


@pytest.mark.parametrize("interval", INTERVALS)
def test_gaps_are_exactly_the_bars_that_are_missing(interval):
    draw = np.random.default_rng(3)
    start = START + 12_345
    end = next_open(interval, start, 200) - 7
    every = opens(interval, start, end)
    for kept in (1.0, 0.9, 0.5, 0.02, 0.0):
        there = every[draw.random(len(every)) < kept]
        missing = {
            int(at)
            for first, after in gaps(interval, there, start, end)
            for at in opens(interval, first, after)
        }
        assert missing == set(every.tolist()) - set(there.tolist())


@pytest.mark.parametrize("interval", INTERVALS)
def test_gaps_are_as_wide_as_can_be_and_begin_and_end_with_bars(interval):
    every = opens(interval, START, next_open(interval, START, 50))
    there = np.delete(every, [0, 10, 11, 12, 30, len(every) - 1])
    after = [next_open(interval, int(at)) for at in every]
    assert gaps(interval, there, START, after[-1]) == [
        [int(every[0]), after[0]],
        [int(every[10]), after[12]],
        [int(every[30]), after[30]],
        [int(every[-1]), after[-1]],
    ]


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_range_without_an_opening_has_no_gap(interval):
    opening = next_open(interval, START)
    nothing = np.empty(0, np.int64)
    assert gaps(interval, nothing, START, START) == []
    assert gaps(interval, nothing, opening - 500, opening) == []
    assert gaps(interval, nothing, opening - 500, opening + 1) == [
        [opening, next_open(interval, opening)]
    ]


def test_a_bar_that_opened_late_after_a_halt_is_no_gap():
    hour = 3_600_000
    first = open_time("1h", START)
    there = np.array([first, first + hour + 1_800_000, first + 2 * hour])
    assert gaps("1h", there, first, first + 3 * hour) == [[first + hour, first + hour + 1_800_000]]
