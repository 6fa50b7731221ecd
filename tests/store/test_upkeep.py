import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bwsresearch.cache import clear, info, path, verify
from bwsresearch.errors import CacheError
from bwsresearch.store import Cache, parquet
from bwsresearch.store.upkeep import series
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, empty, from_arrow, length, sliced

JANUARY = 1_704_067_200_000
DAY = 86_400_000


SPAN = (JANUARY + 30 * DAY, JANUARY + 32 * DAY)


@pytest.fixture(scope="module")
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
        server.write(KLINES, symbol, interval, bars(*SPAN, interval), (SPAN,), source="network")
    for schema in (AGG_TRADES, TRADES):
        cache.write(schema, "BTCUSDT", None, ticks(schema), (), source="network")
    return root


@pytest.fixture
def filled(cache, template):
    """A copy of it, to be changed."""
    shutil.copytree(template, cache.root)
    return cache


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


# ---- verify --------------------------------------------------------------------------------------


@pytest.fixture
def rewrite(filled, bars):
    """Replace January's klines by what a change makes of them; return their path."""

    def changed(change, covered=()):
        target = filled.root / "v1/production/klines/symbol=BTCUSDT/interval=1m/month=2024-01"
        columns = bars(JANUARY, JANUARY + DAY)
        with (target / "part-0.parquet").open("wb") as file:
            footer = parquet.Footer(covered, "network")
            parquet.write(KLINES, file, change(columns) or columns, footer)
        return str(target / "part-0.parquet")

    return changed


def problems():
    return [tuple(row) for row in verify().to_numpy()]


@pytest.mark.usefixtures("filled")
def test_a_sound_cache_has_no_problem():
    found = verify()
    assert list(found) == ["path", "problem"]
    assert len(found) == 0


def test_an_empty_cache_has_no_problem(cache_dir):
    assert problems() == []
    assert not cache_dir.exists()


def test_damage_is_found_wherever_it_is(filled):
    target = next(p for p in filled.root.rglob("*.parquet") if "ETHUSDT" in str(p))
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 4
    target.write_bytes(data)
    ((where, problem),) = problems()
    assert where == str(target)
    assert problem.startswith("damaged: ")
    assert target.exists()  # to verify changes nothing


def test_rows_of_another_partition_are_found(rewrite, bars):
    where = rewrite(lambda _: bars(JANUARY + 30 * DAY, JANUARY + 32 * DAY))
    assert problems() == [(where, "rows of another month than month=2024-01")]


def test_rows_out_of_order_are_found(rewrite):
    def swapped(columns):
        return sliced(columns, np.r_[0, 2, 1, 3:1440])

    where = rewrite(swapped)
    assert problems() == [
        (where, "row 3: open_time is 1704067260000000 after 1704067320000000, must ascend")
    ]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("low", 1e9, "are no bar"),
        ("high", 1.0, "are no bar"),
        ("close", 1e9, "are no bar"),
        ("open", np.nan, "open is nan, must be finite and not negative"),
        ("volume", -1.0, "volume is -1.0, must be finite and not negative"),
        ("quote_volume", np.inf, "quote_volume is inf, must be finite"),
        ("trades", -1, "trades is -1, must be finite and not negative"),
        ("close_time", 5, "close_time 0 is not in the 1m bar that opens at 1704067620000"),
        ("close_time", (JANUARY + DAY) * 1000, "is not in the 1m bar"),
        ("open_time", (JANUARY + 7 * 60_000 + 1) * 1000, "is no opening of a 1m bar"),
    ],
)
def test_impossible_bars_are_found(field, value, said, rewrite):
    def change(columns):
        columns[field][7] = value

    where = rewrite(change)
    found = problems()
    assert {place for place, _ in found} == {where}
    assert any(problem.startswith("row 8: ") and said in problem for _, problem in found)


def test_impossible_aggregates_are_found(filled, ticks):
    columns = ticks(AGG_TRADES)
    columns["first_id"][5] = 10**9
    filled.write(AGG_TRADES, "BTCUSDT", None, columns, (), source="network")
    assert [p for _, p in problems()] == ["row 6: first_id 1000000000 is above last_id 13"]


def test_coverage_that_is_no_range_is_found(rewrite):
    where = rewrite(dict, covered=((5, 9), (9, 12)))
    assert problems() == [(where, "covers ((5, 9), (9, 12)), which are no ranges in order")]


def test_what_does_not_belong_there_is_found_and_shown_by_nothing_else(filled):
    top = filled.root / "v1"
    sound = next(top.rglob("*.parquet"))
    alien = [
        top / "production" / "klines" / ".DS_Store",
        top / "production" / "klines" / "symbol=X" / "part-0.parquet",
        top / "production" / "klines" / "symbol=X" / "interval=1x" / "year=2024" / "part-0.parquet",
        top / "notes.txt",
    ]
    for place in alien:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sound, place)
    found = problems()
    assert {where for where, _ in found} == {str(place) for place in alien}
    assert all(problem.startswith("no file of this cache") for _, problem in found)
    assert held() == ALL
    clear()
    assert sorted(p for p in top.rglob("*") if p.is_file()) == sorted(alien)


def test_series_are_told_with_their_files_oldest_first(filled):
    found = {
        (place.server, place.symbol, place.interval): files for place, files in series(filled.root)
    }
    months = [p.parent.name for p in found["production", "BTCUSDT", "1m"]]
    assert months == ["month=2024-01", "month=2024-02"]
    assert len(found) == 5  # trades and aggregates share server, symbol and no interval


def test_a_file_without_rows_is_sound(filled):
    filled.write(KLINES, "NEWUSDT", "1m", empty(KLINES), ((0, JANUARY),), source="network")
    assert problems() == []
    line = info().set_index("symbol").loc["NEWUSDT"]
    assert (line["rows"], line["end"]) == (0, pd.Timestamp("2024-01-01", tz="UTC"))
    written = next(p for p in filled.root.rglob("*.parquet") if "NEWUSDT" in str(p))
    assert len(from_arrow(KLINES, pq.ParquetFile(written).read())["close"]) == 0
