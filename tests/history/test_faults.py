"""Every fault at every page: the frame is the undisturbed one, or an error that the next call mends.

All of it with BWS_FULL=1, a sample without. BWS_FULL_REPORT names a file for a table of counts.
"""

import contextlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest

from bwsresearch.errors import Banned, Disconnected, ServerError, Timeout
from bwsresearch.exchange.faults import KINDS, Fault
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.store import Cache, default_root
from bwsresearch.tables import KLINES

from .faulty import IN_FLIGHT, ROWS, Bench, agg_trades, fingerprint, klines
from .lab import MINUTE, bars, ticks

FULL = os.environ.get("BWS_FULL") == "1"
REPORT = os.environ.get("BWS_FULL_REPORT")
SEED = 20_240_101
START = 1_704_067_200_000  # 2024-01-01
PAGES = 200
END = START + PAGES * ROWS * MINUTE
APART, FAR_APART = 67, 67
"""A download meets its fault again and again, so many requests apart: twice as many as are in flight.
Silence is borne three times, and all that are in flight hear it: it comes less often."""
EVER = 10**9
IMPATIENT_S = 0.5
"""How long a reply is waited for that never comes."""


@dataclass(frozen=True)
class Case:
    """What goes wrong at some request, and the error that is allowed then."""

    faults: Callable[[int], tuple[Fault, ...]]
    error: type[Exception] | None = None
    timeout: float | None = None
    step: int = 1

    @property
    def apart(self):
        return APART if self.timeout is None else FAR_APART

    @property
    def errors(self):
        return () if self.error is None else self.error


def places(n, apart):
    """The requests of a download that go wrong: of its pages, and of the one that finds the first bar."""
    return tuple(range(n, 1 + PAGES + 1, apart))


def often(kind, other=None, timeout=None, **options):
    """Some faults in one download; `other` are the options of every second one."""

    def faults(n, method):
        kinds = cycle((options, {**options, **(other or {})}))
        return tuple(
            Fault(kind, at=at, method=method, **one)
            for at, one in zip(places(n, case.apart), kinds, strict=False)
        )

    case = Case(faults, None, timeout)
    return case


def for_good(kind, error, timeout=None, **options):
    """A fault that does not go away."""

    def faults(n, method):
        return (Fault(kind, at=range(n, EVER), method=method, **options),)

    return Case(faults, error, timeout, 5)


CASES = {
    "drop_unread": often("drop_unread"),
    "drop": often("drop"),
    "drop_after": often("drop_after"),
    "refuse": often("refuse", times=2),
    "shutdown": often("shutdown", other={"seconds": 0.0}, seconds=0.01),
    "delay": often("delay", seconds=0.01),
    "silence": often("silence", timeout=IMPATIENT_S),
    "stuck": often("stuck", timeout=IMPATIENT_S, seconds=2 * IMPATIENT_S),
    "fin": often("fin"),
    "slow_read": often("slow_read", seconds=0.01),
    "slow_write": often("slow_write", seconds=0.01),
    "noise": often("noise"),
    "other_json": often("other_json"),
    "cut_json": often("cut_json"),
    "cut_frame": often("cut_frame"),
    "other_result": often("other_result"),
    "other_rows": often("other_rows"),
    "disorder": often("disorder"),
    "limit": often("limit", seconds=0.001),
    "failure": often("failure", other={"status": 503}, status=500),
    "skew": often("skew", other={"seconds": -7200.0}, seconds=3600.0),
    "ban": Case(lambda n, method: (Fault("ban", at=n, method=method, seconds=0.001),), Banned),
    "failure for good": for_good("failure", ServerError),
    "drop for good": for_good("drop", Disconnected),
    "noise for good": for_good("noise", Disconnected),
    "disorder for good": for_good("disorder", ServerError),
    "silence for good": for_good("silence", Timeout, timeout=IMPATIENT_S),
}


def test_every_kind_of_fault_has_a_case():
    assert {fault.kind for case in CASES.values() for fault in case.faults(1, None)} == set(KINDS)


@dataclass
class Counts:
    """What came of the downloads of one case."""

    name: str
    runs: int = 0
    equal: int = 0
    mended: int = 0
    requests: int = 0
    repeated: int = 0
    seconds: float = 0.0

    HEAD = "case                 runs  equal at once  raised, then completed  requests  repeated  s"

    def __str__(self):
        return (
            f"{self.name:20} {self.runs:4}  {self.equal:13}  {self.mended:22}  {self.requests:8}  "
            f"{self.repeated:8}  {self.seconds:.0f}"
        )

    def report(self):
        if REPORT:
            with contextlib.suppress(FileExistsError), Path(REPORT).open("x") as file:
                file.write(f"{self.HEAD}\n")
            with Path(REPORT).open("a") as file:
                file.write(f"{self}\n")


@pytest.fixture
def fresh(monkeypatch):
    """A cache in memory, emptied by each call."""
    root = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=root if root.is_dir() else None))

    def empty():
        shutil.rmtree(folder, ignore_errors=True)

    monkeypatch.setenv("BWS_CACHE_DIR", str(folder))
    yield empty
    empty()


def sample(name, points, count):
    """All points, or some that are the same each time."""
    points = list(points)
    return points if FULL else random.Random(f"{name} {SEED}").sample(points, count)


BARS = bars(PAGES * ROWS, START)


@pytest.fixture(scope="module")
def bars_bench():
    market = RecordedMarket({"BTCUSDT": Recording({"1m": BARS})})
    with Bench(market).serving() as bench:
        yield bench


@pytest.fixture(scope="module")
def whole_bars(bars_bench):
    bars_bench.begin()
    with bars_bench.client() as client:
        frame = klines(client, START, END, cache=False)
    assert frame["close"].tolist() == BARS["close"].tolist()
    assert bars_bench.plan.requests == 1 + 1 + PAGES  # the time, and where bars begin
    return fingerprint(frame)


def kept_pages(server):
    """The first bars of the pages that are in the cache."""
    columns, _ = Cache(default_root(), server).read(KLINES, "BTCUSDT", "1m", START, END)
    opens = set((columns["open_time"] // 1000).tolist())
    return {first for first in range(START, END, ROWS * MINUTE) if first in opens}


def assert_only_in_flight_repeats(pages, struck):
    """Pages asked for twice were on their way when something went wrong."""
    for first in {page for page in pages if pages.count(page) > 1}:
        asked = 1 + 1 + pages.index(first)  # after the question where bars begin
        assert min(abs(asked - at) for at in struck) <= IN_FLIGHT


@pytest.mark.parametrize("name", CASES)
def test_bars_survive_every_fault_at_every_page(name, bars_bench, whole_bars, fresh):
    case, counts, began = CASES[name], Counts(name), time.monotonic()
    last = 1 + PAGES if case.error else case.apart
    before = bars_bench.tasks()
    for n in sample(name, range(1, last + 1, case.step), 1):
        fresh()
        with bars_bench.client() as client:
            met(bars_bench, case, n, client, whole_bars, counts)
    bars_bench.left(before)
    counts.seconds = time.monotonic() - began
    counts.report()


def met(bench, case, n, client, whole, counts):
    """Pull once through the fault, and once more when it was an error."""
    bench.begin(*case.faults(n, "klines"))
    counts.runs += 1
    try:
        frame = klines(client, START, END, timeout=case.timeout)
    except case.errors:
        counts.mended += 1
        count(bench, counts)
        frame = completed(bench, client, counts)
    else:
        assert case.error is None, f"no error at {n}"
        struck = places(n, case.apart)
        assert [deed.nth for deed in bench.plan.done] == list(struck)
        if case.timeout is None:  # a busy machine is late too
            assert_only_in_flight_repeats(bench.pages("startTime"), struck)
        assert bench.plan.requests <= 2 + PAGES + len(struck) * IN_FLIGHT
        counts.equal += 1
        count(bench, counts)
    assert fingerprint(frame) == whole, f"fault at {n}"
    assert frame.attrs["gaps"] == []


def completed(bench, client, counts):
    """Pull what is missing, when nothing goes wrong any more: that and nothing else is asked for."""
    kept = kept_pages(bench.gateway.market.identity)
    bench.begin()
    frame = klines(client, START, END)
    asked = bench.pages("startTime")
    assert len(asked) == len(set(asked))
    assert set(asked) == set(range(START, END, ROWS * MINUTE)) - kept
    counts.requests += bench.plan.requests
    return frame


def count(bench, counts):
    pages = bench.pages("startTime")
    counts.requests += bench.plan.requests
    counts.repeated += len(pages) - len(set(pages))


TRADE_PAGES = 60
TRADES = ticks(2 * TRADE_PAGES * ROWS, START)


@pytest.fixture(scope="module")
def trades_bench():
    with Bench(RecordedMarket({"BTCUSDT": Recording({}, TRADES)})).serving() as bench:
        yield bench


@pytest.mark.parametrize("name", sample("trades", CASES, 9))
def test_trades_survive_every_fault(name, trades_bench, fresh):
    case, bench = CASES[name], trades_bench
    end = int(TRADES["time"][-1] // 1000) + 1
    before = bench.tasks()
    bench.begin()
    with bench.client() as client:
        frame = agg_trades(client, START, end, cache=False)
        pages, whole = len(bench.pages("fromId")), fingerprint(frame)
        assert pages > TRADE_PAGES
        assert frame["last_id"].iloc[-1] == TRADES["id"][-1]
        for n in sample(name, range(1, pages, 10), 1):
            fresh()
            bench.begin(*case.faults(n, "trades.aggregate"))
            try:
                frame = agg_trades(client, START, end, timeout=case.timeout)
            except case.errors:
                bench.begin()
                frame = agg_trades(client, START, end)
            else:
                assert case.error is None
            assert bench.plan.requests <= 4 + pages + len(places(n, case.apart)) * IN_FLIGHT
            assert fingerprint(frame) == whole
    bench.left(before)
