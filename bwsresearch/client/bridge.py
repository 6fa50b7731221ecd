"""Call coroutines from blocking code, in any cell, script, thread or forked child.

All I/O lives on one daemon thread with an event loop of its own, so connections stay alive while a
cell computes, and the loop of the notebook's kernel is never touched. nest-asyncio patches the class
of that one private loop: a blocking call made by code that already runs on it nests, where it would
otherwise wait for itself. Nothing happens at import; the first call starts the thread.
"""

import asyncio
import atexit
import contextlib
import functools
import inspect
import os
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, Final, ParamSpec, TypeVar

from bwsresearch import heap
from bwsresearch.client.interrupt import Interrupt
from bwsresearch.client.waits import TICK_S, reraise, wait, within
from bwsresearch.errors import BwsError

if sys.version_info >= (3, 14):
    # nest-asyncio cannot see the C tasks of 3.14, and is frozen.
    import nest_asyncio2 as _nest
else:
    import nest_asyncio as _nest

__all__ = ["Bridge", "Inline", "default_bridge", "run"]

P = ParamSpec("P")
T = TypeVar("T")

_MAX_DEPTH: Final = 32
"""Nested calls allowed; each costs about ten frames, and past eighty Python's stack runs out."""

_STOP_S: Final = 2.0
"""How long the end of the process waits for open connections to say goodbye."""

_SILENCE_S: Final = 5.0
_HEARING_S: Final = 0.01
"""After so much silence an inline bridge listens so long before it asks anything."""


class _Loop(asyncio.SelectorEventLoop):
    """The class that nest-asyncio patches: this one, never the class of the kernel's loop."""

    is_to_end = False


class Bridge:
    """A daemon thread with a private event loop, and the ways to reach it.

    A user's thread calls `run`, a coroutine on any other loop awaits `await_`. After a fork the child
    starts a thread of its own with its first call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._thread: threading.Thread | None = None
        self._depth = 0
        self._is_ending = False
        self._inherited: list[_Loop | None] = []
        _forget_in_children(self)

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on the bridge's own thread."""
        return threading.current_thread() is self._thread

    @property
    def is_running(self) -> bool:
        """Whether the thread has been started, by a first call, and not been stopped."""
        return self._thread is not None and self._thread.is_alive()

    def run(self, coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `coro` on the bridge's loop, block until it is done, and return its result.

        Ctrl-C, or a kernel's "interrupt", cancels the coroutine and leaves at once. Called on the
        bridge's own thread it nests: other tasks go on, but the outer call cannot return before the
        inner one, and `asyncio.timeout` around it has no effect; use `timeout`, or `await`.

        Raises:
            Timeout: when `timeout` seconds passed; the coroutine is cancelled.
            RuntimeError: when blocking calls are nested more than 32 deep.
            TypeError: when `coro` is no coroutine.
        """
        __tracebackhide__ = True
        _check(coro)
        return self._run(lambda: coro, timeout)

    def call(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(*args, **kwargs)` as `run` does, without a timeout of its own."""
        __tracebackhide__ = True
        return self._run(functools.partial(function, *args, **kwargs), None)

    def _run(self, make: Callable[[], Coroutine[Any, Any, T]], timeout: float | None) -> T:
        __tracebackhide__ = True
        if self.is_here:
            return self._nested(make(), timeout)
        woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        with Interrupt(functools.partial(woken.put, None)) as interrupt:
            future = asyncio.run_coroutine_threadsafe(make(), self._started())
            future.add_done_callback(lambda _: woken.put(None))
            try:
                wait(future, woken, interrupt, timeout)
                return future.result()
            except BwsError as error:
                reraise(error)
            except CancelledError:
                if not self._is_ending:
                    raise
                raise SystemExit from None  # in a daemon thread, which the process leaves behind
            finally:
                future.cancel()
                # The task goes with it, and Python loses a KeyboardInterrupt that is raised in the
                # callbacks of its end: here Ctrl-C is only noted.
                del future

    async def await_(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run `coro` on the bridge's loop and wait for it on the caller's, whichever that is."""
        __tracebackhide__ = True
        if self.is_here:
            return await coro
        waiting = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coro, self._started()))
        try:
            while not (await asyncio.wait({waiting}, timeout=TICK_S))[0]:
                pass
            return waiting.result()
        except BwsError as error:
            reraise(error)
        finally:
            if not waiting.cancel() and not waiting.cancelled():
                waiting.exception()  # seen, even when this task was cancelled in the same moment

    def stop(self, timeout: float = _STOP_S) -> None:
        """Cancel what runs, give it `timeout` seconds to end, and end the thread.

        Runs by itself at the end of the process. A later call starts a new thread.
        """
        atexit.unregister(self._end)
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or thread is threading.current_thread():
            return
        self._loop = self._thread = None
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            asyncio.run_coroutine_threadsafe(_wind_up(loop, timeout * 0.75), loop)
        thread.join(timeout)

    def _started(self) -> _Loop:
        loop = self._loop
        if loop is not None and self.is_running:
            return loop
        with self._lock:
            if self._loop is None or not self.is_running:
                self._depth, self._loop = 0, _patched_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="bwsresearch-io", daemon=True
                )
                self._thread.start()
                atexit.unregister(self._end)
                atexit.register(self._end)
            return self._loop

    def _end(self) -> None:
        self._is_ending = True
        self.stop()

    def _nested(self, coro: Coroutine[Any, Any, T], timeout: float | None) -> T:
        __tracebackhide__ = True
        if self._depth >= _MAX_DEPTH:
            coro.close()
            raise RuntimeError(
                f"{self._depth} blocking calls are nested, at most {_MAX_DEPTH}; "
                "await the async twin here"
            )
        self._depth += 1
        try:
            inner = within(coro, timeout, asyncio.current_task())
            return self._started().run_until_complete(inner)
        except BwsError as error:
            reraise(error)
        finally:
            self._depth -= 1

    def _after_fork(self) -> None:
        # The parent's loop is kept and never closed: closing would unregister its sockets from the
        # epoll that both processes share.
        self._inherited.append(self._loop)
        self._lock, self._loop, self._thread = threading.Lock(), None, None


class Inline(Bridge):
    """A bridge without a thread: its loop runs on the caller's, only while something is asked.

    Who asks one thing after the other, some hundred thousand times, saves the way to a thread and back
    each time. It is for one thread at a time; nothing is heard between two calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self._own = _patched_loop()
        self._left_s = self._own.time()

    @property
    def is_here(self) -> bool:
        return True

    @property
    def is_running(self) -> bool:
        return not self._own.is_closed()

    def _run(self, make: Callable[[], Coroutine[Any, Any, T]], timeout: float | None) -> T:
        __tracebackhide__ = True
        loop = self._own
        try:
            if loop.time() - self._left_s > _SILENCE_S:
                loop.run_until_complete(asyncio.sleep(_HEARING_S))  # a connection may have ended
            coro = make() if timeout is None else within(make(), timeout, None)
            return loop.run_until_complete(coro)
        except BwsError as error:
            reraise(error)
        finally:
            self._left_s = loop.time()

    def stop(self, timeout: float = 0.0) -> None:
        del timeout
        loop = self._own
        if not loop.is_closed():
            for task in (left := asyncio.all_tasks(loop)):
                task.cancel()
            loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
            loop.close()


def _check(coro: object) -> None:
    if not inspect.iscoroutine(coro):
        raise TypeError(
            f"run takes a coroutine, not {type(coro).__name__}; "
            "write `async def main(): ...` around futures and gather, and run main()"
        )


def _forget_in_children(bridge: Bridge) -> None:
    """Make a forked child start afresh, without keeping `bridge` alive for that."""
    known = weakref.ref(bridge)

    def after_fork() -> None:
        if (alive := known()) is not None:
            alive._after_fork()  # noqa: SLF001 - the hook belongs to the class

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_fork)


def _patched_loop() -> _Loop:
    loop = _Loop()
    # Never apply(): it would replace asyncio.Task and asyncio.run for the whole process.
    _nest._patch_loop(loop)  # noqa: SLF001 - the only part of nest-asyncio that is local to a loop
    return loop


def _serve(loop: _Loop) -> None:
    heap.keep()
    asyncio.set_event_loop(loop)
    try:
        while not loop.is_to_end:
            # What `sys.exit` in a coroutine raises passes through the loop; its caller gets it from
            # the task, and all others want the loop to go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
    finally:
        loop.close()


async def _wind_up(loop: _Loop, seconds: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    loop.is_to_end = True
    loop.stop()


_default: list[Bridge] = []
_default_lock = threading.Lock()


def default_bridge() -> Bridge:
    """Return the bridge that all clients share unless told otherwise; made by the first call."""
    with _default_lock:
        if not _default:
            _default.append(Bridge())
        return _default[0]


def run(coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run a coroutine from a cell or a script and return its result: `bws.run(main())`.

    It runs on the thread that holds the connections; a coroutine that must run on the kernel's own
    loop is written `await main()` in the cell instead. Blocking calls inside it nest.

    Raises:
        Timeout: when `timeout` seconds passed; the coroutine is cancelled.
    """
    __tracebackhide__ = True
    return default_bridge().run(coro, timeout)
