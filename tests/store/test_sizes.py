import os

import pytest

from bwsresearch.cache import info, trim
from bwsresearch.store import Cache, sizes
from bwsresearch.store.folder import LocalRoot
from bwsresearch.tables import KLINES, empty

JANUARY = 1_704_067_200_000
DAY = 86_400_000
SYMBOLS = ["A", "B", "C", "D"]


@pytest.fixture(autouse=True)
def _counted_anew(monkeypatch):
    monkeypatch.setattr(sizes, "_counts", {})


def file_of(cache, symbol):
    return cache.root / f"v1/production/klines/symbol={symbol}/interval=1m/month=2024-01/part-0.parquet"  # fmt: skip


def write(cache, bars, symbol, days=2):
    end = JANUARY + days * DAY
    cache.write(KLINES, symbol, "1m", bars(JANUARY, end), ((JANUARY, end),), source="network")


def age(cache, symbol, days):
    """Let a file have been written some days ago."""
    then = 1_700_000_000 - days * 86_400
    os.utime(file_of(cache, symbol), (then, then))


def held():
    return set(info()["symbol"])


@pytest.fixture
def filled(cache, bars):
    """Four series of one size, D written longest ago, A last."""
    for days, symbol in enumerate(SYMBOLS):
        write(another(cache), bars, symbol)
        age(cache, symbol, days)
    return cache


def another(cache):
    """A cache object whose download is over with the call that it is for."""
    return Cache(cache.root, "production")


def megabytes(cache, symbol="A"):
    return file_of(cache, symbol).stat().st_size / 1e6


# ---- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "symbols"), [(4, "ABCD"), (3.9, "ABC"), (2.5, "AB"), (0.5, ""), (0, "")])  # fmt: skip
def test_what_was_written_longest_ago_goes_first(left, symbols, filled):
    one = megabytes(filled)
    freed = trim(left * one)
    assert held() == set(symbols)
    assert freed == round((4 - len(symbols)) * one * 1e6)


def test_to_read_a_file_is_no_use_of_it(filled):
    another(filled).read(KLINES, "D", "1m", JANUARY, JANUARY + DAY)
    trim(3.9 * megabytes(filled))
    assert held() == {"A", "B", "C"}


def test_what_was_put_aside_counts_and_goes_too(filled):
    aside = filled.root / ".damaged" / "production" / "x-part-0.parquet"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(bytes(1_000_000))
    os.utime(aside, (1, 1))
    assert trim(4 * megabytes(filled)) == 1_000_000
    assert not aside.exists()
    assert held() == set(SYMBOLS)


def test_no_empty_folders_are_left(filled):
    trim(0)
    assert list((filled.root / "v1").rglob("*")) == []
    filled.write(KLINES, "A", "1m", empty(KLINES), ((JANUARY, JANUARY + DAY),), source="network")
    assert held() == {"A"}


def test_an_empty_cache_is_small_enough(cache_dir):
    assert trim(0) == 0
    assert not cache_dir.exists()


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("size", [-1, float("nan")])
def test_a_size_that_cannot_be_is_refused(size):
    with pytest.raises(ValueError, match="must be megabytes, 0 or more"):
        trim(size)
    assert held() == set(SYMBOLS)


# ---- by itself -----------------------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    def limited(megabytes):
        monkeypatch.setenv("BWS_CACHE_MAX_MB", str(megabytes))

    return limited


def test_a_download_keeps_to_the_limit(filled, bars, limit):
    limit(4.2 * megabytes(filled))
    write(another(filled), bars, "E")
    assert held() == {"A", "B", "E"}  # to 95 % of it, so that not every file begins anew


def test_without_a_limit_nothing_goes(filled, bars, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_MAX_MB", "")
    write(filled, bars, "E")
    assert held() == {*SYMBOLS, "E"}


def test_what_a_download_has_written_or_read_stays_while_it_runs(filled, bars, limit):
    limit(1.5 * megabytes(filled))
    mine = another(filled)
    mine.read(KLINES, "D", "1m", JANUARY, JANUARY + DAY)
    write(mine, bars, "E")
    write(mine, bars, "F")
    assert held() == {"D", "E", "F"}
    del mine
    for symbol in "DEF":
        age(filled, symbol, 9)
    sizes._counts.clear()
    write(another(filled), bars, "G")
    assert held() == {"G"}


class Counting(LocalRoot):
    """A folder that counts how often it is listed."""

    def entries(self, folder):
        self.counted = getattr(self, "counted", 0) + 1
        return super().entries(folder)


def test_files_are_counted_once_a_minute_as_long_as_there_is_room(filled, limit):
    root, size = Counting(filled.root), int(4e6 * megabytes(filled))
    limit(2 * size / 1e6)
    for _ in range(20):
        sizes.keep_within(filled.root, root, size // 100)
    assert root.counted == 2  # the tree, and what was put aside
    sizes.keep_within(filled.root, root, size)  # with this it is full, as far as it was added up
    assert root.counted == 4
    assert held() == set(SYMBOLS)


def test_what_another_process_writes_meanwhile_stays(filled):
    entries = filled._files.entries(sizes.TREE)
    oldest = min(entries, key=lambda entry: entry.modified_s)
    os.utime(file_of(filled, "D"))  # it is written anew between the look and the removal
    assert not sizes._remove(filled._files, oldest)
    assert held() == set(SYMBOLS)


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_a_limit_that_cannot_be_is_refused_before_anything_is_fetched(text, cache_dir, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_MAX_MB", text)
    with pytest.raises(ValueError) as refused:
        Cache(cache_dir, "production")
    assert str(refused.value) == (
        f"BWS_CACHE_MAX_MB is '{text}', must be megabytes above 0, such as 20000; unset it for none"
    )
