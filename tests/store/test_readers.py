"""The cache as it lies is what other readers of Parquet understand."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

from bwsresearch.cache import info
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, empty, frame

JANUARY = 1_704_067_200_000
DAY = 86_400_000


@pytest.fixture
def stored(cache, bars):
    """Three days of 1m klines of two symbols, an empty stretch behind them; and their frames."""
    frames = {}
    for seed, symbol in enumerate(["BTCUSDT", "币安人生USDT"]):
        columns = bars(JANUARY + 30 * DAY, JANUARY + 33 * DAY, seed=seed)
        cache.write(KLINES, symbol, "1m", columns, (), source="network")
        cache.write(
            KLINES,
            symbol,
            "1m",
            empty(KLINES),
            ((JANUARY + 70 * DAY, JANUARY + 300 * DAY),),
            source="network",
        )
        frames[symbol] = frame(KLINES, columns, {}).reset_index()
    return frames


@pytest.fixture
def folder(cache):
    return cache.root / "v1" / "production" / "klines"


def test_a_series_opens_in_polars(stored, folder):
    table = pl.scan_parquet(folder / "symbol=BTCUSDT" / "interval=1m").collect()
    assert table.schema["open_time"] == pl.Datetime("us", "UTC")
    assert table["month"].unique().sort().to_list() == ["2024-01", "2024-02"]
    assert table["open_time"].is_sorted()
    wanted = stored["BTCUSDT"]
    for name in wanted:
        column = table[name].to_numpy()
        np.testing.assert_array_equal(column, wanted[name].dt.tz_localize(None).to_numpy() if name.endswith("time") else wanted[name].to_numpy())  # fmt: skip


def test_several_symbols_open_in_polars_by_their_names(stored, folder):
    counted = pl.scan_parquet(folder).group_by("symbol").agg(pl.len()).collect()
    assert dict(counted.iter_rows()) == {name: len(table) for name, table in stored.items()}


def test_a_series_opens_in_duckdb(stored, folder):
    with duckdb.connect() as session:
        session.execute("SET TimeZone='UTC'")
        table = session.execute(
            f"SELECT * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning=true) "
            "WHERE symbol = 'BTCUSDT' ORDER BY open_time"
        ).df()
    assert set(table["month"]) == {"2024-01", "2024-02"}
    wanted = stored["BTCUSDT"]
    pd.testing.assert_frame_equal(table[list(wanted)], wanted, check_dtype=False, check_exact=True)


def test_duckdb_finds_a_day_by_its_times(stored, folder):
    with duckdb.connect() as session:
        count = session.execute(
            "SELECT count(*), sum(trades) FROM read_parquet(?, hive_partitioning=true) "
            "WHERE symbol = 'BTCUSDT' AND open_time >= '2024-02-01' AND open_time < '2024-02-02'",
            [f"{folder}/**/*.parquet"],
        ).fetchall()
    wanted = stored["BTCUSDT"].set_index("open_time").loc["2024-02-01"]
    assert count == [(1440, wanted["trades"].sum())]


def test_a_series_opens_in_pandas_and_arrow(stored, folder):
    place = folder / "symbol=BTCUSDT" / "interval=1m"
    table = pd.read_parquet(place).drop(columns="month")
    pd.testing.assert_frame_equal(table, stored["BTCUSDT"])
    assert ds.dataset(place, partitioning="hive").count_rows() == len(table)


@pytest.mark.parametrize("schema", [AGG_TRADES, TRADES], ids=lambda s: s.name)
def test_trades_open_as_they_lie(schema, cache, ticks):
    columns = ticks(schema, 100, step_ms=3_600_000)
    cache.write(schema, "BTCUSDT", None, columns, (), source="network")
    place = cache.root / "v1" / "production" / schema.name
    table = pl.scan_parquet(place).sort("id").collect()
    assert set(table["symbol"]) == {"BTCUSDT"}
    for name in schema.dtypes:
        if name != "time":
            np.testing.assert_array_equal(table[name].to_numpy(), columns[name])
    with duckdb.connect() as session:
        sums = session.execute(
            f"SELECT count(*), sum(id), epoch_us(min(time)) FROM "
            f"read_parquet('{place}/**/*.parquet', hive_partitioning=true)"
        ).fetchall()
    assert sums == [(100, 5050, JANUARY * 1000)]


@pytest.mark.usefixtures("stored")
def test_the_path_that_info_gives_is_the_one_to_open():
    for place, rows in info()[["path", "rows"]].itertuples(index=False):
        assert pl.scan_parquet(place).select(pl.len()).collect().item() == rows
