"""What a sweep computes many times is computed once: indicators of the sweep's own columns.

Outside a sweep nothing is remembered, for an array of the user's may change between two calls.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final, TypeAlias, TypeVar

import numpy.typing as npt

__all__ = ["Memo", "active", "remembering"]

Place: TypeAlias = tuple[int, int, int, str]
"""Where an array lies in memory: address, length, stride, type."""

_T = TypeVar("_T")
_LIMIT: Final = 192 << 20
_ACTIVE: Final[ContextVar["Memo | None"]] = ContextVar("bwsresearch_memo", default=None)


class Memo:
    """Values computed from arrays that nobody changes, up to `limit` bytes; the least used go first.

    Arrays are known by their place in memory: `owned` are kept so that no other takes theirs. It may
    be used by several threads at once.
    """

    def __init__(self, owned: Sequence[npt.NDArray[Any]], *, limit: int = _LIMIT) -> None:
        self._owned, self._limit = list(owned), limit
        self._ranges = [
            (start, start + array.nbytes)
            for array in self._owned
            if (start := _address(array)) and not array.flags.writeable
        ]
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()
        self.nbytes = 0
        self.computed = 0
        """How many values had to be computed."""

    def place(self, array: npt.NDArray[Any]) -> Place | None:
        """Return where one of the owned arrays, or a part of it, lies; None for any other."""
        at = _address(array)
        if not any(start <= at < end for start, end in self._ranges):
            return None
        return at, len(array), array.strides[0], array.dtype.str

    def recall(self, key: Hashable, size: int, make: Callable[[], _T]) -> _T:
        """Return the value of a key; it is made when it is not there, and takes `size` bytes.

        Two threads that ask at once may both make it.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                found: _T = self._values[key][0]
                return found
        made = make()
        with self._lock:
            self.computed += 1
            if key not in self._values and size <= self._limit:
                self._values[key] = made, size
                self.nbytes += size
            while self.nbytes > self._limit:
                self.nbytes -= self._values.popitem(last=False)[1][1]
        return made


def active() -> Memo | None:
    """Return the memo of the sweep that this code runs in, None outside."""
    return _ACTIVE.get()


@contextmanager
def remembering(memo: Memo) -> Iterator[None]:
    """Let the indicators in this thread use a memo."""
    token = _ACTIVE.set(memo)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
