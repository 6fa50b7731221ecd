import csv
import gzip
import json
import random
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.cells import Grid
from bwsresearch.exchange.listing import listed
from bwsresearch.exchange.market import Ids, Window
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.rows import decimal
from bwsresearch.times import STEP_MS, next_open, open_time

from .recordings import START, columns_of, floats, random_trades, trade_columns
from .served import (
    MOST,
    aggregates_between,
    bars,
    between,
    made_of_bars,
    made_of_trades,
    trades_between,
    units,
)

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LATER = START + 400 * DAY
S = "BTCUSDT"
# tick, step (units), price in ticks, mean lots: what a lot at a tick is worth is 10 units, a tenth, a
# hundredth and one unit; the last has volumes that 64 bits do not hold in units.
GRIDS = {
    "BTCUSDT": (1_000_000, 1_000, 4_000_000, 3_000),
    "ETHBTC": (1_000, 10_000, 5_000, 3_000),
    "TINYBTC": (1, 1_000_000, 5_000, 3_000),
    "SHIBUSDT": (1, 100_000_000, 1_200, 3 * 10**7),
}


def made(seed=1, minutes=240, each=80, grid="BTCUSDT"):
    tick, step, price, lots = GRIDS[grid]
    return random_trades(seed, minutes, tick=tick, step=step, price=price, each=each, lots=lots)


def market_of(rows, interval="15m", symbol=S):
    return RecordedMarket({symbol: Recording({interval: columns_of(rows)})})


@pytest.fixture(scope="module")
def trades():
    return made()


@pytest.fixture(scope="module")
def quarters(trades):
    return made_of_trades(trades, "15m")


# ---- bars as they were


def test_recorded_bars_are_served_as_they_are_with_their_gaps(quarters):
    kept = quarters[:4] + quarters[6:]
    market = market_of(kept)
    assert market.recorded == {S: ("15m",)}
    assert between(market, S, "15m", START, LATER, LATER) == kept
    assert bars(market, S, "15m", Window(quarters[4][0], None, 2), LATER) == kept[4:6]
    assert bars(market, S, "15m", Window(None, quarters[5][0], 2), LATER) == kept[2:4]


@pytest.mark.parametrize("interval", ["30m", "1h", "2h", "4h", "1d"])
def test_longer_bars_are_the_sums_of_recorded_ones(quarters, interval):
    served = between(market_of(quarters), S, interval, START - DAY, LATER, LATER)
    whole = [r for r in made_of_bars(quarters, interval) if r[6] < START + 4 * HOUR]
    assert served == whole
    assert len(served) == (4 * HOUR) // STEP_MS[interval]


def test_a_longer_bar_with_a_missing_part_is_the_sum_of_the_others(quarters):
    kept = quarters[:5] + quarters[6:]
    assert between(market_of(kept), S, "1h", START, LATER, LATER) == made_of_bars(kept, "1h")


def test_bars_of_a_time_zone_are_sums_too(quarters):
    shift = 30 * MINUTE
    rows = between(market_of(quarters), S, "1h", START, LATER, LATER, shift)
    inside = [
        r for r in made_of_bars(quarters, "1h", shift) if r[0] >= START and r[6] < START + 4 * HOUR
    ]
    assert rows == inside
    assert len(rows) == 3


def test_a_halted_bar_keeps_its_close_time(quarters):
    rows = [list(row) for row in quarters[:4]]
    rows[3][6] -= 123_456
    market = market_of(rows)
    assert between(market, S, "15m", START, LATER, LATER) == rows
    now = rows[3][6] + 1  # trading has ended, the quarter has not
    assert between(market, S, "15m", START, LATER, now) == rows


def test_only_what_is_closed_is_shown_as_it_was_and_the_running_bar_is_what_happened(quarters):
    market = market_of(quarters)
    now = quarters[5][0] + 7 * MINUTE + 1234
    rows = bars(market, S, "15m", Window(None, None, 4), now)
    assert rows[:3] == quarters[2:5]
    assert (
        rows[3] == made_of_trades(trades_between(market, S, quarters[5][0], now + 1, now), "15m")[0]
    )
    assert 0 < rows[3][8] < quarters[5][8]
    hour = bars(market, S, "1h", Window(None, None, 1), now)
    assert hour == made_of_trades(trades_between(market, S, START + HOUR, now + 1, now), "1h")
    assert bars(market, S, "15m", Window(START, None, 5), now) == quarters[:5]
    assert bars(market, S, "15m", Window(quarters[5][0], None, 5), now) == rows[3:]
    assert bars(market, S, "15m", Window(None, quarters[5][0] - 1, 1), now) == quarters[4:5]


def test_after_the_recording_there_is_no_running_bar(quarters):
    assert bars(market_of(quarters), S, "15m", Window(None, None, 1), LATER) == quarters[-1:]


@pytest.mark.parametrize("shift", [0, 30 * MINUTE])
@pytest.mark.parametrize("interval", ["15m", "30m", "1h"])
def test_windows_mean_what_they_say(quarters, interval, shift):
    market = market_of(quarters[:3] + quarters[7:])
    every = between(market, S, interval, 0, LATER, LATER, shift)
    rng = random.Random(interval)
    for _ in range(40):
        edges = [
            None,
            0,
            every[0][0],
            every[1][0] + 1,
            every[-1][0],
            LATER,
            rng.choice(quarters)[0],
        ]
        start, end = rng.choice(edges), rng.choice(edges)
        window = Window(start, end, rng.choice([1, 3, 1000]))
        inside = [
            r for r in every if r[0] >= (start or 0) and r[0] <= (LATER if end is None else end)
        ]
        inside = inside[-window.limit :] if start is None else inside[: window.limit]
        assert bars(market, S, interval, window, LATER, shift) == inside


# ---- what is implied


@pytest.mark.parametrize("symbol", GRIDS)
def test_implied_bars_and_trades_make_up_the_recorded_bar_exactly(symbol):
    recorded = made_of_trades(made(3, minutes=60, grid=symbol), "15m")
    market = market_of(recorded, symbol=symbol)
    for row in recorded:
        start, end = row[0], row[6] + 1
        for finer in ("1m", "3m", "5m"):
            assert made_of_bars(between(market, symbol, finer, start, end, LATER), "15m") == [row]
        made_up = made_of_trades(trades_between(market, symbol, start, end, LATER), "15m")
        assert floats(made_up) == floats([row])
    minutes = between(market, symbol, "1m", START, START + HOUR, LATER)
    assert len(minutes) == 60
    every = trades_between(market, symbol, START, START + HOUR, LATER)
    assert made_of_trades(every, "1m") == minutes
    assert [row for row in between(market, symbol, "1s", START, START + HOUR, LATER) if row[8]] == (
        made_of_trades(every, "1s")
    )
    aggregates = aggregates_between(market, symbol, START, START + HOUR, LATER)
    assert sum(row[4] - row[3] + 1 for row in aggregates) == len(every)
    assert all(trade[3] == trade[1] * trade[2] // 10**8 for trade in every)


def test_gaps_of_a_recording_are_not_filled_by_implied_bars(quarters):
    market = market_of(quarters[:2] + quarters[5:6])
    for interval in ("1s", "1m", "5m"):
        opens = [row[0] for row in between(market, S, interval, START, LATER, LATER)]
        step = STEP_MS[interval]
        present = [t for row in (*quarters[:2], quarters[5]) for t in range(row[0], row[6], step)]
        assert opens == present
    assert trades_between(market, S, quarters[2][0], quarters[5][0], LATER) == []
    every = trades_between(market, S, START, LATER, LATER)
    assert [row[0] for row in every] == list(range(len(every)))
    page = bars(market, S, "1m", Window(quarters[1][0] + 14 * MINUTE, None, 3), LATER)
    assert [row[0] for row in page] == [
        quarters[1][0] + 14 * MINUTE, quarters[5][0], quarters[5][0] + MINUTE,
    ]  # fmt: skip
    page = bars(market, S, "1m", Window(None, quarters[5][0] + MINUTE, 3), LATER)
    assert page[0][0] == quarters[1][0] + 14 * MINUTE


def test_a_page_across_years_without_bars_is_found_at_once():
    rows = made_of_trades(made(5, minutes=30), "15m")
    far = [list(row) for row in rows]
    for row in far:
        row[0] += 3_000 * DAY
        row[6] += 3_000 * DAY
    market = market_of(rows + far)
    now = START + 4_000 * DAY
    page = bars(market, S, "1s", Window(rows[-1][6] - 999, None, 2), now)
    assert [row[0] for row in page] == [rows[-1][6] - 999, far[0][0]]
    page = bars(market, S, "1s", Window(None, far[0][0], 2), now)
    assert [row[0] for row in page] == [rows[-1][6] - 999, far[0][0]]


def test_quiet_minutes_of_a_busy_bar_lie_at_the_last_price_before_them():
    recorded = made_of_trades(made(8, minutes=300, each=2), "1h")
    market = market_of(recorded, "1h")
    minutes = between(market, S, "1m", START, START + 5 * HOUR, LATER)
    assert made_of_bars(minutes, "1h") == recorded
    quiet = 0
    for before, row in pairwise(minutes):
        if not row[8]:
            quiet += 1
            assert row[1:5] == [before[4]] * 4
    assert quiet > 30
    five = between(market, S, "5m", START, START + 5 * HOUR, LATER)
    assert five == made_of_bars(minutes, "5m")
    first_trades = made_of_trades(trades_between(market, S, START, LATER, LATER), "5m")
    assert [row[1:5] for row in five if row[8]] == [row[1:5] for row in first_trades]


def test_sparse_bars_keep_prices_counts_and_quantity_and_nearly_the_quote():
    recorded = made_of_trades(made(9, minutes=200, each=4), "1m")
    market = market_of(recorded, "1m")
    made_up = made_of_trades(trades_between(market, S, START, LATER, LATER), "1m")
    for one, other in zip(made_up, recorded, strict=True):
        assert [*one[:7], one[8], one[9]] == [*other[:7], other[8], other[9]]
        assert float(one[7]) == pytest.approx(float(other[7]), rel=1e-4)


def test_months_alone_are_refined_to_days_and_below():
    days = made_of_trades(random_trades(
        4, 75 * 1440, tick=10**6, step=1000, price=4_000_000, each=1, lots=9000), "1M")[:2]  # fmt: skip
    market = market_of(days, "1M")
    assert [row[0] for row in days] == [START, START + 31 * DAY]  # January and February 2024
    rows = between(market, S, "1d", START, LATER, LATER)
    assert [row[0] for row in rows] == [START + i * DAY for i in range(60)]
    assert made_of_bars(rows, "1M") == days
    for number in (40, 0, 59):  # found among those of both months, of 31 and of 29 days
        at = START + number * DAY
        assert between(market, S, "1d", at, at + DAY, LATER) == rows[number : number + 1]
    minutes = between(market, S, "1m", START + 40 * DAY, START + 41 * DAY, LATER)
    assert made_of_bars(minutes, "1d") == rows[40:41]
    last = market.trades(S, Ids(None, 1), START + 40 * DAY)
    assert int(last.time[0]) <= START + 40 * DAY


def test_a_turnover_beyond_64_bits_is_served_whole_and_implied_nearly():
    row = [
        START, "60000.00000000", "70000.00000000", "50000.00000000", "65000.00000000",
        "5000000.12345600", START + 7 * DAY - 1, "300000000000.25000000", 90_000_000,
        "2500000.00000100", "150000000000.12500000", "0",
    ]  # fmt: skip
    market = market_of([row], "1w")
    assert between(market, S, "1w", START, LATER, LATER) == [row]
    (week,) = made_of_bars(between(market, S, "1d", START, LATER, LATER), "1w")
    assert week[:5] == row[:5]
    assert week[8] == row[8]
    assert float(week[7]) == pytest.approx(float(row[7]), rel=1e-12)
    assert float(week[5]) == pytest.approx(float(row[5]), rel=1e-12)


def test_implied_trades_depend_on_nothing_but_the_bars(quarters):
    one, other = market_of(quarters), market_of(quarters)
    other.depth(S, 5, START + HOUR)
    other.agg_trades(S, Window(None, None, 10), START + 2 * HOUR)
    asked = [(S, Ids(i, 50), LATER) for i in (0, 700, 3_000)]
    assert [repr(one.trades(*q)) for q in asked] == [repr(other.trades(*q)) for q in asked[::-1]][
        ::-1
    ]
    assert one.identity == other.identity
    changed = [list(row) for row in quarters]
    changed[0][8] += 1
    assert market_of(changed).identity != one.identity


# ---- recorded trades


@pytest.fixture(scope="module")
def tape(trades):
    return RecordedMarket({S: Recording({}, trade_columns(trades))})


def test_recorded_trades_are_served_as_they_are(tape, trades):
    assert tape.recorded == {S: ("trades",)}
    assert trades_between(tape, S, START, LATER, LATER) == trades
    found = tape.trades(S, Ids(None, 3), LATER)
    assert found.id.tolist() == [row[0] for row in trades[-3:]]
    assert len(tape.trades(S, Ids(trades[-1][0] + 1, 5), LATER)) == 0
    assert tape.trades(S, Ids(0, 2), LATER).id.tolist() == [1000, 1001]


@pytest.mark.parametrize("interval", INTERVALS)
def test_recorded_trades_make_every_interval(tape, trades, interval):
    now = START + 100 * MINUTE + 500
    for shift in (0, 5 * HOUR + 30 * MINUTE):
        made_up = made_of_trades([row for row in trades if row[4] <= now], interval, shift)
        assert bars(tape, S, interval, Window(0, None, MOST), now, shift) == made_up
        assert bars(tape, S, interval, Window(None, None, 2), now, shift) == made_up[-2:]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(100, 300))
def test_bars_of_trades_are_those_of_pandas_and_add_up(seed, count):
    dice = random.Random(seed)
    time, rows = START + dice.randrange(DAY), []
    for number in range(count):
        time += dice.choice([0, 1, 400, 9_000, 70_000, 2 * HOUR])
        price, lots = 4_000_000 + dice.randrange(-99, 99), dice.randrange(1, 9_000)
        rows.append((number, price, lots, time, dice.random() < 0.5))
    trades = [(n, p * 1_000_000, q * 1_000, p * q * 10, at, maker) for n, p, q, at, maker in rows]
    market = RecordedMarket({S: Recording({}, trade_columns(trades))})
    frame = pd.DataFrame(rows, columns=["id", "price", "lots", "time", "maker"])
    frame["worth"] = frame["price"] * frame["lots"]
    totals = set()
    for interval, rule in (("1m", "1min"), ("15m", "15min"), ("1h", "1h"), ("1d", "1D")):
        at = pd.to_datetime(frame["time"], unit="ms").dt.floor(rule)
        grouped = frame.groupby(at)
        bought = frame[~frame["maker"]].groupby(at)["lots"].sum().reindex(grouped.size().index)
        served = bars(market, S, interval, Window(0, None, MOST), LATER)
        columns = list(zip(*served, strict=True))
        assert list(columns[0]) == [stamp.value // 10**6 for stamp in grouped.groups]
        for column, name, how in ((1, "price", "first"), (2, "price", "max"), (3, "price", "min"),
                                  (4, "price", "last")):  # fmt: skip
            assert [units(v) // 1_000_000 for v in columns[column]] == grouped[name].agg(
                how
            ).tolist()
        assert [units(v) // 1_000 for v in columns[5]] == grouped["lots"].sum().tolist()
        assert [units(v) // 10 for v in columns[7]] == grouped["worth"].sum().tolist()
        assert list(columns[8]) == grouped.size().tolist()
        assert [units(v) // 1_000 for v in columns[9]] == bought.fillna(0).astype(int).tolist()
        totals.add((sum(map(units, columns[5])), sum(map(units, columns[7])), sum(columns[8])))
    assert len(totals) == 1


def test_a_trade_with_an_earlier_time_than_the_one_before_belongs_to_its_own_bar(trades):
    rows = [list(row) for row in trades[:400]]
    late = next(i for i in range(1, 400) if rows[i][4] // MINUTE > rows[i - 1][4] // MINUTE)
    rows[late + 1][4] = rows[late - 1][4]
    market = RecordedMarket({S: Recording({}, trade_columns([tuple(row) for row in rows]))})
    frame = pd.DataFrame(rows, columns=["id", "price", "qty", "quote", "time", "maker"])
    grouped = frame.groupby(frame["time"] // MINUTE * MINUTE, sort=True)
    served = between(market, S, "1m", START, LATER, LATER)
    assert [row[0] for row in served] == list(grouped.groups)
    assert [row[8] for row in served] == grouped.size().tolist()
    assert [units(row[4]) for row in served] == grouped["price"].last().tolist()


def test_quantities_beyond_64_bits_of_units_are_summed():
    trades = made(6, minutes=60, grid="SHIBUSDT")
    market = RecordedMarket({"SHIBUSDT": Recording({}, trade_columns(trades))})
    (row,) = between(market, "SHIBUSDT", "1h", START, START + HOUR, LATER)
    assert units(row[5]) == sum(trade[2] for trade in trades) > 2**63
    assert market.summary("SHIBUSDT", START, START + HOUR).volume == units(row[5])


def test_bars_come_first_and_trades_fill_in(trades, quarters):
    half = quarters[:8]
    market = RecordedMarket({S: Recording({"15m": columns_of(half)}, trade_columns(trades))})
    assert market.recorded == {S: ("15m", "trades")}
    assert between(market, S, "15m", START, LATER, LATER) == half
    assert between(market, S, "1h", START, LATER, LATER) == made_of_bars(half, "1h")
    assert between(market, S, "1m", START, LATER, LATER) == made_of_trades(trades, "1m")
    assert market.trades(S, Ids(None, 1), LATER).id.tolist() == [trades[-1][0]]


def test_a_summary_and_an_average_are_those_of_the_trades(tape, trades):
    start, end = START + 50 * MINUTE, START + 55 * MINUTE
    part = [row for row in trades if start <= row[4] < end]
    found = tape.summary(S, start, end)
    assert (found.count, found.first_id, found.last_id) == (len(part), part[0][0], part[-1][0])
    assert found.volume == sum(row[2] for row in part)
    assert found.quote_volume == sum(row[3] for row in part)
    assert (found.high, found.low) == (max(r[1] for r in part), min(r[1] for r in part))
    before = next(row for row in reversed(trades) if row[4] < start)
    assert found.previous_close == before[1]
    nothing = tape.summary(S, LATER, LATER + 1)
    assert (nothing.count, nothing.first_id, nothing.last_id) == (0, -1, -1)
    assert (nothing.previous_close, nothing.last_time) == (trades[-1][1], trades[-1][4])
    assert tape.summary(S, 0, START).previous_close == 0


def test_a_book_stands_at_the_last_recorded_trade(tape, trades):
    book = tape.depth(S, 10, LATER)
    assert trades[-1][1] in (book.bids[0][0], book.asks[0][0])
    assert tape.depth(S, 10, START - 1).bids == ()


# ---- symbols


def test_tick_and_step_are_the_finest_of_the_data_or_those_of_the_listing(trades, quarters):
    info = RecordedMarket({S: Recording({}, trade_columns(trades))}).symbols[S]
    assert (str(info.tick_size), str(info.step_size)) == ("0.01000000", "0.00001000")
    assert (info.base_asset, info.quote_asset) == ("BTC", "USDT")
    told = listed(S, "BTC", "USDT", Grid(10_000, 100))
    market = RecordedMarket({S: Recording({"15m": columns_of(quarters)}, info=told)})
    assert market.symbols[S] is told
    assert made_of_bars(between(market, S, "1m", START, LATER, LATER), "15m") == quarters


def test_symbols_stand_in_order_and_nothing_recorded_is_an_error(quarters):
    market = RecordedMarket({s: Recording({"15m": columns_of(quarters)}) for s in ("ZEC", "ADA")})
    assert list(market.symbols) == ["ADA", "ZEC"]
    with pytest.raises(ValueError, match="nothing is recorded; import archives first"):
        RecordedMarket({})


# ---- real data


@pytest.fixture(scope="module")
def files(real_data):
    @cache
    def rows(symbol, interval):
        with gzip.open(real_data / f"klines/api/{symbol}/{interval}.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    return rows


@pytest.mark.parametrize("interval", ["15m", "1h", "3d", "1w", "1M"])
def test_real_bars_are_served_with_every_float_and_every_gap(files, interval):
    rows = files(S, interval)
    columns = columns_of(rows)
    market = RecordedMarket({S: Recording({interval: columns})})
    now = rows[-1][6] + 1
    served = columns_of(between(market, S, interval, 0, now, now))
    assert all(np.array_equal(served[name], columns[name]) for name in columns)
    opens = columns["open_time"] // 1000
    rng = random.Random(interval)
    for _ in range(20):
        start = rng.randrange(rows[0][0], now)
        page = bars(market, S, interval, Window(start, None, 1000), now)
        assert [row[0] for row in page] == opens[opens >= start][:1000].tolist()


@pytest.mark.parametrize(
    ("finer", "coarser"), [("15m", "1h"), ("1h", "1d"), ("1d", "3d"), ("1d", "1w"), ("1d", "1M")]
)
def test_real_longer_bars_are_the_sums_of_real_shorter_ones(files, finer, coarser):
    parts = files(S, finer)[-20_000:]
    wanted = {row[0]: row for row in files(S, coarser)}
    now = parts[-1][6] + 1
    served = between(market_of(parts, finer), S, coarser, 0, now, now)
    both = [(row, wanted[row[0]]) for row in served if row[0] in wanted and wanted[row[0]][6] < now]
    assert len(both) >= len(served) - 1 >= 20
    for row, told in both:
        one, other = floats([row[:11], told[:11]])
        assert [*one[:5], one[6], one[8]] == [*other[:5], other[6], other[8]]
        for i in (5, 7, 9, 10):
            assert abs(one[i] - other[i]) <= 1e-15 * other[i]


@pytest.mark.parametrize(
    ("symbol", "interval"), [(S, "15m"), (S, "1h"), (S, "1d"), ("ETHUSDT", "1h"), (S, "1M")]
)
def test_real_bars_are_refined_to_bars_and_trades_that_make_them_up(files, symbol, interval):
    rows = files(symbol, interval)[-5_000:]
    market = market_of(rows, interval, symbol)
    rng = random.Random(interval)
    for row in rng.sample([row for row in rows if row[8]], 8):
        start, end = row[0], next_open(interval, row[0])
        finer = "1d" if interval == "1M" else "1h" if interval == "1d" else "1m"
        parts = between(market, symbol, finer, start, end, end)
        (whole,) = floats(made_of_bars(parts, interval))
        told = floats([row[:11]])[0]
        assert [*whole[:5], whole[8]] == [*told[:5], told[8]]
        # BTCUSDT's turnover of a month is beyond 64 bits of units, and is implied in coarser steps.
        rel = 1e-9 if interval == "1M" else 0
        assert whole[5] == pytest.approx(told[5], rel=rel, abs=0)
        assert whole[7] == pytest.approx(told[7], rel=rel, abs=0)
        at = rng.randrange(start, end) // MINUTE * MINUTE
        (minute,) = between(market, symbol, "1m", at, at + 1, end)
        trades = trades_between(market, symbol, at, at + MINUTE, end)
        assert made_of_trades(trades, "1m") == [minute]


def test_real_minutes_are_refined_to_trades_that_make_them_up(real_data):
    with gzip.open(real_data / "klines/1m/BTCUSDT-1m-windows.csv.gz", "rt") as lines:
        rows = [row for row in csv.reader(lines) if row[0].isdigit()]
    rows = [
        [int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:11], "0"] for row in rows
    ]
    market = market_of(rows, "1m")
    now = rows[-1][6] + 1
    for row in random.Random(1).sample(rows, 25):
        trades = trades_between(market, S, row[0], row[6] + 1, now)
        assert floats(made_of_trades(trades, "1m")) == floats([row])


def test_real_trades_make_the_bars_that_pandas_makes(real_data):
    path = real_data / "trades/BTCUSDT-trades-2024-08-08_09.csv.gz"
    names = ["id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "best"]
    text = pd.read_csv(path, header=None, names=names, dtype=str)
    recorded = {name: text[name].astype(float).to_numpy() for name in ("price", "qty", "quote_qty")}
    recorded |= {"id": text["id"].astype(np.int64).to_numpy()}
    recorded["time"] = text["time"].astype(np.int64).to_numpy() * 1000
    recorded["is_buyer_maker"] = (text["is_buyer_maker"] == "True").to_numpy()
    market = RecordedMarket({S: Recording({}, recorded)})
    now = int(text["time"].iloc[-1]) + DAY
    frame = pd.DataFrame({
        name: text[name].map(lambda v: units(f"{v}00000000"[: v.index(".") + 9]))
        for name in ("price", "qty", "quote_qty")
    })  # fmt: skip
    frame["bought"] = frame["qty"].where(~recorded["is_buyer_maker"], 0)
    frame["paid"] = frame["quote_qty"].where(~recorded["is_buyer_maker"], 0)
    for interval in ("1s", "1m", "5m", "1h"):
        step = STEP_MS[interval]
        opens = text["time"].astype(np.int64) // step * step
        by = frame.groupby(opens)
        price = by["price"].agg(["first", "max", "min", "last"])
        sums = by[["qty", "quote_qty", "bought", "paid"]].sum()
        expected = [
            [at, *map(decimal, p), decimal(s[0]), at + step - 1, decimal(s[1]), n, decimal(s[2]), decimal(s[3]), "0"]
            for at, p, s, n in zip(
                price.index.tolist(), price.to_numpy().tolist(), sums.to_numpy().tolist(), by.size().tolist(),
                strict=True,
            )
        ]  # fmt: skip
        assert between(market, S, interval, 0, now, now) == expected
    assert open_time("1d", now) > 0
