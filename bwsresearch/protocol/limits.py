"""Rate limits in calendar windows: count what is used, tell when the next window opens.

A window of one minute starts at second zero, one of ten seconds at :00, :10 …, a day at midnight
UTC; it never slides. Source: web-socket-api.md, "Rate limits"; faqs/order_count_decrement.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.results import RateLimit

__all__ = ["CONNECTION_WEIGHT", "Counter", "LimitInterval", "LimitRule", "OrderCount"]

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


@dataclass(slots=True)
class OrderCount:
    """The unfilled orders of one account, whatever key or connection they come from.

    A new order adds to every window; its first fill takes off `taker` or `maker` from the windows of
    that moment, whenever it was placed. Later fills, cancels and expiries change nothing. The amount
    for makers is "more than one" in the documentation; its example has 5.
    """

    counters: tuple[Counter, ...]
    taker: int
    maker: int

    @classmethod
    def of(cls, limit_10s: int, limit_day: int, *, taker: int = 1, maker: int = 5) -> Self:
        """Return the count under the exchange's two windows, 10 seconds and a day."""
        rules = (
            LimitRule("ORDERS", "SECOND", 10, limit_10s),
            LimitRule("ORDERS", "DAY", 1, limit_day),
        )
        return cls(tuple(Counter(rule) for rule in rules), taker, maker)

    def add(self, amount: int, now_ms: int) -> None:
        """Count new orders, in every window or in none.

        Raises:
            Refusal: 429 -1015 when a window has no room, of the one that opens last.
        """
        for counter in reversed(self.counters):
            if counter.count(now_ms) + amount > counter.rule.limit:
                raise Refusal(
                    -1015,
                    f"Too many new orders; current limit is {counter.rule}.",
                    status=429,
                    data={"serverTime": now_ms, "retryAfter": counter.opens_ms(now_ms)},
                )
        for counter in self.counters:
            counter.charge(amount, now_ms)

    def refund(self, amount: int, now_ms: int) -> None:
        """Take back what was counted, in the windows of now, never below zero."""
        for counter in self.counters:
            counter.refund(amount, now_ms)

    def filled(self, now_ms: int, *, is_maker: bool) -> None:
        """Take off what the first fill of an order is worth; call it for no later fill."""
        self.refund(self.maker if is_maker else self.taker, now_ms)

    def records(self, now_ms: int) -> Sequence[RateLimit]:
        """Return the counts as replies show them: 10 seconds, then the day."""
        return [counter.rule.record(counter.count(now_ms)) for counter in self.counters]
