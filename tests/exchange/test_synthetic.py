import json
import random
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.market import Ids, Window
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.times import DAY_MS, next_open, open_time, open_times

from .served import (
    MOST,
    aggregates_between,
    bars,
    between,
    made_of_aggregates,
    made_of_bars,
    made_of_trades,
    trades_between,
    units,
)

MARKET = SyntheticMarket()
SYMBOLS = list(MARKET.symbols)
NOW = 1_780_000_000_123  # 2026-05-28, within a running bar of every interval
FIRST_DAY, LAST_LISTING = 1_502_928_000_000, 1_597_104_000_000
HOUR = 3_600_000
SHIFTS = (
    0,
    5 * HOUR + 30 * 60_000,
    -12 * HOUR,
    14 * HOUR,
    5 * HOUR + 45 * 60_000,
    -(HOUR + 30 * 60_000),
)
LINKS = [
    ("1s", "1m"), ("1s", "3m"), ("1m", "3m"), ("1m", "5m"), ("5m", "15m"), ("15m", "30m"), ("30m", "1h"),
    ("1h", "2h"), ("2h", "4h"), ("2h", "6h"), ("4h", "8h"), ("6h", "12h"), ("12h", "1d"),
    ("1d", "3d"), ("1d", "1w"), ("1d", "1M"), ("1m", "1d"),
]  # fmt: skip


def day(text):
    return int(np.datetime64(text, "ms").astype(np.int64))


def whole_windows(seed, count, intervals, shifts=(0,), longest=3):
    """Return random windows from a bar's edge to another's: symbol, interval, shift, start, end."""
    rng = random.Random(seed)
    for _ in range(count):
        interval, shift = rng.choice(intervals), rng.choice(shifts)
        at = rng.randrange(LAST_LISTING + 40 * DAY_MS, NOW - 100 * DAY_MS)
        start = open_time(interval, at + shift) - shift
        end = next_open(interval, start + shift, rng.randint(1, longest)) - shift
        yield rng.choice(SYMBOLS), interval, shift, start, end


# ---- the same for everybody


def answers(market, symbol, at):
    """Return some of every kind of answer."""
    return [
        market.klines(symbol, "1m", Window(None, None, 7), at),
        market.klines(symbol, "1s", Window(at - 9_000, None, 5), at),
        market.klines(symbol, "1w", Window(None, None, 3), at, 5 * HOUR),
        repr(market.trades(symbol, Ids(None, 3), at)),
        repr(market.agg_trades(symbol, Window(at - 60_000, at, 4), at)),
        repr(market.depth(symbol, 5, at)),
        repr(market.summary(symbol, at - DAY_MS, at + 1)),
    ]


def questions(seed, count):
    rng = random.Random(seed)
    return [(rng.choice(SYMBOLS), rng.randrange(LAST_LISTING, NOW)) for _ in range(count)]


def test_answers_do_not_depend_on_the_order_of_questions():
    asked = questions(1, 12)
    in_order, backwards = SyntheticMarket(5), SyntheticMarket(5)
    one = [answers(in_order, *question) for question in asked]
    other = [answers(backwards, *question) for question in reversed(asked)]
    assert one == other[::-1]
    assert one == [answers(SyntheticMarket(5), *question) for question in asked]


def test_answers_are_the_same_in_another_process():
    asked = questions(2, 3)
    code = (
        "import sys, json, random\n"
        "from bwsresearch.exchange.synthetic import SyntheticMarket\n"
        "from bwsresearch.exchange.market import Window\n"
        f"m = SyntheticMarket(9)\n"
        f"print(json.dumps([m.klines(s, '1m', Window(None, None, 3), t).decode() for s, t in {asked}]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    market = SyntheticMarket(9)
    here = [market.klines(s, "1m", Window(None, None, 3), t).decode() for s, t in asked]
    assert json.loads(out.stdout) == here


def test_what_a_seed_means_does_not_change_unnoticed():
    # A change of these numbers is a change of everybody's market: raise _VERSION with it.
    assert SyntheticMarket(1).identity == "local-3da183f9a1f3"
    assert between(MARKET, "BTCUSDT", "1m", day("2024-02-29"), day("2024-02-29T00:01"), NOW) == [
        [1709164800000, "39720.91000000", "39736.82000000", "39681.00000000", "39707.32000000",
         "17.22001000", 1709164859999, "683754.96589520", 97, "8.71828000", "346176.85048670", "0"]
    ]  # fmt: skip


def test_seeds_and_symbols_differ():
    assert SyntheticMarket(1).identity != SyntheticMarket(2).identity
    rows = [
        market.klines(symbol, "1h", Window(None, None, 2), NOW)
        for market in (MARKET, SyntheticMarket(2))
        for symbol in SYMBOLS
    ]
    assert len(set(rows)) == 10


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_month_since_the_listing_can_be_asked_first(symbol):
    months = bars(MARKET, symbol, "1M", Window(None, None, MOST), NOW)
    rng = random.Random(symbol)
    for row in rng.sample(months[1:-1], 6):
        (bar,) = bars(SyntheticMarket(), symbol, "1M", Window(row[0], None, 1), NOW)
        assert bar == row
        (minute,) = bars(SyntheticMarket(), symbol, "1m", Window(row[0], None, 1), NOW)
        assert minute[:2] == row[:2]


# ---- what prices and quantities are like


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("month", ["2020-09", "2021-05", "2022-11", "2024-02", "2025-07"])
def test_volatility_comes_in_clusters_and_tails_are_fat(symbol, month):
    start = day(f"{month}-01")
    close = [
        float(row[4]) for row in between(MARKET, symbol, "1m", start, start + 30 * DAY_MS, NOW)
    ]
    assert len(close) == 43_200
    returns = np.diff(np.log(close))
    returns -= returns.mean()
    assert (returns**4).mean() / returns.var() ** 2 - 3 >= 2
    size = np.abs(returns) - np.abs(returns).mean()
    assert (size[60:] * size[:-60]).mean() / size.var() >= 0.1
    # A walk: what was tells little of what comes, or every strategy would earn on it.
    assert abs((returns[1:] * returns[:-1]).mean() / returns.var()) < 0.1


def test_symbols_move_together_over_years():
    closes = [
        [
            float(row[4])
            for row in between(MARKET, s, "1d", LAST_LISTING + DAY_MS, NOW - DAY_MS, NOW)
        ]
        for s in SYMBOLS
    ]
    together = np.corrcoef(np.diff(np.log(closes), axis=1))
    assert together.min() > 0.2
    assert together[~np.eye(5, dtype=bool)].max() < 0.8


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_lie_on_ticks_and_quantities_on_steps(symbol):
    info = MARKET.symbols[symbol]
    tick, step = int(info.tick_size * 10**8), int(info.step_size * 10**8)
    at = random.Random(symbol).randrange(LAST_LISTING, NOW)
    for row in between(MARKET, symbol, "1m", at, at + HOUR, NOW):
        assert all(units(row[i]) % tick == 0 for i in (1, 2, 3, 4))
        assert all(units(row[i]) % step == 0 for i in (5, 9))
    for _, price, qty, quote, _, _ in trades_between(MARKET, symbol, at, at + 300_000, NOW):
        assert (price % tick, qty % step) == (0, 0)
        assert price > 0
        assert qty > 0
        assert quote == price * qty // 10**8
    book = MARKET.depth(symbol, 100, at)
    assert all(p % tick == 0 and q % step == 0 and q > 0 for p, q in book.bids + book.asks)


# ---- bars of bars, bars of trades


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_has_gapless_bars_with_high_above_low(interval):
    rows = bars(MARKET, "ETHUSDT", interval, Window(None, None, 40), NOW)
    opens = np.array([row[0] for row in rows])
    assert len(rows) == 40
    assert open_times(interval, opens).tolist() == opens.tolist()
    assert [row[6] + 1 for row in rows] == [next_open(interval, int(at)) for at in opens]
    assert [row[6] + 1 for row in rows[:-1]] == opens[1:].tolist()
    assert opens[-1] <= NOW
    assert rows[-1][6] >= NOW or interval == "1s"  # a second without trades shows when it is over
    for row in rows:
        o, h, low, c, volume, taker = (units(row[i]) for i in (1, 2, 3, 4, 5, 9))
        assert low <= min(o, c) <= max(o, c) <= h
        assert 0 <= taker <= volume


def test_weeks_open_on_monday_and_three_days_where_the_history_does():
    assert (
        np.datetime64(bars(MARKET, "BTCUSDT", "1w", Window(None, None, 1), NOW)[0][0], "ms")
        .astype("M8[D]")
        .astype(int)
        % 7
        == 4
    )  # 1970-01-01 was a Thursday
    assert bars(MARKET, "BTCUSDT", "3d", Window(None, None, 1), NOW)[0][0] // DAY_MS % 3 == 1


@pytest.mark.parametrize(("finer", "coarser"), LINKS)
def test_a_longer_bar_is_exactly_the_sum_of_shorter_ones(finer, coarser):
    for symbol, _, _, start, end in whole_windows(coarser, 4, [coarser]):
        served = between(MARKET, symbol, coarser, start, end, NOW)
        parts = between(MARKET, symbol, finer, start, end, NOW)
        assert served == made_of_bars(parts, coarser)


@pytest.mark.parametrize("shift", SHIFTS[1:])
def test_time_zones_shift_the_edges_of_bars(shift):
    finer = "15m" if not shift % 900_000 else "1m"
    for coarser in ("30m", "1h", "4h", "12h", "1d", "3d", "1w", "1M"):
        for symbol, _, _, start, end in whole_windows(
            f"{shift}{coarser}", 1, [coarser], [shift], 2
        ):
            parts = between(MARKET, symbol, finer, start, end, NOW)
            assert between(MARKET, symbol, coarser, start, end, NOW, shift) == made_of_bars(
                parts, coarser, shift
            )


def test_bars_made_of_trades_and_of_aggregates_are_the_served_ones_in_50_windows():
    intervals = ["1s", "1m", "3m", "5m", "15m", "30m"]
    for symbol, interval, shift, start, end in whole_windows(7, 50, intervals, SHIFTS):
        served = between(MARKET, symbol, interval, start, end, NOW, shift)
        trades = trades_between(MARKET, symbol, start, end, NOW)
        aggregates = aggregates_between(MARKET, symbol, start, end, NOW)
        busy = [row for row in served if row[8]]
        assert len(busy) == len(served) or interval == "1s"
        assert busy == made_of_trades(trades, interval, shift)
        assert busy == made_of_aggregates(aggregates, interval, shift)


def test_an_hour_and_a_running_day_are_made_of_their_trades_too():
    now = day("2023-03-05T02:34:56.789")
    start = day("2023-03-05")
    trades = trades_between(MARKET, "SOLUSDT", start, now + 1, now)
    assert trades[-1][4] <= now
    for interval in ("1h", "1d"):
        assert between(MARKET, "SOLUSDT", interval, start, now + 1, now) == made_of_trades(
            trades, interval
        )


def test_a_second_without_trades_lies_flat_at_the_price_before_it():
    start = day("2022-05-05T12:00")
    rows = between(MARKET, "BNBUSDT", "1s", start, start + 600_000, NOW)
    quiet = [(before, row) for before, row in pairwise(rows) if not row[8]]
    assert len(quiet) > 100
    for before, row in quiet:
        assert row[1:6] == [before[4]] * 4 + ["0.00000000"]
        assert row[7:] == ["0.00000000", 0, "0.00000000", "0.00000000", "0"]


# ---- ids


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_ids_are_gapless_from_the_first_trade_on(symbol):
    first = MARKET.trades(symbol, Ids(0, 5), NOW)
    assert first.id.tolist() == [0, 1, 2, 3, 4]
    assert (
        open_time("1d", int(first.time[0]))
        == bars(MARKET, symbol, "1d", Window(0, 0 + NOW, 1), NOW)[0][0]
    )
    start = random.Random(symbol).randrange(LAST_LISTING, NOW - DAY_MS)
    start = open_time("1h", start)
    trades = trades_between(MARKET, symbol, start, start + HOUR, NOW)
    aggregates = aggregates_between(MARKET, symbol, start, start + HOUR, NOW)
    ids = [row[0] for row in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert [row[4] for row in trades] == sorted(row[4] for row in trades)
    keys = [row[0] for row in aggregates]
    assert keys == list(range(keys[0], keys[0] + len(keys)))
    spans = [(row[3], row[4]) for row in aggregates]
    assert spans[0][0] == ids[0]
    assert all(one[1] + 1 == other[0] for one, other in pairwise(spans))
    assert spans[-1][1] == ids[-1]


def test_an_aggregate_is_the_run_of_its_trades():
    start = day("2021-07-07T07:07")
    trades = {row[0]: row for row in trades_between(MARKET, "ETHUSDT", start, start + 300_000, NOW)}
    for _, price, qty, first, last, time, maker in aggregates_between(
        MARKET, "ETHUSDT", start, start + 300_000, NOW
    ):
        part = [trades[i] for i in range(first, last + 1)]
        assert {row[1] for row in part} == {price}
        assert {row[4] for row in part} == {time}
        assert {row[5] for row in part} == {maker}
        assert sum(row[2] for row in part) == qty


# ---- all views agree, and none sees the future


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_views_of_one_moment_agree(symbol):
    for now in random.Random(symbol).sample(range(LAST_LISTING + 2 * DAY_MS, NOW), 4):
        last = MARKET.trades(symbol, Ids(None, 1), now)
        price, last_id = int(last.price[0]), int(last.id[0])
        assert int(last.time[0]) <= now
        for interval in ("1m", "15m", "1h", "1d", "1M"):
            row = bars(MARKET, symbol, interval, Window(None, None, 1), now)[-1]
            assert units(row[4]) == price
            assert units(row[3]) <= price <= units(row[2])
        newest = MARKET.agg_trades(symbol, Window(None, None, 1), now)
        assert (int(newest.last_id[0]), int(newest.price[0])) == (last_id, price)
        book = MARKET.depth(symbol, 5, now)
        assert book.bids[0][0] < book.asks[0][0]
        assert price in (book.bids[0][0], book.asks[0][0])
        assert (price == book.bids[0][0]) == bool(last.is_buyer_maker[0])
        assert [p for p, _ in book.bids] == sorted((p for p, _ in book.bids), reverse=True)
        assert [p for p, _ in book.asks] == sorted(p for p, _ in book.asks)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_summary_is_that_of_the_trades(symbol):
    end = random.Random(symbol).randrange(LAST_LISTING + DAY_MS, NOW)
    start = end - 301_234
    trades = trades_between(MARKET, symbol, start, end, NOW)
    found = MARKET.summary(symbol, start, end)
    prices = [row[1] for row in trades]
    before = MARKET.trades(symbol, Ids(trades[0][0] - 1, 1), NOW)
    assert (found.open, found.high, found.low, found.last) == (
        prices[0], max(prices), min(prices), prices[-1],
    )  # fmt: skip
    assert (found.first_id, found.last_id, found.count) == (
        trades[0][0], trades[-1][0], len(trades),
    )  # fmt: skip
    assert found.volume == sum(row[2] for row in trades)
    assert found.quote_volume == sum(row[3] for row in trades)
    assert (found.last_qty, found.last_time) == (trades[-1][2], trades[-1][4])
    assert found.previous_close == int(before.price[0])


def test_a_day_is_summed_as_its_bars_are():
    now = day("2024-04-04T04:04:04.444")
    found = MARKET.summary("XRPUSDT", now - DAY_MS, now + 1)
    edge = open_time("1m", now - DAY_MS) + 60_000
    (row,) = made_of_bars(between(MARKET, "XRPUSDT", "1m", edge, now + 1, now), "1w")
    head = trades_between(MARKET, "XRPUSDT", now - DAY_MS, edge, now)
    assert found.count == row[8] + len(head)
    assert found.volume == units(row[5]) + sum(trade[2] for trade in head)
    assert found.quote_volume == units(row[7]) + sum(trade[3] for trade in head)
    assert found.high == max(units(row[2]), *(trade[1] for trade in head))


@pytest.mark.parametrize("later", [1, 999, 61_000, 3 * HOUR, 90 * DAY_MS, 800 * DAY_MS])
def test_what_was_said_of_the_past_is_said_later_too(later):
    rng = random.Random(later)
    for _ in range(3):
        symbol, now = (
            rng.choice(SYMBOLS),
            rng.randrange(LAST_LISTING + 3 * DAY_MS, NOW - 800 * DAY_MS),
        )
        for interval, shift in (("1s", 0), ("1m", 0), ("5m", 0), ("1h", 30 * 60_000), ("1d", 0)):
            rows = bars(MARKET, symbol, interval, Window(None, None, 3), now, shift)
            closed = [row for row in rows if row[6] < now]
            again = between(MARKET, symbol, interval, rows[0][0], now + 1, now + later, shift)
            assert again[: len(closed)] == closed
            assert all(row[0] <= now for row in rows)
        trades = MARKET.trades(symbol, Ids(None, 50), now)
        again = MARKET.trades(symbol, Ids(int(trades.id[0]), 50), now + later)
        assert repr(again) == repr(trades)
        assert MARKET.trades(symbol, Ids(int(trades.id[-1]) + 1, 1), now).id.tolist() == []


def test_nothing_is_seen_before_its_millisecond():
    now = day("2022-02-02T02:02:02")
    (trade, *_) = trades_between(MARKET, "BTCUSDT", now, now + 60_000, now + 60_000)
    number, time = trade[0], trade[4]
    assert MARKET.trades("BTCUSDT", Ids(number, 1), time - 1).id.tolist() == []
    assert MARKET.trades("BTCUSDT", Ids(number, 1), time).id.tolist() == [number]
    running = [
        bars(MARKET, "BTCUSDT", "1m", Window(None, None, 1), at)[0][8] for at in (time - 1, time)
    ]
    assert running[0] < running[1]


def test_a_running_bar_grows_to_the_closed_one():
    start = day("2023-10-10T10:10")
    counts = []
    for at in range(start + 1_000, start + 60_000, 7_000):
        (row,) = bars(MARKET, "XRPUSDT", "1m", Window(start, None, 1), at)
        assert row == made_of_trades(trades_between(MARKET, "XRPUSDT", start, at + 1, at), "1m")[0]
        counts.append(row[8])
    assert counts == sorted(counts)
    (closed,) = bars(MARKET, "XRPUSDT", "1m", Window(start, start, 1), start + 60_000)
    assert closed[8] >= counts[-1]


# ---- the edges of the market, and odd questions


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_before_its_listing_a_symbol_is_empty(symbol):
    first = int(MARKET.trades(symbol, Ids(0, 1), NOW).time[0])
    listing = open_time("1d", first)
    for now in (0, listing - 1, listing):
        assert [len(bars(MARKET, symbol, i, Window(None, None, 9), now)) for i in INTERVALS] == [
            0
        ] * 16
        assert len(MARKET.trades(symbol, Ids(None, 9), now)) == 0
        assert len(MARKET.agg_trades(symbol, Window(None, None, 9), now)) == 0
        assert MARKET.depth(symbol, 9, now).bids == ()
        assert MARKET.summary(symbol, now - DAY_MS, now + 1).count == 0
    for interval in INTERVALS:
        assert bars(MARKET, symbol, interval, Window(None, listing - 40 * DAY_MS, 9), NOW) == []
        (row,) = bars(MARKET, symbol, interval, Window(0, None, 1), NOW)
        assert row[0] <= listing <= row[6]
        assert row[1] == bars(MARKET, symbol, "1m", Window(0, None, 1), NOW)[0][1]
    assert SYMBOLS[0] == "BTCUSDT"
    assert listing >= FIRST_DAY


def brute(every, window):
    """Return what a window shows of all bars: the plain meaning of its three numbers."""
    inside = [
        row
        for row in every
        if (window.start_ms is None or row[0] >= window.start_ms)
        and (window.end_ms is None or row[0] <= window.end_ms)
    ]
    return inside[-window.limit :] if window.start_ms is None else inside[: window.limit]


@pytest.mark.parametrize("shift", [0, -12 * HOUR, 14 * HOUR, 5 * HOUR + 30 * 60_000])
@pytest.mark.parametrize("interval", ["8h", "1d", "3d", "1w", "1M"])
def test_windows_mean_what_they_say(interval, shift):
    now = day("2019-01-07T11:11:11")
    every = bars(MARKET, "BNBUSDT", interval, Window(0, None, MOST), now, shift)
    assert len(every) > 10
    rng = random.Random(f"{interval}{shift}")
    ends = [
        None,
        0,
        1,
        every[0][0],
        every[0][0] - 1,
        every[3][0],
        every[3][6],
        every[-1][0],
        now,
        9 * 10**15,
    ]
    for _ in range(60):
        start, end = (rng.choice([*ends, rng.randrange(every[0][0], now)]) for _ in range(2))
        window = Window(start, end, rng.choice([1, 2, 5, 1000]))
        assert bars(MARKET, "BNBUSDT", interval, window, now, shift) == brute(every, window)


def test_pages_of_minutes_are_the_pages_of_one_long_answer():
    start, end = day("2021-03-03T03:03:30"), day("2021-03-03T15:00")
    every = between(MARKET, "XRPUSDT", "1m", start, end, NOW)
    assert every[0][0] == day("2021-03-03T03:04")
    for limit in (1, 7, 100):
        at, paged = start, []
        while rows := bars(MARKET, "XRPUSDT", "1m", Window(at, every[limit * 5][0], limit), NOW):
            assert len(rows) <= limit
            paged += rows
            at = rows[-1][0] + 1
        assert paged == every[: limit * 5 + 1]


def test_ids_out_of_the_world_are_empty_and_huge_limits_are_whole():
    for number in (2**62, 2**63 - 1, int(MARKET.trades("BTCUSDT", Ids(None, 1), NOW).id[0]) + 1):
        assert len(MARKET.trades("BTCUSDT", Ids(number, 1000), NOW)) == 0
        assert len(MARKET.agg_trades("BTCUSDT", Ids(number, 1000), NOW)) == 0
    newest = MARKET.trades("BTCUSDT", Ids(None, 1000), NOW)
    assert len(newest) == 1000
    (one,) = MARKET.trades("BTCUSDT", Ids(None, 1), NOW).id.tolist()
    assert one == newest.id[-1]


def test_the_newest_aggregates_up_to_a_time_end_there():
    end = day("2020-12-24T18:00:00.500")
    found = MARKET.agg_trades("ETHUSDT", Window(None, end, 20), NOW)
    every = aggregates_between(MARKET, "ETHUSDT", end - 600_000, end + 1, NOW)
    assert found.id.tolist() == [row[0] for row in every[-20:]]
    within = MARKET.agg_trades("ETHUSDT", Window(every[3][5], every[3][5], 20), NOW)
    assert within.id.tolist() == [row[0] for row in every if row[5] == every[3][5]]


# ---- the book


def test_a_book_with_fewer_levels_is_the_top_of_one_with_more():
    whole = MARKET.depth("ETHUSDT", 5000, NOW)
    assert (len(whole.bids), len(whole.asks)) == (5000, 5000)
    for limit in (1, 7, 100):
        part = MARKET.depth("ETHUSDT", limit, NOW)
        assert (part.bids, part.asks) == (whole.bids[:limit], whole.asks[:limit])
        assert part.last_update_id == whole.last_update_id


def test_the_update_id_ascends_with_every_change_of_the_book():
    books = [MARKET.depth("BTCUSDT", 20, NOW + at) for at in range(0, 3_000, 13)]
    changes = [one != other for one, other in pairwise(books)]
    assert sum(changes) > 20
    for one, other in pairwise(books):
        same = (one.bids, one.asks) == (other.bids, other.asks)
        assert one.last_update_id < other.last_update_id or (
            same and one.last_update_id == other.last_update_id
        )
