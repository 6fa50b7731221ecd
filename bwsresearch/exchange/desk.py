"""The trading desk: typed requests of an account into steps of the engine, and steps into replies.

Source: web-socket-api.md "Trading requests".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bwsresearch.exchange.feed import Feed
from bwsresearch.exchange.inquiries import Inquiries
from bwsresearch.exchange.trading import account_replies, replies
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import MarketEvent
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.steps import Report, Step
from bwsresearch.protocol import methods
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.placement import NewOrder, resp_type
from bwsresearch.protocol.request import Request

__all__ = ["Desk", "Done", "as_ticket"]


@dataclass(frozen=True, slots=True)
class Done:
    """A result, and the steps that it took; `refusal` when it failed after something had changed."""

    result: object
    steps: Sequence[Step] = ()
    refusal: Refusal | None = None


@dataclass(slots=True)
class Desk:
    """The trading methods over one engine.

    `feed` brings the watched market to the engine before anything is decided; None without one.
    """

    engine: Engine
    feed: Feed | None = None
    inquiries: Inquiries = field(init=False)

    def __post_init__(self) -> None:
        self.inquiries = Inquiries(self.engine)

    def advance(self, symbol: str | None, now_ms: int) -> list[Step]:
        """Let the market come to what it is at `now_ms`, for one symbol or all with open orders."""
        if self.feed is None:
            return []
        names = [symbol] if symbol is not None else list(self.engine.venues)
        return [step for name in names for step in self.feed.advance(name, now_ms)]

    def is_behind(self, symbol: str, now_ms: int) -> bool:
        """Whether the engine has not seen all of the market by a time."""
        is_known = symbol in self.engine.venues
        return self.feed is not None and is_known and self.feed.is_behind(symbol, now_ms)

    def observe(self, events: Iterable[MarketEvent], now_ms: int) -> list[Step]:
        """Let the engine see events of a live market, in their order."""
        steps = [self.engine.observe(event, now_ms) for event in events]
        return [step for step in steps if step.reports]

    def handle(  # noqa: PLR0911 - one case per method
        self,
        request: Request[Any],
        account: Account,
        now_ms: int,
        factor: int,
        exceeded: Refusal | None = None,
    ) -> Done:
        """Return what a request brings.

        `exceeded` says why no new order may be placed, to a cancel-replace that cancels all the same.

        Raises:
            Refusal: when nothing was changed.
        """
        match request:
            case methods.OrderPlace():
                return self._place(request, account, now_ms, factor)
            case methods.OrderTest():
                return self._test(request, account, now_ms)
            case methods.OrderCancel():
                return self._cancel(request, account, now_ms, factor)
            case methods.OrderCancelReplace():
                return self._replace(request, account, now_ms, factor, exceeded)
            case methods.OrderAmendKeepPriority():
                return self._amend(request, account, now_ms, factor)
            case methods.OpenOrdersCancelAll():
                step = self.engine.cancel_all(account, self._symbol(request.symbol), now_ms)
                return Done([replies.cancelled(r, now_ms, factor) for r in step.reports], [step])
            case _:
                return Done(self.inquiries.answer(request, account, factor))

    def _symbol(self, symbol: str) -> str:
        return self.inquiries.symbol(symbol)

    def _place(
        self, request: methods.OrderPlace, account: Account, now_ms: int, factor: int
    ) -> Done:
        ticket = as_ticket(request, self._symbol(request.symbol))
        order, step = self.engine.place(account, ticket, now_ms)
        return Done(self._placed(request, account, order, step, factor), [step])

    @staticmethod
    def _placed(
        request: NewOrder, account: Account, order: Order, step: Step, factor: int
    ) -> replies.Json:
        prevented = account.prevented[order.symbol]
        return replies.placed(order, step, prevented, resp_type(request), factor)

    def _test(self, request: methods.OrderTest, account: Account, now_ms: int) -> Done:
        ticket = as_ticket(request, self._symbol(request.symbol))
        self.engine.test(account, ticket, now_ms)
        if not request.compute_commission_rates:
            return Done({})
        return Done(account_replies.commission_for_order(account.commission, is_buy=ticket.is_buy))

    def _cancel(
        self, request: methods.OrderCancel, account: Account, now_ms: int, factor: int
    ) -> Done:
        order = self.engine.open_order(
            account,
            self._symbol(request.symbol),
            request.order_id,
            request.orig_client_order_id,
        )
        report, step = self.engine.cancel(
            account,
            order,
            now_ms,
            new_client_order_id=request.new_client_order_id or "",
            restriction=request.cancel_restrictions,
        )
        return Done(replies.cancelled(report, now_ms, factor), [step])

    def _replace(
        self,
        request: methods.OrderCancelReplace,
        account: Account,
        now_ms: int,
        factor: int,
        exceeded: Refusal | None,
    ) -> Done:
        """Cancel, then place; either half may fail alone, as the mode allows."""
        ticket = as_ticket(request, self._symbol(request.symbol))
        self.engine.test(account, ticket, now_ms)
        steps: list[Step] = []
        halves: dict[str, object] = {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": None,
            "newOrderResponse": None,
        }
        try:
            report, step = self._cancel_first(request, account, now_ms)
            steps.append(step)
            halves["cancelResponse"] = replies.cancelled(report, now_ms, factor)
        except Refusal as refusal:
            halves |= {"cancelResult": "FAILURE", "cancelResponse": refusal.body}
            if request.cancel_replace_mode == "STOP_ON_FAILURE":
                if exceeded is not None:
                    raise exceeded from refusal  # the table of outcomes has a 429 here
                halves["newOrderResult"] = "NOT_ATTEMPTED"
        if halves["newOrderResult"] == "SUCCESS":
            try:
                order, step = self._place_then(account, ticket, now_ms, exceeded)
                steps.append(step)
                halves["newOrderResponse"] = self._placed(request, account, order, step, factor)
            except Refusal as refusal:
                halves |= {"newOrderResult": "FAILURE", "newOrderResponse": refusal.body}
        return Done(halves, steps, _halved(halves))

    def _cancel_first(
        self, request: methods.OrderCancelReplace, account: Account, now_ms: int
    ) -> tuple[Report, Step]:
        order = self.engine.open_order(
            account,
            request.symbol,
            request.cancel_order_id,
            request.cancel_orig_client_order_id,
        )
        return self.engine.cancel(
            account,
            order,
            now_ms,
            new_client_order_id=request.cancel_new_client_order_id or "",
            restriction=request.cancel_restrictions,
        )

    def _place_then(
        self, account: Account, ticket: Ticket, now_ms: int, exceeded: Refusal | None
    ) -> tuple[Order, Step]:
        if exceeded is not None:
            raise Refusal(exceeded.body.code, exceeded.body.msg)
        return self.engine.place(account, ticket, now_ms)

    def _amend(
        self, request: methods.OrderAmendKeepPriority, account: Account, now_ms: int, factor: int
    ) -> Done:
        order = self.engine.open_order(
            account,
            self._symbol(request.symbol),
            request.order_id,
            request.orig_client_order_id,
        )
        report, step = self.engine.amend(
            account,
            order,
            _units(request.new_qty),
            now_ms,
            new_client_order_id=request.new_client_order_id or "",
        )
        return Done(replies.amended(report, now_ms, factor), [step])


def as_ticket(request: NewOrder, symbol: str) -> Ticket:
    """Return what a request asks for, in units.

    Raises:
        Refusal: for an order that follows the book's prices, which this exchange does not have.
    """
    if request.peg_price_type is not None:
        raise Refusal(-2010, "Pegged orders are not supported for this symbol.")
    return Ticket(
        symbol,
        is_buy=request.side == "BUY",
        type=request.type,
        time_in_force=request.time_in_force or "GTC",
        price=_units(request.price),
        qty=_units(request.quantity),
        quote_order_qty=_units(request.quote_order_qty),
        stop_price=_units(request.stop_price),
        trailing_delta=request.trailing_delta or 0,
        iceberg_qty=_units(request.iceberg_qty),
        client_order_id=request.new_client_order_id or "",
        strategy_id=request.strategy_id,
        strategy_type=request.strategy_type,
        stp=request.self_trade_prevention_mode,
    )


def _units(amount: object) -> int:
    if amount is None:
        return 0
    return units(amount if isinstance(amount, Decimal) else Decimal(str(amount)))


def _halved(halves: dict[str, object]) -> Refusal | None:
    """Return the error that a cancel-replace ends with, None when both halves succeeded."""
    failed = [halves[name] != "SUCCESS" for name in ("cancelResult", "newOrderResult")]
    if not any(failed):
        return None
    if all(failed):
        return Refusal(-2022, "Order cancel-replace failed.", data=halves)
    return Refusal(-2021, "Order cancel-replace partially failed.", status=409, data=halves)
