"""What a strategy wants: its answer for all bars, checked, as changes of target exposure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Strategy", "changes", "checked_klines", "targets"]

Strategy: TypeAlias = Callable[..., "pd.Series[Any] | npt.NDArray[Any]"]
"""A pure function of closed klines, and of parameters by name, to target exposure per bar."""

_NEEDED: Final = ("open", "high", "low", "close", "volume")


def checked_klines(klines: pd.DataFrame) -> pd.DataFrame:
    """Return klines that a backtest can walk through.

    Raises:
        ValueError: when columns are missing, times are not UTC and ascending, or prices not above 0.
        TypeError: when it is no DataFrame.
    """
    if not isinstance(klines, pd.DataFrame):
        raise TypeError(f"klines is a {type(klines).__name__}, must be a DataFrame of bws.klines")
    missing = [name for name in _NEEDED if name not in klines.columns]
    if missing:
        raise ValueError(
            f"klines lack {', '.join(missing)}; take the frame of bws.klines for one symbol"
        )
    index = klines.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise ValueError("klines have no index of times in UTC; use df.tz_localize('UTC')")
    if not index.is_monotonic_increasing or not index.is_unique:
        raise ValueError(
            "times of klines do not ascend; use df[~df.index.duplicated()].sort_index()"
        )
    if not len(klines):
        raise ValueError("klines are empty, a backtest needs at least two bars; widen the range")
    prices = klines[list(_NEEDED)].to_numpy(np.float64)
    wrong = ~np.isfinite(prices).all(axis=1) | (prices[:, :4] <= 0).any(axis=1)
    if wrong.any():
        bar = index[np.flatnonzero(wrong)[0]]
        raise ValueError(f"klines at {bar} hold NaN or a price not above 0; drop such bars")
    return klines


def targets(
    klines: pd.DataFrame, strategy: "Strategy | pd.Series[Any]", params: Mapping[str, object]
) -> npt.NDArray[np.float64]:
    """Return the target exposure at the close of each bar: 0 to 1, NaN holds.

    Raises:
        ValueError: when there is not one number per bar, or one is outside 0 to 1.
        TypeError: when the strategy answers with something else.
    """
    if isinstance(strategy, pd.Series):
        if params:
            raise ValueError(
                f"params is {dict(params)}, but the strategy is a Series, not a function"
            )
        answer: object = strategy
    elif callable(strategy):
        # A copy: a strategy that adds columns must not change the caller's frame.
        answer = strategy(klines.copy(deep=False), **params)
    else:
        raise TypeError(f"strategy is {strategy!r}, must be a function of klines or a Series")
    return _checked(klines, answer)


def _checked(klines: pd.DataFrame, answer: object) -> npt.NDArray[np.float64]:
    if isinstance(answer, pd.Series):
        if not answer.index.equals(klines.index):
            raise ValueError(
                f"the strategy's Series has {len(answer)} rows of another index than the "
                f"{len(klines)} klines; return one value per bar, such as klines.close > 100"
            )
        answer = answer.to_numpy(dtype=np.float64, na_value=np.nan)
    if not isinstance(answer, np.ndarray):
        raise TypeError(
            f"the strategy returned a {type(answer).__name__}, must return a Series or an array "
            "with one exposure per bar"
        )
    found = answer.astype(np.float64)
    if found.shape != (len(klines),):
        raise ValueError(f"the strategy returned shape {found.shape}, must be ({len(klines)},)")
    outside = (found < 0) | (found > 1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"exposure is {found[row]:g} at {klines.index[row]}, must be 0 to 1 (or NaN to hold); "
            "spot can neither be sold short nor bought on credit"
        )
    return found


def changes(wanted: npt.NDArray[np.float64], first: float) -> npt.NDArray[np.int64]:
    """Return the bars at whose close the target differs from the one before; it begins as `first`."""
    known = np.flatnonzero(~np.isnan(wanted))
    values = wanted[known]
    before = np.concatenate([[first], values[:-1]])
    differs: npt.NDArray[np.bool_] = values != before
    return np.compress(differs, known).astype(np.int64)
