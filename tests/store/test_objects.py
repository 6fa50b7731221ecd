import contextlib
import itertools
import random
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import fsspec
import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.cli import main
from bwsresearch.client.sync import Client
from bwsresearch.errors import CacheError
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import LocalEndpoint, recorded_market
from bwsresearch.store import Cache, DamagedFileWarning, upkeep
from bwsresearch.store.verification import verify
from bwsresearch.tables import KLINES, TRADES, concat, empty, length, sliced

from .buckets import IF_MATCH, IF_NONE_MATCH, KEY, SECRET

JANUARY = 1_704_067_200_000  # 2024-01-01
MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
YEAR = (JANUARY, JANUARY + 366 * DAY)
SERIES = "cache/v1/production/klines/symbol=BTCUSDT/interval=1m"


_apps = itertools.count()


@pytest.fixture
def url(bucket):
    return f"s3://{bucket}/cache"


@pytest.fixture
def remote(url):
    return Cache(url, "production")


def read(cache, start=JANUARY, end=JANUARY + 60 * DAY, interval="1m", schema=KLINES):
    return cache.read(schema, "BTCUSDT", interval, start, end)


def write(cache, columns, covered=(), interval="1m", schema=KLINES):
    cache.write(schema, "BTCUSDT", interval, columns, covered, source="network")


def page(bars, number, seed=1):
    """The hour of that number, and the time that it completes."""
    start = JANUARY + number * HOUR
    return bars(start, start + HOUR, seed=seed + number), ((start, start + HOUR),)


@contextlib.contextmanager
def fresh():
    """Meet the store for the first time: this process knows another by what surrounds it."""
    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("AWS_SDK_UA_APP_ID", f"tests-{next(_apps)}")
        yield


def tree(server, bucket):
    return {
        name.removeprefix("cache/"): content
        for name, content in server.objects(bucket).items()
        if name.startswith("cache/v1/")
    }


# ---- the same as a folder -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_same_calls_make_the_same_files_as_in_a_folder(seed, remote, url, cache, bars, ticks, s3, same):  # fmt: skip
    rng = random.Random(seed)
    for _ in range(12):
        start = JANUARY + rng.randrange(0, 80 * DAY, MINUTE)
        end = start + rng.randrange(0, 3 * DAY, MINUTE)
        kind = rng.choice(["rows", "rows", "nothing", "trades", "seconds", "clear"])
        for each in (cache, remote):
            if kind == "clear":
                upkeep.clear(each.root, upkeep.Wanted(interval=None if seed % 2 else "1m"))
            elif kind == "trades":
                rows = ticks(TRADES, 50, start=start, step_ms=HOUR, first=start // HOUR)
                write(each, rows, ((start, end),), None, TRADES)
            elif kind == "seconds":
                write(each, bars(start, start + HOUR, "1s", seed), ((start, end),), "1s")
            else:
                rows = bars(start, end, seed=seed) if kind == "rows" else empty(KLINES)
                write(each, rows, ((start, end), (end + DAY, end + 2 * DAY)))
        asked = sorted(JANUARY + rng.randrange(-DAY, 90 * DAY) for _ in range(2))
        for interval, schema in (("1m", KLINES), ("1s", KLINES), (None, TRADES)):
            (here, covered), (there, known) = (
                read(each, *asked, interval, schema) for each in (cache, remote)
            )
            same(there, here)
            assert known == covered
    for table in (upkeep.info, verify):
        here, there = (table(root) for root in (cache.root, url))
        there["path"] = there["path"].str.replace(url, str(cache.root))
        pd.testing.assert_frame_equal(there, here)
    top = cache.root
    assert tree(s3, remote.root.split("/")[2]) == {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in (top / "v1").rglob("*")
        if path.is_file()
    }


def test_a_range_is_read_by_one_list_and_one_request_a_file(remote, bars, s3, same):
    columns = bars(JANUARY, JANUARY + 100 * DAY, "30m")
    write(remote, columns, interval="30m")
    s3.seen.clear()
    same(read(remote, *YEAR, "30m")[0], columns)
    assert [request.is_list for request in s3.seen] == [True, False, False, False, False]
    s3.seen.clear()
    read(remote, JANUARY + 40 * DAY, JANUARY + 41 * DAY, "30m")
    assert [request.path.split("/")[-2] for request in s3.seen if not request.is_list] == [
        "month=2024-02"
    ]


def test_files_are_fetched_side_by_side(remote, bars, s3):
    write(remote, bars(JANUARY, JANUARY + 100 * DAY, "30m"), interval="30m")
    together = threading.Barrier(4, timeout=30)

    def gather(request):
        if request.path.endswith(".parquet"):
            together.wait()

    s3.interfere = gather
    assert length(read(remote, *YEAR, "30m")[0]) == 4800


def test_the_table_of_what_is_held_reads_the_ends_of_files_alone(remote, url, bars, s3):
    write(remote, bars(JANUARY, JANUARY + 31 * DAY), ((JANUARY, JANUARY + 31 * DAY),))
    (content,) = tree(s3, url.split("/")[2]).values()
    assert len(content) > 1_000_000
    s3.sent.clear()
    line = upkeep.info(url).iloc[0]
    assert (line["rows"], line["mb"]) == (31 * 1440, len(content) / 1e6)
    assert line["end"] == pd.Timestamp("2024-02-01", tz="UTC")
    assert line["path"] == f"s3://{url.split('/')[2]}/{SERIES}"
    assert sum(s3.sent) < 100_000


def test_a_footer_longer_than_the_end_that_is_read_is_read_whole(remote, url, ticks, s3):
    moments = [(JANUARY + 4000 * i, JANUARY + 4000 * i + 1000) for i in range(6000)]
    s3.seen.clear()
    write(remote, ticks(TRADES, 10), tuple(moments), None, TRADES)
    assert sum(request.is_list for request in s3.seen) <= 2
    line = upkeep.info(url).iloc[0]
    assert line["end"] == pd.Timestamp(moments[-1][1], unit="ms", tz="UTC")


# ---- writers at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3])
def test_rows_of_threads_that_write_one_file_at_once_are_all_kept(count, url, remote, bars, same):
    def work(first):
        mine = Cache(url, "production")
        for number in range(first, 24, count):
            write(mine, *page(bars, number))

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))
    found, covered = read(remote)
    same(found, concat(KLINES, [page(bars, number)[0] for number in range(24)]))
    assert covered == ((JANUARY, JANUARY + DAY),)


WRITER = """
import sys
import numpy as np
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cache = Cache(url, "production")
print("ready", flush=True)
sys.stdin.readline()
for page in range(first, 15, count):
    opens = 1704067200000 + (np.arange(60) + 60 * page) * 60000
    rows = {name: opens * 1000 if name in KLINES.stamps else (opens // 60000 % 9999).astype(dtype)
            for name, dtype in KLINES.dtypes.items()}
    covered = ((int(opens[0]), int(opens[-1]) + 60000),)
    cache.write(KLINES, "BTCUSDT", "1m", rows, covered, source="network")
print("done", flush=True)
"""


def test_rows_of_processes_that_write_one_file_at_once_are_all_kept(url, remote):
    arguments = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen(
            [*arguments, str(first), "3"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] for writer in writers] == ["done\n"] * 3
    found, covered = read(remote)
    assert (found["open_time"] // 1000).tolist() == list(
        range(JANUARY, JANUARY + 15 * HOUR, MINUTE)
    )
    assert covered == ((JANUARY, JANUARY + 15 * HOUR),)


def test_a_writer_that_is_overtaken_adds_to_what_the_other_wrote(remote, url, bars, s3, same):
    other = Cache(url, "production")
    for number, there in ((0, "none yet"), (2, "some")):
        armed = [there]

        def overtake(request, armed=armed, number=number):
            if armed and request.method == "PUT" and request.path.endswith(".parquet"):
                armed.clear()
                write(other, *page(bars, number + 1))

        s3.interfere = overtake
        write(remote, *page(bars, number))
        assert not armed
    found, covered = read(remote)
    same(found, concat(KLINES, [page(bars, number)[0] for number in range(4)]))
    assert covered == ((JANUARY, JANUARY + 4 * HOUR),)


def test_a_writer_whose_file_is_removed_meanwhile_makes_it_anew(remote, url, bars, s3, same):
    write(remote, *page(bars, 0))
    armed = [True]

    def remove(request):
        if armed and request.method == "PUT" and request.path.endswith(".parquet"):
            armed.clear()
            upkeep.clear(url)

    s3.interfere = remove
    write(remote, *page(bars, 1))
    same(read(remote)[0], page(bars, 1)[0])


def test_a_write_that_arrived_though_its_answer_did_not_counts_once(
    remote, bars, s3, same, monkeypatch
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    write(remote, *page(bars, 0))
    lost = []

    def lose(request):
        if not lost and request.method == "PUT" and request.path.endswith(".parquet"):
            lost.append(request)
            write(Cache(remote.root, "production"), *page(bars, 1))  # the very same rows
            return 500, "InternalError"
        return None

    s3.interfere = lose
    write(remote, *page(bars, 1))
    found, covered = read(remote)
    same(found, concat(KLINES, [page(bars, 0)[0], page(bars, 1)[0]]))
    assert covered == ((JANUARY, JANUARY + 2 * HOUR),)


def test_who_is_always_overtaken_is_told_and_nothing_is_lost(url, remote, bars, s3, same):
    write(remote, *page(bars, 0))
    s3.interfere = lambda r: (412, "PreconditionFailed") if r.method == "PUT" else None
    impatient = Cache(url, "production", lock_s=0.0)
    with pytest.raises(
        CacheError, match=r"others have kept replacing s3://.*part-0.parquet for 0 s"
    ):
        write(impatient, *page(bars, 1))
    s3.calm()
    same(read(remote)[0], page(bars, 0)[0])


def test_a_reader_sees_a_whole_file_while_it_is_replaced(url, remote, bars):
    write(remote, *page(bars, 0))
    done = threading.Event()

    def keep_reading():
        mine, seen = Cache(url, "production"), []
        while not done.is_set():
            seen.append(length(read(mine)[0]))
        return seen

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(keep_reading)
        try:
            for number in range(1, 20):
                write(remote, *page(bars, number))
        finally:
            done.set()
        seen = reader.result()
    assert all(rows % 60 == 0 for rows in seen)
    assert all(a <= b for a, b in pairwise(seen))


# ---- stores that cannot ---------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [IF_MATCH, IF_NONE_MATCH])
def test_a_store_without_conditional_writes_is_refused_and_still_read(missing, remote, url, bars, s3, same):  # fmt: skip
    write(remote, *page(bars, 0))
    before = s3.objects(url.split("/")[2])
    s3.ignored = {("PUT", missing)}
    with fresh():
        other = Cache(url, "production")
        name = missing.removeprefix("HTTP_").replace("_", "-").title()
        with pytest.raises(CacheError) as refused:
            write(other, *page(bars, 1))
        said = str(refused.value)
        assert said.startswith(f"{url} cannot be written safely: its store has no {name}, ")
        assert "set BWS_CACHE_DIR to a folder" in said
        assert "\n" not in said
        same(read(other)[0], page(bars, 0)[0])
    assert s3.objects(url.split("/")[2]) == before


def test_a_store_of_no_known_conditions_is_read_and_not_written(cache, bars, same):
    write(cache, *page(bars, 0))
    fs = fsspec.filesystem("memory")
    fs.put(str(cache.root / "v1"), "/reading/v1", recursive=True)
    try:
        other = Cache("memory://reading", "production")
        same(read(other)[0], page(bars, 0)[0])
        assert len(verify("memory://reading")) == 0
        assert upkeep.info("memory://reading")["rows"].tolist() == [60]
        with pytest.raises(
            CacheError, match=r"memory://reading cannot be written safely: .* folder"
        ):
            write(other, *page(bars, 1))
        assert upkeep.clear("memory://reading") > 0
        assert length(read(other)[0]) == 0
        assert read(Cache("memory://nothing", "production"))[1] == ()
    finally:
        fs.rm("/reading", recursive=True)


# ---- what goes wrong ------------------------------------------------------------------------------


def refusals(cache, bars):
    found = []
    for call in (
        lambda: read(cache),
        lambda: write(cache, bars()),
        lambda: upkeep.info(cache.root),
    ):
        with pytest.raises(CacheError) as refused:
            call()
        found.append(str(refused.value))
    for text in found:
        assert "\n" not in text
        assert cache.root in text
        assert "AWS_ENDPOINT_URL, or set BWS_CACHE_DIR" in text
        assert SECRET not in text
        assert KEY not in text
    return found


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_named(bars):
    for text in refusals(Cache("s3://nobody-made-it/cache", "production"), bars):
        assert "(NoSuchBucket)" in text


def test_a_store_that_is_not_reached_is_named_without_secrets(url, bars, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for text in refusals(Cache(url, "production"), bars):
        assert "(EndpointConnectionError)" in text


@pytest.mark.parametrize("answer", [(403, "AccessDenied"), (403, "SignatureDoesNotMatch")])
def test_keys_without_rights_are_told_of_without_the_stores_words(answer, url, bars, s3):
    s3.interfere = lambda _: answer
    for text in refusals(Cache(url, "production"), bars):
        assert f"({answer[1]})" in text


def test_keys_that_may_only_read_do(remote, url, bars, s3, same):
    write(remote, *page(bars, 0))
    s3.interfere = lambda r: (403, "AccessDenied") if r.method in ("PUT", "DELETE") else None
    same(read(remote)[0], page(bars, 0)[0])
    assert verify(url).empty
    with pytest.raises(CacheError, match=r"cannot be written \(AccessDenied\)"):
        write(remote, *page(bars, 1))
    with pytest.raises(CacheError, match=r"cannot be written \(AccessDenied\)"):
        upkeep.clear(url)


@pytest.mark.parametrize("name", ["fsspec", "s3fs"])
def test_without_the_extra_its_name_is_told(name):
    script = f"import sys; sys.modules[{name!r}] = None\n" + READ
    ran = subprocess.run(
        [sys.executable, "-c", script, "s3://bucket/cache"],
        capture_output=True,
        text=True,
        check=False,
    )
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: the cache at s3://bucket/cache cannot be opened (")
    assert last.endswith("pip install 'bwsresearch[scale]'")


READ = """
import os, sys
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

def rows():
    found = Cache(sys.argv[1], "production").read(KLINES, "BTCUSDT", "1m", 0, 2**42)
    return len(found[0]["close"])

count = rows()
"""
FORK = (
    READ
    + """
child = os.fork()
if not child:
    os._exit(0 if rows() == count else 1)
print(count, os.waitpid(child, 0)[1])
"""
)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_reads_too(remote, url, bars):
    write(remote, *page(bars, 0))
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "60 0\n"


# ---- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def damaged(remote, url, bars, s3):
    """January's object, of which a byte has changed, and February's."""
    span = (JANUARY + 30 * DAY, JANUARY + 32 * DAY)
    write(remote, bars(*span), (span,))
    bucket = url.split("/")[2]
    name = f"{SERIES}/month=2024-01/part-0.parquet"
    content = bytearray(s3.objects(bucket)[name])
    content[len(content) // 3] ^= 1
    s3.put(bucket, name, bytes(content))
    return bytes(content)


def aside(server, url):
    found = server.objects(url.split("/")[2])
    return {name: found[name] for name in found if name.startswith("cache/.damaged/")}


def test_a_damaged_object_is_put_aside_and_only_its_rows_are_asked_for_again(
    damaged, remote, url, bars, s3, same
):
    assert verify(url)["problem"].str.startswith("damaged").tolist() == [True]
    with pytest.warns(
        DamagedFileWarning, match=r"s3://.*month=2024-01.* was damaged .*fetched again"
    ):
        found, covered = read(remote)
    february = JANUARY + 31 * DAY
    columns = bars(JANUARY + 30 * DAY, JANUARY + 32 * DAY)
    same(found, sliced(columns, columns["open_time"] >= february * 1000))
    assert covered == ((february, february + DAY),)
    ((name, content),) = aside(s3, url).items()
    assert name.startswith(f"{SERIES.replace('v1', '.damaged')}/month=2024-01/")
    assert content == damaged
    same(read(remote)[0], found)  # warnings are errors here
    write(remote, sliced(columns, slice(1440)), ((JANUARY + 30 * DAY, february),))
    same(read(remote)[0], columns)
    assert upkeep.clear(url) > len(damaged)
    assert s3.objects(url.split("/")[2]) == {}


def test_a_damaged_object_does_not_stop_a_write(damaged, remote, url, bars, s3, same):
    with pytest.warns(DamagedFileWarning):
        write(remote, *page(bars, 5))
    same(read(remote, JANUARY, JANUARY + 31 * DAY)[0], page(bars, 5)[0])
    assert list(aside(s3, url).values()) == [damaged]


def test_an_object_that_was_mended_meanwhile_is_not_put_aside(remote, url, bars, s3, same):
    write(remote, *page(bars, 0))
    bucket, name = url.split("/")[2], f"{SERIES}/month=2024-01/part-0.parquet"
    sound = s3.objects(bucket)[name]
    s3.put(bucket, name, b"PAR1 no more")
    armed = [True]

    def mend(request):
        if armed and request.method == "DELETE" and "part-0" in request.path:
            armed.clear()
            s3.put(bucket, name, sound)

    s3.interfere = mend
    same(read(remote)[0], page(bars, 0)[0])
    assert not armed


@pytest.mark.parametrize("why", ["no conditional removal", "no right to write"])
def test_a_damaged_object_that_cannot_be_removed_safely_waits_for_the_next_write(
    why, damaged, url, bars, s3, same
):
    with fresh():
        mine = Cache(url, "production")
        if why == "no right to write":
            s3.interfere = lambda r: (403, "AccessDenied") if r.method == "PUT" else None
        else:
            s3.ignored = {("DELETE", IF_MATCH)}
        with pytest.warns(DamagedFileWarning, match="damaged"):
            found, covered = read(mine)
        assert length(found) == 1440
        assert covered[0][0] == JANUARY + 31 * DAY
        assert damaged in tree(s3, url.split("/")[2]).values()
        s3.interfere = None
        with pytest.warns(DamagedFileWarning, match="damaged"):
            write(mine, *page(bars, 0))
        same(read(mine, JANUARY, JANUARY + DAY)[0], page(bars, 0)[0])
        assert list(aside(s3, url).values()) == [damaged]


# ---- through the calls of a user ------------------------------------------------------------------


class Watched(Gateway):
    """An exchange that keeps what it was asked."""

    def __init__(self):
        super().__init__(SyntheticMarket(seed=7))
        self.asked = []

    def handle(self, call, options, address, now_ms):
        self.asked.append(call.method)
        return super().handle(call, options, address, now_ms)


@pytest.fixture
def exchange():
    return Watched()


@pytest.fixture
def client(exchange):
    with Client(LocalEndpoint(exchange, lambda: JANUARY + 100 * DAY)) as connected:
        yield connected


@pytest.fixture
def chosen(url, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_DIR", url + "/")
    return url


def test_a_second_pull_comes_from_the_bucket_without_a_request(chosen, exchange, client):
    asked = {"start": "2024-01-30", "end": "2024-02-02", "client": client}
    first = bws.klines("BTCUSDT", "1m", **asked)
    assert (len(first), first.attrs["source"]) == (3 * 1440, "network")
    assert "klines" in exchange.asked
    exchange.asked.clear()
    second = bws.klines("BTCUSDT", "1m", **asked)
    assert second.attrs["source"] == "cache"
    pd.testing.assert_frame_equal(second, first)
    assert exchange.asked == []
    assert bws.cache.path() == chosen
    assert bws.cache.info()["rows"].tolist() == [3 * 1440]
    assert bws.cache.verify().empty
    assert bws.cache.clear("btcusdt") > 0
    assert bws.cache.info().empty
    assert bws.klines("BTCUSDT", "1m", **asked).attrs["source"] == "network"


def test_a_bucket_that_is_gone_costs_no_rows(client, s3, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_DIR", "s3://nobody-made-it/cache")
    asked = {"start": "2024-01-30", "end": "2024-02-02", "client": client}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = bws.klines("BTCUSDT", "1m", **asked)
    assert len(found) == 3 * 1440
    assert any("(NoSuchBucket)" in str(warning.message) for warning in told)
    assert {request.path for request in s3.seen} == {"nobody-made-it"}


def test_archives_are_imported_into_a_bucket_and_served_from_it(chosen, tmp_path):
    opens = JANUARY + np.arange(24) * HOUR
    lines = [f"{t},1,2,0.5,1.5,9,{t + HOUR - 1},9,3,4,4,0\n" for t in opens]
    archive = tmp_path / "BTCUSDT-1h-2024-01-01.csv"
    archive.write_text("".join(lines))
    assert bws.cache.import_(archive)["rows"].tolist() == [24]
    market = recorded_market(chosen)
    assert list(market.recorded["BTCUSDT"]) == ["1h"]


def test_what_needs_a_folder_says_so(chosen):
    for call in (bws.cache.scan, lambda: bws.cache.sql("select 1")):
        with pytest.raises(
            CacheError, match=f"needs a cache in a folder, BWS_CACHE_DIR is {chosen}"
        ):
            call()


def test_what_a_bucket_holds_is_told_and_served_by_the_command_line(
    url, cache_dir, remote, bars, monkeypatch, capsys
):
    day = bars(JANUARY, JANUARY + DAY, "1h")
    write(remote, day, ((JANUARY, JANUARY + DAY),), "1h")
    with monkeypatch.context() as typed:
        typed.setattr(sys, "argv", ["bwsresearch", "cache", "info", "--cache", url])
        typed.setenv("BWS_CACHE_DIR", str(cache_dir))  # which the command sets
        with pytest.raises(SystemExit, match="0"):
            main()
    assert "BTCUSDT" in capsys.readouterr().out
    serve = [sys.executable, "-m", "bwsresearch", "serve", "--port", "0"]
    source = ["--market", "cache", "--cache", url]
    with subprocess.Popen([*serve, *source], stdout=subprocess.PIPE, text=True) as server:
        try:
            place = server.stdout.readline().removeprefix("listening on ").strip()
            with bws.connect(place) as client:
                found = bws.klines(
                    "BTCUSDT", "1h", start="2024-01-01", end="2024-01-02", client=client
                )
        finally:
            server.terminate()
    assert found["close"].tolist() == day["close"].tolist()
    assert cache_dir.is_dir()  # what was pulled here went into the folder


def test_a_folder_needs_nothing_of_object_storage(cache_dir):
    script = f"""
import sys
{READ}
assert not {{"fsspec", "s3fs", "botocore", "aiohttp"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script, str(cache_dir)], check=True)
