import asyncio
import dataclasses
import re
import socket
import struct

import pytest

from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import BadParameter, Banned, BinanceError, Disconnected, RateLimited
from bwsresearch.local import default
from bwsresearch.protocol import results

PROXIES = [
    name
    for word in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")
    for name in (word, word.upper())
]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in [*PROXIES, "no_proxy", "NO_PROXY"]:
        monkeypatch.delenv(name, raising=False)


def http(text):
    """A server that answers the handshake with this and ends."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    return answer


async def garbage(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xff\x13 220 ftp.example ready\r\n\r\n" * 100)
    await writer.drain()


async def silent(reader, _):
    await reader.read()


async def gone(reader, _):
    await reader.readuntil(b"\r\n\r\n")


async def gone_at_once(_, writer):
    writer.close()


async def reset(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    linger = struct.pack("ii", 1, 0)  # what is not sent is thrown away: a reset, not an end
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>hi</html>"
BAD_SERVERS = {
    "silent": (silent, "no handshake within 0.2 s"),
    "garbage": (garbage, "it does not answer as a WebSocket server"),
    "gone": (gone, "it does not answer as a WebSocket server"),
    "gone at once": (gone_at_once, "it does not answer as a WebSocket server"),
    "reset": (reset, ""),
    "a web page": (http(LONG), "HTTP 200 OK"),
    "half a header": (http(b"HTTP/1.1 101 Swi"), "it does not answer as a WebSocket server"),
    "endless header": (
        http(b"HTTP/1.1 101 Switching\r\nX: " + b"x" * 100_000),
        "it does not answer as a WebSocket server",
    ),
    "no key": (
        http(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        "it does not answer as a WebSocket server",
    ),
    "wrong key": (
        http(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: bm9wZQ==\r\n\r\n"
        ),
        "it does not answer as a WebSocket server",
    ),
    "redirect to a page": (
        http(b"HTTP/1.1 301 Moved\r\nLocation: https://example.test/\r\nContent-Length: 0\r\n\r\n"),
        "it sends elsewhere",
    ),
    "redirect to nothing": (
        http(b"HTTP/1.1 301 Moved\r\nLocation: ws://[\r\nContent-Length: 0\r\n\r\n"),
        "it sends elsewhere",
    ),
    "forbidden": (
        http(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 403 Forbidden; the server or a firewall",
    ),
    "broken": (
        http(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 502 Bad Gateway; try again later",
    ),
    "region": (
        http(b"HTTP/1.1 451 Unavailable For Legal Reasons\r\nContent-Length: 0\r\n\r\n"),
        "this exchange does not serve your region",
    ),
}


def assert_clear(error, name, part=""):
    """One line that names the server, says what is wrong, and ends with a cure."""
    text = str(error)
    assert isinstance(error, BinanceError)
    assert name in text
    assert part in text
    assert "\n" not in text
    assert error.hint
    assert text.endswith(f"; {error.hint}")


@pytest.mark.parametrize("kind", BAD_SERVERS)
async def test_a_bad_server_is_a_clear_error_and_the_next_call_works(
    kind, front_door, exchange, connected
):
    bad, part = BAD_SERVERS[kind]
    async with front_door(bad, exchange.url) as url:
        endpoint = WebSocketEndpoint(url, open_timeout=0.2 if bad is silent else 10.0)
        client = connected(endpoint)
        with pytest.raises(BinanceError) as caught:
            await client.aio.ping()
        assert_clear(caught.value, endpoint.name, part)
        client.aio.endpoint = WebSocketEndpoint(url)  # the short timeout was for the first only
        assert await client.aio.ping() == results.Ping()
        await client.aio.close()


FRAMES = {
    "a truncated frame": b"\x81\x7e\x10\x00half",
    "a reserved opcode": b"\x83\x00",
    "a reserved bit": b"\xf1\x00",
    "a masked frame": b"\x81\x85\x00\x00\x00\x00hello",
    "a fragment of nothing": b"\x80\x00",
    "half a header": b"\x81",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", FRAMES)
async def test_bad_frames_are_a_clear_error_and_the_next_call_works(kind, scripted, connected):
    async def script(link):
        request = await link.request()
        if link.number <= 2:
            link.socket.transport.write(FRAMES[kind])
            link.socket.transport.close()
        else:
            await link.answer(request, {})

    async with scripted(script) as server:
        client = connected(server.url)
        with pytest.raises(Disconnected) as caught:
            await client.aio.ping()
        text = str(caught.value)
        assert re.fullmatch(
            r"ping: ws://127\.0\.0\.1:\d+ (dropped the connection|broke the WebSocket protocol.*)"
            r"; the next call connects again",
            text,
        )
        assert await client.aio.ping() == results.Ping()


async def test_a_refused_connection_says_how_to_start_a_server(connected, free_port):
    client = connected(f"ws://127.0.0.1:{free_port}/ws-api/v3")
    with pytest.raises(Disconnected) as caught:
        await client.aio.ping()
    assert str(caught.value) == (
        f"cannot connect to ws://127.0.0.1:{free_port}: nothing listens there; "
        "start it with `bwsresearch serve`"
    )


async def test_an_unknown_host_is_a_clear_error(connected):
    client = connected("ws://no-such-host.invalid/ws-api/v3")
    with pytest.raises(Disconnected) as caught:
        await client.aio.ping()
    assert_clear(caught.value, "cannot connect to ws://no-such-host.invalid", "its name is unknown")


async def test_another_path_is_404(exchange, connected):
    client = connected(exchange.url.replace("/v3", "/v2"))
    with pytest.raises(BinanceError) as caught:
        await client.aio.ping()
    assert_clear(caught.value, "ws://127.0.0.1", "HTTP 404 Not Found; the path of the API is")
    assert (caught.value.status, caught.value.code) == (404, None)


async def test_a_bad_time_unit_is_refused_with_the_exchanges_own_error(exchange, connected):
    client = connected(exchange.url + "?timeUnit=second")
    with pytest.raises(BadParameter) as caught:
        await client.aio.ping()
    assert_clear(caught.value, "ws://127.0.0.1", "HTTP 400 Invalid value for time unit; expected")
    assert (caught.value.status, caught.value.code) == (400, -1194)


async def test_times_are_microseconds_when_the_url_says_so(exchange, connected):
    client = connected(exchange.url + "?timeUnit=MICROSECOND")
    assert await client.aio.time() == results.ServerTime(exchange.clock() * 1000)


async def test_too_many_connections_are_a_429_with_the_time_to_wait(hosted, connected):
    exchange = hosted({"limits": {"connections_5m": 1}})
    first, second = connected(exchange.url), connected(exchange.url)
    await first.aio.ping()
    with pytest.raises(RateLimited) as caught:
        await second.aio.ping()
    error = caught.value
    assert_clear(error, "ws://127.0.0.1", "Too many connection attempts from IP")
    assert (error.status, error.code) == (429, -1034)
    assert error.retry_after == 300 - exchange.clock() / 1000 % 300
    assert await first.aio.ping() == results.Ping()


async def test_a_banned_address_is_a_418_with_the_time_to_wait(
    hosted, connected, tmp_path, monkeypatch
):
    ban = {"enabled": True, "after": 1}
    exchange = hosted({"limits": {"weight_per_minute": 6, "ban": ban}})

    machines = iter("abc")

    def connected_elsewhere():
        """Connect from another machine behind the same address."""
        monkeypatch.setenv("BWS_STATE_DIR", str(tmp_path / next(machines)))
        return connected(exchange.url)

    with pytest.raises(RateLimited):
        await connected_elsewhere().aio.depth("BTCUSDT")
    with pytest.raises(Banned):
        await connected_elsewhere().aio.depth("BTCUSDT")
    with pytest.raises(Banned) as caught:
        await connected_elsewhere().aio.ping()
    assert_clear(caught.value, "ws://127.0.0.1", "IP banned until")
    assert (caught.value.status, caught.value.retry_after) == (418, 120.0)


async def test_no_compression_is_offered_unless_wanted(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})

    async with scripted(script) as server:
        await connected(server.url).aio.ping()
        await connected(WebSocketEndpoint(server.url, compression="deflate")).aio.ping()
    offers = [request.headers.get("Sec-WebSocket-Extensions") for request in server.handshakes]
    assert offers[0] is None
    assert offers[1].startswith("permessage-deflate")


async def test_loopback_ignores_proxies(exchange, connected, free_port, monkeypatch):
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
    assert await connected(exchange.url).aio.ping() == results.Ping()


async def test_other_servers_are_reached_through_the_proxy(front_door, connected, monkeypatch):
    asked = []

    async def proxy(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with front_door(proxy) as url:
        for name in PROXIES:
            monkeypatch.setenv(name, url.replace("ws://", "http://").removesuffix("/ws-api/v3"))
        with pytest.raises(Disconnected) as caught:
            await connected("ws://exchange.invalid:9443/ws-api/v3").aio.ping()
    assert asked[0].startswith(b"CONNECT exchange.invalid:9443 HTTP/1.1")
    assert_clear(caught.value, "ws://exchange.invalid:9443", "the proxy fails (")


async def test_a_socks_proxy_without_its_package_is_a_clear_error(connected, monkeypatch):
    for name in PROXIES:
        monkeypatch.setenv(name, "socks5://127.0.0.1:1")
    with pytest.raises(Disconnected) as caught:
        await connected("ws://exchange.invalid:9443/ws-api/v3").aio.ping()
    assert_clear(caught.value, "ws://exchange.invalid:9443", "the proxy fails (")


async def test_pings_of_the_server_are_answered_with_their_payload(scripted, connected):
    async def script(link):
        request = await link.request()
        await (await link.socket.ping("1700000000000"))
        await link.answer(request, {})

    async with scripted(script) as server:
        assert await connected(server.url).aio.ping() == results.Ping()


def freezing(exchange):
    """A server that shakes hands as the exchange does, and then never says a word."""

    async def freeze(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        far_writer.write(await reader.readuntil(b"\r\n\r\n"))
        writer.write(await far_reader.readuntil(b"\r\n\r\n"))
        far_writer.close()
        await far_writer.wait_closed()
        await reader.read()
        await asyncio.Event().wait()

    return freeze


class InTurn:
    """Endpoints of one server: one for each connection."""

    is_production = False

    def __init__(self, *endpoints):
        self.name, self.left = endpoints[0].name, list(endpoints)

    async def connect(self):
        return await self.left.pop(0).connect()


async def test_a_server_that_answers_no_pings_is_given_up(front_door, exchange, connected):
    async with front_door(freezing(exchange), exchange.url) as url:
        quick = WebSocketEndpoint(url, ping_interval=0.05, ping_timeout=0.05)
        client = connected(InTurn(quick, WebSocketEndpoint(url)), timeout=3600)
        assert await client.aio.ping() == results.Ping()
        await client.aio.close()


async def test_the_error_of_a_given_up_connection_says_why(front_door, exchange):
    async with front_door(freezing(exchange)) as url:
        endpoint = WebSocketEndpoint(url, ping_interval=0.05, ping_timeout=0.05)
        transport = await endpoint.connect()
        with pytest.raises(Disconnected) as caught:
            await transport.receive()
        assert_clear(caught.value, endpoint.name, "does not answer pings")
        with pytest.raises(Disconnected):
            await transport.send(b"{}")
        await transport.close()


async def test_the_reason_of_a_close_is_told(scripted, connected):
    async def script(link):
        await link.request()
        await link.socket.close(1008, "disconnected")

    async with scripted(script) as server:
        with pytest.raises(Disconnected) as caught:
            await connected(server.url).aio.ping()
    assert re.fullmatch(
        r"ping: ws://127\.0\.0\.1:\d+ closed the connection \(1008 disconnected\); "
        "the next call connects again",
        str(caught.value),
    )


async def test_tls_with_a_private_authority(hosted, authority):
    exchange = hosted(tls=authority.context)
    assert exchange.url.startswith("wss://127.0.0.1:")
    client = default.connect(exchange.url, ca_file=authority.file)
    rows = await client.aio.klines("BTCUSDT", "1m", limit=1000)
    assert len(rows) == 1000
    await client.aio.close()


async def test_an_untrusted_certificate_is_a_clear_error(
    hosted, authority, other_authority, connected
):
    exchange = hosted(tls=authority.context)
    for wrong in (
        WebSocketEndpoint(exchange.url),
        WebSocketEndpoint(exchange.url, ca_file=other_authority.file),
    ):
        with pytest.raises(Disconnected) as caught:
            await connected(wrong).aio.ping()
        assert_clear(caught.value, wrong.name, "its certificate is not trusted (")
        assert caught.value.hint == "pass ca_file= for a private authority"
    right = WebSocketEndpoint(exchange.url, ca_file=authority.file)
    assert await connected(right).aio.ping() == results.Ping()


async def test_a_certificate_of_another_host_is_a_clear_error(hosted, authority, connected):
    exchange = hosted(tls=authority.context)
    wrong = WebSocketEndpoint(
        exchange.url.replace("127.0.0.1", "127.0.0.2"), ca_file=authority.file
    )
    with pytest.raises(Disconnected) as caught:
        await connected(wrong).aio.ping()
    assert_clear(caught.value, wrong.name)


async def test_tls_to_a_server_without_it_is_a_clear_error(exchange, connected):
    wrong = exchange.url.replace("ws://", "wss://")
    with pytest.raises(Disconnected) as caught:
        await connected(wrong).aio.ping()
    assert_clear(caught.value, "wss://127.0.0.1", "it does not speak TLS")
    assert caught.value.hint == "an unencrypted server needs ws://"


async def test_no_tls_to_a_server_with_it_is_a_clear_error(hosted, authority, connected):
    exchange = hosted(tls=authority.context)
    with pytest.raises(Disconnected) as caught:
        await connected(exchange.url.replace("wss://", "ws://")).aio.ping()
    assert_clear(caught.value, "ws://127.0.0.1", "it does not answer as a WebSocket server")
    assert caught.value.hint == "check scheme and port; encrypted servers need wss://"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9443",
        "http://127.0.0.1:9443/ws-api/v3",
        "ws://",
        "ws:///ws-api/v3",
        "ws://host:99999",
        "ws://host:port",
        "ws://[::1",
        "ws://a..b/ws-api/v3",
        f"ws://{'x' * 64}.example/ws-api/v3",
        "ws://host/ws-api/v3#part",
        "",
    ],
)
def test_what_is_no_websocket_url_is_refused(url):
    with pytest.raises(
        ValueError, match=r"; a server's URL looks like ws://127\.0\.0\.1:9443/ws-api/v3$"
    ):
        WebSocketEndpoint(url)


def test_secrets_of_a_url_are_never_shown():
    endpoint = WebSocketEndpoint("ws://user:hunter2@127.0.0.1:9443/ws-api/v3?token=hunter2")
    assert endpoint.name == "ws://127.0.0.1:9443"
    assert repr(endpoint) == "<WebSocketEndpoint ws://127.0.0.1:9443>"
    with pytest.raises(ValueError, match="no WebSocket URL") as caught:
        WebSocketEndpoint("https://user:hunter2@127.0.0.1/?token=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("ws://127.0.0.1:9443/ws-api/v3", "ws://127.0.0.1:9443"),
        ("WSS://Exchange.Example/ws-api/v3", "wss://exchange.example"),
        ("ws://[::1]:9443/ws-api/v3", "ws://[::1]:9443"),
    ],
)
def test_the_name_is_scheme_host_and_port(url, name):
    assert WebSocketEndpoint(url).name == name


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("exchange.localhost", True),
        ("10.0.0.1", False),
        ("ws-api.binance.com", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_recognised(host, is_loopback):
    assert WebSocketEndpoint(f"ws://{host}:1").is_loopback is is_loopback


async def test_a_scheme_in_capitals_is_as_good(hosted, authority, connected):
    exchange = hosted(tls=authority.context)
    loud = WebSocketEndpoint(exchange.url.replace("wss", "WSS"), ca_file=authority.file)
    assert await connected(loud).aio.ping() == results.Ping()


def test_a_ca_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "not.pem").write_text("nothing")
    for name in ("missing.pem", "not.pem"):
        with pytest.raises(ValueError, match=r"ca_file .* cannot be read .* takes a PEM file"):
            WebSocketEndpoint("wss://127.0.0.1", ca_file=tmp_path / name)


def test_a_certificate_for_an_unencrypted_server_is_a_mistake(authority):
    with pytest.raises(ValueError, match="is not encrypted; write wss://"):
        WebSocketEndpoint("ws://127.0.0.1", ca_file=authority.file)


async def test_a_transport_can_be_closed_twice(exchange):
    transport = await WebSocketEndpoint(exchange.url).connect()
    await transport.close()
    await transport.close()
    with pytest.raises(Disconnected):
        await transport.receive()


def test_endpoints_are_values():
    one = WebSocketEndpoint("ws://127.0.0.1:1")
    assert dataclasses.replace(one, ping_interval=None) != one
    assert one == WebSocketEndpoint("ws://127.0.0.1:1")
