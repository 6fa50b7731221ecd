"""One run of the kernel, with frames like those of an exact run."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bwsresearch.backtesting.exposure import Answer, Strategy, answer, checked_klines
from bwsresearch.backtesting.kernel.headlines import equity, headlines, returns, spans
from bwsresearch.backtesting.kernel.market import Ints, Market
from bwsresearch.backtesting.kernel.terms import Terms
from bwsresearch.backtesting.kernel.track import CANCELED, FILLED, NEW, Start, Track, follow
from bwsresearch.backtesting.naming import amount, assets, default_params, strategy_name
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.statistics import ends

__all__ = ["Balances", "KernelResult", "run", "start_of"]

Balances: TypeAlias = Mapping[str, float | int | str | Decimal]

_SIDES: Final = pd.CategoricalDtype(["BUY", "SELL"])
_STATUSES: Final = pd.CategoricalDtype(["FILLED", "REJECTED", "CANCELED", "NEW"])
_CODES: Final = {FILLED: 0, CANCELED: 2, NEW: 3}
_REPLACED: Final = "replaced before a trade"


def run(
    klines: pd.DataFrame,
    strategy: "Strategy | pd.Series[Any]",
    *,
    balances: Balances,
    rules: Rules | None = None,
    params: Mapping[str, object] | None = None,
) -> "KernelResult":
    """Run a strategy over closed klines of one symbol, in float64.

    Arguments are those of `bws.backtest`. Of the rules, steps, minimums, participation and latency
    are left out: amounts are continuous and every order is filled whole.

    Raises:
        ValueError: for klines, exposures, balances or rules that cannot be meant.
        TypeError: when the strategy is no function, or answers with something else than numbers.
    """
    table, chosen = checked_klines(klines), rules if rules is not None else Rules()
    base, quote = assets(table.attrs.get("symbol"), balances)
    terms, start = Terms.of(chosen), start_of(base, quote, balances)
    wanted = answer(table, strategy, params or {})
    market = Market.of(table)
    return KernelResult(
        klines=table,
        base_asset=base,
        quote_asset=quote,
        rules=chosen,
        strategy=strategy_name(strategy, table),
        params=default_params(strategy) | dict(params or {}),
        balances=dict(balances),
        targets=wanted,
        market=market,
        start=start,
        track=follow(market, wanted, terms, start),
    )


def start_of(base: str, quote: str, balances: Balances) -> Start:
    """Return what is there before the first bar.

    Raises:
        ValueError: when that is nothing, or no number.
    """
    start = Start(*(float(amount(name, balances.get(name, 0))) for name in (base, quote)))
    if not any(start):
        raise ValueError(f"balances are 0, a run needs some {quote} or {base} to start with")
    return start


@dataclass(frozen=True, eq=False, repr=False)
class KernelResult:
    """What a run did; frames are made when they are asked for.

    Amounts are in the quote asset unless a column says otherwise.
    """

    klines: pd.DataFrame
    base_asset: str
    quote_asset: str
    rules: Rules
    strategy: str
    params: dict[str, object]
    """The strategy's parameters by name, its defaults among them."""
    balances: Balances
    """What was there at the start."""
    targets: Answer
    """The target exposure at the close of each bar: NaN holds, True is 1."""
    market: Market
    start: Start
    track: Track

    @cached_property
    def equity(self) -> "pd.Series[float]":
        """The account's worth at each bar's close, float64 in quote, by open time (UTC)."""
        worth = equity(self.market, spans(self.market, self.track, self.start))
        return pd.Series(worth, index=self.klines.index, name="equity", copy=False)

    @property
    def final_equity(self) -> float:
        """The account's worth at the last close."""
        return self.headlines["final_equity"]

    @property
    def initial_equity(self) -> float:
        """The account's worth before the first bar, at its open."""
        return self.start.quote + self.start.base * float(self.market.opens[0])

    @cached_property
    def headlines(self) -> dict[str, float]:
        """The figures that `bws.sweep` compares, by name; parts of one, money in quote."""
        return headlines(self.market, Terms.of(self.rules), self.track, self.start)

    @cached_property
    def returns(self) -> "npt.NDArray[np.float64]":
        """What every UTC day returned, every bar where bars are longer."""
        held = spans(self.market, self.track, self.start)
        return returns(self.market, held, self.initial_equity)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, by the open time of the bar at whose close it was sent.

        Columns: side, qty (base, of sales), quote_qty (of buys), target, status (FILLED, CANCELED:
        the target changed again before a trade, NEW: nothing was traded any more), reason.
        """
        track = self.track
        codes = np.array([_CODES[status] for status in track.status.tolist()], np.int8)
        replaced = track.status == CANCELED
        terms = Terms.of(self.rules)
        # An order names what it spends on base; a fee in quote comes on top.
        named = track.asked if terms.in_base else track.asked / (1.0 + terms.fee)
        return pd.DataFrame(
            {
                "side": _sides(track.is_buy),
                "qty": np.where(track.is_buy, 0.0, track.asked),
                "quote_qty": np.where(track.is_buy, named, 0.0),
                "target": track.target,
                "status": pd.Categorical.from_codes(codes, dtype=_STATUSES),
                "reason": pd.Categorical(np.where(replaced, _REPLACED, "")),
            },
            index=self._times(track.sent, "open_time"),
        )

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row per trade, by its time: an open, or when the bar is over whose close it has.

        Columns: order (row of `orders`), side, price, qty (base), quote_qty, fee, fee_asset, and the
        balances after it, base and quote.
        """
        track = self.track
        is_buy = track.is_buy[track.order]
        in_base = is_buy & (self.rules.fee_asset == "received")
        assets_of = pd.CategoricalDtype([self.base_asset, self.quote_asset])
        return pd.DataFrame(
            {
                "order": track.order,
                "side": _sides(is_buy),
                "price": track.price,
                "qty": track.qty,
                "quote_qty": track.quote_qty,
                "fee": track.fee,
                "fee_asset": pd.Categorical.from_codes(
                    np.where(in_base, 0, 1).astype(np.int8), dtype=assets_of
                ),
                "base": track.base,
                "quote": track.quote,
            },
            index=self._fill_times,
        )

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return (
            f"<KernelResult {self.strategy}({given}), {len(self.track.bar):,} fills, "
            f"final equity {self.final_equity:,.2f} {self.quote_asset}>"
        )

    @property
    def _fill_times(self) -> pd.DatetimeIndex:
        if self.rules.fill != "close":
            return self._times(self.track.at, "time")
        over = ends(self.klines.index)
        opened = pd.DatetimeIndex(self.klines.index).as_unit("us").asi8
        over[:-1] = np.minimum(over[:-1], opened[1:])
        times = pd.DatetimeIndex(over[self.track.at].astype("M8[us]"), name="time")
        return times.tz_localize("UTC")

    def _times(self, bars: Ints, name: str) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.klines.index[bars]).rename(name)


def _sides(is_buy: "npt.NDArray[np.bool_]") -> pd.Categorical:
    return pd.Categorical.from_codes(np.where(is_buy, 0, 1).astype(np.int8), dtype=_SIDES)
