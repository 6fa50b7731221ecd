"""`bwsresearch demo`: the whole way in one command, from a socket to a report."""

import datetime as dt
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import pandas as pd
import typer

from bwsresearch import cache as caches
from bwsresearch import history, local, server
from bwsresearch.backtesting import Result, Rules, backtest
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config, Limits
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.times import STEP_MS, as_interval

__all__ = ["EXAMPLES", "demo"]

EXAMPLES: Final = """\b
Examples:
  bwsresearch demo
  bwsresearch demo --data BTCUSDT/15m.jsonl.gz --out report.html
"""

T = TypeVar("T")

_NOW: Final = dt.datetime(2026, 1, 1, 0, 0, 30, tzinfo=dt.UTC)
"""What time it is on the demo's exchange, so that everybody sees the same year."""
_DAY_MS: Final = 86_400_000


def sma_cross(k: pd.DataFrame, fast: int, slow: int) -> "pd.Series[float]":
    """Hold everything while the fast mean of closes is above the slow one, else nothing."""
    return (k["close"].rolling(fast).mean() > k["close"].rolling(slow).mean()).astype(float)


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="An archive of real klines to serve, such as BTCUSDT/15m.jsonl.gz."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path(
        "bwsresearch-demo.html"
    ),
) -> None:
    """Go the whole way: socket, cache, backtest, report.

    Serves an exchange, pulls a year of minutes twice, backtests them and writes a report. Needs no network, no key and no data. Everything but the report goes to a folder that is removed.
    """
    with tempfile.TemporaryDirectory(prefix="bwsresearch-") as folder:
        os.environ["BWS_CACHE_DIR"] = folder
        if data is None:
            name, symbol, interval = "synthetic market, seed 1", "BTCUSDT", "1m"
            span = ("2025-01-01", "2026-01-01")
            market: Market = SyntheticMarket(1)
        else:
            row = caches.import_(data).iloc[0]
            if row["kind"] != "klines" or not row["rows"]:
                raise ValueError(
                    f"{data} holds {row['rows']} rows of {row['kind']}, must hold klines"
                )
            name, symbol, interval = f"recorded market, {data.name}", row["symbol"], row["interval"]
            after = row["end"] + pd.Timedelta(1, "ms")
            span = (row["start"].isoformat(), after.isoformat())
            market = local.recorded_market(Path(folder), "production")
        settings = Config(Limits(weight_per_minute=100_000))
        clock = local.running_from(_NOW) if data is None else local.live_clock
        with server.hosted(Gateway(market, settings), clock=clock) as host:
            _say("exchange", f"{host.url} ({name})")
            with local.connect(host.url) as client:
                result = _study(client, symbol, interval, span)
        _say("report", str(result.save(out).resolve()))


def _study(client: Client, symbol: str, interval: str, span: tuple[str, str]) -> Result:
    pulls: list[pd.DataFrame] = []

    def pull() -> pd.DataFrame:
        return history.klines(symbol, interval, start=span[0], end=span[1], client=client)

    for name in ("pulled", "again"):
        frame, seconds = _timed(pull)
        pulls.append(frame)
        gaps = f", gaps: {len(frame.attrs['gaps'])}" if frame.attrs["gaps"] else ""
        _say(
            name,
            f"{len(frame):,} bars of {symbol} {interval} from the {frame.attrs['source']} in "
            f"{seconds:.2f} s{gaps}",
        )
    pd.testing.assert_frame_equal(pulls[0], pulls[1])
    frame = pulls[1]
    day = max(1, _DAY_MS // STEP_MS.get(as_interval(interval), 30 * _DAY_MS))
    params = {"fast": 2 * day, "slow": 10 * day}
    rules = Rules.binance(symbol, client=client)
    quote = client.exchange_info(symbol).symbols[0].quote_asset
    result, seconds = _timed(
        lambda: backtest(frame, sma_cross, balances={quote: 10_000}, rules=rules, params=params)
    )
    stats = result.stats()
    _say(
        "backtest",
        f"{result.title}: return {stats['return']:.1%}, max drawdown {stats['max_drawdown']:.1%}, "
        f"{stats['trades']:.0f} trades, in {seconds:.2f} s",
    )
    return result


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return call(), time.perf_counter() - begun


def _say(what: str, text: str) -> None:
    typer.echo(f"{what:<9} {text}")
