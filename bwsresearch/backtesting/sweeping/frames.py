"""The klines of a sweep: of one symbol, of several side by side, or by name."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bwsresearch.backtesting.exposure import checked_klines
from bwsresearch.tables import KLINES

__all__ = ["frames_of"]


def frames_of(klines: object) -> dict[str, pd.DataFrame]:
    """Return checked klines by symbol; one symbol alone has the name "".

    Raises:
        ValueError: when there are none, or they cannot be walked through.
        TypeError: when they are neither a frame nor frames by name.
    """
    if isinstance(klines, Mapping):
        if not klines:
            raise ValueError("klines is empty, give one frame at least")
        return {str(name): checked_klines(frame) for name, frame in klines.items()}
    if isinstance(klines, pd.DataFrame) and klines.columns.nlevels > 1:
        symbols = [str(name) for name in klines.columns.get_level_values(-1).unique()]
        return {symbol: checked_klines(_one_of(klines, symbol, symbols)) for symbol in symbols}
    return {"": checked_klines(klines)}  # type: ignore[arg-type] # it refuses what is none


def _one_of(wide: pd.DataFrame, symbol: str, symbols: list[str]) -> pd.DataFrame:
    """Return the bars that one symbol has, as `bws.klines` gives them for it alone."""
    part = wide.xs(symbol, axis=1, level=-1)
    found = pd.DataFrame(part[part["close"].notna()])
    for name, dtype in KLINES.dtypes.items():
        if name in found.columns and name not in KLINES.stamps and dtype == np.int64:
            found[name] = found[name].astype(np.int64)
    found.columns.name = None
    found.attrs = {
        key: value[symbol] if isinstance(value, dict) and set(value) == set(symbols) else value
        for key, value in wide.attrs.items()
    } | {"symbol": symbol}
    return found
