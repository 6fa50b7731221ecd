import numpy as np
import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.exchange import edges
from bwsresearch.times import next_open, open_time

TIMES = np.random.default_rng(1).integers(1_500_000_000_000, 1_800_000_000_000, 300)


@pytest.mark.parametrize("shift", [0, 19_800_000, -43_200_000, 50_400_000])
@pytest.mark.parametrize("interval", INTERVALS)
def test_bars_of_a_zone_are_those_of_utc_at_its_clock(interval, shift):
    starts = edges.starts(interval, TIMES, shift)
    assert starts.tolist() == [open_time(interval, int(t) + shift) - shift for t in TIMES]
    ends = edges.ends(interval, starts, shift)
    assert ends.tolist() == [next_open(interval, int(t) + shift) - shift for t in TIMES]
    assert ((starts <= TIMES) & (ends > TIMES)).all()
