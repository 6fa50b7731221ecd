"""What a market serves, page by page as a client would ask for it, and bars by brute force."""

import json
from itertools import groupby

from bwsresearch.exchange.market import Ids, Window
from bwsresearch.exchange.rows import decimal
from bwsresearch.times import next_open, open_time

MOST = 10**7


def bars(market, symbol, interval, window, now, shift=0):
    """Return rows of klines, decoded."""
    return json.loads(market.klines(symbol, interval, window, now, shift))


def between(market, symbol, interval, start, end, now, shift=0):
    """Return the rows with an open time in [start, end)."""
    return bars(market, symbol, interval, Window(start, end - 1, MOST), now, shift)


def trades_between(market, symbol, start, end, now, page=1000):
    """Return the trades of [start, end) as tuples, found by time and then paged by id."""
    first = market.agg_trades(symbol, Window(start, end - 1, 1), now)
    if not len(first):
        return []
    found, at = [], int(first.first_id[0])
    while True:
        rows = market.trades(symbol, Ids(at, page), now)
        found += zip(
            *(getattr(rows, name).tolist() for name in ("id", "price", "qty", "quote_qty", "time")),
            rows.is_buyer_maker.tolist(),
            strict=True,
        )
        at = found[-1][0] + 1
        if len(rows) < page or found[-1][4] >= end:
            return [row for row in found if row[4] < end]


def aggregates_between(market, symbol, start, end, now, page=1000):
    """Return the aggregate trades of [start, end) as tuples: the first page by time, others by id."""
    rows = market.agg_trades(symbol, Window(start, end - 1, page), now)
    found = []
    while len(rows):
        found += zip(
            *(
                getattr(rows, name).tolist()
                for name in ("id", "price", "qty", "first_id", "last_id", "time")
            ),
            rows.is_buyer_maker.tolist(),
            strict=True,
        )
        if len(rows) < page or found[-1][5] >= end:
            break
        rows = market.agg_trades(symbol, Ids(found[-1][0] + 1, page), now)
    return [row for row in found if row[5] < end]


def made_of_trades(trades, interval, shift=0):
    """Return the rows of klines that trades make, by the rules of the documentation, one by one."""
    rows = []
    for opens, group in groupby(trades, lambda row: open_time(interval, row[4] + shift) - shift):
        part = list(group)
        prices = [row[1] for row in part]
        bought = [row for row in part if not row[5]]
        rows.append([
            opens,
            decimal(prices[0]),
            decimal(max(prices)),
            decimal(min(prices)),
            decimal(prices[-1]),
            decimal(sum(row[2] for row in part)),
            next_open(interval, opens + shift) - shift - 1,
            decimal(sum(row[3] for row in part)),
            len(part),
            decimal(sum(row[2] for row in bought)),
            decimal(sum(row[3] for row in bought)),
            "0",
        ])  # fmt: skip
    return rows


def made_of_aggregates(aggregates, interval, shift=0):
    """Return the same from aggregate trades, where no trade's quote quantity is rounded."""
    unit = 10**8
    each = [
        (a, price, qty, price * qty // unit, time, maker, last - first + 1)
        for a, price, qty, first, last, time, maker in aggregates
    ]
    counts = {}
    for row in each:
        opens = open_time(interval, row[4] + shift) - shift
        counts[opens] = counts.get(opens, 0) + row[6]
    rows = made_of_trades([row[:6] for row in each], interval, shift)
    return [[*row[:8], counts[row[0]], *row[9:]] for row in rows]


def units(text):
    """Return an amount as the API writes it in units."""
    whole, parts = text.split(".")
    assert len(parts) == 8
    return int(whole) * 10**8 + int(parts)


def made_of_bars(rows, interval, shift=0):
    """Return longer bars from shorter ones; those without trades have no price of their own."""
    longer = []
    for opens, group in groupby(rows, lambda row: open_time(interval, row[0] + shift) - shift):
        part = list(group)
        busy = [row for row in part if row[8]] or part
        sums = [decimal(sum(units(row[i]) for row in part)) for i in (5, 7, 9, 10)]
        longer.append([
            opens,
            busy[0][1],
            max((row[2] for row in busy), key=units),
            min((row[3] for row in busy), key=units),
            busy[-1][4],
            sums[0],
            next_open(interval, opens + shift) - shift - 1,
            sums[1],
            sum(row[8] for row in part),
            *sums[2:],
            "0",
        ])  # fmt: skip
    return longer
