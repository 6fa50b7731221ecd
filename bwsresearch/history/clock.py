"""What time it is at the server, asked for once and then carried on."""

import time
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from bwsresearch.client.aio import AsyncClient
from bwsresearch.protocol.methods import Time

__all__ = ["server_now"]

_GOOD_FOR_S: Final = 600.0
_DISAGREE_S: Final = 1.0
_SLOWEST: Final = 1 - 0.0005
"""This machine's clock may run so much faster than the server's while it is being corrected."""


@dataclass(frozen=True, slots=True)
class _Reading:
    server_ms: int
    monotonic_s: float
    wall_s: float

    def at(self, monotonic_s: float, wall_s: float) -> int | None:
        """Return the server's time, None when this reading is too old or the machine has slept."""
        passed, wall = monotonic_s - self.monotonic_s, wall_s - self.wall_s
        if passed > _GOOD_FOR_S or abs(passed - wall) > _DISAGREE_S:
            return None
        return self.server_ms + int(passed * 1000 * _SLOWEST)


_readings: WeakKeyDictionary[AsyncClient, _Reading] = WeakKeyDictionary()


async def server_now(client: AsyncClient, timeout: float | None) -> int:
    """Return the server's epoch milliseconds, never ahead of it; one `time` request in ten minutes.

    The reply's travel is not added: a bar counts as closed a moment late rather than too early.
    """
    reading = _readings.get(client)
    now = reading.at(time.monotonic(), time.time()) if reading else None
    if now is not None:
        return now
    server_ms = (await client.call(Time(), timeout=timeout)).server_time
    _readings[client] = _Reading(server_ms, time.monotonic(), time.time())
    return server_ms
