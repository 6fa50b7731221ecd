"""In whose name a client asks: the key that signs, and what it is allowed to send."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from bwsresearch.client.transport import Endpoint
from bwsresearch.protocol.amounts import Amount
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.signing import Key

__all__ = ["Access", "Recorder"]


class Recorder(Protocol):
    """Keeps a record of orders, whatever becomes of them."""

    def sent(self, request: Request[Any], now_ms: int) -> int:
        """Record a request before it leaves; return its number."""

    def answered(self, number: int, answer: bytes | BaseException, now_ms: int) -> None:
        """Record what came of it: the result's JSON, or why there is none."""


@dataclass(frozen=True, slots=True)
class Access:
    """A key and what may be done with it.

    Attributes:
        key: what signs requests; None can ask for market data alone.
        recv_window: milliseconds for which a signed request is valid; the exchange's 5000 if None.
        allow_orders: whether orders may go to an exchange where they move real money.
        recorder: records every order request; None records nothing.
    """

    key: Key | None = field(default=None, repr=False)
    recv_window: Amount | None = None
    allow_orders: bool = False
    recorder: Recorder | None = field(default=None, repr=False)

    def check(self, request: Request[Any], endpoint: Endpoint) -> None:
        """Raise ValueError when a request may not be sent there."""
        if not request.is_read and endpoint.is_production and not self.allow_orders:
            raise ValueError(
                f"{request.method} to {endpoint.name} moves real money; "
                "pass allow_orders=True to connect() if you mean it (order.test is always allowed)"
            )

    def record(self, request: Request[Any], now_ms: int) -> int | None:
        """Record an order request; None when it is none, or nothing is recorded."""
        if self.recorder is None or request.security != "TRADE":
            return None
        return self.recorder.sent(request, now_ms)
