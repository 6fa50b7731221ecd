"""Strategies that send orders themselves, and what they see: one closed bar after the other."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias

import pandas as pd

__all__ = ["Bar", "Context", "OpenOrder", "OrderParams", "Strategy", "made", "parameters_of"]

OrderParams: TypeAlias = Mapping[str, Any]
"""The parameters of `client.order_place` besides the symbol, such as {"side": "BUY", "type": "MARKET"}."""


class Bar(NamedTuple):
    """A bar that has closed; prices in quote, `open_time` and `close_time` epoch ms."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_time: int


class OpenOrder(NamedTuple):
    """An order that may still trade; `price` and `stop_price` are 0 where it has none."""

    order_id: int
    symbol: str
    side: str
    type: str
    price: Decimal
    stop_price: Decimal
    qty: Decimal
    executed_qty: Decimal


class Context(Protocol):
    """What a strategy may ask at the close of a bar; amounts are those of this moment."""

    symbol: str
    """The symbol; of several, the first."""
    bar_number: int
    """Which bar it is, 0 for the first."""

    @property
    def now(self) -> pd.Timestamp:
        """The time at which the bar is over, UTC."""

    @property
    def position(self) -> float:
        """The base that is held, locked amounts among it."""

    @property
    def cash(self) -> float:
        """The quote that is free."""

    @property
    def equity(self) -> float:
        """What everything is worth at the last closes, in quote."""

    @property
    def open_orders(self) -> Sequence[OpenOrder]:
        """The orders that may still trade, oldest first."""

    def balance(self, asset: str) -> Decimal:
        """Return what there is of an asset, locked amounts among it."""

    def cancel(self, order_id: int | None = None) -> None:
        """Cancel an open order, all without an id, before what this bar orders is placed."""

    def history(self, count: int) -> pd.DataFrame:
        """Return the last `count` closed bars, this one the last of them."""


class Strategy:
    """A strategy that orders bar by bar; give the class to `bws.backtest`, `bws.paper(…).run`, ….

        class Breakout(bws.Strategy):
            lookback = 20

            def on_bar(self, bar, ctx):
                if bar.close >= ctx.history(self.lookback)["high"].max() and not ctx.position:
                    return {"side": "BUY", "type": "MARKET", "quote_order_qty": ctx.cash}

    Class attributes are its parameters (`params={"lookback": 55}`). Each run makes a new object, so
    that what it remembers on `self` is of that run alone.
    """

    def on_start(self, ctx: Context) -> None:
        """Prepare a run; nothing has happened yet."""

    def on_bar(self, bar: Any, ctx: Context) -> OrderParams | Sequence[OrderParams] | None:
        """Return what to order at the close of a bar: parameters of `client.order_place`, or several.

        `bar` is a `Bar`; of several symbols a dict of those that have closed now, and each order
        names its symbol. Floats are rounded to tick and step, towards less.
        """
        raise NotImplementedError(f"{type(self).__name__} has no on_bar(self, bar, ctx)")


def made(strategy: "Strategy | type[Strategy]", params: Mapping[str, object]) -> Strategy:
    """Return a new object of a strategy's class, with parameters.

    Raises:
        ValueError: when the class has no such parameter.
        TypeError: when an object is given, which may remember an earlier run.
    """
    if not isinstance(strategy, type):
        raise TypeError(
            f"strategy is an object of {type(strategy).__name__}, give the class and params="
        )
    known = parameters_of(strategy)
    for name in params:
        if name not in known:
            raise ValueError(
                f"{strategy.__name__} has no parameter {name}; it has "
                f"{', '.join(known) or 'none'}: make it a class attribute"
            )
    one = strategy()
    for name, value in params.items():
        setattr(one, name, value)
    return one


def parameters_of(strategy: type[Strategy]) -> dict[str, object]:
    """Return the parameters of a class and what they are by themselves."""
    known: dict[str, object] = {}
    for kind in reversed(strategy.__mro__):
        if kind is not object and kind is not Strategy:
            known |= {
                name: value
                for name, value in vars(kind).items()
                if not name.startswith("_") and not callable(value)
                and not isinstance(value, (property, classmethod, staticmethod))
            }  # fmt: skip
    return known
