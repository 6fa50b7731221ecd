"""Writers of one file of the cache take turns; readers never wait."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock
from filelock import Timeout as LockTimeout

from bwsresearch.errors import CacheError
from bwsresearch.store.layout import tree

__all__ = ["LOCK_S", "locked"]

LOCK_S: Final = 60.0
"""A month's file is written in less than a tenth of a second; who waits so long waits in vain."""


@contextlib.contextmanager
def locked(root: Path, path: Path, timeout_s: float = LOCK_S) -> Iterator[None]:
    """Hold the lock of a file in the tree; the system releases it if the process dies.

    Raises:
        CacheError: when another process has held it for `timeout_s` seconds.
    """
    below = path.parent.relative_to(tree(root))
    name = root / ".locks" / below.parent / f"{below.name}.lock"
    name.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(name, timeout=timeout_s)
    try:
        lock.acquire()
    except LockTimeout:
        raise CacheError(
            f"another process has held {name} for {timeout_s:g} s; "
            "end it, or set BWS_CACHE_DIR to another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
