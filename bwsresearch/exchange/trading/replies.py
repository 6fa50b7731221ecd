"""Orders and trades as the exchange writes them: keys in its order, amounts as text.

A field that the exchange leaves out is left out. Times are written in the unit of the connection:
`factor` is 1 for milliseconds and 1000 for microseconds.
Source: the response examples of web-socket-api.md; "Conditional fields in Order Responses"; where those
show no order of the keys, that of the fields in sbe/schemas/spot_3_5.xml.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.accounts import Deal, PreventedMatch
from bwsresearch.exchange.trading.orders import ALGO_TYPES, Amendment, Order
from bwsresearch.exchange.trading.steps import Report, Step

__all__ = [
    "Json",
    "amended",
    "amendment",
    "cancelled",
    "my_trade",
    "order_row",
    "placed",
    "prevented_match",
    "wire_time",
]

Json: TypeAlias = dict[str, object]

_NO_LIST: Final = -1
_TRADE_GROUP: Final = -1


def wire_time(time_ms: int, factor: int) -> int:
    """Return a time in the unit of the connection; -1, for never, stays."""
    return time_ms * factor if time_ms >= 0 else time_ms


def _side(order: Order) -> str:
    return "BUY" if order.is_buy else "SELL"


def placed(
    order: Order,
    step: Step,
    prevented: Sequence[PreventedMatch],
    response: str,
    factor: int = 1,
) -> Json:
    """Return the reply to a placement: `response` is ACK, RESULT or FULL.

    `prevented` are the prevented matches of the account, of which only those of this order are shown.
    """
    reply: Json = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": _NO_LIST,
        "clientOrderId": order.client_order_id,
        "transactTime": wire_time(step.now_ms, factor),
    }
    if response == "ACK":
        return reply
    reply.update(_amounts(order))
    reply.update(_trigger(order, factor))
    reply["workingTime"] = wire_time(order.working_time, factor)
    reply.update(_iceberg(order))
    reply.update(_strategy(order))
    if response == "FULL":
        reply["fills"] = [
            {
                "price": decimal(fill.price),
                "qty": decimal(fill.qty),
                "commission": decimal(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in step.fills(order)
        ]
        if any(report.execution == "TRADE_PREVENTION" for report in step.reports):
            # Each match of this step is told by a report at least, and stands among the last.
            newest = prevented[-len(step.reports) :]
            own = [m for m in newest if m.taker_order_id == order.order_id]
            reply |= {"preventedMatches": [_prevented_by(m) for m in own]} if own else {}
    reply["selfTradePreventionMode"] = order.stp
    reply.update(_prevented(order))
    reply.update(_expiry(order))
    return reply


def _amounts(order: Order) -> Json:
    ticket = order.ticket
    return {
        "price": decimal(ticket.price),
        "origQty": decimal(order.qty),
        "executedQty": decimal(order.executed),
        "origQuoteOrderQty": decimal(ticket.quote_order_qty),
        "cummulativeQuoteQty": decimal(order.quote),
        "status": order.status,
        "timeInForce": ticket.time_in_force,
        "type": ticket.type,
        "side": _side(order),
    }


def _trigger(order: Order, factor: int) -> Json:
    ticket = order.ticket
    stop = {"stopPrice": decimal(ticket.stop_price)} if ticket.type in ALGO_TYPES else {}
    return stop | _trailing(order, factor)


def _iceberg(order: Order) -> Json:
    slice_ = order.ticket.iceberg_qty
    return {"icebergQty": decimal(slice_)} if slice_ else {}


def _trailing(order: Order, factor: int) -> Json:
    if not order.ticket.trailing_delta:
        return {}
    return {
        "trailingDelta": order.ticket.trailing_delta,
        "trailingTime": wire_time(order.trailing_time, factor),
    }


def _strategy(order: Order) -> Json:
    # Some clients take strategyId for the order's own id, so it must not be there unless it was sent.
    ticket = order.ticket
    if ticket.strategy_id is None and ticket.strategy_type is None:
        return {}
    both = {"strategyId": ticket.strategy_id, "strategyType": ticket.strategy_type}
    return {name: value for name, value in both.items() if value is not None}


def _prevented(order: Order) -> Json:
    return {"preventedQuantity": decimal(order.prevented)} if order.prevented else {}


def _prevention(order: Order) -> Json:
    # Only queries tell the id too: schemas of spot_3_5.xml; stp_faq.md, what the taker is told.
    if order.prevented_match_id < 0:
        return {}
    return {"preventedMatchId": order.prevented_match_id, **_prevented(order)}


def _expiry(order: Order) -> Json:
    return {} if order.expiry_reason is None else {"expiryReason": order.expiry_reason}


def order_row(order: Order, factor: int = 1, at: Report | None = None) -> Json:
    """Return an order as order.status, openOrders.status and allOrders show it; `at`, as it was then."""
    ticket, was = order.ticket, at or order
    row: Json = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": _NO_LIST,
        "clientOrderId": was.client_order_id,
        "price": decimal(ticket.price),
        "origQty": decimal(was.qty),
        "executedQty": decimal(was.executed),
        "cummulativeQuoteQty": decimal(was.quote),
        "status": was.status,
        "timeInForce": ticket.time_in_force,
        "type": ticket.type,
        "side": _side(order),
        "stopPrice": decimal(ticket.stop_price),
        **_trailing(order, factor),
        "icebergQty": decimal(ticket.iceberg_qty),
        "time": wire_time(order.time, factor),
        "updateTime": wire_time(order.update_time, factor),
        "isWorking": order.is_working,
        "workingTime": wire_time(order.working_time, factor),
        "origQuoteOrderQty": decimal(ticket.quote_order_qty),
        **_strategy(order),
        "selfTradePreventionMode": order.stp,
    }
    row.update(_prevention(order))
    row.update(_expiry(order))
    return row


def cancelled(report: Report, now_ms: int, factor: int = 1) -> Json:
    """Return the report of a cancel."""
    order = report.order
    return {
        "symbol": order.symbol,
        "origClientOrderId": report.orig_client_order_id,
        "orderId": order.order_id,
        "orderListId": _NO_LIST,
        "clientOrderId": report.client_order_id,
        "transactTime": wire_time(now_ms, factor),
        **_amounts(order),
        **_trigger(order, factor),
        **_iceberg(order),
        **_strategy(order),
        "selfTradePreventionMode": order.stp,
        **_prevented(order),
    }


def amended(report: Report, now_ms: int, factor: int = 1) -> Json:
    """Return the reply to an amendment."""
    order = report.order
    return {
        "transactTime": wire_time(now_ms, factor),
        "executionId": report.execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": _NO_LIST,
            "origClientOrderId": report.orig_client_order_id,
            "clientOrderId": report.client_order_id,
            "price": decimal(order.price),
            "qty": decimal(order.qty),
            "executedQty": decimal(order.executed),
            "preventedQty": decimal(order.prevented),
            "quoteOrderQty": decimal(order.ticket.quote_order_qty),
            "cumulativeQuoteQty": decimal(order.quote),
            "status": order.status,
            "timeInForce": order.ticket.time_in_force,
            "type": order.ticket.type,
            "side": _side(order),
            **_trigger(order, factor),
            **_iceberg(order),
            "workingTime": wire_time(order.working_time, factor),
            **_strategy(order),
            "selfTradePreventionMode": order.stp,
        },
    }


def amendment(order: Order, made: Amendment, factor: int = 1) -> Json:
    """Return one row of order.amendments."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "executionId": made.execution_id,
        "origClientOrderId": made.orig_client_order_id,
        "newClientOrderId": made.new_client_order_id,
        "origQty": decimal(made.orig_qty),
        "newQty": decimal(made.new_qty),
        "time": wire_time(made.time, factor),
    }


def my_trade(deal: Deal, factor: int = 1) -> Json:
    """Return one row of myTrades."""
    return {
        "symbol": deal.symbol,
        "id": deal.trade_id,
        "orderId": deal.order_id,
        "orderListId": _NO_LIST,
        "price": decimal(deal.price),
        "qty": decimal(deal.qty),
        "quoteQty": decimal(deal.quote),
        "commission": decimal(deal.commission),
        "commissionAsset": deal.commission_asset,
        "time": wire_time(deal.time, factor),
        "isBuyer": deal.is_buyer,
        "isMaker": deal.is_maker,
        "isBestMatch": True,
    }


def prevented_match(match: PreventedMatch, factor: int = 1) -> Json:
    """Return one row of myPreventedMatches."""
    return {
        "symbol": match.symbol,
        "preventedMatchId": match.prevented_match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": match.symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": _TRADE_GROUP,
        "selfTradePreventionMode": match.stp,
        "price": decimal(match.price),
        **_losses(match),
        "transactTime": wire_time(match.time, factor),
    }


def _prevented_by(match: PreventedMatch) -> Json:
    """Return a prevented match as the reply to its taker's placement shows it."""
    return {
        "preventedMatchId": match.prevented_match_id,
        "makerSymbol": match.symbol,
        "makerOrderId": match.maker_order_id,
        "price": decimal(match.price),
        **_losses(match),
    }


def _losses(match: PreventedMatch) -> Json:
    both = {
        "takerPreventedQuantity": match.taker_prevented,
        "makerPreventedQuantity": match.maker_prevented,
    }
    return {name: decimal(qty) for name, qty in both.items() if qty}
