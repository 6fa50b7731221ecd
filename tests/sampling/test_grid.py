import datetime as dt

import numpy as np
import pandas as pd
import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.sampling.grid import grid
from bwsresearch.times import next_open, open_times

DAY = 86_400_000
TIMES = np.sort(np.random.default_rng(1).integers(1_500_000_000_000, 1_800_000_000_000, 500))


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_intervals_of_the_exchange_lie_as_its_bars_do(interval):
    bars = grid(interval)
    opens = bars.opens(TIMES)
    assert bars.name == interval
    assert opens.tolist() == open_times(interval, TIMES).tolist()
    assert bars.ends(opens).tolist() == [next_open(interval, int(at)) for at in opens]
    assert bars.every(int(opens[0]), int(opens[0])).tolist() == [opens[0]]
    if interval[-1] in "dwM":
        found, at = [], int(opens[0])
        while at <= opens[-1]:
            found.append(at)
            at = next_open(interval, at)
        assert bars.every(int(opens[0]), int(opens[-1])).tolist() == found


@pytest.mark.parametrize(
    ("every", "interval"),
    [("60m", "1h"), ("7d", "1w"), ("1min", "1m"), ("3600s", "1h"), ("72h", "3d"), ("1mo", "1M"),
     (dt.timedelta(minutes=5), "5m"), (pd.Timedelta("1D"), "1d")],
)  # fmt: skip
def test_what_is_as_long_as_an_interval_is_that_interval(every, interval):
    assert grid(every) == grid(interval)


@pytest.mark.parametrize("every", ["90s", "7m", "250ms", "5h", "10d", "45min", "13 s"])
def test_other_lengths_count_from_1970_as_pandas_has_them(every):
    opens = grid(every).opens(TIMES)
    stamps = pd.DatetimeIndex(TIMES.astype("M8[ms]"))
    length = pd.Timedelta(every.replace("d", "D"))
    assert opens.tolist() == stamps.floor(length).as_unit("ms").asi8.tolist()
    assert (grid(every).ends(opens) - opens == length // pd.Timedelta("1ms")).all()


def test_weeks_begin_on_mondays_and_quarters_in_january():
    weeks = pd.DatetimeIndex(grid("2w").opens(TIMES).astype("M8[ms]"))
    assert set(weeks.day_of_week) == {0}
    quarters = pd.DatetimeIndex(grid("3M").opens(TIMES).astype("M8[ms]"))
    assert set(quarters.month) == {1, 4, 7, 10}
    assert set(quarters.day) == {1}
    ends = pd.DatetimeIndex(grid("3M").ends(quarters.asi8).astype("M8[ms]"))
    assert (ends == quarters + pd.DateOffset(months=3)).all()


@pytest.mark.parametrize(
    "every",
    ["", "m", "1", "1x", "-5m", "1.5h", "0s", "1M5", 5, None, "99999999999w", "1201M", " 5m",
     dt.timedelta(0), dt.timedelta(microseconds=5), b"5m"],
)  # fmt: skip
def test_what_is_no_length_is_refused_in_a_line(every):
    with pytest.raises(ValueError, match="must be a length such as '90s', '7m'") as caught:
        grid(every)
    assert "\n" not in str(caught.value)


def test_bars_are_counted_before_they_are_made():
    assert grid("1s").count(0, 10 * DAY) == 864_001
    assert grid("1M").count(0, 365 * DAY) >= 13
