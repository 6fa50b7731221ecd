"""What became of orders that had not ended with their replies, asked for in pages at the end of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.records import Fill
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.protocol import methods
from bwsresearch.protocol.results import MyTrade, Order
from bwsresearch.rehearsal.asking import Asked
from bwsresearch.rehearsal.sent import Sent

__all__ = ["settled"]

_PAGE: Final = 1000


def settled(client: Asked, bars: Bars, sent: Sequence[Sent], first_trade: int) -> list[Fill]:
    """Return the trades of a symbol's orders, oldest first, and note how the orders ended.

    `first_trade` is the least id that a trade of the run can have.
    """
    places = {
        one.order_id: place
        for place, one in enumerate(sent)
        if one.request.symbol == bars.symbol and one.order_id >= 0
    }
    late = {number for number, place in places.items() if not sent[place].is_settled}
    if late:
        for row in _orders(client, bars.symbol, min(late)):
            if row.order_id in late:
                one = sent[places[row.order_id]]
                one.end(row.status, units(row.executed_qty), row.expiry_reason)
        fills = list(_trades(client, bars.symbol, first_trade, places))
    else:
        told = [fill for place in places.values() for fill in sent[place].fills]
        fills = [fill for _, fill in sorted(told, key=lambda one: one[0])]
    rows = (bars.opened.searchsorted([fill.time for fill in fills], side="right") - 1).tolist()
    return [fill._replace(bar=row) for fill, row in zip(fills, rows, strict=True)]


def _orders(client: Asked, symbol: str, first: int) -> Iterator[Order]:
    """Yield the account's orders from an id on."""
    while True:
        rows = client.call(methods.AllOrders(symbol, order_id=first, limit=_PAGE))
        yield from rows
        if len(rows) < _PAGE:
            return
        first = rows[-1].order_id + 1


def _trades(client: Asked, symbol: str, first: int, places: Mapping[int, int]) -> Iterator[Fill]:
    """Yield the trades of orders, from an id on."""
    while True:
        rows = client.call(methods.MyTrades(symbol, from_id=first, limit=_PAGE))
        yield from (_as_fill(row, places[row.order_id]) for row in rows if row.order_id in places)
        if len(rows) < _PAGE:
            return
        first = rows[-1].id + 1


def _as_fill(row: MyTrade, place: int) -> Fill:
    return Fill(
        place, -1, row.time, row.symbol, "BUY" if row.is_buyer else "SELL", units(row.price),
        units(row.qty), units(row.quote_qty), units(row.commission), row.commission_asset,
        row.is_maker,
    )  # fmt: skip
