"""Both ends of one connection as pure state: frames in, requests and replies out.

The client's end gives ids, signs, and matches replies to requests. The server's end reads envelopes,
knows what the URL asked for and who is logged on, and counts malformed frames. Neither knows sockets
or clocks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qs

import msgspec

from bwsresearch.enums import TimeUnit
from bwsresearch.errors import BadKey, BinanceError
from bwsresearch.protocol.amounts import Amount, amount, digits
from bwsresearch.protocol.messages import (
    Envelope,
    Id,
    Refusal,
    failure,
    reply_text,
    request_text,
)
from bwsresearch.protocol.methods import SessionLogon, SessionLogout
from bwsresearch.protocol.outcomes import outcome
from bwsresearch.protocol.params import NumberText, Pairs, Raw, parse
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit, SessionInfo
from bwsresearch.protocol.signing import Key, payload

__all__ = [
    "Call",
    "ClientSession",
    "Event",
    "Garbled",
    "Options",
    "Reply",
    "ServerSession",
    "options",
]


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


class Garbled(ValueError):
    """A frame that is no envelope of the API; `id` is whom it answers, None when it does not tell."""

    def __init__(self, why: str, request_id: Id = None) -> None:
        super().__init__(why)
        self.id = request_id


class _EventName(msgspec.Struct):
    e: str = ""


@dataclass(slots=True)
class ClientSession:
    """The requests of one connection that are not answered yet, by id.

    `key` signs what must be signed; `recv_window` is for how many milliseconds such a request is
    valid, the exchange's default when it is None. Once logged on nothing needs a signature.
    """

    key: Key | None = None
    recv_window: Amount | None = None
    pending: dict[Id, Request[Any]] = field(default_factory=dict)
    is_logged_on: bool = False
    _sent: int = 0

    def send(self, request: Request[Any], *, now_ms: int | None = None) -> tuple[int, bytes]:
        """Return a fresh id and the frame to send; the request is pending from now on.

        `now_ms` is the exchange's time, epoch milliseconds, for a request that is signed.

        Raises:
            ValueError: when the request needs a key or a time, and there is none.
        """
        signed = None if request.security == "NONE" else self._signed(request, now_ms)
        self._sent += 1
        self.pending[self._sent] = request
        return self._sent, request_text(self._sent, request, signed)

    def _signed(self, request: Request[Any], now_ms: int | None) -> dict[str, object]:
        is_vouched_for = self.is_logged_on and request.security != "SIGNED"
        if self.key is None and not is_vouched_for:
            raise ValueError(
                f"{request.method} needs an API key; give it to connect(), or set BWS_API_KEY and "
                "BWS_API_SECRET or BWS_PRIVATE_KEY"
            )
        if now_ms is None:
            raise ValueError(f"{request.method} is a signed request; now_ms gives its timestamp")
        signed: dict[str, object] = {"timestamp": now_ms}
        if self.recv_window is not None:
            signed["recvWindow"] = digits(amount(self.recv_window, "recv_window"))
        if self.key is not None and not is_vouched_for:
            signed["apiKey"] = self.key.api_key
            texts = {name: _text(value) for name, value in {**request.params(), **signed}.items()}
            signed["signature"] = self.key.sign(payload(texts))
        return signed

    def forget(self, request_id: Id) -> None:
        """Stop waiting for a reply; should it come after all, `receive` ignores it."""
        self.pending.pop(request_id, None)

    def receive(self, frame: bytes) -> Reply | Event | BinanceError | None:
        """Return what a frame means; None for a reply that nobody waits for.

        A BinanceError is an error that belongs to no request, such as a session that was revoked.

        Raises:
            Garbled: when the frame is no envelope of the API, quoting its beginning.
        """
        try:
            envelope = _ENVELOPE.decode(frame)
        except msgspec.DecodeError as fault:
            raise Garbled(
                f"not a frame of the WebSocket API: {frame[:60]!r} ({fault})", _answered(frame)
            ) from None
        if envelope.status is None:
            return self._event(envelope, frame)
        request = self.pending.pop(envelope.id, None)
        method = request.method if request else None
        error = failure(envelope.error, envelope.status, method) if envelope.error else None
        if request is None:
            return self._unasked(error) if envelope.id is None else None
        if error is not None:
            error = outcome(request, error)
        elif not memoryview(envelope.result).nbytes:
            raise Garbled(f"a reply with neither result nor error: {frame[:60]!r}", envelope.id)
        elif isinstance(request, SessionLogon | SessionLogout):
            self.is_logged_on = isinstance(request, SessionLogon)
        return Reply(
            envelope.id, request, envelope.status, envelope.result, error, envelope.rate_limits
        )

    def _unasked(self, error: BinanceError | None) -> BinanceError | None:
        """Take an error that answers nothing; the session may have been revoked."""
        if isinstance(error, BadKey):
            self.is_logged_on = False
        return error

    def _event(self, envelope: Envelope, frame: bytes) -> Event:
        body = bytes(envelope.event)
        if not body:
            raise Garbled(f"neither a reply nor an event: {frame[:60]!r}")
        try:
            return Event(msgspec.json.decode(body, type=_EventName).e, body)
        except msgspec.DecodeError as fault:
            raise Garbled(f"an event without a name: {frame[:60]!r} ({fault})") from None


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_BEGINNING: Final = re.compile(rb'\s*\{\s*"id"\s*:\s*([0-9]{1,18})\s*,')


def _answered(frame: bytes) -> int | None:
    """Return the id at the beginning of a frame that is broken further on."""
    found = _BEGINNING.match(frame)
    return int(found[1]) if found else None


def _text(value: object) -> str:
    """Return a parameter's text as the frame will have it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


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
    params: Pairs = field(repr=False)
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
    connected_since_ms: int = 0
    api_key: str | None = field(default=None, repr=False)
    authorized_since_ms: int | None = None

    @property
    def is_logged_on(self) -> bool:
        """Whether the connection vouches for requests without a signature."""
        return self.api_key is not None

    def log_on(self, api_key: str, now_ms: int) -> None:
        """Let the connection vouch for a key, in place of any other, after it was verified."""
        self.api_key, self.authorized_since_ms = api_key, now_ms

    def log_out(self) -> None:
        """Forget the key; nothing happens when there is none."""
        self.api_key = self.authorized_since_ms = None

    def info(self, now_ms: int, *, has_user_data_stream: bool = False) -> SessionInfo:
        """Return what session.logon, session.status and session.logout answer."""
        unit = 1000 if self.options.time_unit == "MICROSECOND" else 1
        since = self.authorized_since_ms
        return SessionInfo(
            self.api_key,
            None if since is None else since * unit,
            self.connected_since_ms * unit,
            self.options.return_rate_limits,
            now_ms * unit,
            has_user_data_stream,
        )

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
