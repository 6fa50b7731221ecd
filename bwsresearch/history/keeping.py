"""Books in memory until they are on the disk, from any thread."""

import threading
from dataclasses import dataclass, field

from bwsresearch import tables
from bwsresearch.store import Cache
from bwsresearch.store.spans import union
from bwsresearch.store.spool import Spool
from bwsresearch.tables import BOOKS, Columns

__all__ = ["Shelf"]


@dataclass
class Shelf:
    """Takes books of one server; each completes the time until the next is due."""

    cache: Cache
    every_ms: int
    _books: dict[str, list[tuple[int, Columns]]] = field(default_factory=dict)
    _taking: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._spool = Spool(self.cache)

    def add(self, symbol: str, due_ms: int, columns: Columns) -> None:
        """Take a book."""
        with self._taking:
            self._books.setdefault(symbol, []).append((due_ms, columns))

    def flush(self) -> None:
        """Bring what was taken to the disk: a process that is killed does not lose it any more.

        Raises:
            CacheError: when the disk does not take it; it stays in memory.
        """
        with self._writing:
            self._flush()

    def merge(self) -> None:
        """Bring everything into the cache's files; errors as for `flush`."""
        with self._writing:
            self._flush()
            self._spool.merge()

    def close(self) -> None:
        """Merge, and leave nothing else behind; errors as for `flush`. Closing twice is fine."""
        with self._writing:
            self._flush()
            self._spool.close()

    def _flush(self) -> None:
        with self._taking:
            taken, self._books = self._books, {}
        try:
            for symbol in list(taken):
                books = taken[symbol]
                covered = union(tuple((due, due + self.every_ms) for due, _ in books))
                rows = tables.concat(BOOKS, [columns for _, columns in books])
                self._spool.add(BOOKS, symbol, rows, covered)
                del taken[symbol]
        finally:
            self._put_back(taken)

    def _put_back(self, taken: dict[str, list[tuple[int, Columns]]]) -> None:
        with self._taking:
            for symbol, books in taken.items():
                self._books[symbol] = books + self._books.get(symbol, [])
