"""`bwsresearch pull`: history into the cache."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import pandas as pd
import typer

from bwsresearch import history, local
from bwsresearch.cli.options import CacheDir, use_cache
from bwsresearch.times import iso

__all__ = ["EXAMPLES", "pull"]

EXAMPLES: Final = """\b
Examples:
  bwsresearch pull BTCUSDT ETHUSDT --interval 1m --start 2024-01-01 --end 2025-01-01
  bwsresearch pull BTCUSDT --interval 1m --interval 1h --period 1y
  bwsresearch pull BTCUSDT --kind agg_trades --period 2h --server testnet
"""


def pull(
    symbols: Annotated[list[str], typer.Argument(help="Such as BTCUSDT ETHUSDT.")],
    *,
    interval: Annotated[
        list[str] | None, typer.Option(help="Of klines, such as 1m; can be repeated.")
    ] = None,
    kind: Annotated[
        Literal["klines", "agg_trades", "trades"], typer.Option(help="What to pull.")
    ] = "klines",
    start: Annotated[str | None, typer.Option(help='Inclusive, UTC: 2024-01-31, "-2h".')] = None,
    end: Annotated[str | None, typer.Option(help="Exclusive, UTC; now when left out.")] = None,
    period: Annotated[
        str | None, typer.Option(help="In place of --start: 90m 12h 7d 4w 3mo 1y ytd max.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(help="production, testnet, demo, local or a URL; BWS_SERVER or production."),
    ] = None,
    cache: CacheDir = None,
    in_flight: Annotated[int, typer.Option(help="Requests on their way at once.")] = 16,
    refresh: Annotated[bool, typer.Option("--refresh", help="Fetch again what is cached.")] = False,
) -> None:
    """Pull klines or trades into the cache.

    The range is [start, end) in UTC; what is cached already is not asked for again, and a pull that was ended is taken up where it stopped.
    """
    use_cache(cache)
    if start is None and period is None:
        raise typer.BadParameter("give --start or --period, such as --period 1y")
    if interval and kind != "klines":
        raise typer.BadParameter(f"{kind} have no interval; leave --interval out")
    what = (interval or ["1h"]) if kind == "klines" else kind
    with local.connect(server) as client:
        done = history.pull(
            symbols, what, start=start, end=end, period=period, refresh=refresh,
            in_flight=in_flight, client=client,
        )  # fmt: skip
    for line in _lines(done):
        typer.echo(line)


def _lines(done: pd.DataFrame) -> Iterator[str]:
    span = f"[{iso(done.attrs['start'])}, {iso(done.attrs['end'])})"
    columns = (done[name] for name in ("symbol", "what", "rows", "source", "gaps"))
    for symbol, what, rows, source, gaps in zip(*columns, strict=True):
        shown = ", ".join(f"{iso(start)} to {iso(end)}" for start, end in gaps[:3])
        missing = f"; gaps: {len(gaps)}, {shown}{' …' if len(gaps) > 3 else ''}" if gaps else ""
        yield f"{symbol} {what}: {rows:,} rows of {span}, from {source}{missing}"
