"""`bwsresearch serve`: the local exchange as a program."""

import asyncio
import datetime as dt
import os
import ssl
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from bwsresearch import local, server
from bwsresearch.cli.options import CacheDir, use_cache
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.store import default_root

__all__ = ["EXAMPLES", "clock_of", "config_of", "serve", "standing_at"]

EXAMPLES: Final = """\b
Examples:
  bwsresearch serve                              a synthetic market on port 9443
  bwsresearch serve --port 0 --clock 2024-01-01  any free port; it is 2024 there
  bwsresearch serve --market cache               what the cache holds of production
  bwsresearch serve --accounts accounts.toml --journal orders    trade, and record it
  bwsresearch serve --market cache --clock 2024-01-01 --control 0    a clock that a program moves
  bwsresearch serve --config exchange.toml       with [limits] weight_per_minute = 100000
"""


def serve(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free port.", min=0, max=65535)] = 9443,
    market: Annotated[
        Literal["synthetic", "cache"],
        typer.Option(help="A market made from --seed, or the recorded one in the cache."),
    ] = "synthetic",
    cache: CacheDir = None,
    source: Annotated[
        str | None, typer.Option(help="Whose rows of the cache; production if it is there.")
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(help="A TOML file of accounts, balances and keys.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="A folder that records every order; what it holds is taken up again."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic market.", min=0)] = 1,
    clock: Annotated[
        str, typer.Option(help="live, or the ISO time (UTC) from which the exchange's clock runs.")
    ] = "live",
    control: Annotated[
        int | None,
        typer.Option(
            help="Let the clock stand at --clock until this port of loopback (0: any free one) "
            'moves it: one line {"to": EPOCH_MS} each time, answered with {"now": EPOCH_MS}; '
            "never back. A backtest's strategy replays a market so: bws.replay.",
            min=0,
            max=65535,
        ),
    ] = None,
    latency_ms: Annotated[float, typer.Option(help="Added to each reply.", min=0)] = 0.0,
    config: Annotated[Path | None, typer.Option(help="A TOML file with limits and more.")] = None,
    tls: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="PEM files of certificate and key; serves wss.", metavar="CERT KEY"),
    ] = None,
) -> None:
    """Serve a local exchange until Ctrl-C.

    It speaks the WebSocket API. Prints `listening on ws://HOST:PORT/ws-api/v3` when it is ready, and
    with --control a second line, `control on 127.0.0.1:PORT`. Binds to loopback unless told
    otherwise, and refuses web pages.
    """
    use_cache(cache)
    settings = config_of(config)
    standing = None if control is None else standing_at(clock)
    now = standing or clock_of(clock)
    chosen = _market(market, seed, source)
    specs = local.accounts_of(accounts) if accounts else []
    office = local.office_of(chosen, specs, settings, clock=now, journal=journal)
    gateway = Gateway(chosen, settings, office)
    context = _context(*tls) if tls else None
    moved = (standing, control) if standing is not None and control is not None else None
    try:
        asyncio.run(
            server.run(
                gateway,
                clock=now,
                host=host,
                port=port,
                latency_ms=latency_ms,
                ssl=context,
                control=moved,
            )
        )
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}:{port} ({_reason(error)}); "
            "choose another --port, 0 for any free one"
        ) from None
    finally:
        office.close()


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def config_of(path: Path | None) -> Config:
    """Return the settings of a TOML file; the exchange's own without one.

    Raises:
        ValueError: naming file, key and value.
    """
    if path is None:
        return Config()
    try:
        return Config.of(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise ValueError(f"--config {path}: {getattr(error, 'strerror', None) or error}") from None


def clock_of(text: str, ticking: Callable[[], int] = time.monotonic_ns) -> Callable[[], int]:
    """Return the clock that `text` names, in epoch milliseconds: "live", or a time it starts at.

    That one runs as `ticking` does, in nanoseconds.
    """
    if text == "live":
        return local.live_clock
    return local.running_from(_start(text), ticking)


def standing_at(text: str) -> local.Standing:
    """Return a clock that stands at an ISO time until it is moved."""
    if text == "live":
        raise ValueError(
            "--control moves a clock that stands; say where with --clock, an ISO time such as "
            "2024-01-31T12:00"
        )
    return local.Standing(int(_start(text).timestamp() * 1000))


def _start(text: str) -> dt.datetime:
    try:
        start = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--clock is {text!r}, must be live or an ISO time such as 2024-01-31T12:00"
        ) from None
    return start if start.tzinfo else start.replace(tzinfo=dt.UTC)


def _market(kind: str, seed: int, source: str | None) -> Market:
    if kind == "synthetic":
        return SyntheticMarket(seed)
    return local.recorded_market(default_root(), source)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"--tls {certificate} {key}: {error}; both must be PEM files") from None
    return context
