import datetime as dt

import numpy as np
import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.times import (
    as_interval,
    epoch_ms,
    iso,
    next_open,
    open_time,
    open_times,
    opens,
    period_start,
)

NOW = 1_735_689_600_000  # 2025-01-01


def test_known_bars_open_where_the_exchange_opened_them():
    assert open_time("1w", 1_502_942_400_000) == 1_502_668_800_000  # a Monday
    assert open_time("1M", 1_502_942_400_000) == 1_501_545_600_000
    assert open_time("3d", 1_503_187_200_000 + 5) == 1_503_187_200_000


@pytest.mark.parametrize("interval", INTERVALS)
def test_opens_tile_the_time_line_without_gap_or_overlap(interval):
    days = 400 if interval in ("1w", "1M", "3d", "1d") else 2
    start, end = NOW + 12_345, NOW + days * 86_400_000 + 777
    stamps = opens(interval, start, end)
    assert stamps[0] >= start
    assert stamps[-1] < end <= next_open(interval, int(stamps[-1]))
    assert [next_open(interval, int(t)) for t in stamps[:-1]] == stamps[1:].tolist()
    inside = np.minimum(stamps + 999, end)
    assert open_times(interval, inside).tolist() == stamps.tolist()
    assert [open_time(interval, int(t)) for t in inside] == stamps.tolist()


@pytest.mark.parametrize("interval", INTERVALS)
def test_an_empty_range_has_no_bars(interval):
    assert opens(interval, NOW, NOW).tolist() == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024", 1_704_067_200_000),
        ("2024-02", 1_706_745_600_000),
        ("2024-02-01T00:00+01:00", 1_706_741_999_000 + 1_000),
        ("now", NOW),
        ("-2h", NOW - 7_200_000),
        ("-1mo", 1_733_011_200_000),
        (dt.date(2024, 2, 1), 1_706_745_600_000),
        (dt.datetime(2024, 2, 1), 1_706_745_600_000),
        (np.datetime64("2024-02-01"), 1_706_745_600_000),
        (1_706_745_600_000, 1_706_745_600_000),
    ],
)
def test_every_way_to_write_a_time(value, expected):
    assert epoch_ms(value, NOW) == expected


@pytest.mark.parametrize(
    "value", ["tomorrow", "2024-13-01", float("nan"), True, None, 1_706_745_600_000_000, -5]
)
def test_what_is_no_time_is_named_in_the_error(value):
    with pytest.raises(ValueError, match=str(value)):
        epoch_ms(value, NOW, name="end")


def test_periods_count_back_from_the_end():
    march = epoch_ms("2024-03-31", NOW)
    assert iso(period_start("1mo", march)) == "2024-02-29"
    assert iso(period_start("1y", march)) == "2023-03-31"
    assert iso(period_start("ytd", march)) == "2024-01-01"
    assert iso(period_start("90m", march)) == "2024-03-30 22:30"
    assert period_start("max", march) == 0
    with pytest.raises(ValueError, match="'2x'"):
        period_start("2x", march)


def test_a_wrong_interval_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean '1h'"):
        as_interval("1hr")
