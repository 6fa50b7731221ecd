"""What a run did: orders as they were sent and ended, and the trades that they made.

Amounts are in units, of which `scale` make 1; prices in 1e-8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, repeat
from typing import NamedTuple

__all__ = ["Fill", "Order", "Record"]


class Order(NamedTuple):
    """One order: decided at the close of `bar` (a row of the klines of `symbol`), at `time`, epoch ms.

    A buy at market by an amount of quote has `quote_qty`, any other order `qty`; prices are 0 where
    there are none. `target` is the exposure that it was for, NaN when it was for none. `status` is
    the exchange's, or REJECTED with the filter or the exchange's words as `reason`.
    """

    bar: int
    time: int
    symbol: str
    side: str
    type: str
    qty: int
    quote_qty: int
    price: int
    stop_price: int
    target: float
    status: str
    executed: int
    reason: str


class Fill(NamedTuple):
    """One trade of an order (its place in the record) at `time`, within `bar`, -1 before the first."""

    order: int
    bar: int
    time: int
    symbol: str
    side: str
    price: int
    qty: int
    quote_qty: int
    fee: int
    fee_asset: str
    is_maker: bool

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sale."""
        return 1 if self.side == "BUY" else -1


@dataclass(frozen=True)
class Record:
    """Orders and fills in the order in which they happened; `start` is what was there, by asset.

    `assets` are base and quote of each symbol.
    """

    start: Mapping[str, int]
    scale: int
    assets: Mapping[str, tuple[str, str]]
    orders: Sequence[Order] = field(default_factory=list)
    fills: Sequence[Fill] = field(default_factory=list)

    def changes(self, asset: str) -> bool:
        """Whether any fill changed an asset."""
        return asset in self._steps

    def balances(self, asset: str) -> list[int]:
        """Return how much of an asset there was: at the start, and after each fill."""
        steps = self._steps.get(asset) or repeat(0, len(self.fills))
        return list(accumulate(steps, initial=self.start.get(asset, 0)))

    @cached_property
    def _steps(self) -> dict[str, list[int]]:
        """What each fill changed of each asset, its fee among it."""
        count = len(self.fills)
        found: dict[str, list[int]] = {}
        for place, fill in enumerate(self.fills):
            base, quote = self.assets[fill.symbol]
            sign = 1 if fill.side == "BUY" else -1
            for asset, amount in (
                (base, sign * fill.qty),
                (quote, -sign * fill.quote_qty),
                (fill.fee_asset, -fill.fee),
            ):
                if asset not in found:
                    found[asset] = [0] * count
                found[asset][place] += amount
        return found

    def held(self) -> list[str]:
        """Return the assets that there may be: what is traded, then what it is paid with."""
        names = dict.fromkeys(base for base, _ in self.assets.values())
        names |= dict.fromkeys(quote for _, quote in self.assets.values())
        names |= dict.fromkeys(self.start)
        names |= dict.fromkeys(fill.fee_asset for fill in self.fills)
        return list(names)
