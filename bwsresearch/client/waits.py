"""How a blocking call waits for a coroutine, and what of its error is shown."""

import asyncio
import contextlib
import math
import queue
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final, NoReturn, TypeVar

from bwsresearch.client.interrupt import Interrupt
from bwsresearch.errors import BwsError, Timeout

__all__ = ["TICK_S", "reraise", "wait", "within"]

T = TypeVar("T")

TICK_S: Final = 0.25
"""How often a wait looks up: a kernel notices "interrupt" only then, a nested call its outer one's end."""

_LONG_S: Final = 3600.0
"""No lock takes a timeout of centuries."""


def wait(
    future: Future[Any],
    woken: "queue.SimpleQueue[None]",
    interrupt: Interrupt,
    timeout: float | None,
) -> None:
    """Return when `future` is done; `woken` gets something then, and on Ctrl-C."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    while not future.done():
        left = end - time.monotonic()
        if left <= 0:
            raise _too_late(timeout)
        with contextlib.suppress(queue.Empty):
            woken.get(timeout=min(left, _LONG_S))
        interrupt.take()


async def within(
    coro: Coroutine[Any, Any, T], seconds: float | None, outer: asyncio.Task[Any] | None
) -> T:
    """Await `coro` for at most `seconds`, as a blocking wait does, and end it with `outer`.

    The outer task stands still in the middle of a step, where no cancellation can reach it: this
    one looks for it, and the inner call's end takes the outer one along.
    """
    task, loop = asyncio.ensure_future(coro), asyncio.get_running_loop()
    before = outer.cancelling() if outer else 0
    end = math.inf if seconds is None else loop.time() + seconds
    try:
        while not task.done():
            if outer is not None and outer.cancelling() > before:
                task.cancel()
                outer = None
            left = end - loop.time()
            if left <= 0:
                raise _too_late(seconds)
            await asyncio.wait({task}, timeout=min(left, TICK_S))
        return task.result()
    finally:
        task.cancel()


def reraise(error: BaseException) -> NoReturn:
    """Raise `error`; without the frames of this package when it is an error of the API."""
    __tracebackhide__ = True
    if isinstance(error, BwsError):
        raise error.with_traceback(None) from None
    raise error


def _too_late(seconds: float | None) -> Timeout:
    return Timeout(f"not done within {seconds:g} s", hint="pass a longer timeout=")
