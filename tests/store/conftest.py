"""Rows to keep, made from a seed, and the cache of one server."""

import os
import shutil

import numpy as np
import pytest

from bwsresearch.store import Cache
from bwsresearch.tables import AGG_TRADES, DEPTH, KLINES, TRADES
from bwsresearch.times import next_open, opens

from .buckets import environment, served

JANUARY = 1_704_067_200_000  # 2024-01-01
TWO_DAYS = (JANUARY + 30 * 86_400_000, JANUARY + 32 * 86_400_000)


@pytest.fixture
def cache(cache_dir):
    return Cache(cache_dir, "production")


@pytest.fixture(scope="session")
def _server():
    with served() as server:
        yield server


@pytest.fixture
def s3(_server, monkeypatch):
    """An S3 server on this machine, which the environment names."""
    _server.calm()
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name, value in environment(_server.url).items():
        monkeypatch.setenv(name, value)
    yield _server
    _server.calm()


@pytest.fixture
def bucket(s3):
    """The name of an empty bucket."""
    return s3.bucket()


@pytest.fixture(scope="session")
def bars():
    """Klines of [start, end) with eight decimals, possible ones."""

    def made(start=JANUARY, end=JANUARY + 3_600_000, interval="1m", seed=1):
        rng = np.random.default_rng(seed)
        at = opens(interval, start, end)
        path = np.round(rng.uniform(20_000, 40_000, (4, len(at))), 8)
        amounts = np.round(rng.exponential(9, (4, len(at))), 8)
        ends = np.array([next_open(interval, int(t)) for t in at], np.int64)
        return {
            "open_time": at * 1000,
            "open": path[0],
            "high": path.max(axis=0),
            "low": path.min(axis=0),
            "close": path[1],
            "volume": amounts[0],
            "close_time": (ends - 1) * 1000,
            "quote_volume": amounts[1],
            "trades": rng.integers(0, 9000, len(at)),
            "taker_buy_volume": amounts[2],
            "taker_buy_quote_volume": amounts[3],
        }

    return made


@pytest.fixture(scope="session")
def ticks():
    """Rows of any kind but klines with ascending ids, `step_ms` apart."""

    def made(schema, count=100, start=JANUARY, step_ms=1000, first=1):
        ids = np.arange(first, first + count)
        columns = {
            "time": (start + np.arange(count) * step_ms) * 1000,
            "id": ids,
            "price": np.round(np.random.default_rng(2).uniform(1, 2, count), 8),
            "qty": np.full(count, 0.1),
            "first_id": ids * 2,
            "last_id": ids * 2 + 1,
            "quote_qty": np.full(count, 0.15),
            "is_buyer_maker": ids % 3 == 0,
            "first_update_id": ids // 4 * 3 + 1,  # a change of the book is several levels
            "last_update_id": ids // 4 * 3 + 3,
            "is_bid": ids % 4 > 1,
            "update_id": ids * 7,
            "bid_price": np.full(count, 1.25),
            "bid_qty": np.full(count, 3.0),
            "ask_price": np.full(count, 1.26),
            "ask_qty": np.full(count, 4.0),
            "local_ns": (start + np.arange(count)) * 10**6 + 17,
            "is_ask": np.arange(count) % 2 > 0,
            "level": ids,
            "request_time": (start + np.arange(count) * step_ms + 3) * 1000,
            "reply_time": (start + np.arange(count) * step_ms + 70) * 1000,
        }
        if schema is DEPTH:
            columns["price"] = 1.0 + (ids % 4) / 100
        return {name: columns[name] for name in schema.dtypes}

    return made


@pytest.fixture(scope="session")
def same():
    """Assert that columns are equal bit by bit."""

    def compare(found, wanted):
        assert list(found) == list(wanted)
        for name, values in found.items():
            assert values.dtype == wanted[name].dtype
            assert values.tobytes() == wanted[name].tobytes(), name

    return compare


@pytest.fixture(scope="session")
def template(tmp_path_factory, bars, ticks):
    """Klines of two symbols and intervals, trades, and another server's; six series."""
    root = tmp_path_factory.mktemp("template")
    cache, testnet = Cache(root, "production"), Cache(root, "testnet")
    for server, symbol, interval in (
        (cache, "BTCUSDT", "1m"),
        (cache, "BTCUSDT", "1M"),
        (cache, "ETHUSDT", "1m"),
        (testnet, "BTCUSDT", "1m"),
    ):
        server.write(
            KLINES, symbol, interval, bars(*TWO_DAYS, interval), (TWO_DAYS,), source="network"
        )
    for schema in (AGG_TRADES, TRADES):
        cache.write(schema, "BTCUSDT", None, ticks(schema), (), source="network")
    return root


@pytest.fixture
def filled(cache, template):
    """A copy of it, to be changed."""
    shutil.copytree(template, cache.root)
    return cache
