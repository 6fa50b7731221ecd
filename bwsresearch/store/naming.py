"""What the path of an archive says: symbol, kind, interval and the days it stands for."""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from bwsresearch.enums import INTERVALS, Interval
from bwsresearch.errors import ArchiveError
from bwsresearch.store.spans import Spans
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, Schema
from bwsresearch.times import DAY_MS, as_interval, next_open

__all__ = ["Named", "named"]

_KINDS: Final[dict[str, Schema]] = {"trades": TRADES, "aggTrades": AGG_TRADES}
_WORDS: Final = "|".join([*INTERVALS, "1mo", *_KINDS])
_NAME: Final = r"[^\W_a-z][^\s\-/a-z]*"
"""A symbol: capitals and digits, of any script."""
_FILE: Final = re.compile(rf"(?P<symbol>{_NAME})-(?P<what>{_WORDS})(-(?P<when>.*))?")
_SUFFIXES: Final = (".csv", ".gz", ".zip", ".jsonl", ".json", ".CHECKSUM")
_EPOCH: Final = dt.date(1970, 1, 1)

Text: TypeAlias = str | None


@dataclass(frozen=True, slots=True)
class Named:
    """What a file holds; `days` is the whole stretch that its name stands for, if it names one."""

    schema: Schema
    symbol: str
    interval: Interval | None
    days: Spans


def named(path: Path, symbol: Text, interval: Text) -> Named:
    """Return what `path` holds: by the options where given, else by its name or its folder's.

    Raises:
        ArchiveError: when something is missing, is no symbol, or name and option disagree.
    """
    stem = _stem(path)
    match = _FILE.fullmatch(stem)
    if match:
        own, what, when = match["symbol"], match["what"], match["when"] or ""
    elif re.fullmatch(_WORDS, stem):
        own, what, when = path.resolve().parent.name, stem, ""
        own = own if re.fullmatch(_NAME, own) else ""  # "klines/15m.csv": a folder like others
    else:
        own, what, when = "", "", ""
    name = _one("symbol", own, symbol and symbol.upper(), path)
    if not re.fullmatch(_NAME, name):
        raise ArchiveError(f"symbol is {symbol!r}, must be letters and digits, such as BTCUSDT")
    if what in _KINDS:
        if interval is not None:
            raise ArchiveError(f"{path} holds {what}, which have no interval; leave interval out")
        return Named(_KINDS[what], name, None, _days(when))
    step = as_interval(_one("interval", what.replace("1mo", "1M"), interval, path))
    return Named(KLINES, name, step, _days(when))


def _stem(path: Path) -> str:
    name = path.name
    while suffix := next((end for end in _SUFFIXES if name.endswith(end)), ""):
        name = name.removesuffix(suffix)
    return name


def _one(what: str, own: str, given: Text, path: Path) -> str:
    if given and own and given != own:
        raise ArchiveError(
            f"{path} is named for {what} {own}, but {what} is {given}; "
            "leave the option out, or rename the file"
        )
    if not (given or own):
        raise ArchiveError(
            f"{path} does not tell its {what}; pass {what}=, or name it like BTCUSDT-1h-2024-12.csv, "
            "BTCUSDT/15m.jsonl.gz or BTCUSDT-trades-2024-12-01.csv"
        )
    return given or own


def _days(when: str) -> Spans:
    """Return the day or month that "2024-12-01" or "2024-12" stands for, nothing for other words."""
    is_day = re.fullmatch(r"\d{4}-\d{2}-\d{2}", when)
    if not is_day and not re.fullmatch(r"\d{4}-\d{2}", when):
        return ()
    try:
        first = dt.date.fromisoformat(when if is_day else f"{when}-01")
    except ValueError:
        return ()
    start_ms = (first - _EPOCH).days * DAY_MS
    return ((start_ms, start_ms + DAY_MS if is_day else next_open("1M", start_ms)),)
