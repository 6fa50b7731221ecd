"""The blocking twin and the awaitable twin of a function that returns a coroutine.

What is wrong with the arguments is raised by that function at once, in the thread of the caller: the
coroutine is for what the exchange has to say.
"""

import functools
import inspect
import typing
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
        return default_bridge().run(function(*args, **kwargs))

    _describe(call, function, module)
    return call


def anywhere(
    function: Callable[P, Coroutine[Any, Any, R]], module: str
) -> Callable[P, Awaitable[R]]:
    """Return `function` as one that can be awaited on any loop: the work runs on the client's."""

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return await default_bridge().await_(function(*args, **kwargs))

    _describe(call, function, module)
    return call


def _describe(call: Any, function: Callable[..., Any], module: str) -> None:
    """Give a twin its home, and the signature that says what comes out in the end."""
    signature = inspect.signature(function)
    *_, result = typing.get_args(signature.return_annotation)
    call.__module__, call.__signature__ = module, signature.replace(return_annotation=result)
