"""Ctrl-C during a blocking wait that is made inside a task of an event loop."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["Interrupt"]


class Interrupt:
    """Let Ctrl-C end one blocking wait, without ending the loop that the wait is made on.

    A kernel that runs an `await` cell, and `asyncio.run`, answer Ctrl-C with a handler that cancels
    a task, which a blocked thread would see only after its wait. For the wait's duration this one
    stands in its place. In all other places Python's own handler does what is needed.
    """

    def __init__(self) -> None:
        self.is_awaited = False
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def listen(self) -> None:
        """Take the place of a loop's handler, if there is one."""
        if threading.current_thread() is not threading.main_thread() or not _in_a_loop():
            return
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and handler is not signal.default_int_handler:
            self._handler, self.is_awaited = handler, True
            signal.signal(signal.SIGINT, self._receive)

    def hand_on(self) -> None:
        """Tell the loop's handler, and leave the task by cancellation.

        A KeyboardInterrupt that escapes from a task ends the loop, which in a notebook is the
        kernel's.
        """
        if self._handler is not None:
            self._handler(signal.SIGINT, None)
            raise asyncio.CancelledError("interrupted") from None

    def restore(self) -> None:
        """Put the loop's handler back."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self.is_awaited:
            self.is_awaited = False
            raise KeyboardInterrupt
        if self._handler is not None:
            self._handler(signum, frame)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
