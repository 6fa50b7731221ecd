"""The paper account: a client whose orders are filled in this process, and frames of what it did."""

import contextlib
import weakref
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from bwsresearch import cards, plot
from bwsresearch.backtesting.exposure import Exposures
from bwsresearch.backtesting.result import Result
from bwsresearch.backtesting.strategy import Strategy
from bwsresearch.client.bridge import Bridge
from bwsresearch.client.sync import Client
from bwsresearch.enums import OrderSide, OrderType
from bwsresearch.errors import UnknownOrder
from bwsresearch.exchange.office import JournalFailure, Office
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.journals import Frames
from bwsresearch.local import LocalEndpoint
from bwsresearch.paper_account import standing
from bwsresearch.paper_account.watched import Source, Watched
from bwsresearch.protocol.amounts import Amount
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.methods import OpenOrdersCancelAll
from bwsresearch.protocol.results import CancelReport, Order, OrderReport, SymbolInfo
from bwsresearch.protocol.sizes import bought_for, price_of, quantity_of, quote_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Paper"]

T = TypeVar("T")


class Paper(Client):
    """An account with play money on an exchange in this process.

    It has the order and account methods of a client, `buy`, `sell` and `cancel` for short, and frames
    of everything that was asked and done. Made by `bws.paper(…)`.

    Attributes:
        journal: the folder of the record.
        quote_asset: the asset that worth is counted in.
    """

    def __init__(
        self,
        endpoint: LocalEndpoint,
        office: Office,
        *,
        title: str,
        journal: Path,
        source: Source | None = None,
        timeout: float = 30.0,
        bridge: Bridge | None = None,
    ) -> None:
        super().__init__(endpoint, timeout=timeout, bridge=bridge)
        self.journal, self._title = journal, title
        self._office, self._now = office, endpoint.clock
        self.watched = Watched(endpoint, office, source, timeout=timeout, bridge=bridge)
        self.aio = self.watched
        self._is_live = source is not None
        self._read: tuple[list[tuple[str, int]], Frames] | None = None
        # Also one that is dropped, as by a cell that is run again, lets go of its journal.
        self._end = weakref.finalize(self, self.watched.abandon)
        if self._is_live:
            self._do(self.watched.look_behind)

    @property
    def quote_asset(self) -> str:
        """The asset that worth is counted in: the first that was put in."""
        name = self._account.name
        return next((asset for who, asset in list(self._office.deposits) if who == name), "USDT")

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

        `stop` waits for that price first. A float is rounded to tick and step towards the safe side:
        never more is bought or spent than it says.

        Raises:
            ValueError: when neither or both of quantity and quote are given.
            OrderRejected, InsufficientBalance, BadParameter, BadSymbol: in the exchange's words.
        """
        __tracebackhide__ = True
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
        __tracebackhide__ = True
        return self._order(symbol, "SELL", quantity, quote, limit, stop)

    def cancel(self, order: OrderReport | Order) -> CancelReport:
        """Cancel an open order.

        Raises:
            UnknownOrder: when it is not open any more.
        """
        __tracebackhide__ = True
        return self.order_cancel(order.symbol, order_id=order.order_id)

    def _order(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Amount | None,
        quote: Amount | None,
        limit: Amount | None,
        stop: Amount | None,
    ) -> OrderReport:
        __tracebackhide__ = True
        if (quantity is None) == (quote is None):
            raise ValueError(
                f"quantity is {quantity} and quote {quote}; give one of the two: base or money"
            )
        if quote is not None and stop is not None and limit is None:
            raise ValueError(
                f"quote is {quote} beside stop {stop}; give a quantity, or a limit too"
            )
        name, is_buy = symbol.upper(), side == "BUY"
        info = self.symbol_info(name)
        price = None if limit is None else price_of(limit, info, "limit", is_floor=is_buy)
        # A stop never acts before the price that was said.
        trigger = None if stop is None else price_of(stop, info, "stop", is_floor=not is_buy)
        money = None if quote is None else quote_of(quote, info)
        size = None if quantity is None else quantity_of(quantity, info)
        if money is not None and price is not None:
            size, money = bought_for(money, price, info), None
        return self.order_place(
            name,
            side=side,
            type=self._type(name, side, price, trigger),
            time_in_force=None if price is None else "GTC",
            quantity=size,
            quote_order_qty=money,
            price=price,
            stop_price=trigger,
            new_order_resp_type="FULL",
        )

    def _type(
        self, symbol: str, side: OrderSide, price: Decimal | None, trigger: Decimal | None
    ) -> OrderType:
        """Return the order type; a stop is one at a loss if the price has to get worse for it."""
        if trigger is None:
            return "MARKET" if price is None else "LIMIT"
        self.aio.bridge.run(self.watched.refresh([symbol]))
        is_above = trigger > Decimal(self._office.engine.venues[symbol].last) / UNIT
        if is_above == (side == "BUY"):
            return "STOP_LOSS" if price is None else "STOP_LOSS_LIMIT"
        return "TAKE_PROFIT" if price is None else "TAKE_PROFIT_LIMIT"

    def symbol_info(self, symbol: str) -> SymbolInfo:
        """Return the rules of a symbol, asked for once.

        Raises:
            BadSymbol: when the market does not know it.
        """
        __tracebackhide__ = True
        venue = self._office.engine.venues.get(symbol)
        return self.exchange_info(symbol).symbols[0] if venue is None else venue.info

    def run(
        self,
        klines: pd.DataFrame,
        strategy: "Exposures | type[Strategy]",
        *,
        params: Mapping[str, object] | None = None,
    ) -> Result:
        """Run a strategy over closed klines as `bws.backtest` does, each order of it as a request.

        For an account of `bws.paper(balances, rules=…)`, whose market the klines are; its frames tell
        of the run afterwards.

        Raises:
            ValueError: for klines, exposures or rules that cannot be meant, or when the account has
                run before, or trades on another market.
            TypeError: when the strategy is no function, or answers with something else than numbers.
            JournalError: when the journal cannot be written.
        """
        del klines, strategy, params
        raise ValueError(
            "the account trades on a market of its own; "
            "bws.paper(balances, rules=rules) opens one that runs over klines"
        )

    # ---- money -------------------------------------------------------------------------------

    def deposit(self, asset: str, quantity: Amount) -> None:
        """Add play money; a negative amount is taken away.

        Raises:
            ValueError: when more is taken than is free.
        """
        __tracebackhide__ = True
        change = standing.in_units(asset, quantity)
        self._do(lambda: self._deposited(asset.upper(), change))

    def _deposited(self, asset: str, change: int) -> None:
        self._open_or_raise()
        try:
            self._office.deposit(self._account.name, asset, change, self._now())
        except Refusal:
            free = Decimal(self._account.free[asset]) / UNIT
            raise ValueError(
                f"{Decimal(-change) / UNIT:f} {asset} are more than the {free:f} that are free; "
                "cancel orders, or take less"
            ) from None

    def reset(self, balances: Mapping[str, Amount]) -> None:
        """Cancel what is open and begin anew with `balances`; the journal goes on.

        Raises:
            ValueError: when a balance cannot be.
        """
        __tracebackhide__ = True
        wanted = standing.balances_of(balances)
        self.aio.bridge.run(self._reset(wanted))

    async def _reset(self, wanted: Mapping[str, int]) -> None:
        while symbols := self.watched.open_symbols():
            for symbol in symbols:
                with contextlib.suppress(UnknownOrder):  # they were filled meanwhile
                    await self.aio.call(OpenOrdersCancelAll(symbol))
        for asset, free in list(self._account.free.items()):
            if free:
                self._deposited(asset, -free)
        for asset, quantity in wanted.items():
            self._deposited(asset, quantity)

    # ---- frames ------------------------------------------------------------------------------

    @property
    def frames(self) -> Frames:
        """Everything that is recorded, as frames; `paper.frames.fills(decimal=True)` is exact.

        The journal is read as it is: open orders are not looked after first.
        """
        files = [(one.name, one.stat().st_size) for one in sorted(self.journal.glob("*.jsonl"))]
        if self._read is None or self._read[0] != files:
            self._read = files, Frames.of(self.journal)
        return self._read[1]

    def requests(self) -> pd.DataFrame:
        """Return one row per order request, refused ones and tests included, with its answer."""
        return self._current().requests()

    def orders(self) -> pd.DataFrame:
        """Return one row per order in its last state, by the time it was placed."""
        return self._current().orders()

    def order_events(self) -> pd.DataFrame:
        """Return one row per transition of an order, as it was right after it."""
        return self._current().order_events()

    def fills(self) -> pd.DataFrame:
        """Return one row per fill, with commission, model and evidence."""
        return self._current().fills()

    def balances(self) -> pd.DataFrame:
        """Return what is there now: index asset; free, locked, total float64, and worth in quote."""
        self._look()
        return self._do(lambda: standing.table(self._account, self._rate))

    def equity(self) -> "pd.Series[float]":
        """Return what the account was worth, in its quote asset, whenever it was looked at, by time.

        Assets count at the last prices that the exchange had seen by then.
        """
        return self._current().equity(self.quote_asset, account=self._account.name)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw equity over time with the fills on it; return the Axes."""
        frames = self._current()
        worth = frames.equity(self.quote_asset, account=self._account.name)
        if ax is None:
            ax = plot.shown(9, 4).subplots()
        given = self._do(lambda: standing.put_in(self._office, self._account))
        return standing.drawn(ax, worth, frames.fills(), self.quote_asset, given)

    def _current(self) -> Frames:
        self._look()
        return self.frames

    def _look(self) -> None:
        """Let the exchange see what has become of open orders, and what is held is worth."""
        self.aio.bridge.run(self._looked())

    async def _looked(self) -> None:
        await self.watched.refresh(self._symbols())

    def _symbols(self) -> list[str]:
        """Return the symbols with open orders, and those that price what is held."""
        venues, quote = self._office.engine.venues, self.quote_asset
        held = [f"{a}{quote}" for a in list(self._account.free) if f"{a}{quote}" in venues]
        return list(dict.fromkeys([*self.watched.open_symbols(), *held]))

    # ---- what it shows -----------------------------------------------------------------------

    def __repr__(self) -> str:
        return cards.text_card(self._title, self._lines(), standing.place(self.journal))

    def _repr_html_(self) -> str:
        return cards.html_card(self._title, self._lines(), standing.place(self.journal))

    def _lines(self) -> dict[str, str]:
        if not self._is_live:  # nothing is asked for over a network to show an account
            self._look()
        return self._do(
            lambda: standing.lines(self._office, self._account, self.quote_asset, self._now())
        )

    @property
    def _account(self) -> Account:
        return next(iter(self._office.engine.accounts.values()))

    def _rate(self, asset: str) -> float:
        return standing.rate(self._office, asset, self.quote_asset)

    # ---- its end -----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop watching and close the journal; frames can still be read, nothing more be ordered."""
        if self._end.detach() is not None:
            self.aio.bridge.run(self.watched.end())

    def _open_or_raise(self) -> None:
        if self.watched.is_closed:
            raise ValueError("the paper account is closed; bws.paper(journal=…) takes it up again")

    def _do(self, function: Callable[[], T]) -> T:
        """Call a function on the bridge's thread, where everything is that the exchange does."""

        async def called() -> T:
            try:
                return function()
            except JournalFailure as failure:
                raise self._office.failure or failure from None

        return self.aio.bridge.run(called())
