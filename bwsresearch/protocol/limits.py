"""Rate limits in calendar windows: count what is used, tell when the next window opens.

A window of one minute starts at second zero, one of ten seconds at :00, :10 …, a day at midnight
UTC; it never slides. Source: web-socket-api.md, "Rate limits".
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bwsresearch.protocol.results import RateLimit

__all__ = ["CONNECTION_WEIGHT", "Counter", "LimitInterval", "LimitRule"]

LimitInterval: TypeAlias = Literal["SECOND", "MINUTE", "HOUR", "DAY"]

_MS: Final[dict[str, int]] = {
    "SECOND": 1_000,
    "MINUTE": 60_000,
    "HOUR": 3_600_000,
    "DAY": 86_400_000,
}
_LETTER: Final = {
    "REQUEST_WEIGHT": "request weight",
    "ORDERS": "orders",
    "CONNECTIONS": "connections",
}

CONNECTION_WEIGHT: Final = 2
"""What opening a connection is charged; web-socket-api.md, "IP limits"."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """At most `limit` units of `rate_limit_type` in each window of `interval_num` × `interval`."""

    rate_limit_type: Literal["REQUEST_WEIGHT", "ORDERS", "CONNECTIONS"]
    interval: LimitInterval
    interval_num: int
    limit: int

    @property
    def window_ms(self) -> int:
        """Length of a window."""
        return _MS[self.interval] * self.interval_num

    def record(self, count: int | None = None) -> RateLimit:
        """Return the limit as the exchange writes it; without count as in exchangeInfo."""
        return RateLimit(self.rate_limit_type, self.interval, self.interval_num, self.limit, count)

    def __str__(self) -> str:
        return (
            f"{self.limit} {_LETTER[self.rate_limit_type]} per {self.interval_num} {self.interval}"
        )


@dataclass(slots=True)
class Counter:
    """What is used of one limit in the window that contains the last time asked about."""

    rule: LimitRule
    window: int = -1
    used: int = 0

    def count(self, now_ms: int) -> int:
        """Return what is used in the window of `now_ms`."""
        window = now_ms // self.rule.window_ms
        if window != self.window:
            self.window, self.used = window, 0
        return self.used

    def charge(self, amount: int, now_ms: int) -> bool:
        """Count `amount` and return whether it fitted; a refused amount is counted all the same."""
        fits = self.count(now_ms) + amount <= self.rule.limit
        self.used += amount
        return fits

    def refund(self, amount: int, now_ms: int) -> None:
        """Give back `amount`, never below zero."""
        self.used = max(0, self.count(now_ms) - amount)

    def opens_ms(self, now_ms: int) -> int:
        """Return when the next window starts."""
        return (now_ms // self.rule.window_ms + 1) * self.rule.window_ms
