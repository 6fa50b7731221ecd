"""Admission: what is wrong with an order or an amendment, found before anything is changed.

Source: errors.md "Messages for -1010, -2010, -2011".
"""

from typing import Final

from msgspec.structs import replace

from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT, fee_of, notional
from bwsresearch.exchange.trading.matching import Plan
from bwsresearch.exchange.trading.orders import Order, Ticket
from bwsresearch.exchange.trading.venues import AccountStanding, Venue
from bwsresearch.protocol.messages import Refusal

__all__ = ["NO_FUNDS", "allowed", "amendable", "funded", "not_met", "unused", "with_fee"]

NO_FUNDS: Final = "Account has insufficient balance for requested action."
_WORTHLESS: Final = "Price * QTY is zero or less."


def allowed(venue: Venue, ticket: Ticket) -> None:
    """Refuse what the symbol does not take at all."""
    info = venue.info
    if info.status != "TRADING":
        raise Refusal(-2010, "Market is closed.")
    if ticket.type not in info.order_types:
        raise Refusal(-2010, _unsupported(ticket))
    if ticket.quote_order_qty and not info.quote_order_qty_market_allowed:
        raise Refusal(-2010, "Quote order qty market orders are not support for this symbol.")
    if ticket.trailing_delta and not info.allow_trailing_stop:
        raise Refusal(-2010, "Trailing stop orders are not supported for this symbol.")
    if ticket.iceberg_qty and not info.iceberg_allowed:
        raise Refusal(-2010, "Iceberg orders are not supported for this symbol.")
    if ticket.iceberg_qty and ticket.iceberg_qty >= ticket.qty:
        raise Refusal(-2010, "IcebergQty exceeds QTY.")
    if ticket.stp is not None and ticket.stp not in info.allowed_self_trade_prevention_modes:
        raise Refusal(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    if ticket.price and ticket.qty and not notional(ticket.price, ticket.qty):
        raise Refusal(-2010, _WORTHLESS)


def _unsupported(ticket: Ticket) -> str:
    words = {
        "MARKET": "Market",
        "STOP_LOSS": "Stop loss",
        "STOP_LOSS_LIMIT": "Stop loss limit",
        "TAKE_PROFIT": "Take profit",
        "TAKE_PROFIT_LIMIT": "Take profit limit",
        "LIMIT_MAKER": "Limit maker",
        "LIMIT": "Limit",
    }
    return f"{words[ticket.type]} orders are not supported for this symbol."


def unused(account: Account, symbol: str, client_order_id: str) -> None:
    """Refuse a client order id that another open order has."""
    known = account.by_client_id.get((symbol, client_order_id))
    if known is not None and known.is_open:
        raise Refusal(-2010, "Duplicate order sent.")


def not_met(venue: Venue, ticket: Ticket) -> None:
    """Refuse a stop that the last price has met already."""
    last = venue.last
    if ticket.is_algo and ticket.stop_price and last:
        is_met = last >= ticket.stop_price if ticket.is_rising else last <= ticket.stop_price
        if is_met:
            raise Refusal(-2010, "Order would trigger immediately.")


def funded(venue: Venue, account: Account, ticket: Ticket, plan: Plan | None) -> int:
    """Return what to reserve for an order; Refusal when it is not there."""
    if plan is not None:
        if ticket.quote_order_qty:
            _enough(venue, plan)
        if plan.qty and not plan.cost:
            raise Refusal(-2010, _WORTHLESS)
        sold = plan.qty if ticket.quote_order_qty else ticket.qty
        cost, reserve = (with_fee(account, plan.cost) if ticket.is_buy else sold), 0
    elif ticket.quote_order_qty:
        # What it will trade is known later; until then it holds what it may spend or sell.
        bought = ticket.quote_order_qty * UNIT // (venue.last or UNIT)
        cost = reserve = ticket.quote_order_qty if ticket.is_buy else bought
    elif ticket.is_buy:
        price = ticket.price or venue.last or ticket.stop_price
        cost = reserve = with_fee(account, notional(price, ticket.qty))
    else:
        cost = reserve = ticket.qty
    if account.free[venue.quote if ticket.is_buy else venue.base] < cost:
        raise Refusal(-2010, NO_FUNDS)
    return reserve


def with_fee(account: Account, cost: int) -> int:
    """Return what a buy takes of the quote in all."""
    rate = account.commission.on_top
    return cost + fee_of(cost, rate) if rate else cost


def _enough(venue: Venue, plan: Plan) -> None:
    filters = venue.filters
    message = "Order book liquidity is less than {} minimum quantity."
    if plan.is_empty:
        raise Refusal(-2010, message.format("symbol"))
    if plan.qty < max(filters.min_qty, 1):
        raise Refusal(-2010, message.format("`LOT_SIZE` filter"))
    if plan.qty < filters.market_min_qty:
        raise Refusal(-2010, message.format("`MARKET_LOT_SIZE` filter"))


def amendable(venue: Venue, account: Account, order: Order, new_qty: int, now_ms: int) -> None:
    """Refuse an amendment that the symbol, the order or a filter does not take."""
    filters = venue.filters
    if not venue.info.amend_allowed:
        raise Refusal(-2038, "Order amend is not supported for this symbol.")
    if new_qty == order.qty:
        raise Refusal(-2038, "The requested action would change no state; rejecting")
    if new_qty > order.qty:
        raise Refusal(-2038, "Order amend (quantity increase) is not supported.")
    if new_qty <= order.executed + order.prevented:
        raise Refusal(-2038, "The requested action would change no state; rejecting")
    if filters.max_amends and len(order.amendments) >= filters.max_amends:
        raise Refusal(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    amended = replace(order.ticket, qty=new_qty)
    for name, passes in filters.checks:
        if name in ("LOT_SIZE", "MIN_NOTIONAL", "NOTIONAL", "ICEBERG_PARTS") and not passes(
            amended, AccountStanding(venue, account, now_ms)
        ):
            raise Refusal(-1013, f"Filter failure: {name}")
