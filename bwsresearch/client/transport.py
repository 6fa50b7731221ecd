"""Connections that carry frames: over a WebSocket, or whatever else can be joined in its place.

The one file of the client that knows websockets. Everything that can go wrong on the way leaves it
as an error of this package that names the server and the cure.
"""

import asyncio
import contextlib
import ipaddress
import logging
import re
import ssl as tls
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from socket import gaierror
from typing import Final, Literal, Protocol, runtime_checkable
from urllib.parse import SplitResult, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.http11 import Response

from bwsresearch.errors import BinanceError, Disconnected
from bwsresearch.protocol.messages import ErrorBody, failure

__all__ = ["Endpoint", "Transport", "WebSocketEndpoint"]

_PRODUCTION: Final = re.compile(r"(^|\.)binance\.(com|us|me|je|sg)$")
_LOG: Final = logging.getLogger(__name__)
_LOG.setLevel(logging.WARNING)  # at DEBUG websockets writes frames, which have keys and signatures
_CLOSE_S: Final = 1.0
"""How long a closing connection waits for the server's good-bye."""


class Transport(Protocol):
    """An open connection: whole frames in both directions, in order."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the server said in its handshake; names in lower case."""

    @property
    def is_vouched_for(self) -> bool:
        """Whether the other end knows who this is, so that requests need no signature."""

    async def send(self, frame: bytes) -> None:
        """Send one text frame; raises Disconnected when the connection is gone."""

    async def receive(self) -> bytes:
        """Return the next frame; raises Disconnected when the connection is gone."""

    async def close(self) -> None:
        """Say good-bye and close, within about a second; closing twice is fine."""


@runtime_checkable
class Endpoint(Protocol):
    """A server that can be connected to, as often as needed and on any loop."""

    @property
    def name(self) -> str:
        """What reprs and errors call it, such as `ws://127.0.0.1:9443`; holds no secret."""

    @property
    def is_production(self) -> bool:
        """Whether orders there move real money."""

    async def connect(self) -> Transport:
        """Open a connection; raises a BinanceError that says why it could not be opened."""


@dataclass(frozen=True, slots=True, repr=False)
class WebSocketEndpoint:
    """A server by its URL, `ws://` or `wss://`.

    `ca_file` is a PEM file with the only authorities to trust, `ssl` a context for anything more
    special; left out, the system's authorities count. `compression` takes "deflate", which pays on
    lines below about 40 Mbit/s only. Pings are ours: when one stays unanswered for `ping_timeout`
    seconds, the connection counts as lost; `ping_interval` None sends none.

    Raises:
        ValueError: when the URL is no WebSocket URL, or `ca_file` cannot be read.
    """

    url: str
    _: KW_ONLY
    ca_file: str | Path | None = None
    ssl: tls.SSLContext | None = None
    compression: Literal["deflate"] | None = None
    open_timeout: float = 10.0
    ping_interval: float | None = 20.0
    ping_timeout: float = 20.0

    def __post_init__(self) -> None:
        if not self.is_encrypted and (self.ssl is not None or self.ca_file is not None):
            raise ValueError(f"{self.name} is not encrypted; write wss:// to use a certificate")
        if self.ca_file is not None and self.ssl is None:
            object.__setattr__(self, "ssl", _context(Path(self.ca_file).expanduser()))

    def __repr__(self) -> str:
        return f"<WebSocketEndpoint {self.name}>"

    @property
    def name(self) -> str:
        """Scheme, host and port; the rest of a URL may hold secrets."""
        parts = _parts(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is over TLS."""
        return _parts(self.url).scheme == "wss"

    @property
    def is_production(self) -> bool:
        """Whether it is one of the exchange's hosts, and neither testnet nor demo."""
        host = _parts(self.url).hostname or ""
        return bool(_PRODUCTION.search(host)) and not host.startswith(("demo-", "testnet."))

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        host = _parts(self.url).hostname or ""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(host).is_loopback
        return host == "localhost" or host.endswith(".localhost")

    async def connect(self) -> Transport:
        """Open a connection, through the environment's proxy unless it stays on this machine."""
        try:
            connection = await connect(
                self.url,
                compression=self.compression,
                max_size=None,  # exchangeInfo has 17 MB
                proxy=None if self.is_loopback else True,
                open_timeout=self.open_timeout,
                ping_interval=self.ping_interval,
                ping_timeout=self.ping_timeout,
                close_timeout=_CLOSE_S,
                logger=_LOG,
                ssl=(self.ssl or True) if self.is_encrypted else None,
            )
        except InvalidStatus as error:
            raise _refused(self.name, error.response) from error
        # ImportError: a SOCKS proxy needs one package more. ValueError: a redirect to no address.
        except (OSError, EOFError, WebSocketException, ImportError, ValueError) as error:
            raise _unreachable(self, error) from error
        return _WebSocket(self.name, connection)


class _WebSocket:
    """A Transport over websockets."""

    is_vouched_for = False

    def __init__(self, name: str, connection: ClientConnection) -> None:
        self._name, self._connection = name, connection
        response = connection.response
        pairs = response.headers.raw_items() if response else ()
        self.headers: Mapping[str, str] = {key.lower(): value for key, value in pairs}

    async def send(self, frame: bytes) -> None:
        try:
            await self._connection.send(frame, text=True)
        except ConnectionClosed as error:
            raise _lost(self._name, error) from error

    async def receive(self) -> bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise _lost(self._name, error) from error

    async def close(self) -> None:
        try:
            await self._connection.close()
        except asyncio.CancelledError:
            self._connection.transport.abort()  # nobody waits for the server's good-bye any more
            raise


def _parts(url: str) -> SplitResult:
    cure = "a server's URL looks like ws://127.0.0.1:9443/ws-api/v3"
    shown = _SECRETS.sub("", url)
    try:
        parts = urlsplit(url)
        _ = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ValueError(f"{shown!r} is no URL ({error}); {cure}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        raise ValueError(f"{shown!r} is no WebSocket URL; {cure}")
    return parts


_SECRETS: Final = re.compile(r"(?<=//)[^/]*@|[?#].*", re.DOTALL)
"""What is left out of a URL that is shown: a user's name and password, and the query."""


def _context(ca_file: Path) -> tls.SSLContext:
    try:
        return tls.create_default_context(cafile=ca_file)
    except (OSError, tls.SSLError) as error:
        raise ValueError(
            f"ca_file {ca_file} cannot be read ({error}); it takes a PEM file of certificates"
        ) from error


def _lost(name: str, error: ConnectionClosed) -> Disconnected:
    """Return what the end of a connection means."""
    return Disconnected(f"{name} {_end(error)}", hint="the next call connects again")


def _end(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        reason = f" {error.rcvd.reason}" if error.rcvd.reason else ""
        return f"closed the connection ({error.rcvd.code}{reason})"
    if error.sent is not None and error.sent.code == 1011:
        return "does not answer pings; the connection is given up"
    if error.sent is not None and error.sent.code not in (1000, 1001):
        return f"broke the WebSocket protocol ({error.sent.reason})"
    return "dropped the connection"


_CURES: Final = {
    400: "check the path and the options of the address",
    403: "the server or a firewall before it forbids access from here",
    404: "the path of the API is /ws-api/v3",
    429: "wait some minutes: too many connections were made",
    451: "this exchange does not serve your region",
}


def _refused(name: str, response: Response) -> BinanceError:
    """Return what a handshake means that the server answered with an HTTP status."""
    status, retry_after = response.status_code, None
    with contextlib.suppress(KeyError, ValueError):
        retry_after = float(response.headers["Retry-After"])
    try:
        body = msgspec.json.decode(response.body or b"", type=ErrorBody)
    except msgspec.DecodeError:
        body = None
    error = failure(body or ErrorBody(0, response.reason_phrase), status, None)
    if retry_after is not None:
        error.retry_after, error.hint = retry_after, f"try again in {retry_after:.0f} s"
    return type(error)(
        f"{name} refused the connection: HTTP {status} {error.msg}",
        status=status,
        code=error.code if body else None,
        retry_after=error.retry_after,
        data=error.data,
        hint=error.hint or _cure(status),
    )


def _cure(status: int) -> str:
    other = "try again later" if status >= 500 else "check the address: a web server answers there"
    return _CURES.get(status, other)


def _unreachable(server: WebSocketEndpoint, error: Exception) -> Disconnected:
    """Return why no connection came about."""
    name, what = server.name, str(error) or type(error).__name__
    match error:
        case tls.SSLCertVerificationError():
            what = f"its certificate is not trusted ({error.verify_message})"
            cure = "pass ca_file= for a private authority"
        case tls.SSLError():
            what, cure = (
                f"it does not speak TLS as expected ({error.reason})",
                "an unencrypted server needs ws://",
            )
        case gaierror():
            what, cure = f"its name is unknown ({error.strerror})", "check the name and the network"
        case TimeoutError():
            what = f"no handshake within {server.open_timeout:g} s"
            cure = "check the address, or raise open_timeout"
        case ProxyError() | InvalidProxy() | ImportError():
            what, cure = f"the proxy fails ({error})", "check HTTPS_PROXY and NO_PROXY"
        case InvalidURI() | ValueError():
            what = f"it sends elsewhere ({what})"
            cure = "check the address: a web server answers there"
        case ConnectionRefusedError() if server.is_loopback:
            what, cure = "nothing listens there", "start it with `bwsresearch serve`"
        case ConnectionResetError() | ConnectionAbortedError() if server.is_encrypted:
            what = "it does not speak TLS as expected (it ended the handshake)"
            cure = "an unencrypted server needs ws://"
        case EOFError() | InvalidHandshake():
            what = f"it does not answer as a WebSocket server ({what})"
            cure = "check scheme and port; encrypted servers need wss://"
        case _:
            cure = "check the address and the network"
    return Disconnected(f"cannot connect to {name}: {what}", hint=cure)
