"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["CacheDir", "Interval", "use_cache"]

CacheDir: TypeAlias = Annotated[
    Path | None,
    typer.Option("--cache", help="The cache's folder; BWS_CACHE_DIR or the platform's place."),
]
Interval: TypeAlias = Annotated[
    str, typer.Option(help="1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M.")
]


def use_cache(folder: Path | None) -> None:
    """Let this process use `folder` as the cache."""
    if folder is not None:
        os.environ["BWS_CACHE_DIR"] = str(folder)
