"""A root that is a folder: writers of one file take turns by a lock, and rename what they have written."""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeVar

from bwsresearch.store.files import Entry, Key, Source, Turn
from bwsresearch.store.layout import TREE, tree
from bwsresearch.store.locks import LOCK_S, locked

__all__ = ["LocalRoot"]

T = TypeVar("T")

_ORPHAN_S: Final = 3600.0


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
                    key, about = Key(path.relative_to(self.folder).as_posix()), path.stat()
                    found.append(Entry(key, about.st_size, about.st_mtime, _version(about)))
        return found

    def sources(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return (self.folder / key for key in keys)

    def ends(self, keys: Iterable[Key]) -> Iterator[Source | None]:
        return self.sources(keys)

    def turn(self, key: Key, change: Callable[[Turn], T]) -> T:
        path = self.folder / key
        with locked(self.folder, path, self.lock_s):
            return change(_LocalTurn(self, path))

    def remove(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._remove(key)

    def _remove(self, key: Key) -> None:
        path = self.folder / key
        is_shared = key.parts[0] == str(TREE)
        with locked(self.folder, path, self.lock_s) if is_shared else contextlib.nullcontext():
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

    @property
    def version(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return _version(self.source.stat())
        return ""

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

    def remove(self) -> bool:
        self.source.unlink(missing_ok=True)
        below = self.source.relative_to(self.root.folder).parts
        for folder in self.source.parents[: len(below) - 2]:
            _remove_empty(folder)
        return True


def _version(about: os.stat_result) -> str:
    return f"{about.st_mtime_ns}-{about.st_size}"


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
