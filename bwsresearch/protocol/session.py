"""Both ends of one connection as pure state: frames in, requests and replies out.

The client's end gives ids and matches replies to requests. The server's end reads envelopes, knows
what the URL asked for, and counts malformed frames. Neither knows sockets or clocks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qs

import msgspec

from bwsresearch.enums import TimeUnit
from bwsresearch.errors import BinanceError
from bwsresearch.protocol.messages import (
    Envelope,
    Id,
    Refusal,
    failure,
    reply_text,
    request_text,
)
from bwsresearch.protocol.params import NumberText, Pairs, Raw, parse
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit

__all__ = ["Call", "ClientSession", "Event", "Options", "Reply", "ServerSession", "options"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request: `result` is JSON text, empty when there is an `error`."""

    id: Id
    request: Request[Any]
    status: int
    result: bytes | msgspec.Raw
    error: BinanceError | None
    rate_limits: list[RateLimit]


@dataclass(frozen=True, slots=True)
class Event:
    """A frame that answers nothing: its `e`, and the event as JSON text."""

    name: str
    body: bytes


class _EventName(msgspec.Struct):
    e: str = ""


@dataclass(slots=True)
class ClientSession:
    """The requests of one connection that are not answered yet, by id."""

    pending: dict[Id, Request[Any]] = field(default_factory=dict)
    _sent: int = 0

    def send(self, request: Request[Any]) -> tuple[int, bytes]:
        """Return a fresh id and the frame to send; the request is pending from now on."""
        self._sent += 1
        self.pending[self._sent] = request
        return self._sent, request_text(self._sent, request)

    def forget(self, request_id: Id) -> None:
        """Stop waiting for a reply; should it come after all, `receive` ignores it."""
        self.pending.pop(request_id, None)

    def receive(self, frame: bytes) -> Reply | Event | BinanceError | None:
        """Return what a frame means; None for a reply that nobody waits for.

        A BinanceError is an error that belongs to no request, such as a session that was revoked.

        Raises:
            ValueError: when the frame is no envelope of the API, quoting its beginning.
        """
        try:
            envelope = _ENVELOPE.decode(frame)
        except msgspec.DecodeError as fault:
            raise ValueError(
                f"not a frame of the WebSocket API: {frame[:60]!r} ({fault})"
            ) from None
        if envelope.status is None:
            return self._event(envelope, frame)
        request = self.pending.pop(envelope.id, None)
        method = request.method if request else None
        error = failure(envelope.error, envelope.status, method) if envelope.error else None
        if request is None:
            return error if envelope.id is None else None
        if error is None and not bytes(envelope.result):
            raise ValueError(f"a reply with neither result nor error: {frame[:60]!r}")
        return Reply(
            envelope.id, request, envelope.status, envelope.result, error, envelope.rate_limits
        )

    def _event(self, envelope: Envelope, frame: bytes) -> Event:
        body = bytes(envelope.event)
        if not body:
            raise ValueError(f"neither a reply nor an event: {frame[:60]!r}")
        try:
            return Event(msgspec.json.decode(body, type=_EventName).e, body)
        except msgspec.DecodeError as fault:
            raise ValueError(f"an event without a name: {frame[:60]!r} ({fault})") from None


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True, slots=True)
class Options:
    """What the URL of a connection asked for."""

    return_rate_limits: bool = True
    time_unit: TimeUnit = "MILLISECOND"


@dataclass(frozen=True, slots=True)
class Call:
    """A well-formed request: the method without its prefix, the parameters as they were written."""

    id_text: bytes
    method: str
    params: Pairs
    return_rate_limits: bool


_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_INT: Final = re.compile(r"-?[0-9]{1,19}")
_BAD_ID: Final = (
    "Invalid 'id' in JSON request; expected an integer, "
    "a string matching '^[a-zA-Z0-9-_]{1,36}$', or null."
)
_STRIKES: Final = 3


def options(query: str) -> Options:
    """Return what a URL's query asks for.

    Raises:
        Refusal: for a bad time unit, or a response format that this server does not speak.
    """
    asked = parse_qs(query, keep_blank_values=True)
    unit = asked.get("timeUnit", ["MILLISECOND"])[-1]
    if unit not in ("MILLISECOND", "MICROSECOND", "millisecond", "microsecond"):
        raise Refusal(
            -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
        )
    if asked.get("responseFormat", ["json"])[-1].lower() != "json":
        raise Refusal(-1155, "SBE is not enabled.")
    wanted = asked.get("returnRateLimits", ["true"])[-1] != "false"
    return Options(wanted, cast("TimeUnit", unit.upper()))


@dataclass(slots=True)
class ServerSession:
    """One connection as the exchange sees it."""

    options: Options = field(default_factory=Options)
    strikes: int = 0

    @property
    def is_struck_out(self) -> bool:
        """Whether malformed frames have used up the connection's patience."""
        return self.strikes >= _STRIKES

    def receive(self, frame: str | bytes) -> Call | bytes:
        """Return the request in a frame, or the text that refuses a malformed one."""
        id_text = b"null"
        try:
            fields = _fields(frame)
            id_text = _id_text(fields)
            method, params = _method(fields), _params(fields)
        except Refusal as refusal:
            self.strikes += 1
            return reply_text(id_text, refusal.status, refusal.body, None)
        wanted = self._wanted(params)
        return Call(id_text, method.removeprefix("v3/"), params, wanted)

    def _wanted(self, params: Pairs) -> bool:
        for name, value in params:
            if name == "returnRateLimits" and value in (True, "true", False, "false"):
                return value in (True, "true")
        return self.options.return_rate_limits


def _fields(frame: str | bytes) -> Mapping[str, Raw]:
    try:
        value = parse(frame)
    except ValueError:
        value = None
    if not isinstance(value, Pairs):
        raise Refusal(-1135, "Invalid JSON Request")
    return dict(value)


def _params(fields: Mapping[str, Raw]) -> Pairs:
    params = fields.get("params", Pairs())
    if not isinstance(params, Pairs):
        raise Refusal(-1135, "Invalid 'params' in JSON request; expected an object.")
    return params


def _method(fields: Mapping[str, Raw]) -> str:
    method = fields.get("method")
    if not isinstance(method, str) or isinstance(method, NumberText):
        raise Refusal(-1135, "Invalid 'method' in JSON request; expected a string.")
    return str(method)


def _id_text(fields: Mapping[str, Raw]) -> bytes:
    if "id" not in fields:
        raise Refusal(-1135, _BAD_ID)
    match fields["id"]:
        case None:
            return b"null"
        case NumberText() as number if _INT.fullmatch(number) and -(2**63) <= int(number) < 2**63:
            return number.encode()
        case str() as text if not isinstance(text, NumberText) and _ID.fullmatch(text):
            return b'"' + text.encode() + b'"'
        case _:
            raise Refusal(-1135, _BAD_ID)
