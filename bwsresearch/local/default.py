"""The client of calls that name none: the one that was connected last."""

import dataclasses
import os
import threading
from pathlib import Path
from typing import Final

from bwsresearch.client.access import Access
from bwsresearch.client.sync import Client
from bwsresearch.client.transport import Endpoint, WebSocketEndpoint
from bwsresearch.journals import ClientJournal
from bwsresearch.local.keys import key_of
from bwsresearch.local.servers import endpoint_of
from bwsresearch.protocol.amounts import Amount, amount

__all__ = ["connect", "default_client"]

_TIMEOUT_S: Final = 30.0
_MOST_MS: Final = 60_000
"""For so long a signed request may be valid; web-socket-api.md "Timing security"."""

_default: list[Client] = []
_default_lock = threading.Lock()


def connect(
    server: str | Endpoint | None = None,
    *,
    api_key: str | None = None,
    api_secret: str | None = None,
    private_key: str | bytes | Path | None = None,
    allow_orders: bool = False,
    recv_window: Amount | None = None,
    journal: str | Path | None = None,
    timeout: float = _TIMEOUT_S,
    ca_file: str | Path | None = None,
) -> Client:
    """Return a client of `server`, which becomes the default of `bws.klines` and its like.

    Nothing is sent before the first request.

    Args:
        server: "production", "testnet", "demo", "local" (an exchange in this process), or a URL such
            as "ws://127.0.0.1:9443/ws-api/v3"; BWS_SERVER or production when left out.
        api_key: for orders and account data; BWS_API_KEY when left out.
        api_secret: the HMAC secret of the key; BWS_API_SECRET when left out.
        private_key: in its place an RSA or Ed25519 private key: PEM text, or the path of a PEM file;
            BWS_PRIVATE_KEY when left out.
        allow_orders: needed for orders where they move real money; order.test needs no leave.
        recv_window: milliseconds for which a signed request is valid; the exchange's 5000 by default.
        journal: a folder in which every order request is recorded, with what came of it; clients of
            one process may share it.
        timeout: seconds to wait for each reply, connecting included.
        ca_file: a PEM file with the authorities to trust, for a server of your own.

    Raises:
        ValueError: when the server or the key cannot be meant.
        JournalError: when the journal cannot be written.
    """
    key, fault = key_of(api_key, api_secret, private_key)
    del api_secret, private_key  # an error's traceback holds this frame
    if fault:
        raise ValueError(fault)
    if recv_window is not None and not 0 < amount(recv_window, "recv_window") <= _MOST_MS:
        raise ValueError(f"recv_window is {recv_window}, must be above 0 and at most {_MOST_MS} ms")
    recorder = None if journal is None else ClientJournal.of(journal)
    client = _client(server, timeout, ca_file, Access(key, recv_window, allow_orders, recorder))
    with _default_lock:
        _default[:] = [client]
    return client


def _client(
    server: str | Endpoint | None, timeout: float, ca_file: str | Path | None, access: Access
) -> Client:
    if not isinstance(server, str | Endpoint | None):
        raise TypeError(f"server is {server!r}, must be a name, a URL or an endpoint")
    chosen = server if server is not None else os.environ.get("BWS_SERVER") or "production"
    endpoint = endpoint_of(chosen) if isinstance(chosen, str) else chosen
    if ca_file is not None:
        if not isinstance(endpoint, WebSocketEndpoint):
            raise ValueError(f"ca_file is {ca_file}, but {endpoint.name} needs no certificate")
        endpoint = dataclasses.replace(endpoint, ca_file=ca_file, ssl=None)
    return Client(endpoint, timeout=timeout, access=access)


def default_client() -> Client:
    """Return the client of calls that name none."""
    with _default_lock:
        if not _default:
            key, fault = key_of(None, None, None)
            if fault:
                raise ValueError(fault)
            _default.append(_client(None, _TIMEOUT_S, None, Access(key)))
        return _default[0]
