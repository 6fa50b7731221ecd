"""The engine: orders in, steps out. A pure function of its inputs and their times.

What is wrong with an order is found before anything is changed (`admission`), so that a refused request
leaves no trace. Source: web-socket-api.md "Trading requests".
"""

from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from bwsresearch.exchange.trading import admission
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import notional
from bwsresearch.exchange.trading.liquidity import MarketEvent, Triggered
from bwsresearch.exchange.trading.matching import Matching, Plan
from bwsresearch.exchange.trading.orders import Amendment, Order, Ticket
from bwsresearch.exchange.trading.settlement import Settlement
from bwsresearch.exchange.trading.steps import Report, Step
from bwsresearch.exchange.trading.venues import AccountStanding, Venue
from bwsresearch.protocol.messages import Refusal

__all__ = ["Engine"]

_UNKNOWN: Final = "Unknown order sent."
_IDS: Final = 1 << 88
_SPREAD: Final = 0x9E3779B97F4A7C15F39CC1
_SHIFT: Final = 0xD1B54A32D192ED03A5C2B7


@dataclass(slots=True)
class Engine:
    """Accounts and venues, and what orders do to them.

    `seed` decides the client order ids that the exchange chooses itself.
    """

    venues: dict[str, Venue]
    accounts: dict[str, Account]
    seed: int = 1
    settlement: Settlement = field(init=False)
    matching: Matching = field(init=False)
    chosen: int = 0

    def __post_init__(self) -> None:
        self.settlement = Settlement(self.accounts, self.venues)
        self.matching = Matching(self.settlement)

    # ---- money -------------------------------------------------------------------------------

    def deposit(self, account: Account, asset: str, amount: int, now_ms: int) -> Step:
        """Add to an account what comes from outside; a negative amount is taken away.

        Raises:
            Refusal: when more is taken than is free.
        """
        if account.free[asset] + amount < 0:
            raise Refusal(-2010, admission.NO_FUNDS)
        step = Step(now_ms)
        account.free[asset] += amount
        step.touch(account, asset)
        return step

    # ---- new orders --------------------------------------------------------------------------

    def test(self, account: Account, ticket: Ticket, now_ms: int) -> None:
        """Raise the Refusal that `place` would, as far as rules and filters go; no balances."""
        venue = self.venues[ticket.symbol]
        admission.allowed(venue, ticket)
        venue.filters.check(ticket, AccountStanding(venue, account, now_ms))

    def place(self, account: Account, ticket: Ticket, now_ms: int) -> tuple[Order, Step]:
        """Accept an order, trade what it meets, and let the rest work, wait or expire.

        Raises:
            Refusal: -1013 for a filter, -2010 with the exchange's reason; nothing has changed then.
        """
        venue = self.venues[ticket.symbol]
        self.test(account, ticket, now_ms)
        if ticket.client_order_id:
            admission.unused(account, ticket.symbol, ticket.client_order_id)
        if ticket.type == "LIMIT_MAKER" and self.matching.crosses(venue, ticket, now_ms):
            raise Refusal(-2010, "Order would immediately match and take.")
        admission.not_met(venue, ticket)
        plan = None
        if ticket.type == "MARKET" and not self._waits(venue, ticket, now_ms, now_ms):
            plan = self.matching.plan(venue, ticket, now_ms)
        reserve = admission.funded(venue, account, ticket, plan)
        step = Step(now_ms)
        order = self._accept(venue, account, ticket, plan, step)
        if reserve:
            asset = venue.quote if ticket.is_buy else venue.base
            self.settlement.reserve(account, order, asset, reserve, step)
        if ticket.is_algo:
            self._wait(venue, order, step)
        else:
            order.working_time = now_ms
            self.matching.report(venue, order, "NEW", "place", step)
            self._work(venue, order, step)
        self._trigger(venue, step)
        return order, step

    def _accept(
        self, venue: Venue, account: Account, ticket: Ticket, plan: Plan | None, step: Step
    ) -> Order:
        qty = plan.qty if plan is not None and ticket.quote_order_qty else ticket.qty
        order = Order(
            order_id=venue.next_order_id,
            owner=account.name,
            symbol=ticket.symbol,
            is_buy=ticket.is_buy,
            price=ticket.price,
            ticket=ticket,
            client_order_id=ticket.client_order_id or self.client_id(),
            stp=ticket.stp or venue.info.default_self_trade_prevention_mode,  # type: ignore[arg-type] # the listing writes modes only
            qty=qty,
            time=step.now_ms,
            update_time=step.now_ms,
            on_top=account.commission.on_top if ticket.is_buy else 0,
        )
        order.visible = ticket.iceberg_qty or qty
        order.is_short = plan is not None and plan.is_short and ticket.quote_order_qty > 0
        venue.next_order_id += 1
        venue.orders[order.order_id] = order
        account.orders[venue.symbol].append(order)
        account.open_orders[venue.symbol][order.order_id] = order
        account.by_client_id[venue.symbol, order.client_order_id] = order
        return order

    def client_id(self) -> str:
        """Return a client order id of the exchange's own choice: 22 letters and digits."""
        self.chosen += 1
        # An odd factor, so that no number comes twice.
        return f"{(self.chosen * _SPREAD + self.seed * _SHIFT) % _IDS:022x}"

    # ---- working orders ----------------------------------------------------------------------

    def _wait(self, venue: Venue, order: Order, step: Step) -> None:
        """Let a stop wait for its price."""
        if order.ticket.trailing_delta and not order.ticket.stop_price and venue.last:
            order.trailing_time, order.extreme = step.now_ms, venue.last
        venue.stops.add(order)
        self.matching.report(venue, order, "NEW", "place", step)

    def _work(self, venue: Venue, order: Order, step: Step) -> None:
        """Trade an order, then let it rest or expire as its time in force says."""
        ticket, matching = order.ticket, self.matching
        if ticket.type != "LIMIT_MAKER" and self._waits(
            venue, ticket, order.working_time, step.now_ms
        ):
            venue.waiting[order.order_id] = order
            return
        is_all_or_none = ticket.time_in_force == "FOK" and not ticket.is_at_market
        if is_all_or_none and matching.available(venue, order, step.now_ms) < order.remaining:
            matching.end(
                venue, order, "EXPIRED", "EXPIRED", "expire", step,
                reason="UNFILLED_FOK_ORDER_EXPIRED",
            )  # fmt: skip
            return
        if ticket.type != "LIMIT_MAKER":
            matching.take(venue, order, step)
        if not order.is_open:
            return
        if ticket.is_at_market:
            matching.end(
                venue, order, "EXPIRED", "EXPIRED", "expire", step, reason="INSUFFICIENT_LIQUIDITY"
            )
        elif ticket.time_in_force != "GTC":
            matching.end(
                venue, order, "EXPIRED", "EXPIRED", "expire", step,
                reason="UNFILLED_IOC_QUANTITY_EXPIRED",
            )  # fmt: skip
        else:
            order.visible = min(ticket.iceberg_qty or order.remaining, order.remaining)
            venue.book.add(order)
            if venue.liquidity is not None:
                venue.liquidity.rest(order, step.now_ms)

    def _trigger(self, venue: Venue, step: Step) -> None:
        """Let the stops work that the last price has met, and those that their trades meet."""
        while venue.stops and venue.last and (met := venue.stops.met(venue.last, step.now_ms)):
            for order in met:
                self._released(venue, order, step)

    def _released(self, venue: Venue, order: Order, step: Step) -> None:
        order.update_time = step.now_ms
        waits = self._waits(venue, order.ticket, step.now_ms, step.now_ms)
        if not waits and not self._affords(venue, order, step):
            return
        order.working_time = step.now_ms
        self.matching.report(venue, order, "NEW", "trigger", step)
        self._work(venue, order, step)

    def _affords(self, venue: Venue, order: Order, step: Step) -> bool:
        """Free what an order at market holds, since only now its price is known; or let it expire."""
        account, ticket = self.accounts[order.owner], order.ticket
        if not ticket.is_at_market or not (ticket.is_buy or ticket.quote_order_qty):
            return True
        self.settlement.release(account, order, venue, step, 0)
        if ticket.qty:
            ticket = replace(ticket, qty=order.remaining)  # it may have been amended
        plan = self.matching.plan(venue, ticket, step.now_ms)
        if ticket.quote_order_qty:
            order.qty = order.visible = plan.qty if plan.qty >= venue.filters.min_qty else 0
            order.is_short = plan.is_short
        is_enough = (
            admission.with_fee(account, plan.cost) <= account.free[venue.quote]
            if ticket.is_buy
            else plan.qty <= account.free[venue.base]
        )
        if not is_enough or (plan.qty and not plan.cost):
            self.matching.end(venue, order, "EXPIRED", "EXPIRED", "expire", step, reason="REJECTED")
            return False
        return True

    def _waits(self, venue: Venue, ticket: Ticket, working_ms: int, now_ms: int) -> bool:
        return venue.liquidity is not None and venue.liquidity.waits(ticket, working_ms, now_ms)

    def observe(self, event: MarketEvent, now_ms: int) -> Step:
        """Let the market's event fill resting orders, trigger stops and end what waits for it."""
        venue, step = self.venues[event.symbol], Step(now_ms)
        liquidity = venue.liquidity
        if liquidity is None:
            raise ValueError(
                f"{event.symbol} is traded among its orders alone; it watches no market"
            )
        for outcome in liquidity.observe(event, venue.book, venue.stops):
            if isinstance(outcome, Triggered):
                self._released(venue, outcome.order, step)
            else:
                self.matching.fill(
                    venue, outcome.order, outcome.order.price, outcome.qty, step,
                    is_maker=True, evidence=outcome.evidence,
                )  # fmt: skip
        if venue.waiting:
            self._resume(venue, step)
        return step

    def _resume(self, venue: Venue, step: Step) -> None:
        """Let orders trade whose waiting has ended, in the order in which they began to wait."""
        for order in list(venue.waiting.values()):
            if order.is_open and self._waits(venue, order.ticket, order.working_time, step.now_ms):
                continue
            del venue.waiting[order.order_id]
            if order.is_open and self._affords(venue, order, step):
                self._work(venue, order, step)
            if order.is_resting:
                venue.book.side(is_buy=order.is_buy).to_place(order)

    # ---- cancelling and amending -------------------------------------------------------------

    def find(
        self, account: Account, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> Order | None:
        """Return an order by id, by client order id (the newest that had it), or by both.

        Raises:
            Refusal: -2039 when both are given and do not belong together.
        """
        if order_id is None:
            return account.by_client_id.get((symbol, client_order_id or ""))
        order = self.venues[symbol].orders.get(order_id)
        if order is None or order.owner != account.name:
            return None
        if client_order_id is not None and order.client_order_id != client_order_id:
            raise Refusal(-2039, "Client order ID is not correct for this order ID.")
        return order

    def open_order(
        self, account: Account, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> Order:
        """Return an open order; Refusal -2011 when there is none."""
        try:
            order = self.find(account, symbol, order_id, client_order_id)
        except Refusal:
            order = None
        if order is None or not order.is_open:
            raise Refusal(-2011, _UNKNOWN)
        if order_id is None and order.client_order_id != client_order_id:
            raise Refusal(-2011, _UNKNOWN)
        return order

    def cancel(
        self,
        account: Account,
        order: Order,
        now_ms: int,
        *,
        new_client_order_id: str = "",
        restriction: str | None = None,
    ) -> tuple[Report, Step]:
        """Cancel an open order; its client order id is replaced and free for others."""
        wanted = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}.get(
            restriction or "", order.status
        )
        if order.status != wanted:
            raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")
        step = Step(now_ms)
        self._cancel(account, order, step, new_client_order_id)
        return step.reports[-1], step

    def cancel_all(self, account: Account, symbol: str, now_ms: int) -> Step:
        """Cancel all open orders of a symbol, oldest first; Refusal -2011 when there are none."""
        orders = list(account.open_orders[symbol].values())
        if not orders:
            raise Refusal(-2011, _UNKNOWN)
        step = Step(now_ms)
        for order in orders:
            self._cancel(account, order, step, "")
        return step

    def _cancel(self, account: Account, order: Order, step: Step, new_client_order_id: str) -> None:
        earlier = order.client_order_id
        self._rename(account, order, new_client_order_id or self.client_id())
        self.matching.end(
            self.venues[order.symbol], order, "CANCELED", "CANCELED", "cancel", step,
            orig_client_order_id=earlier,
        )  # fmt: skip

    def _rename(self, account: Account, order: Order, client_order_id: str) -> None:
        # The earlier id still finds the order, until another one takes it.
        order.client_order_id = client_order_id
        account.by_client_id[order.symbol, client_order_id] = order

    def amend(
        self,
        account: Account,
        order: Order,
        new_qty: int,
        now_ms: int,
        *,
        new_client_order_id: str = "",
    ) -> tuple[Report, Step]:
        """Lower an order's quantity; it keeps its id and its place in the queue."""
        venue = self.venues[order.symbol]
        admission.amendable(venue, account, order, new_qty, now_ms)
        if new_client_order_id and new_client_order_id != order.client_order_id:
            admission.unused(account, order.symbol, new_client_order_id)
        step, earlier, was = Step(now_ms), order.client_order_id, order.qty
        order.qty = new_qty
        order.visible = min(order.visible, order.remaining)
        order.update_time = now_ms
        if new_client_order_id != order.client_order_id:
            self._rename(account, order, new_client_order_id or self.client_id())
        self.settlement.release(account, order, venue, step, self._need(venue, order))
        report = self.matching.report(
            venue, order, "REPLACED", "amend", step, orig_client_order_id=earlier
        )
        order.amendments.append(
            Amendment(report.execution_id, earlier, order.client_order_id, was, new_qty, now_ms)
        )
        return report, step

    def _need(self, venue: Venue, order: Order) -> int:
        if order.is_buy and not order.price:
            return min(
                order.reserved, notional(venue.last or order.ticket.stop_price, order.remaining)
            )
        return order.need()
