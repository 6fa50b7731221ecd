import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import pytest

from bwsresearch import server
from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.ledger import path_of
from bwsresearch.client.patience import Wait
from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import Banned, BinanceError, RateLimited
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.local import LocalEndpoint
from bwsresearch.protocol import methods, results
from bwsresearch.protocol.request import Request, SymbolText
from bwsresearch.protocol.weights import Fixed

MINUTE = 60_000
NOON = 1_700_049_600_000
PING = methods.Ping()


class Order(Request[results.Ping], frozen=True):
    """A request that must not be sent twice."""

    method = "order.place"
    heading = "Place new order"
    weight_rule = Fixed(1)
    is_read = False

    symbol: SymbolText = "BTCUSDT"


@dataclass
class Hours:
    """A machine's clock that runs when somebody sleeps."""

    now_ms: int = NOON + 20_000

    def __call__(self):
        return self.now_ms

    async def sleep(self, seconds):
        wakes_ms = self.now_ms + round(seconds * 1000)
        await asyncio.sleep(0.002)  # others go to sleep at the same time
        self.now_ms = max(self.now_ms, wakes_ms)


class Counted(Gateway):
    """A gateway that counts what it answers, by method and status, and the weight of each window."""

    def __post_init__(self):
        super().__post_init__()
        self.answers, self.weights = Counter(), Counter()

    def handle(self, call, options, address, now_ms):
        answer = super().handle(call, options, address, now_ms)
        status = answer.text.split(b'"status":', 1)[1][:3].decode()
        self.answers[call.method, status] += 1
        self.weights[now_ms // MINUTE] = self._address(address).weight.count(now_ms)
        return answer


@pytest.fixture
def hours():
    return Hours()


@pytest.fixture
def serving(market, hours):
    """Start an exchange of so much weight a minute, whose clock is so far ahead of `hours`."""
    with contextlib.ExitStack() as stack:

        def start(weight, skew_ms=0):
            gateway = Counted(market, Config.of({"limits": {"weight_per_minute": weight}}))
            clock = lambda: hours() + skew_ms  # noqa: E731
            return stack.enter_context(server.hosted(gateway, clock=clock))

        yield start


@pytest.fixture
def client_of(bridge, hours):
    """Make a client of an address that lives by `hours`."""

    def connect(url, **options):
        options = {"wall": hours, "sleep": hours.sleep, "bridge": bridge, **options}
        return AsyncClient(WebSocketEndpoint(url), **options)

    return connect


async def read(client, count, request=PING, seen=None):
    """Read so often, and wait as long as it takes; note the waits in `seen`."""
    on_wait = (lambda _: None) if seen is None else seen.append
    await asyncio.gather(*(client.raw(request, on_wait=on_wait) for _ in range(count)))


async def use_up(client):
    """Use the 57 of 60 that are not spared: connecting weighs 2, asking for the time 1."""
    await client.ping()
    await read(client, 53)


# ---- reads wait ----------------------------------------------------------------------------------


@pytest.mark.parametrize("skew_ms", [0, -7_000, 40_000, -500 * 365 * MINUTE])
async def test_reads_wait_for_the_next_window_and_none_is_refused(serving, client_of, skew_ms):
    exchange = serving(60, skew_ms)
    client = client_of(exchange.url)
    for _ in range(8):
        await read(client, 20)
    assert {status for _, status in exchange.gateway.answers} == {"200"}
    used = list(exchange.gateway.weights.values())
    assert sum(used) == 160 + 2 + exchange.gateway.answers["time", "200"]
    assert all(count <= 60 for count in used)
    assert max(used) >= 55


async def test_a_wait_is_told_with_its_seconds(serving, client_of, hours):
    exchange = serving(60)
    client, seen = client_of(exchange.url), []
    await use_up(client)
    assert client.weight.count == 57
    await read(client, 1, seen=seen)
    assert NOON + MINUTE + 100 <= hours.now_ms <= NOON + MINUTE + 200
    assert 40.0 < seen[0] < 40.2
    assert seen == sorted(seen, reverse=True)


async def test_a_wait_does_not_count_for_the_timeout():
    seen, loop = [], asyncio.get_running_loop()

    async def sleep(seconds):
        seen.append((seconds, deadline.when()))

    async with asyncio.timeout(30) as deadline:
        end = deadline.when()
        wait = Wait(30, deadline, None)
        await wait.spend(23.0, sleep)
        assert seen == [(23.0, None)]
        assert end <= deadline.when() <= end + loop.time()
    assert (wait.allows(7.0), wait.allows(7.1)) == (True, False)


async def test_a_single_call_waits_when_its_timeout_allows(serving, client_of, hours):
    exchange = serving(60)
    client = client_of(exchange.url, timeout=45)
    await use_up(client)
    await client.ping()
    assert hours.now_ms > NOON + MINUTE
    assert exchange.gateway.answers["ping", "429"] == 0


async def test_a_single_call_that_would_wait_longer_is_refused_at_once(serving, client_of, hours):
    exchange = serving(60)
    client = client_of(exchange.url)
    await use_up(client)
    before = hours.now_ms
    with pytest.raises(RateLimited, match=r"^depth: weight 57/60 of ws://.* is used, ") as caught:
        await client.depth("BTCUSDT")
    assert 40.0 < caught.value.retry_after < 40.2
    assert str(caught.value).endswith(
        "nothing was sent; try again then, or pass a timeout= above 40 s"
    )
    assert exchange.gateway.answers["depth", "200"] == 0
    assert hours.now_ms == before
    assert await client.call(PING, timeout=41) == results.Ping()


async def test_time_is_asked_for_once_by_who_needs_it(serving, client_of):
    exchange = serving(600)
    client = client_of(exchange.url)
    await read(client, 290)
    assert exchange.gateway.answers["time", "200"] == 0
    await read(client, 400)
    await read(client_of(exchange.url), 400)
    assert exchange.gateway.answers["time", "200"] == 1


async def test_orders_do_not_wait(serving, client_of, hours):
    exchange = serving(60)
    client = client_of(exchange.url)
    await use_up(client)
    before = hours.now_ms
    with pytest.raises(BinanceError):
        await client.call(Order())  # without a key
    assert sum(n for (method, _), n in exchange.gateway.answers.items() if "order" in method) == 1
    assert hours.now_ms == before


# ---- what the server refuses ---------------------------------------------------------------------


def refusal(status, code, **data):
    return {"status": status, "error": {"code": code, "msg": "No.", "data": data or None}}


def refusing(status, code, **data):
    """A script that refuses the first request of all and answers the others."""
    asked = []

    async def script(link):
        while True:
            request = await link.request()
            asked.append(request)
            if len(asked) == 1:
                await link.say({"id": request["id"], **refusal(status, code, **data)})
            else:
                await link.answer(request, {})

    return script


async def test_after_a_429_all_reads_wait_as_long_as_it_says(scripted, client_of, hours):
    said = {"serverTime": hours.now_ms, "retryAfter": hours.now_ms + 12_000}
    async with scripted(refusing(429, -1003, **said)) as there:
        with pytest.raises(RateLimited):
            await client_of(there.url).ping()
        before, seen = hours.now_ms, []
        await read(client_of(there.url), 1, seen=seen)
        assert seen[0] == 12.0
        assert hours.now_ms == before + 12_000
        with pytest.raises(RateLimited):
            hours.now_ms -= 11_000
            await client_of(there.url, timeout=10).ping()
        assert await client_of(there.url, timeout=10).call(Order()) == results.Ping()


@pytest.mark.parametrize("code", [-1015, -1034])
async def test_a_429_about_orders_or_connections_stops_no_read(scripted, client_of, hours, code):
    said = {"serverTime": hours.now_ms, "retryAfter": hours.now_ms + 86_000_000}
    async with scripted(refusing(429, code, **said)) as there:
        client = client_of(there.url)
        with pytest.raises(RateLimited):
            await client.call(Order())
        assert await client.ping() == results.Ping()


@pytest.mark.parametrize(("data", "seconds"), [({"retryAfter": 300_000}, 300), ({}, 120)])
async def test_a_ban_is_remembered_and_nothing_is_sent(scripted, client_of, hours, data, seconds):
    said = {name: hours.now_ms + later for name, later in data.items()}
    if said:
        said["serverTime"] = hours.now_ms
    async with scripted(refusing(418, -1003, **said)) as there:
        client = client_of(there.url)
        with pytest.raises(Banned, match=r"^ping: No\."):
            await client.ping()
        other = client_of(there.url)
        for request in (PING, Order()):
            with pytest.raises(Banned, match=r"has banned this address until .*, nothing was sent"):
                await other.call(request)
        with pytest.raises(Banned) as caught:
            await read(other, 1)
        assert caught.value.retry_after == seconds
        assert str(path_of(other.endpoint.name)) in str(caught.value)
        with pytest.raises(Banned):
            await other.open()
        assert (len(there.requests), len(there.handshakes)) == (1, 1)
        assert repr(other).endswith(f" closed, banned for {seconds} s>")
        hours.now_ms += seconds * 1000
        assert await other.ping() == results.Ping()


async def test_a_ban_that_a_handshake_tells_is_remembered(front_door, exchange, client_of):
    async def banned(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 418 I'm a teapot\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with front_door(banned, exchange.url) as url:
        for _ in range(2):
            with pytest.raises(Banned) as caught:
                await client_of(url).ping()
            assert caught.value.retry_after == 77.0
        assert exchange.connections == 0


async def test_a_new_process_remembers_a_ban(scripted, connected, script):
    async with scripted(refusing(418, -1003)) as there:
        with pytest.raises(Banned):
            await connected(there.url).aio.ping()
        process = await script(
            """
            import sys
            import bwsresearch as bws
            try:
                bws.Client(sys.argv[1]).ping()
            except bws.Banned as error:
                print(error.retry_after)
            """,
            there.url,
        )
        left = float(await process.line())
        assert await process.end() == (0, [], "")
        assert 0 < left <= 120
        assert len(there.handshakes) == 1


# ---- what is shown -------------------------------------------------------------------------------


async def test_limits_are_shown_without_asking(serving, client_of, hours):
    exchange = serving(6000)
    client = client_of(exchange.url)
    assert len(client.limits()) == 0
    assert exchange.connections == 0
    await client.exchange_info("BTCUSDT")
    asked = exchange.gateway.answers.total()
    frame = client.limits()
    assert exchange.gateway.answers.total() == asked
    rows = frame.drop(columns="resets_at").astype(object).where(frame.notna(), None)
    assert rows.to_numpy().tolist() == [
        ["REQUEST_WEIGHT", "MINUTE", 1, 6000, 22, 5978],
        ["CONNECTIONS", "MINUTE", 5, 300, None, None],
        ["ORDERS", "DAY", 1, 200_000, None, None],
        ["ORDERS", "SECOND", 10, 100, None, None],
    ]
    assert [f"{at:%d %H:%M:%S}" for at in frame["resets_at"]] == [
        "15 12:01:00",
        "15 12:05:00",
        "16 00:00:00",
        "15 12:00:30",
    ]
    assert str(frame["resets_at"].dtype) == "datetime64[us, UTC]"
    assert frame.attrs == {"server": client.endpoint.name, "banned_until": None}
    hours.now_ms += MINUTE
    assert client.limits()["used"][0] == 0


async def test_a_count_of_an_earlier_window_is_not_shown(scripted, client_of, hours):
    counts = [
        {
            "rateLimitType": "ORDERS",
            "interval": "SECOND",
            "intervalNum": 10,
            "limit": 50,
            "count": 7,
        },
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 900, "count": 8},
    ]

    async def script(link):
        request = await link.request()
        await link.say({"id": request["id"], "status": 200, "result": {}, "rateLimits": counts})

    async with scripted(script) as there:
        client = client_of(there.url)
        await client.ping()
        assert client.limits()["used"].tolist() == [8, 7]
        hours.now_ms += 11_000
        assert client.limits()["used"].tolist() == [8, 0]
        assert client.limits()["left"].tolist() == [892, 50]


async def test_a_ban_is_shown(scripted, client_of):
    async with scripted(refusing(418, -1003)) as there:
        client = client_of(there.url)
        with pytest.raises(Banned):
            await client.ping()
        assert client.limits().attrs["banned_until"] == "2023-11-15 12:02:20+00:00"


async def test_weight_is_that_of_all_who_ask_the_server(serving, client_of):
    exchange = serving(6000)
    one, other = client_of(exchange.url), client_of(exchange.url)
    await one.depth("BTCUSDT")
    assert other.weight.count == 7
    assert repr(other).endswith(" closed, weight 7/6000>")
    await other.ping()
    assert one.weight.count == other.weight.count == 10
    assert one.limits()["used"].tolist() == [10]


def test_pandas_is_not_imported_with_the_client():
    code = "import sys, bwsresearch.client.sync; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- sharing, and going on without ---------------------------------------------------------------


async def test_a_lock_that_is_never_let_go_is_said_once_and_reads_go_on(serving, client_of, hours):
    exchange = serving(60)
    client = client_of(exchange.url)
    await client.ping()
    file = os.open(path_of(client.endpoint.name), os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    before = hours.now_ms
    try:
        with pytest.warns(
            RuntimeWarning, match="is locked by a process that does not let go of it"
        ):
            await client.ping()
        assert hours.now_ms == before + 2000
        await read(client, 100)
    finally:
        os.close(file)
    assert exchange.gateway.answers["ping", "429"] == 0


async def test_an_order_does_not_wait_for_a_lock(scripted, client_of, hours):
    async def script(link):
        while True:
            await link.answer(await link.request(), {})

    async with scripted(script) as there:
        client = client_of(there.url)
        await client.ping()
        file = os.open(path_of(client.endpoint.name), os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX)
        before = hours.now_ms
        try:
            assert await client.call(Order()) == results.Ping()
        finally:
            os.close(file)
        assert hours.now_ms == before


async def test_an_exchange_in_this_process_has_no_file(market, hours, bridge, tmp_path):
    gateway = Counted(market, Config.of({"limits": {"weight_per_minute": 60}}))
    client = AsyncClient(LocalEndpoint(gateway, hours), bridge=bridge, sleep=hours.sleep)
    await client.ping()
    await read(client, 150)
    assert gateway.answers == {("ping", "200"): 151}
    assert list(gateway.weights.values()) == [57, 57, 39]
    assert not (tmp_path / "state").exists()
    assert client.limits()["used"].tolist() == [39]


async def test_where_time_stands_still_the_exchange_decides(market, bridge):
    gateway, waits = Counted(market, Config.of({"limits": {"weight_per_minute": 10}})), []

    async def sleep(seconds):
        waits.append(seconds)

    client = AsyncClient(LocalEndpoint(gateway, lambda: NOON + 20_000), bridge=bridge, sleep=sleep)
    with pytest.raises(RateLimited, match="Too much request weight used"):
        for _ in range(20):
            await client.call(PING, timeout=90)
    assert gateway.answers == {("ping", "200"): 8, ("ping", "429"): 1}
    assert waits == [2.0] * 4


SPEED = 100
"""So much faster than usual time runs for the processes of the next test, and for their server."""

PULLER = """
    import asyncio, sys, time
    import bwsresearch as bws
    from bwsresearch.client.aio import AsyncClient
    from bwsresearch.client.transport import WebSocketEndpoint
    from bwsresearch.protocol.methods import Depth

    url, zero_ns, speed, count = sys.argv[1], *map(int, sys.argv[2:])
    print("ready", flush=True)
    sys.stdin.readline()
    client = AsyncClient(
        WebSocketEndpoint(url),
        wall=lambda: (zero_ns + (time.time_ns() - zero_ns) * speed) // 1_000_000,
        sleep=lambda seconds: asyncio.sleep(seconds / speed),
    )

    async def work():
        for _ in range(count // 8):
            await client.raw(Depth("BTCUSDT"), on_wait=lambda seconds: None)

    async def main():
        await asyncio.gather(*(work() for _ in range(8)))
        await client.close()

    bws.run(main())
    print(client.weight.limit)
    """


async def test_two_processes_stay_inside_one_budget(market, script):
    zero_ns = time.time_ns()

    def clock():
        return (zero_ns + (time.time_ns() - zero_ns) * SPEED) // 1_000_000 + 7_654

    gateway = Counted(market, Config.of({"limits": {"weight_per_minute": 600}}))
    with server.hosted(gateway, clock=clock) as running:
        arguments = [running.url, *map(str, (zero_ns, SPEED, 240))]
        processes = [await script(PULLER, *arguments) for _ in range(2)]
        assert [await process.line() for process in processes] == ["ready", "ready"]
        for process in processes:
            process.process.stdin.write(b"go\n")
        ends = [await process.end() for process in processes]
    assert ends == [(0, ["600"], "")] * 2
    assert gateway.answers["depth", "200"] == 480
    assert {status for _, status in gateway.answers} == {"200"}
    assert len(gateway.weights) >= 4  # 2400 weight
    assert max(gateway.weights.values()) <= 600
