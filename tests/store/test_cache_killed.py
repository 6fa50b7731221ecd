"""Writers that are killed in the middle: nothing that was reported written may be lost."""

import os
import queue
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from bwsresearch.store import Cache
from bwsresearch.store.verification import verify
from bwsresearch.tables import KLINES

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork to start from")

JANUARY = 1_704_067_200_000
PAGE = 500
MINUTE = 60_000
POINTS = ("lock", "draft", "half", "rename", "folder", "anywhere")
"""Where a writer dies: asking for the lock, with an empty draft, in the middle of writing it (of which
the system takes care), with a whole draft, behind the rename, and wherever the signal finds it."""

NURSERY = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

root, PAGE = Path(sys.argv[1]), int(sys.argv[2])


def rows(page):
    opens = 1704067200000 + (np.arange(PAGE) + PAGE * page) * 60000
    return {name: opens * 1000 if name in KLINES.stamps else
            (opens // 60000 % 100000).astype(dtype) for name, dtype in KLINES.dtypes.items()}


def step(event, args):
    if event == "fcntl.flock":
        return "lock"
    if event == "os.rename":
        return "rename"
    if event == "open" and str(args[0]).endswith(".tmp"):
        return "draft"
    if event == "open" and Path(str(args[0])).name.startswith("month="):
        return "folder" if args[1] is None and not str(args[0]).endswith(".lock") else ""
    return ""


def work(point, pages):
    cache = Cache(root, "production")
    armed = []

    def watch(event, args):
        if armed and step(event, args) == point:
            armed.clear()
            print("at", os.getpid(), flush=True)
            signal.pause()

    sys.addaudithook(watch)
    for page in pages:
        if page == pages[1]:
            armed.append(page)
            if point == "anywhere":
                print("at", os.getpid(), flush=True)
            if point == "half":
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        start = 1704067200000 + page * PAGE * 60000
        covered = ((start, start + PAGE * 60000),)
        cache.write(KLINES, "BTCUSDT", "1m", rows(page), covered, source="network")
        print("wrote", page, flush=True)
    while True:
        signal.pause()


print("ready", flush=True)
for order in sys.stdin:
    point, *pages = order.split()
    child = os.fork()
    if not child:
        work(point, [int(page) for page in pages])
    os.waitpid(child, 0)
    print("buried", flush=True)
"""


def rows(page):
    """What the writers write as one page."""
    opens = JANUARY + (np.arange(PAGE) + PAGE * page) * MINUTE
    return {
        name: opens * 1000 if name in KLINES.stamps else (opens // MINUTE % 100_000).astype(dtype)
        for name, dtype in KLINES.dtypes.items()
    }


class Nurseries:
    """Two processes that have loaded everything, and fork writers that can be killed."""

    def __init__(self, root):
        self.said, self.kills = queue.Queue(), 0
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", NURSERY, root, str(PAGE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for number, process in enumerate(self.processes):
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        assert sorted(self.hear() for _ in range(2)) == [(0, "ready"), (1, "ready")]

    def _listen(self, number, process):
        for line in process.stdout:
            self.said.put((number, *line.split()))

    def hear(self):
        return self.said.get(timeout=60)

    def kill_two_writers(self, points, pages):
        """Let each write its pages and kill it at its point of the second; return what was written.

        The writer that dies of itself, halfway through a draft, is not killed.
        """
        for process, point, own in zip(self.processes, points, pages, strict=True):
            process.stdin.write(f"{' '.join(map(str, [point, *own]))}\n")
            process.stdin.flush()
        written, alive = set(), {0, 1}
        while alive:
            number, word, *what = self.hear()
            if word == "at":  # one may hold the lock that the other waits for
                os.kill(int(what[0]), signal.SIGKILL)
                self.kills += 1
            elif word == "wrote":
                written.add(int(what[0]))
            elif word == "buried":
                alive.remove(number)
        return written

    def close(self):
        for process in self.processes:
            with process:
                process.stdin.close()


@pytest.fixture
def nurseries(cache_dir):
    both = Nurseries(cache_dir)
    yield both
    both.close()


def test_twenty_kills_of_two_writers_lose_no_row(nurseries, cache_dir, same):
    cache = Cache(cache_dir, "production")
    written = set()
    for turn in range(12):
        points = [POINTS[turn % 6], POINTS[(turn + 3 + turn // 6) % 6]]
        first = 6 * turn
        pages = [(first, first + 2, first + 4), (first + 1, first + 3, first + 5)]
        written |= nurseries.kill_two_writers(points, pages)
        assert written >= {first, first + 1}
        for page in written:
            start, end = JANUARY + page * PAGE * MINUTE, JANUARY + (page + 1) * PAGE * MINUTE
            # A damaged file would be put aside with a warning, which is an error here.
            columns, covered = cache.read(KLINES, "BTCUSDT", "1m", start, end)
            same(columns, rows(page))
            assert covered == ((start, end),)
    assert nurseries.kills == 20
    assert verify(cache_dir).empty
    held, _ = cache.read(KLINES, "BTCUSDT", "1m", JANUARY, JANUARY + 72 * PAGE * MINUTE)
    whole = {int(t) for t in (held["open_time"] // 1000 - JANUARY) // MINUTE // PAGE}
    assert len(held["open_time"]) == PAGE * len(whole)  # a page is there whole or not at all
    assert whole >= written
    assert not (cache_dir / ".damaged").exists()
    drafts = list((cache_dir / ".tmp").iterdir())
    assert len(drafts) >= 4  # of the killed: swept after an hour, not before
