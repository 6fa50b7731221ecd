"""Takers meet makers: at the maker's price, best price first, oldest first, never an own order.

Source: web-socket-api.md "Place new order"; faqs/stp_faq.md; faqs/market_orders_faq.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bwsresearch.exchange.trading.accounts import Deal, PreventedMatch
from bwsresearch.exchange.trading.amounts import UNIT, floored, notional
from bwsresearch.exchange.trading.orders import ExpiryReason, Order, OrderStatus, Ticket
from bwsresearch.exchange.trading.settlement import Settlement
from bwsresearch.exchange.trading.steps import (
    NO_FILL,
    Cause,
    Evidence,
    ExecutionType,
    FillPart,
    Report,
    Step,
)
from bwsresearch.exchange.trading.venues import Venue

__all__ = ["Matching", "Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an order at market would get right now: base, and what that costs in quote.

    `is_short` when the book ends before it has all, `is_empty` when there is nothing at all.
    """

    qty: int
    cost: int
    is_short: bool
    is_empty: bool


@dataclass(slots=True)
class Matching:
    """The matching of all symbols, over one settlement."""

    settlement: Settlement

    # ---- what could be had -------------------------------------------------------------------

    def crosses(self, venue: Venue, ticket: Ticket, now_ms: int) -> bool:
        """Whether a limit order would trade at once."""
        if venue.liquidity is not None:
            best = venue.liquidity.best(now_ms, is_buy=ticket.is_buy)
        else:
            best = venue.book.side(is_buy=not ticket.is_buy).best
        return best is not None and _reaches(ticket, best)

    def plan(self, venue: Venue, ticket: Ticket, now_ms: int) -> Plan:
        """Return what a ticket at market would get, by walking the book without touching it."""
        if ticket.quote_order_qty:
            return self._plan_quote(venue, ticket, now_ms)
        qty = cost = 0
        for price, size in self._levels(venue, ticket.is_buy, now_ms):
            part = min(size, ticket.qty - qty)
            qty, cost = qty + part, cost + notional(price, part)
            if qty == ticket.qty:
                break
        return Plan(qty, cost, is_short=qty < ticket.qty, is_empty=not qty)

    def _plan_quote(self, venue: Venue, ticket: Ticket, now_ms: int) -> Plan:
        """A buy never spends more than the amount, a sale receives at most about as much."""
        taken: list[tuple[int, int]] = []
        left, is_short = ticket.quote_order_qty, True
        for price, size in self._levels(venue, ticket.is_buy, now_ms):
            part = min(size, left * UNIT // price)
            taken.append((price, part))
            left -= notional(price, part)
            # It has all when the rest of the amount buys no step more, also where a level ends with it.
            if part < size or left * UNIT // price < venue.filters.step:
                is_short = False
                break
        total = sum(part for _, part in taken)
        qty = floored(total, venue.filters.step)
        excess, cost = total - qty, 0
        for price, part in reversed(taken):
            dropped = min(part, excess)
            excess -= dropped
            cost += notional(price, part - dropped)
        return Plan(qty, cost, is_short=is_short, is_empty=not taken)

    def available(self, venue: Venue, order: Order, now_ms: int) -> int:
        """Return how much an order could trade within its limit, up to what remains of it."""
        found = 0
        for price, size in self._levels(venue, order.is_buy, now_ms, besides=order):
            if not _reaches(order.ticket, price) or found >= order.remaining:
                break
            found += size
        return min(found, order.remaining)

    def _levels(
        self, venue: Venue, is_buy: bool, now_ms: int, *, besides: Order | None = None
    ) -> Iterator[tuple[int, int]]:
        """Return (price, quantity) a taker would meet; `besides` skips what STP keeps it from."""
        if venue.liquidity is not None:
            for offer in venue.liquidity.offers(now_ms, is_buy=is_buy):
                yield offer.price, offer.qty
            return
        side = venue.book.side(is_buy=not is_buy)
        for price, level in side.ordered():
            makers = level.values()
            if besides is not None and besides.stp != "NONE":
                yield price, sum(o.remaining for o in makers if o.owner != besides.owner)
            else:
                yield price, sum(o.remaining for o in makers)

    # ---- what is had -------------------------------------------------------------------------

    def take(self, venue: Venue, taker: Order, step: Step) -> None:
        """Trade an order against what it meets, within its limit, as far as it goes."""
        if venue.liquidity is not None:
            self._take_offers(venue, taker, step)
        else:
            self._take_orders(venue, taker, step)

    def _take_offers(self, venue: Venue, taker: Order, step: Step) -> None:
        liquidity = venue.liquidity
        assert liquidity is not None  # noqa: S101 - the caller has looked
        for offer in liquidity.offers(step.now_ms, is_buy=taker.is_buy):
            if not taker.remaining or not _reaches(taker.ticket, offer.price):
                return
            qty = min(taker.remaining, offer.qty)
            evidence = liquidity.take(offer, qty, is_buy=taker.is_buy)
            self.fill(venue, taker, offer.price, qty, step, is_maker=False, evidence=evidence)

    def _take_orders(self, venue: Venue, taker: Order, step: Step) -> None:
        side = venue.book.side(is_buy=not taker.is_buy)
        while taker.remaining and taker.is_open:
            price = side.best
            if price is None or not _reaches(taker.ticket, price):
                return
            maker = side.first(price)
            if maker.owner == taker.owner and taker.stp != "NONE":
                self._prevent(venue, taker, maker, step)
            else:
                self._trade(venue, taker, maker, step)

    def _trade(self, venue: Venue, taker: Order, maker: Order, step: Step) -> None:
        price, qty = maker.price, min(taker.remaining, maker.visible)
        trade_id, venue.next_trade_id = venue.next_trade_id, venue.next_trade_id + 1
        venue.traded(price, qty, step.now_ms)
        for order, other in ((taker, maker), (maker, taker)):
            evidence = Evidence(
                "order",
                other.order_id,
                step.now_ms,
                price,
                other.remaining + (order is maker) * qty,
                "match",
            )
            self._settle(
                venue, order, price, qty, trade_id, step, is_maker=order is maker, evidence=evidence
            )
        self._refresh(venue, maker, qty)

    def _refresh(self, venue: Venue, maker: Order, qty: int) -> None:
        """Take a fill off the shown part of a maker; show an iceberg's next slice, at the back."""
        maker.visible -= qty
        if not maker.remaining:
            venue.book.remove(maker)
        elif not maker.visible:
            maker.visible = min(maker.ticket.iceberg_qty, maker.remaining)
            venue.book.side(is_buy=maker.is_buy).to_back(maker)
        else:
            venue.book.changes += 1

    def fill(
        self,
        venue: Venue,
        order: Order,
        price: int,
        qty: int,
        step: Step,
        *,
        is_maker: bool,
        evidence: Evidence,
    ) -> None:
        """Carry out a trade with the watched market."""
        trade_id, venue.next_trade_id = venue.next_trade_id, venue.next_trade_id + 1
        paid = self._settle(
            venue, order, price, qty, trade_id, step, is_maker=is_maker, evidence=evidence
        )
        self.settlement.from_market(order, venue, qty, paid)
        if is_maker:
            self._refresh(venue, order, qty)

    def _settle(
        self,
        venue: Venue,
        order: Order,
        price: int,
        qty: int,
        trade_id: int,
        step: Step,
        *,
        is_maker: bool,
        evidence: Evidence,
    ) -> int:
        settlement, now_ms = self.settlement, step.now_ms
        order.executed += qty
        paid, commission, asset = settlement.trade(
            order, venue, price, qty, step, is_maker=is_maker
        )
        order.quote += paid
        order.update_time = now_ms
        order.status = "PARTIALLY_FILLED"
        if not order.remaining and not order.is_short:
            order.status = "FILLED"
            if order.prevented:
                order.status = "EXPIRED_IN_MATCH"
            self._close(venue, order, step)
        part = FillPart(trade_id, price, qty, paid, commission, asset, is_maker, evidence)
        self.report(venue, order, "TRADE", "fill", step, fill=part)
        symbol = venue.symbol
        settlement.accounts[order.owner].deals[symbol].append(
            Deal(
                symbol,
                trade_id,
                order.order_id,
                price,
                qty,
                paid,
                commission,
                asset,
                now_ms,
                order.is_buy,
                is_maker,
            )
        )
        return paid

    def _prevent(self, venue: Venue, taker: Order, maker: Order, step: Step) -> None:
        """Keep two orders of one account from trading, as the taker's mode says."""
        mode = taker.stp
        if mode in ("TRANSFER", "DECREMENT"):
            qty = min(taker.remaining, maker.remaining)
            losses = ((taker, qty), (maker, qty))
        else:
            losses = (
                (taker, taker.remaining if mode in ("EXPIRE_TAKER", "EXPIRE_BOTH") else 0),
                (maker, maker.remaining if mode in ("EXPIRE_MAKER", "EXPIRE_BOTH") else 0),
            )
        number, venue.next_prevented_id = venue.next_prevented_id, venue.next_prevented_id + 1
        record = PreventedMatch(
            venue.symbol,
            number,
            taker.order_id,
            maker.order_id,
            mode,
            maker.price,
            losses[0][1],
            losses[1][1],
            step.now_ms,
        )
        self.settlement.accounts[taker.owner].prevented[venue.symbol].append(record)
        for (order, loss), other in zip(losses, (maker, taker), strict=True):
            if loss:
                order.prevented_match_id = number
                self._lose(venue, order, loss, other, step)

    def _lose(self, venue: Venue, order: Order, loss: int, other: Order, step: Step) -> None:
        order.prevented += loss
        order.update_time = step.now_ms
        if order.remaining:
            order.visible = min(order.visible, order.remaining)
            if order.reserved:
                self.settlement.release(
                    self.settlement.accounts[order.owner], order, venue, step, order.need()
                )
        else:
            order.status = "EXPIRED_IN_MATCH"
            if order.is_resting:
                venue.book.remove(order)
            self._close(venue, order, step)
        self.report(
            venue, order, "TRADE_PREVENTION", "prevent", step,
            other_order_id=other.order_id, prevented_qty=loss,
        )  # fmt: skip

    # ---- how an order ends -------------------------------------------------------------------

    def end(
        self,
        venue: Venue,
        order: Order,
        status: OrderStatus,
        execution: ExecutionType,
        cause: Cause,
        step: Step,
        *,
        reason: ExpiryReason | None = None,
        orig_client_order_id: str = "",
    ) -> None:
        """Close an open order for another reason than a fill."""
        if order.is_resting:
            venue.book.remove(order)
        order.status, order.update_time, order.expiry_reason = status, step.now_ms, reason
        self._close(venue, order, step)
        self.report(venue, order, execution, cause, step, orig_client_order_id=orig_client_order_id)

    def _close(self, venue: Venue, order: Order, step: Step) -> None:
        account = self.settlement.accounts[order.owner]
        account.open_orders[venue.symbol].pop(order.order_id, None)
        venue.stops.remove(order)
        self.settlement.release(account, order, venue, step, 0)

    def report(
        self,
        venue: Venue,
        order: Order,
        execution: ExecutionType,
        cause: Cause,
        step: Step,
        *,
        fill: FillPart = NO_FILL,
        orig_client_order_id: str = "",
        other_order_id: int = -1,
        prevented_qty: int = 0,
    ) -> Report:
        """Record a transition of an order."""
        number, venue.next_execution_id = venue.next_execution_id, venue.next_execution_id + 1
        made = Report(
            order,
            execution,
            cause,
            number,
            order.status,
            order.client_order_id,
            orig_client_order_id,
            order.qty,
            order.executed,
            order.quote,
            order.prevented,
            # A new order counts as on the book, even when it is about to trade at once.
            order.is_working if execution == "NEW" else order.is_resting and order.is_open,
            fill,
            other_order_id,
            prevented_qty,
        )
        step.reports.append(made)
        return made


def _reaches(ticket: Ticket, price: int) -> bool:
    """Whether a taker accepts a price."""
    if ticket.is_at_market:
        return True
    return ticket.price >= price if ticket.is_buy else ticket.price <= price
