"""A journal as frames: requests, orders, their events, fills, balances and equity.

Index `time` (datetime64[us, UTC], when the exchange acted); amounts are float64, or decimal128(38, 8)
with `decimal=True`; ids int64 (0 where there is none); words are categoricals.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bwsresearch.exchange.journal import Record
from bwsresearch.journals.files import read

__all__ = ["Frames"]

_DECIMAL: Final = pa.decimal128(38, 8)

Pick: TypeAlias = Callable[[Record], object]
"""Takes a field out of a record."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str  # amount, id, word, text, time, flag
    pick: Pick


def _amount(name: str, *path: str) -> _Column:
    return _Column(name, "amount", _picker(path, ""))


def _id(name: str, *path: str) -> _Column:
    return _Column(name, "id", _picker(path, 0))


def _word(name: str, *path: str) -> _Column:
    return _Column(name, "word", _picker(path, ""))


def _text(name: str, *path: str) -> _Column:
    return _Column(name, "text", _picker(path, ""))


def _picker(path: Sequence[str], missing: object) -> Pick:
    if len(path) == 1:
        (key,) = path
        return lambda record: record.get(key, missing)
    first, second = path
    return lambda record: record.get(first, {}).get(second, missing)


_EVENTS: Final = (
    _text("account", "account"),
    _word("symbol", "order", "symbol"),
    _id("order_id", "order", "orderId"),
    _text("client_order_id", "order", "clientOrderId"),
    _word("side", "order", "side"),
    _word("type", "order", "type"),
    _word("time_in_force", "order", "timeInForce"),
    _word("status", "order", "status"),
    _word("execution", "execution"),
    _word("cause", "cause"),
    _amount("price", "order", "price"),
    _amount("stop_price", "order", "stopPrice"),
    _amount("orig_qty", "order", "origQty"),
    _amount("executed_qty", "order", "executedQty"),
    _amount("cummulative_quote_qty", "order", "cummulativeQuoteQty"),
    _word("expiry_reason", "order", "expiryReason"),
    _id("execution_id", "executionId"),
)
_FILLS: Final = (
    _text("account", "account"),
    _word("symbol", "symbol"),
    _id("order_id", "orderId"),
    _id("trade_id", "tradeId"),
    _word("side", "side"),
    _amount("price", "px"),
    _amount("qty", "qty"),
    _amount("quote_qty", "quote"),
    _word("role", "role"),
    _amount("commission", "fee"),
    _word("commission_asset", "feeAsset"),
    _word("model", "model"),
    _word("evidence", "evidence", "kind"),
    _id("evidence_ref", "evidence", "ref"),
    _word("rule", "evidence", "rule"),
)
_BALANCES: Final = (
    _text("account", "account"),
    _word("asset", "asset"),
    _amount("free", "free"),
    _amount("locked", "locked"),
)
_REQUESTS: Final = (
    _id("seq", "seq"),
    _text("account", "account"),
    _word("method", "method"),
    _word("symbol", "params", "symbol"),
    _word("side", "params", "side"),
    _word("type", "params", "type"),
    _word("time_in_force", "params", "timeInForce"),
    _amount("price", "params", "price"),
    _amount("quantity", "params", "quantity"),
    _amount("quote_order_qty", "params", "quoteOrderQty"),
    _id("order_id", "orderId"),
    _text("client_order_id", "clientOrderId"),
    _id("status", "status"),
    _id("code", "code"),
    _text("msg", "msg"),
    _id("latency_us", "latency_us"),
    _id("weight", "weight"),
)


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one journal.

    `records` are those of `journals.read`, or of a journal that is being written.
    """

    records: Sequence[Record]

    @classmethod
    def of(cls, place: str | Path) -> "Frames":
        """Return the frames of a journal file or folder; a torn last line is left out.

        Raises:
            JournalError: when there is no journal, or it is damaged.
        """
        return cls(read(place).records)

    def requests(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per request, with what was answered: status, code, msg and ids.

        `latency_us` is from the request's arrival to its reply; `params` the request as JSON text.
        """
        replies = {record["of"]: record for record in self._of("res")}
        rows = [_joined(request, replies.get(request["seq"])) for request in self._of("req")]
        frame = _frame(_REQUESTS, rows, decimal=decimal)
        frame["params"] = [msgspec.json.encode(row.get("params", {})).decode() for row in rows]
        return frame

    def order_events(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per transition of an order, as it was right after it."""
        return _frame(_EVENTS, self._of("order"), decimal=decimal)

    def orders(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per order, in its last state, by the time it was placed."""
        last: dict[tuple[str, str, int], Record] = {}
        for record in self._of("order"):
            order = record["order"]
            name = record["account"], order["symbol"], order["orderId"]
            placed = last[name]["t"] if name in last else record["t"]
            last[name] = {**record, "t": placed}
        return _frame(_EVENTS, list(last.values()), decimal=decimal).drop(
            columns=["execution", "cause", "execution_id"]
        )

    def fills(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per fill with its commission, its model and its evidence."""
        return _frame(_FILLS, self._of("fill"), decimal=decimal)

    def balances(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per change of a balance: account, asset, free and locked after it."""
        return _frame(_BALANCES, self._of("bal"), decimal=decimal)

    def equity(self, prices: Mapping[str, "pd.Series[float]"], account: str) -> "pd.Series[float]":
        """Return what an account was worth at each change and each price, in the priced asset.

        `prices` has a Series by time for every asset but the one that is counted in; an asset is
        worth nothing before its first price.
        """
        table = self.balances()
        table = table[table["account"] == account]
        priced = {name: _latest(series) for name, series in prices.items()}
        stamps = pd.DatetimeIndex(table.index.unique())
        for series in priced.values():
            stamps = stamps.union(pd.DatetimeIndex(series.index))
        worth = pd.Series(0.0, index=stamps.rename("time"), name="equity")
        for asset, rows in table.groupby("asset", observed=True):
            held = _latest(rows["free"] + rows["locked"]).reindex(stamps).ffill().fillna(0.0)
            if str(asset) in priced:
                held *= priced[str(asset)].reindex(stamps).ffill().fillna(0.0)
            worth += held.to_numpy()
        return worth

    def prices(self, quote: str) -> "dict[str, pd.Series[float]]":
        """Return the last prices of assets in `quote` that the exchange had seen at each request."""
        seen: dict[str, dict[int, float]] = {}
        for record in self._of("res"):
            for symbol, price in record.get("last", {}).items():
                if symbol.endswith(quote):
                    seen.setdefault(symbol.removesuffix(quote), {})[record["t"]] = float(price)
        return {
            asset: pd.Series(
                list(marks.values()), index=_index(np.fromiter(marks, np.int64, len(marks)))
            )
            for asset, marks in seen.items()
        }

    def to_parquet(self, folder: str | Path) -> list[Path]:
        """Write all tables as Parquet with decimal128(38, 8) amounts; return the files."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        made = []
        for name in ("requests", "orders", "order_events", "fills", "balances"):
            path = target / f"{name}.parquet"
            table = pa.Table.from_pandas(getattr(self, name)(decimal=True))
            pq.write_table(table, path, compression="zstd")
            made.append(path)
        return made

    def _of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record["k"] == kind]


def _latest(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return the last value at each time."""
    return series[~series.index.duplicated(keep="last")]


def _joined(request: Record, reply: Record | None) -> Record:
    row = dict(request)
    params = request.get("params") or {}
    row["clientOrderId"] = params.get("newClientOrderId") or params.get("origClientOrderId") or ""
    row["orderId"] = int(params.get("orderId") or 0)
    if reply is not None:
        row |= {name: reply[name] for name in ("status", "code", "msg", "weight") if name in reply}
        row["latency_us"] = (reply.get("done_ns", 0) - request.get("recv_ns", 0)) // 1000
        body = reply.get("body")
        if isinstance(body, dict):
            row["orderId"] = body.get("orderId", row["orderId"])
            row["clientOrderId"] = body.get("clientOrderId", row["clientOrderId"])
    return row


def _frame(columns: Iterable[_Column], rows: Sequence[Record], *, decimal: bool) -> pd.DataFrame:
    index = _index(np.fromiter((row["t"] for row in rows), np.int64, len(rows)))
    data = {one.name: _values(one, rows, decimal=decimal) for one in columns}
    return pd.DataFrame(data, index=index)


def _index(nanoseconds: "np.ndarray[Any, np.dtype[np.int64]]") -> pd.DatetimeIndex:
    stamps = (nanoseconds // 1000).view("M8[us]")
    return pd.DatetimeIndex(stamps).tz_localize("UTC").rename("time")


def _values(column: _Column, rows: Sequence[Record], *, decimal: bool) -> Any:
    picked = [column.pick(row) for row in rows]
    if column.kind == "amount":
        if decimal:
            texts = pa.array([str(value) if value != "" else None for value in picked], pa.string())
            return pd.array(texts.cast(_DECIMAL), dtype=pd.ArrowDtype(_DECIMAL))
        return np.fromiter(
            (float(str(v)) if v != "" else np.nan for v in picked), np.float64, len(rows)
        )
    if column.kind == "id":
        return np.fromiter((int(str(value or 0)) for value in picked), np.int64, len(rows))
    if column.kind == "word":
        return pd.Categorical([str(value) if value != "" else None for value in picked])
    return np.array([str(value) for value in picked], dtype=object)
