import pytest

from bwsresearch.cache import clear, info
from bwsresearch.errors import CacheError
from bwsresearch.store import Cache, sizes
from bwsresearch.store.spool import Spool, recall
from bwsresearch.tables import BOOKS, sliced

JANUARY = 1_704_067_200_000
HOUR = 3_600_000
ALWAYS = (0, 2**42)


@pytest.fixture
def books(ticks):
    return ticks(BOOKS, count=60, step_ms=60_000, start=JANUARY + HOUR // 2)


def spools(cache):
    folder = cache.root / ".spool"
    return sorted(folder.iterdir()) if folder.exists() else []


def covered(rows):
    times = rows["time"] // 1000
    return ((int(times[0]), int(times[-1]) + 60_000),)


def kept(cache):
    return cache.read(BOOKS, "BTCUSDT", None, *ALWAYS)


def forsaken(cache, symbol, rows):
    """A spool as a process leaves it that was killed: the system has released its lock."""
    spool = Spool(cache)
    spool.add(BOOKS, symbol, rows, covered(rows))
    spool._lock.release()
    return spool


def test_rows_are_in_the_spool_until_they_are_merged(cache, books, same):
    spool = Spool(cache)
    spool.add(BOOKS, "BTCUSDT", sliced(books, slice(0, 40)), covered(sliced(books, slice(0, 40))))
    spool.add(BOOKS, "BTCUSDT", sliced(books, slice(40, 60)), covered(sliced(books, slice(40, 60))))
    (loose,), spans = recall(cache, BOOKS, "BTCUSDT", *ALWAYS)
    same(loose, books)
    assert spans == covered(books)
    assert kept(cache)[1] == ()
    spool.merge()
    assert recall(cache, BOOKS, "BTCUSDT", *ALWAYS) == ([], ())
    same(kept(cache)[0], books)
    assert kept(cache)[1] == covered(books)
    assert len(spools(cache)) == 1
    spool.close()
    assert spools(cache) == []


def test_a_spool_that_was_closed_can_be_used_again(cache, books, same):
    spool = Spool(cache)
    spool.close()
    spool.add(BOOKS, "BTCUSDT", books, covered(books))
    spool.close()
    spool.close()
    same(kept(cache)[0], books)


def test_a_living_recorders_rows_are_left_to_it(cache, books):
    living = Spool(cache)
    living.add(BOOKS, "BTCUSDT", books, covered(books))
    Spool(cache).merge()
    assert len(spools(cache)) == 1
    assert kept(cache)[1] == ()
    living.close()


def test_a_dead_recorders_rows_are_taken_up_whatever_they_are(cache, books, same):
    forsaken(cache, "ETHUSDT", books)
    forsaken(Cache(cache.root, "testnet"), "BTCUSDT", books)
    assert len(spools(cache)) == 2
    Spool(cache).merge()
    assert spools(cache) == []
    same(cache.read(BOOKS, "ETHUSDT", None, *ALWAYS)[0], books)
    same(kept(Cache(cache.root, "testnet"))[0], books)


def test_rows_that_were_moved_and_not_removed_are_there_once(cache, books, same):
    forsaken(cache, "BTCUSDT", books)
    cache.write(BOOKS, "BTCUSDT", None, books, covered(books), source="network")
    Spool(cache).merge()
    same(kept(cache)[0], books)


def test_a_range_is_recalled_alone(cache, books):
    spool = Spool(cache)
    spool.add(BOOKS, "BTCUSDT", books, covered(books))
    (loose,), spans = recall(cache, BOOKS, "BTCUSDT", JANUARY + HOUR, JANUARY + HOUR + 120_000)
    assert len(loose["time"]) == 2
    assert spans == ((JANUARY + HOUR, JANUARY + HOUR + 120_000),)
    assert recall(cache, BOOKS, "ETHUSDT", *ALWAYS) == ([], ())
    spool.close()


def test_a_folder_that_cannot_be_made_is_named(cache, books):
    cache.root.mkdir()
    (cache.root / ".spool").touch()
    with pytest.raises(CacheError, match="set BWS_CACHE_DIR to another folder"):
        Spool(cache).add(BOOKS, "BTCUSDT", books, covered(books))


def test_to_clear_removes_what_a_dead_recorder_has_left_and_not_what_a_living_one_has(
    cache, cache_dir, books
):
    assert cache.root == cache_dir
    forsaken(cache, "BTCUSDT", books)
    forsaken(cache, "ETHUSDT", books)
    living = Spool(cache)
    living.add(BOOKS, "SOLUSDT", books, covered(books))
    assert len(spools(cache)) == 3
    assert clear("btcusdt") > 0
    assert len(spools(cache)) == 2
    assert clear(kind="klines") == clear(older_than="2023-12-31") == 0
    assert len(spools(cache)) == 2
    with pytest.raises(ValueError, match="there is ETHUSDT"):
        clear("XRPUSDT")
    assert clear(older_than="2024-01-02") > 0
    assert len(spools(cache)) == 1
    living.close()
    assert info()["symbol"].tolist() == ["SOLUSDT"]


def test_what_is_in_a_spool_is_not_too_much_for_the_cache(cache, books, monkeypatch, same):
    spool = Spool(cache)
    monkeypatch.setenv("BWS_CACHE_MAX_MB", "0.001")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        sizes._counts.clear()  # as if a minute had passed
        spool.add(BOOKS, symbol, books, covered(books))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        same(recall(cache, BOOKS, symbol, *ALWAYS)[0][0], books)
    monkeypatch.delenv("BWS_CACHE_MAX_MB")
    spool.close()
