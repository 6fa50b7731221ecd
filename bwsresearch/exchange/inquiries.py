"""What an account may ask: its balances, orders, trades, rates and limits.

Source: web-socket-api.md "Account requests".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bwsresearch.exchange.trading import account_replies, replies
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.protocol import methods
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.request import Request
from bwsresearch.times import DAY_MS

__all__ = ["Inquiries"]

_MICROS_FROM: Final = 10**14
_ABOUT_THE_ACCOUNT: Final = frozenset(
    {
        "MAX_NUM_ORDERS",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_NUM_ORDER_LISTS",
        "MAX_NUM_ORDER_AMENDS",
        "MAX_POSITION",
    }
)


@dataclass(frozen=True, slots=True)
class Inquiries:
    """The account methods over one engine; nothing is changed by them."""

    engine: Engine

    def answer(  # noqa: PLR0911 - one case per method
        self, request: Request[Any], account: Account, factor: int
    ) -> object:
        """Return the result of an account request.

        Raises:
            Refusal: for a symbol or an order that does not exist.
        """
        match request:
            case methods.AccountStatus():
                return self._status(account, omit=request.omit_zero_balances, factor=factor)
            case methods.OrderStatus():
                return replies.order_row(self._known(request, account), factor)
            case methods.OpenOrdersStatus():
                return self._open(request, account, factor)
            case methods.AllOrders():
                return self._all_orders(request, account, factor)
            case methods.MyTrades():
                return self._my_trades(request, account, factor)
            case methods.AccountCommission():
                return account_replies.commission(self.symbol(request.symbol), account.commission)
            case methods.OrderAmendments():
                return self._amendments(request, account, factor)
            case methods.MyPreventedMatches():
                return self._prevented(request, account, factor)
            case methods.MyFilters():
                return self._filters(request)
            case _:
                raise TypeError(f"{request.method} is in the catalogue, but not answered")

    def symbol(self, symbol: str) -> str:
        """Return `symbol` if it is traded; a Refusal -1121 otherwise."""
        if symbol not in self.engine.venues:
            raise Refusal(-1121, "Invalid symbol.")
        return symbol

    def _status(self, account: Account, *, omit: bool | None, factor: int) -> object:
        assets = {a for venue in self.engine.venues.values() for a in (venue.base, venue.quote)}
        return account_replies.account_status(
            account, account.uid, assets, omit_zero=bool(omit), factor=factor
        )

    def _known(self, request: methods.OrderStatus, account: Account) -> Order:
        order = self.engine.find(
            account,
            self.symbol(request.symbol),
            request.order_id,
            request.orig_client_order_id,
        )
        if order is None:
            raise Refusal(-2013, "Order does not exist.")
        return order

    def _open(
        self, request: methods.OpenOrdersStatus, account: Account, factor: int
    ) -> list[object]:
        names = (
            list(self.engine.venues) if request.symbol is None else [self.symbol(request.symbol)]
        )
        return [
            replies.order_row(order, factor)
            for name in names
            for order in account.open_orders[name].values()
        ]

    def _all_orders(
        self, request: methods.AllOrders, account: Account, factor: int
    ) -> list[object]:
        orders: Sequence[Order] = account.orders[self.symbol(request.symbol)]
        limit = request.limit or 500
        window = _window(request.start_time, request.end_time)
        if window is not None:
            orders = [o for o in orders if window[0] <= o.update_time <= window[1]][:limit]
        elif request.order_id is not None:
            orders = [o for o in orders if o.order_id >= (request.order_id or 0)][:limit]
        else:
            orders = orders[-limit:]
        return [replies.order_row(order, factor) for order in orders]

    def _my_trades(self, request: methods.MyTrades, account: Account, factor: int) -> list[object]:
        deals = list(account.deals[self.symbol(request.symbol)])
        limit, from_id = request.limit or 500, request.from_id
        if request.order_id is not None:
            deals = [d for d in deals if d.order_id == request.order_id]
        window = _window(request.start_time, request.end_time)
        if window is not None:
            deals = [d for d in deals if window[0] <= d.time <= window[1]]
        if from_id is not None:
            deals = [d for d in deals if d.trade_id >= from_id]
        is_from_the_start = from_id is not None or request.start_time is not None
        deals = deals[:limit] if is_from_the_start else deals[-limit:]
        return [replies.my_trade(deal, factor) for deal in deals]

    def _amendments(
        self, request: methods.OrderAmendments, account: Account, factor: int
    ) -> list[object]:
        order = self.engine.find(account, self.symbol(request.symbol), request.order_id, None)
        if order is None:
            return []
        first = request.from_execution_id or 0
        found = [made for made in order.amendments if made.execution_id >= first]
        return [replies.amendment(order, made, factor) for made in found[: request.limit or 500]]

    def _prevented(
        self, request: methods.MyPreventedMatches, account: Account, factor: int
    ) -> list[object]:
        found = account.prevented[self.symbol(request.symbol)]
        if request.prevented_match_id is not None:
            kept = [m for m in found if m.prevented_match_id == request.prevented_match_id]
        else:
            first, order = request.from_prevented_match_id or 0, request.order_id
            kept = [
                m
                for m in found
                if order in (m.taker_order_id, m.maker_order_id) and m.prevented_match_id >= first
            ]
        return [replies.prevented_match(m, factor) for m in kept[: request.limit or 500]]

    def _filters(self, request: methods.MyFilters) -> object:
        info = self.engine.venues[self.symbol(request.symbol)].info
        rows = [row for row in info.filters if row.get("filterType") in _ABOUT_THE_ACCOUNT]
        return {"exchangeFilters": [], "symbolFilters": rows, "assetFilters": []}


def _millis(time: int) -> int:
    return time // 1000 if time >= _MICROS_FROM else time


def _window(start: int | None, end: int | None) -> tuple[int, int] | None:
    """Return the times asked about, both inclusive; a single one begins or ends 24 hours."""
    if start is None and end is None:
        return None
    if start is None:
        last = _millis(end or 0)
        return last - DAY_MS, last
    first = _millis(start)
    return first, first + DAY_MS if end is None else _millis(end)
