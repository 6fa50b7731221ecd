import fsspec
import pytest
from aiohttp import ClientError

from bwsresearch.store.s3 import S3, Overtaken, code

from .buckets import IF_MATCH, IF_NONE_MATCH

WRONG = '"00000000000000000000000000000000"'


@pytest.fixture
def store(s3):  # noqa: ARG001 - it sets the environment
    return S3(fsspec.filesystem("s3", use_listings_cache=False))


@pytest.fixture
def path(bucket):
    return f"{bucket}/cache/part-0.parquet"


def test_an_object_is_read_with_the_version_that_its_write_returned(store, path):
    version = store.put(path, b"0123456789", None)
    assert store.get(path) == (b"0123456789", version)
    assert store.get(path, 4) == (b"6789", version)
    assert store.get(path, 40) == (b"0123456789", version)
    store.put(path, b"", version)
    assert store.get(path, 4)[0] == b""


def test_one_request_reads_an_object_whatever_its_size(store, path, s3):
    store.put(path, bytes(9_000_000), None)
    s3.seen.clear()
    assert len(store.get(path)[0]) == 9_000_000
    assert [request.method for request in s3.seen] == ["GET"]


def test_only_the_version_that_was_read_is_replaced(store, path):
    first = store.put(path, b"first", None)
    for version in (None, WRONG):
        with pytest.raises(Overtaken):
            store.put(path, b"second", version)
    second = store.put(path, b"second", first)
    with pytest.raises(Overtaken):
        store.put(path, b"third", first)
    assert store.get(path) == (b"second", second)


def test_only_the_version_that_was_read_is_removed(store, path):
    version = store.put(path, b"first", None)
    with pytest.raises(Overtaken):
        store.delete(path, WRONG)
    assert store.get(path)[0] == b"first"
    store.delete(path, version)
    with pytest.raises(FileNotFoundError):
        store.get(path)
    with pytest.raises(Overtaken):
        store.put(path, b"second", version)


@pytest.mark.parametrize(
    "answer", [(409, "ConditionalRequestConflict"), (412, "PreconditionFailed")]
)
def test_a_write_that_met_another_is_overtaken(answer, store, path, s3):
    s3.interfere = lambda request: answer if request.method == "PUT" else None
    with pytest.raises(Overtaken):
        store.put(path, b"first", None)


def test_an_object_whose_body_breaks_off_is_read_again(store, path, s3):
    version = store.put(path, bytes(100_000), None)
    s3.cut[path] = 2
    assert store.get(path) == (bytes(100_000), version)
    assert s3.cut[path] == 0
    s3.cut[path] = 99
    with pytest.raises(ClientError, match="Response payload is not completed"):
        store.get(path)


# ---- what the store can ---------------------------------------------------------------------------


def test_a_store_with_every_condition_proves_it_once_and_nothing_is_left(store, bucket, s3):
    for _ in range(3):
        assert store.proofs(f"{bucket}/cache/.probe") == (True, True, True)
    assert len(s3.seen) == 6
    assert s3.objects(bucket) == {}


@pytest.mark.parametrize(
    ("ignored", "proofs"),
    [
        (("PUT", IF_NONE_MATCH), (False, True, True)),
        (("PUT", IF_MATCH), (True, False, True)),
        (("DELETE", IF_MATCH), (True, True, False)),
    ],
)
def test_a_condition_that_the_store_ignores_is_found(ignored, proofs, store, bucket, s3):
    s3.ignored = {ignored}
    assert store.proofs(f"{bucket}/cache/.probe") == proofs
    assert s3.objects(bucket) == {}


def test_a_condition_that_the_store_does_not_implement_is_found(store, bucket, s3):
    s3.interfere = lambda r: (501, "NotImplemented") if IF_MATCH in r.conditions else None
    assert store.proofs(f"{bucket}/cache/.probe") == (True, False, False)
    assert s3.objects(bucket) == {}


def test_a_store_that_refuses_every_condition_is_found(store, bucket, s3):
    s3.interfere = lambda r: (412, "PreconditionFailed") if IF_MATCH in r.conditions else None
    assert store.proofs(f"{bucket}/cache/.probe") == (True, False, True)


def test_an_error_has_the_stores_own_word(store, bucket):
    for path, word in ((f"{bucket}/none", "NoSuchKey"), ("nobody-made-it/none", "NoSuchBucket")):
        with pytest.raises(FileNotFoundError) as error:
            store.get(path)
        assert code(error.value) == word
    assert code(TimeoutError()) == "TimeoutError"
