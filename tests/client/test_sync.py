import pytest

from bwsresearch.client.sync import Client
from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import Timeout
from bwsresearch.protocol import methods, results


def test_a_repr_tells_server_state_and_weight_without_network(exchange, connected):
    client = connected(exchange.url)
    name = f"ws://127.0.0.1:{exchange.port}"
    assert repr(client) == f"<Client {name} closed>"
    assert repr(client.aio) == f"<AsyncClient {name} closed>"
    assert exchange.connections == 0
    client.depth("BTCUSDT")
    assert repr(client) == f"<Client {name} open, weight 7/6000>"
    client.close()
    assert repr(client) == f"<Client {name} closed, weight 7/6000>"


def test_a_repr_holds_no_secret():
    client = Client("ws://user:hunter2@127.0.0.1:9/ws-api/v3?token=hunter2")
    assert "hunter2" not in repr(client) + repr(client.aio) + repr(client.aio.endpoint)
    assert "hunter2" not in str(client) + str(vars(client))


def test_errors_hold_no_secret(free_port, connected):
    client = connected(f"ws://user:hunter2@127.0.0.1:{free_port}/ws-api/v3?token=hunter2")
    with pytest.raises(ConnectionError) as caught:
        client.ping()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value)


def test_a_repr_does_not_start_the_thread(connected, bridge):
    repr(connected("ws://127.0.0.1:1"))
    assert not bridge.is_running


def test_call_and_raw_take_a_request_and_a_timeout(exchange, connected):
    client = connected(exchange.url)
    assert client.call(methods.Ping(), timeout=30) == results.Ping()
    assert client.raw(methods.Ping()) == b"{}"
    with pytest.raises(ValueError, match=r"^timeout is 0, must be above 0"):
        client.call(methods.Ping(), timeout=0)


async def test_a_timeout_of_the_client_counts_for_every_call(scripted, connected):
    async def script(link):
        await link.request()
        await link.request()

    async with scripted(script) as server:
        client = connected(server.url, timeout=0.05)
        for _ in range(2):
            with pytest.raises(Timeout, match=r"within 0.05 s"):
                await client.aio.ping()


def test_the_context_manager_closes(exchange, connected):
    with connected(exchange.url) as client:
        client.ping()
        assert client.is_open
    assert not client.is_open


def test_a_closed_client_opens_again(exchange, connected):
    client = connected(exchange.url)
    client.ping()
    client.close()
    client.close()
    assert client.ping() == results.Ping()
    assert exchange.connections == 2


def test_a_server_is_a_url_or_an_endpoint():
    assert Client("ws://127.0.0.1:5").aio.endpoint == WebSocketEndpoint("ws://127.0.0.1:5")
    quick = WebSocketEndpoint("ws://127.0.0.1:5", open_timeout=1)
    assert Client(quick).aio.endpoint is quick
    with pytest.raises(ValueError, match="no WebSocket URL"):
        Client("production")


def test_weight_is_shared_with_the_twin(exchange, connected):
    client = connected(exchange.url)
    assert client.weight is None
    client.klines("BTCUSDT", "1h")
    assert client.weight == client.aio.weight
    assert client.weight.count == 4
