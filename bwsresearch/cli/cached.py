"""`bwsresearch import` and `bwsresearch cache …`: the cache from the command line."""

from pathlib import Path
from typing import Annotated, Final

import pandas as pd
import typer

from bwsresearch import cache as caches
from bwsresearch import local
from bwsresearch.cli.options import CacheDir, use_cache

__all__ = ["EXAMPLES", "app", "import_"]

EXAMPLES: Final = """\b
Examples:
  bwsresearch import BTCUSDT-1h-2024-12.zip BTCUSDT-trades-2024-12-01.zip
  bwsresearch import klines/BTCUSDT/15m.jsonl.gz
  bwsresearch import rows.csv --symbol BTCUSDT --interval 1h
"""
_REPAIR: Final = """\b
Examples:
  bwsresearch cache repair
  bwsresearch cache repair BTCUSDT --interval 1m --server testnet
"""
_CLEAR: Final = """\b
Examples:
  bwsresearch cache clear BTCUSDT --interval 1m
  bwsresearch cache clear --kind trades --older-than 90d
  bwsresearch cache clear --all
"""

app = typer.Typer(
    help="See what is cached, check it, remove it.", no_args_is_help=True, rich_markup_mode=None
)


def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV, .gz, .zip, .jsonl or .json.")],
    *,
    symbol: Annotated[str | None, typer.Option(help="When the path does not tell it.")] = None,
    interval: Annotated[str | None, typer.Option(help="Of klines; likewise.")] = None,
    server: Annotated[str, typer.Option(help="Whose rows they are.")] = "production",
    cache: CacheDir = None,
) -> None:
    """Import archives into the cache.

    Klines, trades, aggregate trades and recorded streams; each file whole or not at all. Takes the exchange's public archives (data.binance.vision), native rows of the API, and lines of `local_ns {json}` as a socket brought them.
    """
    use_cache(cache)
    for file in files:
        listed = caches.import_(file, symbol=symbol, interval=interval, server=server)
        for _, row in listed.iterrows():  # none for a .CHECKSUM beside its archive
            what = f"{row['symbol']} {row['interval'] or row['kind']}"
            span = ""
            if row["rows"]:
                span = f", {row['start']:%Y-%m-%d %H:%M} to {row['end']:%Y-%m-%d %H:%M}"
            typer.echo(f"{file}: {row['rows']:,} rows of {what}{span}")


@app.command()
def path(*, cache: CacheDir = None) -> None:
    """Print the folder."""
    use_cache(cache)
    typer.echo(caches.path())


@app.command()
def info(*, cache: CacheDir = None) -> None:
    """List what is cached: rows, range and size of every series."""
    use_cache(cache)
    table = caches.info()
    if table.empty:
        typer.echo(f"nothing is cached in {caches.path()}")
        return
    table["mb"] = table["mb"].round(2)
    typer.echo(_text(table.drop(columns="path")))
    typer.echo(f"{table['rows'].sum():,} rows, {table['mb'].sum():,.2f} MB in {caches.path()}")


@app.command()
def verify(*, cache: CacheDir = None) -> None:
    """Read every file; exit status 1 when one is damaged or out of place. Gaps are listed."""
    use_cache(cache)
    problems = caches.verify()
    for _, row in problems.iterrows():
        typer.echo(f"{row['path']}: {row['problem']}")
    wrong, gaps = (problems["what"] != "gap").sum(), (problems["what"] == "gap").sum()
    if wrong:
        typer.echo(f"{wrong:,} problems; `bwsresearch cache repair` mends them", err=True)
        raise typer.Exit(1)
    found = f", with {gaps:,} gaps" if gaps else ""
    typer.echo(f"{len(caches.info())} series in {caches.path()} are sound{found}")


@app.command(epilog=_REPAIR)
def repair(
    symbol: Annotated[str | None, typer.Argument(help="All symbols when left out.")] = None,
    *,
    interval: Annotated[str | None, typer.Option(help="Of klines.")] = None,
    kind: Annotated[str | None, typer.Option(help="klines, aggs or trades.")] = None,
    server: Annotated[
        str | None,
        typer.Option(help="production, testnet, demo, local or a URL; BWS_SERVER or production."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask again for gaps that are known to be empty.")
    ] = False,
    cache: CacheDir = None,
) -> None:
    """Put damaged files aside, and fetch again just what is damaged or missing."""
    use_cache(cache)
    with local.connect(server) as client:
        table = caches.repair(client, symbol=symbol, interval=interval, kind=kind, refresh=refresh)
    for _, row in table.iterrows():
        typer.echo(_mended(row))
    typer.echo(
        f"{table['rows_got'].sum():,} rows fetched in {table['requests'].sum():,} requests"
        if len(table)
        else f"there is nothing to mend in {caches.path()}"
    )


def _mended(row: pd.Series) -> str:
    if pd.isna(row["start"]):
        return f"{row['what']}: {row['path']} {row['done']}"
    name = f"{row['symbol']} {row['interval'] or row['kind']}"
    span = f"{row['start']:%Y-%m-%d %H:%M:%S} to {row['end']:%Y-%m-%d %H:%M:%S}"
    return f"{row['what']}: {name} {span} {row['done']}, {row['rows_got']:,} rows"


@app.command(epilog=_CLEAR)
def clear(
    symbol: Annotated[str | None, typer.Argument(help="All symbols when left out.")] = None,
    *,
    interval: Annotated[str | None, typer.Option(help="Of klines.")] = None,
    kind: Annotated[str | None, typer.Option(help="klines, aggs or trades.")] = None,
    server: Annotated[str | None, typer.Option(help="Whose rows.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help='Rows before: 90d 6mo 1y back from now, or "2024-01-31".')
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Needed to clear it all.")] = False,
    cache: CacheDir = None,
) -> None:
    """Remove what matches all that is given."""
    use_cache(cache)
    if not everything and (symbol, interval, kind, server, older_than) == (None,) * 5:
        raise typer.BadParameter("this would remove everything; add --all if you mean it")
    freed = caches.clear(symbol, interval=interval, kind=kind, server=server, older_than=older_than)
    typer.echo(f"{freed / 1e6:,.2f} MB removed from {caches.path()}")


@app.command()
def trim(
    max_mb: Annotated[float, typer.Argument(help="Megabytes that may be left.")],
    *,
    cache: CacheDir = None,
) -> None:
    """Remove what was written longest ago until the rest is within a size.

    With BWS_CACHE_MAX_MB every download keeps to such a limit by itself.
    """
    use_cache(cache)
    typer.echo(f"{caches.trim(max_mb) / 1e6:,.2f} MB removed from {caches.path()}")


@app.command()
def compact(
    symbol: Annotated[str | None, typer.Argument(help="All symbols when left out.")] = None,
    *,
    interval: Annotated[str | None, typer.Option(help="Of klines.")] = None,
    kind: Annotated[str | None, typer.Option(help="klines, aggs or trades.")] = None,
    server: Annotated[str | None, typer.Option(help="Whose rows.")] = None,
    level: Annotated[int, typer.Option(help="Of zstd, 1 to 22.")] = 6,
    cache: CacheDir = None,
) -> None:
    """Write files anew that become smaller or faster to read by it; what they hold stays."""
    use_cache(cache)
    table = caches.compact(symbol, interval=interval, kind=kind, server=server, level=level)
    for _, row in table.iterrows():
        typer.echo(
            f"{row['server']} {row['symbol']} {row['interval'] or row['kind']}: "
            f"{row['files_before']:,} files of {row['bytes_before'] / 1e6:,.2f} MB are now "
            f"{row['files_after']:,} of {row['bytes_after'] / 1e6:,.2f} MB"
        )


def _text(table: pd.DataFrame) -> str:
    shown = table.copy()
    for name in ("start", "end"):
        shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M")
    return shown.to_string(index=False, na_rep="")
