"""Servers by name or URL, and by what name their rows are cached."""

import difflib
import re
from typing import Final
from urllib.parse import urlsplit

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.transport import Endpoint, WebSocketEndpoint
from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.local.process import MARKET_HEADER, RECORDED_HEADER, LocalEndpoint, live_clock
from bwsresearch.times import DAY_MS, STEP_MS

__all__ = ["SERVERS", "endpoint_of", "implied", "server_of"]

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
_MARKET: Final = re.compile(r"local-[0-9a-f]{12}")
_LOCAL_KEY: Final = "local".ljust(64, "0")
_LOCAL_BALANCES: Final = {"USDT": 1_000_000 * UNIT, "BTC": 10 * UNIT, "BNB": 100 * UNIT}
"""What the account of an exchange in this process begins with."""


def endpoint_of(server: str) -> Endpoint:
    """Return the endpoint of a server's name or URL.

    Raises:
        ValueError: when it is neither.
    """
    if server == "local":
        return _local()
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


def _local() -> LocalEndpoint:
    """Return an exchange in this process with one account, logged on."""
    market, config = SyntheticMarket(), Config()
    key = ApiKey(_LOCAL_KEY, "local", None)
    account = AccountSpec("local", _LOCAL_BALANCES, keys=[key])
    office = opened(market, [account], config, now_ms=live_clock())
    return LocalEndpoint(Gateway(market, config, office), api_key=_LOCAL_KEY)


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
    if isinstance(endpoint, LocalEndpoint):
        return endpoint.gateway.market.identity
    headers = await connection.open()
    # Anybody may send the header: only a local exchange's own kind of name is taken from it.
    if _MARKET.fullmatch(market := headers.get(MARKET_HEADER, "")):
        return market
    parts = urlsplit(endpoint.name)
    # Always with its port: a host may be called "production".
    return f"{parts.hostname}_{parts.port or (443 if parts.scheme == 'wss' else 80)}"


def implied(connection: AsyncClient, symbol: str, what: str) -> bool:
    """Whether a recorded market did not record this: an interval, "trades", "aggs" or "depth"."""
    recorded = connection.headers.get(RECORDED_HEADER, "")
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
