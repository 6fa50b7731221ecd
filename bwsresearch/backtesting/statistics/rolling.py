"""Figures of every window of returns: arrays in, arrays out, NaN until the first window is full."""

import math

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.statistics.periods import Floats

__all__ = ["rolling"]


def rolling(own: Floats, market: Floats, window: int, per_year: float) -> dict[str, Floats]:
    """Return figures of each window of so many returns, by name, at the window's last return.

    Volatility, sharpe, sortino and alpha are for a year; `max_drawdown` counts from the window's start.
    """
    if len(own) < window:
        return dict.fromkeys(_NAMES, np.full(len(own), np.nan))
    with np.errstate(all="ignore"):
        found = _figures(_windows(own, window), _windows(market, window), per_year)
    empty = np.full(window - 1, np.nan)
    return {name: np.concatenate([empty, found[name]]) for name in _NAMES}


_NAMES = (
    "return", "volatility", "sharpe", "sortino", "max_drawdown", "beta", "alpha", "correlation",
)  # fmt: skip


def _windows(returns: Floats, window: int) -> npt.NDArray[np.float64]:
    return np.lib.stride_tricks.sliding_window_view(returns, window)


def _figures(
    own: npt.NDArray[np.float64], market: npt.NDArray[np.float64], per_year: float
) -> dict[str, Floats]:
    mean, held = own.mean(axis=1), market.mean(axis=1)
    spread = own.std(axis=1, ddof=1)
    downside = np.sqrt((np.minimum(own, 0.0) ** 2).mean(axis=1))
    apart, beside = own - mean[:, None], market - held[:, None]
    together, of_market = (apart * beside).sum(axis=1), (beside**2).sum(axis=1)
    beta = _ratio(together, of_market)
    root = math.sqrt(per_year)
    curve = np.cumprod(own + 1.0, axis=1)
    peak = np.maximum(np.maximum.accumulate(curve, axis=1), 1.0)
    return {
        "return": curve[:, -1] - 1.0,
        "volatility": spread * root,
        "sharpe": _ratio(mean, spread) * root,
        "sortino": _ratio(mean, downside) * root,
        "max_drawdown": (curve / peak - 1.0).min(axis=1),
        "beta": beta,
        "alpha": (mean - beta * held) * per_year,
        "correlation": _ratio(together, np.sqrt(of_market * (apart**2).sum(axis=1))),
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    found: Floats = np.where(below != 0.0, above / below, np.nan)
    return found
