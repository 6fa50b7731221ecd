"""What a client that knows nothing of ours sees of each fault."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bwsresearch import server
from bwsresearch.exchange.faults import Fault, FaultPlan
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket

NOW_MS = 1_700_000_000_000
FOREVER = 3600.0


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket()


@pytest.fixture
def faulty(market):
    """Serve with a fault at the second request, and connect."""

    @contextlib.asynccontextmanager
    async def start(kind, **options):
        plan = FaultPlan((Fault(kind, at=2, **options),))
        gateway = Gateway(market)
        async with (
            server.serve(gateway, clock=lambda: NOW_MS, faults=plan) as running,
            connect(running.url, proxy=None, ping_interval=None, close_timeout=0.1) as socket,
        ):
            running.plan = plan
            yield running, socket

    return start


async def ask(socket, *ids):
    for one in ids:
        await socket.send(json.dumps({"id": one, "method": "time"}))


async def told(socket, seconds=30.0):
    return json.loads(await asyncio.wait_for(socket.recv(), seconds))


async def ended(socket):
    with pytest.raises(ConnectionClosed) as caught:
        await told(socket)
    return caught.value.rcvd and caught.value.rcvd.code


@pytest.mark.parametrize(
    ("kind", "used"), [("drop_unread", 3), ("drop", 4), ("refuse", 3), ("cut_frame", 4)]
)
async def test_a_cut_comes_after_the_replies_before_it(kind, used, faulty):
    async with faulty(kind) as (running, socket):
        await ask(socket, 1, 2)
        assert (await told(socket))["id"] == 1
        assert await ended(socket) is None
        # Connecting weighs 2; what was not executed is not charged.
        assert _weight(running) == used


def _weight(running):
    (used,) = running.gateway._addresses.values()
    return used.weight.count(NOW_MS)


async def test_a_cut_behind_the_reply_lets_it_through(faulty):
    async with faulty("drop_after") as (_, socket):
        await ask(socket, 1, 2)
        assert [(await told(socket))["id"] for _ in range(2)] == [1, 2]
        assert await ended(socket) is None


async def test_a_refused_handshake_says_why(faulty):
    async with faulty("refuse", status=500, times=2) as (running, socket):
        await ask(socket, 1, 2)
        await told(socket)
        assert await ended(socket) is None
        for _ in range(2):
            with pytest.raises(InvalidStatus) as caught:
                await connect(running.url, proxy=None)
            assert caught.value.response.status_code == 500
            assert json.loads(caught.value.response.body)["code"] == -1001
        async with connect(running.url, proxy=None) as other:
            await ask(other, 3)
            assert (await told(other))["id"] == 3


async def test_a_silent_request_holds_up_no_other(faulty):
    async with faulty("silence") as (_, socket):
        await ask(socket, 1, 2, 3)
        assert [(await told(socket))["id"] for _ in range(2)] == [1, 3]


async def test_a_stuck_server_does_not_even_pong(faulty):
    async with faulty("stuck", seconds=FOREVER) as (_, socket):
        await ask(socket, 1, 2)
        await told(socket)
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.05)


async def test_a_stuck_connection_is_cut_in_the_end(faulty):
    async with faulty("stuck", seconds=0.01) as (running, socket):
        await ask(socket, 1, 2)
        await told(socket)
        assert await ended(socket) is None
        async with connect(running.url, proxy=None) as other:
            await ask(other, 3)
            assert (await told(other))["id"] == 3


async def test_the_end_of_writing_is_told_by_tcp(faulty):
    async with faulty("fin") as (running, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            f"GET {server.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        text = b'{"id":1,"method":"time"}'
        frame = b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text
        writer.write(frame * 2)
        assert (await asyncio.wait_for(reader.read(), 30)).count(b'"status":200') == 1
        writer.write(frame)  # it is still read
        writer.close()
        await writer.wait_closed()


async def test_a_late_reply_holds_up_those_behind_it(faulty):
    loop = asyncio.get_running_loop()
    async with faulty("delay", seconds=0.05) as (_, socket):
        begun = loop.time()
        await ask(socket, 1, 2, 3)
        assert [(await told(socket))["id"] for _ in range(3)] == [1, 2, 3]
        assert loop.time() - begun >= 0.05


async def test_a_slow_writer_sends_in_pieces(faulty):
    loop = asyncio.get_running_loop()
    async with faulty("slow_write", seconds=0.08) as (_, socket):
        begun = loop.time()
        await ask(socket, 1, 2, 3)
        await told(socket)
        pieces = [piece async for piece in socket.recv_streaming()]
        assert len([piece for piece in pieces if piece]) == 8
        assert json.loads("".join(pieces))["id"] == 2
        assert loop.time() - begun >= 0.08
        assert (await told(socket))["id"] == 3


async def test_a_slow_reader_answers_all_in_the_end(faulty):
    loop = asyncio.get_running_loop()
    async with faulty("slow_read", seconds=0.05) as (_, socket):
        begun = loop.time()
        text = "x" * 30_000
        for one in range(1, 41):
            await socket.send(json.dumps({"id": one, "method": "time", "x": text}))
        assert [(await told(socket))["id"] for _ in range(40)] == list(range(1, 41))
        assert loop.time() - begun >= 0.05


async def test_a_shutdown_is_announced_and_follows(faulty):
    async with faulty("shutdown", seconds=0.02) as (_, socket):
        await ask(socket, 1, 2, 3)
        assert (await told(socket))["id"] == 1
        assert await told(socket) == {"event": {"e": "serverShutdown", "E": NOW_MS}}
        assert [(await told(socket))["id"] for _ in range(2)] == [2, 3]
        assert await ended(socket) == 1001


async def test_a_shutdown_at_once_leaves_requests_unanswered(faulty):
    async with faulty("shutdown") as (_, socket):
        await ask(socket, 1, 2)
        assert (await told(socket))["id"] == 1
        assert (await told(socket))["event"]["e"] == "serverShutdown"
        assert await ended(socket) == 1001


async def test_a_limit_is_told_and_the_connection_stays(faulty):
    async with faulty("limit", seconds=2.0) as (_, socket):
        await ask(socket, 1, 2, 3)
        replies = [await told(socket) for _ in range(3)]
        assert [reply["status"] for reply in replies] == [200, 429, 200]
        assert replies[1]["error"]["data"] == {"serverTime": NOW_MS, "retryAfter": NOW_MS + 2000}


async def test_a_ban_ends_the_connection_and_shuts_the_door(faulty):
    async with faulty("ban", seconds=60.0) as (running, socket):
        await ask(socket, 1, 2)
        assert [(await told(socket))["status"] for _ in range(2)] == [200, 418]
        assert await ended(socket) == 1008
        with pytest.raises(InvalidStatus) as caught:
            await connect(running.url, proxy=None)
        assert caught.value.response.status_code == 418
        assert caught.value.response.headers["Retry-After"] == "60"


async def test_a_skewed_clock_is_shown_from_then_on(faulty):
    async with faulty("skew", seconds=-3600.0) as (_, socket):
        await ask(socket, 1, 2, 3)
        times = [(await told(socket))["result"]["serverTime"] for _ in range(3)]
        assert times == [NOW_MS, NOW_MS - 3_600_000, NOW_MS - 3_600_000]


async def test_garbage_is_sent_as_planned(faulty):
    async with faulty("noise") as (_, socket):
        await ask(socket, 1, 2, 3)
        await told(socket)
        assert (await socket.recv()).startswith("<html>")
        assert (await told(socket))["id"] == 3
