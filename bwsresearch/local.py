"""Names to things: a server's name to a client, a market's name to an exchange in this process.

The first call of a notebook finds its client here: the one that `connect` made last, or else the
one that the environment variable BWS_SERVER names, or else production.
"""

import asyncio
import dataclasses
import difflib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from bwsresearch.cache import Cache, upkeep
from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.sync import Client
from bwsresearch.client.transport import Endpoint, Transport, WebSocketEndpoint
from bwsresearch.enums import INTERVALS
from bwsresearch.errors import CacheError, Disconnected
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.protocol.session import ServerSession
from bwsresearch.tables import KLINES, SCHEMAS, TRADES, Columns
from bwsresearch.times import DAY_MS, STEP_MS

__all__ = [
    "SERVERS",
    "LocalEndpoint",
    "connect",
    "default_client",
    "implied",
    "live_clock",
    "recorded_market",
    "server_of",
]

SERVERS: Final = {
    "production": "wss://ws-api.binance.com:443/ws-api/v3",
    "testnet": "wss://ws-api.testnet.binance.vision/ws-api/v3",
    "demo": "wss://demo-ws-api.binance.com/ws-api/v3",
}
"""The exchange's servers by name; "local" is an exchange in this process."""

_ALIASES: Final = {
    # The address that the document of 2023 has; the exchange has moved the testnet since.
    "wss://testnet.binance.vision/ws-api/v3": "testnet",
}
_HOSTS: Final = {urlsplit(url).hostname: name for name, url in SERVERS.items()}
_TIMEOUT_S: Final = 30.0
_MARKET: Final = "x-bws-market"
_RECORDED: Final = "x-bws-recorded"


def live_clock() -> int:
    """Return this machine's epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """An exchange in this process: the same protocol and limits, without a socket.

    `api_key` is a key that the exchange knows; its connections are logged on with it.
    """

    gateway: Gateway
    clock: Callable[[], int] = live_clock
    api_key: str | None = field(default=None, repr=False)
    is_production: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What reprs call it."""
        return "local"

    async def connect(self) -> Transport:
        """Open a connection to it."""
        refusal = self.gateway.connect("local", self.clock())
        if refusal is not None:
            raise Disconnected(f"the local exchange refused: {refusal.body.msg}")
        session = ServerSession(connected_since_ms=self.clock())
        if self.api_key is not None:
            session.log_on(self.api_key, self.clock())
        return _InProcess(self.gateway, self.clock, session)


@dataclass
class _InProcess:
    """A Transport whose other end is a gateway."""

    gateway: Gateway
    clock: Callable[[], int]
    _session: ServerSession
    _frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _is_closed: bool = False

    @property
    def is_vouched_for(self) -> bool:
        """Whether it is logged on already."""
        return self._session.is_logged_on

    @property
    def headers(self) -> Mapping[str, str]:
        """What a handshake would tell."""
        return {_MARKET: self.gateway.market.identity, _RECORDED: _recorded(self.gateway.market)}

    async def send(self, frame: bytes) -> None:
        if self._is_closed:
            raise _closed()
        call = self._session.receive(frame)
        if isinstance(call, bytes):
            self._frames.put_nowait(call)
            if self._session.is_struck_out:
                await self.close()
            return
        answer = self.gateway.handle(call, self._session, "local", self.clock())
        self._frames.put_nowait(answer.text)
        if answer.ends:
            await self.close()
        await asyncio.sleep(0)  # answering takes time: let others on this loop have theirs

    async def receive(self) -> bytes:
        if self._is_closed and self._frames.empty():
            raise _closed()
        frame = await self._frames.get()
        if frame is None:
            raise _closed()
        return frame

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._frames.put_nowait(None)


def _closed() -> Disconnected:
    return Disconnected("the local exchange closed the connection")


def _recorded(market: Market) -> str:
    return ";".join(f"{name}={','.join(what)}" for name, what in market.recorded.items())


def recorded_market(root: Path, server: str | None = None) -> RecordedMarket:
    """Return the cached rows of one server as a market; production's, or the only one's, by default.

    Raises:
        CacheError: when the cache holds nothing of that server, or leaves open which is meant.
    """
    server = server or _only_server(root)
    klines: dict[str, dict[str, Columns]] = {}
    trades: dict[str, Columns] = {}
    for place, _ in upkeep.series(root):
        if place.server != server or place.kind not in (KLINES.name, TRADES.name):
            continue
        cache = Cache(root, server)
        columns, _ = cache.read(SCHEMAS[place.kind], place.symbol, place.interval, 0, 2**43)
        if place.interval is None:
            trades[place.symbol] = columns
        else:
            klines.setdefault(place.symbol, {})[place.interval] = columns
    if not klines and not trades:
        raise CacheError(
            f"the cache at {root} holds nothing of {server}; "
            "import archives with `bwsresearch import`, or pull some"
        )
    return RecordedMarket(
        {
            name: Recording(klines.get(name, {}), trades.get(name))  # type: ignore[arg-type] # the cache writes intervals only
            for name in klines | trades
        }
    )


def _only_server(root: Path) -> str:
    servers = {place.server for place, _ in upkeep.series(root)} or {"production"}
    if "production" not in servers and len(servers) > 1:
        raise CacheError(
            f"the cache at {root} holds rows of {', '.join(sorted(servers))}; name one of them"
        )
    return "production" if "production" in servers else servers.pop()


def endpoint_of(server: str) -> Endpoint:
    """Return the endpoint of a server's name or URL.

    Raises:
        ValueError: when it is neither.
    """
    if server == "local":
        return LocalEndpoint(Gateway(SyntheticMarket(), Config()))
    name = _ALIASES.get(server, server)
    if name in SERVERS:
        return WebSocketEndpoint(SERVERS[name])
    if "://" in server:
        return WebSocketEndpoint(server)
    names = [*SERVERS, "local"]
    near = difflib.get_close_matches(server.lower(), names, n=1)
    cure = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"server is {server!r}, must be one of {', '.join(names)}, or a URL ws://… or wss://…{cure}"
    )


_default: list[Client] = []
_default_lock = threading.Lock()


def connect(
    server: str | Endpoint | None = None,
    *,
    timeout: float = _TIMEOUT_S,
    ca_file: str | Path | None = None,
) -> Client:
    """Return a client of `server`, which becomes the default of `bws.klines` and its like.

    Nothing is sent before the first request.

    Args:
        server: "production", "testnet", "demo", "local" (an exchange in this process), or a URL such
            as "ws://127.0.0.1:9443/ws-api/v3"; BWS_SERVER or production when left out.
        timeout: seconds to wait for each reply, connecting included.
        ca_file: a PEM file with the authorities to trust, for a server of your own.

    Raises:
        ValueError: when the server cannot be meant.
    """
    client = _client(server, timeout, ca_file)
    with _default_lock:
        _default[:] = [client]
    return client


def _client(server: str | Endpoint | None, timeout: float, ca_file: str | Path | None) -> Client:
    if not isinstance(server, str | Endpoint | None):
        raise TypeError(f"server is {server!r}, must be a name, a URL or an endpoint")
    chosen = server if server is not None else os.environ.get("BWS_SERVER") or "production"
    endpoint = endpoint_of(chosen) if isinstance(chosen, str) else chosen
    if ca_file is not None:
        if not isinstance(endpoint, WebSocketEndpoint):
            raise ValueError(f"ca_file is {ca_file}, but {endpoint.name} needs no certificate")
        endpoint = dataclasses.replace(endpoint, ca_file=ca_file, ssl=None)
    return Client(endpoint, timeout=timeout)


def default_client() -> Client:
    """Return the client of calls that name none."""
    with _default_lock:
        if not _default:
            _default.append(_client(None, _TIMEOUT_S, None))
        return _default[0]


async def server_of(connection: AsyncClient) -> str:
    """Return the name under which a client's rows are cached; only unnamed servers are asked."""
    endpoint = connection.endpoint
    # By host, since the exchange listens on two ports, and the URL may carry options.
    if (
        isinstance(endpoint, WebSocketEndpoint)
        and endpoint.is_encrypted
        and (name := _HOSTS.get(urlsplit(endpoint.url).hostname))
    ):
        return name
    headers = await connection.open()
    if market := headers.get(_MARKET):
        return market
    parts = urlsplit(endpoint.name)
    return f"{parts.hostname}_{parts.port}" if parts.port else str(parts.hostname)


def implied(connection: AsyncClient, symbol: str, what: str) -> bool:
    """Whether a recorded market did not record this: an interval, "trades", "aggs" or "depth"."""
    recorded = connection.headers.get(_RECORDED, "")
    kept = dict(part.split("=", 1) for part in recorded.split(";") if "=" in part)
    if symbol not in kept:
        return False
    have = kept[symbol].split(",")
    if "trades" in have:
        return what == "depth"
    return what not in have and not any(_sums_up(one, what) for one in have)


def _sums_up(finer: str, what: str) -> bool:
    """Whether bars of `what` are whole sums of `finer` ones: days are, of weeks and months too."""
    if what not in INTERVALS or finer not in STEP_MS or STEP_MS[finer] > DAY_MS:
        return False
    return STEP_MS.get(what, DAY_MS) % STEP_MS[finer] == 0
