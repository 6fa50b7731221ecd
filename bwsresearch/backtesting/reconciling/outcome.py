"""What a comparison found: a row for each order, a column for each reason, and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting.figures import amount
from bwsresearch.backtesting.reconciling.facts import Effect, pairs
from bwsresearch.backtesting.reconciling.sides import Side, Traded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["REASONS", "Reconciliation"]

REASONS: Final = (
    "arithmetic", "timing", "price", "fee", "rounding", "filter", "partial_fill", "missed",
    "quantity",
)  # fmt: skip
"""Why runs differ; "quantity" is what was sent in another size than the exact run would have."""


@dataclass(frozen=True, eq=False, repr=False)
class Reconciliation:
    """The difference of two runs, in the quote asset.

    Attributes:
        names: what the sides are: kernel, backtest, paper, a server, account.
        equity: the final equity of each.
        table: one row per order that either side sent, by the time it was decided (UTC): symbol, side,
            status_a, status_b, qty_a, qty_b (base executed), price_a, price_b (means, NaN without a
            fill), fee_a, fee_b (in quote), then the effect of each reason and their sum `effect`.
    """

    names: tuple[str, str]
    equity: tuple[float, float]
    quote_asset: str
    table: pd.DataFrame
    residual: float
    """What the effects do not add up to, in quote: 0."""

    @classmethod
    def of(cls, one: Side, two: Side, effects: Sequence[Effect]) -> "Reconciliation":
        """Return what was found."""
        total = sum((effect.amount for effect in effects), Fraction(0))
        quote = next(iter(one.bars.values())).quote
        return cls(
            (one.name, two.name),
            (float(one.final), float(two.final)),
            quote,
            _table(one, two, effects),
            float(two.final - one.final - total),
        )

    @property
    def difference(self) -> float:
        """The final equity of the second less that of the first."""
        return self.equity[1] - self.equity[0]

    @cached_property
    def summary(self) -> "pd.Series[float]":
        """The effect of each reason that has one, and `total`, in quote."""
        sums = {name: float(self.table[name].sum()) for name in REASONS}
        found = {name: value for name, value in sums.items() if self.table[name].any()}
        return pd.Series({**found, "total": sum(found.values())}, dtype=np.float64, name="effect")

    @property
    def differing(self) -> pd.DataFrame:
        """The rows of orders that did not do the same on both sides."""
        rows = self.table
        same = (rows["status_a"].astype(str) == rows["status_b"].astype(str)) & (
            rows["qty_a"] == rows["qty_b"]
        )
        same &= (rows["fee_a"] == rows["fee_b"]) & (rows["effect"] == 0)
        same &= (rows["price_a"] == rows["price_b"]) | rows["price_a"].isna()
        return rows[~same]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the way from one final equity to the other, a step for each reason."""
        if ax is None:
            ax = plot.shown(9, 1.2 + 0.45 * (len(self.summary) + 2)).subplots()
        steps = self.summary.drop("total")
        return plot.waterfall(
            ax,
            [name.replace("_", " ") for name in steps.index],
            steps.to_numpy(np.float64).tolist(),
            start=self.equity[0],
            end=self.equity[1],
            unit=self.quote_asset,
            names=self.names,
        )

    def __repr__(self) -> str:
        return cards.text_card(self._title, self._lines, self._note)

    def _repr_html_(self) -> str:
        return cards.html_card(self._title, self._lines, self._note)

    @property
    def _title(self) -> str:
        return f"From {self.names[0]} to {self.names[1]}"

    @property
    def _lines(self) -> Mapping[str, str]:
        steps = self.summary.drop("total")
        return {
            f"from {self.names[0]}, {self.quote_asset}": amount(self.equity[0]),
            **{str(name).replace("_", " "): _signed(value) for name, value in steps.items()},
            f"to {self.names[1]}, {self.quote_asset}": amount(self.equity[1]),
            "orders that differ": f"{len(self.differing):,} of {len(self.table):,}",
        }

    @property
    def _note(self) -> str:
        return f"each reason measured by switching it alone; residual {self.residual:.1e}"


def _signed(value: float) -> str:
    """Return an amount with its sign, to the exchange's eight decimals."""
    return f"{round(value, 8) + 0.0:+,.8g}"


def _table(one: Side, two: Side, effects: Sequence[Effect]) -> pd.DataFrame:
    rows = list(pairs(one.orders, two.orders))
    rows.sort(key=lambda pair: (pair[0] or pair[1]).time)  # type: ignore[union-attr] # one at least
    amounts = _by_key(effects)
    columns: dict[str, list[object]] = {name: [] for name in _COLUMNS}
    times: list[int] = []
    for pair in rows:
        first = pair[0] or pair[1]
        assert first is not None  # noqa: S101 - a pair has one at least
        bars = one.bars[first.symbol]
        times.append(int(bars.over[first.bar]) if first.bar >= 0 else first.time)
        columns["symbol"].append(first.symbol)
        columns["side"].append(first.side)
        for end, order in zip("ab", pair, strict=True):
            _add(columns, end, order, bars.base)
        found: dict[str, Fraction] = {}
        for order in pair:
            if order is not None:
                for reason, change in amounts.pop(order.key, {}).items():
                    found[reason] = found.get(reason, Fraction(0)) + change
        _add_effects(columns, found)
    for key, rest in amounts.items():  # of orders that only a run in between has sent
        bars = one.bars[key[0]]
        times.append(int(bars.over[max(key[1], 0)]))
        columns["symbol"].append(key[0])
        columns["side"].append(key[2])
        for end in "ab":
            _add(columns, end, None, bars.base)
        _add_effects(columns, rest)
    index = pd.DatetimeIndex(np.array(times, "M8[ms]").astype("M8[us]"), name="time")
    table = pd.DataFrame(columns, index=index.tz_localize("UTC"))
    for name in ("symbol", "side", "status_a", "status_b"):
        table[name] = pd.Categorical(table[name])
    numbers = [name for name in table.columns if name not in _WORDS]
    return table.astype(dict.fromkeys(numbers, np.float64)).sort_index(kind="stable")


_WORDS: Final = frozenset({"symbol", "side", "status_a", "status_b"})
_COLUMNS: Final = (
    "symbol", "side", "status_a", "status_b", "qty_a", "qty_b", "price_a", "price_b", "fee_a",
    "fee_b", *REASONS, "effect",
)  # fmt: skip


def _add(columns: dict[str, list[object]], end: str, order: Traded | None, base: str) -> None:
    if order is None:
        values: tuple[object, ...] = ("", 0.0, np.nan, 0.0)
    else:
        fee = sum(
            (part * order.price if asset == base else part for asset, part in order.fees.items()),
            Fraction(0),
        )
        price = float(order.price) if order.qty else np.nan
        values = (order.status, float(order.qty), price, float(fee))
    for name, value in zip(("status", "qty", "price", "fee"), values, strict=True):
        columns[f"{name}_{end}"].append(value)


def _add_effects(columns: dict[str, list[object]], found: Mapping[str, Fraction]) -> None:
    for name in REASONS:
        columns[name].append(float(found.get(name, 0)))
    columns["effect"].append(float(sum(found.values(), Fraction(0))))


def _by_key(effects: Sequence[Effect]) -> dict[tuple[str, int, str], dict[str, Fraction]]:
    found: dict[tuple[str, int, str], dict[str, Fraction]] = {}
    for key, reason, change in effects:
        row = found.setdefault(key, {})
        row[reason] = row.get(reason, Fraction(0)) + change
    return found
