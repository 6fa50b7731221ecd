"""Ctrl-C during a blocking call of the main thread, at a moment that harms nothing.

Python raises KeyboardInterrupt between any two steps of the main thread. Between the steps of a lock
that the main thread shares with the thread of the connections, it would leave the lock taken, and
all calls waiting for ever. So for the duration of a call Ctrl-C is only noted, wakes the wait, and
is acted upon there.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Interrupt"]


class Interrupt:
    """Note Ctrl-C in a `with` block, and call `wake`; `take` then does what Ctrl-C is to do.

    A handler that Python does not run, such as "ignore", stays in its place, and so does every
    handler when the block is not the main thread's.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._is_noted = False
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self.take()

    def take(self) -> None:
        """Do what the handler does that stood before; nothing when there was no Ctrl-C.

        The handler of a kernel that runs an `await` cell, and that of `asyncio.run`, cancel the task,
        which a blocked thread would see only after its wait: then the task is left by cancellation.
        A KeyboardInterrupt that escapes from a task ends the loop, which in a notebook is the
        kernel's.
        """
        if not self._is_noted or self._handler is None:
            return
        self._is_noted = False
        self._handler(signal.SIGINT, None)  # Python's own raises KeyboardInterrupt
        if _in_a_loop():
            raise asyncio.CancelledError("interrupted")

    def _note(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        self._is_noted = True
        self._wake()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
