"""Options that several commands share."""

import os
from typing import Annotated, TypeAlias

import typer

__all__ = ["CacheDir", "Interval", "use_cache"]

CacheDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="The cache's folder, or s3://bucket/prefix; BWS_CACHE_DIR or the platform's place.",
    ),
]
Interval: TypeAlias = Annotated[
    str, typer.Option(help="1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M.")
]


def use_cache(folder: str | None) -> None:
    """Let this process use a folder, or a URL, as the cache."""
    if folder is not None:
        os.environ["BWS_CACHE_DIR"] = folder
