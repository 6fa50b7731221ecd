"""The face of a client's method: name, signature and text of the request class it is made from."""

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any, cast

from bwsresearch.enums import INTERVALS
from bwsresearch.protocol.request import Param, Request, declared, result_type

__all__ = ["described", "method_name"]


def method_name(kind: type[Request[Any]]) -> str:
    """Return the wire's name as Python writes it: ticker.24hr → ticker_24hr."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", kind.method.replace(".", "_")).lower()


def described(function: Callable[..., Any], made_by: Callable[..., Request[Any]], of: str) -> None:
    """Give `function`, a method of the class `of`, the signature and text of a request class.

    Completion and help read them there.
    """
    kind = cast("type[Request[Any]]", made_by)  # a class, seen as what it can be called with
    hints = typing.get_type_hints(kind)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(kind).parameters.items()
    ]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    function.__name__ = method_name(kind)
    function.__qualname__ = f"{of}.{function.__name__}"
    function.__doc__ = _text(kind)
    signature = inspect.Signature([itself, *own], return_annotation=result_type(kind))
    function.__signature__ = signature  # type: ignore[attr-defined] # inspect reads it from there


def _text(kind: type[Request[Any]]) -> str:
    facts = [(param.name, _facts(param)) for param in declared(kind)]
    lines = "".join(f"    {name}: {told}.\n" for name, told in facts if told)
    arguments = f"Args:\n{lines}\n" if lines else ""
    return (
        f"{inspect.getdoc(kind)}\n\nOne request `{kind.method}`; weight {kind.weight_rule}. "
        f'Source: web-socket-api.md "{kind.heading}".\n\n'
        f"{arguments}Raises:\n    BinanceError: the exchange's refusal, or Timeout, or Disconnected."
    )


def _facts(param: Param) -> str:
    """Return what a parameter's name and type do not tell."""
    default = f"{param.default} when left out" if param.default is not None else ""
    most = f"at most {param.maximum}" if param.maximum is not None else ""
    return "; ".join(fact for fact in (_kind(param), most, default) if fact)


def _kind(param: Param) -> str:
    match param.kind:
        case "SYMBOL":
            return "such as BTCUSDT"
        case "INTERVAL":
            return f"{', '.join(INTERVALS[:-1])} or {INTERVALS[-1]}"
        case "LONG" if param.name.endswith("_time"):
            return "epoch milliseconds, or microseconds"
        case "STRING" if param.name == "time_zone":
            return "hours and minutes ahead of UTC, such as 5:45"
        case _:
            return ""
