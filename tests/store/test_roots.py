"""What holds of every root: a folder's, and a bucket's."""

from pathlib import Path

import pytest

from bwsresearch.store.files import Entry, Key
from bwsresearch.store.folder import LocalRoot
from bwsresearch.store.objects import ObjectRoot
from bwsresearch.store.roots import root_at

KEY = Key("v1/production/klines/symbol=X/interval=1m/month=2024-01/part-0.parquet")
OTHER = Key("v1/production/klines/symbol=X/interval=1m/month=2023-12/part-0.parquet")


@pytest.fixture(params=["folder", "bucket", "prefix"])
def root(request, tmp_path):
    if request.param == "folder":
        return root_at(tmp_path / "cache")
    name = request.getfixturevalue("bucket")
    return root_at(f"s3://{name}" + "/some/cache" * (request.param == "prefix"))


def put(root, text, key=KEY):
    root.turn(key, lambda turn: turn.put(lambda file: file.write(text)))


def contents(root, *keys):
    return [content(source) for source in root.sources(keys)]


def content(source):
    if isinstance(source, Path):
        return source.read_bytes() if source.exists() else None
    return None if source is None else source.to_pybytes()


def test_what_is_put_is_read_in_the_order_of_the_names_given(root):
    put(root, b"old")
    put(root, b"other", OTHER)
    put(root, b"new")
    none = KEY.with_name("none")
    assert contents(root, KEY, none, OTHER) == [b"new", None, b"other"]
    assert contents(root, none) == [None]
    assert contents(root) == []


def test_files_are_told_with_their_sizes_in_order_and_folders_are_not(root):
    assert root.entries(Key("v1")) == root.names(Key("v1")) == []
    put(root, b"1")
    put(root, b"12", OTHER)
    assert root.entries(Key("v1")) == [Entry(OTHER, 2), Entry(KEY, 1)]
    assert root.entries(Key("v1/testnet")) == []
    assert sorted(root.names(KEY.parents[1])) == ["month=2023-12", "month=2024-01"]
    assert root.names(Key("v1")) == ["production"]


def test_a_turn_returns_what_its_change_returns(root):
    put(root, b"seven")
    assert root.turn(KEY, lambda turn: ("value", turn.source is not None)) == ("value", True)


def test_a_write_that_fails_leaves_the_file(root):
    def failing(file):
        file.write(b"half")
        raise RuntimeError("in the middle")

    put(root, b"old")
    with pytest.raises(RuntimeError, match="in the middle"):
        root.turn(KEY, lambda turn: turn.put(failing))
    assert contents(root, KEY) == [b"old"]


def test_what_is_put_aside_lies_beside_the_tree(root):
    put(root, b"damaged")
    kept = root.turn(KEY, lambda turn: turn.put_aside())
    assert root.entries(Key("v1")) == []
    (aside,) = root.entries(Key(".damaged"))
    assert root.shown(aside.key) == kept
    assert contents(root, aside.key) == [b"damaged"]
    assert aside.key.relative_to(".damaged").parent == KEY.relative_to("v1").parent
    root.remove_all(Key(".damaged"))
    assert root.entries(Key(".damaged")) == []


def test_what_is_put_aside_may_be_replaced_in_the_same_turn(root):
    def mended(turn):
        turn.put_aside()
        turn.put(lambda file: file.write(b"sound"))

    put(root, b"damaged")
    root.turn(KEY, mended)
    assert contents(root, KEY) == [b"sound"]
    assert [entry.size for entry in root.entries(Key(".damaged"))] == [7]


def test_what_is_removed_is_gone_and_need_not_have_been_there(root):
    put(root, b"1")
    put(root, b"2", OTHER)
    root.remove([KEY, KEY.with_name("none"), OTHER])
    assert root.entries(Key("v1")) == root.names(Key("v1")) == []
    root.remove([KEY])
    put(root, b"3")
    assert contents(root, KEY) == [b"3"]


def test_a_place_tells_its_root(tmp_path):
    assert root_at(tmp_path, 7) == LocalRoot(tmp_path, 7)
    assert root_at(str(tmp_path), 7) == LocalRoot(tmp_path, 7)
    assert root_at(tmp_path.as_uri(), 7) == LocalRoot(tmp_path, 7)
    assert root_at("s3://bucket/a/", 7) == ObjectRoot("s3://bucket/a", 7)
