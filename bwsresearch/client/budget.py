"""The request weight of one server as all see it who ask it from this machine; pure accounting.

A server counts what it handles in calendar windows of its own time, and each reply tells the count.
A request is charged here before it leaves and settled when its reply has come. What is used is
never less than what those known here can have used: the highest count that a reply of this window
told, and all that may not be in it, because it is on its way, or was answered by a reply that tells
nothing. So counts that replies tell late, twice or in any order do not add up, and what other
software uses is known with the next reply.

Source: web-socket-api.md, "Rate limits".
"""

import functools
from dataclasses import dataclass
from typing import Annotated, Final, get_args

import msgspec

from bwsresearch.protocol.limits import LimitInterval, LimitRule
from bwsresearch.protocol.results import RateLimit

__all__ = ["ALWAYS_MS", "Budget", "Charge"]

ALWAYS_MS: Final = 2**62
"""When the time was learned that is not learned but read, as that of an exchange in this process."""

_GUARD_MS: Final = 100
"""How long after its opening a window is used first: it can still be used whole."""
_UNSURE_MS: Final = 1000
"""How far from the server's an ordinary machine's clock may be."""
_GOOD_FOR_MS: Final = 600_000
_DRIFT: Final = 10_000
"""Two clocks drift apart by less than a millisecond in so many."""
_SPARE: Final = 100
_LEAST_SPARE: Final = 3
"""A connection and a `time`, which are not waited for."""

_LONGEST_BAN_MS: Final = 3 * 86_400_000
"""What is longer was noted by a clock that has been set back since."""

Weight = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_Time = Annotated[int, msgspec.Meta(ge=0)]


@functools.cache
def _window_ms(interval: LimitInterval, number: int) -> int:
    return LimitRule("REQUEST_WEIGHT", interval, number, 0).window_ms


@dataclass(frozen=True, slots=True)
class Charge:
    """A request's weight, and the window in which it was charged."""

    weight: int
    window: int


@dataclass(frozen=True, slots=True)
class _Moment:
    """The server's time, and how far it may be from it."""

    server_ms: int
    guard_ms: int


class Budget(msgspec.Struct, forbid_unknown_fields=True):
    """What is used of the limit, and what is known of the server's time and its refusals.

    Times are epoch milliseconds of this machine where nothing else is said.

    Attributes:
        limit: weight that a window has; the exchange's own until a server has told.
        window: number of the window, by the server's time, that all below is about.
        seen: highest count that a reply told.
        blind: weight that was answered and may not be in `seen`, the last of it at `blind_ms`.
        pending: weight that was charged in this window and is not answered.
        carried: the same of the window before.
        late: what of this window may have been counted in the next one.
        blocked_until_ms: when reads may be sent again after a 429.
        banned_until_ms: when anything may be sent again after a 418.
        offset_ms: what the server's clock is ahead of this machine's, at most `error_ms` wrong when
            it was learned, at `learned_ms`.
    """

    limit: Weight = 6000
    interval: LimitInterval = "MINUTE"
    interval_num: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    is_told: bool = False
    window: int = -1
    seen: Weight = 0
    blind: Weight = 0
    blind_ms: int = 0
    pending: Weight = 0
    carried: Weight = 0
    late: Weight = 0
    blocked_until_ms: _Time = 0
    banned_until_ms: _Time = 0
    offset_ms: int = 0
    error_ms: _Time = 0
    learned_ms: _Time = 0

    @property
    def rule(self) -> LimitRule:
        """The limit as the server tells it."""
        return LimitRule("REQUEST_WEIGHT", self.interval, self.interval_num, self.limit)

    @property
    def _length_ms(self) -> int:
        return _window_ms(self.interval, self.interval_num)

    @property
    def used(self) -> int:
        """What is used in the window, at most, of what is known."""
        return self.seen + self.blind + self.pending + self.carried

    def opens_ms(self) -> int:
        """Return when the next window opens, in the server's time."""
        return (self.window + 1) * self._length_ms

    # ---- requests ----------------------------------------------------------------------------

    def wait_ms(self, weight: int, now_ms: int) -> int:
        """Return how long a request has to wait before it may leave, 0 when it may now.

        One that is heavier than a whole window may leave: no window would ever have room for it.
        """
        now = self._turned(now_ms)
        blocked = self.blocked_ms(now_ms)
        spare = max(_LEAST_SPARE, self.limit // _SPARE)
        room = self.limit - (spare if weight <= self.limit - spare else 0)
        if weight > self.limit or self.used + weight <= room:
            return blocked
        return max(1, blocked, self.opens_ms() + now.guard_ms - now.server_ms)

    def charge(self, weight: int, now_ms: int) -> Charge:
        """Count a request that leaves now."""
        self._turned(now_ms)
        self.pending += weight
        return Charge(weight, self.window)

    def settle(self, charge: Charge, sent_ms: int, got_ms: int, count: int | None = None) -> None:
        """Take note of an answer: the request left at `sent_ms`, the reply came at `got_ms`.

        `count` is what the reply told, None when it told nothing or was lost.
        """
        now = self._turned(got_ms)
        self._answered(charge)
        length, back = self._length_ms, got_ms - sent_ms
        first = (now.server_ms - back - now.guard_ms) // length
        last = (now.server_ms + now.guard_ms) // length
        if count is not None and first == last == self.window:
            self.seen = max(self.seen, count)
            if sent_ms >= self.blind_ms:  # what was answered before it left, it has counted
                self.blind = 0
        else:
            self.blind, self.blind_ms = self.blind + charge.weight, got_ms
        if last > self.window:
            self.late += charge.weight

    def _answered(self, charge: Charge) -> None:
        if charge.window == self.window:
            self.pending = max(0, self.pending - charge.weight)
        elif charge.window == self.window - 1:
            self.carried = max(0, self.carried - charge.weight)

    # ---- windows and their time --------------------------------------------------------------

    def turn(self, now_ms: int) -> None:
        """Go on to the window that has opened for sure."""
        self._turned(now_ms)

    def _turned(self, now_ms: int) -> _Moment:
        now = self._moment(now_ms)
        opened = (now.server_ms - now.guard_ms) // self._length_ms
        if opened == self.window + 1:
            self._go_on(opened, carried=self.pending, blind=self.late, now_ms=now_ms)
        # Another process may be ahead by what its clock is surer than this one's.
        elif not self.window - 1 <= opened <= self.window:
            self._go_on(opened, carried=0, blind=0, now_ms=now_ms)
        return now

    def _go_on(self, window: int, *, carried: int, blind: int, now_ms: int) -> None:
        self.window, self.carried, self.pending = window, carried, 0
        self.seen, self.blind, self.blind_ms, self.late = 0, blind, now_ms, 0

    def server_ms(self, now_ms: int) -> int:
        """Return the server's time as far as it is known."""
        return self._moment(now_ms).server_ms

    def knows_time(self, now_ms: int) -> bool:
        """Whether the server's time was learned lately."""
        age = now_ms - self.learned_ms
        return self.learned_ms == ALWAYS_MS or 0 <= age < _GOOD_FOR_MS

    def _moment(self, now_ms: int) -> _Moment:
        if self.learned_ms == ALWAYS_MS:
            return _Moment(now_ms, _GUARD_MS)
        if not self.knows_time(now_ms):
            return _Moment(now_ms + self.offset_ms, _UNSURE_MS)
        drift = (now_ms - self.learned_ms) // _DRIFT
        return _Moment(now_ms + self.offset_ms, _GUARD_MS + self.error_ms + drift)

    def learn_time(self, server_ms: int, sent_ms: int, got_ms: int) -> None:
        """Take the server's time from a reply whose request left at `sent_ms`, if that is news."""
        if self.learned_ms == ALWAYS_MS:
            return
        error = (got_ms - sent_ms + 1) // 2 + 1
        offset = server_ms - (sent_ms + got_ms) // 2
        was = self._moment(got_ms)
        is_other = abs(got_ms + offset - was.server_ms) > error + was.guard_ms
        if self.knows_time(got_ms) and not is_other and error >= was.guard_ms - _GUARD_MS:
            return
        self.offset_ms, self.error_ms, self.learned_ms = offset, error, got_ms
        if is_other:
            self._change_clock(got_ms)

    def _change_clock(self, now_ms: int) -> None:
        """Go on by another clock: what was used may be of its window, or of the next one."""
        now, used = self._moment(now_ms), self.used
        opened = (now.server_ms - now.guard_ms) // self._length_ms
        if opened != self.window:
            on_the_way = self.pending + self.carried
            self._go_on(opened, carried=on_the_way, blind=used - on_the_way, now_ms=now_ms)
        self.late = used

    # ---- what the server says ----------------------------------------------------------------

    def told(self, limit: RateLimit) -> None:
        """Take the limit from a reply or from exchangeInfo, unless its window is not known here."""
        interval = next((one for one in get_args(LimitInterval) if one == limit.interval), None)
        if interval is None:
            return
        if (interval, limit.interval_num) != (self.interval, self.interval_num):
            self.interval, self.interval_num, self.window = interval, limit.interval_num, -1
        self.limit, self.is_told = limit.limit, True

    def blocked_ms(self, now_ms: int) -> int:
        """Return for how long reads have to wait because of a 429, 0 when they need not."""
        return _left_ms(self.blocked_until_ms, now_ms)

    def banned_ms(self, now_ms: int) -> int:
        """Return for how long nothing may be sent, 0 when it may."""
        return _left_ms(self.banned_until_ms, now_ms)

    def block(self, until_ms: int) -> None:
        """Let reads wait until then."""
        self.blocked_until_ms = max(self.blocked_until_ms, until_ms)

    def ban(self, until_ms: int) -> None:
        """Let nothing be sent until then."""
        self.banned_until_ms = max(self.banned_until_ms, until_ms)


def _left_ms(until_ms: int, now_ms: int) -> int:
    left = until_ms - now_ms
    return left if 0 < left <= _LONGEST_BAN_MS else 0
