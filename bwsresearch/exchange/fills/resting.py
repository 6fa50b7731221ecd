"""What a trade of the market gives to own orders that rest.

A trade at a worse price than an order's shows that the order would have been met, so far as the
trade's quantity goes; a trade at its own price only after the queue that stood before it.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from bwsresearch.exchange.trading.book import Side
from bwsresearch.exchange.trading.liquidity import Filled, Print
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.exchange.trading.steps import Evidence

__all__ = ["UNKNOWN", "fills_of", "told"]

UNKNOWN: Final = 2**62
"""So much stands before an order of whose queue nothing is known: no trade gets past it."""

_Level: TypeAlias = OrderedDict[int, Order]
_Queue: TypeAlias = Callable[[Order], int]


def fills_of(
    event: Print, side: Side, left: int, *, touch: str, queue: _Queue
) -> Generator[Filled, None, int]:
    """Yield what `left` of a trade gives to one side, best price first; return what remains.

    `touch` is "queue", "optimistic" or "never": what a trade at an order's own price gives, if its
    taker came from the other side. `queue` says what stands before an order that goes to the back.
    """
    best, at = side.best, event.price
    if best is None or (best < at if side.is_bid else best > at):
        return left
    is_met = touch != "never" and side.is_bid == event.is_buyer_maker
    for price in sorted(side.levels, reverse=side.is_bid):
        if price == at:
            if not is_met:
                return left
            left = yield from _at_price(event, side.levels[price], left, touch=touch, queue=queue)
        elif (price > at) == side.is_bid:
            left = yield from _through(event, side.levels[price], left)
        else:
            break
    return left


def _through(event: Print, level: _Level, left: int) -> Generator[Filled, None, int]:
    for order in list(level.values()):
        if order.working_time >= event.time:
            continue
        before, order.ahead = order.ahead, 0
        while left and order.is_resting:
            qty = min(order.visible, left)
            yield Filled(order, qty, _evidence(event, left, "through", before, 0))
            left -= qty
            before = 0
    return left


def _at_price(
    event: Print, level: _Level, left: int, *, touch: str, queue: _Queue
) -> Generator[Filled, None, int]:
    passed = 0  # of the market's own orders, which stand before all of ours that came later
    for order in list(level.values()):
        if order.working_time >= event.time:
            continue
        before = order.ahead
        if touch == "queue" and before:
            ahead = before if before == UNKNOWN else max(before - passed, 0)
            met = min(ahead, left)
            passed, left = passed + met, left - met
            order.ahead = ahead if ahead == UNKNOWN else ahead - met
        if not left:
            continue
        qty = min(order.visible, left)
        is_slice = qty == order.visible and qty < order.remaining
        yield Filled(order, qty, _evidence(event, left, "touch", before, order.ahead))
        left -= qty
        if is_slice and order.is_resting:
            order.ahead = queue(order)
    return left


def _evidence(event: Print, left: int, rule: str, before: int, after: int) -> Evidence:
    _, time, trade_id, price, *_ = event
    return Evidence("print", trade_id, time, price, left, rule, told(before), told(after))


def told(ahead: int) -> int:
    """Return what stands before an order as evidence tells it: -1 when it is unknown."""
    return -1 if ahead == UNKNOWN else ahead
