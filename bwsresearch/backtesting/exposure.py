"""What a strategy wants: its answer for all bars, checked, as changes of target exposure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.exchange.trading.amounts import UNIT

__all__ = [
    "Answer",
    "Exposures",
    "Strategy",
    "answer",
    "changes",
    "checked_klines",
    "own",
    "pool_targets",
    "targets",
]

Strategy: TypeAlias = Callable[..., "pd.Series[Any] | npt.NDArray[Any]"]
"""A pure function of closed klines, and of parameters by name, to target exposure per bar."""

Exposures: TypeAlias = "Strategy | pd.Series[Any] | pd.DataFrame"
"""Such a function, or its answer: a Series for one symbol, a frame for several."""

Answer: TypeAlias = npt.NDArray[np.float64] | npt.NDArray[np.bool_]
"""Target exposures per bar: NaN holds, True is 1."""

_NEEDED: Final = ("open", "high", "low", "close", "volume")
_MOST: Final = 9e10
"""Prices are whole numbers of 1e-8 in 64 bits."""
_SLACK: Final = 1e-9
"""How far a sum of weights may lie outside 0 to 1 by rounding alone."""
_COPIES_ON_WRITE: Final = int(pd.__version__.split(".")[0]) >= 3


def own(klines: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that no change of `klines` reaches, nor the other way round."""
    return klines.copy(deep=not _COPIES_ON_WRITE)


def checked_klines(klines: pd.DataFrame) -> pd.DataFrame:
    """Return klines that a backtest can walk through, as a frame of its own.

    Raises:
        ValueError: when columns are missing, times are not UTC and ascending, or prices not above 0.
        TypeError: when it is no DataFrame, or its index no times.
    """
    if not isinstance(klines, pd.DataFrame):
        raise TypeError(f"klines is a {type(klines).__name__}, must be a DataFrame of bws.klines")
    if klines.columns.nlevels > 1:
        symbols = [str(name) for name in klines.columns.get_level_values(-1).unique()]
        raise ValueError(
            f"klines hold {len(symbols)} symbols ({', '.join(symbols[:4])}), a backtest takes one: "
            f"use klines.xs({symbols[0]!r}, axis=1, level=-1).dropna()"
        )
    missing = [name for name in _NEEDED if name not in klines.columns]
    if missing:
        raise ValueError(
            f"klines lack {', '.join(missing)}; take the frame of bws.klines for one symbol"
        )
    if len(klines) < 2:
        raise ValueError(
            f"klines have {len(klines)} bars, a backtest needs 2 at least; widen the range"
        )
    _check_times(klines.index, is_by_clock="rule" not in klines.attrs)
    _check_prices(klines)
    return own(klines)


def _check_times(index: pd.Index, *, is_by_clock: bool) -> None:
    if not isinstance(index, pd.DatetimeIndex):
        raise TypeError(
            f"klines have an index of {index.dtype}, must be times in UTC; "
            "use df.set_index(pd.to_datetime(df['open_time'], unit='ms', utc=True))"
        )
    if index.tz is None:
        raise ValueError("klines have times without a zone; use df.tz_localize('UTC')")
    if str(index.tz) not in ("UTC", "Etc/UTC", "UTC+00:00"):
        raise ValueError(f"klines have times of {index.tz}; use df.tz_convert('UTC')")
    # Bars by ticks or volume may open at the same time.
    if not index.is_monotonic_increasing or (is_by_clock and not index.is_unique):
        raise ValueError(
            "times of klines do not ascend; use df[~df.index.duplicated()].sort_index()"
        )


def _check_prices(klines: pd.DataFrame) -> None:
    columns = [klines[name].to_numpy(np.float64) for name in _NEEDED]
    good = np.isfinite(columns[-1])
    for prices in columns[:-1]:
        good &= (prices >= 1 / UNIT) & (prices < _MOST)  # False for NaN
    if not good.all():
        bar = klines.index[np.flatnonzero(~good)[0]]
        raise ValueError(
            f"klines at {bar} hold NaN or a price outside 0.00000001 to {_MOST:,.0f}; "
            "drop such bars"
        )


def targets(
    klines: pd.DataFrame, strategy: "Strategy | pd.Series[Any]", params: Mapping[str, object]
) -> npt.NDArray[np.float64]:
    """Return the target exposure at the close of each bar: 0 to 1, NaN holds.

    Raises:
        ValueError: when there is not one number per bar, or one is outside 0 to 1.
        TypeError: when the strategy answers with something else.
    """
    return answer(klines, strategy, params).astype(np.float64, copy=False)


def answer(
    klines: pd.DataFrame, strategy: "Strategy | pd.Series[Any]", params: Mapping[str, object]
) -> Answer:
    """Return the same, but True and False where the strategy answers so: an eighth of the memory.

    Raises:
        ValueError, TypeError: as `targets` does.
    """
    if isinstance(strategy, pd.Series):
        if params:
            raise ValueError(
                f"params is {dict(params)}, but the strategy is a Series, not a function"
            )
        given: object = strategy
    elif callable(strategy):
        given = strategy(own(klines), **params)
    else:
        raise TypeError(
            f"strategy is a {type(strategy).__name__}, must be a function of klines or a Series"
        )
    return _checked(klines, given)


def _checked(klines: pd.DataFrame, given: object) -> Answer:
    if isinstance(given, pd.Series) and not given.index.equals(klines.index):
        raise ValueError(
            f"the strategy's Series has {len(given)} rows of another index than the "
            f"{len(klines)} klines; return one value per bar, such as klines.close > 100"
        )
    found = _numbers(given)
    if found.shape != (len(klines),):
        raise ValueError(f"the strategy returned shape {found.shape}, must be ({len(klines)},)")
    # Of True and False, and of numbers without NaN, this is seen at once.
    if found.dtype == np.bool_ or (found.min() >= -_SLACK and found.max() <= 1 + _SLACK):
        return found
    outside = (found < -_SLACK) | (found > 1 + _SLACK)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"exposure is {found[row]:g} at {klines.index[row]}, must be 0 to 1 (or NaN to hold); "
            "spot can neither be sold short nor bought on credit"
        )
    return found


def pool_targets(
    wide: pd.DataFrame,
    klines: Mapping[str, pd.DataFrame],
    strategy: "Strategy | pd.DataFrame",
    params: Mapping[str, object],
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the targets of several symbols that share their money, each on its own bars.

    The strategy is given all klines with columns (field, symbol), and answers with a frame of
    exposures: a column for each symbol, a row for each of their rows; together 1 at most.

    Raises:
        ValueError: when columns or rows are others, or the sum of a row is above 1.
        TypeError: when the answer is no frame of numbers.
    """
    given: object = strategy
    if not isinstance(strategy, pd.DataFrame):
        if not callable(strategy):
            raise TypeError(
                f"strategy is a {type(strategy).__name__}, must be a function of klines or a frame"
            )
        given = strategy(own(wide), **params)
    if not isinstance(given, pd.DataFrame):
        raise TypeError(
            f"the strategy returned a {type(given).__name__}, must return a DataFrame "
            f"with a column for each of {', '.join(klines)}"
        )
    if not given.index.equals(wide.index) or set(given.columns) != set(klines):
        raise ValueError(
            f"the strategy returned {given.shape[0]} rows of {', '.join(map(str, given.columns))}"
            f", must be one per bar ({len(wide)}) of {', '.join(klines)}"
        )
    sums = given.clip(lower=0).sum(axis=1).to_numpy(np.float64)
    if (sums > 1 + _SLACK).any():
        row = int(np.flatnonzero(sums > 1 + _SLACK)[0])
        raise ValueError(
            f"exposures at {wide.index[row]} add up to {sums[row]:g}, must be 1 at most; "
            "spot cannot be bought on credit"
        )
    return {
        symbol: _checked(one, given[symbol].reindex(one.index)).astype(np.float64, copy=False)
        for symbol, one in klines.items()
    }


def _numbers(given: object) -> Answer:
    """Return a Series or array as floats, a missing value as NaN, or as True and False."""
    if not isinstance(given, (pd.Series, np.ndarray)):
        what = "nothing (None)" if given is None else f"a {type(given).__name__}"
        raise TypeError(
            f"the strategy returned {what}, must return a Series or an array "
            "with one exposure per bar"
        )
    if given.dtype.kind not in "biufO":
        raise TypeError(f"the strategy returned values of {given.dtype}, must be numbers")
    if given.dtype == np.bool_:
        return np.asarray(given)
    try:
        if isinstance(given, pd.Series):
            return given.to_numpy(dtype=np.float64, na_value=np.nan)
        return given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the strategy returned values that are no numbers: {error}") from None


def changes(
    wanted: npt.NDArray[np.float64], *, first: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the bars at whose close the target differs from the one before, and the targets there.

    Targets are whole numbers of 1e-8: noise below that is no change. Before the first bar the target
    is `first`, NaN when any counts as a change.
    """
    is_known = ~np.isnan(wanted)
    known = None if is_known.all() else np.flatnonzero(is_known)
    values = wanted if known is None else wanted[known]
    moves = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=moves[1:])
    places = np.flatnonzero(moves)  # few: the rest is about them alone
    bars = places if known is None else known[places]
    rounded = np.rint(values[places] * UNIT)
    is_change = rounded != np.concatenate([[first * UNIT], rounded[:-1]])
    return bars[is_change], np.clip(rounded[is_change], 0, UNIT).astype(np.int64)
