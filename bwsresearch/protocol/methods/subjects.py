"""What a request is about: one symbol, its klines, or several symbols."""

from typing import TypeVar

from bwsresearch.protocol.request import IntervalText, OptionalSymbol, Request, SymbolText

__all__ = ["OfInterval", "OfSymbol", "OfSymbols"]

R = TypeVar("R")


class OfSymbol(Request[R], frozen=True):
    """A request about one symbol."""

    symbol: SymbolText


class OfInterval(OfSymbol[R], frozen=True):
    """A request about the klines of one symbol."""

    interval: IntervalText


class OfSymbols(Request[R], frozen=True):
    """A request about one symbol, several, or all."""

    symbol: OptionalSymbol = None
