"""Looking after a cache on object storage by the calls that a user makes."""

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import LocalEndpoint
from bwsresearch.store import Cache, sizes
from bwsresearch.tables import AGG_TRADES, KLINES, empty

JANUARY = 1_704_067_200_000
DAY = 86_400_000


@pytest.fixture
def client(bucket, monkeypatch):
    monkeypatch.setenv("BWS_CACHE_DIR", f"s3://{bucket}/cache")
    gateway = Gateway(SyntheticMarket(seed=7), Config())
    with Client(LocalEndpoint(gateway, lambda: JANUARY + 100 * DAY)) as connected:
        yield connected


def pulled(client, end="2024-02-03"):
    return bws.klines("BTCUSDT", "1m", start="2024-01-25", end=end, client=client)


def objects(s3, bucket):
    return {name: data for name, data in s3.objects(bucket).items() if "/v1/" in name}


def test_a_flipped_bit_is_found_and_repaired(client, s3, bucket):
    whole = pulled(client)
    name = min(objects(s3, bucket))
    content = bytearray(objects(s3, bucket)[name])
    content[len(content) // 2] ^= 1
    s3.put(bucket, name, bytes(content))
    notes = name.replace("part-0.parquet", "notes.txt")
    s3.put(bucket, notes, b"mine")
    assert sorted(bws.cache.verify()["what"]) == ["damage", "foreign"]
    table = bws.cache.repair(client)
    assert set(table["what"]) == {"damage", "foreign"}
    assert 0 < table["rows_got"].sum() <= 7 * 1440
    assert bws.cache.verify().empty
    again = pulled(client)
    pd.testing.assert_frame_equal(again, whole, check_exact=True)
    assert again.attrs["source"] == "cache"
    kept = [data for name, data in s3.objects(bucket).items() if "/.damaged/" in name]
    assert sorted(kept, key=len) == [b"mine", bytes(content)]


def test_files_are_pressed_and_empty_days_taken_in(client, bucket):
    whole = pulled(client)
    server = whole.attrs["server"]
    cache = Cache(f"s3://{bucket}/cache", server)
    for day in range(5):
        span = (JANUARY + day * DAY, JANUARY + (day + 1) * DAY)
        cache.write(AGG_TRADES, "BTCUSDT", None, empty(AGG_TRADES), (span,), source="network")
    table = bws.cache.compact().set_index("kind")
    assert table.loc["klines", "bytes_after"] < table.loc["klines", "bytes_before"]
    assert tuple(table.loc["aggs", ["files_before", "files_after"]]) == (5, 1)
    _, covered = cache.read(AGG_TRADES, "BTCUSDT", None, JANUARY, JANUARY + 9 * DAY)
    assert covered == ((JANUARY, JANUARY + 5 * DAY),)
    assert bws.cache.verify().empty
    pd.testing.assert_frame_equal(pulled(client), whole)


def test_what_is_old_or_too_much_goes(client, s3, bucket):
    pulled(client)
    assert bws.cache.clear(older_than="2024-02-01") > 0
    (left,) = objects(s3, bucket)
    assert "month=2024-02" in left
    assert bws.cache.trim(100) == 0
    assert bws.cache.trim(0) > 0
    assert objects(s3, bucket) == {}


def test_engines_of_others_say_that_they_need_a_folder(client):
    pulled(client, end="2024-01-26")
    for call in (bws.cache.scan, lambda: bws.cache.sql("select 1")):
        with pytest.raises(bws.CacheError, match="needs a cache in a folder"):
            call()


@pytest.mark.parametrize("is_newer", [True, False])
def test_what_was_written_after_the_look_is_not_too_old(is_newer, bucket, bars):
    cache = Cache(f"s3://{bucket}/cache", "production")
    span = (JANUARY, JANUARY + DAY)
    cache.write(KLINES, "BTCUSDT", "1m", bars(*span), (span,), source="network")
    (entry,) = cache._files.entries(sizes.TREE)
    if is_newer:
        cache.write(KLINES, "BTCUSDT", "1m", bars(*span, seed=2), (span,), source="network")
    assert sizes._remove(cache._files, entry) is not is_newer
    assert len(cache._files.entries(sizes.TREE)) == is_newer
