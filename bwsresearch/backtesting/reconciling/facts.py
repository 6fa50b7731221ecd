"""What was recorded against what the same orders would have done: one fact after the other is switched.

Each step values all orders once more with one fact of theirs taken from the record; what the worth at
the end changes by is that fact's effect. After the last step the orders are the recorded ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.reconciling.sides import Traded
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Effect", "effects", "pairs"]

_ZERO: Final = Fraction(0)


class Effect(NamedTuple):
    """What a reason changes the worth at the end by, through one order."""

    key: tuple[str, int, str]
    reason: str
    amount: Fraction


def pairs(
    ours: Sequence[Traded], theirs: Sequence[Traded]
) -> Iterator[tuple[Traded | None, Traded | None]]:
    """Yield orders that belong together: those of the same close and side, then the next in time.

    An order that has no partner comes alone.
    """
    waiting: dict[tuple[str, int, str], list[Traded]] = {}
    for one in theirs:
        waiting.setdefault(one.key, []).append(one)
    left: list[Traded] = []
    for one in ours:
        same = waiting.get(one.key)
        if same:
            yield one, same.pop(0)
        else:
            left.append(one)
    rest = [one for some in waiting.values() for one in some]
    yield from _in_sequence(left, rest)


def _in_sequence(
    ours: Sequence[Traded], theirs: Sequence[Traded]
) -> Iterator[tuple[Traded | None, Traded | None]]:
    """Yield each of ours with the first of theirs after it, before our next of its kind."""
    late: dict[tuple[str, str], list[Traded]] = {}
    for one in sorted(theirs, key=lambda order: order.time):
        late.setdefault((one.symbol, one.side), []).append(one)
    following: dict[tuple[str, str], int] = {}
    found: list[tuple[Traded | None, Traded | None]] = []
    for one in sorted(ours, key=lambda order: order.time, reverse=True):
        kind = one.symbol, one.side
        until = following.get(kind)
        fitting = [
            other for other in late.get(kind, [])
            if other.time >= one.time and (until is None or other.time < until)
        ]  # fmt: skip
        following[kind] = one.time
        if fitting:
            late[kind].remove(fitting[0])
        found.append((one, fitting[0] if fitting else None))
    yield from reversed(found)
    for some in late.values():
        for other in some:
            yield None, other


def effects(
    ours: Sequence[Traded], theirs: Sequence[Traded], bars: Mapping[str, Bars]
) -> list[Effect]:
    """Return what each recorded fact changes, from our orders to theirs."""
    found: list[Effect] = []
    for mine, other in pairs(ours, theirs):
        key = (mine or other).key  # type: ignore[union-attr] # a pair has one at least
        now = _Value(bars, key[0])
        before = now(mine) if mine is not None else _ZERO
        for reason, state in _switched(mine, other, bars):
            after = now(state) if state is not None else _ZERO
            if after != before:
                found.append(Effect(key, reason, after - before))
            before = after
    return found


class _Value:
    """What an order adds to the worth at the end: base at the last close, less what was paid."""

    def __init__(self, bars: Mapping[str, Bars], symbol: str) -> None:
        one = bars[symbol]
        self._base, self._quote = one.base, one.quote
        self._last = Fraction(int(one.close[-1]), UNIT)

    def __call__(self, order: Traded) -> Fraction:
        value = order.sign * (order.qty * self._last - order.quote)
        for asset, fee in order.fees.items():
            value -= fee * self._last if asset == self._base else fee
        return value


def _switched(
    mine: Traded | None, other: Traded | None, bars: Mapping[str, Bars]
) -> Iterator[tuple[str, Traded | None]]:
    """Yield a reason, and our order with one more fact of theirs."""
    if mine is None or other is None:
        yield "missed", other
        return
    if not mine.qty or not other.qty:
        yield _unfilled(mine, other), other
        return
    state = _scaled(mine, _part(other) / _part(mine))
    yield "partial_fill", state
    price = other.price
    if state.by_quote:
        state = state._replace(qty=state.quote / price)
    else:
        state = state._replace(quote=state.qty * price)
    yield ("price" if _bar(mine, bars) == _bar(other, bars) else "timing"), state
    state = state._replace(qty=other.qty, quote=other.quote)
    yield "quantity", state
    yield "fee", state._replace(fees=other.fees)


def _unfilled(mine: Traded, other: Traded) -> str:
    """Return why one of two orders was not filled."""
    status = mine.status if not mine.qty else other.status
    return "filter" if status == "REJECTED" else "missed"


def _part(order: Traded) -> Fraction:
    """Return which part of an order was filled; one that ended by itself counts as filled whole."""
    if order.status == "FILLED" or not order.asked:
        return Fraction(1)
    return (order.quote if order.by_quote else order.qty) / order.asked


def _scaled(order: Traded, by: Fraction) -> Traded:
    if by == 1:
        return order
    return order._replace(
        qty=order.qty * by,
        quote=order.quote * by,
        fees={asset: fee * by for asset, fee in order.fees.items()},
    )


def _bar(order: Traded, bars: Mapping[str, Bars]) -> int:
    """Return the bar that an order was filled in."""
    return int(bars[order.symbol].opened.searchsorted(order.filled, side="right")) - 1
