"""Fills held against the raw market by other means than the models': brute force over the tape.

`Tape` keeps what was observed, in order; `check` asserts for every fill that what is claimed did
happen, after the order began to work, and that nothing was had twice; `table` shows it to a person.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from operator import itemgetter

import pandas as pd

from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen, BookSeen, Print

MINUTE = 60_000
MAX_AGE = 5_000
FIRST = itemgetter(0)


@dataclass
class Fill:
    """One fill, and where in the tape it happened: behind `seen` events."""

    seen: int
    now: int
    order: object
    part: object
    ticket: object
    working_time: int
    rested: tuple | None  # behind how many events, and when, it began to rest

    @property
    def evidence(self):
        return self.part.evidence


@dataclass
class Tape:
    """Events in the order in which the engine saw them, with naive indexes."""

    events: list = field(default_factory=list)
    prints: dict = field(default_factory=dict)
    print_at: list = field(default_factory=list)  # (position, print)
    books: dict = field(default_factory=dict)  # update id → (position, time)
    book_at: list = field(default_factory=list)  # positions
    sizes: dict = field(default_factory=lambda: defaultdict(list))  # (is_bid, price) → (pos, size)
    bounds: dict = field(default_factory=lambda: {True: [], False: []})  # (pos, worst price)
    bars: dict = field(default_factory=dict)
    opens: dict = field(default_factory=dict)
    _now: dict = field(default_factory=lambda: {True: {}, False: {}})

    def add(self, event):
        at = len(self.events)
        self.events.append(event)
        if isinstance(event, Print):
            self.prints[event.trade_id] = event
            self.print_at.append((at, event))
        elif isinstance(event, BarSeen):
            self.bars[event.open_time] = event
        elif isinstance(event, BarOpened):
            self.opens[event.time] = event
        elif self._is_news(event):
            self.books[event.update_id] = (at, event.time)
            self.book_at.append(at)
            for is_bid, levels in ((True, event.bids), (False, event.asks)):
                self._levels(at, is_bid, dict(levels), isinstance(event, BookSeen))

    def _is_news(self, event):
        if not self.books:
            return isinstance(event, BookSeen)
        return event.update_id >= max(self.books)

    def _levels(self, at, is_bid, levels, is_whole):
        now = self._now[is_bid]
        if is_whole:
            self.bounds[is_bid].append((at, (min if is_bid else max)(levels, default=None)))
            worst = self.bounds[is_bid][-1][1]
            for price in now:
                is_shown = worst is not None and (price >= worst if is_bid else price <= worst)
                if price not in levels and is_shown:
                    self.sizes[is_bid, price].append((at, 0))
        for price, size in levels.items():
            self.sizes[is_bid, price].append((at, size))
        now.update(levels)

    def shown(self, is_bid, price, upto):
        """Size at a price by the books at positions < upto; None when no book reaches so far."""
        found = self.sizes[is_bid, price]
        number = bisect_left(found, upto, key=FIRST)
        bounds = self.bounds[is_bid]
        whole = bisect_left(bounds, upto, key=FIRST)
        if not whole:
            return None
        start, worst = bounds[whole - 1]
        if number and found[number - 1][0] >= start:
            return found[number - 1][1]
        if worst is None:
            return None
        return 0 if (price >= worst if is_bid else price <= worst) else None

    def book_before(self, upto):
        """(position, time) of the last book at positions < upto."""
        number = bisect_left(self.book_at, upto)
        if not number:
            return None
        at = self.book_at[number - 1]
        return at, self.events[at].time


def check(tape, fills, orders, *, participation=Fraction(1, 10)):
    """Assert that every fill has its evidence; return how many of each rule there are."""
    rules = defaultdict(int)
    for fill in fills:
        evidence, order = fill.evidence, fill.order
        rules[evidence.rule] += 1
        price, limit, is_buy = fill.part.price, fill.ticket.price, order.is_buy
        if limit:
            assert price <= limit if is_buy else price >= limit
        if fill.part.is_maker:
            assert price == limit
            assert evidence.time > fill.working_time
        else:
            assert evidence.time <= fill.now
            assert price >= evidence.price if is_buy else price <= evidence.price
        assert fill.part.qty <= evidence.available
        {"print": check_print, "level": check_level, "bar": check_bar}[evidence.kind](tape, fill)
    check_prints_once(fills, tape)
    check_levels_once(fills, tape)
    check_bars_once(fills, tape, participation)
    check_ladders_once(fills, tape)
    assert sum(f.part.qty for f in fills) == sum(o.executed for o in orders)
    return dict(rules)


def check_print(tape, fill):
    evidence, limit, is_buy = fill.evidence, fill.ticket.price, fill.order.is_buy
    found = tape.prints[evidence.ref]
    assert (found.time, found.price) == (evidence.time, evidence.price)
    assert fill.part.is_maker
    assert evidence.available <= found.qty
    if evidence.rule == "through":
        assert found.price < limit if is_buy else found.price > limit
    else:
        assert evidence.rule == "touch"
        assert found.price == limit
        assert found.is_buyer_maker == is_buy
        assert fill.part.qty <= found.qty - queue(tape, fill)


def queue(tape, fill):
    """The least that stood before an order when its print came: no more than any book allowed.

    From each moment at which the order's place was known, the trades at its price have moved it up.
    """
    order, limit, is_buy = fill.order, fill.ticket.price, fill.order.is_buy
    working = fill.working_time
    stop = fill.seen - 1  # the print itself is the last event seen
    started = fill.rested[0]
    points = []
    before = tape.book_before(started)
    if before is not None and fill.rested[1] - before[1] <= MAX_AGE:
        points.append((started, tape.shown(is_buy, limit, started)))
    points += [
        (at + 1, tape.shown(is_buy, limit, at + 1))
        for at in tape.book_at
        if started <= at < stop and tape.events[at].time > working
    ]
    met = []
    for at, found in tape.print_at:
        if started <= at < stop and found.time > working:
            if found.price == limit and found.is_buyer_maker == is_buy:
                met.append((at, found.qty))
            elif found.price < limit if is_buy else found.price > limit:
                points.append((at + 1, 0))  # nobody is left at a price that was traded through
    known = [
        max(size - sum(qty for at, qty in met if at >= since), 0)
        for since, size in points
        if size is not None
    ]
    assert known, f"nothing tells the place of {order}"
    return min(known)


def check_level(tape, fill):
    evidence, is_buy = fill.evidence, fill.order.is_buy
    if evidence.rule == "ladder":
        check_ladder(tape, fill)
        return
    at, time = tape.books[evidence.ref]
    assert time == evidence.time
    assert tape.book_before(fill.seen)[0] == at, "not the newest book"
    shown = tape.shown(not is_buy, evidence.price, fill.seen)
    assert evidence.available <= shown
    if evidence.rule == "walk":
        assert not fill.part.is_maker
        assert fill.part.price == evidence.price
        assert fill.now - time <= MAX_AGE
    else:
        assert evidence.rule == "book_cross"
        limit = fill.ticket.price
        assert fill.part.is_maker
        assert evidence.price < limit if is_buy else evidence.price > limit


def check_ladder(tape, fill):
    evidence, is_buy = fill.evidence, fill.order.is_buy
    seen = bisect_left(tape.print_at, fill.seen, key=FIRST)
    first = bisect_right(tape.print_at, fill.now - MINUTE, hi=seen, key=lambda one: one[1].time)
    prints = [p for _, p in tape.print_at[max(min(first, seen - 500), 0) : seen]]
    assert prints[-1].trade_id == evidence.ref
    recent = sum(p.qty for p in prints[:-1] if p.time > fill.now - MINUTE)
    assert evidence.available <= Fraction(1, 20) * recent
    own = [p for p in prints if p.is_buyer_maker != is_buy]
    if own and own[-1] is prints[-1]:
        assert fill.part.price >= own[-1].price if is_buy else fill.part.price <= own[-1].price
    else:
        newest = prints[-1].price
        assert fill.part.price > newest if is_buy else fill.part.price < newest


def check_bar(tape, fill):
    evidence, limit, is_buy = fill.evidence, fill.ticket.price, fill.order.is_buy
    opened = tape.opens[evidence.ref]
    if evidence.rule == "open":
        assert fill.now == evidence.time == opened.time
        assert evidence.price == opened.price
        assert fill.order.time <= opened.time
        return
    bar = tape.bars[evidence.ref]
    assert fill.now == bar.close_time
    assert evidence.time == bar.close_time
    assert bar.volume > 0
    assert fill.order.time <= bar.open_time
    if evidence.rule == "through":
        assert fill.working_time <= bar.open_time
        assert bar.low < limit if is_buy else bar.high > limit
        return
    assert evidence.rule == "stop"
    assert bar.low <= evidence.price <= bar.high
    stop = fill.ticket.stop_price
    if stop and not fill.ticket.trailing_delta and "LOSS" in fill.ticket.type:
        worst = max(stop, bar.open) if is_buy else min(stop, bar.open)
        assert fill.part.price >= worst if is_buy else fill.part.price <= worst


def check_prints_once(fills, tape):
    used = defaultdict(int)
    for fill in fills:
        if fill.evidence.kind == "print":
            used[fill.evidence.ref] += fill.part.qty
    for trade_id, qty in used.items():
        assert qty <= tape.prints[trade_id].qty


def check_levels_once(fills, tape):
    """What own orders had of a level since it appeared is no more than was ever new there."""
    by_level = defaultdict(list)
    for fill in fills:
        if fill.evidence.rule in ("walk", "book_cross"):
            by_level[not fill.order.is_buy, fill.evidence.price].append(fill)
    for level, some in by_level.items():
        for number, fill in enumerate(some):
            shown = [(at, size) for at, size in tape.sizes[level] if at < fill.seen]
            born = max((i for i, (_, size) in enumerate(shown) if size == 0), default=-1) + 1
            life = shown[born:]
            fresh = life[0][1] + sum(max(b - a, 0) for (_, a), (_, b) in pairwise(life))
            mine = [f for f in some[: number + 1] if f.seen > life[0][0]]
            assert sum(f.part.qty for f in mine) <= fresh


def check_bars_once(fills, tape, participation):
    at_open, within = defaultdict(int), defaultdict(int)
    for fill in fills:
        if fill.evidence.kind == "bar":
            (at_open if fill.evidence.rule == "open" else within)[fill.evidence.ref] += (
                fill.part.qty
            )
    times = sorted(tape.bars)
    for time, qty in at_open.items():
        before = [t for t in times if t < time]
        assert qty <= participation * tape.bars[before[-1]].volume
    for time, qty in within.items():
        assert qty + at_open[time] <= participation * tape.bars[time].volume


def check_ladders_once(fills, tape):
    """What takers of one side had in a minute is no more than was traded in it, at any moment."""
    for is_buy in (True, False):
        mine = [f for f in fills if f.evidence.rule == "ladder" and f.order.is_buy == is_buy]
        for number, fill in enumerate(mine):
            since = fill.now - MINUTE
            first = next(n for n in range(number + 1) if mine[n].evidence.time > since)
            seen = bisect_left(tape.print_at, fill.seen, key=FIRST)
            start = bisect_right(tape.print_at, since, hi=seen, key=lambda one: one[1].time)
            traded = sum(p.qty for _, p in tape.print_at[start:seen])
            assert sum(f.part.qty for f in mine[first : number + 1]) <= traded


def table(tape, fills):
    """Return one row per fill: the order, what it got, and what of the market proves it."""
    rows = []
    for fill in fills:
        order, part, evidence, ticket = fill.order, fill.part, fill.evidence, fill.ticket
        found = tape.prints.get(evidence.ref) if evidence.kind == "print" else None
        raw = found.qty if found else evidence.available
        if evidence.rule in ("walk", "book_cross"):
            raw = tape.shown(not order.is_buy, evidence.price, fill.seen)
        rows.append(
            {
                "order": order.order_id,
                "account": order.owner,
                "type": ticket.type,
                "side": "BUY" if order.is_buy else "SELL",
                "limit": ticket.price / 1e8,
                "stop": ticket.stop_price / 1e8,
                "orig_qty": order.qty / 1e8,
                "working": pd.Timestamp(fill.working_time, unit="ms", tz="UTC"),
                "filled": pd.Timestamp(fill.now, unit="ms", tz="UTC"),
                "price": part.price / 1e8,
                "qty": part.qty / 1e8,
                "role": "MAKER" if part.is_maker else "TAKER",
                "rule": evidence.rule,
                "evidence": evidence.kind,
                "ref": evidence.ref,
                "at": pd.Timestamp(evidence.time, unit="ms", tz="UTC"),
                "ev_price": evidence.price / 1e8,
                "ev_size": raw / 1e8,
                "available": evidence.available / 1e8,
                "ahead_before": evidence.ahead_before / 1e8,
                "ahead_after": evidence.ahead_after / 1e8,
            }
        )
    return pd.DataFrame(rows)
