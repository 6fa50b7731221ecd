"""Recordings made for tests: random trades on a grid, and the bars that they make."""

import numpy as np

from bwsresearch.exchange.rows import decimal

from .served import made_of_trades

KLINE = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades",
    "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip
START = 1_704_067_200_000  # 2024-01-01, a Monday


def random_trades(seed, minutes, *, tick, step, price, each, lots, start=START):
    """Return about `each` trades a minute as tuples (id, price, qty, quote_qty, time, is_buyer_maker)."""
    rng = np.random.default_rng(seed)
    count = minutes * each
    prices = np.maximum(1, price + np.cumsum(rng.integers(-2, 3, count)))
    sizes = 1 + (rng.pareto(1.5, count) * lots).astype(np.int64)
    times = start + np.sort(rng.integers(0, minutes * 60_000, count))
    sold = rng.random(count) < 0.5
    return [
        (1000 + i, int(p) * tick, int(s) * step, int(p) * tick * int(s) * step // 10**8, int(t), bool(m))
        for i, (p, s, t, m) in enumerate(zip(prices, sizes, times, sold, strict=True))
    ]  # fmt: skip


def trade_columns(trades):
    """Return the columns of recorded trades: microseconds and floats."""
    names = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
    columns = dict(zip(names, zip(*trades, strict=True), strict=True))
    amounts = ("price", "qty", "quote_qty")
    return {
        name: np.array([float(decimal(v)) for v in values])
        if name in amounts
        else np.array(values) * (1000 if name == "time" else 1)
        for name, values in columns.items()
    }


def columns_of(rows):
    """Return the columns of recorded klines from rows of the API, in milliseconds."""
    columns = {}
    for i, name in enumerate(KLINE):
        values = [row[i] for row in rows]
        if name.endswith("time"):
            columns[name] = np.array([int(v) for v in values], np.int64) * 1000
        elif name == "trades":
            columns[name] = np.array([int(v) for v in values], np.int64)
        else:
            columns[name] = np.array([float(v) for v in values])
    return columns


def bars_of(trades, interval):
    """Return the rows that trades make, without the incomplete ones at both ends."""
    return made_of_trades(trades, interval)


def floats(rows):
    """Return rows with every text as the number that it stands for."""
    return [[float(v) if isinstance(v, str) else v for v in row] for row in rows]
