"""How many requests may be on their way at once, by how long their replies queue."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Window"]

_QUEUE_S: Final = 0.25
"""Replies that wait so long behind each other only wait: the line or the server is busy already."""
_LEAST: Final = 2
"""With one on its way, the line would idle while the next is asked for."""
_SHRINK: Final = 0.75


@dataclass
class Window:
    """A door that lets `most` through at once, and fewer while replies queue on a thin line.

    A reply that comes later than the quickest one has waited for those before it. Many in flight pay
    as long as that wait is short; beyond it they take memory, and bring requests near their timeout.
    """

    most: int
    width: int = 0
    _least_s: float = math.inf
    _since_change: int = 0
    _kept_back: int = 0

    def __post_init__(self) -> None:
        self.width, self._places = self.most, asyncio.Semaphore(self.most)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        await self._places.acquire()
        try:
            yield
        finally:
            self._kept_back += 1
            self._give_out()

    def replied(self, seconds: float) -> None:
        """Take note of how long a reply took; call it for none that was held back on purpose."""
        self._least_s = min(self._least_s, seconds)
        self._since_change += 1
        if self._since_change < self.width:
            return  # replies to what was sent under the width before
        queued_s = seconds - self._least_s
        if queued_s > _QUEUE_S:
            self._change(max(min(_LEAST, self.most), int(self.width * _SHRINK)))
        elif queued_s < _QUEUE_S / 2:
            self._change(min(self.most, self.width + 1))

    def _change(self, width: int) -> None:
        self.width, self._since_change = width, 0
        self._give_out()

    def _give_out(self) -> None:
        while self._kept_back > self.most - self.width:
            self._kept_back -= 1
            self._places.release()
