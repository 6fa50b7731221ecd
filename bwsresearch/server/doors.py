"""The handshake: who is let in, what the others are told, and what the server says of itself."""

import ipaddress
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from bwsresearch.exchange.faults import FaultPlan
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.session import options

__all__ = ["PATH", "Clock", "Host", "address", "admitted", "farewell", "greeted"]

PATH: Final = "/ws-api/v3"

Clock = Callable[[], int]
"""Epoch milliseconds."""


class Host(Protocol):
    """What all connections of a server share."""

    @property
    def gateway(self) -> Gateway:
        """The exchange."""

    @property
    def clock(self) -> Clock:
        """What time it is there."""

    @property
    def faults(self) -> FaultPlan | None:
        """What goes wrong, on purpose."""

    @property
    def latency_ms(self) -> float:
        """How long every reply is on its way."""


def admitted(host: Host, connection: ServerConnection, request: Request) -> Response | None:
    """Return what a handshake is refused with, None when it is let in."""
    parts = urlsplit(request.path)
    if parts.path != PATH:
        return connection.respond(HTTPStatus.NOT_FOUND, f"the API is at {PATH}\n")
    if _is_of_a_web_page(request):
        return connection.respond(HTTPStatus.FORBIDDEN, "web pages may not connect\n")
    try:
        options(parts.query)
    except Refusal as refusal:
        return _refused(connection, refusal)
    refusal_or_none = host.faults.door(host.clock()) if host.faults else None
    refusal_or_none = refusal_or_none or host.gateway.connect(address(connection), host.clock())
    return None if refusal_or_none is None else _refused(connection, refusal_or_none)


def greeted(
    host: Host, connection: ServerConnection, request: Request, response: Response
) -> Response:
    """Add what our own client wants to know; others ignore it."""
    del connection, request
    market = host.gateway.market
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        response.headers["x-mbx-uuid"] = str(uuid.uuid4())
        response.headers["x-bws-market"] = market.identity
        recorded = (f"{name}={','.join(what)}" for name, what in market.recorded.items())
        if text := ";".join(recorded):
            response.headers["x-bws-recorded"] = text
    return response


def farewell(now_ms: int) -> bytes:
    """Return the event that announces the end of the server."""
    return b'{"event":{"e":"serverShutdown","E":%d}}' % now_ms


def address(connection: ServerConnection) -> str:
    """Return where a connection comes from: limits are counted for it."""
    peer = connection.remote_address
    return str(peer[0]) if peer else ""


def _is_of_a_web_page(request: Request) -> bool:
    """Whether a browser opened the connection for a page: any page may try to reach this machine.

    Some clients send the server's own address as their origin. A name is not taken for that: one
    that its owner lets point here makes a page's origin equal to the host.
    """
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    if origin is None:
        return False
    name = urlsplit(f"//{host}").hostname or ""
    return urlsplit(origin).netloc != host or not (_is_address(name) or name == "localhost")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refused(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(
        HTTPStatus(refusal.status), msgspec.json.encode(refusal.body).decode()
    )
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json;charset=UTF-8"
    data = refusal.body.data
    if isinstance(data, dict) and "retryAfter" in data:
        seconds = max(0, int(data["retryAfter"]) - int(data["serverTime"])) // 1000
        response.headers["Retry-After"] = str(seconds)
    return response
