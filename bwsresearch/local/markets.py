"""Cached rows as a market that an exchange can serve."""

from bwsresearch.errors import CacheError
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.store import Cache, upkeep
from bwsresearch.store.layout import Location
from bwsresearch.tables import DEPTH, KLINES, SCHEMAS, TRADES, Columns

__all__ = ["recorded_market"]


def recorded_market(root: Location, server: str | None = None) -> RecordedMarket:
    """Return the cached rows of one server as a market; production's, or the only one's, by default.

    Raises:
        CacheError: when the cache holds nothing of that server, or leaves open which is meant.
    """
    server = server or _only_server(root)
    klines: dict[str, dict[str, Columns]] = {}
    ticks: dict[str, dict[str, Columns]] = {TRADES.name: {}, DEPTH.name: {}}
    for place in upkeep.places(root):
        if place.server != server or place.kind not in (KLINES.name, *ticks):
            continue
        cache = Cache(root, server)
        columns, _ = cache.read(SCHEMAS[place.kind], place.symbol, place.interval, 0, 2**43)
        if place.interval is None:
            ticks[place.kind][place.symbol] = columns
        else:
            klines.setdefault(place.symbol, {})[place.interval] = columns
    trades, depth = ticks[TRADES.name], ticks[DEPTH.name]
    if not klines and not trades:
        raise CacheError(
            f"the cache at {root} holds nothing of {server}; "
            "import archives with `bwsresearch import`, or pull some"
        )
    return RecordedMarket(
        {
            name: Recording(
                klines.get(name, {}),  # type: ignore[arg-type] # the cache writes intervals only
                trades.get(name),
                depth=depth.get(name),
            )
            for name in klines | trades
        }
    )


def _only_server(root: Location) -> str:
    servers = {place.server for place in upkeep.places(root)} or {"production"}
    if "production" not in servers and len(servers) > 1:
        raise CacheError(
            f"the cache at {root} holds rows of {', '.join(sorted(servers))}; name one of them"
        )
    return "production" if "production" in servers else servers.pop()
