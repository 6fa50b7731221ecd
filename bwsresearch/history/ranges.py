"""What a person asks for: a range of time, symbols, and options that can be meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bwsresearch.times import TimeLike, epoch_ms, iso, period_start

__all__ = [
    "CacheMode",
    "Range",
    "Span",
    "as_cache_mode",
    "as_limit",
    "as_symbol",
    "as_symbols",
    "needs_clock",
    "resolved",
]

CacheMode: TypeAlias = bool | Literal["refresh"]
"""True reads and fills the cache, False leaves it alone, "refresh" fetches again and overwrites."""

_SYMBOL: Final = re.compile(r"[\w\-.]{1,50}")
_OPENED_MS: Final = 1_498_867_200_000
"""2017-07-01: the exchange opened after it, there is nothing to ask for before."""
_SOME_NOW_MS: Final = 1_735_689_600_000
"""Words such as "-2h" can be read at any time: what is wrong with them is wrong at all times."""


@dataclass(frozen=True, slots=True)
class Span:
    """The range as it was asked for, read but not resolved: some ranges need the server's time.

    Raises:
        ValueError: when a time or period cannot be read, start and period are both given, or the
            range ends before it starts.
    """

    start: TimeLike | None
    end: TimeLike | None
    period: str | None

    def __post_init__(self) -> None:
        if self.period is not None and self.start is not None:
            raise ValueError(
                f"start is {self.start!r} and period {self.period!r}; give start and end, "
                "or period and end"
            )
        if not needs_clock(self):
            resolved(self, _SOME_NOW_MS)
            return
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None:
                epoch_ms(value, _SOME_NOW_MS, name=name)
        if self.period is not None:
            period_start(self.period, _SOME_NOW_MS)

    @property
    def is_open(self) -> bool:
        """Whether no start was given in any form."""
        return self.start is None and self.period is None


@dataclass(frozen=True, slots=True)
class Range:
    """Milliseconds, half-open."""

    start_ms: int
    end_ms: int

    @classmethod
    def of(cls, start_ms: int, end_ms: int) -> "Range":
        """Return the part of [start_ms, end_ms) in which the exchange was open."""
        return cls(min(max(start_ms, _OPENED_MS), end_ms), end_ms)

    @property
    def is_empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.start_ms >= self.end_ms


def needs_clock(span: Span) -> bool:
    """Whether the range depends on what time it is now."""
    return span.end is None or _is_relative(span.end) or _is_relative(span.start) or span.is_open


def _is_relative(value: TimeLike | None) -> bool:
    return isinstance(value, str) and value.strip().startswith(("-", "now"))


def resolved(span: Span, now_ms: int) -> Range:
    """Return the range that `span` means at `now_ms`; a span without start begins at its end.

    Raises:
        ValueError: when the range ends before it starts.
    """
    end_ms = now_ms if span.end is None else epoch_ms(span.end, now_ms, name="end")
    if span.period is not None:
        start_ms = period_start(span.period, end_ms)
    elif span.start is not None:
        start_ms = epoch_ms(span.start, now_ms)
    else:
        start_ms = end_ms
    if start_ms > end_ms:
        end = f"the server's time {iso(end_ms)}" if span.end is None else f"end {iso(end_ms)}"
        raise ValueError(f"start {iso(start_ms)} is after {end}; a range is [start, end), in UTC")
    return Range.of(start_ms, end_ms)


def as_symbols(symbols: object) -> list[str]:
    """Return symbols in upper case.

    Raises:
        ValueError: when there is none, one is named twice, or one cannot be a symbol.
        TypeError: when it is neither text nor a sequence of texts.
    """
    __tracebackhide__ = True
    if not isinstance(symbols, Iterable):
        raise TypeError(
            f"symbols is {symbols!r}, must be text such as 'BTCUSDT', or a list of them"
        )
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names:
        raise ValueError("symbols is empty, give at least one such as 'BTCUSDT'")
    upper = list(map(as_symbol, names))
    twice = next((name for name in upper if upper.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"symbol {twice} is named twice, name it once")
    return upper


def as_symbol(symbol: object) -> str:
    """Return one symbol in upper case; errors as for `as_symbols`."""
    if not isinstance(symbol, str):
        raise TypeError(f"symbol is {symbol!r}, must be one text such as 'BTCUSDT'")
    if not _SYMBOL.fullmatch(symbol):
        cure = re.sub(r"[^\w\-.]", "", symbol).upper()[:50] or "BTCUSDT"
        raise ValueError(
            f"symbol is {symbol!r}, must be letters and digits; did you mean {cure!r}?"
        )
    return symbol.upper()


def as_limit(limit: object, most: int, unit: str) -> int:
    """Return `limit` if it is a whole number from 1 to `most`; a ValueError otherwise."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise ValueError(f"limit is {limit!r}, must be 1 to {most} {unit}")
    return limit


def as_cache_mode(cache: object) -> CacheMode:
    """Return `cache` if it is one of True, False and "refresh"; a ValueError otherwise."""
    if cache is True or cache is False or cache == "refresh":
        return cache
    raise ValueError(f"cache is {cache!r}, must be True, False or 'refresh'")
