"""The exchange of a backtest: the engine of the local exchange on a market of closed bars or ticks.

Matching, filters, fees and balances are the exchange's own code, so that a paper account under equal
rules cannot differ.
"""

import re
from collections.abc import Mapping, Sequence
from math import nan
from typing import Final

import numpy as np
from msgspec.structs import replace

from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.feeds import BarFeed, Feed, TickFeed
from bwsresearch.backtesting.records import Fill, Order, Record
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.terms import commission, listing, model, scale
from bwsresearch.exchange.fills import KlinesOnly, fill_model
from bwsresearch.exchange.trading import orders as exchange
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import MarketEvent
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol.messages import Refusal

__all__ = ["Pit", "Sent", "Ticks", "reason_of"]

_FILTER: Final = re.compile(r"Filter failure: (\w+)|`(\w+)` filter")

Ticks = Mapping[str, tuple[Sequence[MarketEvent], Sequence[int], Sequence[str]]]
"""Events of each symbol with their times, and the kinds of data that they are of."""


class Sent:
    """An order that was sent, and what came of it."""

    __slots__ = ("bar", "order", "reason", "refusal", "target", "ticket", "time")

    def __init__(self, ticket: exchange.Ticket, bar: int, time: int, target: float) -> None:
        self.ticket, self.bar, self.time, self.target = ticket, bar, time, target
        self.order: exchange.Order | None = None
        self.refusal: Refusal | None = None
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Whether anything can still become of it."""
        return self.order is not None and self.order.is_open


class Pit:
    """One account on the market of some symbols.

    `start` is what the account has, in units, by asset.
    """

    def __init__(
        self,
        bars: Mapping[str, Bars],
        rules: Mapping[str, Rules],
        start: Mapping[str, int],
        ticks: Ticks | None = None,
    ) -> None:
        self.bars, self.rules = bars, rules
        first = next(iter(rules.values()))
        self.scale = scale(first)
        self.latency_ms = int(first.latency * 1000)
        self.account = Account("backtest", commission(first))
        self.start = dict(start)
        self.sent: list[Sent] = []
        venues = {name: self._venue(one, ticks) for name, one in bars.items()}
        self.engine = Engine(venues, {"backtest": self.account})
        for asset, amount in start.items():
            self.account.free[asset] += amount
        self.feeds = {name: self._feed(one, ticks) for name, one in bars.items()}
        # What prices BNB must be known when a fee is taken in it.
        in_bnb = self.account.commission.in_bnb
        self._pricing = [
            self.feeds[name]
            for name, one in bars.items()
            if in_bnb and "BNB" in (one.base, one.quote)
        ]

    def _venue(self, bars: Bars, ticks: Ticks | None) -> Venue:
        rules = self.rules[bars.symbol]
        info = listing(rules, bars.symbol, bars.base, bars.quote)
        tick = max(units(rules.tick), 1)
        step = Venue(info).filters.step
        recorded = ticks[bars.symbol][2] if ticks else ["1m"]
        return Venue(info, fill_model(model(rules), tick=tick, step=step, recorded=recorded))

    def _feed(self, bars: Bars, ticks: Ticks | None) -> Feed:
        if ticks is not None:
            events, times, _ = ticks[bars.symbol]
            return TickFeed(events, times, self.engine)
        liquidity = self.engine.venues[bars.symbol].liquidity
        assert isinstance(liquidity, KlinesOnly)  # noqa: S101 - the rules' model of bars
        rules = self.rules[bars.symbol]
        return BarFeed(
            bars,
            self.engine,
            liquidity,
            self.account,
            factor=self.scale // UNIT,
            at_close=rules.fill == "close",
        )

    def look(self, now_ms: int, bar: int | None = None) -> None:
        """Let the engine see what open orders wait for, up to a time, the last moment of a bar."""
        for symbol, orders in list(self.account.open_orders.items()):
            if orders and bar is not None and len(self.feeds) == 1:
                self.feeds[symbol].close(bar, now_ms)
            elif orders:
                self.feeds[symbol].advance(now_ms)

    def place(self, ticket: exchange.Ticket, bar: int, now_ms: int, target: float = nan) -> Sent:
        """Send an order at a time; it meets the market `latency_ms` later. Refusals are noted."""
        sent = Sent(ticket, bar, now_ms, target)
        self.sent.append(sent)
        arrives = now_ms + self.latency_ms
        if self.latency_ms:
            self.feeds[ticket.symbol].advance(arrives)
        else:
            self.feeds[ticket.symbol].open(bar, now_ms)
        for feed in self._pricing:
            feed.advance(arrives)
        try:
            sent.order, _ = self.engine.place(self.account, ticket, arrives)
        except Refusal as refusal:
            sent.refusal = refusal
        return sent

    def cancel(self, sent: Sent, now_ms: int, reason: str = "") -> bool:
        """Cancel an order if it is still open when that arrives; return whether it was.

        What is sent at the last moment of a bar arrives before the next one opens.
        """
        arrives = now_ms + self.latency_ms
        if self.latency_ms:
            self.feeds[sent.ticket.symbol].advance(arrives)
        if sent.order is None or not sent.order.is_open:
            return False
        self.engine.cancel(self.account, sent.order, arrives)
        sent.reason = reason
        return True

    def amounts(self, ticket: exchange.Ticket) -> exchange.Ticket:
        """Return a ticket in units of 1e-8 as one in the account's units."""
        factor = self.scale // UNIT
        if factor == 1:
            return ticket
        return replace(
            ticket,
            qty=ticket.qty * factor,
            quote_order_qty=ticket.quote_order_qty * factor,
            iceberg_qty=ticket.iceberg_qty * factor,
        )

    def record(self) -> Record:
        """Return what was done."""
        assets = {name: (one.base, one.quote) for name, one in self.bars.items()}
        orders = [_order(one) for one in self.sent]
        return Record(self.start, self.scale, assets, orders, self._fills())

    def _fills(self) -> list[Fill]:
        places = {
            (one.ticket.symbol, one.order.order_id): place
            for place, one in enumerate(self.sent)
            if one.order is not None
        }
        found = []
        for symbol, deals in self.account.deals.items():
            decided = [self.sent[places[symbol, deal.order_id]].bar for deal in deals]
            bars = _bars_of(self.bars[symbol], [deal.time for deal in deals], decided)
            for deal, bar in zip(deals, bars, strict=True):
                side = "BUY" if deal.is_buyer else "SELL"
                found.append(
                    Fill(
                        places[symbol, deal.order_id],
                        bar,
                        deal.time,
                        symbol,
                        side,
                        deal.price,
                        deal.qty,
                        deal.quote,
                        deal.commission,
                        deal.commission_asset,
                        deal.is_maker,
                    )
                )
        if len(self.account.deals) > 1:
            found.sort(key=lambda fill: fill.time)  # of one moment, in the order of symbols
        return found


def _bars_of(bars: Bars, times: Sequence[int], decided: Sequence[int]) -> list[int]:
    """Return the bar that each time lies in: the last that had opened by then.

    Of bars that open at one moment it is the first after the one at whose close it was decided.
    """
    last = bars.opened.searchsorted(times, side="right") - 1
    first = np.minimum(bars.opened.searchsorted(times), last)
    found: list[int] = np.clip(np.asarray(decided) + 1, first, last).tolist()
    return found


def _order(sent: Sent) -> Order:
    ticket, order = sent.ticket, sent.order
    side = "BUY" if ticket.is_buy else "SELL"
    by_quote = ticket.quote_order_qty
    common = (
        sent.bar, sent.time, ticket.symbol, side, ticket.type, 0 if by_quote else ticket.qty,
        by_quote, ticket.price, ticket.stop_price, sent.target,
    )  # fmt: skip
    if order is None:
        refusal = sent.refusal
        assert refusal is not None  # noqa: S101 - an order is accepted or refused
        return Order(*common, "REJECTED", 0, reason_of(refusal.body.msg))
    reason = sent.reason or order.expiry_reason or ""
    return Order(*common, order.status, order.executed, reason)


def reason_of(message: str) -> str:
    """Return the filter that an exchange's message names, else the message."""
    found = _FILTER.search(message)
    return next((name for name in found.groups() if name), message) if found else message
