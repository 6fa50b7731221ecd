"""A journal as frames: requests, orders, their events, fills, balances and equity.

Index `time` (datetime64[us, UTC], when the exchange acted); amounts are float64, or decimal128(38, 8)
with `decimal=True`, missing where there is none; ids int64 (0 where there is none); words are
categoricals.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bwsresearch import heap
from bwsresearch.exchange.journal import Record
from bwsresearch.journals.columns import BALANCES, EVENTS, FILLS, REQUESTS, Column
from bwsresearch.journals.files import lines_of
from bwsresearch.journals.marks import rates
from bwsresearch.journals.rows import Balance, Event, Fill, Marks, Row, joined

__all__ = ["Frames"]

_DECIMAL: Final = pa.decimal128(38, 8)
_TABLES: Final = ("requests", "orders", "order_events", "fills", "balances")

R = TypeVar("R")
Prices: TypeAlias = Mapping[str, "pd.Series[float]"]
"""Of each asset its prices in another one, by time (UTC)."""


class Frames:
    """The frames of one journal.

    `lines` are its lines by the kinds of their records, as `files.lines_of` gives them; each kind is
    read when a frame needs it.
    """

    def __init__(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        self._lines = lines
        self._rows: dict[tuple[str, object], list[Any]] = {}

    @classmethod
    def of(cls, place: str | Path) -> "Frames":
        """Return the frames of a journal file or folder; a torn last line is left out.

        Raises:
            JournalError: when there is no journal, or it is damaged.
        """
        return cls(lines_of(Path(place).expanduser()))

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def requests(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per order request, refused ones and tests included, with its answer.

        `status`, `code` and `msg` are the exchange's; `outcome` is the error of a request that a
        client got no answer to, such as OutcomeUnknown. `latency_us` is from the request to its
        reply, 0 of an exchange in this process; `weight` what the exchange charges; `params` the
        request as JSON text.
        """
        with heap.uncollected():
            replies = {record["of"]: record for record in self._of("res", Record)}
            asked = self._of("req", Record)
            rows = [joined(request, replies.get(request["seq"])) for request in asked]
            frame = _frame(REQUESTS, rows, decimal=decimal)
            params = [msgspec.json.encode(row.params).decode() for row in rows]
            return frame.assign(params=np.array(params, dtype=object))

    def order_events(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per transition of an order, as it was right after it."""
        return _frame(EVENTS, self._of("order", Event), decimal=decimal)

    def orders(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per order in its last state, by the time it was placed; with `update_time`."""
        placed: dict[tuple[str, str, int], int] = {}
        last: dict[tuple[str, str, int], Event] = {}
        for event in self._of("order", Event):
            name = event.account, event.order.symbol, event.order.order_id
            placed.setdefault(name, event.t)
            last[name] = event
        columns = [one for one in EVENTS if one.name not in ("execution", "cause", "execution_id")]
        rows = list(last.values())
        frame = _frame(columns, rows, decimal=decimal)
        frame["update_time"] = _index(_nanoseconds(rows) // 1_000_000 * 1_000_000)
        return frame.set_index(_index(np.fromiter(placed.values(), np.int64, len(placed))))

    def fills(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per fill with its commission, its model and its evidence.

        The evidence is what of the market the fill rests on: `evidence` (print, level, bar or order),
        `evidence_ref` (its id), `evidence_time`, `evidence_price`, `available` (what was left of it
        before) and `rule` (how the model used it). `ahead_before` and `ahead_after` are what stood
        before the order in the market's queue, missing where that was not known.
        """
        return _frame(FILLS, self._of("fill", Fill), decimal=decimal)

    def balances(self, *, decimal: bool = False) -> pd.DataFrame:
        """Return one row per change of a balance: account, asset, free and locked after it."""
        return _frame(BALANCES, self._of("bal", Balance), decimal=decimal)

    def equity(
        self, quote: str, prices: Prices | None = None, *, account: str | None = None
    ) -> "pd.Series[float]":
        """Return what an account was worth in `quote` at each change and at each price.

        Before its first price an asset counts at that; without any, it counts nothing.

        Args:
            quote: the asset to count in, such as "USDT".
            prices: of each other asset its prices in `quote`; those of `self.prices` when left out.
            account: whose; needed when the journal has several.

        Raises:
            ValueError: when there are several accounts and none is named.
        """
        name = self._account(account)
        rows = [row for row in self._of("bal", Balance) if row.account == name]
        # Symbols are looked at one after the other: what was changed later counts as later.
        times = np.maximum.accumulate(_nanoseconds(rows)) if rows else _nanoseconds(rows)
        table = _frame(BALANCES, rows, decimal=False).set_index(_index(times))
        priced = {k: _latest(v) for k, v in (prices or self.prices(quote)).items()}
        stamps = table.index.unique()
        for series in priced.values():
            stamps = stamps.union(series.index)
        worth = pd.Series(0.0, index=pd.DatetimeIndex(stamps, name="time"), name="equity")
        for asset, changes in table.groupby("asset", observed=True):
            held = _latest(changes["free"] + changes["locked"]).reindex(stamps).ffill().fillna(0.0)
            if str(asset) in priced:
                held *= priced[str(asset)].reindex(stamps).ffill().bfill()
            if str(asset) in (quote, *priced):
                worth += held.to_numpy()
        return worth

    def _account(self, account: str | None) -> str:
        names = list(dict.fromkeys(row.account for row in self._of("bal", Balance)))
        if account is None and len(names) > 1:
            raise ValueError(f"account is left out, must be one of {', '.join(names)}")
        return account or next(iter(names), "")

    def prices(self, quote: str) -> "dict[str, pd.Series[float]]":
        """Return the last prices of assets in `quote` that the exchange had seen at each request."""
        listings = [*self._of("open", Record), *self._of("list", Record)]
        marks = [*self._of("res", Marks), *self._of("mark", Marks)]
        return rates(listings, marks, quote)

    def to_parquet(self, folder: str | Path) -> list[Path]:
        """Write all tables as Parquet with decimal128(38, 8) amounts; return the files."""
        target = Path(folder).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        made = []
        for name in _TABLES:
            path = target / f"{name}.parquet"
            table = pa.Table.from_pandas(getattr(self, name)(decimal=True))
            pq.write_table(table, path, compression="zstd")
            made.append(path)
        return made

    def _of(self, kind: str, form: type[R]) -> list[R]:
        """Return the records of a kind in the form of a row."""
        rows = self._rows.get((kind, form))
        if rows is None:
            decode = msgspec.json.Decoder(form).decode
            with heap.uncollected():
                rows = list(map(decode, self._lines.get(kind, ())))
            self._rows[kind, form] = rows
        return rows


def _latest(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return the last value at each time."""
    return series[~series.index.duplicated(keep="last")]


def _frame(columns: Iterable[Column], rows: Sequence[Row], *, decimal: bool) -> pd.DataFrame:
    with heap.uncollected():
        data = {one.name: _values(one, rows, decimal=decimal) for one in columns}
        return pd.DataFrame(data, index=_index(_nanoseconds(rows)))


def _nanoseconds(rows: Sequence[Row]) -> npt.NDArray[np.int64]:
    return np.fromiter((row.t for row in rows), np.int64, len(rows))


def _index(nanoseconds: npt.NDArray[np.int64]) -> pd.DatetimeIndex:
    stamps = (nanoseconds // 1000).view("M8[us]")
    return pd.DatetimeIndex(stamps).tz_localize("UTC").rename("time")


def _values(column: Column, rows: Sequence[Row], *, decimal: bool) -> Any:
    picked = list(map(attrgetter(column.path), rows))
    match column.kind:
        case "amount" | "queue":
            known = column.kind == "amount"
            texts = picked if known else [None if str(v).startswith("-") else v for v in picked]
            return _decimals(texts) if decimal else _floats(texts)
        case "id":
            return _wholes(picked)
        case "time":
            stamps = np.array(
                [np.iinfo(np.int64).min if v is None else v for v in picked], np.int64
            )
            return pd.DatetimeIndex((stamps.view("M8[ms]")).astype("M8[us]")).tz_localize("UTC")
        case "word":
            return _words(picked)
        case _:
            return np.array(["" if v is None else str(v) for v in picked], dtype=object)


def _words(picked: Sequence[object]) -> pd.Categorical:
    known = {value: None if value in (None, "") else str(value) for value in set(picked)}
    return pd.Categorical([known[value] for value in picked])


def _wholes(picked: Sequence[object]) -> npt.NDArray[np.int64]:
    if set(map(type, picked)) <= {int}:
        with contextlib.suppress(OverflowError):
            return np.array(picked, np.int64)
    return np.fromiter((_whole(value) for value in picked), np.int64, len(picked))


# What a refused request says is verbatim, and need not be a number.


def _floats(texts: Sequence[object]) -> npt.NDArray[np.float64]:
    try:
        strings = pa.array([text or None for text in texts], pa.string())
        numbers = strings.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.where(np.isinf(numbers), np.nan, numbers)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        exact = (_exact(text) for text in texts)
        return np.array([np.nan if one is None else float(one) for one in exact], np.float64)


def _decimals(texts: Sequence[object]) -> Any:
    try:
        strings = pa.array([text or None for text in texts], pa.string())
        amounts = strings.cast(_DECIMAL)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        amounts = pa.array([_exact(text) for text in texts], _DECIMAL)
    return pd.array(amounts, dtype=pd.ArrowDtype(_DECIMAL))


def _exact(text: object) -> Decimal | None:
    """Return an amount that fits decimal128(38, 8), None for anything else."""
    try:
        number = Decimal(str(text))
        is_fitting = number.is_finite() and number == number.quantize(Decimal("1e-8"))
    except InvalidOperation:
        return None
    return number.quantize(Decimal("1e-8")) if is_fitting else None


def _whole(value: object) -> int:
    try:
        number = int(str(value or 0))
    except ValueError:
        return 0
    return number if abs(number) < 2**63 else 0
