import re

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import bwsresearch as bws
from bwsresearch.store import Cache
from bwsresearch.store.spool import Spool
from bwsresearch.tables import BOOKS, concat, decode_book

from .lab import NOW

HOUR = 3_600_000
START = NOW // HOUR * HOUR + HOUR  # 13:00
SECOND = 1000
DRAW = np.random.default_rng(5)


def book(due_ms, depth=3, update=None, late_ms=3):
    """The rows of one book, with prices of eight decimals."""
    price = 100 + due_ms // SECOND % 7
    sides = {
        side: [
            [f"{price + sign * i / 3:.8f}", f"{DRAW.exponential():.8f}"]
            for i in range(1, depth + 1)
        ]
        for side, sign in (("bids", -1), ("asks", 1))
    }
    text = str({"lastUpdateId": update or due_ms, **sides}).replace("'", '"').encode()
    return decode_book(text, due_ms=due_ms, request_ms=due_ms + late_ms, reply_ms=due_ms + 90)


def keep(dues, step_ms=SECOND, server="production", **options):
    """Put books into the cache; each completes the time to the next."""
    rows = concat(BOOKS, [book(due, **options) for due in dues])
    covered = tuple((due, due + step_ms) for due in dues)
    cache = Cache(bws.cache.path(), server)
    cache.write(BOOKS, "BTCUSDT", None, rows, covered, source="network")
    return rows


def history(**options):
    return bws.depth_history("BTCUSDT", **{"server": "production", **options})


def stamps(frame):
    return [int(stamp.value // 10**6) for stamp in frame.index.unique()]


def test_what_was_kept_is_shown_to_the_last_bit():
    rows = keep(range(START, START + 5 * SECOND, SECOND))
    found = history()
    assert found["price"].to_numpy().tobytes() == rows["price"].tobytes()
    assert found["qty"].to_numpy().tobytes() == rows["qty"].tobytes()
    assert found["level"].tolist() == [1, 2, 3, 1, 2, 3] * 5
    assert found["side"].tolist() == (["bid"] * 3 + ["ask"] * 3) * 5
    assert found.attrs == {
        "symbol": "BTCUSDT",
        "server": "production",
        "start": START,
        "end": START + 5 * SECOND,
        "source": "cache",
        "every": "1s",
        "gaps": [],
    }


def test_nothing_is_asked_of_the_exchange(exchange):
    keep([START], server=exchange.gateway.market.identity)
    found = bws.depth_history("btcusdt", client=exchange.client)
    assert stamps(found) == [START]
    assert found.attrs["every"] is None
    assert exchange.gateway.calls == []


def test_a_range_is_cut_out_across_hours():
    keep(range(START - 5 * SECOND, START + 5 * SECOND, SECOND))
    found = history(start=START - 2 * SECOND, end=START + 3 * SECOND)
    assert stamps(found) == [START + i * SECOND for i in range(-2, 3)]
    assert (found.attrs["start"], found.attrs["end"]) == (START - 2 * SECOND, START + 3 * SECOND)
    assert found.attrs["gaps"] == []
    assert stamps(history(start="2024-06-15T13:00:03")) == [START + 3 * SECOND, START + 4 * SECOND]
    assert len(stamps(history(end="2024-06-15T13:00"))) == 5
    assert len(stamps(history(end="2024-06-15T13:00", period="2s"))) == 2


def test_what_was_not_recorded_is_a_gap():
    keep([START + i * SECOND for i in (0, 1, 2, 5, 6)])
    keep([START + 3 * HOUR])
    gaps = [
        [START + 3 * SECOND, START + 5 * SECOND],
        [START + 7 * SECOND, START + 3 * HOUR],
    ]
    assert history().attrs["gaps"] == gaps
    found = history(start=START - HOUR, end=START + 4 * HOUR)
    ends = [[START - HOUR, START], [START + 3 * HOUR + SECOND, START + 4 * HOUR]]
    assert found.attrs["gaps"] == [ends[0], *gaps, ends[1]]


def test_a_book_that_stands_for_the_next_hour_too_covers_it():
    keep([START - 1000, START + 6000], step_ms=7000)
    assert history().attrs["gaps"] == []
    assert history(start=START).attrs["gaps"] == []
    assert history(start=START + 10_000).attrs["end"] == START + 13_000


def test_an_empty_range_is_an_empty_frame_of_the_same_dtypes():
    keep([START])
    full, none = history(), history(start="2020-01-01", end="2020-01-02")
    assert len(none) == 0
    assert none.dtypes.equals(full.dtypes)
    assert none.index.dtype == full.index.dtype == "datetime64[us, UTC]"
    assert none.attrs["gaps"] == [[1_577_836_800_000, 1_577_923_200_000]]
    other = history(server="testnet")
    assert (len(other), other.attrs["gaps"]) == (0, [])
    wide = history(server="testnet", wide=True)
    assert wide.dtypes.equals(history(wide=True).dtypes)


def test_levels_are_counted_from_the_best_of_each_side():
    keep([START, START + SECOND], depth=30)
    assert history()["level"].max() == 10
    assert len(history(levels=1)) == 4
    assert len(history(levels=None)) == 120
    assert len(history(levels=5000)) == 120
    with pytest.raises(ValueError, match="levels a side, or None"):
        history(levels=0)


def test_columns_are_those_that_are_asked_for():
    rows = keep([START])
    found = history(columns=["last_update_id", "reply_time", "qty"])
    assert list(found.columns) == ["side", "level", "last_update_id", "reply_time", "qty"]
    assert set(found["last_update_id"]) == {START}
    assert set(found["reply_time"]) == {pd.Timestamp(START + 90, unit="ms", tz="UTC")}
    assert found["qty"].tolist() == rows["qty"].tolist()
    assert list(history(columns="price").columns) == ["side", "level", "price"]


@pytest.mark.parametrize("columns", [[], ["size"], ["price", "price"], ["side"]])
def test_columns_that_cannot_be_are_named(columns):
    said = (
        f"columns is {columns!r}, must be some of "
        "price, qty, last_update_id, request_time, reply_time, each once"
    )
    with pytest.raises(ValueError, match=re.escape(said)):
        history(columns=columns)


def test_a_server_is_named_once(exchange):
    with pytest.raises(ValueError, match="server is 'production' beside client"):
        history(client=exchange.client)
    with pytest.raises(ValueError, match="server is '', must name whose books"):
        history(server="")


def test_a_wide_frame_has_the_same_numbers_as_a_long_one():
    keep([START + i * SECOND for i in range(4)], depth=5)
    long, wide = history(levels=2), history(levels=2, wide=True)
    assert wide.shape == (4, 8)
    for (side, level), rows in long.groupby(["side", "level"], observed=True):
        for name in ("price", "qty"):
            pd.testing.assert_series_equal(
                wide[f"{side}_{name}_{level}"], rows[name], check_names=False
            )
    assert history(levels=None, wide=True).shape == (4, 20)
    assert history(levels=9, wide=True)["ask_qty_9"].isna().all()
    assert wide.attrs == long.attrs


def test_of_two_books_of_one_time_the_first_that_was_asked_for_is_shown():
    keep([START, START + SECOND], update=70, late_ms=40, depth=9)
    keep([START], update=90, late_ms=10, depth=2)
    found = history(columns=["last_update_id"])
    assert found.groupby(level=0)["last_update_id"].unique().tolist() == [[90], [70]]
    assert found.groupby(level=0).size().tolist() == [4, 18]


def test_rows_that_are_on_their_way_into_the_cache_are_shown():
    keep([START])
    cache = Cache(bws.cache.path(), "production")
    spools = [Spool(cache), Spool(cache)]
    for spool, due in zip(spools, (START + SECOND, START + 2 * HOUR), strict=True):
        spool.add(BOOKS, "BTCUSDT", book(due), ((due, due + SECOND),))
    assert stamps(history()) == [START, START + SECOND, START + 2 * HOUR]
    assert history().attrs["gaps"] == [[START + 2 * SECOND, START + 2 * HOUR]]
    for spool in spools:
        spool.close()
    assert stamps(history()) == [START, START + SECOND, START + 2 * HOUR]


async def test_the_twin_is_awaitable():
    keep([START])
    found = await bws.aio.depth_history("BTCUSDT", server="production")
    pd.testing.assert_frame_equal(found, history())


def test_books_open_as_they_lie_in_other_readers():
    rows = keep([START - SECOND, START], depth=4)
    place = bws.cache.path() / "v1" / "production" / "books"
    table = pl.scan_parquet(place).sort("time", "is_ask", "level").collect()
    assert table.schema["time"] == pl.Datetime("us", "UTC")
    assert set(table["symbol"]) == {"BTCUSDT"}
    for name in ("price", "qty", "level", "last_update_id"):
        np.testing.assert_array_equal(table[name].to_numpy(), rows[name])
    with duckdb.connect() as session:
        best = session.execute(
            "SELECT epoch_ms(time), max(price) FILTER (NOT is_ask), min(price) FILTER (is_ask) "
            "FROM read_parquet(?, hive_partitioning=true) WHERE level <= 2 AND symbol = 'BTCUSDT' "
            "AND time >= '2024-06-15T13:00:00Z' GROUP BY time",
            [f"{place}/**/*.parquet"],
        ).fetchall()
    found = history(start=START, levels=1, wide=True)
    assert best == [(START, found["bid_price_1"].iloc[0], found["ask_price_1"].iloc[0])]
