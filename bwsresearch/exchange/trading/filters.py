"""The filters of a symbol, checked by their exact formulas in the order in which it lists them.

Source: filters.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from bwsresearch.exchange.trading.amounts import UNIT, notional, units
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["Filters", "Standing"]


class Standing(Protocol):
    """What a filter may ask of the market and of the account that sends the order."""

    def average(self, minutes: int) -> int:
        """Return the volume-weighted price of the last minutes, the last price without trades."""

    def open_orders(self) -> int:
        """Return how many orders of the symbol are open."""

    def open_algos(self) -> int:
        """Return how many of them wait for a price."""

    def open_icebergs(self) -> int:
        """Return how many of them are icebergs."""

    def position(self) -> int:
        """Return the base that is held or would be bought by open orders."""


_SPECIAL: Final = frozenset(
    {
        "ICEBERG_PARTS",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "TRAILING_DELTA",
    }
)
"""What binds orders at market, with a stop or with a hidden part alone."""

Check = Callable[[Ticket, Standing], bool]
"""Whether a ticket passes."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The compiled filters of one symbol; `plain` are those that bind an order with nothing special."""

    checks: tuple[tuple[str, Check], ...]
    plain: tuple[tuple[str, Check], ...]
    step: int
    market_step: int
    min_qty: int
    market_min_qty: int
    market_max_qty: int
    max_amends: int

    @classmethod
    def of(cls, info: SymbolInfo) -> "Filters":
        """Return the filters that a row of exchangeInfo names; unknown ones are left to others."""
        rows = {str(row["filterType"]): row for row in info.filters}
        checks: list[tuple[str, Check]] = []
        for name, row in rows.items():
            make = _CHECKS.get(name)
            if make is not None:
                checks.append((name, make(row)))
        lot, market = rows.get("LOT_SIZE", {}), rows.get("MARKET_LOT_SIZE", {})
        return cls(
            tuple(checks),
            tuple(check for check in checks if check[0] not in _SPECIAL),
            step=max(_units(lot, "stepSize"), _units(market, "stepSize"), 1),
            market_step=_units(market, "stepSize"),
            min_qty=_units(lot, "minQty"),
            market_min_qty=_units(market, "minQty"),
            market_max_qty=min(
                (m for m in (_units(lot, "maxQty"), _units(market, "maxQty")) if m), default=0
            ),
            max_amends=_whole(rows.get("MAX_NUM_ORDER_AMENDS", {}), "maxNumOrderAmends"),
        )

    def check(self, ticket: Ticket, standing: Standing) -> None:
        """Raise a Refusal that names the first filter that the ticket fails."""
        for name, passes in self.plain if is_plain(ticket) else self.checks:
            if not passes(ticket, standing):
                raise Refusal(-1013, f"Filter failure: {name}")


def is_plain(ticket: Ticket) -> bool:
    """Whether an order has a limit, and neither a stop nor a hidden part."""
    return ticket.type in ("LIMIT", "LIMIT_MAKER") and not ticket.iceberg_qty


def _units(row: Mapping[str, object], name: str) -> int:
    return units(Decimal(str(row.get(name) or "0")))  # some servers write "" for what is not set


def _whole(row: Mapping[str, object], name: str) -> int:
    return int(str(row.get(name) or 0))


def _price_filter(row: Mapping[str, object]) -> Check:
    least, most, tick = (_units(row, n) for n in ("minPrice", "maxPrice", "tickSize"))

    def fits(price: int) -> bool:
        return (
            (not least or price >= least)
            and (not most or price <= most)
            and (not tick or price % tick == 0)
        )

    def check(ticket: Ticket, standing: Standing) -> bool:
        del standing
        return (not ticket.price or fits(ticket.price)) and (
            not ticket.stop_price or fits(ticket.stop_price)
        )

    return check


def _lot(row: Mapping[str, object]) -> Callable[[int], bool]:
    least, most, step = (_units(row, n) for n in ("minQty", "maxQty", "stepSize"))

    def fits(qty: int) -> bool:
        return (
            (not least or qty >= least)
            and (not most or qty <= most)
            and (not step or qty % step == 0)
        )

    return fits


def _lot_size(row: Mapping[str, object]) -> Check:
    fits = _lot(row)

    def check(ticket: Ticket, standing: Standing) -> bool:
        del standing
        return (not ticket.qty or fits(ticket.qty)) and (
            not ticket.iceberg_qty or fits(ticket.iceberg_qty)
        )

    return check


def _market_lot_size(row: Mapping[str, object]) -> Check:
    fits = _lot(row)

    def check(ticket: Ticket, standing: Standing) -> bool:
        del standing
        return not ticket.is_at_market or not ticket.qty or fits(ticket.qty)

    return check


def _percent_price(row: Mapping[str, object]) -> Check:
    up, down = (_units(row, n) for n in ("multiplierUp", "multiplierDown"))
    minutes = _whole(row, "avgPriceMins")

    def check(ticket: Ticket, standing: Standing) -> bool:
        return _within(ticket, standing.average(minutes), down, up)

    return check


def _percent_price_by_side(row: Mapping[str, object]) -> Check:
    bid_up, bid_down, ask_up, ask_down = (
        _units(row, n)
        for n in (
            "bidMultiplierUp",
            "bidMultiplierDown",
            "askMultiplierUp",
            "askMultiplierDown",
        )
    )
    minutes = _whole(row, "avgPriceMins")

    def check(ticket: Ticket, standing: Standing) -> bool:
        up, down = (bid_up, bid_down) if ticket.is_buy else (ask_up, ask_down)
        return _within(ticket, standing.average(minutes), down, up)

    return check


def _within(ticket: Ticket, average: int, down: int, up: int) -> bool:
    if not ticket.price or not average:
        return True
    return average * down <= ticket.price * UNIT <= average * up


def _min_notional(row: Mapping[str, object]) -> Check:
    least, at_market = _units(row, "minNotional"), bool(row.get("applyToMarket", True))
    minutes = _whole(row, "avgPriceMins")

    def check(ticket: Ticket, standing: Standing) -> bool:
        if ticket.is_at_market and not at_market:
            return True
        return _worth(ticket, standing, minutes) >= least

    return check


def _notional(row: Mapping[str, object]) -> Check:
    least, most = _units(row, "minNotional"), _units(row, "maxNotional")
    least_at_market = bool(row.get("applyMinToMarket", False))
    most_at_market = bool(row.get("applyMaxToMarket", False))
    minutes = _whole(row, "avgPriceMins")

    def check(ticket: Ticket, standing: Standing) -> bool:
        worth = _worth(ticket, standing, minutes)
        if (least_at_market or not ticket.is_at_market) and worth < least:
            return False
        return not most or not (most_at_market or not ticket.is_at_market) or worth <= most

    return check


def _worth(ticket: Ticket, standing: Standing, minutes: int) -> int:
    """Return the notional that counts: a quote amount as it is, at market by the average price."""
    if ticket.quote_order_qty:
        return ticket.quote_order_qty
    price = standing.average(minutes) if ticket.is_at_market else ticket.price
    return notional(price, ticket.qty)


def _iceberg_parts(row: Mapping[str, object]) -> Check:
    most = _whole(row, "limit")

    def check(ticket: Ticket, standing: Standing) -> bool:
        del standing
        return not ticket.iceberg_qty or -(-ticket.qty // ticket.iceberg_qty) <= most

    return check


def _max_num_orders(row: Mapping[str, object]) -> Check:
    most = _whole(row, "maxNumOrders") or _whole(row, "limit")

    def check(ticket: Ticket, standing: Standing) -> bool:
        del ticket
        return standing.open_orders() < most

    return check


def _max_num_algo_orders(row: Mapping[str, object]) -> Check:
    most = _whole(row, "maxNumAlgoOrders")

    def check(ticket: Ticket, standing: Standing) -> bool:
        return not ticket.is_algo or standing.open_algos() < most

    return check


def _max_num_iceberg_orders(row: Mapping[str, object]) -> Check:
    most = _whole(row, "maxNumIcebergOrders")

    def check(ticket: Ticket, standing: Standing) -> bool:
        return not ticket.iceberg_qty or standing.open_icebergs() < most

    return check


def _max_position(row: Mapping[str, object]) -> Check:
    most = _units(row, "maxPosition")

    def check(ticket: Ticket, standing: Standing) -> bool:
        return not ticket.is_buy or standing.position() + ticket.qty <= most

    return check


def _trailing_delta(row: Mapping[str, object]) -> Check:
    above = _whole(row, "minTrailingAboveDelta"), _whole(row, "maxTrailingAboveDelta")
    below = _whole(row, "minTrailingBelowDelta"), _whole(row, "maxTrailingBelowDelta")

    def check(ticket: Ticket, standing: Standing) -> bool:
        del standing
        least, most = above if ticket.is_rising else below
        return not ticket.trailing_delta or least <= ticket.trailing_delta <= most

    return check


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, object]], Check]]] = {
    "PRICE_FILTER": _price_filter,
    "LOT_SIZE": _lot_size,
    "MARKET_LOT_SIZE": _market_lot_size,
    "PERCENT_PRICE": _percent_price,
    "PERCENT_PRICE_BY_SIDE": _percent_price_by_side,
    "MIN_NOTIONAL": _min_notional,
    "NOTIONAL": _notional,
    "ICEBERG_PARTS": _iceberg_parts,
    "MAX_NUM_ORDERS": _max_num_orders,
    "MAX_NUM_ALGO_ORDERS": _max_num_algo_orders,
    "MAX_NUM_ICEBERG_ORDERS": _max_num_iceberg_orders,
    "MAX_POSITION": _max_position,
    "TRAILING_DELTA": _trailing_delta,
}
