from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.enums import INTERVALS
from bwsresearch.errors import CacheError
from bwsresearch.store.layout import Place, beside, default_root, folder_of, located

APRIL_5 = 1_712_275_200_000
times = st.integers(0, 4_000_000_000_000)
places = st.builds(
    Place,
    st.sampled_from(["production", "testnet", "local-0123456789ab", "127.0.0.1_9443"]),
    st.just("klines"),
    st.sampled_from(["BTCUSDT", "1000SATSUSDT", "币安人生USDT", "A/B", "..", "x=1"]),
    st.sampled_from(INTERVALS),
)


@pytest.mark.parametrize(
    ("interval", "folder"),
    [("1s", "date=2024-04-05"), ("1m", "month=2024-04"), ("30m", "month=2024-04")]
    + [(i, "year=2024") for i in ("1h", "2h", "12h", "1d", "3d", "1w", "1M")],
)
def test_seconds_lie_in_days_minutes_in_months_and_hours_in_years(interval, folder):
    place = Place("production", "klines", "BTCUSDT", interval)
    assert place.at(APRIL_5).folder == folder
    path = f"production/klines/symbol=BTCUSDT/interval={interval.replace('M', 'mo')}"
    assert place.folder == Path(path)


def test_trades_lie_in_days():
    place = Place("testnet", "aggs", "BTCUSDT", None)
    assert place.folder == Path("testnet/aggs/symbol=BTCUSDT")
    assert place.at(APRIL_5).folder == "date=2024-04-05"


def test_no_two_intervals_share_a_folder_where_case_is_ignored():
    folders = {
        str(Place("production", "klines", "BTCUSDT", i).folder).casefold() for i in INTERVALS
    }
    assert len(folders) == 16


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "", "币安", "a b", "%41"])
def test_no_name_leads_out_of_its_folder(name):
    place = Place(name or "x", "klines", name, "1h")
    assert len(place.folder.parts) == 4
    assert not {".", ".."} & set(place.folder.parts)
    assert str(place.folder).isascii()
    assert Place.of(place.folder) == place


@given(places)
def test_a_folder_tells_its_place(place):
    assert Place.of(place.folder) == place


@given(places, times)
def test_partitions_tile_the_time_line_and_are_told_by_their_folder(place, time_ms):
    here = place.at(time_ms)
    assert here.start_ms <= time_ms < here.end_ms
    assert place.at(here.end_ms).start_ms == here.end_ms
    assert place.at(here.end_ms - 1) == here
    assert place.partition(here.folder) == here


@given(places, st.lists(times, max_size=5))
def test_folders_sort_as_their_times_do(place, some):
    assert [place.at(t).folder for t in sorted(some)] == sorted(place.at(t).folder for t in some)


@pytest.mark.parametrize(
    "folder", ["month=2024-13", "month=2024-1", "year=2024", "month", "date=2024-01-01", ".x", ""]
)
def test_other_folders_are_no_partition(folder):
    with pytest.raises(ValueError):
        Place("production", "klines", "BTCUSDT", "1m").partition(folder)


@pytest.mark.parametrize(
    "folder",
    ["production/klines", "production/klines/BTCUSDT/interval=1h", "p/klines/symbol=A/interval=1x"],
)
def test_other_folders_are_no_place(folder):
    with pytest.raises(ValueError):
        Place.of(Path(folder))


def test_the_root_is_what_the_environment_says_or_the_platform(monkeypatch):
    monkeypatch.setenv("BWS_CACHE_DIR", "~/elsewhere")
    assert default_root() == Path.home() / "elsewhere"
    monkeypatch.delenv("BWS_CACHE_DIR")
    assert default_root().name == "bwsresearch"


def test_a_url_is_a_place_and_that_of_a_folder_is_its_path(tmp_path, monkeypatch):
    for text in (
        "s3://bucket/some/prefix",
        "s3://bucket/some/prefix/",
        "s3://bucket/some/prefix//",
    ):
        monkeypatch.setenv("BWS_CACHE_DIR", text)
        assert default_root() == "s3://bucket/some/prefix"
    spaced = tmp_path / "a b"
    monkeypatch.setenv("BWS_CACHE_DIR", spaced.as_uri())
    assert default_root() == spaced
    assert located(spaced) == located(str(spaced)) == spaced


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:hunter2@bucket/x", "the cache's URL s3://…@bucket/x names a user"),
        ("s3://a:b@hunter2:c@bucket/x", "the cache's URL s3://…@bucket/x names a user"),
        ("simplecache::s3://bucket/x", "must be like s3://bucket/prefix"),
        ("s3://", "must be like s3://bucket/prefix"),
        ("s3:///", "must be like s3://bucket/prefix"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_secrets(url, said, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_DIR", url)
    with pytest.raises(ValueError) as refused:
        default_root()
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_must_be_on_this_machine_lies_in_the_folder_or_in_one_for_the_url(tmp_path):
    assert beside(tmp_path) == folder_of(tmp_path, "scan") == tmp_path
    one, other = (beside(f"s3://bucket/{name}") for name in ("one", "other"))
    assert one != other
    assert one.is_absolute()
    with pytest.raises(CacheError, match=r"scan needs .* BWS_CACHE_DIR is s3://bucket/one"):
        folder_of("s3://bucket/one", "scan")
