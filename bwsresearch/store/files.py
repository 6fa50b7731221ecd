"""What the cache asks of the place where its files lie: how they are listed, read and replaced.

A file is only ever replaced as a whole: a reader needs no lock and sees the old one or the new one.
Writers of one file take turns, so that none overwrites what another has added.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from bwsresearch.errors import CacheError

__all__ = ["Entry", "Key", "Root", "Source", "Turn", "Unwritable"]

Key: TypeAlias = PurePosixPath
"""A file's name below the root, such as v1/production/klines/…/part-0.parquet."""
Source: TypeAlias = Path | pa.Buffer
"""A file to read, or its content."""

T = TypeVar("T")


class Unwritable(CacheError):
    """The place can be read, but not be written, or not safely."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was found: its name below the root, its size in bytes, when it was written."""

    key: Key
    size: int
    modified_s: float = field(default=0.0, compare=False)
    """Epoch seconds, 0 where the place does not tell."""
    version: str = field(default="", compare=False)
    """What changes when it is written anew; "" where the place does not tell."""


class Turn(Protocol):
    """One file while it is one writer's turn: nothing of others is lost by what is done with it."""

    @property
    def source(self) -> Source | None:
        """What to read; None, or a path without a file, when there is none."""

    @property
    def version(self) -> str:
        """As an entry's; "" when there is no file."""

    def put(self, fill: Callable[[IO[bytes]], None]) -> None:
        """Let what `fill` writes take the place of the file, all or nothing; the last thing to do."""

    def put_aside(self) -> str:
        """Move the file out of the tree, and return where it lies now."""

    def remove(self) -> bool:
        """Remove the file, and return whether the place can do that safely: else it stays."""


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

    def remove(self, keys: Iterable[Key]) -> None:
        """Remove files, which need not be there, and folders that are empty without them."""

    def remove_all(self, folder: Key) -> None:
        """Remove what is in a folder that nobody writes to, as far as that is possible."""

    def shown(self, key: Key) -> str:
        """Return the whole name of a file or folder."""
