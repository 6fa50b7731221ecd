"""Bars made of trades."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from bwsresearch import tables
from bwsresearch.enums import INTERVALS
from bwsresearch.sampling.exact import Counted, Ints, counted, product, sums
from bwsresearch.sampling.flat import filled, holes
from bwsresearch.sampling.grid import Grid
from bwsresearch.sampling.rules import Full, full, rule
from bwsresearch.sampling.tape import Tape, read
from bwsresearch.tables import KLINES, Columns

__all__ = ["bars"]

_TOLD: Final = ("symbol", "server", "start", "end", "source", "implied")
"""What bars say of themselves as their trades do."""


def bars(
    trades: pd.DataFrame,
    every: str | dt.timedelta | None = None,
    *,
    ticks: int | None = None,
    volume: float | None = None,
    quote: float | None = None,
    closed: bool = True,
    empty: Literal["flat", "drop"] = "flat",
) -> pd.DataFrame:
    """Return bars of trades or aggregate trades, in the columns of `klines`, by one rule.

    `bars(t, "5m")` has the exchange's own bars: of all trades of a stretch they equal its klines,
    volumes as exact decimals rounded once. `bars(t, ticks=1000)`, `bars(t, volume=50)` and
    `bars(t, quote=1e6)` end a bar with the trade that reaches so many trades, base or quote units;
    it is not split, and the next bar begins from 0. An aggregate trade counts as the trades that
    are in it. Index `open_time` (datetime64[us, UTC]): for bars of time their beginning, `close_time`
    the last ms before their end; for others the times of their first and last trade, which may
    repeat. `attrs`: symbol, server, start, end, source and implied of the trades, rule, interval
    where it is one of the exchange's; gaps (missing bars of time as [start_ms, end_ms)); trade_gaps
    (the gaps of the trades, where there are any: bars there lack them).

    Quote volumes of aggregate trades are price × qty, cut off behind eight decimals.

    Args:
        trades: a frame of `bws.trades` or `bws.agg_trades`, by ascending id.
        every: an interval of the exchange, or any length: "90s", "7min", "2w", "3M", a timedelta.
        ticks: trades a bar.
        volume: base units a bar.
        quote: quote units a bar.
        closed: False adds what is not whole: bars of time that reach beyond the range in the trades'
            `attrs` (the running one; without a range in them, the first and the last), else the last
            one, which is not full. Frames without `attrs` are taken as whole.
        empty: "flat" gives bars of time without trades the last price and volume 0, as the exchange
            does, but where trades are missing; "drop" leaves them out.

    Raises:
        ValueError: for a rule or option that cannot be meant, or rows that are no trades in order.
        TypeError: when `trades` is no frame.
    """
    __tracebackhide__ = True
    wanted = rule(every, ticks, volume, quote)
    if empty not in ("flat", "drop"):
        raise ValueError(f"empty is {empty!r}, must be 'flat' or 'drop'")
    tape = read(trades)
    attrs: dict[str, object] = {name: trades.attrs[name] for name in _TOLD if name in trades.attrs}
    lost = trades.attrs.get("gaps") or []
    if lost:
        attrs["trade_gaps"] = lost
    if isinstance(wanted, Full):
        columns = _by_amount(tape, wanted, closed=closed)
        return tables.frame(KLINES, columns, attrs | {"rule": {wanted.what: wanted.amount}})
    columns = _by_time(tape, wanted)
    if closed:
        columns = _within(columns, wanted, *_range(trades.attrs, tape))
    if empty == "flat":
        columns = filled(columns, wanted, lost)
    return tables.frame(KLINES, columns, attrs | _told(wanted, columns))


def _told(wanted: Grid, columns: Columns) -> dict[str, object]:
    """Return what bars of time say of themselves."""
    gaps = holes(wanted, tables.millis(columns, "open_time"))
    told: dict[str, object] = {"rule": {"every": wanted.name}, "gaps": gaps}
    return told | {"interval": wanted.name} if wanted.name in INTERVALS else told


def _by_amount(tape: Tape, wanted: Full, *, closed: bool) -> Columns:
    qty, quote = _amounts(tape)
    if wanted.what == "ticks":
        ends = full(Counted(_counts(tape), 1), wanted.amount)
    else:
        ends = full(qty if wanted.what == "volume" else quote, wanted.amount)
    first = np.concatenate([np.zeros(1, np.int64), ends])
    is_over = first[-1] == len(tape)
    found = _summed(tape, qty, quote, first[:-1] if is_over else first)
    return found if is_over or not closed else tables.sliced(found, slice(0, len(ends)))


def _by_time(tape: Tape, grid: Grid) -> Columns:
    """Return every bar that has trades; which is its first and last is decided by their order."""
    opens = grid.opens(tape.time // 1000)
    if (opens[1:] < opens[:-1]).any():
        order = np.argsort(opens, kind="stable")
        tape, opens = tape.part(order), opens[order]
    first = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    begin = opens[first]
    columns = _summed(tape, *_amounts(tape), first)
    columns["open_time"] = begin * 1000
    columns["close_time"] = (grid.ends(begin) - 1) * 1000
    return columns


def _counts(tape: Tape) -> Ints:
    return np.ones(len(tape), np.int64) if tape.count is None else tape.count


def _amounts(tape: Tape) -> tuple[Counted, Counted]:
    """Return quantities and turnovers."""
    qty = counted(tape.qty)
    if tape.quote is not None:
        return qty, counted(tape.quote)
    return qty, product(tape.price, counted(tape.price), tape.qty, qty)


def _summed(tape: Tape, qty: Counted, quote: Counted, first: Ints) -> Columns:
    """Return stretches of trades as bars, from the time of their first to that of their last."""
    if not len(tape) or not len(first):
        return tables.empty(KLINES)
    last = np.append(first[1:], len(tape)) - 1
    bought = ~tape.is_buyer_maker
    return {
        "open_time": tape.time[first],
        "open": tape.price[first],
        "high": np.maximum.reduceat(tape.price, first),
        "low": np.minimum.reduceat(tape.price, first),
        "close": tape.price[last],
        "volume": sums(qty, first),
        "close_time": tape.time[last],
        "quote_volume": sums(quote, first),
        "trades": last - first + 1 if tape.count is None else np.add.reduceat(tape.count, first),
        "taker_buy_volume": sums(qty, first, bought),
        "taker_buy_quote_volume": sums(quote, first, bought),
    }


def _range(attrs: Mapping[Any, Any], tape: Tape) -> tuple[float, float]:
    """Return from when and up to when the trades are known to be all there are, in ms."""
    if "server" not in attrs or not len(tape):
        return -math.inf, math.inf
    # The newest trades begin and end in the middle of something.
    start = attrs.get("start", int(tape.time[0]) // 1000 + 1)
    end = attrs.get("end", int(tape.time[-1]) // 1000)
    return start, min(end, attrs.get("until", math.inf))


def _within(columns: Columns, grid: Grid, start_ms: float, end_ms: float) -> Columns:
    """Return the bars that lie wholly in a range."""
    opens = tables.millis(columns, "open_time")
    inside = (opens >= start_ms) & (grid.ends(opens) <= end_ms)
    return columns if inside.all() else tables.sliced(columns, inside)
