"""What no row can be: the rules that archives are held against, and files of the cache too."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.tables import AGG_TRADES, KLINES, Columns, Schema
from bwsresearch.times import next_opens, open_times

__all__ = ["are_wrong", "wrong_rows"]

Rule: TypeAlias = tuple[npt.NDArray[np.bool_], Callable[[int], str]]
"""Which rows break it, and what to say of one of them."""


def wrong_rows(
    schema: Schema, interval: Interval | None, columns: Columns
) -> Iterator[tuple[int, str]]:
    """Return, for every rule that is broken, the first row (from 0) that does, and what is wrong.

    Keys ascend; numbers are finite and not negative; a bar opens on its interval's grid, closes
    within itself, and its high and low hold its open and close; aggregates hold at least one trade.
    """
    for wrong, say in _rules(schema, interval, columns):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            yield row, say(row)


def are_wrong(schema: Schema, interval: Interval | None, columns: Columns) -> npt.NDArray[np.bool_]:
    """Return which rows break a rule."""
    found = np.zeros(tables.length(columns), np.bool_)
    for wrong, _ in _rules(schema, interval, columns):
        found |= wrong
    return found


def _rules(schema: Schema, interval: Interval | None, columns: Columns) -> Iterator[Rule]:
    yield _ascending(schema, columns)
    for name in schema.dtypes:
        if columns[name].dtype == np.float64 or name == "trades":
            yield _positive(name, columns[name])
    if schema is KLINES and interval is not None:
        yield from _bars(interval, columns)
    elif schema is AGG_TRADES:
        yield _at_least_one(columns)


def _ascending(schema: Schema, columns: Columns) -> Rule:
    key = columns[schema.key]
    wrong = np.zeros(len(key), np.bool_)
    is_level = np.ones(max(len(key) - 1, 0), np.bool_)
    for name in schema.order:
        values = columns[name]
        wrong[1:] |= is_level & (values[1:] < values[:-1])
        is_level &= values[1:] == values[:-1]
    wrong[1:] |= is_level
    return wrong, lambda i: f"{schema.key} is {key[i]} after {key[i - 1]}, must ascend"


def _positive(name: str, values: tables.Column) -> Rule:
    # NaN is not ≥ 0 either.
    return ~(
        (values >= 0) & (values < np.inf)
    ), lambda i: f"{name} is {values[i]}, must be finite and not negative"


def _bars(interval: Interval, columns: Columns) -> Iterator[Rule]:
    opens, closes = tables.millis(columns, "open_time"), tables.millis(columns, "close_time")
    yield (
        open_times(interval, opens) != opens,
        lambda i: f"open_time {opens[i]} is no opening of a {interval} bar",
    )
    yield (
        (closes < opens) | (closes >= next_opens(interval, opens)),
        lambda i: f"close_time {closes[i]} is not in the {interval} bar that opens at {opens[i]}",
    )
    first, high, low, last = (columns[name] for name in ("open", "high", "low", "close"))
    yield (
        (low > np.minimum(first, last)) | (high < np.maximum(first, last)),
        lambda i: f"open {first[i]}, high {high[i]}, low {low[i]}, close {last[i]} are no bar",
    )


def _at_least_one(columns: Columns) -> Rule:
    first, last = columns["first_id"], columns["last_id"]
    return first > last, lambda i: f"first_id {first[i]} is above last_id {last[i]}"
