"""Recordings whose time is set: a second passes when all that was asked for has come."""

import asyncio
import inspect

from bwsresearch.history.recorder import Recorder
from bwsresearch.history.recording import Plan, Recording

SECOND = 1000


class Stepped:
    """The clock of an exchange that stands still, and goes on when a recording waits for a time.

    `then` holds what is to happen at a time, before the recording knows that it has come.
    """

    def __init__(self, clock):
        self.clock, self.then, self.recording = clock, {}, None

    async def now(self):
        return self.clock.now_ms

    def about(self):
        return self.clock.now_ms

    async def until(self, time_ms):
        while self.recording.in_flight:  # noqa: ASYNC110 - a task a time
            await asyncio.sleep(0)
        self.clock.now_ms = max(self.clock.now_ms, time_ms)
        if (happens := self.then.pop(time_ms, None)) is not None:
            result = happens()
            if inspect.isawaitable(result):
                await result

    async def pause(self, seconds):
        self.clock.now_ms += int(seconds * SECOND)


def planned(client, clock, symbols=("BTCUSDT",), every=SECOND, limit=20, until=None, lasts=None):
    """A recording that has not begun, and its pace; a busy machine costs it no book."""
    pace = Stepped(clock)
    plan = Plan(tuple(symbols), every, limit, 600.0, until, lasts)
    pace.recording = Recording(plan, client.aio, pace, grace_s=600.0)
    return pace.recording, pace


def run(recording):
    """Let it run to its end, and return it."""
    recording.client.bridge.run(recording.run())
    return recording


def started(recording):
    """The recorder of a recording, which runs from now on."""
    return Recorder(recording)
