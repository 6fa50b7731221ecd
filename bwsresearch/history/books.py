"""The order book as a frame."""

from typing import Final

import pandas as pd

from bwsresearch import tables
from bwsresearch.client.sync import Client
from bwsresearch.history.ranges import as_symbols
from bwsresearch.local import default_client, implied, server_of
from bwsresearch.protocol.methods import Depth

__all__ = ["depth"]

_MOST: Final = 5000


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
    if not 1 <= limit <= _MOST:
        raise ValueError(f"limit is {limit!r}, must be 1 to {_MOST} levels a side")
    connection = (client or default_client()).aio
    name = as_symbols(symbol)[0]
    server = await server_of(connection)
    book = await connection.call(Depth(name, limit=limit), timeout=timeout)
    attrs: dict[str, object] = {
        "symbol": name,
        "server": server,
        "last_update_id": book.last_update_id,
    }
    if implied(connection, name, "depth"):
        attrs["implied"] = True
    return tables.depth_frame(book.bids, book.asks, attrs)
