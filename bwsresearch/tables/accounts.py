"""An account's trades and orders to DataFrames: dtypes, index and attrs as of all others."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.protocol.results import MyTrade, Order
from bwsresearch.tables.columns import micros

__all__ = ["all_orders_frame", "my_trades_frame"]


def my_trades_frame(rows: Sequence[MyTrade], attrs: Mapping[str, object]) -> pd.DataFrame:
    """Return an account's trades by time: ids int64, amounts float64, flags bool."""
    return _frame(
        {
            "id": _whole([row.id for row in rows]),
            "order_id": _whole([row.order_id for row in rows]),
            "order_list_id": _whole([row.order_list_id for row in rows]),
            "price": _floats([row.price for row in rows]),
            "qty": _floats([row.qty for row in rows]),
            "quote_qty": _floats([row.quote_qty for row in rows]),
            "commission": _floats([row.commission for row in rows]),
            "commission_asset": _words([row.commission_asset for row in rows]),
            "is_buyer": _flags([row.is_buyer for row in rows]),
            "is_maker": _flags([row.is_maker for row in rows]),
            "is_best_match": _flags([row.is_best_match for row in rows]),
        },
        [row.time for row in rows],
        attrs,
    )


def all_orders_frame(rows: Sequence[Order], attrs: Mapping[str, object]) -> pd.DataFrame:
    """Return an account's orders by the time they were placed; what an order lacks is missing."""
    return _frame(
        {
            "order_id": _whole([row.order_id for row in rows]),
            "order_list_id": _whole([row.order_list_id for row in rows]),
            "client_order_id": np.array([row.client_order_id for row in rows], dtype=object),
            "price": _floats([row.price for row in rows]),
            "orig_qty": _floats([row.orig_qty for row in rows]),
            "executed_qty": _floats([row.executed_qty for row in rows]),
            "cummulative_quote_qty": _floats([row.cummulative_quote_qty for row in rows]),
            "status": _words([row.status for row in rows]),
            "time_in_force": _words([row.time_in_force for row in rows]),
            "type": _words([row.type for row in rows]),
            "side": _words([row.side for row in rows]),
            "stop_price": _floats([row.stop_price for row in rows]),
            "iceberg_qty": _floats([row.iceberg_qty for row in rows]),
            "update_time": _stamps([row.update_time for row in rows]),
            "is_working": _flags([row.is_working for row in rows]),
            "working_time": _stamps([row.working_time for row in rows]),
            "orig_quote_order_qty": _floats([row.orig_quote_order_qty for row in rows]),
            "self_trade_prevention_mode": _words([row.self_trade_prevention_mode for row in rows]),
            "expiry_reason": _words([row.expiry_reason for row in rows]),
        },
        [row.time for row in rows],
        attrs,
    )


def _frame(
    columns: Mapping[str, Any], times: Sequence[int], attrs: Mapping[str, object]
) -> pd.DataFrame:
    result = pd.DataFrame(dict(columns), index=_stamps(times).rename("time"))
    result.attrs.update(msgspec.json.decode(msgspec.json.encode(attrs), type=dict[str, object]))
    return result


def _whole(values: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


def _floats(values: Sequence[object]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if one is None else float(str(one)) for one in values], np.float64)


def _flags(values: Sequence[bool]) -> npt.NDArray[np.bool_]:
    return np.array(values, np.bool_)


def _words(values: Sequence[str | None]) -> pd.Categorical:
    return pd.Categorical([*values])


def _stamps(values: Sequence[int]) -> pd.DatetimeIndex:
    """Return times in ms or us as datetime64[us, UTC]; -1 is none."""
    times = np.array(values, np.int64)
    stamps = np.where(times < 0, np.iinfo(np.int64).min, micros(times))
    return pd.DatetimeIndex(stamps.view("M8[us]")).tz_localize("UTC")
