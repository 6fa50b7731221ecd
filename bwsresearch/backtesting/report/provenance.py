"""Where the numbers come from: data, rules, start, software."""

import platform
from collections.abc import Hashable, Mapping
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

import pandas as pd

from bwsresearch.backtesting import pictures
from bwsresearch.backtesting.figures import amount, percent
from bwsresearch.backtesting.report.markup import facts
from bwsresearch.backtesting.report.markup import section as titled
from bwsresearch.times import iso

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["lead", "lines", "section"]

_GAPS: Final = 3


def lead(result: "Result") -> str:
    """Return what must be known before a number is read: the data, and warnings."""
    told = lines(result)
    source = f", from {told['source']}" if "source" in told else ""
    notes = (
        f"{name.capitalize()}: {told[name]}"
        for name in ("look-ahead", "gaps in the data", "open at the end")
        if name in told
    )
    return f"<p>{escape(told['data'] + source)}</p>" + "".join(
        f'<p class="note">{escape(note)}</p>' for note in notes
    )


def section(result: "Result") -> str:
    """Return everything that another person needs to have the same numbers."""
    return titled("Where the numbers come from", facts(lines(result)))


def lines(result: "Result") -> dict[str, str]:
    """Return what is known of the run by name."""
    attrs = result.klines.attrs
    told = {"data": _data(result), "source": _source(attrs)}
    gaps = attrs.get("gaps")
    if isinstance(gaps, list) and gaps:
        shown = ", ".join(f"{iso(a)} to {iso(b)}" for a, b in gaps[:_GAPS])
        told["gaps in the data"] = f"{len(gaps)} ({shown}{', …' if len(gaps) > _GAPS else ''})"
    told |= {
        "strategy": result.title,
        "start": _start(result),
        "rules": str(result.rules),
        "orders": _orders(result),
        "open at the end": _open(result),
        "look-ahead": _lookahead(result),
        "software": _software(),
    }
    return {name: text for name, text in told.items() if text}


def _data(result: "Result") -> str:
    opened, ended = pictures.spans(result.klines)
    first, end = pd.Timestamp(opened[0]), pd.Timestamp(ended[-1])
    return f"{len(opened):,} bars, {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _source(attrs: Mapping[Hashable | None, object]) -> str:
    if not isinstance(attrs.get("server"), str):
        return ""
    implied = ", implied by a recording of longer bars" if attrs.get("implied") else ""
    return f"{attrs['server']} ({attrs.get('source', 'network')}{implied})"


def _start(result: "Result") -> str:
    base, quote = (part / 1e8 for part in result.start)
    held = ((quote, result.quote_asset), (base, result.base_asset))
    return " and ".join(f"{amount(part)} {asset}" for part, asset in held if part)


def _orders(result: "Result") -> str:
    counts = result.orders["status"].value_counts(sort=False)  # in the order of its categories
    parts = [
        f"{count:,} {str(name).lower().replace('_', ' ')}"
        for name, count in counts.items()
        if count
    ]
    return f"{len(result.orders):,} sent: {', '.join(parts)}" if parts else "none sent"


def _open(result: "Result") -> str:
    trades = result.trades
    if not len(trades) or not trades["is_open"].iloc[-1]:
        return ""
    last = trades.iloc[-1]
    return (
        f"a trade since {last['entry_time']:%Y-%m-%d %H:%M}, {percent(last['return'])} so far, "
        "not in the figures of trades"
    )


def _lookahead(result: "Result") -> str:
    """Return what the run says of its strategy's knowledge of the future, where it says something."""
    told = getattr(result, "lookahead", None)
    return "" if told is None else str(told)


def _software() -> str:
    names = ("bwsresearch", "numpy", "pandas")
    return ", ".join(
        [*(f"{name} {_version(name)}" for name in names), f"Python {platform.python_version()}"]
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a checkout that is on the path, not installed
        return "(not installed)"
