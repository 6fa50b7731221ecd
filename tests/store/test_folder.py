import pytest

from bwsresearch.store.files import Entry, Key
from bwsresearch.store.folder import LocalRoot

KEY = Key("v1/production/klines/symbol=X/interval=1m/month=2024-01/part-0.parquet")


@pytest.fixture
def root(tmp_path):
    return LocalRoot(tmp_path / "cache")


@pytest.fixture
def put(root):
    def written(text, key=KEY):
        root.turn(key, lambda turn: turn.put(lambda file: file.write(text)))

    return written


def content(root, key=KEY):
    (path,) = root.sources([key])
    return path.read_bytes()


def test_a_write_replaces_the_file_and_leaves_no_draft(root, put):
    put(b"old")
    path = root.folder / KEY
    before = path.stat().st_ino
    put(b"new")
    assert content(root) == b"new"
    assert path.stat().st_ino != before
    assert list((root.folder / ".tmp").iterdir()) == []
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_file_and_no_draft(root, put):
    def failing(file):
        file.write(b"half")
        raise RuntimeError("in the middle")

    put(b"old")
    with pytest.raises(RuntimeError, match="in the middle"):
        root.turn(KEY, lambda turn: turn.put(failing))
    assert content(root) == b"old"
    assert list((root.folder / ".tmp").iterdir()) == []


def test_what_is_removed_takes_its_empty_folders_with_it_up_to_the_tree(root, put):
    other = Key("v1/testnet/aggs/symbol=X/date=2024-01-01/part-0.parquet")
    put(b"1")
    put(b"2", other)
    root.remove([KEY])
    assert root.entries(Key("v1")) == [Entry(other, 1)]
    assert root.names(Key("v1")) == ["testnet"]
    root.remove([other])
    root.remove([other])
    assert root.names(Key("v1")) == []
    assert "v1" in root.names(Key("."))
