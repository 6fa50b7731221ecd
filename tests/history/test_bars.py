import json
import warnings

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.enums import INTERVALS
from bwsresearch.errors import BadSymbol
from bwsresearch.protocol.methods import Klines
from bwsresearch.times import next_open, open_time

from .lab import DAY, HOUR, MINUTE, NOW, Exchange, Watched, bars, recorded, without

START = 1_704_067_200_000  # 2024-01-01
COLUMNS = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
]


def one_by_one(client, symbol, interval, start_ms, end_ms):
    """The bars of a range from plain requests, each after the last bar of the one before."""
    rows = []
    while True:
        request = Klines(symbol, interval, start_time=start_ms, end_time=end_ms - 1, limit=373)
        found = json.loads(client.raw(request))
        rows += found
        if len(found) < 373:
            return rows
        start_ms = found[-1][0] + 1


def framed(rows):
    """Native rows as a frame, number by number with Python's own float."""
    times = pd.to_datetime([row[0] for row in rows], unit="ms", utc=True).as_unit("us")
    closes = pd.to_datetime([row[6] for row in rows], unit="ms", utc=True).as_unit("us")
    data = {
        name: closes if name == "close_time" else [row[i] for row in rows]
        for i, name in enumerate(COLUMNS, start=1)
    }
    for name in set(COLUMNS) - {"close_time", "trades"}:
        data[name] = np.array([float(text) for text in data[name]], np.float64)
    data["trades"] = np.array(data["trades"], np.int64)
    return pd.DataFrame(data, index=pd.DatetimeIndex(times, name="open_time"))


def assert_same(frame, expected):
    pd.testing.assert_frame_equal(frame, expected, check_exact=True, check_freq=False)


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_comes_as_single_requests_give_it(exchange, interval):
    end = NOW - 5 * HOUR + 123
    step = next_open(interval, 0) - open_time(interval, 0)
    start = max(end - 2700 * step, START - 2300 * DAY) + 77
    frame = bws.klines("BTCUSDT", interval, start=start, end=end, client=exchange.client)
    rows = one_by_one(exchange.client, "BTCUSDT", interval, start, end)
    rows = [row for row in rows if row[6] < NOW]
    assert len(rows) > 70
    assert_same(frame, framed(rows))
    again = bws.klines("BTCUSDT", interval, start=start, end=end, client=exchange.client)
    assert again.attrs["source"] == "cache"
    assert_same(again, frame)


def test_start_is_inclusive_and_end_exclusive(exchange):
    def opens(start, end):
        frame = bws.klines("BTCUSDT", "1h", start=start, end=end, client=exchange.client)
        return [f"{stamp:%H:%M}" for stamp in frame.index]

    assert opens("2024-01-01T01:00", "2024-01-01T03:00") == ["01:00", "02:00"]
    assert opens("2024-01-01T00:59:59.999", "2024-01-01T03:00:00.001") == [
        "01:00",
        "02:00",
        "03:00",
    ]


def test_every_way_to_say_a_range_means_the_same(exchange):
    def span(**words):
        frame = bws.klines("BTCUSDT", "1h", client=exchange.client, **words)
        return frame.index[0], frame.index[-1], len(frame)

    expected = span(start="2024-01-01", end="2024-01-31")
    assert expected[2] == 720
    assert span(start=START, end=START + 30 * DAY) == expected
    assert span(start=pd.Timestamp("2024-01-01", tz="UTC"), end="2024-01-31T00:00Z") == expected
    assert span(period="30d", end="2024-01-31") == expected


def test_a_period_ends_now(exchange):
    frame = bws.klines("BTCUSDT", "1h", period="2h", client=exchange.client)
    assert [f"{stamp:%H:%M}" for stamp in frame.index] == ["11:00"]
    assert frame.attrs["start"] == frame.attrs["end"] - 2 * HOUR
    assert 0 <= frame.attrs["end"] - NOW < 60_000


def test_without_a_range_the_newest_thousand_closed_bars_come(exchange):
    frame = bws.klines("BTCUSDT", "1m", client=exchange.client)
    assert len(frame) == 1000
    assert f"{frame.index[-1]:%H:%M}" == "12:33"
    running = bws.klines("BTCUSDT", "1m", closed=False, client=exchange.client)
    assert len(running) == 1000
    assert f"{running.index[-1]:%H:%M}" == "12:34"
    before = bws.klines("BTCUSDT", "1M", end="2020-01-15", client=exchange.client)
    assert f"{before.index[-1]:%Y-%m-%d}" == "2020-01-01"


def test_a_list_of_symbols_stands_side_by_side(exchange):
    both = bws.klines(
        ["ETHUSDT", "btcusdt"], "1h", start=START, end=START + DAY, client=exchange.client
    )
    assert both.columns.names == ["field", "symbol"]
    assert list(both["close"].columns) == ["ETHUSDT", "BTCUSDT"]
    for symbol in ("ETHUSDT", "BTCUSDT"):
        flat = bws.klines(symbol, "1h", start=START, end=START + DAY, client=exchange.client)
        side = both.xs(symbol, axis=1, level="symbol").rename_axis(columns=None)
        assert_same(side, flat)
    assert both.attrs["symbol"] == ["ETHUSDT", "BTCUSDT"]
    assert both.attrs["gaps"] == []
    alone = bws.klines(["BTCUSDT"], "1h", start=START, end=START + DAY, client=exchange.client)
    assert alone.columns.nlevels == 2


def test_a_symbol_may_be_written_in_lower_case(exchange):
    frame = bws.klines("btcusdt", "1h", start=START, end=START + DAY, client=exchange.client)
    assert frame.attrs["symbol"] == "BTCUSDT"
    assert {page["symbol"] for page in exchange.pages()} == {"BTCUSDT"}


def test_the_frame_tells_all_of_its_origin(exchange):
    def attrs(cache=True):
        span = {"start": START, "end": START + DAY}
        return bws.klines("BTCUSDT", "1h", cache=cache, client=exchange.client, **span).attrs

    expected = {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "server": exchange.gateway.market.identity,
        "start": START,
        "end": START + DAY,
        "source": "network",
        "gaps": [],
    }
    assert attrs() == expected
    assert json.loads(json.dumps(expected)) == expected
    assert attrs() == expected | {"source": "cache"}
    assert attrs("refresh") == expected
    assert attrs(cache=False) == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:10", "2024-01-01T00:20"),
        ("2010-01-01", "2012-01-01"),
        ("2030-01-01", "2030-02-01"),
    ],
)
@pytest.mark.parametrize("cache", [True, False])
def test_an_empty_range_is_an_empty_frame_of_the_same_dtypes(exchange, start, end, cache):
    full = bws.klines("BTCUSDT", "1h", start=START, end=START + DAY, client=exchange.client)
    frame = bws.klines("BTCUSDT", "1h", start=start, end=end, client=exchange.client, cache=cache)
    assert_same(frame, full.iloc[:0])
    assert frame.attrs.keys() == full.attrs.keys()


def test_an_empty_range_is_empty_for_several_symbols_too(exchange):
    frame = bws.klines(["BTCUSDT", "ETHUSDT"], "1h", start=START, end=START, client=exchange.client)
    assert frame.shape == (0, 20)
    assert frame["close"].dtypes.tolist() == [np.dtype(np.float64)] * 2


def test_the_running_bar_is_left_out_and_never_kept(exchange):
    ends = {"start": NOW - DAY, "end": NOW + DAY}
    closed = bws.klines("BTCUSDT", "1h", client=exchange.client, **ends)
    assert f"{closed.index[-1]:%H:%M}" == "11:00"
    running = bws.klines("BTCUSDT", "1h", closed=False, client=exchange.client, **ends)
    assert f"{running.index[-1]:%H:%M}" == "12:00"
    assert running.attrs["source"] == "mixed"
    assert running["trades"].iloc[-1] > 0
    assert_same(running.iloc[:-1], closed)
    exchange.clock.now_ms += HOUR
    exchange.client = exchange.new_client()
    later = bws.klines("BTCUSDT", "1h", client=exchange.client, **ends)
    assert_same(later.iloc[:-1], closed)
    assert later["volume"].iloc[-1] > running["volume"].iloc[-1]


def test_the_running_bar_comes_only_where_it_lies_in_the_range(exchange):
    def last(**span):
        frame = bws.klines("BTCUSDT", "1h", closed=False, client=exchange.client, **span)
        return [f"{stamp:%H:%M}" for stamp in frame.index]

    assert last(start=NOW - MINUTE) == []
    assert last(start=NOW - HOUR, end="2024-06-15T12:00") == []
    assert last(start=NOW - HOUR, end="2024-06-15T12:00:00.001") == ["12:00"]
    past = bws.klines(
        "BTCUSDT", "1h", start=START, end=START + DAY, closed=False, client=exchange.client
    )
    assert past.attrs["source"] == "network"
    alone = bws.klines("BTCUSDT", "1h", closed=False, cache=False, client=exchange.client)
    assert alone.attrs["source"] == "network"


def test_a_bar_that_closes_during_the_pull_is_not_half_kept(exchange):
    exchange.clock.now_ms = open_time("1m", NOW) + MINUTE - 1
    start = open_time("1m", NOW) - 1500 * MINUTE

    def turn(_):
        exchange.clock.now_ms += 30_000

    exchange.nth(1, turn)
    first = bws.klines("BTCUSDT", "1m", start=start, client=exchange.client)
    assert f"{first.index[-1]:%H:%M}" == "12:33"
    exchange.gateway.interfere = None
    exchange.clock.now_ms += MINUTE
    second = bws.klines("BTCUSDT", "1m", start=start, client=exchange.new_client())
    assert f"{second.index[-1]:%H:%M}" == "12:35"
    rows = one_by_one(exchange.client, "BTCUSDT", "1m", start, open_time("1m", NOW) + 2 * MINUTE)
    assert_same(second, framed(rows))


def test_a_range_up_to_now_grows_by_what_has_closed_since(exchange):
    pull = {"start": "2024-06-15", "client": exchange.client}
    first = bws.klines("BTCUSDT", "1m", **pull)
    assert len(first) == 12 * 60 + 34
    assert exchange.asked == {"time": 1, "klines": 1}
    assert len(bws.klines("BTCUSDT", "1m", **pull)) == len(first)
    assert exchange.asked == {}
    exchange.clock.now_ms += 3 * MINUTE
    later = bws.klines("BTCUSDT", "1m", start="2024-06-15", client=exchange.new_client())
    (page,) = exchange.pages()
    assert int(page["startTime"]) == open_time("1m", NOW)
    assert len(later) == len(first) + 3
    assert later.attrs["source"] == "mixed"


def test_gaps_are_reported_and_not_asked_for_again():
    holes = [*range(100, 103), 2500, *range(4000, 4321)]
    whole = bars(6000, START)
    exchange = recorded(BTCUSDT={"1m": without(whole, *holes)})
    expected = [
        [START + first * MINUTE, START + after * MINUTE]
        for first, after in ((100, 103), (2500, 2501), (4000, 4321))
    ]
    span = {"start": START, "end": START + 6000 * MINUTE}
    for requests, source in ((7, "network"), (0, "cache")):
        frame = bws.klines("BTCUSDT", "1m", client=exchange.client, **span)
        assert frame.attrs["gaps"] == expected
        assert frame.attrs["source"] == source
        assert len(frame) == 6000 - len(holes)
        assert exchange.asked.get("klines", 0) == requests
    middle = bws.klines(
        "BTCUSDT", "1m", start=START + 101 * MINUTE, end=START + 2501 * MINUTE,
        client=exchange.client,
    )  # fmt: skip
    assert middle.attrs["gaps"] == [
        [START + 101 * MINUTE, START + 103 * MINUTE],
        [START + 2500 * MINUTE, START + 2501 * MINUTE],
    ]
    assert exchange.asked == {}


def test_a_bar_that_is_late_is_asked_for_again_until_it_comes():
    whole = bars(60, START)
    late = recorded(BTCUSDT={"1m": without(whole, 58, 59)})
    late.clock.now_ms = START + 60 * MINUTE + 20_000
    frame = bws.klines("BTCUSDT", "1m", start=START, client=late.client)
    assert (len(frame), frame.attrs["gaps"]) == (58, [])
    there = recorded(BTCUSDT={"1m": whole})
    there.clock.now_ms = late.clock.now_ms
    there.gateway.market.identity = late.gateway.market.identity
    frame = bws.klines("BTCUSDT", "1m", start=START, client=there.client)
    assert len(frame) == 60
    assert [int(page["startTime"]) for page in there.pages()] == [START + 58 * MINUTE]


def test_a_bar_that_does_not_come_in_ten_minutes_is_a_gap():
    exchange = recorded(BTCUSDT={"1m": without(bars(60, START), 58, 59)})
    exchange.clock.now_ms = START + 71 * MINUTE
    span = {"start": START, "end": START + 60 * MINUTE, "client": exchange.client}
    for requests in (1, 0):
        frame = bws.klines("BTCUSDT", "1m", **span)
        assert frame.attrs["gaps"] == [[START + 58 * MINUTE, START + 60 * MINUTE]]
        assert exchange.asked.get("klines", 0) == requests


def test_a_gap_among_the_newest_pages_is_reported():
    second = 1_000
    exchange = recorded(BTCUSDT={"1s": without(bars(1500, START, second), 1200)})
    exchange.clock.now_ms = START + 1520 * second
    frame = bws.klines("BTCUSDT", "1s", start=START, end=START + 1500 * second,
                       client=exchange.client)  # fmt: skip
    assert frame.attrs["gaps"] == [[START + 1200 * second, START + 1201 * second]]


def test_a_bar_is_kept_only_some_seconds_after_its_close():
    exchange = recorded(BTCUSDT={"1m": bars(60, START)})
    exchange.clock.now_ms = START + 50 * MINUTE + 5_000
    assert len(bws.klines("BTCUSDT", "1m", start=START, client=exchange.client)) == 50
    assert len(exchange.pages()) == 1
    assert len(bws.klines("BTCUSDT", "1m", start=START, client=exchange.client)) == 50
    assert [int(page["startTime"]) for page in exchange.pages()] == [START + 49 * MINUTE]


def test_the_cache_is_used_left_alone_or_overwritten_as_asked(exchange):
    span = {"start": START, "end": START + 90 * DAY, "client": exchange.client}
    bws.klines("BTCUSDT", "1h", cache=False, **span)
    assert exchange.asked == {"time": 1, "klines": 3}
    assert len(bws.cache.info()) == 0
    bws.klines("BTCUSDT", "1h", **span)
    assert exchange.asked == {"klines": 3}
    bws.klines("BTCUSDT", "1h", **span)
    assert exchange.asked == {}
    bws.klines("BTCUSDT", "1h", cache=False, **span)
    assert exchange.asked == {"klines": 3}
    bws.klines("BTCUSDT", "1h", cache="refresh", **span)
    assert exchange.asked == {"klines": 3}


def test_refresh_overwrites_what_was_kept():
    wrong, right = bars(60, START, seed=1), bars(60, START, seed=2)
    before, after = recorded(BTCUSDT={"1m": wrong}), recorded(BTCUSDT={"1m": right})
    after.gateway.market.identity = before.gateway.market.identity
    span = {"start": START, "end": START + HOUR}
    bws.klines("BTCUSDT", "1m", client=before.client, **span)
    for mode in ("refresh", True):
        frame = bws.klines("BTCUSDT", "1m", client=after.client, cache=mode, **span)
        assert frame["close"].tolist() == right["close"].tolist()


def test_only_what_is_missing_is_fetched(exchange):
    middle = {"start": START + 1000 * HOUR, "end": START + 2000 * HOUR}
    bws.klines("BTCUSDT", "1h", client=exchange.client, **middle)
    assert len(exchange.pages()) == 1
    whole = {"start": START, "end": START + 2500 * HOUR}
    frame = bws.klines("BTCUSDT", "1h", client=exchange.client, **whole)
    asked = [(int(page["startTime"]), int(page["endTime"])) for page in exchange.pages()]
    assert sorted(asked) == [
        (START, START + 1000 * HOUR - 1),
        (START + 2000 * HOUR, START + 2500 * HOUR - 1),
    ]
    assert frame.attrs["source"] == "mixed"
    assert_same(frame, framed(one_by_one(exchange.client, "BTCUSDT", "1h", *whole.values())))


def test_rows_of_two_servers_never_mix(exchange):
    other = recorded(BTCUSDT={"1h": bars(48, START, HOUR)})
    span = {"start": START, "end": START + DAY}
    ours = bws.klines("BTCUSDT", "1h", client=exchange.client, **span)
    theirs = bws.klines("BTCUSDT", "1h", client=other.client, **span)
    assert other.asked["klines"] == 1
    assert theirs["close"].tolist() != ours["close"].tolist()
    assert theirs.attrs["server"] != ours.attrs["server"]


def test_a_range_before_the_listing_takes_one_question(exchange):
    span = {"start": "2017-07-01", "end": "2020-08-01", "client": exchange.client}
    for requests in (1, 0):
        frame = bws.klines("SOLUSDT", "1m", **span)
        assert len(frame) == 0
        assert len(exchange.pages()) == requests
    assert frame.attrs["gaps"] == [[frame.attrs["start"], frame.attrs["end"]]]


def test_a_range_that_begins_before_the_listing_is_asked_for_from_it(exchange):
    listed = 18_485 * DAY
    span = {"start": "2017-07-01", "end": listed + 2 * DAY, "client": exchange.client}
    frame = bws.klines("SOLUSDT", "1m", **span)
    pages = exchange.pages()
    assert [page["limit"] for page in pages] == ["1", "1000", "1000", "1000"]
    assert min(int(page["startTime"]) for page in pages[1:]) == listed
    assert len(frame) == 2 * 1440
    assert frame.attrs["gaps"] == [[frame.attrs["start"], listed]]
    bws.klines("SOLUSDT", "1m", **span)
    assert exchange.pages() == []


def test_max_is_all_that_there_is_without_a_gap_before_it(exchange):
    frame = bws.klines("SOLUSDT", "1d", period="max", client=exchange.client)
    assert frame.attrs["gaps"] == []
    assert f"{frame.index[0]:%Y-%m-%d}" == "2020-08-11"
    assert f"{frame.index[-1]:%Y-%m-%d}" == "2024-06-14"


def test_no_question_where_history_begins_when_older_bars_are_known(exchange):
    bws.klines("BTCUSDT", "1h", start=START, end=START + DAY, client=exchange.client)
    exchange.gateway.calls.clear()
    bws.klines("BTCUSDT", "1h", start=START, end=START + 4000 * HOUR, client=exchange.client)
    assert [page["limit"] for page in exchange.pages()] == ["1000"] * 4


def test_a_listing_is_not_settled_before_its_first_bars_can_be_late():
    exchange = recorded(BTCUSDT={"1m": bars(60, START)})
    exchange.clock.now_ms = START  # nothing has closed yet
    early = {"start": START - 5000 * MINUTE, "end": START, "client": exchange.client}
    assert len(bws.klines("BTCUSDT", "1m", **early)) == 0
    exchange.gateway.calls.clear()
    bws.klines("BTCUSDT", "1m", **early)
    assert [int(page["startTime"]) for page in exchange.pages()] == [START - 10 * MINUTE]


def test_a_bar_that_is_implied_says_so():
    exchange = recorded(BTCUSDT={"1h": bars(48, START, HOUR)})
    span = {"start": START, "end": START + DAY, "client": exchange.client}
    assert "implied" not in bws.klines("BTCUSDT", "1h", **span).attrs
    assert "implied" not in bws.klines("BTCUSDT", "4h", **span).attrs
    assert bws.klines("BTCUSDT", "15m", **span).attrs["implied"] is True


def test_the_numbers_may_be_written_to(exchange):
    frame = bws.klines("BTCUSDT", "1h", start=START, end=START + DAY, client=exchange.client)
    cached = bws.klines("BTCUSDT", "1h", start=START, end=START + DAY, client=exchange.client)
    for one in (frame, cached):
        one.loc[one.index[0], "close"] = 1.0
        one["close_time"] = one["close_time"] + pd.Timedelta("1s")
        assert one["close"].iloc[0] == 1.0


def test_an_unknown_symbol_is_an_error_that_names_it(exchange):
    with pytest.raises(BadSymbol, match=r"Invalid symbol\..*-1121.*NOSUCH was asked for"):
        bws.klines(["BTCUSDT", "nosuch"], "1h", period="1d", client=exchange.client)
    assert len(bws.cache.info()) <= 1


SPAN = {"start": START, "end": START + DAY}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("BTC/USDT", "1h"), SPAN, "'BTC/USDT'.*did you mean 'BTCUSDT'"),
        (("btc usdt", "1h"), SPAN, "'btc usdt'.*did you mean 'BTCUSDT'"),
        (("", "1h"), SPAN, "symbol is ''"),
        (([], "1h"), SPAN, "symbols is empty"),
        ((["BTCUSDT", "btcusdt"], "1h"), SPAN, "BTCUSDT is named twice"),
        (("BTCUSDT", "1hr"), SPAN, "'1hr'.*1s 1m.*did you mean '1h'"),
        (("BTCUSDT", "1H"), SPAN, "'1H'.*did you mean '1h'"),
        (("BTCUSDT", "1h"), SPAN | {"in_flight": 0}, "in_flight is 0, must be 1 to 100"),
        (("BTCUSDT", "1h"), SPAN | {"in_flight": "16"}, "in_flight is '16'"),
        (("BTCUSDT", "1h"), SPAN | {"in_flight": 101}, "in_flight is 101"),
        (("BTCUSDT", "1h"), SPAN | {"cache": "yes"}, "cache is 'yes', must be True, False or"),
        (("BTCUSDT", "1h"), SPAN | {"timeout": 0}, "timeout is 0, must be seconds above 0"),
        (("BTCUSDT", "1h"), SPAN | {"timeout": "5"}, "timeout is '5'"),
        (("BTCUSDT", "1h"), {"start": START, "end": START - 1}, "is after end"),
        (("BTCUSDT", "1h"), {"start": "2024-01-01", "period": "7d"}, "'2024-01-01'.*'7d'"),
        (("BTCUSDT", "1h"), {"period": "7 days"}, "'7 days', must be like"),
        (("BTCUSDT", "1h"), {"start": "yesterday"}, "start is 'yesterday', not a time"),
        (("BTCUSDT", "1h"), {"start": START, "end": "soon"}, "end is 'soon', not a time"),
        (("BTCUSDT", "1h"), {"start": 1_704_067_200}, "1704067200.*seconds × 1000"),
        (("BTCUSDT", "1h"), {"start": 1_704_067_200.5}, "1704067200.5.*seconds × 1000"),
        (("BTCUSDT", "1h"), {"start": START * 1000}, "microseconds ÷ 1000"),
        (("BTCUSDT", "1h"), {"start": pd.NaT}, "start is NaT, not a time"),
    ],
)
def test_what_cannot_be_meant_is_a_line_that_says_what_can(exchange, arguments, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        bws.klines(*arguments, client=exchange.client, **options)
    assert "\n" not in str(caught.value)
    assert exchange.gateway.calls == []


def test_what_is_of_a_wrong_type_is_a_line_that_says_what_can(exchange):
    with pytest.raises(TypeError, match="symbols is 7, must be text"):
        bws.klines(7, "1h", client=exchange.client)
    with pytest.raises(TypeError, match="symbol is 7, must be one text"):
        bws.klines(["BTCUSDT", 7], "1h", client=exchange.client)
    with pytest.raises(TypeError, match=r"client is 'local', must be what bws\.connect"):
        bws.klines("BTCUSDT", "1h", client="local")
    with pytest.raises(TypeError, match="unexpected keyword argument 'limit'"):
        bws.klines("BTCUSDT", "1h", limit=5, client=exchange.client)


def test_a_start_after_the_servers_time_is_named(exchange):
    with pytest.raises(ValueError, match=r"start 2030-01-01 is after the server's time 2024-06-15"):
        bws.klines("BTCUSDT", "1h", start="2030-01-01", client=exchange.client)


def test_a_cache_that_cannot_be_used_costs_a_warning_and_no_row(exchange, cache_dir):
    span = {"start": START, "end": START + DAY, "client": exchange.client}
    cache_dir.write_text("a file where a folder should be")
    with pytest.warns(RuntimeWarning, match=f"{cache_dir}.*the rows are returned, not kept"):
        frame = bws.klines("BTCUSDT", "1h", **span)
    assert len(frame) == 24
    assert frame.attrs["source"] == "network"


def test_a_cache_that_cannot_be_written_costs_a_warning_and_no_row(exchange, cache_dir):
    span = {"start": START, "end": START + DAY, "client": exchange.client}
    cache_dir.mkdir()
    (cache_dir / ".locks").write_text("a file where a folder should be")
    with pytest.warns(RuntimeWarning, match="cannot be written.*BWS_CACHE_DIR.*not kept"):
        frame = bws.klines("BTCUSDT", "1h", **span)
    assert len(frame) == 24
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (cache_dir / ".locks").unlink()
        assert len(bws.klines("BTCUSDT", "1h", **span)) == 24
    assert len(bws.cache.info()) == 1


def test_a_damaged_file_is_fetched_again(exchange):
    span = {"start": START, "end": START + DAY, "client": exchange.client}
    before = bws.klines("BTCUSDT", "1h", **span)
    (file,) = bws.cache.path().rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:500])
    with pytest.warns(bws.cache.DamagedFileWarning, match="fetched again"):
        after = bws.klines("BTCUSDT", "1h", **span)
    assert_same(after, before)
    assert after.attrs["source"] == "network"


def test_the_default_client_is_used_when_none_is_named(exchange):
    bws.connect(exchange.client.aio.endpoint)
    frame = bws.klines("BTCUSDT", "1h", start=START, end=START + DAY)
    assert frame.attrs["server"] == exchange.gateway.market.identity


def test_two_markets_of_one_seed_share_a_cache(synthetic):
    first, second = Exchange(Watched(synthetic)), Exchange(Watched(type(synthetic)(seed=7)))
    for one, source in ((first, "network"), (second, "cache")):
        frame = bws.klines("BTCUSDT", "1h", start=START, end=START + DAY, client=one.client)
        assert frame.attrs["source"] == source
