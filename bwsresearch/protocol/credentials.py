"""What a signed request says of its sender, apart from what it asks for.

The order of the checks: the parameters are there (`params.reading`), the key has the form of one
(`check_key`), the exchange knows it and permits this, the time is right (`check_time`), the
signature covers the parameters. Source: web-socket-api.md "Request security"; errors.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from re import ASCII
from re import compile as pattern
from typing import Final

from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.signing import Form, payload, payloads

__all__ = ["RECV_WINDOW", "Credentials", "in_micros"]

RECV_WINDOW: Final = Decimal(5000)
"""Milliseconds for which a request is valid when it does not say so itself."""

_KEY: Final = pattern(r"[A-Za-z0-9]{64}", ASCII)
_FIRST_MS: Final = 1_483_228_800_000
_AHEAD_US: Final = 1_000_000
_MICROS_FROM: Final = 10**14


def in_micros(timestamp: int) -> int:
    """Return a time of a client, which may send milliseconds or microseconds, in microseconds."""
    return timestamp if timestamp >= _MICROS_FROM else timestamp * 1000


@dataclass(frozen=True, slots=True)
class Credentials:
    """The four parameters of a signed request, and the text of all its parameters.

    `api_key` and `signature` are None when the session that it came in vouches for it. `timestamp`
    is as the client sent it, in milliseconds or microseconds; `recv_window` is in milliseconds.
    """

    timestamp: int
    recv_window: Decimal = RECV_WINDOW
    api_key: str | None = field(default=None, repr=False)
    signature: str | None = field(default=None, repr=False)
    sent: Mapping[str, str] = field(default_factory=dict, repr=False)

    def payloads(self, *, is_strict: bool = False) -> Iterator[tuple[Form, str]]:
        """Yield the forms that the signature may cover; when strict, the documented one alone."""
        if is_strict:
            yield "raw", payload(self.sent)
        else:
            yield from payloads(self.sent)

    def check_key(self) -> None:
        """Check that the API key looks like one.

        Raises:
            Refusal: 401 -2014.
        """
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise Refusal(-2014, "API-key format invalid.", status=401)

    def check_time(self, now_ms: int) -> None:
        """Check that the request is neither too old nor from the future.

        The exchange checks at receipt, and again right before the matching engine.

        Raises:
            Refusal: -1021.
        """
        sent_us, now_us = in_micros(self.timestamp), now_ms * 1000
        if sent_us >= now_us + _AHEAD_US:
            raise Refusal(
                -1021, "Timestamp for this request was 1000ms ahead of the server's time."
            )
        if sent_us < _FIRST_MS * 1000 or now_us - sent_us > self.recv_window * 1000:
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
