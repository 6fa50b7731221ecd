import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from bwsresearch.cache import clear, info, path
from bwsresearch.errors import CacheError
from bwsresearch.store.upkeep import series
from bwsresearch.tables import KLINES, length

JANUARY = 1_704_067_200_000
DAY = 86_400_000


SPAN = (JANUARY + 30 * DAY, JANUARY + 32 * DAY)


def held():
    found = info()
    return {tuple(row) for row in found[["server", "kind", "symbol", "interval"]].to_numpy()}


ALL = {
    ("production", "klines", "BTCUSDT", "1m"),
    ("production", "klines", "BTCUSDT", "1M"),
    ("production", "klines", "ETHUSDT", "1m"),
    ("testnet", "klines", "BTCUSDT", "1m"),
    ("production", "aggs", "BTCUSDT", ""),
    ("production", "trades", "BTCUSDT", ""),
}


# ---- info ----------------------------------------------------------------------------------------


def test_an_empty_cache_is_an_empty_table_of_the_same_dtypes(filled):
    some = info()
    clear()
    none = info()
    assert len(none) == 0
    assert none.dtypes.equals(some.dtypes)
    assert list(none) == [
        "server",
        "kind",
        "symbol",
        "interval",
        "rows",
        "start",
        "end",
        "mb",
        "path",
    ]
    assert path() == filled.root


def test_info_has_a_row_for_every_series(filled):
    assert held() == ALL
    found = info().set_index(["server", "kind", "symbol", "interval"])
    minute = found.loc["production", "klines", "BTCUSDT", "1m"]
    assert minute["rows"] == 2 * 1440
    assert minute["start"] == pd.Timestamp("2024-01-31", tz="UTC")
    assert minute["end"] == pd.Timestamp("2024-02-02", tz="UTC")
    size = sum(p.stat().st_size for p in filled.root.rglob("*1m/*/*.parquet") if "BTC" in str(p))
    assert minute["mb"] == pytest.approx(size / 2 / 1e6, rel=0.01)
    trades = found.loc["production", "trades", "BTCUSDT", ""]
    assert trades["rows"] == 100
    assert pd.isna(trades["start"])
    assert pd.isna(trades["end"])


def test_info_counts_a_damaged_file_with_its_size_alone(filled):
    damaged = next(p for p in filled.root.rglob("*.parquet") if "month=2024-02" in str(p))
    damaged.write_bytes(b"x" * 1000)
    found = info()
    rows = found.loc[found["path"] == str(damaged.parents[1]), "rows"]
    assert rows.tolist() == [1440]


# ---- clear ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        ({}, ALL),
        ({"symbol": "btcusdt"}, {row for row in ALL if row[2] == "BTCUSDT"}),
        ({"symbol": "ETHUSDT"}, {("production", "klines", "ETHUSDT", "1m")}),
        ({"interval": "1M"}, {("production", "klines", "BTCUSDT", "1M")}),
        ({"interval": "1m"}, {row for row in ALL if row[3] == "1m"}),
        ({"interval": "1h"}, set()),
        ({"kind": "trades"}, {("production", "trades", "BTCUSDT", "")}),
        ({"server": "testnet"}, {("testnet", "klines", "BTCUSDT", "1m")}),
        ({"server": "testnet", "symbol": "ETHUSDT"}, set()),
        (
            {"server": "production", "symbol": "BTCUSDT", "interval": "1m"},
            {("production", "klines", "BTCUSDT", "1m")},
        ),
    ],
)
def test_what_matches_all_that_is_given_is_removed(wanted, gone, filled):
    before = sum(p.stat().st_size for p in filled.root.rglob("*.parquet"))
    freed = clear(**wanted)
    assert held() == ALL - gone
    left = sum(p.stat().st_size for p in filled.root.rglob("*.parquet"))
    assert freed == before - left
    assert (freed > 0) == bool(gone)
    folders = [p for p in (filled.root / "v1").rglob("*") if p.is_dir()]
    assert all(any(p.rglob("*.parquet")) for p in folders)  # no empty ones are left


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"interval": "1x"}, "interval is '1x', must be one of 1s 1m"),
        ({"interval": "1mo"}, "did you mean '1M'"),
        ({"kind": "agg_trades"}, "kind is 'agg_trades', must be one of klines, aggs, trades"),
        ({"kind": "aggs", "interval": "1m"}, "interval is '1m', but aggs have none"),
        ({"symbol": "BTCUSD"}, "symbol is 'BTCUSD', of which nothing is cached; there is BTCUSDT, ETHUSDT"),
        ({"symbol": ""}, "symbol is ''"),
        ({"server": "prod"}, "server is 'prod', of which nothing is cached; there is production, testnet"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("filled")
def test_what_cannot_be_meant_removes_nothing(wanted, said):
    with pytest.raises(ValueError) as refused:
        clear(**wanted)
    assert said in str(refused.value)
    assert held() == ALL


@pytest.mark.parametrize(
    ("older_than", "left"),
    [
        ("2024-02-01", ["month=2024-02"]),
        ("2024-01-31T23:59", ["month=2024-01", "month=2024-02"]),
        (JANUARY + 32 * DAY, ["month=2024-02"]),
        ("2024-03-01", []),
        ("90d", []),
        ("1y", []),
        ("40y", ["month=2024-01", "month=2024-02"]),
    ],
)
def test_what_is_older_goes_by_whole_files(older_than, left, filled):
    before = held()
    clear("btcusdt", interval="1m", server="production", older_than=older_than)
    folder = filled.root / "v1/production/klines/symbol=BTCUSDT/interval=1m"
    assert sorted(p.name for p in folder.glob("*")) == left
    assert held() - {("production", "klines", "BTCUSDT", "1m")} == before - {
        ("production", "klines", "BTCUSDT", "1m")
    }


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("older_than", ["90 days", "soon", "12x"])
def test_an_age_that_cannot_be_read_removes_nothing(older_than):
    with pytest.raises(ValueError, match=r"(period|older_than) is "):
        clear("BTCUSDT", older_than=older_than)
    assert held() == ALL


def test_clearing_what_is_empty_is_no_error(cache_dir):
    assert clear() == 0
    assert clear("BTCUSDT", interval="1h", server="production") == 0
    assert not cache_dir.exists()


def test_damaged_files_that_were_put_aside_go_with_their_series(filled):
    target = next(p for p in filled.root.rglob("*.parquet") if "ETHUSDT" in str(p))
    target.write_bytes(b"x" * 999)
    with pytest.warns(UserWarning, match="damaged"):
        filled.read(KLINES, "ETHUSDT", "1m", *SPAN)
    clear("BTCUSDT")
    assert [p.stat().st_size for p in filled.root.rglob(".damaged/**/*-part-0.parquet")] == [999]
    assert clear("ETHUSDT") > 999
    assert list(filled.root.rglob("*.parquet")) == []


def test_a_cleared_series_can_be_written_again(filled, bars, same):
    clear()
    columns = bars()
    filled.write(KLINES, "BTCUSDT", "1m", columns, (), source="network")
    same(filled.read(KLINES, "BTCUSDT", "1m", JANUARY, JANUARY + DAY)[0], columns)


def test_what_others_left_in_a_folder_stays(filled):
    beside = next(filled.root.rglob("*.parquet")).with_name(".DS_Store")
    beside.write_text("x")
    clear()
    assert [p for p in (filled.root / "v1").rglob("*") if p.is_file()] == [beside]


def test_clearing_and_writing_at_once_disturb_each_other_in_nothing(cache, bars, same):
    columns, done = bars(), threading.Event()

    def keep_clearing():
        while not done.is_set():
            clear()

    with ThreadPoolExecutor(1) as pool:
        cleaner = pool.submit(keep_clearing)
        try:
            for _ in range(40):
                cache.write(KLINES, "BTCUSDT", "1m", columns, (), source="network")
                found, _ = cache.read(KLINES, "BTCUSDT", "1m", JANUARY, JANUARY + DAY)
                assert length(found) in (0, length(columns))
        finally:
            done.set()
        cleaner.result()
    cache.write(KLINES, "BTCUSDT", "1m", columns, (), source="network")
    same(cache.read(KLINES, "BTCUSDT", "1m", JANUARY, JANUARY + DAY)[0], columns)


def test_a_series_that_cannot_be_removed_is_named(filled):
    locks = filled.root / ".locks"
    shutil.rmtree(locks)
    locks.write_text("in the way")
    with pytest.raises(CacheError, match=r"symbol=ETHUSDT.* cannot be removed"):
        clear("ETHUSDT")
    assert held() == ALL


# ---- series --------------------------------------------------------------------------------------


def test_series_are_told_with_their_files_oldest_first(filled):
    found = {
        (place.server, place.symbol, place.interval): files for place, files in series(filled.root)
    }
    months = [p.parent.name for p in found["production", "BTCUSDT", "1m"]]
    assert months == ["month=2024-01", "month=2024-02"]
    assert len(found) == 5  # trades and aggregates share server, symbol and no interval
