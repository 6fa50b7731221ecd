"""Where files lie: how they are listed, read and replaced. Here in a folder; the seam for others.

A file is only ever replaced as a whole: a reader needs no lock and sees the old one or the new one.
Writers of one file take turns, so that none overwrites what another has added.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from bwsresearch.store.layout import Location, tree
from bwsresearch.store.locks import LOCK_S, locked

__all__ = ["Entry", "Key", "LocalRoot", "Root", "Source", "Turn", "root_at"]

Key: TypeAlias = PurePosixPath
"""A file's name below the root, such as v1/production/klines/…/part-0.parquet."""
Source: TypeAlias = Path | pa.Buffer
"""A file to read, or its content."""

T = TypeVar("T")

_ORPHAN_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was found: its name below the root, and its size in bytes."""

    key: Key
    size: int


class Turn(Protocol):
    """One file while it is one writer's turn: nothing of others is lost by what is done with it."""

    @property
    def source(self) -> Source | None:
        """What to read; None, or a path without a file, when there is none."""

    def put(self, fill: Callable[[IO[bytes]], None]) -> None:
        """Let what `fill` writes take the place of the file, all or nothing; the last thing to do."""

    def put_aside(self) -> str:
        """Move the file out of the tree, and return where it lies now."""


class Root(Protocol):
    """What the cache asks of the place where its files lie.

    Methods raise OSError, or CacheError with the whole line that a user needs.
    """

    def names(self, folder: Key) -> list[str]:
        """Return the names in a folder, in no order; none when there is no such folder."""

    def entries(self, folder: Key) -> list[Entry]:
        """Return all files in a folder and below it, in order of their names."""

    def sources(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        """Return files to read in the order of `keys`, None for one that is not there."""

    def ends(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        """Return files of which only the footer is read; else as `sources`."""

    def turn(self, key: Key, change: Callable[[Turn], T]) -> T:
        """Return what `change` returns, which may be called again when others were quicker."""

    def remove(self, key: Key) -> None:
        """Remove a file, which need not be there, and folders that are empty without it."""

    def remove_all(self, folder: Key) -> None:
        """Remove what is in a folder that is nobody's turn to write, as far as that is possible."""

    def shown(self, key: Key) -> str:
        """Return the whole name of a file or folder."""


def root_at(location: Location, lock_s: float = LOCK_S) -> Root:
    """Return the root at a place; a writer waits up to `lock_s` seconds for its turn."""
    return LocalRoot(Path(location), lock_s)


@dataclass
class LocalRoot:
    """A folder: locks (.locks) and drafts (.tmp) lie beside the tree, as does what is damaged."""

    folder: Path
    lock_s: float = LOCK_S
    _swept: bool = field(default=False, repr=False)

    def names(self, folder: Key) -> list[str]:
        try:
            return [path.name for path in (self.folder / folder).iterdir()]
        except FileNotFoundError:
            return []

    def entries(self, folder: Key) -> list[Entry]:
        found = []
        for path in sorted((self.folder / folder).rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # somebody has cleared it meanwhile
                if not path.is_dir():
                    key = Key(path.relative_to(self.folder).as_posix())
                    found.append(Entry(key, path.stat().st_size))
        return found

    def sources(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return (self.folder / key for key in keys)

    def ends(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return self.sources(keys)

    def turn(self, key: Key, change: Callable[[Turn], T]) -> T:
        path = self.folder / key
        with locked(self.folder, path, self.lock_s):
            return change(_LocalTurn(self, path))

    def remove(self, key: Key) -> None:
        path = self.folder / key
        with locked(self.folder, path, self.lock_s):
            path.unlink(missing_ok=True)
            _remove_empty(path.parent)
        # The tree itself stays; a writer that waits for its turn makes these again.
        for folder in path.parents[1 : len(key.parts) - 2]:
            _remove_empty(folder)

    def remove_all(self, folder: Key) -> None:
        shutil.rmtree(self.folder / folder, ignore_errors=True)

    def shown(self, key: Key) -> str:
        return str(self.folder / key)

    def sweep(self) -> None:
        """Remove the drafts of processes that were killed, once per object."""
        if self._swept:
            return
        self._swept = True
        for draft in (self.folder / ".tmp").glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > _ORPHAN_S:
                    draft.unlink()


@dataclass
class _LocalTurn:
    """A file whose lock is held."""

    root: LocalRoot
    source: Path

    def put(self, fill: Callable[[IO[bytes]], None]) -> None:
        """Write beside the tree, bring it to the disk, rename: safe from a power cut when done."""
        self.root.sweep()
        drafts, folder = self.root.folder / ".tmp", self.source.parent
        drafts.mkdir(parents=True, exist_ok=True)
        _make_folder(folder)
        draft = drafts / f"{os.getpid()}.{uuid.uuid4().hex}.tmp"
        try:
            with draft.open("xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.source)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(folder)

    def put_aside(self) -> str:
        below = self.source.relative_to(tree(self.root.folder))
        name = f"{uuid.uuid4().hex[:8]}-{below.name}"
        kept = self.root.folder / ".damaged" / below.with_name(name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        self.source.replace(kept)
        return str(kept)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # others lie in it
        folder.rmdir()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each known to the one above when it returns."""
    while not folder.is_dir():
        _make_folder(folder.parent)
        with contextlib.suppress(FileNotFoundError):  # the one above was cleared this very moment
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there, and renames are already durable
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
