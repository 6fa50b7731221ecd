"""The order book as a frame."""

from typing import Final

import msgspec
import pandas as pd

from bwsresearch import tables
from bwsresearch.client.aio import decoded
from bwsresearch.client.sync import Client
from bwsresearch.errors import ServerError
from bwsresearch.history.download import as_timeout, asked, connection_of
from bwsresearch.history.ranges import as_limit, as_symbol
from bwsresearch.local import implied, server_of
from bwsresearch.protocol.methods import Depth

__all__ = ["depth"]

_MOST: Final = 5000
"""Levels a side; web-socket-api.md "Order book"."""


async def depth(
    symbol: str,
    *,
    limit: int = 100,
    timeout: float | None = None,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return the order book now: bids from the best down, then asks from the best up.

    Columns: side (categorical bid, ask), price (quote) and qty (base) float64, cum_qty float64, the
    sum of qty from the best level of its side. `attrs`: symbol, server, last_update_id.
    Source: web-socket-api.md "Order book".

    Raises:
        ValueError: when `limit` (levels a side) is not 1 to 5000.
        BadSymbol: when the exchange does not know the symbol.
    """
    name, levels = as_symbol(symbol), as_limit(limit, _MOST, "levels a side")
    seconds, connection = as_timeout(timeout), connection_of(client)
    server = await server_of(connection)
    request = Depth(name, limit=levels)
    text = await asked(connection, request, seconds)
    try:
        book = decoded(request, text)
    except msgspec.DecodeError as error:
        raise ServerError(f"the server sent a broken book: {error}", method="depth") from None
    attrs: dict[str, object] = {
        "symbol": name,
        "server": server,
        "last_update_id": book.last_update_id,
    }
    if implied(connection, name, "depth"):
        attrs["implied"] = True
    return tables.depth_frame(book.bids, book.asks, attrs)
