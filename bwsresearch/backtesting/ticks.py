"""Trades and books of a symbol as events of the exchange, in the order of their times."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.pit import Ticks
from bwsresearch.backtesting.rules import Rules
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.liquidity import BookSeen, Print

__all__ = ["events_of", "market_of"]


def market_of(
    bars: Mapping[str, Bars],
    rules: Mapping[str, Rules],
    trades: pd.DataFrame | None,
    depth: pd.DataFrame | None,
) -> dict[str, pd.DataFrame]:
    """Return what fills come from besides bars, by its kind.

    Raises:
        ValueError: when books come without trades, or with several symbols, or the rules fill otherwise.
    """
    found = {name: one for name, one in (("trades", trades), ("depth", depth)) if one is not None}
    fill = next(iter(rules.values())).fill
    if (fill == "book") != bool(found):
        raise ValueError(
            f"rules have fill={fill!r} and trades are {'' if found else 'not '}given; "
            "fill='book' and trades= belong together"
        )
    if not found:
        return {}
    if trades is None:
        raise ValueError("depth is given without trades; fills need both, or trades alone")
    if len(bars) > 1:
        raise ValueError(
            f"trades are given with klines of {', '.join(bars)}; run one symbol at a time"
        )
    (symbol,) = bars
    for name, one in found.items():
        told = one.attrs.get("symbol")
        if told not in (None, symbol):
            raise ValueError(f"{name} are of {told}, the klines of {symbol}; give those of one")
        if one.empty:
            raise ValueError(f"{name} have no rows; widen the range")
    return found


def events_of(
    market: Mapping[str, pd.DataFrame], bars: Mapping[str, Bars], factor: int
) -> Ticks | None:
    """Return the events of a market; amounts in units, of which `factor` make 1e-8."""
    if not market:
        return None
    (symbol,) = bars
    events: list[Print | BookSeen] = list(_prints(symbol, market["trades"], factor))
    if "depth" in market:
        events += _books(symbol, market["depth"], factor)
        # Of one moment, trades come before the book that shows what they left.
        events.sort(key=lambda event: (event.time, isinstance(event, BookSeen)))
    return {symbol: (events, [event.time for event in events], tuple(market))}


def _prints(symbol: str, trades: pd.DataFrame, factor: int) -> Iterator[Print]:
    times = _millis(pd.DatetimeIndex(trades.index))
    ids = trades["first_id"] if "first_id" in trades.columns else trades["id"]
    columns = (
        times.tolist(), ids.tolist(), _units(trades["price"]).tolist(),
        _units(trades["qty"]).tolist(), trades["is_buyer_maker"].tolist(),
    )  # fmt: skip
    for time, first, price, qty, is_buyer_maker in zip(*columns, strict=True):
        yield Print(symbol, time, first, price, qty * factor, is_buyer_maker)


def _books(symbol: str, depth: pd.DataFrame, factor: int) -> Iterator[BookSeen]:
    """Yield the books of a frame of `bws.depth_history`: a row per level, best first."""
    table = depth.reset_index()
    times = _millis(pd.DatetimeIndex(table["time"])).tolist()
    is_ask = (table["side"] == "ask").to_numpy(np.bool_).tolist()
    prices, sizes = _units(table["price"]).tolist(), _units(table["qty"]).tolist()
    updates = table["last_update_id"].tolist() if "last_update_id" in table.columns else times
    begin = 0
    for row in range(1, len(times) + 1):
        if row < len(times) and times[row] == times[begin]:
            continue
        sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for level in range(begin, row):
            sides[is_ask[level]].append((prices[level], sizes[level] * factor))
        yield BookSeen(symbol, times[begin], updates[begin], tuple(sides[0]), tuple(sides[1]))
        begin = row


def _millis(index: pd.DatetimeIndex) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return index.as_unit("us").asi8 // 1000


def _units(values: "pd.Series[float]") -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.rint(values.to_numpy(np.float64) * UNIT).astype(np.int64)
