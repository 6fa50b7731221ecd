"""Round trips: the fills of an account from flat to flat."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bwsresearch.backtesting.ledger import UNIT, Fill

__all__ = ["Trip", "held_before", "round_trips"]


class Trip(NamedTuple):
    """Fills from flat to flat, amounts in units: `entry` and `exit` are bars, -1 while it is open.

    `bought` and `sold` are base, `paid` and `got` quote before fees; `entry_price` and `exit_price`
    are means by quantity, NaN where nothing was sold; `quote_fees` are those taken in quote,
    `base_fees` those taken in base at the price of their trade; `rest` is the base held.
    """

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
    rest: int


def held_before(base: int, quote: int, price: int) -> Fill:
    """Return base that is there at the start as if bought at the first open, without a fee."""
    return Fill(-1, 0, "BUY", price, base, max(price * base // UNIT, 1), 0, False, base, quote)


def round_trips(fills: Sequence[Fill], step: int) -> Iterator[Trip]:
    """Return the trips in their order; the last one may be open.

    Flat is less base than one step: what a fee in base leaves over cannot be sold. It stays in the
    account and belongs to the trip that sells it.
    """
    begin = 0
    for place, fill in enumerate(fills):
        if fill.base < step and fill.side == "SELL":
            yield _trip(fills[begin : place + 1], is_open=False)
            begin = place + 1
    if begin < len(fills):
        yield _trip(fills[begin:], is_open=True)


def _trip(fills: Sequence[Fill], *, is_open: bool) -> Trip:
    bought = paid = cost = sold = got = proceeds = quote_fees = base_fees = 0
    for fill in fills:
        if fill.side == "BUY":
            bought += fill.qty
            paid += fill.quote_qty
            cost += fill.qty * fill.price
        else:
            sold += fill.qty
            got += fill.quote_qty
            proceeds += fill.qty * fill.price
        if fill.fee_in_base:
            base_fees += fill.fee * fill.price // UNIT
        else:
            quote_fees += fill.fee
    last = -1 if is_open else fills[-1].bar
    rest = fills[-1].base if is_open else 0
    return Trip(
        entry=fills[0].bar,
        exit=last,
        bought=bought,
        paid=paid,
        sold=sold,
        got=got,
        entry_price=cost / (bought * UNIT),
        exit_price=proceeds / (sold * UNIT) if sold else math.nan,
        quote_fees=quote_fees,
        base_fees=base_fees,
        rest=rest,
    )
