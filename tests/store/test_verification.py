import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bwsresearch.cache import info, verify
from bwsresearch.store import parquet
from bwsresearch.tables import (
    AGG_TRADES,
    DEPTH,
    KLINES,
    TRADES,
    empty,
    from_arrow,
    sliced,
)

JANUARY = 1_704_067_200_000
MINUTE = 60_000
DAY = 86_400_000
SPAN = (JANUARY + 30 * DAY, JANUARY + 32 * DAY)
MINUTES = "v1/production/klines/symbol=BTCUSDT/interval=1m"


@pytest.fixture
def rewrite(filled, bars):
    """Replace January's klines by what a change makes of them; return their path."""

    def changed(change, covered=()):
        target = filled.root / MINUTES / "month=2024-01" / "part-0.parquet"
        columns = bars(JANUARY, JANUARY + DAY)
        with target.open("wb") as file:
            footer = parquet.Footer(covered, "network")
            parquet.write(KLINES, file, change(columns) or columns, footer)
        return str(target)

    return changed


def problems():
    """What `verify` says, gaps apart, each as (path, problem)."""
    found = verify()
    return [tuple(row) for row in found.loc[found["what"] != "gap", ["path", "problem"]].to_numpy()]


def kinds():
    """What `verify` finds, each as (what, path)."""
    return [tuple(row) for row in verify()[["what", "path"]].to_numpy()]


@pytest.mark.usefixtures("filled")
def test_a_sound_cache_has_no_problem():
    found = verify()
    assert list(found) == ["path", "problem", "what"]
    assert len(found) == 0


def test_an_empty_cache_has_no_problem(cache_dir):
    assert problems() == []
    assert not cache_dir.exists()


def test_a_file_without_rows_is_sound(filled):
    filled.write(KLINES, "NEWUSDT", "1m", empty(KLINES), ((0, JANUARY),), source="network")
    assert kinds() == []
    line = info().set_index("symbol").loc["NEWUSDT"]
    assert (line["rows"], line["end"]) == (0, pd.Timestamp("2024-01-01", tz="UTC"))
    written = next(p for p in filled.root.rglob("*.parquet") if "NEWUSDT" in str(p))
    assert len(from_arrow(KLINES, pq.ParquetFile(written).read())["close"]) == 0


# ---- damage --------------------------------------------------------------------------------------


def test_damage_is_found_wherever_it_is(filled):
    target = next(p for p in filled.root.rglob("*.parquet") if "ETHUSDT" in str(p))
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 4
    target.write_bytes(data)
    ((where, problem),) = problems()
    assert where == str(target)
    assert problem.startswith("damaged: ")
    assert target.exists()  # to verify changes nothing
    assert kinds() == [("damage", where)]


def test_rows_out_of_order_are_found(rewrite):
    def swapped(columns):
        return sliced(columns, np.r_[0, 2, 1, 3:1440])

    where = rewrite(swapped)
    assert problems() == [
        (where, "row 3: open_time is 1704067260000000 after 1704067320000000, must ascend")
    ]
    assert kinds() == [("damage", where)]


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
    first, second = (JANUARY + 5, JANUARY + 9), (JANUARY + 9, JANUARY + 12)
    where = rewrite(dict, covered=(first, second))
    said = f"covers ({first}, {second}), which are no ranges in order"
    assert problems() == [(where, said)]


# ---- what lies in the wrong place ----------------------------------------------------------------


def test_rows_of_another_partition_are_found(rewrite, bars):
    where = rewrite(lambda _: bars(JANUARY + 30 * DAY, JANUARY + 32 * DAY))
    assert (where, "rows of another month than month=2024-01") in problems()
    assert ("misplaced", where) in kinds()


def test_coverage_before_the_files_own_time_is_found(rewrite):
    where = rewrite(dict, covered=((JANUARY - DAY, JANUARY + DAY),))
    said = "covers time from 2023-12-31 on, before its own month"
    assert problems() == [(where, said)]
    assert kinds() == [("misplaced", where)]


def test_a_file_of_another_series_is_found(filled):
    month = filled.root / MINUTES / "month=2024-02" / "part-0.parquet"
    for other in ("symbol=ETHUSDT", "testnet"):
        source = str(month).replace("production", "testnet") if other == "testnet" else str(month).replace("symbol=BTCUSDT", other)  # fmt: skip
        shutil.copy(source, month)
        ((where, problem),) = problems()
        assert where == str(month)
        assert problem.startswith("it is a file of ")
        assert other in problem
        assert kinds() == [("misplaced", where)]


def test_what_does_not_belong_there_is_found_and_shown_by_nothing_else(filled):
    top = filled.root / "v1"
    series = len(info())
    sound = next(top.rglob("*.parquet"))
    alien = [
        top / "production" / "klines" / ".DS_Store",
        top / "production" / "klines" / "symbol=X" / "part-0.parquet",
        top / "production" / "klines" / "symbol=X" / "interval=1x" / "year=2024" / "part-0.parquet",
        top / "production" / "klines" / "symbol=BTCUSDT" / "interval=1m" / "x=1" / "part-0.parquet",
        top / "notes.txt",
    ]
    for place in alien:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sound, place)
    assert sorted(kinds()) == sorted(("foreign", str(place)) for place in alien)
    assert all(problem.startswith("no file of this cache") for _, problem in problems())
    assert len(info()) == series


# ---- between files -------------------------------------------------------------------------------


def test_coverage_that_runs_into_the_next_file_is_found(rewrite):
    where = rewrite(dict, covered=((JANUARY, JANUARY + 40 * DAY),))
    said = "covers time of month=2024-02 too, which has its own file"
    assert problems() == [(where, said)]
    assert ("overlap", where) in kinds()


def test_a_row_in_two_files_is_found(filled, ticks):
    days = ticks(TRADES, 48, step_ms=DAY // 24)
    filled.write(TRADES, "ETHUSDT", None, days, (), source="network")
    first, second = (filled.root / f"v1/production/trades/symbol=ETHUSDT/date=2024-01-0{day}/part-0.parquet" for day in (1, 2))  # fmt: skip
    rows = sliced(days, slice(24, 48))
    rows["id"][:2] = [3, 4]
    with second.open("wb") as file:
        footer = parquet.Footer((), "network")
        parquet.write(TRADES, file, sliced(rows, np.argsort(rows["id"])), footer)
    assert kinds() == [("overlap", str(second))]
    assert problems() == [(str(second), "id 3 is in date=2024-01-01 too, and 1 more")]
    assert first.exists()


def test_changes_of_one_book_update_may_be_in_two_files(filled, ticks):
    """A whole book has the id of a change that may be of the day before."""
    rows = ticks(DEPTH, 8, start=JANUARY + DAY - 4000, step_ms=1000)
    rows["last_update_id"][:] = 7
    rows["price"] = 1.0 + np.arange(8) / 100
    filled.write(DEPTH, "ETHUSDT", None, rows, (), source="network")
    assert kinds() == []


# ---- gaps ----------------------------------------------------------------------------------------


def gaps():
    found = verify()
    assert set(found["what"]) <= {"gap"}
    return [problem.partition(", which")[0] for problem in found["problem"]]


def without(columns, *rows):
    return sliced(columns, np.setdiff1d(np.arange(len(columns["close_time"])), rows))


def test_bars_that_are_missing_in_covered_time_are_gaps(cache, bars):
    end = JANUARY + 33 * DAY
    last = 33 * 1440 - 1
    whole = bars(JANUARY, end)
    columns = without(whole, 0, 1, 5, 6, 7, 31 * 1440 - 1, 31 * 1440, last)
    cache.write(KLINES, "BTCUSDT", "1m", columns, ((JANUARY, end),), source="network")
    assert gaps() == [  # before the first one nothing was listed
        "bars are missing from 2024-01-01 00:05 to 2024-01-01 00:08",
        "bars are missing from 2024-01-31 23:59 to 2024-02-01 00:01",
        "bars are missing from 2024-02-02 23:59 to 2024-02-03",
    ]


def test_bars_that_are_missing_where_nothing_is_covered_are_none(cache, bars):
    columns = without(bars(JANUARY, JANUARY + DAY), *range(10, 20))
    covered = ((JANUARY, JANUARY + 12 * MINUTE), (JANUARY + 18 * MINUTE, JANUARY + DAY))
    cache.write(KLINES, "BTCUSDT", "1m", columns, covered, source="network")
    assert gaps() == [
        "bars are missing from 2024-01-01 00:10 to 2024-01-01 00:12",
        "bars are missing from 2024-01-01 00:18 to 2024-01-01 00:20",
    ]


@pytest.mark.parametrize("interval", ["1M", "1w", "3d"])
def test_bars_of_the_calendar_have_no_gaps_of_their_own(interval, cache, bars):
    end = JANUARY + 800 * DAY
    columns = bars(JANUARY, end, interval)
    cache.write(KLINES, "BTCUSDT", interval, columns, ((JANUARY, end),), source="network")
    assert gaps() == []
    cleared = without(columns, 4)
    (folder,) = {p.parents[1] for p in cache.root.rglob("*.parquet")}
    shutil.rmtree(folder)
    cache.write(KLINES, "BTCUSDT", interval, cleared, ((JANUARY, end),), source="network")
    stamp = pd.Timestamp(columns["open_time"][4], unit="us").strftime("%Y-%m-%d")
    (gap,) = gaps()
    assert gap.startswith(f"bars are missing from {stamp} to ")


@pytest.mark.parametrize("schema", [AGG_TRADES, TRADES], ids=lambda s: s.name)
def test_ids_that_are_missing_in_covered_time_are_gaps(schema, cache, ticks):
    start = JANUARY + DAY - 50_000  # over midnight
    columns = ticks(schema, 100, start=start)
    columns = sliced(columns, np.setdiff1d(np.arange(100), [10, 11, 49, 50, 80]))
    covered = ((start, start + 75_000), (start + 79_500, start + 100_000))
    cache.write(schema, "BTCUSDT", None, columns, covered, source="network")
    assert gaps() == [
        "ids are missing from 2024-01-01 23:59:19 to 2024-01-01 23:59:22.001",
        "ids are missing from 2024-01-01 23:59:58 to 2024-01-02 00:00:01.001",
    ]


def test_a_gap_that_is_known_to_be_empty_is_none_any_more(cache, bars):
    columns = without(bars(JANUARY, JANUARY + DAY), 5, 6, 7, 90)
    cache.write(KLINES, "BTCUSDT", "1m", columns, ((JANUARY, JANUARY + DAY),), source="network")
    asked = ((JANUARY + 5 * MINUTE, JANUARY + 7 * MINUTE),)
    cache.write(KLINES, "BTCUSDT", "1m", empty(KLINES), asked, source="network", empty=asked)
    assert gaps() == [
        "bars are missing from 2024-01-01 00:07 to 2024-01-01 00:08",
        "bars are missing from 2024-01-01 01:30 to 2024-01-01 01:31",
    ]
    later = bars(JANUARY + DAY, JANUARY + 2 * DAY)  # what is known stays when rows are added
    cache.write(KLINES, "BTCUSDT", "1m", later, (), source="network")
    assert len(gaps()) == 2
