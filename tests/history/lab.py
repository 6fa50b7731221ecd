"""What the tests of this folder make things with: an exchange that is watched and disturbed."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Answer, Gateway
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.history.retries import Retries, choose
from bwsresearch.local import LocalEndpoint
from bwsresearch.protocol.messages import ErrorBody, reply_text
from bwsresearch.protocol.session import Call

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
NOW = 1_718_454_896_789  # 2024-06-15 12:34:56.789


@dataclass
class Clock:
    """A time that is set."""

    now_ms: int = NOW

    def __call__(self) -> int:
        return self.now_ms


IMPATIENT = Retries(pauses=(), silences=1)
AT_ONCE = Retries(pauses=(0.0, 0.0, 0.0), silences=3)
"""Pauses that take no time; what is asked again after a silence may meet the next one."""

_clients: list[Client] = []


def close_clients():
    """End what the test has opened."""
    while _clients:
        _clients.pop().close()


class Watched(Gateway):
    """A gateway that keeps what it was asked, and lets a test answer in its place."""

    def __init__(self, market, config=None):
        super().__init__(market, config or Config())
        self.calls: list[Call] = []
        self.interfere: Callable[[Call], Answer | None] | None = None
        self.after: Callable[[Answer], None] | None = None

    def handle(self, call, options, address, now_ms):
        self.calls.append(call)
        answer = self.interfere(call) if self.interfere else None
        answer = answer or super().handle(call, options, address, now_ms)
        if self.after:
            self.after(answer)
        return answer


@dataclass
class Exchange:
    """A watched exchange in this process, and the client of it."""

    gateway: Watched
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self):
        self.client = self.new_client()

    def new_client(self, endpoint=None, retries=IMPATIENT):
        """Another client, which knows nothing of the time yet, and asks nothing a second time."""
        client = Client(endpoint or LocalEndpoint(self.gateway, self.clock))
        choose(client.aio, retries)
        _clients.append(client)
        return client

    @property
    def asked(self):
        """How often each method was asked for since the last look."""
        counts = Counter(call.method for call in self.gateway.calls)
        self.gateway.calls.clear()
        return dict(counts)

    def pages(self, method="klines"):
        """The parameters of each call of a method since the last look."""
        found = [dict(call.params) for call in self.gateway.calls if call.method == method]
        self.gateway.calls.clear()
        return found

    def nth(self, number, answer, method="klines"):
        """Give the call number `number` (from 1) of a method another answer, or make it act."""
        seen = []

        def interfere(call):
            if call.method == method:
                seen.append(call)
                if len(seen) == number:
                    return answer(call) if callable(answer) else answer
            return None

        self.gateway.interfere = interfere


def refusal(status, code, msg, **data):
    """An error reply, as a function of the call."""
    body = ErrorBody(code, msg, data or None)
    return lambda call: Answer(reply_text(call.id_text, status, body, None))


def result(value):
    """A reply with any JSON, as a function of the call."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda call: Answer(reply_text(call.id_text, 200, text, None))


def bars(count, start_ms, step_ms=MINUTE, seed=1):
    """Columns of a recording without gaps, the same every time."""
    draw = np.random.default_rng(seed)
    opens = start_ms + step_ms * np.arange(count, dtype=np.int64)
    close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 1e-3, count))), 2)
    first = np.concatenate([[100.0], close[:-1]])
    volume = np.round(draw.gamma(2.0, 3.0, count), 5)
    return {
        "open_time": opens * 1000,
        "open": first,
        "high": np.round(np.maximum(first, close) + 0.01, 2),
        "low": np.round(np.minimum(first, close) - 0.01, 2),
        "close": close,
        "volume": volume,
        "close_time": (opens + step_ms - 1) * 1000,
        "quote_volume": np.round(volume * close, 7),
        "trades": draw.poisson(50, count).astype(np.int64) + 1,
        "taker_buy_volume": np.round(volume * 0.5, 5),
        "taker_buy_quote_volume": np.round(volume * close * 0.5, 7),
    }


def ticks(count, start_ms, bursts=(), seed=1, first_id=0):
    """Columns of recorded trades: some share a millisecond, and `bursts` (first, after) all do."""
    draw = np.random.default_rng(seed)
    steps = draw.choice([0, 0, 0, 1, 5, 40], count)
    for first, after in bursts:
        steps[first] = 3
        steps[first + 1 : after] = 0
        steps[after] = 7
    price = np.round(100 + np.cumsum(draw.choice([-0.01, 0.0, 0.0, 0.01], count)), 2)
    qty = np.round(draw.gamma(1.0, 0.5, count) + 0.00001, 5)
    return {
        "time": (start_ms + np.cumsum(steps)).astype(np.int64) * 1000,
        "id": first_id + np.arange(count, dtype=np.int64),
        "price": price,
        "qty": qty,
        "quote_qty": np.round(price * qty, 7),
        "is_buyer_maker": draw.random(count) < 0.5,
    }


def without(columns, *positions):
    """Columns without some of their rows."""
    keep = np.ones(len(next(iter(columns.values()))), bool)
    keep[list(positions)] = False
    return {name: values[keep] for name, values in columns.items()}


def recorded(trades=None, **klines):
    """A watched exchange of recordings: BTCUSDT={"1m": columns}; `trades` are BTCUSDT's."""
    markets = {name: Recording(kinds) for name, kinds in klines.items()}
    if trades is not None:
        markets["BTCUSDT"] = Recording(klines.get("BTCUSDT", {}), trades)
    return Exchange(Watched(RecordedMarket(markets)))
