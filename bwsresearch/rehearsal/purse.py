"""What an account has, to the last unit, as the replies to its requests tell it."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from bwsresearch.backtesting.records import Fill
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.protocol.results import Account

__all__ = ["Purse", "exactly"]


def exactly(amount: Decimal | None) -> int:
    """Return an amount of a reply in 1e-8; 0 for one that it does not have."""
    return 0 if amount is None else units(amount)


class Purse:
    """Balances by asset, in 1e-8.

    `start` is what a run may use of `account`; the rest of it stays apart.

    Raises:
        ValueError: when there is less than that.
    """

    def __init__(self, account: Account, start: Mapping[str, int]) -> None:
        self.locked: defaultdict[str, int] = defaultdict(int)
        self.free: defaultdict[str, int] = defaultdict(int)
        self._apart: defaultdict[str, int] = defaultdict(int)
        for one in account.balances:
            self._apart[one.asset] = units(one.free) + units(one.locked)
        for asset, amount in start.items():
            free = account.balance(asset).free
            if units(free) < amount:
                raise ValueError(
                    f"balances has {Decimal(amount) / UNIT:f} {asset}, but the account has {free:f} "
                    "free; give no more than that"
                )
            self.free[asset] = amount
            self._apart[asset] -= amount

    def held(self, asset: str) -> int:
        """Return what there is, locked amounts among it."""
        return self.free[asset] + self.locked[asset]

    def traded(self, fill: Fill, base: str, quote: str) -> None:
        """Take a trade of an order that has ended."""
        self.free[base] += fill.sign * fill.qty
        self.free[quote] -= fill.sign * fill.quote_qty
        self.free[fill.fee_asset] -= fill.fee

    def learn(self, account: Account) -> None:
        """Take what the exchange says."""
        for one in account.balances:
            self.locked[one.asset] = units(one.locked)
            self.free[one.asset] = units(one.free) - self._apart[one.asset]
