"""Target exposures into orders and fills: `target × equity − position` at the close that decides.

All in and all out is computed as a chain of round trips at once, anything else order by order.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.backtesting.exposure import Answer, changes
from bwsresearch.backtesting.kernel.market import Floats, Ints, Market
from bwsresearch.backtesting.kernel.terms import Terms

__all__ = ["CANCELED", "FILLED", "NEW", "Start", "Track", "follow"]

Bools: TypeAlias = npt.NDArray[np.bool_]

FILLED: Final = 0
CANCELED: Final = 1
NEW: Final = 2

_WHOLE: Final = 100_000_000
"""A target of 1 in the units of `exposure.changes`."""
_LEAST: Final = 1e-8
"""Less than this of an asset is nothing: it is the exchange's smallest amount."""


class Start(NamedTuple):
    """What is there before the first bar."""

    base: float
    quote: float


class Track(NamedTuple):
    """Orders by their place, and fills by theirs, both in the order of time.

    `sent` is the bar at whose close an order was decided, `asked` the quote that a buy was to spend
    or the base to sell, `status` FILLED, CANCELED (the target changed again before a trade) or NEW.
    Of fills, `order` is the place of the order, `at` the bar whose price it has, `bar` the one at whose
    close it counts first, `fee` in base for a buy under "received", else in quote; `base` and `quote`
    are the balances after it.
    """

    sent: Ints
    is_buy: Bools
    asked: Floats
    target: Floats
    status: npt.NDArray[np.int8]
    order: Ints
    at: Ints
    bar: Ints
    price: Floats
    qty: Floats
    quote_qty: Floats
    fee: Floats
    base: Floats
    quote: Floats

    def within(self, begin: int, end: int) -> "Track":
        """Return the fills of the bars [begin, end), counted from `begin`, with all orders."""
        first, last = (int(place) for place in np.searchsorted(self.bar, [begin, end]))
        fills = slice(first, last)
        at, bar = self.at[fills] - begin, self.bar[fills] - begin
        return Track(*self[:5], self.order[fills], at, bar, *(value[fills] for value in self[8:]))


def follow(market: Market, answer: Answer, terms: Terms, start: Start) -> Track:
    """Return what an account does that follows a strategy's answer."""
    # Without base the account is at exposure 0; with it, the first target always counts.
    always = bool(start.base)
    if answer.dtype == np.bool_:
        bars, targets = _switches(answer, always=always)
    else:
        wanted = answer.astype(np.float64, copy=False)
        bars, targets = changes(wanted, first=np.nan if always else 0.0)
    at = market.filling(bars, at_close=terms.at_close)
    is_filled = at >= 0
    is_filled[:-1] &= at[:-1] <= bars[1:]
    sent = _Sent(bars, targets, at, is_filled)
    if not start.base and bool(((targets == 0) | (targets == _WHOLE)).all()):
        return _all_in_or_out(market, terms, sent, start.quote)
    return _one_by_one(market, terms, sent, start)


def _switches(answer: Answer, *, always: bool) -> tuple[Ints, Ints]:
    """Return where True turns to False or back, and the targets there; the first counts `always`."""
    turns = np.flatnonzero(answer[1:] != answer[:-1]) + 1
    bars = np.concatenate([[0], turns]) if always or answer[0] else turns
    return bars, answer[bars].astype(np.int64) * _WHOLE


class _Sent(NamedTuple):
    """Changes of target: where, to what, where an order would fill, and whether it would in time."""

    bars: Ints
    targets: Ints
    at: Ints
    is_filled: Bools


def _all_in_or_out(market: Market, terms: Terms, sent: _Sent, quote: float) -> Track:
    """Return the track of targets that are 1 and 0 by turns, beginning with 1, from quote alone."""
    is_order, is_filled = _met(sent.is_filled)
    filled = np.flatnonzero(is_filled)
    at = sent.at[filled]
    price = _prices(market, terms, at)
    price[0::2] *= 1.0 + terms.slip
    price[1::2] *= 1.0 - terms.slip
    entry, exits = price[0::2], price[1::2]
    trips = len(exits)
    # A buy of all pays f of its base, or f beside the price; a sale pays f of what it brings.
    kept = 1.0 - terms.fee
    part = kept if terms.in_base else 1.0 / (1.0 + terms.fee)
    after = quote * np.cumprod(exits / entry[:trips] * (part * kept), dtype=np.float64)
    before = np.concatenate([[quote], after])[: len(entry)]
    paid = before if terms.in_base else before / (1.0 + terms.fee)
    bought = paid / entry
    held = bought * kept if terms.in_base else bought
    got = held[:trips] * exits
    nothing = np.zeros(len(entry))
    balances = _woven(held, np.zeros(trips)), _woven(nothing, after)
    rows = np.flatnonzero(is_order)
    done: Ints = (np.cumsum(is_filled) - is_filled)[rows]  # the fills before each order
    buys = sent.targets[rows] > 0
    base_then = np.concatenate([[0.0], balances[0]])[done]
    quote_then = np.concatenate([[quote], balances[1]])[done]
    return Track(
        sent=sent.bars[rows],
        is_buy=buys,
        asked=np.where(buys, quote_then, base_then),
        target=sent.targets[rows] / _WHOLE,
        status=_statuses(sent, rows, is_filled),
        order=(np.cumsum(is_order) - 1)[filled],
        at=at,
        bar=_counted(market, terms, at),
        price=price,
        qty=_woven(bought, held[:trips]),
        quote_qty=_woven(paid, got),
        fee=_woven(bought * terms.fee if terms.in_base else before - paid, got * terms.fee),
        base=balances[0],
        quote=balances[1],
    )


def _met(is_filled: Bools) -> tuple[Bools, Bools]:
    """Return which changes send an order, and which of those are filled.

    After an order that is replaced before a trade, the next change finds the account where it
    wants it, and sends none.
    """
    is_order = np.ones(len(is_filled), np.bool_)
    undone = -1
    for place in np.flatnonzero(~is_filled).tolist():
        if place != undone:
            undone = place + 1
            is_order[undone : undone + 1] = False
    return is_order, is_filled & is_order


def _one_by_one(market: Market, terms: Terms, sent: _Sent, start: Start) -> Track:
    """Return the track of any targets."""
    base, quote = start
    orders: list[tuple[int, bool, float]] = []
    fills: list[tuple[int, float, float, float, float, float, float]] = []
    prices = _prices(market, terms, sent.at).tolist()
    kept, fee, slip = 1.0 - terms.fee, terms.fee, terms.slip
    closes = market.closes[sent.bars].tolist()
    places = enumerate(zip(sent.targets.tolist(), closes, sent.is_filled.tolist(), strict=True))
    for place, (target, close, is_filled) in places:
        spend, qty = _wish(target, close, base, quote)
        if not spend and not qty:
            continue
        orders.append((place, spend > 0.0, spend or qty))
        if not is_filled:
            continue
        if spend:
            price = prices[place] * (1.0 + slip)
            paid = spend if terms.in_base else spend / (1.0 + fee)
            qty = paid / price
            charge = qty * fee if terms.in_base else spend - paid
            base, quote = base + (qty * kept if terms.in_base else qty), quote - spend
        else:
            price = prices[place] * (1.0 - slip)
            paid = qty * price
            charge = paid * fee
            base, quote = base - qty, quote + (paid - charge)
        fills.append((len(orders) - 1, price, qty, paid, charge, base, quote))
    rows = np.array([place for place, _, _ in orders], np.int64)
    table = np.array(fills, np.float64).reshape(-1, 7)
    order = table[:, 0].astype(np.int64)
    at = sent.at[rows[order]]
    return Track(
        sent.bars[rows],
        np.array([is_buy for _, is_buy, _ in orders], np.bool_),
        np.array([amount for _, _, amount in orders], np.float64),
        sent.targets[rows] / _WHOLE,
        _statuses(sent, rows, sent.is_filled),
        order,
        at,
        _counted(market, terms, at),
        *np.ascontiguousarray(table[:, 1:].T),
    )


def _wish(target: int, close: float, base: float, quote: float) -> tuple[float, float]:
    """Return the quote to spend or the base to sell, 0 and 0 where there is nothing to do."""
    if target >= _WHOLE:
        return (quote if quote >= _LEAST else 0.0), 0.0
    if target <= 0:
        return 0.0, (base if base >= _LEAST else 0.0)
    held = base * close
    wanted = (quote + held) * (target / _WHOLE)
    if wanted > held:
        spend = min(wanted - held, quote)
        return (spend if spend >= _LEAST else 0.0), 0.0
    surplus = min((held - wanted) / close, base)
    return 0.0, (surplus if surplus >= _LEAST else 0.0)


def _prices(market: Market, terms: Terms, at: Ints) -> Floats:
    prices: Floats = (market.closes if terms.at_close else market.opens)[at]
    return prices


def _counted(market: Market, terms: Terms, at: Ints) -> Ints:
    """Return the bar at whose close fills count first: what fills at a close belongs to the next bar."""
    return np.minimum(at + 1, len(market) - 1) if terms.at_close else at


def _statuses(sent: _Sent, rows: Ints, is_filled: Bools) -> npt.NDArray[np.int8]:
    """Return the status of the orders that changes sent; the last change of all is not replaced."""
    status = np.where(is_filled[rows], FILLED, CANCELED).astype(np.int8)
    if len(rows) and rows[-1] == len(sent.bars) - 1 and not is_filled[rows[-1]]:
        status[-1] = NEW
    return status


def _woven(buys: Floats, sales: Floats) -> Floats:
    """Return buys and sales by turns."""
    woven = np.empty(len(buys) + len(sales))
    woven[0::2], woven[1::2] = buys, sales
    return woven
