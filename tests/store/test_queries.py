import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from bwsresearch.cache import scan, sql
from bwsresearch.errors import CacheError
from bwsresearch.store import Cache
from bwsresearch.tables import AGG_TRADES, DEPTH, KLINES, TRADES, frame

JANUARY = 1_704_067_200_000
DAY = 86_400_000
OTHER = "币安人生USDT"


def stored(cache, bars, symbol, interval, end, seed=1):
    columns = bars(JANUARY, end, interval, seed)
    cache.write(KLINES, symbol, interval, columns, ((JANUARY, end),), source="network")
    table = frame(KLINES, columns, {}).reset_index()
    return table.assign(symbol=symbol, interval=interval)


@pytest.fixture
def series(cache, bars, ticks):
    """Series whose files lie in months, years and days, and of every kind but one; klines as one."""
    for schema in (AGG_TRADES, TRADES, DEPTH):
        cache.write(schema, "BTCUSDT", None, ticks(schema), (), source="network")
    return pd.concat(
        [
            stored(cache, bars, "BTCUSDT", "1m", JANUARY + 33 * DAY),
            stored(cache, bars, OTHER, "1m", JANUARY + 2 * DAY, seed=2),
            stored(cache, bars, "BTCUSDT", "1h", JANUARY + 400 * DAY),
            stored(cache, bars, "BTCUSDT", "1M", JANUARY + 400 * DAY),
            stored(cache, bars, "123", "1s", JANUARY + 60_000),
        ]
    )


def in_order(table):
    return table.sort_values(["symbol", "interval", "open_time"], ignore_index=True)


def same(found, wanted):
    pd.testing.assert_frame_equal(in_order(found)[list(wanted)], in_order(wanted), check_exact=True)


def test_all_klines_are_one_lazy_frame(series):
    found = scan()
    assert isinstance(found, pl.LazyFrame)
    table = found.collect()
    assert table.schema["open_time"] == pl.Datetime("us", "UTC")
    assert table.columns == list(series)
    same(table.to_pandas().astype(series.dtypes), series)


@pytest.mark.parametrize("interval", ["1m", "1h", "1M"])
def test_a_series_is_scanned_by_its_names_in_order(interval, series):
    table = scan("klines", "btcusdt", interval).collect()
    assert table["open_time"].is_sorted()
    is_it = (series["symbol"] == "BTCUSDT") & (series["interval"] == interval)
    assert set(table["interval"]) == {interval}
    np.testing.assert_array_equal(table["close"].to_numpy(), series.loc[is_it, "close"])


@pytest.mark.usefixtures("series")
def test_a_lazy_frame_reads_the_files_of_the_wanted_symbol_alone(cache):
    for file in cache.root.rglob("*.parquet"):
        if "interval=1m" in str(file) and "symbol=BTCUSDT" not in str(file):
            file.write_bytes(b"no parquet")
    found = scan("klines", interval="1m").filter(pl.col("symbol") == "BTCUSDT")
    assert found.select(pl.len()).collect().item() == 33 * 1440


def test_all_klines_are_a_view(series):
    found = sql("select * from klines")
    for name in ("open_time", "close_time"):
        assert found[name].dtype == "datetime64[us, UTC]"
    assert sorted(found) == sorted(series)
    same(found, series)


def test_times_in_a_statement_are_utc(series):
    found = sql(
        "select date_trunc('day', open_time) as day, sum(trades)::bigint as n from klines "
        "where symbol = 'BTCUSDT' and interval = '1m' and open_time >= '2024-01-31' "
        "and open_time < '2024-02-02' group by day order by day"
    )
    assert found["day"].dtype == "datetime64[us, UTC]"
    minutes = series[(series["symbol"] == "BTCUSDT") & (series["interval"] == "1m")]
    wanted = minutes.set_index("open_time")["trades"].resample("D").sum().iloc[30:32]
    assert found["day"].tolist() == wanted.index.tolist()
    assert found["n"].tolist() == wanted.tolist()


@pytest.mark.parametrize("schema", [AGG_TRADES, TRADES, DEPTH], ids=lambda s: s.name)
def test_every_kind_has_its_view(schema, series, ticks):
    del series
    found = sql(f"select * from {schema.name} where symbol = 'BTCUSDT'")
    assert list(found) == [*schema.dtypes, "symbol"]
    wanted = ticks(schema)
    for name in set(schema.dtypes) - schema.stamps:
        np.testing.assert_array_equal(found[name], wanted[name])
    assert scan(schema.name).select(pl.len()).collect().item() == 100


@pytest.mark.usefixtures("series")
def test_what_duckdb_says_to_a_statement_is_passed_on():
    with pytest.raises(duckdb.Error, match="book_tickers"):
        sql("select * from book_tickers")  # none is cached
    with pytest.raises(duckdb.ParserException):
        sql("selec 1")


@pytest.mark.usefixtures("series")
def test_a_statement_sees_no_variable_of_python():
    with pytest.raises(duckdb.CatalogException, match="kinds"):
        sql("select * from kinds")


def test_a_folder_may_have_any_name(tmp_path, monkeypatch, bars):
    folder = tmp_path / "it's [a] *cache*?"
    monkeypatch.setenv("BWS_CACHE_DIR", str(folder))
    wanted = stored(Cache(folder, "production"), bars, "BTCUSDT", "1h", JANUARY + DAY)
    same(sql("select * from klines"), wanted)
    same(scan().collect().to_pandas().astype(wanted.dtypes), wanted)


# ---- whose rows ----------------------------------------------------------------------------------


def counted(server=None):
    found = sql("select count(*) as n from klines", server)["n"].item()
    assert scan(server=server).select(pl.len()).collect().item() == found
    return found


def test_the_only_server_and_production_need_no_name(cache_dir, bars):
    stored(Cache(cache_dir, "testnet"), bars, "BTCUSDT", "1h", JANUARY + DAY)
    assert counted() == 24
    stored(Cache(cache_dir, "local-7"), bars, "BTCUSDT", "1h", JANUARY + 2 * DAY)
    for call in (scan, lambda: sql("select 1")):
        with pytest.raises(ValueError, match="holds rows of local-7, testnet; name one as server="):
            call()
    assert counted("testnet") == 24
    assert counted("local-7") == 48
    stored(Cache(cache_dir, "production"), bars, "BTCUSDT", "1h", JANUARY + 3 * DAY)
    assert counted() == 72
    with pytest.raises(ValueError, match=r"server is 'prod', .* there is local-7, production, testnet"):  # fmt: skip
        scan(server="prod")


def test_an_empty_cache_is_an_error_that_says_so(cache_dir):
    for call in (scan, lambda: sql("select 1")):
        with pytest.raises(CacheError) as refused:
            call()
        assert str(refused.value) == f"nothing is cached in {cache_dir}; pull or import something first"  # fmt: skip


@pytest.mark.usefixtures("series")
def test_what_is_not_cached_is_named():
    with pytest.raises(CacheError, match=r"no klines of ETHUSDT 1m are cached in .*; pull or"):
        scan("klines", "ETHUSDT", "1m")
    with pytest.raises(CacheError, match="no book_tickers of any symbol are cached"):
        scan("book_tickers")
    with pytest.raises(ValueError, match="kind is 'bars', must be one of klines, aggs"):
        scan("bars")
    with pytest.raises(ValueError, match="did you mean '1M'"):
        scan(interval="1mo")
    with pytest.raises(ValueError, match="interval is '1m', but aggs have none"):
        scan("aggs", interval="1m")


@pytest.mark.usefixtures("series")
def test_a_missing_engine_is_an_import_error_with_its_cure(monkeypatch):
    for name, call in (("polars", scan), ("duckdb", lambda: sql("select 1"))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError) as refused:
            call()
        assert str(refused.value) == f"{name} is not installed; pip install 'bwsresearch[query]'"
