"""The exchange's door: limits first, then the reading of parameters, then the answer.

Pure: a function of the call, the address it comes from and the time. The order of the checks decides
which of several errors a client sees. Source: web-socket-api.md "Rate limits", errors.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bwsresearch.exchange.answers import Answers
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.office import Office, Outcome
from bwsresearch.exchange.opening import opened
from bwsresearch.protocol.limits import CONNECTION_WEIGHT, Counter, LimitRule
from bwsresearch.protocol.messages import ErrorBody, Refusal, reply_text
from bwsresearch.protocol.methods import CATALOGUE, MyPreventedMatches, SessionLogout, SessionStatus
from bwsresearch.protocol.params import Reading, reading
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit
from bwsresearch.protocol.session import Call, ServerSession

__all__ = ["Answer", "Gateway"]

_BAD_SYMBOL: Final = -1121
_UNKNOWN: Final = ErrorBody(-1020, "This operation is not supported.")
_FIRST_BAN_MS: Final = 120_000
_LAST_BAN_MS: Final = 259_200_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and whether the connection ends with it."""

    text: bytes
    ends: bool = False


@dataclass(slots=True)
class _Address:
    """What one address has used, and for how long it is banned."""

    weight: Counter
    connections: Counter
    refused: int = 0
    refused_in: int = -1
    bans: int = 0
    banned_until_ms: int = 0


@dataclass
class Gateway:
    """A market behind the exchange's protocol and limits.

    `office` keeps the accounts that trade on it; left out, there are none.
    """

    market: Market
    config: Config = field(default_factory=Config)
    office: Office | None = None

    def __post_init__(self) -> None:
        self._office = self.office or opened(self.market, (), self.config, now_ms=0)
        limits = self.config.limits
        self._weight = LimitRule("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute)
        self._connections = LimitRule("CONNECTIONS", "MINUTE", 5, limits.connections_5m)
        orders = (
            LimitRule("ORDERS", "SECOND", 10, limits.orders_10s),
            LimitRule("ORDERS", "DAY", 1, limits.orders_day),
        )
        rules = [self._weight, *orders, self._connections]
        self._answers = Answers(self.market, [rule.record() for rule in rules])
        self._addresses: dict[str, _Address] = {}

    def connect(self, address: str, now_ms: int) -> Refusal | None:
        """Count a new connection; return why it is not let in, None when it is."""
        used = self._address(address)
        if used.banned_until_ms > now_ms:
            return self._banned(used, now_ms)
        if not used.connections.charge(1, now_ms):
            return Refusal(
                -1034,
                f"Too many connection attempts from IP; current limit is "
                f"{self._connections.limit} per '5 MINUTE'.",
                status=429,
                data={"serverTime": now_ms, "retryAfter": used.connections.opens_ms(now_ms)},
            )
        used.weight.charge(CONNECTION_WEIGHT, now_ms)
        return None

    def handle(self, call: Call, session: ServerSession, address: str, now_ms: int) -> Answer:
        """Return the reply to one request of a connection."""
        used = self._address(address)
        kind = CATALOGUE.get(call.method)
        if used.banned_until_ms > now_ms:
            return self._refused(call, self._banned(used, now_ms), used, now_ms, ends=True)
        if kind is None:
            return Answer(reply_text(call.id_text, 400, _UNKNOWN, None))
        found = _read(kind, call, session)
        weight = kind.weight_rule.minimum if isinstance(found, Refusal) else found.request.weight
        if not used.weight.charge(weight, now_ms):
            limited = self._limited(used, now_ms)
            return self._refused(call, limited, used, now_ms, ends=limited.status == 418)
        try:
            if isinstance(found, Refusal):
                raise found
            outcome = self._outcome(call, found, session, now_ms)
        except Refusal as refusal:
            self._office.refused(call, kind, refusal, session.api_key, now_ms)
            return self._refused(call, refusal, used, now_ms)
        if outcome.is_success:
            used.weight.refund(kind.weight_rule.refund, now_ms)
        elif kind is MyPreventedMatches and _is_bad_symbol(outcome):
            # The one method of which the documents say what a symbol costs that is none.
            used.weight.refund(weight - kind.weight_rule.minimum, now_ms)
        limits = self._limits(used, now_ms, outcome.counts)
        shown = limits if call.return_rate_limits else None
        return Answer(reply_text(call.id_text, outcome.status, outcome.body, shown))

    def _outcome(self, call: Call, found: Reading, session: ServerSession, now_ms: int) -> Outcome:
        request = found.request
        if found.credentials is not None:
            return self._office.handle(call, found, session, now_ms)
        if isinstance(request, SessionStatus | SessionLogout):
            if isinstance(request, SessionLogout):
                session.log_out()
            return Outcome(200, msgspec.json.encode(session.info(now_ms)))
        return Outcome(200, self._answers.result(request, session.options.time_unit, now_ms))

    def _limits(
        self, used: _Address, now_ms: int, counts: Sequence[RateLimit] = ()
    ) -> list[RateLimit]:
        return [*counts, used.weight.rule.record(used.weight.count(now_ms))]

    def _address(self, address: str) -> _Address:
        if address not in self._addresses:
            self._addresses[address] = _Address(Counter(self._weight), Counter(self._connections))
        return self._addresses[address]

    def _refused(
        self, call: Call, refusal: Refusal, used: _Address, now_ms: int, *, ends: bool = False
    ) -> Answer:
        shown = self._limits(used, now_ms) if call.return_rate_limits else None
        return Answer(reply_text(call.id_text, refusal.status, refusal.body, shown), ends)

    def _limited(self, used: _Address, now_ms: int) -> Refusal:
        """Return a 429, or the ban that follows when an address does not stop."""
        if used.refused_in != used.weight.window:
            used.refused_in, used.refused = used.weight.window, 0
        used.refused += 1
        ban = self.config.limits.ban
        if ban.enabled and used.refused > ban.after:
            length = min(_FIRST_BAN_MS << used.bans, _LAST_BAN_MS)
            used.bans, used.banned_until_ms = used.bans + 1, now_ms + length
            return self._banned(used, now_ms)
        return Refusal(
            -1003,
            f"Too much request weight used; current limit is {self._weight.limit} request weight "
            "per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            data={"serverTime": now_ms, "retryAfter": used.weight.opens_ms(now_ms)},
        )

    def _banned(self, used: _Address, now_ms: int) -> Refusal:
        return Refusal(
            -1003,
            f"Way too much request weight used; IP banned until {used.banned_until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            status=418,
            data={"serverTime": now_ms, "retryAfter": used.banned_until_ms},
        )


def _read(kind: type[Request[Any]], call: Call, session: ServerSession) -> Reading | Refusal:
    try:
        return reading(kind, call.params, is_logged_on=session.is_logged_on)
    except Refusal as refusal:
        return refusal


def _is_bad_symbol(outcome: Outcome) -> bool:
    return isinstance(outcome.body, ErrorBody) and outcome.body.code == _BAD_SYMBOL
