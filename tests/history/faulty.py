"""A served exchange with a plan of faults, and downloads in small pages from it, counted."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pandas as pd

import bwsresearch as bws
from bwsresearch import server
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config, Limits
from bwsresearch.exchange.faults import FaultPlan
from bwsresearch.history import bars, ticks
from bwsresearch.history.download import Lane
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import Span
from bwsresearch.history.retries import choose
from bwsresearch.history.runs import AGGREGATES

from .lab import AT_ONCE, Clock, Watched

ROWS = 10
IN_FLIGHT = 16


def fingerprint(frame):
    """All that a frame holds, bit by bit, but not where it came from."""
    attrs = {name: value for name, value in frame.attrs.items() if name != "source"}
    columns = {name: (str(part.dtype), _bits(part)) for name, part in frame.items()}
    return attrs, str(frame.index.dtype), frame.index.asi8.tobytes(), columns


def _bits(part):
    is_time = isinstance(part.dtype, pd.DatetimeTZDtype)
    return (pd.DatetimeIndex(part).asi8 if is_time else part.to_numpy()).tobytes()


@dataclass
class Bench:
    """One server with one plan, on the loop that holds the connections, and a client for each pull.

    No thread of its own: two would spend half of their time on waiting for each other.
    """

    market: object
    plan: FaultPlan = field(default_factory=FaultPlan)
    clock: Clock = field(default_factory=Clock)

    @contextlib.contextmanager
    def serving(self):
        limits = Limits(weight_per_minute=10**9, connections_5m=10**9)
        self.gateway = Watched(self.market, Config(limits))
        work = server.serve(self.gateway, clock=self.clock, faults=self.plan)
        self.running = bws.run(work.__aenter__())
        try:
            yield self
        finally:
            bws.run(work.__aexit__(None, None, None))

    @contextlib.contextmanager
    def client(self):
        with Client(self.running.url) as client:
            choose(client.aio, AT_ONCE)
            yield client

    def begin(self, *faults):
        """Follow these faults, and count from the beginning."""
        self.gateway.calls.clear()
        self.plan.begin(*faults)

    def pages(self, name):
        """The first rows of the pages that were executed, in the order in which they were asked."""
        asked = (dict(call.params) for call in self.gateway.calls)
        return [int(params[name]) for params in asked if params.get("limit") == str(ROWS)]

    def tasks(self):
        """What runs on the loop of the connections."""

        async def work():
            return asyncio.all_tasks() - {asyncio.current_task()}

        return bws.run(work())

    def left(self, tasks):
        """Wait until all connections have ended and nothing runs but `tasks`."""

        async def work():
            extra = asyncio.all_tasks() - {asyncio.current_task()} - tasks
            if extra:
                _, pending = await asyncio.wait(extra, timeout=30)
                assert not pending
            assert self.running.open_connections == 0

        bws.run(work())


def klines(client, start, end, rows=ROWS, interval="1m", cache=True, **options):
    ask = bars._Ask(["BTCUSDT"], True, interval, Span(start, end, None), True, cache)
    return _pulled(bars, ask, client, rows, **options)


def agg_trades(client, start, end, rows=ROWS, cache=True, **options):
    ask = ticks._Ask.of(AGGREGATES, "BTCUSDT", Span(start, end, None), None, None, cache)
    return _pulled(ticks, ask, client, rows, **options)


def _pulled(module, ask, client, rows, in_flight=IN_FLIGHT, timeout=None):
    async def work():
        lane = Lane(client.aio, Progress("", wanted=False), in_flight, timeout, page=rows)
        return await module._frame(ask, lane)

    return bws.run(work())
