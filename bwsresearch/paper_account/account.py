"""The paper account: a client whose orders are filled in this process, and frames of what it did."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.client.sync import Client
from bwsresearch.exchange.office import Office
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.journals import Frames
from bwsresearch.local import LocalEndpoint
from bwsresearch.paper_account.sizes import price_of, quantity_of
from bwsresearch.paper_account.watched import Watched
from bwsresearch.protocol.amounts import Amount, amount
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.results import CancelReport, Order, OrderReport, SymbolInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Paper"]

_OPEN_SHOWN: Final = 5


class Paper(Client):
    """An account with play money on an exchange in this process.

    It has the order and account methods of a client, `buy`, `sell` and `cancel` for short, and frames
    of everything that was asked and done. Made by `bws.paper(…)`.
    """

    def __init__(
        self,
        endpoint: LocalEndpoint,
        office: Office,
        *,
        quote: str,
        journal: Path,
        source: Client | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(endpoint, timeout=timeout)
        self.journal, self.quote_asset = journal, quote
        self._office, self._clock = office, endpoint.clock
        self.watched = Watched(endpoint, office, source, timeout=timeout)
        self.aio = self.watched

    # ---- orders that read well ---------------------------------------------------------------

    def buy(
        self,
        symbol: str,
        quantity: Amount | None = None,
        *,
        quote: Amount | None = None,
        limit: Amount | None = None,
        stop: Amount | None = None,
    ) -> OrderReport:
        """Buy `quantity` of base, or for `quote` of money; at market, or at `limit` or better.

        `stop` waits for that price first. A float is rounded to tick and step towards the safe side.

        Raises:
            OrderRejected, InsufficientBalance, BadParameter: in the exchange's words.
        """
        return self._order(symbol, "BUY", quantity, quote, limit, stop)

    def sell(
        self,
        symbol: str,
        quantity: Amount | None = None,
        *,
        quote: Amount | None = None,
        limit: Amount | None = None,
        stop: Amount | None = None,
    ) -> OrderReport:
        """Sell `quantity` of base, or as much as brings `quote`; otherwise as `buy`."""
        return self._order(symbol, "SELL", quantity, quote, limit, stop)

    def cancel(self, order: OrderReport | Order) -> CancelReport:
        """Cancel an open order.

        Raises:
            UnknownOrder: when it is not open any more.
        """
        return self.order_cancel(order.symbol, order_id=order.order_id)

    def _order(
        self,
        symbol: str,
        side: Any,
        quantity: Amount | None,
        quote: Amount | None,
        limit: Amount | None,
        stop: Amount | None,
    ) -> OrderReport:
        if (quantity is None) == (quote is None):
            raise ValueError(
                f"quantity is {quantity} and quote {quote}; give one of the two: base or money"
            )
        if quote is not None and limit is not None:
            raise ValueError(
                f"quote is {quote} beside limit {limit}; a limit order takes a quantity of base"
            )
        name = symbol.upper()
        info = self.symbol_info(name)
        size = None if quantity is None else quantity_of(quantity, info)
        price = None if limit is None else price_of(limit, info, is_buy=side == "BUY")
        trigger = None if stop is None else price_of(stop, info, is_buy=side == "SELL")
        if trigger is not None:
            kind: Any = self._stop_kind(name, side, trigger, has_limit=price is not None)
        else:
            kind = "MARKET" if price is None else "LIMIT"
        return self.order_place(
            name,
            side=side,
            type=kind,
            time_in_force=None if price is None else "GTC",
            quantity=size,
            quote_order_qty=None if quote is None else amount(quote, "quote"),
            price=price,
            stop_price=trigger,
            new_order_resp_type="FULL",
        )

    def _stop_kind(self, symbol: str, side: str, trigger: Decimal, *, has_limit: bool) -> str:
        """Return whether a trigger lies on the losing or the winning side of the last price."""
        last = self._office.engine.venues[symbol].last
        is_above = units(trigger) > last
        name = "STOP_LOSS" if is_above == (side == "BUY") else "TAKE_PROFIT"
        return f"{name}_LIMIT" if has_limit else name

    def symbol_info(self, symbol: str) -> SymbolInfo:
        """Return the rules of a symbol, asked for once.

        Raises:
            BadSymbol: when the market does not know it.
        """
        venue = self._office.engine.venues.get(symbol)
        if venue is None or not venue.last:
            self.aio.bridge.run(self.watched.refresh(symbol))
            venue = self._office.engine.venues.get(symbol)
        if venue is None:
            return self.exchange_info(symbol).symbols[0]
        return venue.info

    # ---- money -------------------------------------------------------------------------------

    def deposit(self, asset: str, quantity: Amount) -> None:
        """Add play money; a negative amount is taken away.

        Raises:
            ValueError: when more is taken than is free.
        """
        self.aio.bridge.run(self._deposited(asset.upper(), units(amount(quantity))))

    async def _deposited(self, asset: str, quantity: int) -> None:
        # On the bridge's thread, like everything that the exchange does.
        try:
            self._office.deposit(self._account.name, asset, quantity, self._clock())
        except Refusal:
            raise ValueError(
                f"{-quantity / UNIT:,.8g} {asset} are more than is free; cancel orders, or take less"
            ) from None

    def reset(self, balances: Mapping[str, Amount]) -> None:
        """Cancel what is open and begin again with `balances`; the journal goes on."""
        for symbol in [name for name, orders in self._account.open_orders.items() if orders]:
            self.open_orders_cancel_all(symbol)
        for asset, free in list(self._account.free.items()):
            if free:
                self.deposit(asset, Decimal(-free) / UNIT)
        for asset, quantity in balances.items():
            self.deposit(asset, quantity)

    # ---- frames ------------------------------------------------------------------------------

    @property
    def frames(self) -> Frames:
        """Everything that is recorded, as frames; `paper.frames.fills(decimal=True)` is exact."""
        return Frames.of(self.journal)

    def requests(self) -> pd.DataFrame:
        """Return one row per order request, refused ones and tests included, and its answer."""
        return self.frames.requests()

    def orders(self) -> pd.DataFrame:
        """Return one row per order in its last state, by the time it was placed."""
        return self.frames.orders()

    def fills(self) -> pd.DataFrame:
        """Return one row per fill, with commission, model and evidence."""
        return self.frames.fills()

    def balances(self) -> pd.DataFrame:
        """Return what is there now: index asset; free, locked, total float64, and worth in quote."""
        rows = {
            asset: (self._account.free[asset] / UNIT, self._account.locked[asset] / UNIT)
            for asset in sorted({*self._account.free, *self._account.locked})
        }
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["free", "locked"])
        table["total"] = table["free"] + table["locked"]
        table["worth"] = [self._worth(str(asset)) for asset in table.index] * table["total"]
        return table.rename_axis("asset")

    def equity(self) -> "pd.Series[float]":
        """Return what the account was worth after each request, in its quote asset, by time (UTC).

        Assets are valued at the last prices that the exchange had seen by then.
        """
        frames = self.frames
        return frames.equity(frames.prices(self.quote_asset), self._account.name)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity over time with the fills on it; return the Axes."""
        worth, fills = self.equity(), self.fills()
        if ax is None:
            ax = plot.shown(9, 4).subplots()
        stamps = worth.index.to_numpy()
        begin = np.full(len(worth), worth.iloc[0] if len(worth) else np.nan)
        plot.equity(ax, stamps, worth.to_numpy(np.float64), begin, self.quote_asset)
        at = worth.reindex(fills.index, method="ffill").to_numpy(np.float64)
        bought = (fills["side"] == "BUY").to_numpy(np.bool_)
        return plot.fills(ax, fills.index.to_numpy(), at, bought)

    # ---- what it shows -----------------------------------------------------------------------

    def __repr__(self) -> str:
        lines = self._lines()
        return cards.text_card(
            f"Paper account on {self.aio.endpoint.name}", lines, str(self.journal)
        )

    def _repr_html_(self) -> str:
        lines = self._lines()
        return cards.html_card(
            f"Paper account on {self.aio.endpoint.name}", lines, str(self.journal)
        )

    def _lines(self) -> dict[str, str]:
        account, table = self._account, self.balances()
        lines = {
            str(asset): f"{row['total']:,.8g}"
            + (f" ({row['locked']:,.8g} locked)" if row["locked"] else "")
            for asset, row in table.iterrows()
            if row["total"]
        }
        is_open = [o for orders in account.open_orders.values() for o in orders.values()]
        for order in is_open[:_OPEN_SHOWN]:
            side = "BUY" if order.is_buy else "SELL"
            price = f" at {order.price / UNIT:,.8g}" if order.price else ""
            lines[f"order {order.order_id}"] = (
                f"{side} {order.remaining / UNIT:,.8g} {order.symbol}{price}"
            )
        if len(is_open) > _OPEN_SHOWN:
            lines["more orders"] = str(len(is_open) - _OPEN_SHOWN)
        worth = float(table["worth"].sum())
        put_in = sum(
            units_in / UNIT * self._worth(asset)
            for (name, asset), units_in in self._office.deposits.items()
            if name == account.name
        )
        lines["worth"] = f"{worth:,.2f} {self.quote_asset}"
        lines["profit"] = f"{worth - put_in:+,.2f} {self.quote_asset}"
        lines["model"] = self._office.model
        return lines

    @property
    def _account(self) -> Account:
        return next(iter(self._office.engine.accounts.values()))

    def _worth(self, asset: str) -> float:
        rate = self._office.engine.settlement.rate(asset, self.quote_asset)
        return 0.0 if rate is None else float(rate)

    def close(self) -> None:
        """Stop watching and close the journal; frames can still be read."""
        self.watched.stop()
        super().close()
        self._office.close()
