"""Order books over time: recorded in the background while a notebook does something else."""

import asyncio
import atexit
import contextlib
import datetime as dt
import os
import re
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from bwsresearch.client.bridge import Bridge
from bwsresearch.client.sync import Client
from bwsresearch.errors import BwsError
from bwsresearch.history.download import as_timeout, connection_of
from bwsresearch.history.pace import ServerPace
from bwsresearch.history.ranges import as_limit, as_symbols
from bwsresearch.history.recording import Plan, Recording
from bwsresearch.protocol.methods import Depth
from bwsresearch.protocol.results import RateLimit
from bwsresearch.times import DAY_MS, TimeLike, epoch_ms

__all__ = ["Recorder", "cadence", "record_depth"]

_MOST_LEVELS: Final = 5000
"""Levels a side; web-socket-api.md "Order book"."""
_WEIGHT: Final = 6000
"""Of a minute, unless the server has said otherwise; web-socket-api.md "IP limits"."""
_TIMEOUT_S: Final = 10.0
_MINUTE_MS: Final = 60_000
_UNIT_MS: Final = {"h": 3_600_000, "m": 60_000, "min": 60_000, "s": 1000, "ms": 1}
_LENGTH: Final = re.compile(r"([1-9]\d{0,8})(ms|s|min|m|h)")
_SOME_NOW_MS: Final = 1_735_689_600_000

_running: "set[Recorder]" = set()
_running_lock = threading.Lock()


def record_depth(
    symbols: str | Iterable[str],
    *,
    every: str | dt.timedelta = "1s",
    until: TimeLike | None = None,
    limit: int = 100,
    timeout: float | None = None,
    client: Client | None = None,
) -> "Recorder":
    """Record order books in the background from now on, and return what can stop it, at once.

    Books are asked for at the multiples of `every` since the epoch, by the server's clock, and kept in
    the cache; `bws.depth_history` reads them. They reach the disk every 10 s, which is what a killed
    process loses, and the cache's files every 5 minutes. A book that does not come (no connection, no
    reply, a limit) is missed, not asked for again; a ban, or a symbol that does not exist, ends it.
    The end of the process keeps what came.

    Args:
        symbols: one symbol, or several.
        every: "100ms", "1s", "5m", "1h" or a timedelta, up to a day.
        until: when it ends by itself: a time in any form, or "+10m" from now; left out, at `stop()`.
        limit: levels a side, up to 5000. The weight of a book is 5 up to 100, 25 up to 500, 50 up to
            1000, else 250.
        timeout: seconds to wait for each book; 10 when left out.
        client: the connection to use; the default one when left out.

    Raises:
        ValueError: for an option that cannot be meant, or more weight a minute than is allowed.
    """
    __tracebackhide__ = True
    connection = connection_of(client)
    until, lasts_ms = _end(until)
    plan = Plan(
        tuple(as_symbols(symbols)),
        cadence(every),
        as_limit(limit, _MOST_LEVELS, "levels a side"),
        as_timeout(timeout) or min(_TIMEOUT_S, connection.timeout),
        until,
        lasts_ms,
    )
    _check_weight(plan, connection.weight, _weight_beside(connection.endpoint.name))
    pace = ServerPace(connection, plan.timeout_s)
    return Recorder(Recording(plan, connection, pace))


def cadence(every: object) -> int:
    """Return a length of time in milliseconds: "1s", "500ms", a timedelta; at most a day."""
    length = None
    if isinstance(every, dt.timedelta):
        length = every / dt.timedelta(milliseconds=1)
    elif isinstance(every, str) and (match := _LENGTH.fullmatch(every)):
        length = float(int(match[1]) * _UNIT_MS[match[2]])
    if length is None or not 1 <= length <= DAY_MS or length != int(length):
        raise ValueError(
            f"every is {every!r}, must be like 500ms 1s 5m 1h, whole milliseconds up to a day"
        )
    return int(length)


def _end(until: TimeLike | None) -> tuple[TimeLike | None, int | None]:
    """Return a time, or how long from now, or neither; what cannot be read is a ValueError."""
    if isinstance(until, str) and until.strip().startswith("+"):
        match = re.fullmatch(r"\+(\d{1,6})(s|min|m|h|d)", until.strip())
        if match is None:
            raise ValueError(f"until is {until!r}, must be a time, or like +90s +10m +8h +2d")
        return None, int(match[1]) * (_UNIT_MS | {"d": DAY_MS})[match[2]]
    if until is not None:
        epoch_ms(until, _SOME_NOW_MS, name="until")
    return until, None


def _weight_a_minute(plan: Plan) -> float:
    weight = Depth("BTCUSDT", limit=plan.limit).weight
    return len(plan.symbols) * weight * _MINUTE_MS / plan.every_ms


def _weight_beside(server: str) -> float:
    """Return what this process records of a server already, in weight a minute."""
    with _running_lock:
        return sum(one.weight_a_minute for one in _running if one.server == server)


def _check_weight(plan: Plan, known: RateLimit | None, beside: float) -> None:
    is_known = known is not None and known.interval == "MINUTE"
    allowed = known.limit / known.interval_num if known is not None and is_known else _WEIGHT
    needed, left = _weight_a_minute(plan), allowed - beside
    if needed <= left:
        return
    each = needed / len(plan.symbols)
    what = f"{len(plan.symbols)} {'symbols' if len(plan.symbols) > 1 else 'symbol'}"
    others = f", {beside:,.0f} are taken by other recorders" if beside else ""
    said = (
        f"{what} at limit {plan.limit} every {plan.every_ms} ms weigh {needed:,.0f} a minute, "
        f"{allowed:,.0f} are allowed{others}; "
    )
    if left <= 0:
        raise ValueError(f"{said}stop one of them")
    shortest = -(-needed * plan.every_ms // left)
    fewer = f"at most {int(left // each)} symbols, or " if left >= each else ""
    raise ValueError(f"{said}take {fewer}every='{shortest:.0f}ms' or longer")


class Recorder:
    """A recording that runs: `stop()` or `wait()` ends it; so does leaving a `with` block.

    `samples` are the books that came, `late` those of them that came after the next was due, `missed`
    those that did not come; all symbols together.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording, self._pid = recording, os.getpid()
        self.weight_a_minute = _weight_a_minute(recording.plan)
        self._task: asyncio.Task[None] = self._bridge.run(self._start())

    @property
    def _bridge(self) -> Bridge:
        return self._recording.client.bridge

    async def _start(self) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(self._recording.run())
        with _running_lock:
            _running.add(self)  # it goes on when nobody holds it
        # Before the bridge ends, which waits for connections and not for a busy disk.
        atexit.register(self._end)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[None]") -> None:
        with _running_lock:
            _running.discard(self)
        atexit.unregister(self._end)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._recording.error = self._recording.error or error

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is recorded."""
        return self._recording.plan.symbols

    @property
    def server(self) -> str:
        """The address that is asked."""
        return self._recording.client.endpoint.name

    @property
    def samples(self) -> int:
        """How many books came."""
        return self._recording.samples

    @property
    def late(self) -> int:
        """How many of them came after the next one was due."""
        return self._recording.late

    @property
    def missed(self) -> int:
        """How many books were due and did not come."""
        return self._recording.missed

    @property
    def last_error(self) -> str:
        """Why the last book that was missed did not come; "" when all did."""
        return self._recording.last_error

    @property
    def is_running(self) -> bool:
        """Whether it goes on; in this process, not in a fork of it."""
        return self._pid == os.getpid() and not self._task.done()

    def stop(self) -> None:
        """Ask for no more books, and return when all that came is in the cache; twice is fine.

        Raises:
            BwsError, ValueError: what has ended it before, if something has.
        """
        __tracebackhide__ = True
        if self.is_running:
            self._bridge.run(self._ended(is_to_stop=True))
        self._tell()

    def wait(self, timeout: float | None = None) -> None:
        """Return when it has ended by itself; Ctrl-C ends the wait, not the recording.

        Raises:
            Timeout: when it goes on after `timeout` seconds.
            BwsError, ValueError: what has ended it before its time.
        """
        __tracebackhide__ = True
        if self.is_running:
            self._bridge.run(self._ended(is_to_stop=False), timeout)
        self._tell()

    def _end(self) -> None:
        with contextlib.suppress(BwsError, ValueError):  # nobody is left to be told
            self.stop()

    async def _ended(self, *, is_to_stop: bool) -> None:
        if is_to_stop:
            self._recording.stop()
        await asyncio.wait({self._task})  # which does not cancel it when this is

    def _tell(self) -> None:
        __tracebackhide__ = True
        if (error := self._recording.error) is not None:
            raise error.with_traceback(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except (BwsError, ValueError):
            if error is None:  # else the block's own counts
                raise

    def __repr__(self) -> str:
        run, names = self._recording, ", ".join(self.symbols[:3])
        more = f" and {len(self.symbols) - 3} more" if len(self.symbols) > 3 else ""
        state = "running" if self.is_running else "failed" if run.error else "ended"
        why = str(run.error or run.last_error)
        counts = f"{run.samples:,} samples, {run.late:,} late, {run.missed:,} missed"
        return f"<Recorder {names}{more} {state}, {counts}{f'; {why}' if why else ''}>"
