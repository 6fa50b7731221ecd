import asyncio
import gc

import numpy as np
import pytest

import bwsresearch as bws
from bwsresearch import local, server
from bwsresearch.client.bridge import Bridge
from bwsresearch.client.sync import Client
from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import BadSymbol, Banned, CacheError, Disconnected, RateLimited
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import default
from bwsresearch.protocol import results
from bwsresearch.store import Cache
from bwsresearch.tables import DEPTH, KLINES, TRADES

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket()


@pytest.fixture
def gateway(market):
    return Gateway(market)


@pytest.fixture
def here(gateway):
    """A client of an exchange in this process, at a time that stands still."""
    bridge = Bridge()
    yield Client(local.LocalEndpoint(gateway, lambda: NOW_MS), bridge=bridge)
    bridge.stop()


def url_of(client):
    return client.aio.endpoint.url


@pytest.mark.parametrize("name", local.SERVERS)
def test_a_servers_name_stands_for_its_url(name):
    assert url_of(bws.connect(name)) == local.SERVERS[name]


def test_the_names_are_those_of_the_exchange():
    assert local.SERVERS == {
        "production": "wss://ws-api.binance.com:443/ws-api/v3",
        "testnet": "wss://ws-api.testnet.binance.vision/ws-api/v3",
        "demo": "wss://demo-ws-api.binance.com/ws-api/v3",
    }


def test_the_testnets_old_address_stands_for_the_living_one():
    client = bws.connect("wss://testnet.binance.vision/ws-api/v3")
    assert url_of(client) == local.SERVERS["testnet"]


def test_any_other_url_is_taken_as_it_is():
    url = "ws://127.0.0.1:9443/ws-api/v3?timeUnit=MICROSECOND"
    assert url_of(bws.connect(url)) == url


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("prodution", "; did you mean 'production'?"),
        ("Testnet", "; did you mean 'testnet'?"),
        ("test", "; did you mean 'testnet'?"),
        ("lcoal", "; did you mean 'local'?"),
        ("nasdaq", ""),
        ("127.0.0.1:9443", ""),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(wrong, near):
    with pytest.raises(ValueError) as caught:
        bws.connect(wrong)
    assert str(caught.value) == (
        f"server is {wrong!r}, must be one of production, testnet, demo, local, "
        f"or a URL ws://… or wss://…{near}"
    )


def test_a_url_of_another_scheme_is_refused():
    with pytest.raises(ValueError, match=r"^'http://127.0.0.1:9443' is no WebSocket URL; "):
        bws.connect("http://127.0.0.1:9443")


@pytest.mark.parametrize("server", [5, None, b"local"])
def test_what_cannot_be_a_server_is_refused(server, monkeypatch):
    monkeypatch.setenv("BWS_SERVER", "nowhere")
    with pytest.raises((TypeError, ValueError), match=r"^server is "):
        bws.connect(server)


def test_connect_makes_the_default_client():
    first = bws.connect("testnet")
    assert local.default_client() is first
    second = bws.connect("demo")
    assert local.default_client() is second


def test_a_server_that_is_refused_leaves_the_default():
    first = bws.connect("testnet")
    with pytest.raises(ValueError):
        bws.connect("nowhere")
    assert local.default_client() is first


def test_the_default_is_production_unless_the_environment_says_otherwise(monkeypatch):
    assert url_of(local.default_client()) == local.SERVERS["production"]
    assert local.default_client() is local.default_client()
    default._default.clear()
    monkeypatch.setenv("BWS_SERVER", "testnet")
    assert url_of(local.default_client()) == local.SERVERS["testnet"]
    assert url_of(bws.connect()) == local.SERVERS["testnet"]
    assert url_of(bws.connect("demo")) == local.SERVERS["demo"]


def test_an_unknown_server_in_the_environment_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("BWS_SERVER", "producton")
    with pytest.raises(ValueError, match=r"server is 'producton', .* did you mean 'production'\?$"):
        local.default_client()


def test_connecting_sends_nothing():
    client = bws.connect("ws://127.0.0.1:1/ws-api/v3")
    assert repr(client) == "<Client ws://127.0.0.1:1 closed>"


def test_a_certificate_for_a_server_without_one_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match=r"^ca_file is .*, but local needs no certificate$"):
        bws.connect("local", ca_file=tmp_path / "ca.pem")


def test_connect_keeps_what_an_endpoint_says(tmp_path):
    quick = WebSocketEndpoint("wss://127.0.0.1:1", open_timeout=1.0)
    with pytest.raises(ValueError, match="cannot be read"):
        bws.connect(quick, ca_file=tmp_path / "missing.pem")
    assert bws.connect(quick, timeout=5).aio.endpoint is quick


def test_local_is_an_exchange_in_this_process(monkeypatch):
    client = bws.connect("local")
    assert client.ping() == results.Ping()
    assert client.klines("BTCUSDT", "1h", limit=5)[0].open > 0
    assert repr(client) == "<Client local open, weight 5/6000>"
    client.close()
    assert not client.is_open
    monkeypatch.setenv("BWS_SERVER", "local")
    assert len(bws.klines("BTCUSDT", "1h", start="2023-01-01", end="2023-01-02")) == 24


def test_a_local_exchange_answers_as_one_behind_a_socket(here, gateway):
    with server.hosted(gateway, clock=lambda: NOW_MS) as running:
        far = Client(running.url, bridge=here.aio.bridge)
        for ask in (
            lambda client: client.exchange_info("BTCUSDT"),
            lambda client: client.depth("BTCUSDT", limit=5),
            lambda client: client.klines("ETHUSDT", "1w", limit=3),
            lambda client: client.ticker_24hr("BTCUSDT"),
        ):
            assert ask(here) == ask(far)
        for client in (here, far):
            with pytest.raises(BadSymbol, match="Invalid symbol"):
                client.depth("NOPE")
        far.close()


def test_a_local_exchange_has_limits_too(market):
    bridge = Bridge()
    settings = {"limits": {"weight_per_minute": 10, "ban": {"enabled": True, "after": 1}}}
    gateway = Gateway(market, Config.of(settings))
    endpoint = local.LocalEndpoint(gateway, lambda: NOW_MS)
    first, second, third, fourth = (Client(endpoint, bridge=bridge) for _ in range(4))
    first.depth("BTCUSDT")
    with pytest.raises(RateLimited, match="nothing was sent"):
        first.depth("BTCUSDT")
    with pytest.raises(RateLimited, match="Too much"):
        second.depth("BTCUSDT")
    with pytest.raises(Banned, match="Way too much"):
        third.depth("BTCUSDT")
    with pytest.raises(Banned, match="nothing was sent"):
        third.ping()
    with pytest.raises(Disconnected, match="IP banned until"):
        fourth.ping()
    bridge.stop()


async def test_many_requests_in_process_are_answered(here):
    replies = await asyncio.gather(*(here.aio.ping() for _ in range(100)))
    assert replies == [results.Ping()] * 100


def test_a_dropped_client_of_a_local_exchange_leaves_nothing(gateway, caplog):
    bridge = Bridge()
    Client(local.LocalEndpoint(gateway, lambda: NOW_MS), bridge=bridge).ping()
    gc.collect()
    readers = bridge.run(others())
    bridge.stop()
    assert readers == []
    assert caplog.text == ""


async def others():
    """Return the tasks of this loop that are left when it has nothing else to do."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait([*tasks, asyncio.ensure_future(asyncio.sleep(0))], timeout=10)
    return [task for task in tasks if not task.done()]


async def test_an_in_process_connection_that_is_closed_says_so(gateway):
    transport = await local.LocalEndpoint(gateway, lambda: NOW_MS).connect()
    await transport.send(b'{"id":1,"method":"ping"}')
    await transport.close()
    await transport.close()
    assert b'"id":1,"status":200' in await transport.receive()
    for _ in range(2):
        with pytest.raises(Disconnected):
            await transport.receive()
    with pytest.raises(Disconnected):
        await transport.send(b'{"id":2,"method":"ping"}')


async def test_malformed_frames_end_an_in_process_connection_too(gateway):
    transport = await local.LocalEndpoint(gateway, lambda: NOW_MS).connect()
    for _ in range(3):
        await transport.send(b"{")
        assert b"-1135" in await transport.receive()
    with pytest.raises(Disconnected):
        await asyncio.wait_for(transport.receive(), 30)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (local.SERVERS["production"], "production"),
        ("wss://ws-api.binance.com:9443/ws-api/v3", "production"),
        ("wss://WS-API.binance.com/ws-api/v3?timeUnit=MICROSECOND", "production"),
        (local.SERVERS["testnet"], "testnet"),
        ("wss://testnet.binance.vision/ws-api/v3", "testnet"),
        (local.SERVERS["demo"], "demo"),
    ],
)
async def test_named_servers_are_known_without_asking(url, name):
    client = bws.connect(url)
    assert await local.server_of(client.aio) == name
    assert not client.is_open


async def test_a_local_exchange_is_known_by_its_data(here, gateway, market):
    assert await local.server_of(here.aio) == market.identity
    with server.hosted(gateway, clock=lambda: NOW_MS) as running:
        far = Client(running.url, bridge=here.aio.bridge)
        assert await local.server_of(far.aio) == market.identity
        await far.aio.close()


@pytest.fixture
def klines():
    opens = np.arange(48) * 3_600_000_000 + 1_699_920_000_000_000
    columns = {name: np.full(48, 100.0) for name in KLINES.dtypes}
    columns |= {
        "open_time": opens,
        "close_time": opens + 3_600_000_000 - 1000,
        "trades": np.full(48, 3, np.int64),
    }
    return columns


def test_a_recording_is_the_rows_of_one_server(klines, cache_dir):
    with pytest.raises(CacheError, match=r"holds nothing of production; import archives"):
        local.recorded_market(cache_dir)
    write(cache_dir, "production", "BTCUSDT", klines)
    write(cache_dir, "testnet", "ETHUSDT", klines)
    assert list(local.recorded_market(cache_dir).symbols) == ["BTCUSDT"]
    assert list(local.recorded_market(cache_dir, "testnet").symbols) == ["ETHUSDT"]
    with pytest.raises(CacheError, match="holds nothing of demo"):
        local.recorded_market(cache_dir, "demo")


def test_a_recording_brings_its_trades_and_its_book(cache_dir):
    at, cache = 1_699_920_000_000, Cache(cache_dir, "production")
    row = {
        "time": at * 1000,
        "price": 100.0,
        "qty": 2.0,
        "quote_qty": 200.0,
        "local_ns": at * 10**6,
    }
    whole = row | {"first_update_id": 0, "last_update_id": 7, "is_bid": True}
    change = row | {"first_update_id": 8, "last_update_id": 9, "is_bid": False, "price": 101.0}
    trade = row | {"id": 1, "is_buyer_maker": True}
    for schema, rows in ((DEPTH, (whole, change)), (TRADES, (trade,))):
        columns = {n: np.array([one[n] for one in rows], d) for n, d in schema.dtypes.items()}
        cache.write(schema, "BTCUSDT", None, columns, (), source="archive")
    market = local.recorded_market(cache_dir)
    assert market.recorded == {"BTCUSDT": ("trades", "depth")}
    book = market.depth("BTCUSDT", 5, at)
    assert (book.last_update_id, len(book.bids), len(book.asks)) == (9, 1, 1)


def test_the_only_server_need_not_be_named_but_one_of_two(klines, cache_dir):
    write(cache_dir, "testnet", "ETHUSDT", klines)
    assert list(local.recorded_market(cache_dir).symbols) == ["ETHUSDT"]
    write(cache_dir, "demo", "ETHUSDT", klines)
    with pytest.raises(CacheError, match=r"holds rows of demo, testnet; name one of them$"):
        local.recorded_market(cache_dir)


def write(root, server_name, symbol, columns):
    start, end = 1_699_920_000_000, 1_699_920_000_000 + 48 * 3_600_000
    Cache(root, server_name).write(KLINES, symbol, "1h", columns, [(start, end)], source="imported")


async def test_what_a_recording_lacks_is_implied(klines, cache_dir):
    write(cache_dir, "production", "BTCUSDT", klines)
    endpoint = local.LocalEndpoint(Gateway(local.recorded_market(cache_dir)), lambda: NOW_MS)
    bridge = Bridge()
    client = Client(endpoint, bridge=bridge)
    assert not local.implied(client.aio, "BTCUSDT", "1m")  # nothing is known before it is asked
    await client.aio.open()
    assert [
        what for what in ("1m", "1h", "4h", "1M") if local.implied(client.aio, "BTCUSDT", what)
    ] == ["1m"]
    assert all(local.implied(client.aio, "BTCUSDT", what) for what in ("trades", "aggs", "depth"))
    assert not local.implied(client.aio, "ETHUSDT", "1m")
    await client.aio.close()
    await asyncio.to_thread(bridge.stop)


async def test_recorded_trades_imply_the_book_alone(cache_dir):
    count = 10
    trades = {
        "time": np.arange(count) * 1_000_000 + 1_699_920_000_000_000,
        "id": np.arange(count, dtype=np.int64),
        "price": np.full(count, 100.0),
        "qty": np.full(count, 1.0),
        "quote_qty": np.full(count, 100.0),
        "is_buyer_maker": np.zeros(count, bool),
    }
    span = (1_699_920_000_000, 1_699_920_000_000 + count * 1000)
    Cache(cache_dir, "production").write(TRADES, "BTCUSDT", None, trades, [span], source="imported")
    endpoint = local.LocalEndpoint(Gateway(local.recorded_market(cache_dir)), lambda: NOW_MS)
    bridge = Bridge()
    client = Client(endpoint, bridge=bridge)
    await client.aio.open()
    assert [
        what
        for what in ("1s", "1M", "trades", "aggs", "depth")
        if local.implied(client.aio, "BTCUSDT", what)
    ] == ["depth"]
    await client.aio.close()
    await asyncio.to_thread(bridge.stop)


async def test_a_synthetic_market_implies_nothing(here):
    await here.aio.open()
    assert not local.implied(here.aio, "BTCUSDT", "1m")
    assert not local.implied(here.aio, "BTCUSDT", "depth")
