"""A run after target exposures: an order at market whenever a target changes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.exposure import changes
from bwsresearch.backtesting.sizing import wish
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Account", "Change", "decided", "follow"]


class Change(NamedTuple):
    """A target that changes at the close of a bar: decided at `closed`, sent at `time`, epoch ms."""

    closed: int
    time: int
    bar: int
    symbol: str
    target: int


class Account(Protocol):
    """An account on an exchange, real or simulated, that follows targets; amounts in its units."""

    def look(self, time: int, bar: int) -> None:
        """Learn what has become of open orders by a time, the last moment of a bar."""

    def withdraw(self, symbol: str, time: int) -> None:
        """Cancel the order of a symbol that is still open, at the last moment of a bar."""

    def held(self, asset: str) -> int:
        """Return what there is of an asset, locked amounts among it."""

    def buy(self, symbol: str, spend: int, change: Change) -> None:
        """Send an order at market that spends so much of the quote, its fee included."""

    def sell(self, symbol: str, qty: int, change: Change) -> None:
        """Send an order at market that sells so much base."""

    def step(self, symbol: str) -> int:
        """Return the step of quantities."""


def decided(
    bars: Mapping[str, Bars], wanted: Mapping[str, npt.NDArray[np.float64]], held: Mapping[str, int]
) -> list[Change]:
    """Return all changes of targets by time; of one moment, those to less come first.

    `held` is the base at the start by symbol: where there is some, the first target always counts.
    """
    found: list[Change] = []
    before: dict[str, int] = {}
    for symbol, one in bars.items():
        first = np.nan if held[symbol] else 0.0
        rows, targets = changes(wanted[symbol], first=first)
        columns = (one.closed[rows].tolist(), one.over[rows].tolist(), rows.tolist())
        for closed, time, row, target in zip(*columns, targets.tolist(), strict=True):
            found.append(Change(closed, time, row, symbol, target))
    if len(bars) > 1:
        found.sort(key=lambda change: change.time)
        found = list(_less_first(found, before))
    return found


def _less_first(found: Sequence[Change], before: dict[str, int]) -> Iterator[Change]:
    """Yield changes of one moment in an order that frees money before it is spent."""
    begin = 0
    for place, change in enumerate(found):
        if change.time != found[begin].time:
            yield from _sorted(found[begin:place], before)
            begin = place
    yield from _sorted(found[begin:], before)


def _sorted(moment: Sequence[Change], before: dict[str, int]) -> list[Change]:
    ordered = sorted(moment, key=lambda change: change.target - before.get(change.symbol, 0))
    before.update({change.symbol: change.target for change in moment})
    return ordered


def follow(account: Account, bars: Mapping[str, Bars], decisions: Sequence[Change]) -> None:
    """Send one order for each change of a target, sized by what there is when it is decided."""
    closes = {symbol: one.close.data for symbol, one in bars.items()}
    if len(bars) == 1:
        ((symbol, one),) = bars.items()
        for change in decisions:
            _clear(account, change)
            _send(account, one, change, closes[symbol][change.bar], None)
        return
    for _, moment in groupby(decisions, key=lambda change: change.time):
        together = list(moment)
        # What is cancelled as the bars close is gone before any of the next ones opens.
        for change in together:
            _clear(account, change)
        for change in together:
            one = bars[change.symbol]
            _send(account, one, change, closes[change.symbol][change.bar], bars)


def _clear(account: Account, change: Change) -> None:
    account.look(change.closed, change.bar)
    account.withdraw(change.symbol, change.closed)


def _send(
    account: Account, one: Bars, change: Change, close: int, pool: Mapping[str, Bars] | None
) -> None:
    symbol = change.symbol
    base, quote = account.held(one.base), account.held(one.quote)
    if pool is None:
        equity = quote + base * close // UNIT
    else:
        equity = quote + _worth(account, pool, change.closed)
    spend, qty = wish(
        change.target, base=base, quote=quote, equity=equity, close=close,
        step=account.step(symbol),
    )  # fmt: skip
    if spend:
        account.buy(symbol, spend, change)
    elif qty:
        account.sell(symbol, qty, change)


def _worth(account: Account, pool: Mapping[str, Bars], time: int) -> int:
    """Return what is held of all symbols, at their last closes by a time."""
    total = 0
    for one in pool.values():
        last = int(np.searchsorted(one.closed, time, side="right")) - 1
        if last >= 0:
            total += account.held(one.base) * int(one.close[last]) // UNIT
    return total
