"""Weight rules as data: what a request will be charged, and the line that documents it.

Source: the "Weight" paragraph of each request in web-socket-api.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["ByLimit", "BySymbols", "Fixed", "Sent", "SymbolOrAll", "WeightRule"]

Sent = Mapping[str, object]
"""The parameters that a request carries, by their name in Python; what was not given is absent."""


class WeightRule(Protocol):
    """Return the weight of a request from the parameters that it carries."""

    @property
    def minimum(self) -> int:
        """The least that any request of the method is charged."""

    def __call__(self, sent: Sent) -> int: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for every request."""

    minimum: int

    def __call__(self, sent: Sent) -> int:
        del sent
        return self.minimum

    def __str__(self) -> str:
        return str(self.minimum)


@dataclass(frozen=True, slots=True)
class ByLimit:
    """Steps over `limit`: (greatest limit, weight), ascending."""

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

    minimum: int
    many: int

    def __call__(self, sent: Sent) -> int:
        return self.minimum if "symbol" in sent else self.many

    def __str__(self) -> str:
        return f"{self.minimum} for one symbol, {self.many} for several or all"
