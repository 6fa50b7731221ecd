"""The order book as a frame."""

from collections.abc import Coroutine
from typing import Any, Final

import msgspec
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.aio import AsyncClient, decoded
from bwsresearch.client.sync import Client
from bwsresearch.errors import ServerError
from bwsresearch.history.download import as_timeout, asked, connection_of
from bwsresearch.history.ranges import as_limit, as_symbol
from bwsresearch.local import implied, server_of
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
    return _frame(request, connection_of(client), as_timeout(timeout))


async def _frame(request: Depth, connection: AsyncClient, timeout: float | None) -> pd.DataFrame:
    server = await server_of(connection)
    text = await asked(connection, request, timeout)
    try:
        book = decoded(request, text)
    except msgspec.DecodeError as error:
        raise ServerError(f"the server sent a broken book: {error}", method="depth") from None
    attrs: dict[str, object] = {
        "symbol": request.symbol,
        "server": server,
        "last_update_id": book.last_update_id,
    }
    if implied(connection, request.symbol, "depth"):
        attrs["implied"] = True
    return tables.depth_frame(book.bids, book.asks, attrs)
