"""The blocking twin and the awaitable twin of a coroutine function, with its signature and text."""

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from bwsresearch.client.bridge import default_bridge

__all__ = ["anywhere", "blocking"]

P = ParamSpec("P")
R = TypeVar("R")


def blocking(function: Callable[P, Coroutine[Any, Any, R]], module: str) -> Callable[P, R]:
    """Return `function` as one that returns its result: for cells and scripts.

    `module` is where it can be imported from; other processes get it by that name.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return default_bridge().call(function, *args, **kwargs)

    call.__module__ = module
    return call


def anywhere(
    function: Callable[P, Coroutine[Any, Any, R]], module: str
) -> Callable[P, Awaitable[R]]:
    """Return `function` as one that can be awaited on any loop: the work runs on the client's."""

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return await default_bridge().await_(function(*args, **kwargs))

    call.__module__ = module
    return call
