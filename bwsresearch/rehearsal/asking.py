"""What a run needs of an exchange: somebody who takes requests, and a clock that the run moves."""

from typing import Protocol, TypeVar

from bwsresearch.protocol.request import Request

__all__ = ["Asked", "Clock"]

R = TypeVar("R")


class Clock(Protocol):
    """The exchange's time."""

    def to(self, time_ms: int) -> None:
        """Let it be that time there; a time that has passed already changes nothing."""


class Asked(Protocol):
    """What requests are sent through, such as a client."""

    def call(self, request: Request[R]) -> R:
        """Send a request and return its result."""
