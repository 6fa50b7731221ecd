"""What the user data stream tells: one event per report of a step, then the balances it touched.

Source: user-data-stream.md, "Order Update", "Account Update", "Balance Update".
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.steps import Report, Step

__all__ = ["balance_update", "events", "execution_report"]

Json: TypeAlias = dict[str, object]

_NO_LIST: Final = -1


def events(step: Step, owner: str) -> Iterator[Json]:
    """Return the events of a step for one account: its orders' reports, then one of its balances."""
    for report in step.reports:
        if report.order.owner == owner:
            yield execution_report(report, step.now_ms)
    assets = [asset for name, asset in step.touched if name == owner]
    if assets:
        account = step.touched[owner, assets[0]]
        yield {
            "e": "outboundAccountPosition",
            "E": step.now_ms,
            "u": step.now_ms,
            "B": [
                {
                    "a": asset,
                    "f": decimal(account.free[asset]),
                    "l": decimal(account.locked[asset]),
                }
                for asset in assets
            ],
        }


def execution_report(report: Report, now_ms: int) -> Json:
    """Return the event of one transition, its keys in the documented order."""
    order, fill = report.order, report.fill
    ticket = order.ticket
    is_trade = report.execution == "TRADE"
    has_fee = is_trade and fill.commission > 0
    event: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": report.client_order_id,
        "S": "BUY" if order.is_buy else "SELL",
        "o": ticket.type,
        "f": ticket.time_in_force,
        "q": decimal(report.qty),
        "p": decimal(ticket.price),
        "P": decimal(ticket.stop_price),
        "F": decimal(ticket.iceberg_qty),
        "g": _NO_LIST,
        "C": report.orig_client_order_id,
        "x": report.execution,
        "X": report.status,
        "r": "NONE",
        "i": order.order_id,
        "l": decimal(fill.qty),
        "z": decimal(report.executed),
        "L": decimal(fill.price),
        "n": decimal(fill.commission) if has_fee else "0",
        "N": fill.commission_asset if has_fee else None,
        "T": now_ms,
        "t": fill.trade_id,
    }
    if report.execution == "TRADE_PREVENTION":
        event["v"] = order.prevented_match_id
    event |= {
        "I": report.execution_id,
        "w": report.is_on_book,
        "m": fill.is_maker,
        "M": is_trade,
        "O": order.time,
        "Z": decimal(report.quote),
        "Y": decimal(fill.quote),
        "Q": decimal(ticket.quote_order_qty),
    }
    if order.working_time >= 0:
        event["W"] = order.working_time
    event["V"] = order.stp
    event.update(_conditionals(report))
    return event


def _conditionals(report: Report) -> Json:
    order = report.order
    found: Json = {}
    if order.ticket.trailing_delta:
        found |= {"d": order.ticket.trailing_delta, "D": order.trailing_time}
    if order.ticket.strategy_id is not None:
        found["j"] = order.ticket.strategy_id
    if order.ticket.strategy_type is not None:
        found["J"] = order.ticket.strategy_type
    if report.execution == "TRADE_PREVENTION":
        found |= {
            "A": decimal(report.prevented),
            "B": decimal(report.prevented_qty),
            "u": -1,
            "U": report.other_order_id,
        }
    if report.execution == "EXPIRED" and order.expiry_reason is not None:
        found["eR"] = order.expiry_reason
    return found


def balance_update(asset: str, delta: int, now_ms: int) -> Json:
    """Return the event of a deposit or a withdrawal."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": decimal(delta), "T": now_ms}
