"""The face of a client's method: name, signature and text of the request class it is made from."""

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any, cast

from bwsresearch.protocol.request import Request, result_type

__all__ = ["described", "method_name"]


def method_name(kind: type[Request[Any]]) -> str:
    """Return the wire's name as Python writes it: ticker.24hr → ticker_24hr."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", kind.method.replace(".", "_")).lower()


def described(function: Callable[..., Any], made_by: Callable[..., Request[Any]]) -> None:
    """Give `function` the signature and text of a request class, for completion and help."""
    kind = cast("type[Request[Any]]", made_by)  # a class, seen as what it can be called with
    hints = typing.get_type_hints(kind)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(kind).parameters.items()
    ]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    result = result_type(kind)
    function.__name__ = method_name(kind)
    function.__doc__ = (
        f"{inspect.getdoc(kind)}\n\nOne request `{kind.method}`; weight {kind.weight_rule}. "
        f'Source: web-socket-api.md "{kind.heading}".\n\n'
        "Raises:\n    BinanceError: the exchange's refusal, or Timeout, or Disconnected."
    )
    signature = inspect.Signature([itself, *own], return_annotation=result)
    function.__signature__ = signature  # type: ignore[attr-defined] # inspect reads it from there
