import datetime as dt
import gzip
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.enums import INTERVALS
from bwsresearch.times import (
    DAY_MS,
    STEP_MS,
    as_interval,
    epoch_ms,
    iso,
    next_open,
    next_opens,
    open_time,
    open_times,
    opens,
    period_start,
)

NOW = 1_735_689_600_000  # 2025-01-01

times = st.integers(0, 4_102_444_800_000)
intervals = st.sampled_from(INTERVALS)


def at(text):
    return int(pd.Timestamp(text, tz="UTC").value // 10**6)


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
    within = stamps + np.minimum(np.arange(len(stamps)), 999)
    assert next_opens(interval, within).tolist() == [next_open(interval, int(t)) for t in within]
    inside = np.minimum(stamps + 999, end)
    assert open_times(interval, inside).tolist() == stamps.tolist()
    assert [open_time(interval, int(t)) for t in inside] == stamps.tolist()


@pytest.mark.parametrize("interval", INTERVALS)
def test_an_empty_range_has_no_bars(interval):
    assert opens(interval, NOW, NOW).tolist() == []
    assert opens(interval, NOW + 1, NOW + 1).tolist() == []


def test_a_range_within_one_month_has_a_bar_only_if_it_holds_the_first():
    assert opens("1M", at("2024-02-01"), at("2024-02-01") + 1).tolist() == [at("2024-02-01")]
    assert opens("1M", at("2024-02-02"), at("2024-03-01")).tolist() == []
    assert opens("1M", at("2024-02-02"), at("2024-03-01") + 1).tolist() == [at("2024-03-01")]


@given(interval=intervals, time_ms=times, bars=st.integers(-500, 500))
def test_the_bar_after_next_is_two_bars_on(interval, time_ms, bars):
    here = open_time(interval, time_ms)
    assert here <= time_ms < next_open(interval, time_ms)
    assert open_time(interval, here) == here
    assert next_open(interval, here, 0) == here
    assert next_open(interval, next_open(interval, here, bars), -bars) == here
    assert next_open(interval, next_open(interval, here), bars) == next_open(
        interval, here, bars + 1
    )
    assert open_times(interval, np.array([time_ms])).tolist() == [here]


@given(time_ms=times)
def test_weeks_and_months_are_those_of_pandas(time_ms):
    stamp = pd.Timestamp(time_ms, unit="ms")
    month, week = stamp.to_period("M"), stamp.to_period("W-SUN")
    for interval, period in (("1M", month), ("1w", week)):
        assert open_time(interval, time_ms) == period.start_time.value // 10**6
        assert next_open(interval, time_ms) == (period + 1).start_time.value // 10**6


@given(start=times, days=st.integers(0, 2000), interval=st.sampled_from(["1d", "3d", "1w", "1M"]))
def test_opens_are_the_calendar_dates_of_pandas(start, days, interval):
    rule = {"1d": "D", "3d": "3D", "1w": "W-MON", "1M": "MS"}[interval]
    end = start + days * DAY_MS
    first = open_time(interval, start)
    dates = pd.date_range(pd.Timestamp(first, unit="ms"), pd.Timestamp(end, unit="ms"), freq=rule)
    wanted = [t for t in (dates.as_unit("ns").asi8 // 10**6).tolist() if start <= t < end]
    assert opens(interval, start, end).tolist() == wanted


def test_a_day_is_24_hours_wherever_clocks_are_changed():
    day = at("2024-03-31")  # Europe's clocks skip an hour
    assert len(opens("1h", day, next_open("1d", day))) == 24
    assert next_open("1d", day) - day == DAY_MS


def test_leap_days_are_bars_like_others():
    assert next_open("1M", at("2024-02-29")) == at("2024-03-01")
    assert at("2024-02-29") in opens("1d", at("2024-02-01"), at("2024-03-01")).tolist()
    assert len(opens("1d", at("2024-02-01"), at("2024-03-01"))) == 29


def test_the_sixteen_intervals_are_known_by_their_length():
    assert len(INTERVALS) == 16
    assert sorted(STEP_MS.values()) == [STEP_MS[i] for i in INTERVALS if i != "1M"]
    assert [as_interval(i) for i in INTERVALS] == list(INTERVALS)


@pytest.mark.parametrize("interval", ["1h", "1d", "3d", "1w", "1M"])
def test_recorded_bars_open_where_they_are_expected(real_data, interval):
    path = real_data / "klines" / "api" / "BTCUSDT" / f"{interval}.jsonl.gz"
    with gzip.open(path) as lines:
        stamps = np.array([json.loads(line)[0] for line in lines])
    assert open_times(interval, stamps).tolist() == stamps.tolist()
    every = opens(interval, int(stamps[0]), int(stamps[-1]) + 1)
    assert set(stamps.tolist()) <= set(every.tolist())
    assert len(every) - len(stamps) == (122 if interval == "1h" else 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024", 1_704_067_200_000),
        ("2024-02", 1_706_745_600_000),
        ("20240201", 1_706_745_600_000),
        ("2024-02-01T00:00+01:00", 1_706_741_999_000 + 1_000),
        ("2024-02-01 00:00:00.5Z", 1_706_745_600_500),
        (" 2024-02-01 ", 1_706_745_600_000),
        ("now", NOW),
        ("-2h", NOW - 7_200_000),
        ("-5min", NOW - 300_000),
        ("-5m", NOW - 300_000),
        ("-1mo", 1_733_011_200_000),
        ("-1y", 1_704_067_200_000),
        ("-3w", NOW - 21 * DAY_MS),
        (dt.date(2024, 2, 1), 1_706_745_600_000),
        (dt.datetime(2024, 2, 1), 1_706_745_600_000),
        (dt.datetime(2024, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), 1_706_742_000_000),
        (pd.Timestamp("2024-02-01"), 1_706_745_600_000),
        (pd.Timestamp("2024-02-01", tz="Europe/Berlin"), 1_706_742_000_000),
        (pd.Timestamp("2024-02-01 00:00:00.123456789"), 1_706_745_600_123),
        (np.datetime64("2024-02-01"), 1_706_745_600_000),
        (np.datetime64("2024-02-01T00:00:00.123456789"), 1_706_745_600_123),
        (1_706_745_600_000, 1_706_745_600_000),
        (np.int64(1_706_745_600_000), 1_706_745_600_000),
        (1_706_745_600_000.9, 1_706_745_600_000),
        (0, 0),
    ],
    ids=str,
)
def test_every_way_to_write_a_time(value, expected):
    assert epoch_ms(value, NOW) == expected


@pytest.mark.parametrize(
    "value",
    [
        "tomorrow",
        "2024-13-01",
        "2024-02-30",
        "",
        "-1M",
        float("nan"),
        float("inf"),
        True,
        np.True_,
        None,
        b"2024",
        pd.NaT,
        dt.time(12),
        dt.timedelta(1),
        1_706_745_600_000_000,
        1_706_745_600,
        -5,
        10**40,
        "9999-01-01",
        dt.date(1900, 1, 1),
        dt.datetime(9999, 1, 1),
        np.datetime64("1900-01-01"),
        np.datetime64("NaT"),
    ],
    ids=str,
)
def test_what_is_no_time_is_named_in_the_error(value):
    with pytest.raises(ValueError) as refused:
        epoch_ms(value, NOW, name="end")
    assert str(refused.value).startswith(f"end is {value!r}, ")


@pytest.mark.parametrize("value", [1_706_745_600, 1_706_745_600_000_000])
def test_seconds_and_microseconds_are_told_how_to_become_milliseconds(value):
    with pytest.raises(ValueError, match="seconds × 1000 and microseconds ÷ 1000"):
        epoch_ms(value, NOW)


@given(times.filter(lambda ms: ms == 0 or ms >= 10**11))
def test_one_moment_is_the_same_in_every_form(ms):
    stamp = pd.Timestamp(ms, unit="ms", tz="UTC")
    forms = [
        ms,
        stamp,
        stamp.to_pydatetime(),
        stamp.tz_localize(None).to_datetime64(),
        stamp.isoformat(),
        iso(ms),
        stamp.tz_convert("Asia/Tokyo"),
    ]
    assert {epoch_ms(form, NOW) for form in forms} == {ms}


def test_periods_count_back_from_the_end():
    march = epoch_ms("2024-03-31", NOW)
    assert iso(period_start("1mo", march)) == "2024-02-29"
    assert iso(period_start("13mo", march)) == "2023-02-28"
    assert iso(period_start("3mo", march)) == "2023-12-31"
    assert iso(period_start("1y", march)) == "2023-03-31"
    assert iso(period_start("1y", epoch_ms("2024-02-29T12:30", NOW))) == "2023-02-28 12:30"
    assert iso(period_start("ytd", march)) == "2024-01-01"
    assert iso(period_start("ytd", epoch_ms("2024-01-01", NOW))) == "2024-01-01"
    assert iso(period_start("90m", march)) == "2024-03-30 22:30"
    assert iso(period_start("2w", march)) == "2024-03-17"
    assert period_start("max", march) == 0
    assert period_start("100y", march) == period_start("99999999999d", march) == 0


@given(end=times, count=st.integers(0, 700))
def test_months_and_years_count_as_in_pandas(end, count):
    stamp = pd.Timestamp(end, unit="ms")
    months, years = stamp - pd.DateOffset(months=count), stamp - pd.DateOffset(years=count // 12)
    assert period_start(f"{count}mo", end) == max(0, months.as_unit("ms").value // 10**6)
    assert period_start(f"{count // 12}y", end) == max(0, years.as_unit("ms").value // 10**6)


@pytest.mark.parametrize("period", ["2x", "1M", "", "-1d", "1.5y", "3 mo", None, 5])
def test_a_period_that_cannot_be_meant_is_told_the_forms(period):
    with pytest.raises(ValueError, match=f"period is {period!r}, must be like 90m 12h 7d 4w 3mo"):
        period_start(period, NOW)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("1hr", "1h"),
        ("60m", "1h"),
        ("24h", "1d"),
        ("7d", "1w"),
        ("60s", "1m"),
        ("1min", "1m"),
        ("1D", "1d"),
        ("1mo", "1M"),
        ("1 h", "1h"),
        ("hour", "1h"),
        ("M", "1M"),
    ],
)
def test_a_wrong_interval_names_the_one_that_is_meant(wrong, meant):
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        as_interval(wrong)


@pytest.mark.parametrize("wrong", ["1x", "", None, 60, ["1h"]])
def test_what_is_no_interval_is_told_all_sixteen(wrong):
    with pytest.raises(ValueError) as refused:
        as_interval(wrong)
    assert (
        str(refused.value) == f"interval is {wrong!r}, must be one of "
        "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M"
    )


@pytest.mark.parametrize(
    "text", ["2024-01-31", "2024-01-31 12:00", "2024-01-31 12:00:05", "2024-01-31 12:00:00.007"]
)
def test_a_time_is_written_down_to_its_last_part(text):
    assert iso(epoch_ms(text, NOW)) == text
