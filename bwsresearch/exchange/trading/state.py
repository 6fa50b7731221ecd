"""The engine's whole state as plain values, and one hash of it: equal runs have equal hashes."""

import hashlib

import msgspec
from msgspec.structs import astuple

from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.orders import Order
from bwsresearch.exchange.trading.venues import Venue

__all__ = ["state", "state_hash"]


def state(engine: Engine) -> dict[str, object]:
    """Return accounts, venues and what has left them, in an order that depends on nothing else."""
    settlement = engine.settlement
    return {
        "accounts": {name: _account(one) for name, one in sorted(engine.accounts.items())},
        "venues": {name: _venue(one) for name, one in sorted(engine.venues.items())},
        "market": _amounts(settlement.market),
        "fees": _amounts(settlement.fees),
        "chosen": engine.chosen,
    }


def state_hash(engine: Engine) -> str:
    """Return the SHA-256 of the state."""
    return hashlib.sha256(msgspec.json.encode(state(engine))).hexdigest()


def _amounts(amounts: dict[str, int]) -> dict[str, int]:
    return {asset: amount for asset, amount in sorted(amounts.items()) if amount}


def _account(account: Account) -> dict[str, object]:
    return {
        "free": _amounts(account.free),
        "locked": _amounts(account.locked),
        "deals": [astuple(deal) for _, deals in sorted(account.deals.items()) for deal in deals],
        "prevented": [astuple(m) for _, some in sorted(account.prevented.items()) for m in some],
        "client_ids": sorted(
            (symbol, name, order.order_id) for (symbol, name), order in account.by_client_id.items()
        ),
    }


def _venue(venue: Venue) -> dict[str, object]:
    return {
        "ids": (
            venue.next_order_id,
            venue.next_trade_id,
            venue.next_execution_id,
            venue.next_prevented_id,
        ),
        "last": venue.last,
        "orders": [_order(order) for order in venue.orders.values()],
        "waiting": list(venue.waiting),
        "book": [
            [[o.order_id for o in level.values()] for _, level in side.ordered()]
            for side in (venue.book.bids, venue.book.asks)
        ],
    }


def _order(order: Order) -> tuple[object, ...]:
    return (
        order.order_id,
        order.owner,
        order.client_order_id,
        order.status,
        order.qty,
        order.executed,
        order.quote,
        order.prevented,
        order.reserved,
        order.visible,
        order.time,
        order.update_time,
        order.working_time,
        order.trailing_time,
        order.extreme,
        order.ahead,
        order.expiry_reason,
        astuple(order.ticket),
        [astuple(made) for made in order.amendments],
    )
