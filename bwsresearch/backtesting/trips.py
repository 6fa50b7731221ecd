"""Round trips: the fills of a symbol from flat to flat."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bwsresearch.backtesting.records import Fill, Record
from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["Trip", "round_trips"]


class Trip(NamedTuple):
    """Fills from flat to flat, amounts in units: `entry` and `exit` are bars, -1 while it is open.

    `bought` and `sold` are base, `paid` and `got` quote before fees; `entry_price` and `exit_price`
    are means by quantity, NaN where nothing was sold; `quote_fees` are those taken in quote,
    `base_fees` those taken in base at the price of their trade, `other_fees` those taken in another
    asset, counted in it; `rest` is the base held.
    """

    symbol: str
    entry: int
    exit: int
    bought: int
    paid: int
    sold: int
    got: int
    entry_price: float
    exit_price: float
    quote_fees: int
    base_fees: int
    other_fees: int
    rest: int


def round_trips(record: Record, symbol: str, *, first_open: int, step: int) -> Iterator[Trip]:
    """Return the trips of a symbol in their order; the last one may be open.

    Flat is less base than one step: what a fee in base leaves over cannot be sold. It stays in the
    account and belongs to the trip that sells it. Base that is there at the start counts as bought at
    `first_open` without a fee.
    """
    base, quote = record.assets[symbol]
    held = record.start.get(base, 0)
    trip: list[Fill] = []
    if held >= step:
        paid = max(first_open * held // UNIT, 1)
        trip = [Fill(-1, 0, 0, symbol, "BUY", first_open, held, paid, 0, quote, is_maker=False)]
    for fill in record.fills:
        if fill.symbol != symbol:
            continue
        trip.append(fill)
        held += fill.sign * fill.qty - (fill.fee if fill.fee_asset == base else 0)
        if held < step and fill.side == "SELL":
            yield _trip(trip, (base, quote), exit_=fill.bar, rest=0)
            trip = []
    if trip:
        yield _trip(trip, (base, quote), exit_=-1, rest=held)


def _trip(fills: Sequence[Fill], assets: tuple[str, str], *, exit_: int, rest: int) -> Trip:
    bought = paid = cost = sold = got = proceeds = 0
    fees = {"quote": 0, "base": 0, "other": 0}
    for fill in fills:
        if fill.side == "BUY":
            bought += fill.qty
            paid += fill.quote_qty
            cost += fill.qty * fill.price
        else:
            sold += fill.qty
            got += fill.quote_qty
            proceeds += fill.qty * fill.price
        if fill.fee_asset == assets[1]:
            fees["quote"] += fill.fee
        elif fill.fee_asset == assets[0]:
            fees["base"] += fill.fee * fill.price // UNIT
        else:
            fees["other"] += fill.fee
    return Trip(
        symbol=fills[0].symbol,
        entry=max(fills[0].bar, 0),
        exit=exit_,
        bought=bought,
        paid=paid,
        sold=sold,
        got=got,
        entry_price=cost / (bought * UNIT) if bought else math.nan,
        exit_price=proceeds / (sold * UNIT) if sold else math.nan,
        quote_fees=fees["quote"],
        base_fees=fees["base"],
        other_fees=fees["other"],
        rest=rest,
    )
