"""The envelope: requests, replies and events as text, and what an error reply means.

`{"id": …, "method": …, "params": {…}}` asks; `{"id": …, "status": …, "result" | "error": …,
"rateLimits": […]}` answers, the id first. Source: web-socket-api.md, "Request format" and
"Response format".
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec

from bwsresearch.errors import (
    BadParameter,
    BadSymbol,
    Banned,
    BinanceError,
    RateLimited,
    ServerError,
)
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit

__all__ = ["Envelope", "ErrorBody", "Id", "Refusal", "failure", "reply_text", "request_text"]

Id: TypeAlias = int | str | None

_BAD_SYMBOL: Final = frozenset({-1121, -1220})
_RATE_LIMITED: Final = frozenset({-1003, -1015, -1034})
_BAD_PARAMETER: Final = range(-1199, -1099)


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


def request_text(request_id: Id, request: Request[Any]) -> bytes:
    """Return the frame that sends `request`; only parameters that were given are in it."""
    frame: dict[str, object] = {"id": request_id, "method": request.method}
    if params := request.params():
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
    kind = _kind(error.code, status or 400)
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


def _kind(code: int, status: int) -> type[BinanceError]:
    if status == 418:
        return Banned
    if status == 429 or code in _RATE_LIMITED:
        return RateLimited
    if status >= 500:
        return ServerError
    if code in _BAD_SYMBOL:
        return BadSymbol
    return BadParameter if code in _BAD_PARAMETER else BinanceError


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
    if kind is BadSymbol:
        return "client.exchange_info() lists the symbols of this exchange"
    return ""
