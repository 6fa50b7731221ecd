import asyncio

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.client.bridge import Bridge
from bwsresearch.errors import BadSymbol, Banned, CacheError, Disconnected
from bwsresearch.history.recording import FLUSH_MS, MERGE_MS
from bwsresearch.local import LocalEndpoint
from bwsresearch.server import hosted
from bwsresearch.store import Cache
from bwsresearch.store.spool import recall
from bwsresearch.store.verification import verify
from bwsresearch.tables import BOOKS, length

from .lab import NOW, Clock, Exchange, Watched, refusal, result
from .recorders import SECOND, planned, run

FIRST = NOW // SECOND * SECOND + SECOND  # 12:34:57
DAY = 86_400_000


def history(exchange, **options):
    return bws.depth_history("BTCUSDT", client=exchange.client, **options)


def times(frame):
    return [int(stamp.value // 10**6) for stamp in frame.index.unique()]


def record(exchange, seconds, **options):
    """Record so many times, from the next of the grid on."""
    step = options.get("every", SECOND)
    first = -(-exchange.clock.now_ms // step) * step
    recording, pace = planned(
        exchange.client, exchange.clock, until=first + seconds * step, **options
    )
    return recording, pace, first


def test_books_are_asked_for_at_the_multiples_of_the_cadence(exchange):
    recording, _, first = record(exchange, 5)
    assert first == FIRST
    run(recording)
    assert (recording.samples, recording.late, recording.missed) == (5, 0, 0)
    found = history(exchange, columns=["request_time", "reply_time"], levels=1)
    assert times(found) == [FIRST + i * SECOND for i in range(5)]
    assert (found["request_time"] == found.index).all()
    assert (found["reply_time"] == found.index).all()
    assert exchange.asked["depth"] == 5


def test_the_grid_starts_at_the_epoch(exchange):
    run(record(exchange, 3, every=7 * SECOND)[0])
    assert {time % 7000 for time in times(history(exchange))} == {0}
    assert history(exchange).attrs["every"] == "7s"


def test_a_book_is_kept_as_the_exchange_gave_it(exchange):
    recording, _, first = record(exchange, 3, limit=40)
    run(recording)
    exchange.clock.now_ms = first + SECOND
    book = bws.depth("BTCUSDT", limit=40, client=exchange.client)
    kept = history(exchange, levels=None, columns=["price", "qty", "last_update_id"])
    kept = kept.loc[pd.Timestamp(first + SECOND, unit="ms", tz="UTC")].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[["side", "price", "qty"]], book[["side", "price", "qty"]])
    assert set(kept["last_update_id"]) == {book.attrs["last_update_id"]}


def test_several_symbols_are_asked_for_at_the_same_times(exchange):
    recording = run(record(exchange, 4, symbols=("BTCUSDT", "ETHUSDT"))[0])
    assert recording.samples == 8
    other = bws.depth_history("ETHUSDT", client=exchange.client)
    assert times(other) == times(history(exchange))


def test_an_end_that_has_passed_is_named(exchange):
    recording, _ = planned(exchange.client, exchange.clock, until=NOW - 1)
    run(recording)
    assert str(recording.error) == (
        "until is 2024-06-15 12:34:56.788, but the server's time is 2024-06-15 12:34:56.789; "
        "give a later one"
    )


def test_it_ends_a_length_of_time_after_it_began(exchange):
    recording, _ = planned(exchange.client, exchange.clock, lasts=90 * SECOND)
    assert run(recording).samples == 90


def test_stopping_keeps_what_came(exchange):
    recording, pace = planned(exchange.client, exchange.clock)
    pace.then[FIRST + 3 * SECOND] = recording.stop
    run(recording)
    assert times(history(exchange)) == [FIRST, FIRST + SECOND, FIRST + 2 * SECOND]
    assert (recording.missed, recording.error) == (0, None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(500, -1000, "An unknown error occurred."), "An unknown error occurred"),
        (result({"lastUpdateId": 1}), "bids"),
        (result(b'{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}'), "float"),
    ],
)
def test_a_book_that_does_not_come_is_missed_and_a_gap(answer, said, exchange):
    recording, _, first = record(exchange, 5)
    exchange.nth(3, answer, method="depth")
    run(recording)
    assert (recording.samples, recording.missed, recording.error) == (4, 1, None)
    assert said in recording.last_error
    gap = [first + 2 * SECOND, first + 3 * SECOND]
    assert history(exchange).attrs["gaps"] == [gap]
    assert gap[0] not in times(history(exchange))


def test_a_limit_is_obeyed_for_as_long_as_it_says(exchange):
    recording, _, first = record(exchange, 8)
    until = {"serverTime": first + SECOND, "retryAfter": first + 5 * SECOND}
    exchange.nth(2, refusal(429, -1003, "Too many requests.", **until), method="depth")
    run(recording)
    asked = exchange.pages("depth")
    assert (recording.samples, recording.missed, recording.error) == (4, 4, None)
    assert len(asked) == 5
    assert history(exchange).attrs["gaps"] == [[first + SECOND, first + 5 * SECOND]]


def test_a_ban_ends_it_and_what_came_is_kept(exchange):
    recording, _, first = record(exchange, 8)
    until = {"serverTime": first, "retryAfter": first + DAY}
    exchange.nth(4, refusal(418, -1003, "Way too many requests.", **until), method="depth")
    run(recording)
    assert isinstance(recording.error, Banned)
    assert (recording.samples, recording.missed) == (3, 1)
    assert len(times(history(exchange))) == 3
    assert exchange.asked["depth"] == 4


def test_a_symbol_that_does_not_exist_ends_it(exchange):
    recording = run(record(exchange, 8, symbols=("BTCUSDT", "NOSUCH"))[0])
    assert isinstance(recording.error, BadSymbol)
    assert "NOSUCH was asked for" in str(recording.error)
    assert len(times(history(exchange))) == 1


def test_a_book_that_comes_after_the_next_was_due_is_late(exchange):
    recording, _, first = record(exchange, 5)
    seen = []

    def slow(answer):
        seen.append(answer)
        exchange.clock.now_ms += 1500 if len(seen) == 3 else 0

    exchange.gateway.after = slow
    run(recording)
    assert (recording.samples, recording.late, recording.missed) == (5, 1, 0)
    found = history(exchange, columns=["request_time", "reply_time"], levels=1)
    slowest = found.loc[pd.Timestamp(first + 2 * SECOND, unit="ms", tz="UTC"), "reply_time"]
    assert set(slowest) == {pd.Timestamp(first + 3500, unit="ms", tz="UTC")}


def test_times_that_a_sleeping_machine_overslept_are_missed(exchange):
    recording, pace, first = record(exchange, 60, symbols=("BTCUSDT", "ETHUSDT"))

    def sleep():
        exchange.clock.now_ms += 30 * SECOND + 400

    pace.then[first + 5 * SECOND] = sleep
    run(recording)
    assert (recording.samples, recording.missed) == (60, 60)
    assert history(exchange).attrs["gaps"] == [[first + 5 * SECOND, first + 35 * SECOND]]


def test_no_more_is_missed_than_was_to_be_recorded(exchange):
    recording, pace, first = record(exchange, 10)

    def sleep():
        exchange.clock.now_ms += DAY

    pace.then[first + 5 * SECOND] = sleep
    run(recording)
    assert (recording.samples, recording.missed) == (5, 5)


# ---- connections ---------------------------------------------------------------------------------


class Line:
    """A way to an exchange that can be cut; `cuts` is how many attempts to connect fail."""

    is_production = False

    def __init__(self, exchange):
        self.inner = LocalEndpoint(exchange.gateway, exchange.clock)
        self.name, self.cuts = "line", 0

    async def connect(self):
        if self.cuts > 0:
            self.cuts -= 1
            raise Disconnected("cannot connect to line")
        return await self.inner.connect()


def test_a_server_that_is_not_there_yet_is_waited_for(exchange):
    line = Line(exchange)
    line.cuts = 3
    client = exchange.new_client(line)
    recording, _ = planned(client, exchange.clock, lasts=5 * SECOND)
    run(recording)
    assert (recording.samples, recording.missed, recording.error) == (5, 0, None)
    assert recording.last_error == "cannot connect to line"


def test_what_is_due_while_there_is_no_connection_is_missed(exchange):
    line = Line(exchange)
    client = exchange.new_client(line)
    recording, pace = planned(client, exchange.clock, lasts=10 * SECOND)

    async def cut():
        line.cuts = 3
        await client.aio.close()

    pace.then[FIRST + 2 * SECOND] = cut
    run(recording)
    # A request that finds no connection is tried once.
    assert (recording.samples, recording.missed, recording.error) == (7, 3, None)
    gap = [FIRST + 2 * SECOND, FIRST + 5 * SECOND]
    assert bws.depth_history("BTCUSDT", client=client).attrs["gaps"] == [gap]


def test_no_book_is_missed_when_the_server_drops_its_connections(synthetic):
    clock = Clock()
    with hosted(Watched(synthetic), clock=clock) as server:
        exchange = Exchange(server.gateway, clock)
        client = exchange.new_client(server.url)
        recording, pace = planned(client, clock, lasts=20 * SECOND)
        for second in range(3, 18, 3):
            pace.then[FIRST + second * SECOND] = server.drop
        run(recording)
        assert server.connections > 1
        assert (recording.samples, recording.missed, recording.error) == (20, 0, None)
        assert len(times(bws.depth_history("BTCUSDT", client=client))) == 20


# ---- what is kept, and when ----------------------------------------------------------------------


def held(exchange):
    """How many rows lie in spools, and how many in the cache's files."""
    cache = Cache(bws.cache.path(), exchange.gateway.market.identity)
    loose, _ = recall(cache, BOOKS, "BTCUSDT", 0, 2**42)
    rows, _ = cache.read(BOOKS, "BTCUSDT", None, 0, 2**42)
    return sum(map(length, loose)), length(rows)


def test_rows_reach_the_disk_in_ten_seconds_and_the_files_in_five_minutes(exchange):
    recording, pace, first = record(exchange, 320, limit=5)
    seen = {}
    for second in (10, 11, 299, 301, 312):
        pace.then[first + second * SECOND] = lambda at=second: seen.update({at: held(exchange)})
    run(recording)
    assert (FLUSH_MS, MERGE_MS) == (10_000, 300_000)
    assert seen == {10: (0, 0), 11: (100, 0), 299: (2900, 0), 301: (0, 3000), 312: (100, 3000)}
    assert held(exchange) == (0, 3200)
    assert list((bws.cache.path() / ".spool").iterdir()) == []
    assert len(times(history(exchange))) == 320


def test_a_frame_shows_what_is_not_in_the_files_yet(exchange):
    step = 5 * SECOND
    recording, pace, first = record(exchange, 64, every=step)
    seen = []
    pace.then[first + 63 * step] = lambda: seen.append(history(exchange))
    run(recording)
    assert times(seen[0]) == [first + i * step for i in range(62)]
    assert seen[0].attrs["gaps"] == []


def test_midnight_does_not_tear_a_recording(synthetic):
    midnight = NOW // DAY * DAY + DAY
    exchange = Exchange(Watched(synthetic), Clock(midnight - 5 * SECOND))
    run(record(exchange, 10)[0])
    found = history(exchange)
    assert times(found) == [midnight + i * SECOND for i in range(-5, 5)]
    assert found.attrs["gaps"] == []
    files = sorted(path.parent.name for path in (bws.cache.path() / "v1").rglob("*.parquet"))
    assert files == ["hour=2024-06-15T23", "hour=2024-06-16T00"]
    assert bws.cache.info()["rows"].tolist() == [400]
    assert verify(bws.cache.path()).empty


def test_a_second_run_goes_on_where_the_first_ended(exchange):
    run(record(exchange, 5)[0])
    exchange.clock.now_ms += 7 * SECOND
    run(record(exchange, 5)[0])
    found = history(exchange)
    assert len(times(found)) == 10
    assert len(found.attrs["gaps"]) == 1
    assert bws.cache.info()["rows"].tolist() == [400]


def test_two_recordings_of_one_symbol_lose_nothing(exchange):
    one, _, first = record(exchange, 5, limit=3)
    run(one)
    exchange.clock.now_ms = first - 200
    run(record(exchange, 5, limit=20)[0])
    found = history(exchange, levels=None)
    # The same books, asked for at the same times: the deeper one has all levels of both.
    assert len(found) == 5 * 40


@pytest.fixture
def blocked():
    """A file where the folder of spools should be."""
    root = bws.cache.path()
    root.mkdir(parents=True)
    (root / ".spool").touch()
    return root / ".spool"


def test_a_disk_that_takes_nothing_for_a_while_costs_no_book(exchange, blocked):
    recording, pace, first = record(exchange, 60)
    pace.then[first + 45 * SECOND] = blocked.unlink
    run(recording)
    assert (recording.samples, recording.missed, recording.error) == (60, 0, None)
    assert "cannot be written" in recording.last_error
    assert len(times(history(exchange))) == 60


@pytest.mark.usefixtures("blocked")
def test_a_disk_that_takes_nothing_for_ten_minutes_ends_it(exchange):
    recording = run(record(exchange, 70, every=10 * SECOND, limit=1)[0])
    assert isinstance(recording.error, CacheError)
    assert 60 <= recording.samples < 63


def test_the_end_of_the_thread_keeps_what_came(synthetic):
    bridge = Bridge()
    exchange = Exchange(Watched(synthetic))
    client = bws.Client(LocalEndpoint(exchange.gateway, exchange.clock), bridge=bridge)
    recording, pace = planned(client, exchange.clock)

    async def begin():
        has_come = asyncio.Event()

        async def forever():
            has_come.set()
            await asyncio.Event().wait()

        pace.then[FIRST + 4 * SECOND] = forever
        task = asyncio.ensure_future(recording.run())
        await has_come.wait()
        return task

    task = bridge.run(begin())
    bridge.stop(timeout=600)
    assert task.cancelled()
    assert times(history(exchange)) == [FIRST + i * SECOND for i in range(4)]
    assert held(exchange) == (0, 4 * 40)
