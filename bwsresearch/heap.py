"""How memory is kept that pages of rows come and go in, and when it is searched for cycles."""

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["keep", "uncollected"]

_LARGEST = 16 << 20


def keep() -> None:
    """Let freed memory stay with the process, up to 32 MB, instead of going back each time.

    glibc returns the end of its heap to the system when 128 KiB of it are free, and a page of 1000
    klines has 171 kB: every one would be paid for with 150 µs of fresh, zeroed memory, ten times the
    price of copying it. The bound rises by itself to twice the largest block that was ever freed, so
    one is freed here; it is never written to, and so never really there. Source: mallopt(3),
    M_MMAP_THRESHOLD. Elsewhere nothing changes.
    """
    bytearray(_LARGEST)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Search for no cycles meanwhile: a million new records have none, and each search visits all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
