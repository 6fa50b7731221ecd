"""Market events as plain values, for journals of markets that nobody can ask again."""

from collections.abc import Iterable
from typing import Any, Final

from bwsresearch.exchange.trading.liquidity import (
    BarOpened,
    BarSeen,
    BookChange,
    BookSeen,
    MarketEvent,
    Print,
)

__all__ = ["from_plain", "to_plain"]

_KINDS: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (Print, BookSeen, BookChange, BarOpened, BarSeen)
}
_BOOKS: Final = (BookSeen, BookChange)


def to_plain(events: Iterable[MarketEvent]) -> list[list[object]]:
    """Return events as lists: the kind's name, then its fields."""
    return [[type(event).__name__, *event] for event in events]


def from_plain(rows: Iterable[list[Any]]) -> list[MarketEvent]:
    """Return the events that `to_plain` made plain."""
    return [_event(name, values) for name, *values in rows]


def _event(name: str, values: list[Any]) -> MarketEvent:
    kind = _KINDS[name]
    if kind in _BOOKS:
        *facts, bids, asks = values
        values = [*facts, tuple(map(tuple, bids)), tuple(map(tuple, asks))]
    event: MarketEvent = kind(*values)
    return event
