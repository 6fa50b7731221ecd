"""The server's reading of raw parameters: literal text to a request, or the exchange's own refusal.

The order of the checks, first failure wins: duplicate keys, too many, then each declared parameter
in its order (present, not empty, characters, range), combinations, what was left unread, and the
parameters of a signature. Numbers keep their literal text, since a signature covers the text.
Clients send numbers, booleans and arrays as strings too; all forms are read.
Source: errors.md, 11xx.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

from bwsresearch.protocol.credentials import RECV_WINDOW, Credentials
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.request import Kind, Param, Request, declared

__all__ = ["NumberText", "Pairs", "Raw", "Reading", "parse", "read", "reading", "sent_text"]


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
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.([0-9]{1,20}))?", re.ASCII)
_DECIMAL_RANGE: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}", re.ASCII)
_CLIENT_ID_RANGE: Final = "^[a-zA-Z0-9-_]{1,36}$"
_INT64: Final = 2**63 - 1
_MOST_RECV_WINDOW: Final = 60000
_RETURN_RATE_LIMITS: Final = Param("BOOLEAN", wire="returnRateLimits")
_API_KEY: Final = Param("STRING", wire="apiKey", mandatory=True)
_RECV_WINDOW: Final = Param("DECIMAL", wire="recvWindow", decimals=3)
_SIGNATURE: Final = Param("STRING", wire="signature", mandatory=True)
_TIMESTAMP: Final = Param("LONG", wire="timestamp", mandatory=True)
_SIGNED: Final = (_API_KEY, _RECV_WINDOW, _SIGNATURE, _TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Reading:
    """A request, and who says to have sent it; nobody, for a method that needs no key."""

    request: Request[Any]
    credentials: Credentials | None = None


def parse(text: bytes | str) -> Raw:
    """Return a frame's JSON with literal number texts.

    Raises:
        ValueError: when it is not JSON, or nested too deep to be a request.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        value: Raw = _JSON.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _no_constant(name: str) -> Raw:
    raise ValueError(f"{name} is not JSON")


_JSON: Final = json.JSONDecoder(
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=_no_constant,
    object_pairs_hook=Pairs,
)


def read(kind: type[Request[Any]], pairs: Pairs) -> Request[Any]:
    """Return the request that `pairs` make, of a method that needs no key.

    Raises:
        Refusal: as for `reading`; -1002 for a method that needs a key, since none is looked at here.
    """
    if kind.security != "NONE":
        raise Refusal(-1002, "You are not authorized to execute this request.", status=401)
    return reading(kind, pairs).request


def reading(kind: type[Request[Any]], pairs: Pairs, *, is_logged_on: bool = False) -> Reading:
    """Return the request that `pairs` make, and its credentials when the method needs a key.

    In a session that is logged on, apiKey and signature may be left out, but only together. Nothing
    of the credentials is verified here.

    Raises:
        Refusal: with the code and message of the exchange.
    """
    sent = dict(pairs)
    if len(sent) != len(pairs):
        raise Refusal(-1101, "Duplicate values for a parameter detected.")
    if kind.security == "NONE":
        sent.pop("apiKey", None)  # ignored on public requests: CHANGELOG.md, 2023-07-11
    params, known = declared(kind), _known(kind)
    if len(sent) > len(known):
        raise Refusal(
            -1101, f"Too many parameters; expected '{len(known)}' and received '{len(sent)}'."
        )
    values = {
        param.name: _value(param, sent)
        for param in params
        if param.mandatory or sent.get(param.wire) is not None
    }
    _value(_RETURN_RATE_LIMITS, sent)  # for its faults alone
    if kind.exclusive or kind.either:
        _combined(kind, {param.wire for param in params if param.name in values})
    if unread := sent.keys() - known:
        raise Refusal(
            -1104,
            "Not all sent parameters were read; "
            f"read '{len(sent) - len(unread)}' parameter(s) but was sent '{len(sent)}'.",
        )
    request = kind(**values)
    if kind.security == "NONE":
        return Reading(request)
    return Reading(request, _credentials(sent, may_omit=is_logged_on and kind.security != "SIGNED"))


@functools.cache
def _known(kind: type[Request[Any]]) -> frozenset[str]:
    """Return all that may be sent; returnRateLimits, read by the session, with every request."""
    signed = () if kind.security == "NONE" else _SIGNED
    return frozenset(param.wire for param in (*declared(kind), *signed, _RETURN_RATE_LIMITS))


def _combined(kind: type[Request[Any]], given: set[str]) -> None:
    if any(one in given and other in given for one, other in kind.exclusive):
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if kind.either is not None and given.isdisjoint(kind.either):
        one, other = kind.either
        raise Refusal(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def _credentials(sent: Mapping[str, Raw], *, may_omit: bool) -> Credentials:
    is_vouched_for = may_omit and sent.get("apiKey") is None and sent.get("signature") is None
    api_key = None if is_vouched_for else _value(_API_KEY, sent)
    window = _value(_RECV_WINDOW, sent)
    if window is not None and window > _MOST_RECV_WINDOW:
        raise Refusal(
            -1102,
            f"'recvWindow' contains unexpected value. Cannot be greater than {_MOST_RECV_WINDOW}.",
        )
    timestamp = _value(_TIMESTAMP, sent)
    signature = None if is_vouched_for else _value(_SIGNATURE, sent)
    return Credentials(
        timestamp,
        RECV_WINDOW if window is None else window,
        api_key,
        signature,
        {name: raw if type(raw) is str else sent_text(raw) for name, raw in sent.items()},
    )


def sent_text(raw: Raw) -> str:
    """Return the text of a parameter as a signature covers it."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case str():
            return str(raw)
        case None:
            return "null"
        case Pairs():
            return "{" + ",".join(f"{_json(name)}:{_json(one)}" for name, one in raw) + "}"
        case _:
            return "[" + ",".join(_json(one) for one in raw) + "]"


def _json(raw: Raw) -> str:
    if isinstance(raw, str) and not isinstance(raw, NumberText):
        return json.dumps(raw, ensure_ascii=False)
    return sent_text(raw)


def _value(param: Param, sent: Mapping[str, Raw]) -> Any:
    raw = sent.get(param.wire)
    if raw is None or (raw == "" and param.mandatory):
        if param.mandatory:
            raise _mandatory(param)
        return None
    if raw == "":
        code, msg = param.empty or (-1105, f"Parameter '{param.wire}' was empty.")
        raise Refusal(code, msg)
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


def _decimal(param: Param, raw: Raw) -> Decimal:
    found = _DECIMAL.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise _illegal(param, _DECIMAL_RANGE)
    if len(found[1] or "") > param.decimals:
        raise Refusal(-1111, f"Parameter '{param.wire}' has too much precision.")
    return Decimal(found[0])


def _client_id(param: Param, raw: Raw) -> str:
    if not isinstance(raw, str) or not _CLIENT_ID.fullmatch(raw):
        raise _illegal(param, _CLIENT_ID_RANGE)
    return str(raw)


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
    "DECIMAL": _decimal,
    "CLIENT_ID": _client_id,
    "BOOLEAN": _boolean,
    "ENUM": _enum,
    "ARRAY": _array,
}
