"""What was traded: round trips, fills, and orders that were not filled, with the reason."""

from typing import TYPE_CHECKING, Final

import pandas as pd

from bwsresearch.backtesting.figures import fixed, money, percent
from bwsresearch.backtesting.report.markup import folded, section, table, whens

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["fills", "trades", "unfilled"]

_TRIPS: Final = 100
_FILLS: Final = 200
_ORDERS: Final = 100
_WHY: Final = {
    "NEW": "nothing was traded any more",
}


def trades(result: "Result") -> str:
    """Return the last round trips; one that is open is valued at the last close."""
    trips = result.trades
    if trips.empty:
        return section("Trades", "<p>There was no trade.</p>")
    last = trips.tail(_TRIPS)
    columns = {
        "entry": whens(pd.DatetimeIndex(last["entry_time"])),
        "exit": whens(pd.DatetimeIndex(last["exit_time"])),
        "bars": [f"{bars:,}" for bars in last["bars"]],
        f"qty, {result.base_asset}": fixed(last["qty"]),
        "entry price": fixed(last["entry_price"]),
        "exit price": fixed(last["exit_price"]),
        f"fees, {result.quote_asset}": money(last["fees"]),
        f"pnl, {result.quote_asset}": money(last["pnl"]),
        "return": [percent(part) for part in last["return"]],
    }
    signs = ["up" if pnl > 0 else "down" for pnl in last["pnl"]]
    pnl = f"pnl, {result.quote_asset}"
    return folded(_title("Trades", last, trips), table(columns, {"return": signs, pnl: signs}))


def fills(result: "Result") -> str:
    """Return the last fills."""
    every = result.fills
    if every.empty:
        return section("Fills", "<p>No order was filled.</p>")
    last = every.tail(_FILLS)
    fees = zip(last["fee"], last["fee_asset"], strict=True)
    columns = {
        "time": whens(pd.DatetimeIndex(last.index)),
        "side": [str(side) for side in last["side"]],
        "price": fixed(last["price"]),
        f"qty, {result.base_asset}": fixed(last["qty"]),
        f"quote qty, {result.quote_asset}": money(last["quote_qty"]),
        "fee": [f"{fee:,.8f} {asset}" for fee, asset in fees],
    }
    signs = ["up" if side == "BUY" else "down" for side in last["side"]]
    return folded(_title("Fills", last, every), table(columns, {"side": signs}))


def unfilled(result: "Result") -> str:
    """Return the orders that were not filled, and why; nothing where all were."""
    orders = result.orders
    missed = orders[orders["status"] != "FILLED"]
    if missed.empty:
        return ""
    why = [_why(str(a), str(b)) for a, b in zip(missed["status"], missed["reason"], strict=True)]
    counts = pd.Series(why).value_counts()
    summary = table(
        {"why": [str(name) for name in counts.index], "orders": [f"{n:,}" for n in counts]}
    )
    last = missed.tail(_ORDERS)
    columns = {
        "sent at the close of": whens(pd.DatetimeIndex(last.index)),
        "side": [str(side) for side in last["side"]],
        f"qty, {result.base_asset}": _given(last["qty"]),
        f"quote qty, {result.quote_asset}": _given(last["quote_qty"]),
        "why": why[-len(last) :],
    }
    title = _title("Orders not filled", last, missed)
    return section(f"Orders not filled: {len(missed):,} of {len(orders):,}", summary) + folded(
        title, table(columns)
    )


def _why(status: str, reason: str) -> str:
    words = _WHY.get(status, status.lower().replace("_", " "))
    return f"{words}: {reason}" if reason else words


def _given(amounts: "pd.Series[float]") -> list[str]:
    """Return amounts; 0 is not what an order asked for, it asked for the other one."""
    texts = fixed(amounts)
    return [text if value else "" for text, value in zip(texts, amounts, strict=True)]


def _title(name: str, shown: pd.DataFrame, every: pd.DataFrame) -> str:
    if len(shown) < len(every):
        return f"{name} (the last {len(shown)} of {len(every):,})"
    return f"{name} ({len(every):,})"
