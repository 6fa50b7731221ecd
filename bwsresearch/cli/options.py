"""Options that several commands share."""

import os
from typing import Annotated, TypeAlias

import typer

__all__ = ["CacheDir", "use_cache"]

CacheDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="The cache's folder, or s3://bucket/prefix; BWS_CACHE_DIR or the platform's place.",
    ),
]


def use_cache(folder: str | None) -> None:
    """Let this process use a folder, or a URL, as the cache."""
    if folder is not None:
        os.environ["BWS_CACHE_DIR"] = folder
