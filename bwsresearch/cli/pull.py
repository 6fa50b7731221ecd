"""`bwsresearch pull`: history into the cache."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import pandas as pd
import typer

from bwsresearch import history, local
from bwsresearch.cli.options import CacheDir, Interval, use_cache
from bwsresearch.times import iso

__all__ = ["EXAMPLES", "pull"]

EXAMPLES: Final = """\b
Examples:
  bwsresearch pull BTCUSDT ETHUSDT --interval 1m --start 2024-01-01 --end 2025-01-01
  bwsresearch pull BTCUSDT --kind agg_trades --period 2h --server testnet
"""


def pull(
    symbols: Annotated[list[str], typer.Argument(help="Such as BTCUSDT ETHUSDT.")],
    *,
    interval: Interval = "1h",
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
    refresh: Annotated[bool, typer.Option("--refresh", help="Fetch again what is cached.")] = False,
) -> None:
    """Pull klines or trades into the cache.

    The range is [start, end) in UTC; what is cached already is not asked for again.
    """
    use_cache(cache)
    if start is None and period is None:
        raise typer.BadParameter("give --start or --period, such as --period 1y")
    mode: bool | Literal["refresh"] = "refresh" if refresh else True
    with local.connect(server) as client:
        for symbol in symbols:
            if kind == "klines":
                frame = history.klines(
                    symbol, interval, start=start, end=end, period=period, cache=mode, client=client
                )
            else:
                call = history.agg_trades if kind == "agg_trades" else history.trades
                frame = call(symbol, start=start, end=end, period=period, cache=mode, client=client)
            typer.echo(_line(frame, interval if kind == "klines" else kind))


def _line(frame: pd.DataFrame, what: str) -> str:
    attrs = frame.attrs
    gaps: Sequence[Sequence[int]] = attrs["gaps"]
    missing = f"; gaps: {len(gaps)}, {', '.join(_hole(*gap) for gap in gaps[:3])}" if gaps else ""
    more = " …" if len(gaps) > 3 else ""
    return (
        f"{attrs['symbol']} {what}: {len(frame):,} rows of "
        f"[{iso(attrs['start'])}, {iso(attrs['end'])}), from {attrs['source']}{missing}{more}"
    )


def _hole(start_ms: int, end_ms: int) -> str:
    return f"{iso(start_ms)} to {iso(end_ms)}"
