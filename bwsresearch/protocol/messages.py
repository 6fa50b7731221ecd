"""The envelope: requests, replies and events as text, and what an error reply means.

`{"id": …, "method": …, "params": {…}}` asks; `{"id": …, "status": …, "result" | "error": …,
"rateLimits": […]}` answers, the id first. Source: web-socket-api.md, "Request format" and
"Response format".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from bwsresearch.errors import (
    BadKey,
    BadParameter,
    BadSymbol,
    Banned,
    BinanceError,
    ClockSkew,
    InsufficientBalance,
    OrderRejected,
    RateLimited,
    ServerError,
    UnknownOrder,
)
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit

__all__ = ["Envelope", "ErrorBody", "Id", "Refusal", "failure", "reply_text", "request_text"]

Id: TypeAlias = int | str | None

_BAD_PARAMETER: Final = range(-1199, -1099)
_KINDS: Final[Mapping[int, type[BinanceError]]] = {
    -1121: BadSymbol,
    -1220: BadSymbol,
    -1003: RateLimited,
    -1015: RateLimited,
    -1034: RateLimited,
    -1002: BadKey,
    -1022: BadKey,
    -2014: BadKey,
    -2015: BadKey,
    -2028: BadKey,
    -1021: ClockSkew,
    -1013: OrderRejected,
    -2010: OrderRejected,
    -2038: OrderRejected,
    -2013: UnknownOrder,
}
# Codes that say several things: the message tells which.
_NO_FUNDS: Final = "Account has insufficient balance for requested action."
_UNKNOWN_ORDER: Final = "Unknown order sent."
_HINTS: Final[Mapping[type[BinanceError], str]] = {
    BadSymbol: "client.exchange_info() lists the symbols of this exchange",
    BadKey: "check the API key, its secret or private key, its permissions and its addresses",
    ClockSkew: "this machine's clock differs from the exchange's, or the reply took too long",
}


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `error` of a reply."""

    code: int
    msg: str
    data: object = None


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A frame from the exchange: a reply, or an event, which has neither id nor status."""

    id: Id = None
    status: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorBody | None = None
    rate_limits: list[RateLimit] = []
    event: msgspec.Raw = msgspec.Raw(b"")


class Refusal(Exception):
    """What an exchange answers instead of a result."""

    def __init__(self, code: int, msg: str, *, status: int = 400, data: object = None) -> None:
        super().__init__(f"{code} {msg}")
        self.status = status
        self.body = ErrorBody(code, msg, data)


def request_text(
    request_id: Id, request: Request[Any], signed: Mapping[str, object] | None = None
) -> bytes:
    """Return the frame that sends `request`; only parameters that were given are in it.

    `signed` has the parameters that vouch for the sender.
    """
    frame: dict[str, object] = {"id": request_id, "method": request.method}
    if params := {**request.params(), **(signed or {})}:
        frame["params"] = params
    return msgspec.json.encode(frame)


def reply_text(
    id_text: bytes,
    status: int,
    answer: bytes | ErrorBody,
    limits: Sequence[RateLimit] | None,
) -> bytes:
    """Return the frame that answers; `answer` is the result's JSON or an error.

    `limits` None leaves the array out. The result is spliced in, never parsed again.
    """
    parts = [b'{"id":', id_text, b',"status":', str(status).encode()]
    if isinstance(answer, ErrorBody):
        parts += [b',"error":', msgspec.json.encode(answer)]
    else:
        parts += [b',"result":', answer]
    if limits is not None:
        parts += [b',"rateLimits":', msgspec.json.encode(limits)]
    parts.append(b"}")
    return b"".join(parts)


def failure(error: ErrorBody, status: int | None, method: str | None) -> BinanceError:
    """Return the exception for an error reply, its code and msg verbatim."""
    kind = _kind(error, status or 400)
    retry_after = _retry_after(error.data)
    return kind(
        error.msg,
        status=status,
        code=error.code,
        method=method,
        retry_after=retry_after,
        data=error.data,
        hint=_hint(kind, retry_after),
    )


def _kind(error: ErrorBody, status: int) -> type[BinanceError]:
    if status == 418:
        return Banned
    if status == 429:
        return RateLimited
    if status >= 500:
        return ServerError
    if error.msg == _NO_FUNDS:
        return InsufficientBalance
    if error.msg == _UNKNOWN_ORDER:
        return UnknownOrder
    fallback = BadParameter if error.code in _BAD_PARAMETER else BinanceError
    return _KINDS.get(error.code, fallback)


def _retry_after(data: object) -> float | None:
    """Return the seconds to wait from `data` of a 429 or 418; its times are epoch milliseconds."""
    if not isinstance(data, dict):
        return None
    until, now = data.get("retryAfter"), data.get("serverTime")
    if not isinstance(until, int) or not isinstance(now, int):
        return None
    return max(0.0, (until - now) / 1000)


def _hint(kind: type[BinanceError], retry_after: float | None) -> str:
    if issubclass(kind, RateLimited) and retry_after is not None:
        return f"try again in {retry_after:.0f} s"
    return _HINTS.get(kind, "")
