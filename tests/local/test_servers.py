from dataclasses import dataclass

import pytest

from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.local import server_of


@dataclass
class Connection:
    """What a server may say of itself in the handshake."""

    endpoint: WebSocketEndpoint
    headers: dict[str, str]

    async def open(self):
        return self.headers


async def named(url, market=None):
    headers = {} if market is None else {"x-bws-market": market}
    return await server_of(Connection(WebSocketEndpoint(url), headers))


async def test_a_local_exchange_is_named_by_its_market():
    url = "ws://127.0.0.1:9443/ws-api/v3"
    assert await named(url, "local-0123456789ab") == "local-0123456789ab"
    assert await named(url) == "127.0.0.1_9443"


@pytest.mark.parametrize("market", ["production", "..", "local-", "local-0123456789ab/..", ""])
async def test_no_server_passes_its_rows_off_as_anothers(market):
    assert await named("wss://example.org/ws-api/v3", market) == "example.org_443"


@pytest.mark.parametrize("host", ["production", "testnet", "local-0123456789ab"])
async def test_a_host_that_is_called_like_a_server_is_not_that_server(host):
    assert await named(f"ws://{host}/ws-api/v3") == f"{host}_80"
