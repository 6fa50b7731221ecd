"""All commands under one name, and what a failure looks like: one line, exit status 1."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from bwsresearch.cli import cached, demo, pull, serve
from bwsresearch.errors import BwsError

__all__ = ["app", "main"]

app = typer.Typer(
    name="bwsresearch",
    help="Research on the Binance Spot WebSocket API: klines, trades and depth, cached; a local "
    "exchange; backtests.",
    epilog="Start with `bwsresearch demo`: it needs no network, no key and no data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets are meant, and examples keep their lines
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=pull.EXAMPLES)(pull.pull)
app.command("import", epilog=cached.EXAMPLES)(cached.import_)
app.add_typer(cached.app, name="cache")


def _shown(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bwsresearch {version('bwsresearch')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_shown, is_eager=True)
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the command line; errors that a user can mend are one line on stderr."""
    try:
        app()
    except (BwsError, ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has gone: nothing more to say, and nothing to flush to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        typer.echo(f"bwsresearch: {error}", err=True)
        sys.exit(1)
