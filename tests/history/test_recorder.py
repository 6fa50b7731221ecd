"""The handle of a recording: options, ends, interrupts, and processes that end or are killed."""

import asyncio
import datetime as dt
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import bwsresearch as bws
from bwsresearch.errors import BadSymbol, Timeout
from bwsresearch.history import recorder as recorders
from bwsresearch.history.recorder import cadence
from bwsresearch.local import live_clock
from bwsresearch.store import Cache
from bwsresearch.store.verification import verify
from bwsresearch.tables import BOOKS

from .lab import NOW, Exchange, Watched
from .recorders import SECOND, planned, started

FIRST = NOW // SECOND * SECOND + SECOND


class Gate:
    """Something that a recording does at a time: tell that it is there, and stay until it is let go."""

    def __init__(self):
        self.is_reached, self.is_open = threading.Event(), threading.Event()

    async def __call__(self):
        self.is_reached.set()
        await asyncio.to_thread(self.is_open.wait, 600)


# ---- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "ms"),
    [
        ("50ms", 50), ("1s", 1000), ("90s", 90_000), ("5m", 300_000), ("5min", 300_000),
        ("24h", 86_400_000), (dt.timedelta(seconds=2.5), 2500),
    ],
)  # fmt: skip
def test_a_cadence_is_a_length_of_time(every, ms):
    assert cadence(every) == ms


@pytest.mark.parametrize(
    "every", ["", "1", "0s", "-1s", "1d", "25h", "1.5s", 1, None, dt.timedelta(microseconds=1500)]
)
def test_what_is_no_cadence_is_named(every, exchange):
    said = f"every is {every!r}, must be like 500ms 1s 5m 1h, whole milliseconds up to a day"
    with pytest.raises(ValueError, match=re.escape(said)):
        bws.record_depth("BTCUSDT", every=every, client=exchange.client)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"until": "+10x"}, r"until is '\+10x', must be a time, or like \+90s \+10m \+8h \+2d"),
        ({"until": "tomorrow"}, "until is 'tomorrow', not a time"),
        ({"limit": 5001}, "limit is 5001, must be 1 to 5000 levels a side"),
        ({"timeout": 0}, "timeout is 0, must be seconds above 0"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(options, said, exchange):
    with pytest.raises(ValueError, match=said):
        bws.record_depth("BTCUSDT", client=exchange.client, **options)
    assert exchange.asked == {}


@pytest.mark.parametrize(
    ("symbols", "options", "said"),
    [
        (
            "BTCUSDT",
            {"every": "10ms"},
            "1 symbol at limit 100 every 10 ms weigh 30,000 a minute, 6,000 are allowed; take every='50ms'",
        ),
        (
            ["BTCUSDT", "ETHUSDT", "BNBUSDT"],
            {"limit": 1000, "every": "1s"},
            "take at most 2 symbols, or every='1500ms' or longer",
        ),
    ],
)
def test_more_weight_than_is_allowed_is_refused_with_what_would_fit(
    symbols, options, said, exchange
):
    with pytest.raises(ValueError, match=re.escape(said)):
        bws.record_depth(symbols, client=exchange.client, **options)
    assert exchange.asked == {}


def test_recorders_of_one_server_share_what_is_allowed(exchange):
    recording, pace = planned(exchange.client, exchange.clock, every=100, limit=500)
    pace.then[FIRST] = gate = Gate()
    held = started(recording)
    said = "6,000 are allowed, 15,000 are taken by other recorders; stop one of them"
    with pytest.raises(ValueError, match=re.escape(said)):
        bws.record_depth("ETHUSDT", client=exchange.client)
    gate.is_open.set()
    held.stop()
    assert held not in recorders._running


# ---- the ends ------------------------------------------------------------------------------------


def test_it_tells_its_state_in_one_line(exchange):
    recording, pace = planned(exchange.client, exchange.clock, symbols=("BTCUSDT", "ETHUSDT"))
    pace.then[FIRST + 3 * SECOND] = gate = Gate()
    held = started(recording)
    assert gate.is_reached.wait(600)
    assert held.is_running
    assert repr(held) == "<Recorder BTCUSDT, ETHUSDT running, 6 samples, 0 late, 0 missed>"
    gate.is_open.set()
    held.stop()
    assert not held.is_running
    assert repr(held).startswith("<Recorder BTCUSDT, ETHUSDT ended, ")


def test_stopping_twice_is_fine_and_keeps_what_came(exchange):
    recording, pace = planned(exchange.client, exchange.clock)
    pace.then[FIRST + 2 * SECOND] = gate = Gate()
    held = started(recording)
    assert gate.is_reached.wait(600)
    gate.is_open.set()
    held.stop()
    held.stop()
    held.wait()
    found = bws.depth_history("BTCUSDT", client=exchange.client)
    assert len(found.index.unique()) == held.samples >= 2
    assert not list((bws.cache.path() / ".spool").iterdir())


def test_it_ends_by_itself_and_wait_returns_then(exchange):
    recording, _ = planned(exchange.client, exchange.clock, until=FIRST + 5 * SECOND)
    held = started(recording)
    held.wait(600)
    assert (held.samples, held.late, held.missed, held.is_running) == (5, 0, 0, False)


def test_a_wait_that_is_too_long_leaves_it_running(exchange):
    recording, pace = planned(exchange.client, exchange.clock)
    pace.then[FIRST] = gate = Gate()
    held = started(recording)
    assert gate.is_reached.wait(600)
    with pytest.raises(Timeout):
        held.wait(0.01)
    assert held.is_running
    gate.is_open.set()
    held.stop()


def test_what_has_ended_it_is_raised_by_stop_and_wait(exchange):
    recording, _ = planned(exchange.client, exchange.clock, symbols=("NOSUCH",))
    held = started(recording)
    for end in (held.wait, held.stop):
        with pytest.raises(BadSymbol, match="NOSUCH was asked for"):
            end()
    assert repr(held).startswith("<Recorder NOSUCH failed, 0 samples, 0 late, 0 missed; depth: ")


def test_a_block_stops_it_and_its_own_error_comes_first(exchange):
    recording, pace = planned(exchange.client, exchange.clock)
    pace.then[FIRST + SECOND] = gate = Gate()
    with started(recording) as held:
        assert gate.is_reached.wait(600)
        gate.is_open.set()
    assert not held.is_running
    wrong, _ = planned(exchange.client, exchange.clock, symbols=("NOSUCH",))
    with pytest.raises(ZeroDivisionError), started(wrong) as held:
        held._bridge.run(held._ended(is_to_stop=False))
        _ = 1 / 0
    again, _ = planned(exchange.client, exchange.clock, symbols=("NOSUCH",))
    with pytest.raises(BadSymbol), started(again) as held:
        held._bridge.run(held._ended(is_to_stop=False))


def test_an_interrupt_ends_the_wait_and_not_the_recording(exchange):
    recording, pace = planned(exchange.client, exchange.clock)
    is_waiting, gate = threading.Event(), Gate()

    async def interrupt():
        await asyncio.to_thread(is_waiting.wait, 600)
        os.kill(os.getpid(), signal.SIGINT)
        await gate()

    pace.then[FIRST + SECOND] = interrupt
    held = started(recording)
    with pytest.raises(KeyboardInterrupt):
        is_waiting.set()
        held.wait(600)
    assert held.is_running
    gate.is_open.set()
    held.stop()
    assert held.samples >= 1


def test_the_public_call_records_by_the_clock_of_the_server(synthetic):
    exchange, came = Exchange(Watched(synthetic), live_clock), threading.Semaphore(0)
    exchange.gateway.after = lambda _: came.release()
    options = {"every": "50ms", "limit": 5, "until": "+1d", "client": exchange.client}
    with bws.record_depth("btcusdt", **options) as held:
        assert held.is_running
        for _ in range(10):
            assert came.acquire(timeout=600)
    found = bws.depth_history(
        "BTCUSDT", columns=["request_time", "reply_time"], client=exchange.client
    )
    assert len(found.index.unique()) == held.samples > 0
    late = (found["request_time"] - found.index).dt.total_seconds()
    assert late.min() >= 0
    assert found.attrs["server"] == synthetic.identity
    assert {stamp.value // 10**6 % 50 for stamp in found.index} == {0}


# ---- processes -----------------------------------------------------------------------------------

BEGIN = """
import asyncio, os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
import lab, recorders
from bwsresearch.exchange.synthetic import SyntheticMarket

exchange = lab.Exchange(lab.Watched(SyntheticMarket(seed=7)))
FIRST = lab.NOW // 1000 * 1000 + 1000
here = threading.Event()

async def stay():
    here.set()
    await asyncio.Event().wait()

"""
LEAVES = f"""{BEGIN}
recording, pace = recorders.planned(exchange.client, exchange.clock)
pace.then[FIRST + 7000] = stay
held = recorders.started(recording)
here.wait()
"""
IMPATIENT = f"""
from bwsresearch.client.bridge import Bridge
Bridge.stop.__defaults__ = (0.0,)
{LEAVES}"""
STAYS = f"""{LEAVES.replace("7000", "25000")}
print("here", flush=True)
signal.pause()
"""
RECORDS = f"""{BEGIN}
exchange.clock.now_ms += int(sys.argv[2])
recording, pace = recorders.planned(
    exchange.client, exchange.clock, every=4000, limit=int(sys.argv[3]), until=FIRST + 320_000
)
print("here", flush=True)
sys.stdin.readline()
held = recorders.started(recording)
held.wait()
"""


def process(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def spooled():
    return list((bws.cache.path() / ".spool").glob("*"))


def history(exchange):
    return bws.depth_history("BTCUSDT", client=exchange.client, levels=None)


@pytest.mark.parametrize("code", [LEAVES, IMPATIENT], ids=["", "however long the disk takes"])
def test_a_process_that_ends_keeps_what_came(code, exchange):
    with process(code) as gone:
        assert gone.communicate() == ("", None)
    assert gone.returncode == 0
    assert len(history(exchange)) == 7 * 40
    assert spooled() == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed_loses_the_last_ten_seconds_at_most(exchange):
    with process(STAYS) as doomed:
        assert doomed.stdout.readline() == "here\n"
        os.kill(doomed.pid, signal.SIGKILL)
    # FIRST to FIRST + 24 s came; the last flush was at 20 s, of what was due before.
    assert len(history(exchange)) == 20 * 40
    assert history(exchange).attrs["gaps"] == []
    assert len(spooled()) == 1
    # The next recorder brings it into the files.
    exchange.clock.now_ms = FIRST + 30 * SECOND
    recording, _ = planned(exchange.client, exchange.clock, lasts=5 * SECOND)
    started(recording).wait()
    assert spooled() == []
    assert len(history(exchange)) == 25 * 40
    assert bws.cache.info()["rows"].tolist() == [25 * 40]
    assert verify(bws.cache.path()).empty


def test_two_processes_that_record_one_symbol_lose_nothing(exchange):
    both = [process(RECORDS, 0, 3), process(RECORDS, 100, 8)]
    for one in both:
        assert one.stdout.readline() == "here\n"
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in both:
        with one:
            one.communicate()
        assert one.returncode == 0
    cache = Cache(bws.cache.path(), exchange.gateway.market.identity)
    rows, covered = cache.read(BOOKS, "BTCUSDT", None, 0, 2**42)
    first, step = -(-FIRST // (4 * SECOND)) * 4 * SECOND, 4 * SECOND
    assert covered == ((first, first + 80 * step),)
    # Asked for at the same times they are the same books; the deeper has all levels of both.
    assert len(rows["time"]) == 80 * 16
    assert np.array_equal(np.unique(rows["time"]) // 1000, first + np.arange(80) * step)
    assert spooled() == []
    assert verify(bws.cache.path()).empty
