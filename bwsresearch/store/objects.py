"""A root on object storage: any store that fsspec reads, written where it has conditional writes.

There are no locks and no drafts: a writer reads an object and its version, and replaces it if it still
has that version, else begins again with what is there now. Objects appear as a whole.
"""

import contextlib
import datetime as dt
import functools
import hashlib
import io
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import IO, Any, Final, TypeVar

import pyarrow as pa

from bwsresearch.errors import CacheError
from bwsresearch.store.files import Entry, Key, Source, Turn, Unwritable
from bwsresearch.store.layout import TREE
from bwsresearch.store.s3 import S3, Overtaken, code

__all__ = ["ObjectRoot"]

T = TypeVar("T")

_AT_ONCE: Final = 16
_END_BYTES: Final = 65_536
"""A month's footer is a sixth of it; before one stands its digest."""
_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 1.0


@dataclass(frozen=True)
class _Store:
    """A file system of fsspec, the root's path in it, and what it takes to write to it safely."""

    files: Any
    path: str
    s3: S3 | None


def _store(url: str) -> _Store:
    """Return what reaches a URL; one for each process, and for what its environment says."""
    return _connected(url, os.getpid(), _surroundings())


def _surroundings() -> tuple[tuple[str, str], ...]:
    chosen = ((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "FSSPEC_")))
    return tuple(sorted(chosen))


@functools.lru_cache(maxsize=16)
def _connected(url: str, _pid: int, _surroundings: tuple[tuple[str, str], ...]) -> _Store:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra's, and heavy

        # What is listed must be what is there.
        files, path = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise ImportError(
            f"the cache at {url} cannot be opened ({error}); "
            "for s3:// pip install 'bwsresearch[scale]'"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"the cache's URL is {url!r} ({error}); s3://bucket/prefix is one"
        ) from None
    is_s3 = "s3" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)
    return _Store(files, path.rstrip("/"), S3(files) if is_s3 else None)


@dataclass
class ObjectRoot:
    """Files below a URL such as s3://bucket/prefix.

    Every method raises CacheError where the store refuses or is not reached, naming the URL.

    Args:
        url: without a slash at its end.
        wait_s: how long to try again while others are quicker to replace a file, in seconds.
    """

    url: str
    wait_s: float

    def names(self, folder: Key) -> list[str]:
        with self._reading():
            try:
                found = self._store.files.ls(self.path(folder), detail=False)
            except FileNotFoundError as error:
                self._check_bucket(error)
                return []
        return [name.rstrip("/").rpartition("/")[2] for name in found]

    def entries(self, folder: Key) -> list[Entry]:
        store = self._store
        with self._reading():
            try:
                found = store.files.find(self.path(folder), detail=True)
            except FileNotFoundError as error:
                self._check_bucket(error)
                return []
        listed = [
            Entry(
                Key(name.removeprefix(f"{store.path}/")),
                int(about["size"]),
                _modified_s(about),
                str(about.get("ETag", "")),
            )
            for name, about in found.items()
        ]
        return sorted(listed, key=lambda entry: entry.key.parts)

    def sources(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return _ahead(lambda key: _buffer(self._get(key)), keys)

    def ends(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return _ahead(self._end, keys)

    def _end(self, key: Key) -> Source | None:
        found = self._get(key, _END_BYTES)
        if found is not None and int.from_bytes(found[0][-8:-4], "little") > _END_BYTES - 256:
            found = self._get(key)
        return _buffer(found)

    def turn(self, key: Key, change: Callable[[Turn], T]) -> T:
        """Do as `Root.turn`.

        Raises:
            Unwritable: when the store has no conditional writes, or the keys have no right to write.
            CacheError: when others were quicker for `wait_s` seconds.
        """
        s3, deletes = self._checked()
        until = time.monotonic() + self.wait_s
        for attempt in count():
            with contextlib.suppress(Overtaken):
                return change(_ObjectTurn(self, s3, key, self._get(key), deletes=deletes))
            if time.monotonic() > until:
                break
            longest = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - writers step out of each other's way
        raise CacheError(
            f"others have kept replacing {self.shown(key)} for {self.wait_s:g} s; "
            "end some of them, or set BWS_CACHE_DIR to another place"
        )

    def remove(self, keys: Iterable[Key]) -> None:
        deque(_ahead(self._remove, keys), maxlen=0)

    def _remove(self, key: Key) -> None:
        with self._writing(), contextlib.suppress(FileNotFoundError):
            self._store.files.rm_file(self.path(key))

    def remove_all(self, folder: Key) -> None:
        self.remove([entry.key for entry in self.entries(folder)])

    def shown(self, key: Key) -> str:
        return f"{self.url}/{key}"

    # ---- what a turn is made of ------------------------------------------------------------------

    def _get(self, key: Key, last: int | None = None) -> tuple[bytes, str] | None:
        """Return the bytes of a file, or the last of them, and its version; None without file."""
        store, path = self._store, self.path(key)
        with self._reading():
            try:
                if store.s3 is None:
                    return store.files.cat_file(path), ""
                return store.s3.get(path, last)
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None

    def _checked(self) -> tuple[S3, bool]:
        """Return what writes, and whether removal can be conditional; Unwritable when writes cannot."""
        missing = "conditional writes that this program knows"
        if (s3 := self._store.s3) is not None:
            with self._writing():
                is_new, is_same, deletes = s3.proofs(self.path(Key(".probe")))
            if is_new and is_same:
                return s3, deletes
            missing = " and ".join(["If-None-Match"] * (not is_new) + ["If-Match"] * (not is_same))
        raise Unwritable(
            f"{self.url} cannot be written safely: its store has no {missing}, so that writers at once "
            "would lose rows; set BWS_CACHE_DIR to a folder, or to a store that has, such as Amazon S3"
        )

    @property
    def _store(self) -> _Store:
        return _store(self.url)

    def path(self, key: Key) -> str:
        """Return the store's own name of a file."""
        return f"{self._store.path}/{key}"

    def _reading(self) -> "contextlib.AbstractContextManager[None]":
        return _told(self.url, "read")

    def _writing(self) -> "contextlib.AbstractContextManager[None]":
        return _told(self.url, "written")

    @staticmethod
    def _check_bucket(error: FileNotFoundError) -> None:
        """Raise what is not about one object: without its bucket a cache is not empty but wrong."""
        if code(error) == "NoSuchBucket":
            raise error


@dataclass
class _ObjectTurn:
    """An object as it was read."""

    root: ObjectRoot
    s3: S3
    key: Key
    found: tuple[bytes, str] | None
    deletes: bool

    @property
    def source(self) -> Source | None:
        return _buffer(self.found)

    @property
    def version(self) -> str:
        return "" if self.found is None else self.found[1]

    def put(self, fill: Callable[[IO[bytes]], None]) -> None:
        content = io.BytesIO()
        fill(content)
        self._put(self.key, content.getvalue(), None if self.found is None else self.found[1])

    def put_aside(self) -> str:
        """Copy the file, and remove it where that can be conditional: else `put` replaces it."""
        content, version = self.found or (b"", "")
        name = f"{hashlib.sha256(content).hexdigest()[:8]}-{self.key.name}"
        kept = Key(".damaged", self.key.relative_to(TREE)).with_name(name)
        with contextlib.suppress(Overtaken):  # another has put the same aside
            self._put(kept, content, None)
        if self.deletes:
            with _told(self.root.url, "written"):
                self.s3.delete(self.root.path(self.key), version)
            self.found = None
        return self.root.shown(kept)

    def remove(self) -> bool:
        if self.found is not None and self.deletes:
            with _told(self.root.url, "written"):
                self.s3.delete(self.root.path(self.key), self.found[1])
            self.found = None
        return self.found is None

    def _put(self, key: Key, content: bytes, version: str | None) -> None:
        with _told(self.root.url, "written"):
            self.s3.put(self.root.path(key), content, version)


def _modified_s(about: Mapping[str, Any]) -> float:
    """Return when an object was written, as its store says it."""
    told = about.get("LastModified", about.get("mtime", 0.0))
    return told.timestamp() if isinstance(told, dt.datetime) else float(told or 0.0)


@contextlib.contextmanager
def _told(url: str, what: str) -> Iterator[None]:
    """Turn a store's refusal into one line, without its own words: they may tell too much."""
    try:
        yield
    except (CacheError, ImportError, ValueError, Overtaken):
        raise
    except Exception as error:  # every store has errors of its own
        kind = (
            Unwritable if what == "written" and isinstance(error, PermissionError) else CacheError
        )
        raise kind(
            f"the cache at {url} cannot be {what} ({code(error)}); check the bucket, its rights, "
            "the keys and AWS_ENDPOINT_URL, or set BWS_CACHE_DIR to another place"
        ) from error


def _buffer(found: tuple[bytes, str] | None) -> Source | None:
    return None if found is None else pa.py_buffer(found[0])


def _ahead(call: Callable[[Key], T], keys: Iterable[Key]) -> Iterator[T]:
    """Return what `call` makes of each key, in order, several at once."""
    todo = deque(keys)
    if len(todo) < 2:
        yield from map(call, todo)
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(todo)), "bwsresearch-store") as pool:
        running: deque[Future[T]] = deque()
        try:
            while todo or running:
                while todo and len(running) < _AT_ONCE:
                    running.append(pool.submit(call, todo.popleft()))
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
