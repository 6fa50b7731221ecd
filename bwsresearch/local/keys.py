"""The key that signs a client's requests: from arguments, from the environment, or none.

Faults are handed up as text rather than raised where they are found: no frame of a traceback may hold
a secret, and no message either.
"""

import os
from pathlib import Path
from typing import Final, TypeAlias

from bwsresearch.protocol.signing import Key

__all__ = ["key_of"]

_PEM: Final = "-----BEGIN "

Found: TypeAlias = tuple[Key | None, str]
"""A key, None without one, and what is wrong, "" when nothing is."""


def key_of(
    api_key: str | None, api_secret: str | None, private_key: str | bytes | Path | None
) -> Found:
    """Return the key that is given, or else the environment's; and what is wrong with it."""
    if api_secret and private_key:
        return None, "api_secret and private_key are given both; a key has one of them"
    name = api_key or os.environ.get("BWS_API_KEY")
    if not name:
        fault = "a secret is given without api_key; pass both, or set BWS_API_KEY"
        return None, fault if api_secret or private_key else ""
    if private_key:
        return _of_pem(name, private_key, "private_key")
    if api_secret:
        return _of_secret(name, api_secret, "api_secret")
    return _of_environment(name, "api_key is given" if api_key else "BWS_API_KEY is set")


def _of_environment(name: str, what: str) -> Found:
    secret, pem = os.environ.get("BWS_API_SECRET"), os.environ.get("BWS_PRIVATE_KEY")
    if secret and pem:
        return None, "BWS_API_SECRET and BWS_PRIVATE_KEY are both set; unset one of them"
    if pem:
        return _of_pem(name, pem, "BWS_PRIVATE_KEY")
    if secret:
        return _of_secret(name, secret, "BWS_API_SECRET")
    return None, (
        f"{what} without a secret; pass api_secret= or private_key=, "
        "or set BWS_API_SECRET or BWS_PRIVATE_KEY"
    )


def _of_secret(name: str, secret: str, origin: str) -> Found:
    try:
        return Key(name, secret), ""
    except (ValueError, OSError) as error:
        return None, f"{origin}: {_reason(error)}"


def _of_pem(name: str, pem: str | bytes | Path, origin: str) -> Found:
    try:
        if isinstance(pem, str) and not pem.lstrip().startswith(_PEM):
            pem = Path(pem).expanduser()
        key = Key(name, pem)
    except (ValueError, OSError) as error:
        # Not what was given: it may be a key without its first line.
        return None, f"{origin} is neither PEM text nor the path of a PEM file ({_reason(error)})"
    if key.scheme == "HMAC":
        return None, f"{origin} is no PEM, which begins with {_PEM}…; an HMAC secret is api_secret"
    return key, ""


def _reason(error: ValueError | OSError) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
