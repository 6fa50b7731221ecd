"""Weight rules as data: what a request will be charged, and the line that documents it.

Source: the "Weight" paragraph of each request in web-socket-api.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

__all__ = [
    "ByLimit",
    "BySymbols",
    "Fixed",
    "IfRefused",
    "IfSent",
    "Sent",
    "SymbolOrAll",
    "WeightRule",
]

Sent = Mapping[str, object]
"""The parameters that a request carries, by their name in Python; what was not given is absent."""


class WeightRule(Protocol):
    """Return the weight of a request from the parameters that it carries."""

    @property
    def minimum(self) -> int:
        """The least that any request of the method is charged."""

    @property
    def refund(self) -> int:
        """What of it is given back when the request succeeds."""

    def __call__(self, sent: Sent) -> int: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for every request."""

    refund: ClassVar[int] = 0
    minimum: int

    def __call__(self, sent: Sent) -> int:
        del sent
        return self.minimum

    def __str__(self) -> str:
        return str(self.minimum)


@dataclass(frozen=True, slots=True)
class ByLimit:
    """Steps over `limit`: (greatest limit, weight), ascending."""

    refund: ClassVar[int] = 0
    steps: tuple[tuple[int, int], ...]
    default: int

    @property
    def minimum(self) -> int:
        return self.steps[0][1]

    def __call__(self, sent: Sent) -> int:
        limit = sent.get("limit", self.default)
        rows = limit if isinstance(limit, int) else self.default
        return next((weight for most, weight in self.steps if rows <= most), self.steps[-1][1])

    def __str__(self) -> str:
        return ", ".join(f"{weight} to limit {most}" for most, weight in self.steps)


@dataclass(frozen=True, slots=True)
class BySymbols:
    """Steps over the number of symbols: (greatest number, weight); `every` above them or for all."""

    refund: ClassVar[int] = 0
    steps: tuple[tuple[int, int], ...]
    every: int

    @property
    def minimum(self) -> int:
        return self.steps[0][1]

    def __call__(self, sent: Sent) -> int:
        symbols = sent.get("symbols")
        if "symbol" not in sent and not isinstance(symbols, (list, tuple)):
            return self.every
        count = len(symbols) if isinstance(symbols, (list, tuple)) else 1
        return next((weight for most, weight in self.steps if count <= most), self.every)

    def __str__(self) -> str:
        steps = ", ".join(f"{weight} to {most} symbols" for most, weight in self.steps)
        return f"{steps}, {self.every} for more or all"


@dataclass(frozen=True, slots=True)
class SymbolOrAll:
    """One weight for `symbol`, another for a list or for all."""

    refund: ClassVar[int] = 0
    minimum: int
    many: int

    def __call__(self, sent: Sent) -> int:
        return self.minimum if "symbol" in sent else self.many

    def __str__(self) -> str:
        return f"{self.minimum} for one symbol, {self.many} for several or all"


@dataclass(frozen=True, slots=True)
class IfRefused:
    """Charged at once and given back when the exchange does what it is asked to."""

    minimum: int

    @property
    def refund(self) -> int:
        return self.minimum

    def __call__(self, sent: Sent) -> int:
        del sent
        return self.minimum

    def __str__(self) -> str:
        return f"0, {self.minimum} when refused"


@dataclass(frozen=True, slots=True)
class IfSent:
    """One weight with a parameter (a flag must be true), another without it."""

    refund: ClassVar[int] = 0
    parameter: str
    weight: int
    otherwise: int

    @property
    def minimum(self) -> int:
        return min(self.weight, self.otherwise)

    def __call__(self, sent: Sent) -> int:
        value = sent.get(self.parameter)
        return self.otherwise if value is None or value is False else self.weight

    def __str__(self) -> str:
        return f"{self.weight} with {self.parameter}, {self.otherwise} without"
