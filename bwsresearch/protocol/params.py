"""The server's reading of raw parameters: literal text to a request, or the exchange's own refusal.

The order of the checks, first failure wins: duplicate keys, too many, then each declared parameter
in its order (present, not empty, characters, range), combinations, and what was left unread.
Numbers keep their literal text, since a signature covers the text. Clients send numbers, booleans
and arrays as strings too; all forms are read. Source: errors.md, 11xx.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.request import Kind, Param, Request, declared

__all__ = ["NumberText", "Pairs", "Raw", "parse", "read"]


class NumberText(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Pairs(list[tuple[str, "Raw"]]):
    """A JSON object as its keys and values in order, duplicates kept."""


Raw: TypeAlias = "str | NumberText | bool | list[Raw] | Pairs | None"
"""A JSON value that keeps the text of its numbers."""

_SYMBOL: Final = re.compile(r"[\w\-.]{1,50}")
_SYMBOL_RANGE: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
_INTEGER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_INTEGER_RANGE: Final = "^[0-9]{1,20}$"
_LOWER: Final = re.compile("[a-z]")
_INT64: Final = 2**63 - 1
_RETURN_RATE_LIMITS: Final = Param("BOOLEAN", wire="returnRateLimits")


def parse(text: bytes | str) -> Raw:
    """Return a frame's JSON with literal number texts.

    Raises:
        ValueError: when it is not JSON, or nested too deep to be a request.
    """
    try:
        value: Raw = json.loads(
            text,
            parse_int=NumberText,
            parse_float=NumberText,
            parse_constant=_no_constant,
            object_pairs_hook=Pairs,
        )
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _no_constant(name: str) -> Raw:
    raise ValueError(f"{name} is not JSON")


def read(kind: type[Request[Any]], pairs: Pairs) -> Request[Any]:
    """Return the request that `pairs` make.

    Raises:
        Refusal: with the code and message of the exchange.
    """
    sent = dict(pairs)
    if len(sent) != len(pairs):
        raise Refusal(-1101, "Duplicate values for a parameter detected.")
    if kind.security == "NONE":
        sent.pop("apiKey", None)  # ignored on public requests: CHANGELOG.md, 2023-07-11
    params = declared(kind)
    # returnRateLimits is read by the session and may accompany every request, hence the one more.
    if len(sent) > len(params) + 1:
        raise Refusal(
            -1101, f"Too many parameters; expected '{len(params) + 1}' and received '{len(sent)}'."
        )
    values = {param.name: _value(param, sent) for param in params}
    _value(_RETURN_RATE_LIMITS, sent)  # for its faults alone
    given = {param.wire for param in params if values[param.name] is not None}
    if any(one in given and other in given for one, other in kind.exclusive):
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    unread = sent.keys() - {param.wire for param in params} - {_RETURN_RATE_LIMITS.wire}
    if unread:
        raise Refusal(
            -1104,
            "Not all sent parameters were read; "
            f"read '{len(sent) - len(unread)}' parameter(s) but was sent '{len(sent)}'.",
        )
    return kind(**values)


def _value(param: Param, sent: Mapping[str, Raw]) -> Any:
    raw = sent.get(param.wire)
    if raw is None or (raw == "" and param.mandatory):
        if param.mandatory:
            raise _mandatory(param)
        return None
    if raw == "":
        raise Refusal(-1105, f"Parameter '{param.wire}' was empty.")
    return _READERS[param.kind](param, raw)


def _mandatory(param: Param) -> Refusal:
    return Refusal(
        -1102, f"Mandatory parameter '{param.wire}' was not sent, was empty/null, or malformed."
    )


def _illegal(param: Param, legal: str) -> Refusal:
    return Refusal(
        -1100, f"Illegal characters found in parameter '{param.wire}'; legal range is '{legal}'."
    )


def _integer(param: Param, raw: Raw) -> int:
    if not isinstance(raw, str) or not _INTEGER.fullmatch(raw):
        raise _illegal(param, _INTEGER_RANGE)
    number = int(raw)
    if number > _INT64:
        raise Refusal(-1108, f"Parameter '{param.wire}' overflowed.")
    if param.kind == "INT" and number == 0:
        raise _mandatory(param)  # observed: a limit of 0 counts as not sent
    return number if param.maximum is None else min(number, param.maximum)


def _symbol(param: Param, raw: Raw) -> str:
    if not isinstance(raw, str) or not _SYMBOL.fullmatch(raw) or _LOWER.search(raw):
        raise _illegal(param, _SYMBOL_RANGE)
    return str(raw)


def _text(param: Param, raw: Raw) -> str:
    if not isinstance(raw, str):
        raise Refusal(-1130, f"Data sent for parameter '{param.wire}' is not valid.")
    return str(raw)


def _boolean(param: Param, raw: Raw) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return raw == "true"
    raise Refusal(-1130, f"Data sent for parameter '{param.wire}' is not valid.")


def _enum(param: Param, raw: Raw) -> str:
    if isinstance(raw, str) and raw in param.values:
        return str(raw)
    code, msg = param.error or (-1130, f"Data sent for parameter '{param.wire}' is not valid.")
    raise Refusal(code, msg)


def _array(param: Param, raw: Raw) -> list[str]:
    values = raw
    if isinstance(raw, str):
        if not raw.startswith("["):
            values = [raw]  # a bare string: one permission, one symbol
        else:
            try:
                values = parse(raw)
            except ValueError:
                raise Refusal(
                    -1135, f"JSON sent for parameter '{param.wire}' is not valid"
                ) from None
    if not isinstance(values, list) or isinstance(values, Pairs):
        raise Refusal(-1130, f"Data sent for parameter '{param.wire}' is not valid.")
    if not values:
        raise Refusal(-1105, f"Parameter '{param.wire}' was empty.")
    return [_symbol(param, value) for value in values]


_READERS: Final[Mapping[Kind, Callable[[Param, Raw], Any]]] = {
    "SYMBOL": _symbol,
    "INTERVAL": _text,
    "STRING": _text,
    "INT": _integer,
    "LONG": _integer,
    "BOOLEAN": _boolean,
    "ENUM": _enum,
    "ARRAY": _array,
}
