"""Events per second of CPU that an engine watches with 100 open orders, by fill model.

The orders are too great to be filled: "in the way" they stand from 1.00 off the middle, every 2.00,
so that the market trades with them all the time; "aside" they stand where it hardly comes.

    python tests/benchmarks/fills.py [FOLDER of recorded streams]

Without a folder the market is made from a seed: 1,000 levels a side, ten changes of a few levels
and thirty trades a second, which is about what BTCUSDT brings.
"""

import random
import sys
import time
from pathlib import Path

from bwsresearch import tables
from bwsresearch.exchange.fills import ModelConfig, fill_model
from bwsresearch.exchange.replay import RecordedStreams
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen, BookChange, BookSeen, Print
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol.results import SymbolInfo
from bwsresearch.store.streams import read_streams
from bwsresearch.tables import DEPTH, TRADES

SYMBOL, TICK, STEP = "BTCUSDT", 1_000_000, 1_000
OPEN = 100


def info():
    return SymbolInfo(
        symbol=SYMBOL, status="TRADING", base_asset="BTC", quote_asset="USDT",
        order_types=["LIMIT", "LIMIT_MAKER", "STOP_LOSS"],
        default_self_trade_prevention_mode="NONE",
        allowed_self_trade_prevention_modes=["NONE"],
        filters=[{"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000",
                  "stepSize": "0.00001"}],
    )  # fmt: skip


def made(seconds=300):
    """Return events of a market from a seed."""
    dice, middle, found = random.Random(1), 6_000_000, []
    sides = [
        {middle + sign * n: dice.randrange(1, 10**9) for n in range(1, 1_001)} for sign in (-1, 1)
    ]
    found.append(
        BookSeen(SYMBOL, 0, 1, *(tuple((p * TICK, q) for p, q in side.items()) for side in sides))
    )
    for moment in range(1, seconds * 10):
        for _ in range(3):
            is_sale = dice.random() < 0.5
            price = middle + (-1 if is_sale else 1) * dice.randrange(1, 3)
            now = moment * 100 - 50
            found.append(Print(SYMBOL, now, len(found), price * TICK, 50 * STEP, is_sale))
        changes = [
            tuple(
                ((middle + sign * dice.randrange(1, 200)) * TICK, dice.choice([0, 10**8, 10**9]))
                for _ in range(20)
            )
            for sign in (-1, 1)
        ]
        found.append(BookChange(SYMBOL, moment * 100, moment + 1, *changes))
    return found


def recorded(folder):
    """Return the events of the recordings in a folder."""
    parts = [read_streams(path) for path in sorted(Path(folder).glob("*.gz"))]
    return list(
        RecordedStreams(
            parts[0].symbol,
            tables.concat(TRADES, [one.trades for one in parts]),
            tables.concat(DEPTH, [one.depth for one in parts]),
        ).events()
    )


def bars(count=20_000):
    found = []
    for number in range(count):
        start = number * 60_000
        found.append(BarOpened(SYMBOL, start, 6_000_000 * TICK))
        prices = (n * TICK for n in (6_000_000, 6_000_050, 5_999_950, 6_000_000))
        found.append(BarSeen(SYMBOL, start, start + 59_999, *prices, 10**9))
    return found


def measure(name, model, events, middle, away):
    engine = Engine({SYMBOL: Venue(info(), liquidity=model)}, {"alice": Account("alice")})
    account = engine.accounts["alice"]
    engine.deposit(account, "USDT", 10**20, 0)
    engine.deposit(account, "BTC", 10**16, 0)
    now = events[0].time
    for number in range(OPEN):
        is_buy = number % 2 == 0
        ticks = away + 200 * number
        price = (middle - ticks if is_buy else middle + ticks) * TICK
        ticket = Ticket(SYMBOL, is_buy=is_buy, type="LIMIT_MAKER", price=price, qty=8_000 * 10**8)
        engine.place(account, ticket, now)
    fills, started = 0, time.process_time()
    for event in events:
        now = event.close_time + 1 if isinstance(event, BarSeen) else event.time
        fills += len(engine.observe(event, now).reports)
    spent = time.process_time() - started
    left = len(account.open_orders[SYMBOL])
    print(
        f"{name:26} {len(events):7,} events {spent:6.2f} s {len(events) / spent:9,.0f} events/s, "
        f"{fills} fills, {left} of {OPEN} orders open at the end"
    )


def main():
    ticks = recorded(sys.argv[1]) if len(sys.argv) > 1 else made()
    prices = [e.price for e in ticks if isinstance(e, Print)]
    middle = sum(prices) // len(prices) // TICK
    for name, events in (("depth+trades@1", ticks), ("trades@1", ticks), ("klines@1", bars())):
        at = middle if name != "klines@1" else 6_000_000
        for where, away in (("aside", 30_000), ("in the way", 100)):
            model = fill_model(ModelConfig(id=name), tick=TICK, step=STEP)
            measure(f"{name} {where}", model, events, at, away)


if __name__ == "__main__":
    main()
