"""Recorded data of the exchange through import, a served market, a socket, the client and the cache.

What is expected is read from the files here, by Python's own json, csv and float.
"""

import csv
import gzip
import json
import math

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch import server
from bwsresearch.client.sync import Client
from bwsresearch.exchange.faults import Fault, FaultPlan
from bwsresearch.history.retries import Retries, choose
from bwsresearch.local import recorded_market
from bwsresearch.store import Cache, archives
from bwsresearch.tables import KLINES

from .history.lab import HOUR, Clock, Watched

QUARTER = 900_000
NOW = 1_790_000_000_000  # 2026-09-21: after all that was recorded
AMOUNTS = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "taker_buy_volume",
    "taker_buy_quote_volume",
]
KLINE = [*AMOUNTS[:5], "close_time", "quote_volume", "trades", *AMOUNTS[6:]]


def api_rows(path):
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def stamps(times_ms, name):
    index = pd.DatetimeIndex(np.array(times_ms, "M8[ms]").astype("M8[us]"), name=name)
    return index.tz_localize("UTC")


def bars_of(rows):
    """Native rows as a frame: every amount is `float` of its text."""
    data = {}
    for i, name in enumerate(KLINE, start=1):
        values = [row[i] for row in rows]
        data[name] = [float(text) for text in values] if name in AMOUNTS else values
    data["close_time"] = stamps(data["close_time"], None)
    return pd.DataFrame(data, index=stamps([row[0] for row in rows], "open_time"))


def assert_same(frame, expected):
    pd.testing.assert_frame_equal(frame, expected, check_exact=True, check_freq=False)


def assert_sums(frame, expected):
    """Prices, counts and times are the same, volumes to the last digit that a sum can have."""
    volumes = AMOUNTS[4:]
    assert_same(frame.drop(columns=volumes), expected.drop(columns=volumes))
    for name in volumes:
        np.testing.assert_allclose(frame[name], expected[name], rtol=1e-15, atol=0)


def aggregated(bars, freq):
    """Bars in longer ones, by pandas."""
    rules = dict.fromkeys(KLINE, "last") | {"open": "first", "high": "max", "low": "min"}
    rules |= dict.fromkeys(AMOUNTS[4:], "sum") | {"trades": "sum"}
    return bars.groupby(bars.index.floor(freq)).agg(rules)[KLINE].rename_axis("open_time")


@pytest.fixture(scope="module")
def imported(real_data, tmp_path_factory):
    """Import files into a cache of their own, and return its root."""

    def work(*paths):
        root = tmp_path_factory.mktemp("imported")
        files = [real_data / path for path in paths]
        archives.import_archives(Cache(root, "production"), files, now_ms=NOW)
        return root

    return work


@pytest.fixture(scope="module")
def quarters(real_data):
    return api_rows(real_data / "klines/api/BTCUSDT/15m.jsonl.gz")


@pytest.fixture(scope="module")
def hours(real_data):
    return api_rows(real_data / "klines/api/BTCUSDT/1h.jsonl.gz")


@pytest.fixture(scope="module")
def served(imported):
    """The 15m bars as a market on a socket, and its gateway."""
    gateway = Watched(recorded_market(imported("klines/api/BTCUSDT/15m.jsonl.gz")))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        yield gateway, client


def test_served_bars_come_back_as_the_file_has_them(served, quarters, cache_dir):
    gateway, client = served
    assert len(quarters) == 116_556
    start, end = quarters[0][0], quarters[-1][0] + QUARTER
    expected = bars_of(quarters)
    frame = bws.klines("BTCUSDT", "15m", start=start, end=end, client=client)
    assert_same(frame, expected)
    (gap,) = frame.attrs["gaps"]
    assert gap[1] - gap[0] == 5 * QUARTER
    assert pd.Timestamp(gap[0], unit="ms").date().isoformat() == "2023-03-24"
    assert frame.attrs["source"] == "network"
    gateway.calls.clear()
    again = bws.klines("BTCUSDT", "15m", start=start, end=end, client=client)
    assert gateway.calls == []
    assert_same(again, expected)
    assert again.attrs == frame.attrs | {"source": "cache"}
    assert bws.cache.path() == cache_dir
    assert bws.cache.verify()["what"].tolist() == ["gap"]


FAULTS = tuple(
    Fault(kind, chance=0.03, method="klines", seconds=0.005)
    for kind in (
        *("drop_unread", "drop", "drop_after", "refuse", "shutdown", "delay", "fin", "slow_write"),
        *("noise", "other_json", "cut_json", "cut_frame", "other_result", "other_rows", "disorder"),
        *("limit", "failure", "skew"),
    )
)


@pytest.mark.parametrize(("interval", "step"), [("15m", QUARTER), ("1h", HOUR)])
def test_bars_pulled_through_faults_are_those_of_the_file(interval, step, imported, request):
    rows = request.getfixturevalue({"15m": "quarters", "1h": "hours"}[interval])
    gateway = Watched(recorded_market(imported(f"klines/api/BTCUSDT/{interval}.jsonl.gz")))
    plan = FaultPlan(FAULTS, seed=2)
    with (
        server.hosted(gateway, clock=Clock(NOW), faults=plan) as running,
        Client(running.url) as client,
    ):
        # Something goes wrong with two of five requests, and none must be given up.
        choose(client.aio, Retries(pauses=(0.0,) * 100))
        span = {"start": rows[0][0], "end": rows[-1][0] + step, "client": client}
        frame = bws.klines("BTCUSDT", interval, **span)
        assert_same(frame, bars_of(rows))
        asked = plan.requests
        assert_same(bws.klines("BTCUSDT", interval, **span), frame)
    assert plan.requests == asked
    assert len(plan.done) > 10
    assert len(plan.counts) > 6


def test_hours_are_the_sums_of_the_served_quarters(served, quarters, hours):
    _, client = served
    start, end = quarters[0][0], quarters[-1][0] // HOUR * HOUR  # the last hour is incomplete
    real = bars_of([row for row in hours if start <= row[0] < end])
    assert len(real) > 29_000
    quarterly = bws.klines("BTCUSDT", "15m", start=start, end=end, client=client)
    # Where quarters are missing, the hour ends later than the last of them.
    assert_sums(
        aggregated(quarterly, "1h").drop(columns="close_time"), real.drop(columns="close_time")
    )
    hourly = bws.klines("BTCUSDT", "1h", start=start, end=end + 2 * HOUR, client=client)
    assert_sums(hourly, real)
    assert "implied" not in hourly.attrs


def test_days_are_the_sums_of_the_hours(hours, real_data, imported):
    gateway = Watched(recorded_market(imported("klines/api/BTCUSDT/1h.jsonl.gz")))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        frame = bws.klines("BTCUSDT", "1h", period="max", client=client)
        assert_same(frame, bars_of(hours))
        gaps = [(after - first) // HOUR for first, after in frame.attrs["gaps"]]
        last = gaps.pop()  # from the last hour of the file to now
        assert (len(gaps), sum(gaps)) == (27, 122)
        assert last == (NOW // HOUR * HOUR - hours[-1][0]) // HOUR - 1
        daily = bws.klines("BTCUSDT", "1d", period="max", client=client)
    real = api_rows(real_data / "klines/api/BTCUSDT/1d.jsonl.gz")
    expected = bars_of(real).loc[daily.index]
    assert len(daily) > 3000
    assert_sums(daily, expected)


@pytest.mark.parametrize("interval", ["1d", "3d", "1w", "1M"])
def test_calendar_bars_open_where_the_exchange_opened_them(real_data, imported, interval):
    path = f"klines/api/BTCUSDT/{interval}.jsonl.gz"
    rows = api_rows(real_data / path)
    gateway = Watched(recorded_market(imported(path)))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        end = rows[-1][6] + 1
        frame = bws.klines("BTCUSDT", interval, period="max", end=end, client=client)
    assert_same(frame, bars_of(rows))
    assert frame.attrs["gaps"] == []


def test_two_symbols_of_different_age_stand_side_by_side(real_data, imported):
    paths = [f"klines/api/{symbol}/1d.jsonl.gz" for symbol in ("BTCUSDT", "ETHUSDT")]
    gateway = Watched(recorded_market(imported(*paths)))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        wide = bws.klines(["ETHUSDT", "BTCUSDT"], "1d", period="max", client=client)
    for symbol, path in zip(("BTCUSDT", "ETHUSDT"), paths, strict=True):
        expected = bars_of(api_rows(real_data / path))
        own = wide.xs(symbol, axis=1, level="symbol").rename_axis(columns=None)
        assert_same(own.loc[expected.index].astype({"trades": np.int64}), expected)
        assert own.drop(expected.index).isna().all(axis=None)


@pytest.mark.parametrize("month", ["2024-12", "2025-01"])
def test_monthly_archives_hold_the_rows_of_the_api(imported, hours, month):
    root = imported(f"klines/vision/BTCUSDT-1h-{month}.csv")
    start = int(np.datetime64(month, "ms").astype(np.int64))
    end = int((np.datetime64(month, "M") + 1).astype("M8[ms]").astype(np.int64))
    expected = bars_of([row for row in hours if start <= row[0] < end])
    columns, covered = Cache(root, "production").read(KLINES, "BTCUSDT", "1h", start, end)
    assert covered == ((start, end),)
    gateway = Watched(recorded_market(root))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        frame = bws.klines("BTCUSDT", "1h", start=start, end=end, client=client)
    assert len(frame) == len(columns["open_time"]) > 700
    assert_same(frame, expected)


TRADES = "trades/BTCUSDT-trades-2024-08-08_09.csv.gz"


def trades_of(path):
    """The file's trades, every amount `float` of its text."""
    with gzip.open(path, "rt", newline="") as lines:
        rows = list(csv.reader(lines))
    return pd.DataFrame(
        {
            "id": [int(row[0]) for row in rows],
            "price": [float(row[1]) for row in rows],
            "qty": [float(row[2]) for row in rows],
            "quote_qty": [float(row[3]) for row in rows],
            "is_buyer_maker": [{"True": True, "False": False}[row[5]] for row in rows],
        },
        index=stamps([int(row[4]) for row in rows], "time"),
    )


def test_served_trades_come_back_as_the_file_has_them(real_data, imported):
    expected = trades_of(real_data / TRADES)
    start, end = (int(expected.index[i].timestamp() * 1000) for i in (0, -1))
    gateway = Watched(recorded_market(imported(TRADES)))
    with server.hosted(gateway, clock=Clock(NOW)) as running, Client(running.url) as client:
        span = {"start": start, "end": end + 1, "client": client}
        frame = bws.trades("BTCUSDT", **span)
        assert_same(frame, expected)
        assert frame.attrs["gaps"] == []
        aggregates = bws.agg_trades("BTCUSDT", **span)
        minutes = bws.klines("BTCUSDT", "1m", **span)
        gateway.calls.clear()
        assert_same(bws.trades("BTCUSDT", **span), expected)
        assert_same(bws.agg_trades("BTCUSDT", **span), aggregates)
        assert gateway.calls == []
    assert_aggregates(aggregates, expected)
    assert_minutes(minutes, expected)


def assert_aggregates(aggregates, trades):
    """Trades in a row of one time, price and side are one aggregate."""
    table = trades.reset_index()
    keys = table[["time", "price", "is_buyer_maker"]]
    group = (keys != keys.shift()).any(axis=1).cumsum().to_numpy()
    grouped = table.groupby(group)
    assert len(aggregates) == grouped.ngroups < len(trades)
    for name in ("price", "is_buyer_maker"):
        assert aggregates[name].tolist() == grouped[name].first().tolist()
    assert aggregates["first_id"].tolist() == grouped["id"].first().tolist()
    assert aggregates["last_id"].tolist() == grouped["id"].last().tolist()
    assert (aggregates.index == pd.DatetimeIndex(grouped["time"].first())).all()
    assert aggregates["id"].is_monotonic_increasing
    assert (aggregates["id"].diff().dropna() == 1).all()
    np.testing.assert_allclose(aggregates["qty"], grouped["qty"].agg(math.fsum), rtol=1e-15)


def assert_minutes(minutes, trades):
    grouped = trades.groupby(trades.index.floor("1min"))
    inner = slice(1, None) if minutes.index[0] > grouped["price"].first().index[0] else slice(None)
    assert minutes["open"].tolist() == grouped["price"].first().tolist()[inner]
    assert minutes["high"].tolist() == grouped["price"].max().tolist()[inner]
    assert minutes["low"].tolist() == grouped["price"].min().tolist()[inner]
    assert minutes["close"].tolist() == grouped["price"].last().tolist()[inner]
    assert minutes["trades"].tolist() == grouped.size().tolist()[inner]
    sums = grouped[["qty", "quote_qty"]].agg(math.fsum)[inner]
    np.testing.assert_allclose(minutes["volume"], sums["qty"], rtol=1e-15)
    np.testing.assert_allclose(minutes["quote_volume"], sums["quote_qty"], rtol=1e-15)
