"""A frame of trades, read and checked: what bars are made of."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.sampling.exact import Floats, Ints

__all__ = ["Tape", "read"]

_ALWAYS: Final = {"price": "float64", "qty": "float64", "is_buyer_maker": "bool"}
_SINGLES: Final = {"quote_qty": "float64"}
_AGGREGATES: Final = {"first_id": "int64", "last_id": "int64"}
_SOURCES: Final = "bws.trades or bws.agg_trades"


@dataclass(frozen=True, slots=True)
class Tape:
    """Trades in their order. `time` is in us; `quote` None follows from price and quantity.

    `count` is how many trades each row stands for, None when it is one.
    """

    time: Ints
    price: Floats
    qty: Floats
    quote: Floats | None
    count: Ints | None
    is_buyer_maker: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def part(self, where: slice | Ints) -> "Tape":
        """Return some of the rows."""
        some = {
            name: getattr(self, name)[where]
            for name in self.__slots__
            if getattr(self, name) is not None
        }
        return replace(self, **some)


def read(frame: object) -> Tape:
    """Return a frame of trades or of aggregate trades as a tape; numbers are shared, not copied.

    Raises:
        TypeError: when it is no frame.
        ValueError: when a column is missing or another than it should be, or rows are out of order.
    """
    __tracebackhide__ = True
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"trades is a {type(frame).__name__}, must be a frame as {_SOURCES} return it"
        )
    wanted = _ALWAYS | _kind(frame)
    data = {name: _values(frame[name], name, dtype) for name, dtype in wanted.items()}
    time = _times(frame.index)
    _in_order(frame, time)
    for name, values in data.items():
        if values.dtype == np.float64:
            _amounts(name, values)
    count = None if "quote_qty" in wanted else _counts(data["first_id"], data["last_id"])
    quote = data.get("quote_qty")
    return Tape(time, data["price"], data["qty"], quote, count, data["is_buyer_maker"])


def _kind(frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns that this kind of trades has beside those that all have."""
    __tracebackhide__ = True
    if frame.columns.nlevels > 1:
        raise ValueError("trades has columns of several levels; give the trades of one symbol")
    kind = _SINGLES if "quote_qty" in frame.columns else _AGGREGATES
    missing = [name for name in (*_ALWAYS, *kind) if name not in frame.columns]
    if missing:
        raise ValueError(
            f"trades has no column {missing[0]}; give what {_SOURCES} return, "
            f"with {missing[0]} among columns= where that is used"
        )
    return kind


def _values(column: "pd.Series[Any]", name: str, dtype: str) -> npt.NDArray[Any]:
    __tracebackhide__ = True
    if str(column.dtype) != dtype:
        raise ValueError(
            f"column {name} of trades is {column.dtype}, must be {dtype}; "
            f"use .astype({{{name!r}: {dtype!r}}})"
        )
    return column.to_numpy()


def _times(index: "pd.Index[Any]") -> Ints:
    __tracebackhide__ = True
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or index.hasnans:
        raise ValueError(
            f"the index of trades is {index.dtype}, must be times with a zone; "
            "use .set_index('time'), and .tz_localize('UTC') where no zone is known"
        )
    return index.as_unit("us").asi8


def _in_order(frame: pd.DataFrame, time: Ints) -> None:
    """Raise unless ids ascend; without ids, times must: on the exchange they need not quite."""
    __tracebackhide__ = True
    if "id" in frame.columns:
        name, key = "id", _values(frame["id"], "id", "int64")
        wrong = np.flatnonzero(key[1:] <= key[:-1])[:1]
    else:
        name, key = "time", time
        wrong = np.flatnonzero(key[1:] < key[:-1])[:1]
    for at in wrong.tolist():
        raise ValueError(
            f"trades are not in order: row {at + 1} has {name} {frame.reset_index()[name][at + 1]} "
            f"after {frame.reset_index()[name][at]}; use .sort_values({name!r}), each row once"
        )


def _amounts(name: str, values: Floats) -> None:
    """Raise for the first value that is no amount."""
    __tracebackhide__ = True
    if len(values) and not (values.min() >= 0.0 and values.max() < np.inf):  # NaN is neither
        at = int(np.flatnonzero(~((values >= 0.0) & (values < np.inf)))[0])
        raise ValueError(
            f"{name} of trades is {values[at]} in row {at}, must be at least 0; get the data again"
        )


def _counts(first: Ints, last: Ints) -> Ints:
    __tracebackhide__ = True
    result = last - first + 1
    if result.min(initial=1) < 1:
        at = int(result.argmin())
        raise ValueError(
            f"trades has first_id {first[at]} and last_id {last[at]} in row {at}, must be at least "
            "one trade; get the data again"
        )
    return result
