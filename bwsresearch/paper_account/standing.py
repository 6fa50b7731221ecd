"""How an account stands: its balances as a table, its card and its picture."""

import datetime as dt
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch import plot
from bwsresearch.exchange.office import Office
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.protocol.amounts import Amount, amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["balances_of", "drawn", "in_units", "lines", "place", "put_in", "rate", "table"]

_OPEN_SHOWN: Final = 5
_CENTS: Final = 100.0
"""From this worth on, two decimals are enough."""


def in_units(asset: str, quantity: Amount) -> int:
    """Return an amount in units.

    Raises:
        ValueError: when it is no number, or has more than eight decimals.
    """
    number = amount(quantity, asset)
    if isinstance(quantity, float):
        number = round(number, 8)
    try:
        return units(number)
    except ValueError:
        raise ValueError(f"{asset} is {quantity}, has at most eight decimals") from None


def balances_of(given: Mapping[str, Amount]) -> dict[str, int]:
    """Return balances by asset, in units.

    Raises:
        ValueError: when there is none, one is negative or no number, or an asset is there twice.
    """
    if not given:
        raise ValueError("balances is empty, give at least one such as {'USDT': 10_000}")
    found: dict[str, int] = {}
    for name, quantity in given.items():
        asset = name.strip().upper()
        if asset in found:
            raise ValueError(f"balances has {asset} twice, give it once")
        found[asset] = in_units(f"balance of {asset}", quantity)
        if found[asset] < 0:
            raise ValueError(f"balance of {asset} is {quantity}, must be 0 or more")
    return found


def rate(office: Office, asset: str, quote: str) -> float:
    """Return the price of an asset by last prices, NaN when it is unknown."""
    found = office.engine.settlement.rate(asset, quote)
    return math.nan if found is None else float(found)


def table(account: Account, price: Callable[[str], float]) -> pd.DataFrame:
    """Return what an account has: index asset; free, locked, total and worth, float64."""
    assets = [a for a in {**account.free, **account.locked} if account.free[a] or account.locked[a]]
    rows = {a: (account.free[a] / UNIT, account.locked[a] / UNIT) for a in sorted(assets)}
    found = pd.DataFrame(list(rows.values()), columns=["free", "locked"], dtype=np.float64)
    found.index = pd.Index(list(rows), name="asset", dtype="str")
    found["total"] = found["free"] + found["locked"]
    found["worth"] = found["total"] * np.array([price(asset) for asset in rows], np.float64)
    return found


def lines(office: Office, account: Account, quote: str, now_ms: int) -> dict[str, str]:
    """Return the rows of an account's card."""
    held = table(account, lambda asset: rate(office, asset, quote))
    found = {str(asset): _holding(row) for asset, row in held.iterrows()}
    is_open = [o for orders in account.open_orders.values() for o in orders.values()]
    found |= {f"order {order.order_id}": _order(order) for order in is_open[:_OPEN_SHOWN]}
    if len(is_open) > _OPEN_SHOWN:
        found["more orders"] = f"{len(is_open) - _OPEN_SHOWN:,}"
    worth = float(held["worth"].sum())
    given = put_in(office, account).items()
    before = sum(u / UNIT * rate(office, asset, quote) for asset, u in given)
    found["worth"] = f"{_money(worth)} {quote}"
    if math.isfinite(before):
        # What was put in counts at today's prices: a rise of what was there anyway is no merit.
        gain = worth - before
        found["profit"] = f"{'+' if gain >= 0 else '-'}{_money(abs(gain), worth)} {quote}"
    found["model"] = ", ".join(office.models()) or office.model
    found["time"] = f"{dt.datetime.fromtimestamp(now_ms // 1000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return found


def _holding(row: "pd.Series[float]") -> str:
    locked = f" ({_plain(row['locked'])} locked)" if row["locked"] else ""
    return f"{_plain(row['total'])}{locked}"


def _order(order: Order) -> str:
    side = "BUY" if order.is_buy else "SELL"
    amount_ = order.remaining / UNIT
    base = f"{side} {_plain(amount_)} {order.symbol}" if amount_ else f"{side} {order.symbol}"
    stop = order.ticket.stop_price
    price = f" at {_plain(order.price / UNIT)}" if order.price else ""
    return f"{base}{price}{f', stop {_plain(stop / UNIT)}' if stop else ''}"


def _plain(number: float) -> str:
    """Return up to eight decimals, and never an exponent."""
    text = f"{number:,.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _money(number: float, of: float | None = None) -> str:
    return f"{number:,.2f}" if abs(number if of is None else of) >= _CENTS else _plain(number)


def place(folder: Path) -> str:
    """Return a path as it is read most easily: from here, the data folder, or the home folder."""
    data = os.environ.get("BWS_DATA_DIR")
    starts = [(Path.cwd(), ""), (Path.home(), "~/")]
    if data:
        starts.insert(1, (Path(data).expanduser().absolute(), "$BWS_DATA_DIR/"))
    for start, before in starts:
        if folder.is_relative_to(start) and folder != start:
            return f"{before}{folder.relative_to(start)}"
    return str(folder)


def drawn(
    ax: "Axes",
    worth: "pd.Series[float]",
    fills: pd.DataFrame,
    quote: str,
    put_in: Mapping[str, int],
) -> "Axes":
    """Draw what an account was worth, and its fills on it; `put_in` is what it began with, in units."""
    # Money has one worth at all times; of anything else the first that is known counts.
    begun = put_in[quote] / UNIT if set(put_in) == {quote} else float(worth.iloc[0])
    plot.worth(ax, worth.index.to_numpy(), worth.to_numpy(np.float64), quote, begun)
    at = worth.reindex(fills.index, method="ffill").to_numpy(np.float64)
    bought = (fills["side"] == "BUY").to_numpy(np.bool_)
    return plot.fills(ax, fills.index.to_numpy(), at, bought)


def put_in(office: Office, account: Account) -> dict[str, int]:
    """Return what an account was given, less what was taken away, by asset, in units."""
    return {asset: u for (name, asset), u in office.deposits.items() if name == account.name and u}
