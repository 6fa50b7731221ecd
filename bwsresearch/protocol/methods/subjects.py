"""What a request is about: one symbol, amounts of it, its klines, or several symbols."""

import functools
from typing import Any, TypeVar

import msgspec

from bwsresearch.protocol.amounts import amount
from bwsresearch.protocol.request import (
    IntervalText,
    OptionalSymbol,
    Request,
    SymbolText,
    declared,
)

__all__ = ["OfAmounts", "OfInterval", "OfSymbol", "OfSymbols"]

R = TypeVar("R")


class OfSymbol(Request[R], frozen=True):
    """A request about one symbol."""

    symbol: SymbolText


class OfAmounts(OfSymbol[R], frozen=True):
    """A request about amounts of one symbol: however they are given, they are kept as Decimal."""

    def __post_init__(self) -> None:
        for name in _amounts(type(self)):
            if (value := getattr(self, name)) is not None:
                msgspec.structs.force_setattr(self, name, amount(value, name))


@functools.cache
def _amounts(kind: type[Request[Any]]) -> tuple[str, ...]:
    return tuple(param.name for param in declared(kind) if param.kind == "DECIMAL")


class OfInterval(OfSymbol[R], frozen=True):
    """A request about the klines of one symbol."""

    interval: IntervalText


class OfSymbols(Request[R], frozen=True):
    """A request about one symbol, several, or all."""

    symbol: OptionalSymbol = None
