import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from bwsresearch.cache import compact, verify
from bwsresearch.store import Cache, parquet
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, empty, length, to_arrow
from bwsresearch.tables import concat as joined

JANUARY = 1_704_067_200_000
MINUTE = 60_000
DAY = 86_400_000
FAR = (JANUARY - 400 * DAY, JANUARY + 800 * DAY)


def files(cache):
    return sorted(str(p.relative_to(cache.root)) for p in (cache.root / "v1").rglob("*.parquet"))


def everything(cache, schema, interval=None):
    columns, covered = cache.read(schema, "BTCUSDT", interval, *FAR)
    return {name: values.tobytes() for name, values in columns.items()}, covered


def lines(table):
    names = ["symbol", "files_before", "files_after"]
    return [tuple(row) for row in table[names].itertuples(index=False)]


# ---- smaller files -------------------------------------------------------------------------------


@pytest.fixture
def market(bars):
    """Bars as a market has them: prices near each other, of two decimals."""

    def made(start, end, interval="1m"):
        columns = bars(start, end, interval)
        count = length(columns)
        path = np.round(30_000 + np.cumsum(np.random.default_rng(5).normal(0, 3, count)), 2)
        columns |= {"open": path, "close": path.copy(), "high": path + 1, "low": path - 1}
        return columns | {"volume": np.round(columns["volume"], 2)}

    return made


@pytest.fixture
def filled(cache, market, ticks):
    cache.write(KLINES, "BTCUSDT", "1m", market(JANUARY, JANUARY + 40 * DAY), ((JANUARY, JANUARY + 40 * DAY),), source="archive")  # fmt: skip
    for schema in (AGG_TRADES, TRADES):
        cache.write(schema, "BTCUSDT", None, ticks(schema, 5000), ((JANUARY, JANUARY + DAY),), source="network")  # fmt: skip
    return cache


def test_files_become_smaller_and_hold_the_same(filled):
    held = [everything(filled, KLINES, "1m"), everything(filled, TRADES), everything(filled, AGG_TRADES)]  # fmt: skip
    footers = [parquet.read_footer(filled.root / name).source for name in files(filled)]
    table = compact()
    assert list(table) == [
        "server", "kind", "symbol", "interval", "files_before", "files_after", "bytes_before",
        "bytes_after",
    ]  # fmt: skip
    assert table["files_before"].tolist() == table["files_after"].tolist() == [1, 2, 1]
    before, after = (table.set_index("kind")[f"bytes_{name}"] for name in ("before", "after"))
    assert after["klines"] < 0.99 * before["klines"]
    assert after.sum() < before.sum()
    sizes = [p.stat().st_size for p in filled.root.rglob("*.parquet")]
    assert table["bytes_after"].sum() == sum(sizes)
    assert held == [everything(filled, KLINES, "1m"), everything(filled, TRADES), everything(filled, AGG_TRADES)]  # fmt: skip
    assert [parquet.read_footer(filled.root / name).source for name in files(filled)] == footers
    assert verify().empty


def test_a_second_time_nothing_is_written(filled):
    compact()
    before = {name: (filled.root / name).stat().st_mtime_ns for name in files(filled)}
    table = compact()
    assert {name: (filled.root / name).stat().st_mtime_ns for name in files(filled)} == before
    assert table["bytes_before"].tolist() == table["bytes_after"].tolist()
    compact(level=9)
    assert {name: (filled.root / name).stat().st_mtime_ns for name in files(filled)} != before


def test_rows_that_come_later_are_pressed_the_next_time(filled, market):
    compact("BTCUSDT", interval="1m")
    more = market(JANUARY + 40 * DAY, JANUARY + 41 * DAY)
    filled.write(KLINES, "BTCUSDT", "1m", more, (), source="network")
    february = filled.root / "v1/production/klines/symbol=BTCUSDT/interval=1m/month=2024-02/part-0.parquet"  # fmt: skip
    assert parquet.read_footer(february).level == 1
    before = february.stat().st_size
    compact()
    assert february.stat().st_size < before
    assert parquet.read_footer(february).level == 6


def old_file(cache, columns, row_group_size, **options):
    """A file as another version has written it."""
    path = cache.root / "v1/production/klines/symbol=OLDUSDT/interval=1m/month=2024-01/part-0.parquet"  # fmt: skip
    path.parent.mkdir(parents=True)
    record = b'{"version":1,"source":"network","coverage":[[%d,%d]]}' % (JANUARY, JANUARY + DAY)
    table = to_arrow(KLINES, columns).replace_schema_metadata({b"bwsresearch": record})
    pq.write_table(table, path, row_group_size=row_group_size, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"compression": "none"}])
def test_files_of_other_layouts_are_written_anew(options, cache, bars, same):
    columns = bars(JANUARY, JANUARY + DAY)
    path = old_file(cache, columns, 10, **options)
    assert pq.ParquetFile(path).num_row_groups == 144
    table = compact("OLDUSDT")
    assert table["bytes_after"].item() < table["bytes_before"].item() / 2
    found = pq.ParquetFile(path)
    assert found.num_row_groups == 1
    assert "DELTA_BINARY_PACKED" in found.metadata.row_group(0).column(0).encodings
    held, covered = cache.read(KLINES, "OLDUSDT", "1m", JANUARY, JANUARY + DAY)
    same(held, columns)
    assert covered == ((JANUARY, JANUARY + DAY),)
    assert parquet.read_footer(path).series == "production/klines/symbol=OLDUSDT/interval=1m"


def test_a_damaged_file_is_let_be(filled):
    path = filled.root / files(filled)[-1]
    path.write_bytes(b"x" * 99)
    compact()
    assert path.read_bytes() == b"x" * 99


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": 0}, "level is 0, must be 1 to 22"),
        ({"level": 23}, "level is 23"),
        ({"interval": "1x"}, "interval is '1x'"),
        ({"symbol": "XUSDT"}, "symbol is 'XUSDT', of which nothing is cached"),
        ({"server": "prod"}, "server is 'prod'"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        compact(**options)


def test_only_what_is_meant_is_pressed(filled, bars):
    filled.write(KLINES, "ETHUSDT", "1m", bars(), (), source="network")
    assert lines(compact("ethusdt")) == [("ETHUSDT", 1, 1)]
    assert lines(compact(kind="trades")) == [("BTCUSDT", 1, 1)]
    assert len(compact(server="production")) == 4


# ---- empty files ---------------------------------------------------------------------------------


def day(number):
    return JANUARY + number * DAY


def say_empty(cache, first, last, symbol="BTCUSDT"):
    for number in range(first, last):
        cache.write(AGG_TRADES, symbol, None, empty(AGG_TRADES), ((day(number), day(number + 1)),), source="network")  # fmt: skip


def trade(cache, ticks, number, first=1, symbol="BTCUSDT"):
    rows = ticks(AGG_TRADES, 20, start=day(number), first=first)
    cache.write(AGG_TRADES, symbol, None, rows, ((day(number), day(number + 1)),), source="network")
    return rows


def test_empty_days_are_taken_into_the_file_before_them(cache, ticks):
    say_empty(cache, 0, 3)
    trade(cache, ticks, 3)
    say_empty(cache, 4, 40)
    trade(cache, ticks, 40, first=21)
    trade(cache, ticks, 41, first=41)
    say_empty(cache, 42, 50)
    before = everything(cache, AGG_TRADES)
    assert len(files(cache)) == 50
    assert lines(compact()) == [("BTCUSDT", 50, 4)]
    assert everything(cache, AGG_TRADES) == before
    assert before[1] == ((day(0), day(50)),)
    for number in (1, 3, 17, 39, 41, 49):
        assert cache.read(AGG_TRADES, "BTCUSDT", None, day(number), day(number + 1))[1] == ((day(number), day(number + 1)),)  # fmt: skip
    assert verify().empty
    assert lines(compact()) == [("BTCUSDT", 4, 4)]


def test_what_is_known_to_be_empty_is_taken_along(cache, ticks):
    trade(cache, ticks, 0)
    gap = ((day(2), day(3)),)
    cache.write(AGG_TRADES, "BTCUSDT", None, empty(AGG_TRADES), gap, source="network", empty=gap)
    compact()
    (name,) = files(cache)
    assert parquet.read_footer(cache.root / name).empty == gap


def test_a_stretch_that_was_not_asked_for_stays_so(cache, ticks):
    trade(cache, ticks, 0)
    say_empty(cache, 5, 7)
    compact()
    assert len(files(cache)) == 1
    assert everything(cache, AGG_TRADES)[1] == ((day(0), day(1)), (day(5), day(7)))


def test_a_day_behind_an_unreadable_file_keeps_its_own(cache, ticks):
    trade(cache, ticks, 0)
    say_empty(cache, 1, 3)
    (cache.root / files(cache)[0]).write_bytes(b"x")
    assert lines(compact()) == [("BTCUSDT", 3, 2)]
    with pytest.warns(UserWarning, match="damaged"):
        assert cache.read(AGG_TRADES, "BTCUSDT", None, *FAR)[1] == ((day(1), day(3)),)


def test_rows_that_come_into_an_empty_stretch_get_their_own_file_again(cache, ticks, same):
    """What the file before claimed of that day is no more: else it would hide that they are lost."""
    first = trade(cache, ticks, 0)
    say_empty(cache, 1, 30)
    compact()
    late = trade(cache, ticks, 20, first=21)
    assert len(files(cache)) == 2
    found, covered = cache.read(AGG_TRADES, "BTCUSDT", None, *FAR)
    same(found, joined(AGG_TRADES, [first, late]))
    assert covered == ((day(0), day(30)),)
    assert verify().empty
    (cache.root / files(cache)[1]).unlink()
    assert everything(cache, AGG_TRADES)[1] == ((day(0), day(20)),)


# ---- at the same time ----------------------------------------------------------------------------


def test_compaction_disturbs_no_writer_and_no_reader(cache, ticks):
    """Days are written as empty and filled while others press: at the end all rows are there."""
    count, done, seen = 60, threading.Event(), []

    def keep_pressing():
        while not done.is_set():
            compact()

    def keep_reading():
        reader, most = Cache(cache.root, "production"), 0
        while not done.is_set():
            rows, _ = reader.read(AGG_TRADES, "BTCUSDT", None, *FAR)
            seen.append(length(rows))
            assert length(rows) >= most
            most = length(rows)

    def write_days(start):
        writer = Cache(cache.root, "production")
        for number in range(start, count, 2):
            say_empty(writer, number, number + 1)
            if number % 3 == 0:
                trade(writer, ticks, number, first=1 + 20 * number)

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(keep_pressing), pool.submit(keep_reading)]
        try:
            for writer in [pool.submit(write_days, start) for start in (0, 1)]:
                writer.result()
        finally:
            done.set()
        for other in others:
            other.result()
    rows, covered = cache.read(AGG_TRADES, "BTCUSDT", None, *FAR)
    assert length(rows) == 20 * len(range(0, count, 3))
    assert np.unique(rows["id"]).size == length(rows)
    assert set(verify()["what"]) <= {"gap"}
    say_empty(cache, 0, count)
    compact()
    assert everything(cache, AGG_TRADES)[1] == ((day(0), day(count)),)
    assert covered[0][0] == day(0)


def test_a_folder_without_a_file_is_in_nobodys_way(cache, ticks):
    trade(cache, ticks, 0)
    say_empty(cache, 1, 2)
    (cache.root / files(cache)[1]).unlink()
    trade(cache, ticks, 2, first=21)
    assert everything(cache, AGG_TRADES)[1] == ((day(0), day(1)), (day(2), day(3)))
