"""Writers that are killed in the middle: nothing that was reported written may be lost."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from bwsresearch.store import Cache
from bwsresearch.store.verification import verify
from bwsresearch.tables import KLINES, concat

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork to start from")

WRITERS = 3
TURNS = 80 if os.environ.get("BWS_FULL") else 8
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
    """Processes that have loaded everything, and fork writers that can be killed."""

    def __init__(self, root):
        self.said, self.kills = queue.Queue(), 0
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", NURSERY, root, str(PAGE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(WRITERS)
        ]
        for number, process in enumerate(self.processes):
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
        heard = sorted(self.hear() for _ in range(WRITERS))
        assert heard == [(number, "ready") for number in range(WRITERS)]

    def _listen(self, number, process):
        for line in process.stdout:
            self.said.put((number, *line.split()))

    def hear(self):
        return self.said.get(timeout=60)

    def kill_writers(self, points, pages):
        """Let each write its pages and kill it at its point of the second; return what was written.

        The writer that dies of itself, halfway through a draft, is not killed and not counted.
        """
        for process, point, own in zip(self.processes, points, pages, strict=True):
            process.stdin.write(f"{' '.join(map(str, [point, *own]))}\n")
            process.stdin.flush()
        written, alive = set(), set(range(WRITERS))
        while alive:
            number, word, *what = self.hear()
            if word == "at":  # one may hold the lock that another waits for
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
    all_three = Nurseries(cache_dir)
    yield all_three
    all_three.close()


def test_kills_of_three_writers_lose_no_row(nurseries, cache_dir, same):
    """20 `kill -9`s, 200 with BWS_FULL=1, of three processes that write into the same files."""
    cache = Cache(cache_dir, "production")
    written = set()
    for turn in range(TURNS):
        points = [POINTS[(turn + shift * (1 + turn // 6)) % 6] for shift in range(WRITERS)]
        first = 3 * WRITERS * turn
        pages = [
            [first + writer + WRITERS * step for step in range(3)] for writer in range(WRITERS)
        ]
        written |= nurseries.kill_writers(points, pages)
        assert written >= set(range(first, first + WRITERS))
        for page in range(first, first + 3 * WRITERS):
            start, end = JANUARY + page * PAGE * MINUTE, JANUARY + (page + 1) * PAGE * MINUTE
            if page in written:
                # A damaged file would be put aside with a warning, which is an error here.
                columns, covered = cache.read(KLINES, "BTCUSDT", "1m", start, end)
                same(columns, rows(page))
                assert covered == ((start, end),)
    assert nurseries.kills == WRITERS * TURNS * 5 // 6
    assert verify(cache_dir).empty
    end = JANUARY + 3 * WRITERS * TURNS * PAGE * MINUTE
    held, covered = cache.read(KLINES, "BTCUSDT", "1m", JANUARY, end)
    whole = {int(t) for t in (held["open_time"] // 1000 - JANUARY) // MINUTE // PAGE}
    assert len(held["open_time"]) == PAGE * len(whole)  # a page is there whole or not at all
    assert whole >= written
    same(held, concat(KLINES, [rows(page) for page in sorted(whole)]))
    assert sum(b - a for a, b in covered) == len(whole) * PAGE * MINUTE
    assert not (cache_dir / ".damaged").exists()
    _assert_swept(cache, cache_dir, nurseries.kills)


def _assert_swept(cache, cache_dir, kills):
    """Drafts of the killed stay for an hour, and go with the first write after it."""
    drafts = sorted((cache_dir / ".tmp").iterdir())
    assert kills // 5 <= len(drafts) <= kills
    hour_ago = time.time() - 3600
    for draft in drafts[1:]:
        os.utime(draft, (hour_ago - 5, hour_ago - 5))
    os.utime(drafts[0], (hour_ago + 300, hour_ago + 300))
    cache.write(KLINES, "BTCUSDT", "1m", rows(0), (), source="network")
    assert list((cache_dir / ".tmp").iterdir()) == drafts[:1]
