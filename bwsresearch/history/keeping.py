"""Books in memory until they are on the disk, from any thread."""

import threading
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bwsresearch import tables
from bwsresearch.store import Cache
from bwsresearch.store.spans import union
from bwsresearch.store.spool import Spool
from bwsresearch.tables import BOOKS, Columns

__all__ = ["Shelf"]

_LAST_MS: Final = 2**43
_Book: TypeAlias = tuple[int, Columns]
"""When it was due, and its rows."""


@dataclass
class Shelf:
    """Takes books of one server; each completes the time until the next is due."""

    cache: Cache
    every_ms: int
    _books: dict[str, list[_Book]] = field(default_factory=dict)
    _taking: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._spool = Spool(self.cache)

    def add(self, symbol: str, due_ms: int, columns: Columns) -> None:
        """Take a book."""
        with self._taking:
            self._books.setdefault(symbol, []).append((due_ms, columns))

    def flush(self, before_ms: int) -> None:
        """Bring to the disk what was due before: a process that is killed does not lose it any more.

        Raises:
            CacheError: when the disk does not take it; it stays in memory.
        """
        with self._writing:
            self._flush(before_ms)

    def merge(self, before_ms: int) -> None:
        """Bring that, and all that was flushed, into the cache's files; errors as for `flush`."""
        with self._writing:
            self._flush(before_ms)
            self._spool.merge()

    def close(self) -> None:
        """Merge all, and leave nothing else behind; errors as for `flush`. Closing twice is fine."""
        with self._writing:
            self._flush(_LAST_MS)
            self._spool.close()

    def _flush(self, before_ms: int) -> None:
        for symbol in list(self._books):
            books = self._due(symbol, before_ms)
            if books:
                covered = union(tuple((due, due + self.every_ms) for due, _ in books))
                rows = tables.concat(BOOKS, [columns for _, columns in books])
                self._spool.add(BOOKS, symbol, rows, covered)
                self._let_go(symbol, books)

    def _due(self, symbol: str, before_ms: int) -> list[_Book]:
        with self._taking:
            return [book for book in self._books[symbol] if book[0] < before_ms]

    def _let_go(self, symbol: str, books: list[_Book]) -> None:
        gone = set(map(id, books))
        with self._taking:
            self._books[symbol] = [book for book in self._books[symbol] if id(book) not in gone]
