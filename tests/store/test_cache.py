import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch.errors import CacheError
from bwsresearch.store import Cache, DamagedFileWarning
from bwsresearch.store.spans import minus, union
from bwsresearch.store.verification import verify
from bwsresearch.tables import (
    AGG_TRADES,
    BOOKS,
    KLINES,
    SCHEMAS,
    TRADES,
    concat,
    empty,
    length,
    sliced,
)

JANUARY = 1_704_067_200_000  # 2024-01-01
DAY = 86_400_000
HOUR = 3_600_000


def files(cache):
    top = cache.root / "v1"
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def read(cache, start=JANUARY, end=JANUARY + 60 * DAY, interval="1m", schema=KLINES):
    return cache.read(schema, "BTCUSDT", interval, start, end)


def write(cache, columns, covered=(), interval="1m", schema=KLINES, source="network"):
    cache.write(schema, "BTCUSDT", interval, columns, covered, source=source)


# ---- rows and coverage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema", [s for s in SCHEMAS.values() if s not in (KLINES, BOOKS)], ids=lambda s: s.name
)
def test_what_is_no_klines_is_read_as_it_was_written(schema, cache, ticks, same):
    columns = ticks(schema, count=500, step_ms=600_000)
    write(cache, columns, ((JANUARY, JANUARY + 3 * DAY),), interval=None, schema=schema)
    found, covered = read(cache, interval=None, schema=schema)
    same(found, columns)
    assert covered == ((JANUARY, JANUARY + 3 * DAY),)
    assert files(cache) == [
        f"production/{schema.name}/symbol=BTCUSDT/date=2024-01-0{day}/part-0.parquet"
        for day in (1, 2, 3, 4)
    ]
    assert verify(cache.root).empty


def test_books_lie_in_hours_and_are_read_as_they_were_written(cache, ticks, same):
    columns = ticks(BOOKS, count=14, step_ms=600_000, start=JANUARY - HOUR - 600_000)
    span = ((JANUARY - HOUR - 600_000, JANUARY + HOUR),)
    write(cache, columns, span, interval=None, schema=BOOKS)
    found, covered = read(cache, start=JANUARY - DAY, interval=None, schema=BOOKS)
    same(found, columns)
    assert covered == span
    hours = ["2023-12-31T22", "2023-12-31T23", "2024-01-01T00", "2024-01-01T01"]
    assert files(cache) == [
        f"production/books/symbol=BTCUSDT/hour={hour}/part-0.parquet" for hour in hours
    ]
    assert verify(cache.root).empty


def test_the_stretches_of_a_range_are_those_of_its_files(cache, ticks):
    write(cache, ticks(BOOKS, count=2, step_ms=2 * HOUR), interval=None, schema=BOOKS)
    every = cache.stretches(BOOKS, "BTCUSDT", None, 0, 2**43)
    assert every == ((JANUARY, JANUARY + HOUR), (JANUARY + 2 * HOUR, JANUARY + 3 * HOUR))
    assert cache.stretches(BOOKS, "BTCUSDT", None, JANUARY + HOUR, JANUARY + 2 * HOUR) == every[:1]
    assert cache.stretches(BOOKS, "ETHUSDT", None, 0, 2**43) == ()


@pytest.mark.parametrize(
    ("interval", "days", "folders"),
    [
        ("1s", 2, ["date=2024-01-01", "date=2024-01-02"]),
        ("1m", 32, ["month=2024-01", "month=2024-02"]),
        ("1h", 367, ["year=2024", "year=2025"]),
        ("1d", 367, ["year=2024", "year=2025"]),
        ("1M", 367, ["year=2024", "year=2025"]),
    ],
)
def test_klines_are_read_as_they_were_written(interval, days, folders, cache, bars, same):
    columns = bars(JANUARY, JANUARY + days * DAY, interval)
    write(cache, columns, ((JANUARY, JANUARY + days * DAY),), interval)
    found, covered = read(cache, JANUARY, JANUARY + 400 * DAY, interval)
    same(found, columns)
    assert covered == ((JANUARY, JANUARY + days * DAY),)
    name = interval.replace("M", "mo")
    assert files(cache) == [
        f"production/klines/symbol=BTCUSDT/interval={name}/{folder}/part-0.parquet"
        for folder in folders
    ]


def test_nothing_is_read_from_an_empty_cache(cache):
    for schema, interval in ((KLINES, "1h"), (TRADES, None)):
        columns, covered = read(cache, interval=interval, schema=schema)
        assert {name: (v.dtype, len(v)) for name, v in columns.items()} == {
            name: (dtype, 0) for name, dtype in schema.dtypes.items()
        }
        assert covered == ()
    assert not cache.root.exists()


def test_only_what_is_asked_for_is_read(cache, bars, same):
    columns = bars(JANUARY, JANUARY + 40 * DAY)
    write(cache, columns, ((JANUARY, JANUARY + 40 * DAY),))
    start, end = JANUARY + 30 * DAY + 90_000, JANUARY + 31 * DAY + 60_000
    found, covered = read(cache, start, end)
    opens = columns["open_time"] // 1000
    same(found, sliced(columns, (opens >= start) & (opens < end)))
    assert covered == ((start, end),)
    assert length(read(cache, start, start)[0]) == 0
    assert length(read(cache, end, start)[0]) == 0


def test_columns_that_are_not_asked_for_are_not_read(cache, ticks, same):
    columns = ticks(AGG_TRADES, count=5000, step_ms=60_000)
    write(cache, columns, interval=None, schema=AGG_TRADES)
    span = (JANUARY, JANUARY + 10 * DAY)
    for name in files(cache):
        path = cache.root / "v1" / name
        with pq.ParquetFile(path) as file:
            chunk = file.metadata.row_group(0).column(4)
        assert chunk.path_in_schema == "first_id"
        content = bytearray(path.read_bytes())
        content[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
        path.write_bytes(content)
    found, _ = cache.read(AGG_TRADES, "BTCUSDT", None, *span, columns=["qty", "price"])
    same(found, {name: columns[name] for name in ("time", "price", "qty")})
    with pytest.warns(DamagedFileWarning):
        assert length(cache.read(AGG_TRADES, "BTCUSDT", None, *span)[0]) == 0


def test_an_empty_answer_is_remembered(cache):
    write(cache, empty(KLINES), ((JANUARY, JANUARY + HOUR),))
    columns, covered = read(cache)
    assert (length(columns), covered) == (0, ((JANUARY, JANUARY + HOUR),))


def test_rows_without_coverage_are_kept_and_asked_for_again(cache, bars, same):
    columns = bars()
    write(cache, columns)
    found, covered = read(cache)
    same(found, columns)
    assert covered == ()


def test_nothing_written_makes_no_file(cache):
    write(cache, empty(KLINES))
    assert not cache.root.exists()


def test_of_the_same_bar_the_last_written_stays(cache, bars, same):
    first, second = bars(seed=1), bars(JANUARY + 30 * 60_000, JANUARY + 90 * 60_000, seed=2)
    write(cache, first, ((JANUARY, JANUARY + HOUR),))
    write(cache, second, ((JANUARY + HOUR // 2, JANUARY + HOUR * 3 // 2),))
    found, covered = read(cache)
    same(found, concat(KLINES, [sliced(first, slice(30)), second]))
    assert covered == ((JANUARY, JANUARY + HOUR * 3 // 2),)


def test_rows_may_come_in_any_order_and_twice(cache, bars, same):
    columns = bars()
    order = np.random.default_rng(5).permutation(np.repeat(np.arange(60), 2))
    write(cache, sliced(columns, order))
    same(read(cache)[0], columns)


def test_trades_of_one_moment_stay_in_order_of_their_ids(cache, ticks, same):
    columns = ticks(TRADES, 50, step_ms=0)
    write(cache, sliced(columns, slice(25, 50)), interval=None, schema=TRADES)
    write(cache, sliced(columns, slice(0, 25)), interval=None, schema=TRADES)
    same(read(cache, interval=None, schema=TRADES)[0], columns)


def test_trades_whose_times_step_back_over_midnight_are_kept(cache, ticks):
    columns = ticks(TRADES, 4, start=JANUARY + DAY - 2000)
    columns["time"][[1, 2]] = columns["time"][[2, 1]]
    write(cache, columns, interval=None, schema=TRADES)
    found, _ = read(cache, interval=None, schema=TRADES)
    assert sorted(found["id"].tolist()) == [1, 2, 3, 4]
    day, _ = read(cache, JANUARY + DAY, JANUARY + 2 * DAY, interval=None, schema=TRADES)
    assert day["id"].tolist() == [2, 4]


def test_servers_symbols_intervals_and_kinds_never_mix(cache, bars, ticks, same):
    columns = bars(interval="1m", end=JANUARY + DAY, seed=1)
    write(cache, columns)
    others = [
        (Cache(cache.root, "testnet"), "BTCUSDT", "1m"),
        (Cache(cache.root, "127.0.0.1_9443"), "BTCUSDT", "1m"),
        (Cache(cache.root, "../production"), "BTCUSDT", "1m"),
        (cache, "BTCUSDC", "1m"),
        (cache, "BTCUSDT", "1M"),
        (cache, "BTCUSDT", "1h"),
    ]
    for seed, (other, symbol, interval) in enumerate(others, 2):
        assert length(other.read(KLINES, symbol, interval, JANUARY, JANUARY + DAY)[0]) == 0
        rows = bars(interval=interval, end=JANUARY + DAY, seed=seed)
        other.write(KLINES, symbol, interval, rows, (), source="network")
        same(other.read(KLINES, symbol, interval, JANUARY, JANUARY + DAY)[0], rows)
    for schema in (TRADES, AGG_TRADES):
        write(cache, ticks(schema), interval=None, schema=schema)
    same(read(cache)[0], columns)
    assert all(path.is_relative_to(cache.root / "v1") for path in cache.root.rglob("*.parquet"))


@pytest.mark.parametrize("symbol", ["币安人生USDT", "A/B", "..", "x=y", "a b", "%41", "BTCUSDT"])
def test_any_symbol_has_a_folder_of_its_own(symbol, cache, bars, same):
    columns = bars()
    cache.write(KLINES, symbol, "1m", columns, (), source="network")
    same(cache.read(KLINES, symbol, "1m", JANUARY, JANUARY + DAY)[0], columns)
    assert [path.count("/") for path in files(cache)] == [5]
    assert files(cache)[0].isascii()


def test_a_server_must_have_a_name(cache_dir):
    with pytest.raises(ValueError, match="server is ''"):
        Cache(cache_dir, "")


def test_an_interval_must_be_one(cache):
    with pytest.raises(ValueError, match="interval is '1x'"):
        cache.read(KLINES, "BTCUSDT", "1x", JANUARY, JANUARY + DAY)


# ---- empty stretches -----------------------------------------------------------------------------


def test_empty_years_are_one_file_and_known_everywhere_in_them(cache, ticks):
    listed = JANUARY + 40 * DAY
    columns = ticks(TRADES, 10, start=listed, step_ms=DAY)
    write(cache, columns, ((0, listed + 10 * DAY),), interval=None, schema=TRADES)
    assert len(files(cache)) == 11
    for start, end in [
        (0, 1),
        (0, listed),
        (JANUARY, JANUARY + 1),
        (JANUARY - DAY, listed + 3 * DAY),
        (listed - 5, listed + 5),
        (listed + 9 * DAY, listed + 10 * DAY),
    ]:
        assert read(cache, start, end, None, TRADES)[1] == ((start, end),)
    assert read(cache, listed, listed + 20 * DAY, None, TRADES)[1] == ((listed, listed + 10 * DAY),)


def test_an_empty_stretch_over_files_is_known_on_both_sides_of_them(cache, ticks):
    write(cache, ticks(TRADES, 5, start=JANUARY + 10 * DAY), interval=None, schema=TRADES)
    write(cache, empty(TRADES), ((JANUARY, JANUARY + 20 * DAY),), interval=None, schema=TRADES)
    assert len(files(cache)) == 2
    for day in range(20):
        span = (JANUARY + day * DAY, JANUARY + (day + 1) * DAY)
        assert read(cache, *span, None, TRADES)[1] == (span,)


moments = st.integers(0, 9 * DAY).map(lambda t: JANUARY + t // 1000 * 1000)
stretches = st.lists(
    st.tuples(moments, st.integers(0, 3 * DAY)).map(lambda s: (s[0], s[0] + s[1])), max_size=2
)
pages = st.tuples(st.lists(moments, max_size=4), stretches)


@settings(max_examples=20)
@given(st.lists(pages, max_size=4), st.tuples(moments, moments))
def test_what_is_written_is_read_and_nothing_else(bars, history, asked):
    rows, covered = {}, ()
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), "production")
        for seed, (times, spans) in enumerate(history):
            columns = concat(KLINES, [bars(t, t + 1000, "1s", seed) for t in times])
            write(cache, columns, tuple(spans), "1s")
            rows |= {(t, seed): None for t in sorted(times)}
            covered = union(covered, tuple(spans))
            for span in union(tuple(spans)):
                assert read(cache, *span, "1s")[1] == (span,)
        found, known = read(cache, *asked, "1s")
        last = {t: seed for t, seed in rows if asked[0] <= t < asked[1]}
        assert (found["open_time"] // 1000).tolist() == sorted(last)
        for at, t in enumerate(sorted(last)):
            assert found["close"][at] == bars(t, t + 1000, "1s", last[t])["close"][0]
        assert minus(known, covered) == ()
        assert set(verify(cache.root)["what"]) <= {"gap"}


# ---- damage --------------------------------------------------------------------------------------


def garbage(path):
    path.write_bytes(b"PAR1 no more")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def foreign(path):
    pq.write_table(pa.table({"a": [1, 2]}), path)


def folder(path):
    path.unlink()
    path.mkdir()


SPAN = (JANUARY + 30 * DAY, JANUARY + 32 * DAY)


@pytest.fixture(params=[garbage, truncated, emptied, flipped, foreign, folder])
def damaged(request, cache, bars):
    """A cache of the end of January and the begin of February, whose January was damaged."""
    write(cache, bars(*SPAN), (SPAN,))
    path = cache.root / "v1" / files(cache)[0]
    request.param(path)
    return path


def test_a_damaged_file_is_put_aside_and_only_its_rows_are_asked_for_again(
    damaged, cache, bars, same
):
    with pytest.warns(DamagedFileWarning, match="month=2024-01.* was damaged .*fetched again"):
        found, covered = read(cache)
    columns, february = bars(*SPAN), JANUARY + 31 * DAY
    same(found, sliced(columns, columns["open_time"] >= february * 1000))
    assert covered == ((february, SPAN[1]),)
    kept = [path for path in (cache.root / ".damaged").rglob("*") if "part-0" in path.name]
    assert len(kept) == 1
    assert not damaged.exists()
    again, _ = read(cache)  # warnings are errors here
    same(again, found)
    write(cache, sliced(columns, slice(1440)), ((SPAN[0], february),))
    whole, covered = read(cache)
    same(whole, columns)
    assert covered == (SPAN,)


WEEK = 7 * DAY


def flip(path, part):
    """Change a byte at a part of a file's length."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * part)] ^= 1
    path.write_bytes(content)


def file_of(cache, symbol="BTCUSDT"):
    (path,) = (cache.root / "v1").rglob(f"symbol={symbol}/**/part-0.parquet")
    return path


@pytest.mark.parametrize("act", ["read", "write"])
def test_the_sound_weeks_of_a_damaged_month_stay(act, cache, bars, same):
    end = JANUARY + 3 * WEEK
    columns = bars(JANUARY, end)
    write(cache, columns, ((JANUARY, end),))
    whole = file_of(cache).read_bytes()
    flip(file_of(cache), 0.5)
    more = (bars(end, end + DAY), ((end, end + DAY),))
    meet = partial(write, cache, *more) if act == "write" else partial(read, cache, JANUARY, end)
    with pytest.warns(DamagedFileWarning, match="sound rows stay, the others are fetched again"):
        meet()
    found, covered = read(cache, JANUARY, end)
    lost = (JANUARY + WEEK, JANUARY + 2 * WEEK)
    kept = np.flatnonzero((columns["open_time"] < lost[0] * 1000) | (columns["open_time"] >= lost[1] * 1000))  # fmt: skip
    same(found, sliced(columns, kept))
    assert covered == ((JANUARY, lost[0]), (lost[1], end))
    assert "is not fetched again yet" in " ".join(verify(cache.root)["problem"])
    (aside,) = (cache.root / ".damaged").rglob("*.parquet")
    assert len(aside.read_bytes()) == len(whole)
    write(cache, bars(*lost), (lost,))
    assert read(cache, JANUARY, end)[1] == ((JANUARY, end),)
    assert verify(cache.root).empty


def test_books_that_are_damaged_are_told_to_be_lost_and_the_others_stay(cache, ticks):
    count = 300_000  # three row groups
    rows = ticks(BOOKS, count=count, step_ms=10)
    covered = ((JANUARY, JANUARY + count * 10),)
    cache.write(BOOKS, "BTCUSDT", None, rows, covered, source="network")
    flip(file_of(cache), 0.02)
    with pytest.warns(DamagedFileWarning, match="the others are lost, the exchange has no history"):
        found, left = cache.read(BOOKS, "BTCUSDT", None, *covered[0])
    assert len(found["time"]) == count - 131_072
    assert left == ((JANUARY + 131_071 * 10 + 1, covered[0][1]),)
    assert verify(cache.root).empty


def test_a_damaged_file_does_not_stop_a_write(damaged, cache, bars, same):
    page = bars(JANUARY + DAY, JANUARY + DAY + HOUR, seed=9)
    with pytest.warns(DamagedFileWarning):
        write(cache, page, ((JANUARY + DAY, JANUARY + DAY + HOUR),))
    found, covered = read(cache, JANUARY, JANUARY + 31 * DAY)
    same(found, page)
    assert covered == ((JANUARY + DAY, JANUARY + DAY + HOUR),)
    assert damaged.is_file()


# ---- the system refuses --------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named_with_the_cure(tmp_path, bars):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache", "production")
    with pytest.raises(CacheError, match=r"Not a directory.*set BWS_CACHE_DIR") as refused:
        write(cache, bars())
    assert str(cache.root) in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(CacheError, match="cannot be read"):
        read(cache)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_is_named_with_the_cure(cache, bars, same):
    columns = bars()
    write(cache, columns)
    folders = [path for path in cache.root.rglob("*") if path.is_dir()]
    for path in folders:
        path.chmod(0o500)
    try:
        with pytest.raises(CacheError, match=r"Permission denied.*mend its rights"):
            write(cache, bars(seed=2))
        same(read(cache)[0], columns)
    finally:
        for path in folders:
            path.chmod(0o700)


FULL = """
import resource, sys, signal
from pathlib import Path
import numpy as np
from bwsresearch.store import Cache
from bwsresearch.errors import CacheError
from bwsresearch.tables import TRADES

cache = Cache(Path(sys.argv[1]), "production")

def write(first, count):
    ids = np.arange(first, first + count)
    rng = np.random.default_rng(first)
    columns = {"time": 1704067200000000 + ids * 1000, "id": ids, "price": rng.random(count),
               "qty": rng.random(count), "quote_qty": rng.random(count),
               "is_buyer_maker": ids % 2 == 0}
    cache.write(TRADES, "BTCUSDT", None, columns, ((1704067200000, 1704067200000 + first + count),),
                source="network")

def held():
    columns, covered = cache.read(TRADES, "BTCUSDT", None, 1704067200000, 1704153600000)
    return len(columns["id"]), covered[-1][1] - 1704067200000

write(0, 100)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
try:
    write(100, 10_000)
except CacheError as error:
    print(error)
print(held(), len(list((cache.root / ".tmp").iterdir())))
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
write(100, 10_000)
print(held())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of file size")
def test_a_full_disk_loses_nothing_that_was_there(cache_dir):
    ran = subprocess.run(
        [sys.executable, "-c", FULL, cache_dir], capture_output=True, text=True, check=True
    )
    error, full, after = ran.stdout.splitlines()
    assert error.startswith(f"the cache at {cache_dir} cannot be written (File too large")
    assert "free space" in error
    assert full == "(100, 100) 0"
    assert after == "(10100, 10100)"


HOLD = """
import fcntl, sys
with open(sys.argv[1]) as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the test itself locks by flock")
def test_a_file_that_another_process_holds_is_waited_for_then_named(cache, bars, same):
    columns = bars()
    write(cache, columns)
    (lock,) = (path for path in (cache.root / ".locks").rglob("*.lock"))
    impatient = Cache(cache.root, "production", lock_s=0.01)
    other = subprocess.Popen(
        [sys.executable, "-S", "-c", HOLD, lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CacheError, match=r"another process has held .*lock for 0\.01 s"):
            write(impatient, bars(seed=2))
        same(read(impatient)[0], columns)  # a reader never waits
        impatient.write(KLINES, "ETHUSDT", "1m", columns, (), source="network")
        other.stdin.close()
    write(impatient, bars(seed=2))
    same(read(impatient)[0], bars(seed=2))


def test_drafts_of_dead_processes_are_removed_after_an_hour(cache, bars):
    drafts = cache.root / ".tmp"
    drafts.mkdir(parents=True)
    for name, age in (("old.tmp", 3700), ("young.tmp", 3500), ("other.txt", 9999)):
        (drafts / name).write_bytes(b"x")
        os.utime(drafts / name, (time.time() - age,) * 2)
    write(cache, bars())
    assert sorted(path.name for path in drafts.iterdir()) == ["other.txt", "young.tmp"]


def test_the_source_of_a_file_is_what_its_rows_came_from(cache, bars):
    for seed, source in enumerate(["network", "network", "archive"]):
        write(cache, bars(seed=seed), source=source)
        record = pq.read_schema(cache.root / "v1" / files(cache)[0]).metadata[b"bwsresearch"]
        wanted = "mixed" if source == "archive" else "network"
        assert f'"source":"{wanted}"'.encode() in record


def test_a_folder_of_others_in_a_series_is_let_be(cache, bars, same):
    columns = bars()
    write(cache, columns)
    place = (cache.root / "v1" / files(cache)[0]).parents[1]
    for name in (".DS_Store", "month=9999-99", "month=x", "year=2024", "_temporary"):
        (place / name).mkdir()
    found, _ = read(cache, JANUARY + 30_000, JANUARY + DAY)
    same(found, sliced(columns, slice(1, None)))
    write(cache, columns, ((JANUARY, JANUARY + 300 * DAY),))
    assert read(cache, JANUARY, JANUARY + 300 * DAY)[1] == ((JANUARY, JANUARY + 300 * DAY),)
