"""The limits of one server as a client meets them: who may send now, who waits, and who must not.

Reads wait for room in the server's window before they leave, so that no 429 comes. Orders leave at
once and are only counted. After a 429 all reads wait as long as the server says; after a ban
nothing leaves, not even a handshake, until it is over.
"""

import asyncio
import datetime as dt
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

import msgspec

from bwsresearch.client.budget import ALWAYS_MS, Budget, Charge
from bwsresearch.client.ledger import Ledger, path_of
from bwsresearch.client.patience import Sleep, Wait
from bwsresearch.client.transport import Endpoint
from bwsresearch.errors import Banned, BinanceError, RateLimited
from bwsresearch.protocol.methods import Time
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit, ServerTime
from bwsresearch.protocol.session import Reply

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Limits"]

T = TypeVar("T")

_AGAIN_S: Final = 0.002
_TURNS: Final = 1000
"""So often a turn is tried for: some ten microseconds are a turn, two seconds are a fault."""
_SLICE_S: Final = 2.0
"""A wait looks up now and then: a machine may have slept."""
_LEARNING_S: Final = 10.0
"""Others wait so long for who asks for the time; a fork may have left that one behind."""
_BAN_S: Final = 120.0
"""The shortest ban, where the server does not say for how long."""
_TOO_MUCH: Final = -1003
"""The weight is used up; other 429s are about orders and connections, which reads are none of."""
_MICROSECONDS: Final = 10**14
"""Epoch milliseconds reach it in the year 5138; a connection may have asked for microseconds."""


@runtime_checkable
class _Timed(Protocol):
    """An endpoint in this process: its time is read, and nobody else asks it."""

    clock: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Full:
    """Why a request has not left."""

    wait_ms: int
    used: int
    limit: int
    needs_time: bool


class Limits:
    """What a client knows of its server's limits; the weight is shared by all that ask this server.

    Args:
        endpoint: the server.
        wall: this machine's epoch milliseconds.
        sleep: how a wait is spent.
    """

    def __init__(
        self, endpoint: Endpoint, *, wall: Callable[[], int], sleep: Sleep = asyncio.sleep
    ) -> None:
        self._name, self._sleep = endpoint.name, sleep
        self.now_ms: Callable[[], int] = wall
        if isinstance(endpoint, _Timed):
            self.now_ms = endpoint.clock
            self._ledger = Ledger(None, Budget(learned_ms=ALWAYS_MS))
        else:
            self._ledger = Ledger(path_of(endpoint.name))
        self._learning_s = -math.inf
        self._told: dict[tuple[str, str, int], tuple[RateLimit, int]] = {}

    # ---- before a request --------------------------------------------------------------------

    async def admit(
        self, request: Request[Any], wait: Wait, learn: Callable[[], Awaitable[None]]
    ) -> Charge:
        """Charge a request when it may leave; `learn` asks the server for its time.

        Raises:
            Banned: while the server has banned this address.
            RateLimited: when a read would have to wait longer than it may.
        """
        if not request.is_read:
            return self.charge(request.weight)
        while True:
            found = await self._taken(lambda budget: self._entered(budget, request.weight))
            if isinstance(found, Charge):
                return found
            if found.needs_time:
                await self._learned(learn)
            elif await self._stands_still(request, wait, found):
                return self.charge(request.weight)

    def charge(self, weight: int) -> Charge:
        """Charge what leaves at once.

        Raises:
            Banned: while the server has banned this address.
        """

        def act(budget: Budget) -> Charge:
            self._check(budget)
            return budget.charge(weight, self.now_ms())

        if (done := self._ledger.turn(act)) is not None:
            return done
        self._check(self._ledger.look())
        return Charge(weight, window=-1)  # the reply will tell

    def _check(self, budget: Budget) -> None:
        """Raise Banned while the server has banned this address."""
        if left := budget.banned_ms(self.now_ms()):
            until = _stamp(self.now_ms() + left)
            kept = f"; {self._ledger.path} remembers it" if self._ledger.path else ""
            raise Banned(
                f"{self._name} has banned this address until {until}, nothing was sent",
                retry_after=left / 1000,
                hint=f"try again in {left / 1000:.0f} s{kept}",
            )

    def _entered(self, budget: Budget, weight: int) -> Charge | _Full:
        self._check(budget)
        now_ms = self.now_ms()
        wait_ms = budget.wait_ms(weight, now_ms)
        is_far = 2 * (budget.used + weight) < budget.limit
        needs_time = not (is_far or budget.knows_time(now_ms) or budget.blocked_ms(now_ms))
        if wait_ms or needs_time:
            return _Full(wait_ms, budget.used, budget.limit, needs_time)
        return budget.charge(weight, now_ms)

    async def _taken(self, act: Callable[[Budget], T]) -> T:
        for _ in range(_TURNS):
            if (done := self._ledger.turn(act)) is not None:
                return done
            await self._sleep(_AGAIN_S)
        self._ledger.part("is locked by a process that does not let go of it")
        return await self._taken(act)

    async def _learned(self, learn: Callable[[], Awaitable[None]]) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._learning_s + _LEARNING_S:
            await self._sleep(_AGAIN_S)
            return
        self._learning_s = now_s
        try:
            await learn()
        except RateLimited as error:
            if error.retry_after is None:
                raise
        finally:
            self._learning_s = -math.inf

    async def _stands_still(self, request: Request[Any], wait: Wait, full: _Full) -> bool:
        """Wait, and return whether the clock does not: the server may say what it thinks of it."""
        seconds = full.wait_ms / 1000
        if not wait.allows(seconds):
            raise RateLimited(
                f"weight {full.used:,}/{full.limit:,} of {self._name} is used, "
                f"there is room again in {seconds:.1f} s; nothing was sent",
                method=request.method,
                retry_after=seconds,
                hint=f"try again then, or pass a timeout= above {wait.waited + seconds:.0f} s",
            )
        if wait.told is not None:
            wait.told(seconds)
        before = self.now_ms()
        await wait.spend(min(seconds, _SLICE_S), self._sleep)
        return self.now_ms() == before

    # ---- after a request ---------------------------------------------------------------------

    def settle(self, charge: Charge, sent_ms: int, reply: Reply | None = None) -> None:
        """Take note of a reply to what left at `sent_ms`, None when it was lost or tells nothing."""
        got_ms = self.now_ms()
        weight = None if reply is None else self._noted(reply.rate_limits)
        server_ms = None if reply is None else _server_ms(reply)

        def act(budget: Budget) -> None:
            if server_ms is not None:
                budget.learn_time(server_ms, sent_ms, got_ms)
            if weight is not None:
                budget.told(weight)
            budget.settle(charge, sent_ms, got_ms, weight.count if weight else None)

        self._ledger.note(act)
        if reply is not None and reply.error is not None:
            self.refuse(reply.error)

    def refuse(self, error: BinanceError) -> None:
        """Remember a ban, or how long reads have to wait, if that is what the server says."""
        now_ms = self.now_ms()
        if isinstance(error, Banned):
            seconds = _BAN_S if error.retry_after is None else error.retry_after
            until_ms = now_ms + int(seconds * 1000)
            self._ledger.note(lambda budget: budget.ban(until_ms))
        elif error.code == _TOO_MUCH and error.status == 429 and error.retry_after is not None:
            until_ms = now_ms + int(error.retry_after * 1000)
            self._ledger.note(lambda budget: budget.block(until_ms))

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """Take limits from a reply or from exchangeInfo."""
        if (weight := self._noted(limits)) is not None:
            self._ledger.note(lambda budget: budget.told(weight))

    def _noted(self, limits: Iterable[RateLimit]) -> RateLimit | None:
        """Keep limits for those who want to see them, and return that of the weight."""
        weight, now_ms = None, self.now_ms()
        for limit in limits:
            name = (limit.rate_limit_type, limit.interval, limit.interval_num)
            if limit.count is not None or name not in self._told:
                self._told[name] = limit, now_ms
            if weight is None and limit.rate_limit_type == "REQUEST_WEIGHT":
                weight = limit
        return weight

    # ---- what is known -----------------------------------------------------------------------

    @property
    def weight(self) -> RateLimit | None:
        """What is used of the weight in the window of now, by all, None before a first reply."""
        budget = self._ledger.look()
        if not budget.is_told:
            return None
        budget.turn(self.now_ms())
        return budget.rule.record(budget.used)

    @property
    def banned_s(self) -> float:
        """For how many seconds this address is banned."""
        return self._ledger.look().banned_ms(self.now_ms()) / 1000

    def frame(self) -> "pd.DataFrame":
        """Return the limits that are known, one row each."""
        from bwsresearch.tables.limits import limits_frame  # noqa: PLC0415 - pandas is heavy

        now_ms, weight = self.now_ms(), self.weight
        ahead_ms = self._ledger.look().server_ms(now_ms) - now_ms
        told = [] if weight is None else [(weight, now_ms + ahead_ms)]
        told += [
            (limit, at_ms + ahead_ms)
            for name, (limit, at_ms) in sorted(self._told.items())
            if name[0] != "REQUEST_WEIGHT"
        ]
        ban = _stamp(self.now_ms() + int(self.banned_s * 1000)) if self.banned_s else None
        return limits_frame(told, now_ms + ahead_ms, {"server": self._name, "banned_until": ban})


def _server_ms(reply: Reply) -> int | None:
    """Return the server's time if the reply tells it."""
    found: object = None
    if reply.error is None and isinstance(reply.request, Time):
        try:
            found = msgspec.json.decode(reply.result, type=ServerTime).server_time
        except msgspec.DecodeError:
            return None
    elif reply.error is not None and isinstance(reply.error.data, dict):
        found = reply.error.data.get("serverTime")
    if not isinstance(found, int):
        return None
    return found // 1000 if found > _MICROSECONDS else found


def _stamp(epoch_ms: int) -> str:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, dt.UTC).isoformat(" ", "seconds")
