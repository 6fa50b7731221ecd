"""What the tests of this folder make paper accounts with: clocks that are set, and servers to watch."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.local import LocalEndpoint
from bwsresearch.protocol.messages import ErrorBody, reply_text

NOON = 1_706_702_400_000  # 2024-01-31T12:00


@dataclass
class Clock:
    """A time that is set."""

    now_ms: int = NOON

    def __call__(self):
        return self.now_ms

    def pass_by(self, seconds):
        self.now_ms += int(seconds * 1000)


class Server(Gateway):
    """An exchange to watch, which counts what it is asked and may refuse one request."""

    def __init__(self, market, clock=None):
        super().__init__(market, Config.of({"limits": {"weight_per_minute": 10**6}}))
        self.clock = clock or Clock()
        self.asked = Counter()
        self.refused = {}

    def handle(self, call, session, address, now_ms):
        self.asked[call.method] += 1
        answer = super().handle(call, session, address, now_ms)
        if self.refused.pop(call.method, None):
            body = ErrorBody(-1000, "An unknown error occurred.")
            return type(answer)(reply_text(call.id_text, 500, body, None))
        return answer


@dataclass(frozen=True)
class Door:
    """The way to a server in this process, which can be held: what was asked waits for its answer."""

    inner: LocalEndpoint
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    is_waited_at: asyncio.Event = field(default_factory=asyncio.Event)
    is_production = False
    name = "wss://example.org"

    async def connect(self):
        return _Held(await self.inner.connect(), self)


@dataclass
class _Held:
    inner: object
    door: Door
    is_vouched_for = False

    @property
    def headers(self):
        return self.inner.headers

    async def send(self, frame):
        await self.inner.send(frame)

    async def receive(self):
        frame = await self.inner.receive()
        if not self.door.is_open.is_set():
            self.door.is_waited_at.set()
            await self.door.is_open.wait()
        return frame

    async def close(self):
        await self.inner.close()


def watching(server):
    """A client of a server in this process."""
    return Client(LocalEndpoint(server, server.clock))


def on_bridge(paper, function):
    """What a function returns that is called where the account lives."""

    async def called():
        return function()

    return paper.aio.bridge.run(called())


def prints_of(records):
    """The trades that a journal of a live market has, as (symbol, time, id)."""
    return [
        tuple(event[1:4])
        for record in records
        if record["k"] == "mkt"
        for event in record["events"]
        if event[0] == "Print"
    ]
