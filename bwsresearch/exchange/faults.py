"""What goes wrong between the local exchange and its clients: when, and with which reply.

A plan counts the requests of all connections and says of each what happens to it; a server acts that
out. Pure: the same plan and the same requests give the same faults.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from bwsresearch.exchange.noise import key
from bwsresearch.protocol.messages import Refusal, reply_text
from bwsresearch.times import DAY_MS

__all__ = ["KINDS", "Deed", "Fault", "FaultPlan", "Kind"]

Kind: TypeAlias = Literal[
    "drop_unread",
    "drop",
    "drop_after",
    "refuse",
    "shutdown",
    "delay",
    "silence",
    "stuck",
    "fin",
    "slow_read",
    "slow_write",
    "noise",
    "other_json",
    "cut_json",
    "cut_frame",
    "other_result",
    "other_rows",
    "disorder",
    "limit",
    "ban",
    "failure",
    "skew",
]
"""What happens to a request and its connection.

drop_unread, drop, drop_after: the connection is cut before the request is executed, before its reply,
    right behind its reply. refuse: cut, and the next `times` handshakes are refused with `status`.
shutdown: serverShutdown is announced, and `seconds` later the connection is closed.
delay: the reply, and all behind it, `seconds` late. silence: no reply, the others go on.
stuck: nothing is read or written for `seconds`, then the connection is cut.
fin: nothing is written any more, and TCP says so; what comes is still read.
slow_read, slow_write: in small pieces, over `seconds`.
noise: text that is no JSON. other_json: JSON that is no envelope. cut_json: the text ends in its
    middle. cut_frame: the frame ends in its middle, and the connection with it.
other_result: a result of another shape. other_rows: rows from before those asked for. disorder: rows
    that do not ascend.
limit, ban: a 429, a 418 with `retryAfter` in `seconds`; a ban ends the connection and refuses others.
failure: a 5xx, `status`; the request was not executed.
skew: the exchange's clock jumps by `seconds`.
"""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_NOT_EXECUTED: Final = frozenset({"drop_unread", "refuse", "limit", "ban", "failure", "stuck"})
_IDS_BEFORE: Final = 1_000_000
_MS_BEFORE: Final = 1000 * DAY_MS
"""How far `other_rows` lie before those asked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and which requests it happens to: give `at`, `every` or `chance`.

    Attributes:
        kind: what happens.
        at: the number of the request, from 1, or a range of numbers.
        every: every so many requests.
        chance: how likely it is for each request, 0 to 1, by the plan's seed.
        method: the method whose requests are counted; all are when left out.
        seconds: how long or how far.
        status: of a `failure` or a refused handshake.
        times: how many handshakes are refused.

    Raises:
        ValueError: for a kind that does not exist, or without just one of the three.
    """

    kind: Kind
    at: int | range | None = None
    every: int | None = None
    chance: float | None = None
    method: str | None = None
    seconds: float = 0.0
    status: int = 503
    times: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}, must be one of {', '.join(KINDS)}")
        if sum(one is not None for one in (self.at, self.every, self.chance)) != 1:
            raise ValueError(f"{self.kind} happens at no certain request; give at, every or chance")
        if self.every is not None and self.every < 1:
            raise ValueError(f"every is {self.every}, must be 1 or more requests")
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise ValueError(f"chance is {self.chance}, must be 0 to 1")

    @property
    def is_executed(self) -> bool:
        """Whether the exchange answers the request at all."""
        return self.kind not in _NOT_EXECUTED

    def strikes(self, number: int, seed: int) -> bool:
        """Whether it happens to the request of this number."""
        if self.at is not None:
            return number == self.at if isinstance(self.at, int) else number in self.at
        if self.every is not None:
            return number % self.every == 0
        return key(seed, self.kind, self.method, number) < (self.chance or 0.0) * 2**64

    def answer(self, id_text: bytes, now_ms: int) -> bytes:
        """Return the reply of an exchange that does not execute the request, b"" when it has none."""
        match self.kind:
            case "limit" | "ban" | "failure":
                refusal = self.refusal(now_ms)
                return reply_text(id_text, refusal.status, refusal.body, None)
            case _:
                return b""

    def refusal(self, now_ms: int) -> Refusal:
        """Return what a request or a handshake is refused with."""
        until_ms = now_ms + int(self.seconds * 1000)
        times = {"serverTime": now_ms, "retryAfter": until_ms}
        match self.kind:
            case "limit":
                msg = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
                return Refusal(-1003, msg, status=429, data=times)
            case "ban":
                msg = f"Way too much request weight used; IP banned until {until_ms}."
                return Refusal(-1003, msg, status=418, data=times)
            case _:
                msg = "Internal error; unable to process your request. Please try again."
                return Refusal(-1001, msg, status=self.status)

    def spoilt(self, text: bytes) -> bytes:
        """Return the reply as it is sent; `text` as it is when this fault leaves replies alone."""
        if self.kind in _TEXTS:
            return _TEXTS[self.kind]
        if self.kind == "cut_json":
            return text[: len(text) // 2]
        change = _CHANGES.get(self.kind)
        return _with_result(text, change) if change else text


@dataclass(frozen=True, slots=True)
class Deed:
    """What a plan has done: to which request of all, to which of its method, and when."""

    number: int
    method: str
    nth: int
    kind: Kind
    at_ms: int


@dataclass
class FaultPlan:
    """Faults of a server, in the order in which they are looked for; the first that strikes happens.

    `done` is what has happened so far. One plan serves one server.
    """

    faults: tuple[Fault, ...] = ()
    seed: int = 1
    skew_ms: int = 0
    requests: int = 0
    done: list[Deed] = field(default_factory=list)
    _asked: Counter[str] = field(default_factory=Counter)
    _doors: list[Refusal] = field(default_factory=list)
    _ban: tuple[int, Refusal] | None = None

    def begin(self, *faults: Fault) -> None:
        """Follow other faults from now on, and count from 1 again; the clock is right again."""
        self.faults, self.requests, self.skew_ms, self._ban = faults, 0, 0, None
        self.done, self._asked, self._doors = [], Counter(), []

    @property
    def counts(self) -> dict[Kind, int]:
        """How often each kind has happened."""
        return dict(Counter(deed.kind for deed in self.done))

    def shifted(self, clock: Callable[[], int]) -> Callable[[], int]:
        """Return a clock of epoch milliseconds with this plan's jumps."""
        return lambda: clock() + self.skew_ms

    def struck(self, method: str, now_ms: int) -> Fault | None:
        """Count a request, and return what happens to it."""
        self.requests += 1
        self._asked[method] += 1
        for fault in self.faults:
            if fault.method not in (None, method):
                continue
            number = self.requests if fault.method is None else self._asked[method]
            if fault.strikes(number, self.seed):
                self.done.append(
                    Deed(self.requests, method, self._asked[method], fault.kind, now_ms)
                )
                self._follow(fault, now_ms)
                return fault
        return None

    def _follow(self, fault: Fault, now_ms: int) -> None:
        """Do what outlives the request."""
        match fault.kind:
            case "skew":
                self.skew_ms += int(fault.seconds * 1000)
            case "refuse":
                self._doors += [fault.refusal(now_ms)] * fault.times
            case "ban":
                self._ban = now_ms + int(fault.seconds * 1000), fault.refusal(now_ms)
            case _:
                pass

    def door(self, now_ms: int) -> Refusal | None:
        """Return what a handshake is refused with, None when it is let in."""
        if self._ban is not None and now_ms < self._ban[0]:
            return self._ban[1]
        return self._doors.pop() if self._doors else None


def _with_result(text: bytes, change: Callable[[Any], object]) -> bytes:
    """Return a reply with another result; an error reply as it is."""
    fields: Mapping[str, Any] = msgspec.json.decode(text)
    if "result" not in fields:
        return text
    return msgspec.json.encode({**fields, "result": change(fields["result"])})


def _earlier(row: Any) -> object:
    """Return a row of klines or trades as it would be long before."""
    if isinstance(row, list):
        return [row[0] - _MS_BEFORE, *row[1:6], row[6] - _MS_BEFORE, *row[7:]]
    if isinstance(row, dict):
        moved = {name: row[name] - _IDS_BEFORE for name in ("a", "f", "l", "id") if name in row}
        times = {name: row[name] - _MS_BEFORE for name in ("T", "time") if name in row}
        return {**row, **moved, **times}
    return row


_TEXTS: Final[Mapping[Kind, bytes]] = {
    "noise": b"<html><body>502 Bad Gateway</body></html>",
    "other_json": b'[{"stream":"btcusdt@trade"},null,1]',
}
_CHANGES: Final[Mapping[Kind, Callable[[Any], object]]] = {
    "other_result": lambda _: {"nothing": ["of", {"the": "kind"}]},
    "other_rows": lambda rows: [_earlier(row) for row in rows],
    "disorder": lambda rows: [*rows, *rows[:1]],
}
