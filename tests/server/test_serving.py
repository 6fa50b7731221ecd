import asyncio
import json
import os
import signal
import sys
import textwrap

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bwsresearch import server
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket()


@pytest.fixture
def serving(market):
    """Serve the market with these settings on the test's own loop."""

    def serve(**settings):
        gateway = Gateway(market, Config.of(settings))
        return server.serve(gateway, clock=lambda: NOW_MS)

    return serve


def to(running):
    """A foreign client: one that knows nothing of ours."""
    return connect(running.url, max_size=None, ping_interval=None, proxy=None)


async def asked(socket, method, **params):
    await socket.send(json.dumps({"id": "x", "method": method, "params": params}))
    return json.loads(await socket.recv())


async def handshake(running, *headers, path=server.PATH):
    """Return status line, headers and body that a raw handshake is answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    lines = [f"GET {path} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers]
    if not any(line.startswith("Host") for line in headers):
        lines.append(f"Host: 127.0.0.1:{running.port}")
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(found.get("Content-Length", 0)))
    writer.close()
    await writer.wait_closed()
    return head[0], found, body.decode()


async def test_a_foreign_client_is_answered(serving):
    async with serving() as running, to(running) as socket:
        assert await asked(socket, "time") == {
            "id": "x",
            "status": 200,
            "result": {"serverTime": NOW_MS},
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": 6000,
                    "count": 3,
                }
            ],
        }


async def test_requests_of_a_connection_are_answered_in_order(serving):
    async with serving() as running, to(running) as socket:
        for n in range(100):
            method = ("ping", "time", "nonsense")[n % 3]
            await socket.send(json.dumps({"id": n, "method": method}))
        assert [json.loads(await socket.recv())["id"] for _ in range(100)] == list(range(100))


async def test_the_handshake_names_connection_and_market(serving, market):
    async with serving() as running, to(running) as one, to(running) as other:
        headers = one.response.headers
        assert headers["x-bws-market"] == market.identity
        assert headers["x-mbx-uuid"] != other.response.headers["x-mbx-uuid"]
        assert "Server" not in headers
        assert running.open_connections == running.connections == 2


async def test_another_path_is_not_found(serving):
    async with serving() as running:
        status, _, body = await handshake(running, path="/ws-api/v2")
    assert (status, body) == ("HTTP/1.1 404 Not Found", "the API is at /ws-api/v3\n")


@pytest.mark.parametrize(
    ("origin", "host", "is_let_in"),
    [
        (None, "127.0.0.1:{port}", True),
        (None, "exchange.example:{port}", True),
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}", True),
        ("http://localhost:{port}", "localhost:{port}", True),
        ("http://[::1]:{port}", "[::1]:{port}", True),
        ("https://page.example", "127.0.0.1:{port}", False),
        ("http://127.0.0.1:8888", "127.0.0.1:{port}", False),
        ("http://localhost:{port}", "127.0.0.1:{port}", False),
        ("null", "127.0.0.1:{port}", False),
        ("", "127.0.0.1:{port}", False),
        # A page whose owner lets its name point to this machine.
        ("http://page.example:{port}", "page.example:{port}", False),
    ],
)
async def test_web_pages_are_refused(origin, host, is_let_in, serving):
    async with serving() as running:
        headers = [f"Host: {host.format(port=running.port)}"]
        if origin is not None:
            headers.append(f"Origin: {origin.format(port=running.port)}")
        status, _, _ = await handshake(running, *headers)
    expected = "HTTP/1.1 101 Switching Protocols" if is_let_in else "HTTP/1.1 403 Forbidden"
    assert status == expected


@pytest.mark.parametrize(
    ("query", "code"), [("timeUnit=second", -1194), ("responseFormat=sbe", -1155)]
)
async def test_bad_options_are_refused_with_the_exchanges_json(query, code, serving):
    async with serving() as running:
        status, headers, body = await handshake(running, path=f"{server.PATH}?{query}")
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["Content-Type"] == "application/json;charset=UTF-8"
    assert json.loads(body)["code"] == code


async def test_options_of_the_url_count(serving):
    async with serving() as running:
        url = f"{running.url}?returnRateLimits=false&timeUnit=microsecond"
        async with connect(url, proxy=None) as socket:
            assert await asked(socket, "time") == {
                "id": "x",
                "status": 200,
                "result": {"serverTime": NOW_MS * 1000},
            }


async def test_too_many_handshakes_are_refused_with_the_time_to_wait(serving):
    async with serving(limits={"connections_5m": 1}) as running:
        await handshake(running)
        status, headers, body = await handshake(running)
    assert status == "HTTP/1.1 429 Too Many Requests"
    assert int(headers["Retry-After"]) == 300 - NOW_MS // 1000 % 300
    assert json.loads(body)["msg"] == (
        "Too many connection attempts from IP; current limit is 1 per '5 MINUTE'."
    )


async def test_a_banned_address_is_cut_off_and_refused(serving):
    limits = {"weight_per_minute": 3, "ban": {"enabled": True, "after": 1}}
    async with serving(limits=limits) as running, to(running) as socket:
        statuses = [(await asked(socket, "ping"))["status"] for _ in range(3)]
        assert statuses == [200, 429, 418]
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "disconnected")
        status, headers, _ = await handshake(running)
    assert status.startswith("HTTP/1.1 418 ")
    assert headers["Retry-After"] == "120"


async def test_a_binary_frame_ends_the_connection(serving):
    async with serving() as running, to(running) as socket:
        await socket.send(b"{}")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1003, "requests are text")


async def test_a_frame_above_64_kib_ends_the_connection(serving):
    async with serving() as running, to(running) as socket:
        await socket.send(json.dumps({"id": 1, "method": "ping", "x": "x" * 60_000}))
        assert json.loads(await socket.recv())["status"] == 200
        await socket.send("x" * 65_537)
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd.code == 1009


async def test_the_third_malformed_frame_ends_the_connection(serving):
    async with serving() as running, to(running) as socket:
        for _ in range(3):
            await socket.send("{")
            assert json.loads(await socket.recv())["error"]["code"] == -1135
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "disconnected")


async def test_what_a_client_asked_before_it_left_hurts_nobody(serving):
    async with serving() as running, to(running) as witness:
        async with to(running) as socket:
            for _ in range(50):
                await socket.send(json.dumps({"id": 1, "method": "exchangeInfo"}))
            socket.transport.abort()
        assert (await asked(witness, "ping"))["status"] == 200


async def test_the_server_pings_with_its_time(serving):
    async with serving(net={"ping_interval": 0.01}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await shake_hands(reader, writer, running)
        assert await reader.readexactly(15) == b"\x89\x0d" + str(NOW_MS).encode()
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_does_not_pong_is_closed(serving):
    net = {"ping_interval": 0.01, "pong_timeout": 0.05}
    async with serving(net=net) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await shake_hands(reader, writer, running)
        frames = await asyncio.wait_for(reader.read(), 30)
        assert frames[15:] == b"\x88\x09" + (1011).to_bytes(2, "big") + b"no pong"
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_pongs_stays(serving):
    async with serving(net={"ping_interval": 0.01}) as running, to(running) as socket:
        for _ in range(200):
            assert (await asked(socket, "ping"))["status"] == 200


async def shake_hands(reader, writer, running):
    writer.write(
        f"GET {server.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")


async def test_a_connection_ends_after_its_lifetime(serving):
    async with serving(net={"max_lifetime": 0.05}) as running, to(running) as socket:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd.code == 1001


async def test_a_latency_delays_replies(market):
    loop = asyncio.get_running_loop()
    gateway = Gateway(market, Config())
    late = server.serve(gateway, clock=lambda: NOW_MS, latency_ms=50)
    async with late as running, to(running) as socket:
        start = loop.time()
        await asked(socket, "ping")
        assert loop.time() - start >= 0.05


async def test_a_drop_cuts_without_a_good_bye(serving):
    async with serving() as running, to(running) as socket:
        running.drop()
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is None


async def test_a_good_bye_announces_the_end_and_waits_for_the_clients(serving):
    async with serving(net={"shutdown_lead": 3600.0}) as running, to(running) as socket:
        leaving = asyncio.ensure_future(running.say_goodbye())
        event = json.loads(await socket.recv())
        assert event == {"event": {"e": "serverShutdown", "E": NOW_MS}}
        assert (await asked(socket, "ping"))["status"] == 200
        assert not leaving.done()
        await socket.close()
        await asyncio.wait_for(leaving, 30)


async def test_a_good_bye_does_not_wait_for_ever(serving):
    async with serving(net={"shutdown_lead": 0.05}) as running, to(running) as socket:
        await asyncio.wait_for(running.say_goodbye(), 30)
        assert (await asked(socket, "ping"))["event"]["e"] == "serverShutdown"


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(serving):
    async with serving(net={"shutdown_lead": 0.05}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        await shake_hands(reader, writer, running)
        text = json.dumps({"id": 1, "method": "exchangeInfo"}).encode()
        writer.transport.pause_reading()
        for _ in range(500):
            writer.write(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)
        await asyncio.wait_for(running.say_goodbye(), 30)
    writer.transport.abort()


async def test_a_taken_port_is_an_error(serving, market):
    async with serving() as running:
        with pytest.raises(OSError, match="address already in use"):
            async with server.serve(Gateway(market), clock=lambda: NOW_MS, port=running.port):
                pass


def test_a_hosted_server_runs_in_a_thread_and_ends_with_its_block(market):
    with server.hosted(Gateway(market), clock=lambda: NOW_MS) as running:
        assert running.url == f"ws://127.0.0.1:{running.port}{server.PATH}"
        reply = asyncio.run(one_ping(running))
        assert reply["status"] == 200
    with pytest.raises(OSError):
        asyncio.run(one_ping(running))


async def one_ping(running):
    async with to(running) as socket:
        return await asked(socket, "ping")


def test_an_ipv6_address_is_bracketed_in_the_url(market):
    async def url():
        async with server.serve(Gateway(market), clock=lambda: NOW_MS, host="::1") as running:
            return running.url, running.port

    try:
        found, port = asyncio.run(url())
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert found == f"ws://[::1]:{port}{server.PATH}"


RUN = """
    import asyncio
    from bwsresearch import server
    from bwsresearch.exchange.config import Config
    from bwsresearch.exchange.gateway import Gateway
    from bwsresearch.exchange.synthetic import SyntheticMarket
    gateway = Gateway(SyntheticMarket(), Config.of({"net": {"shutdown_lead": 1.0}}))
    asyncio.run(server.run(gateway, clock=lambda: 5, port=0))
    print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_run_says_where_it_listens_and_ends_at_a_signal(number):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "default", "-c", textwrap.dedent(RUN)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert line.startswith("listening on ws://127.0.0.1:")
        assert line.endswith("/ws-api/v3\n")
        url = line.removeprefix("listening on ").strip()
        async with connect(url, proxy=None) as leaves, connect(url, proxy=None) as stays:
            assert (await asked(leaves, "time"))["result"] == {"serverTime": 5}
            os.kill(process.pid, number)
            for socket in (leaves, stays):
                event = json.loads(await asyncio.wait_for(socket.recv(), 30))
                assert event == {"event": {"e": "serverShutdown", "E": 5}}
            await leaves.close()
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(stays.recv(), 30)
            assert caught.value.rcvd.code == 1001
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, out, err) == (0, b"ended\n", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
