"""How long one request may wait for room in the limits, and on whose time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Sleep", "Told", "Wait"]

Sleep = Callable[[float], Awaitable[object]]
Told = Callable[[float], object]
"""Is told for how many seconds a request waits."""


@dataclass(slots=True)
class Wait:
    """How one request waits: at most `seconds` in all, or without bound when somebody is `told`.

    The time does not count for the `deadline` of its reply.
    """

    seconds: float
    deadline: asyncio.Timeout
    told: Told | None
    waited: float = 0.0

    def allows(self, seconds: float) -> bool:
        """Whether it may wait so much longer."""
        return self.told is not None or self.waited + seconds <= self.seconds

    async def spend(self, seconds: float, sleep: Sleep) -> None:
        """Let the time pass."""
        self.waited += seconds
        loop, end = asyncio.get_running_loop(), self.deadline.when()
        began = loop.time()
        self.deadline.reschedule(None)
        try:
            await sleep(seconds)
        finally:
            self.deadline.reschedule(None if end is None else end + loop.time() - began)
