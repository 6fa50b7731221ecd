"""The order book as a frame."""

from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

import msgspec
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.aio import decoded
from bwsresearch.client.sync import Client
from bwsresearch.errors import ServerError
from bwsresearch.history.download import Lane, as_timeout, connection_of
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import as_limit, as_symbol
from bwsresearch.local import implied
from bwsresearch.protocol import results
from bwsresearch.protocol.methods import Depth

__all__ = ["depth"]

_MOST: Final = 5000
"""Levels a side; web-socket-api.md "Order book"."""


def depth(
    symbol: str,
    *,
    limit: int = 100,
    timeout: float | None = None,
    client: Client | None = None,
) -> Coroutine[Any, Any, pd.DataFrame]:
    """Return the order book now: bids from the best down, then asks from the best up.

    Columns: side (categorical bid, ask), price (quote) and qty (base) float64, cum_qty float64, the
    sum of qty from the best level of its side. `attrs`: symbol, server, last_update_id.
    Source: web-socket-api.md "Order book".

    Raises:
        ValueError: when `limit` (levels a side) is not 1 to 5000.
        BadSymbol: when the exchange does not know the symbol.
    """
    __tracebackhide__ = True
    request = Depth(as_symbol(symbol), limit=as_limit(limit, _MOST, "levels a side"))
    nothing_shown = Progress(request.symbol, wanted=False)
    return _frame(request, Lane(connection_of(client), nothing_shown, 1, as_timeout(timeout)))


def _book(request: Depth, text: bytes) -> results.Depth:
    try:
        return decoded(request, text)
    except msgspec.DecodeError as error:
        raise ServerError(f"the server sent a broken book: {error}", method="depth") from None


async def _frame(request: Depth, lane: Lane) -> pd.DataFrame:
    server = await lane.server()
    book = await lane.rows(request, partial(_book, request))
    attrs: dict[str, object] = {
        "symbol": request.symbol,
        "server": server,
        "last_update_id": book.last_update_id,
    }
    if implied(lane.client, request.symbol, "depth"):
        attrs["implied"] = True
    return tables.depth_frame(book.bids, book.asks, attrs)
