"""The official documentation and recordings, where they are, and what of a message its readers rely on."""

import json
import os
import re
from pathlib import Path

__all__ = ["form", "real", "real_text", "without_none"]

AMOUNT = re.compile(r"-?\d+\.(\d+)")


def real_text(*parts):
    """Return a recording or a document, None without real data."""
    folder = os.environ.get("BWS_REAL_DATA")
    return Path(folder, *parts).read_text() if folder else None


def real(*parts):
    """Return recorded or documented JSON, None without real data."""
    return json.loads(real_text(*parts) or "null")


def form(value):
    """Return what a reader of the documentation relies on; of a list, the forms of its elements."""
    if isinstance(value, dict):
        return tuple((key, form(one)) for key, one in value.items())
    if isinstance(value, list) and not all(isinstance(one, dict | list) for one in value):
        return [form(one) for one in value]
    if isinstance(value, list):
        return frozenset(map(str, map(form, value)))
    if isinstance(value, str) and (amount := AMOUNT.fullmatch(value)):
        return f"amount with {len(amount[1])} decimals"
    return type(value).__name__


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [without_none(one) for one in value]
    return value
