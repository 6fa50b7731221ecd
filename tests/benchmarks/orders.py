"""Orders per second: the engine alone, in process with text and journal, and through a socket.

    .venv/bin/python tests/benchmarks/orders.py [--orders 50000]

LIMIT orders around one price, two thirds resting and one third crossing at first; the book grows. CPU
seconds are those of this process; the socket's server is another one.
"""

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import msgspec

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.journal import Journal
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.recovery import replayed
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.journals import Frames, JournalFile, read
from bwsresearch.protocol.session import ServerSession
from bwsresearch.protocol.signing import Key, payload

NAMES = ("alice", "bob", "carol")
MARKET = SyntheticMarket(1)
UNLIMITED = {"limits": {"orders_10s": 10**9, "orders_day": 10**9, "weight_per_minute": 10**9}}
SETTINGS = Config.of({"model": {"id": "self@1"}, **UNLIMITED})


def info():
    """Return BTCUSDT with room for as many orders as there are."""
    row = MARKET.symbols["BTCUSDT"]
    filters = [f for f in row.filters if not str(f["filterType"]).startswith("MAX_NUM")]
    return msgspec.structs.replace(row, filters=filters)


def wishes(count, dice):
    """Return (account, side, price, quantity) of `count` orders."""
    return [
        (dice.choice(NAMES), dice.random() < 0.5, dice.randrange(15_000, 17_000), dice.randrange(1, 100))
        for _ in range(count)
    ]  # fmt: skip


def engine_alone(count):
    """Return orders per second and per CPU second of typed orders into the engine."""
    accounts = {name: Account(name) for name in NAMES}
    engine = Engine({"BTCUSDT": Venue(info())}, accounts)
    for account in accounts.values():
        engine.deposit(account, "USDT", 10**12 * UNIT, 0)
        engine.deposit(account, "BTC", 10**9 * UNIT, 0)
    tickets = [
        (
            accounts[name],
            Ticket("BTCUSDT", is_buy=buy, type="LIMIT", price=price * UNIT, qty=qty * UNIT // 1000),
        )
        for name, buy, price, qty in wishes(count, random.Random(1))
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    for number, (account, ticket) in enumerate(tickets):
        engine.place(account, ticket, number)
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def key_of(name):
    """Return an HMAC key made of a name."""
    return Key((name * 64)[:64], name)


class _Market:
    """The synthetic market with one symbol whose number of orders is not limited."""

    def __init__(self):
        self.symbols = {"BTCUSDT": info()}

    def __getattr__(self, name):
        return getattr(MARKET, name)


def in_process(count, folder):
    """Return orders per second and per CPU second of frames through the gateway, journalled."""
    file = JournalFile(folder, "bench", fsync="group")
    keys = {name: key_of(name) for name in NAMES}
    specs = [
        AccountSpec(
            name,
            {"USDT": 10**12 * UNIT, "BTC": 10**9 * UNIT},
            keys=[ApiKey(key.api_key, name, key.public())],
        )
        for name, key in keys.items()
    ]
    now = 1_700_000_000_000
    market = _Market()
    office = opened(
        market, specs, SETTINGS, now_ms=now, journal=Journal(file.write, file.close), salt="x"
    )
    gateway, session = Gateway(market, SETTINGS, office), ServerSession()
    frames = []
    for number, (name, buy, price, qty) in enumerate(wishes(count, random.Random(1))):
        params = {
            "symbol": "BTCUSDT", "side": "BUY" if buy else "SELL", "type": "LIMIT",
            "timeInForce": "GTC", "price": str(price), "quantity": f"{qty / 1000:.3f}",
            "apiKey": keys[name].api_key, "timestamp": now,
        }  # fmt: skip
        texts = {k: str(v) for k, v in params.items()}
        params["signature"] = keys[name].sign(payload(texts))
        frames.append(
            msgspec.json.encode({"id": number, "method": "order.place", "params": params}).decode()
        )
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        call = session.receive(frame)
        gateway.handle(call, session, "127.0.0.1", now)
    result = count / (time.perf_counter() - wall), count / (time.process_time() - cpu)
    office.close()
    return result


def replayed_again(folder):
    """Return requests per second of a journal that is played again."""
    records = read(folder).records
    requests = sum(record["k"] == "req" for record in records)
    begun = time.perf_counter()
    replayed(records, _Market())
    return requests / (time.perf_counter() - begun)


def resting(count):
    """Return an engine with `count` resting orders at as many prices, and the bytes of each."""
    account = Account("alice")
    engine = Engine({"BTCUSDT": Venue(info())}, {"alice": account})
    engine.deposit(account, "USDT", 10**12 * UNIT, 0)
    engine.deposit(account, "BTC", 10**9 * UNIT, 0)
    tracemalloc.start()
    for number in range(count):
        price = 15_000 * UNIT + number * UNIT // 100
        ticket = Ticket("BTCUSDT", is_buy=False, type="LIMIT", price=price, qty=UNIT)
        engine.place(account, ticket, number)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return engine, size / count


def matching_cost(count, rounds=2000):
    """Return the median microseconds of an order, one that rests and one that crosses in turn."""
    engine, _ = resting(count)
    other = engine.accounts["bob"] = Account("bob")
    engine.deposit(other, "USDT", 10**12 * UNIT, 0)
    engine.deposit(other, "BTC", 10**9 * UNIT, 0)
    middle = 15_000 * UNIT + count // 2 * UNIT // 100
    sale = Ticket("BTCUSDT", is_buy=False, type="LIMIT", price=middle, qty=UNIT)
    buy = Ticket("BTCUSDT", is_buy=True, type="LIMIT", price=middle, qty=UNIT)
    seconds = []
    for number in range(rounds):
        begun = time.perf_counter()
        engine.place(other, sale, number)
        engine.place(other, buy, number)
        seconds.append((time.perf_counter() - begun) / 2)
    return statistics.median(seconds) * 1e6


def loaded(folder):
    """Return the seconds that a journal takes to load into a frame of order events, and its records."""
    begun = time.perf_counter()
    frames = Frames.of(folder)
    table = frames.order_events()
    return time.perf_counter() - begun, len(frames), len(table)


SERVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import orders
orders.serve(sys.argv[2])
"""


def serve(folder):
    """Serve the exchange of the benchmark until the process is ended."""
    from bwsresearch import server
    from bwsresearch.local import live_clock

    file = JournalFile(folder, "bench", fsync="group")
    specs = [
        AccountSpec(
            name,
            {"USDT": 10**12 * UNIT, "BTC": 10**9 * UNIT},
            keys=[ApiKey(key_of(name).api_key, name, key_of(name).public())],
        )
        for name in NAMES
    ]
    market = _Market()
    office = opened(
        market, specs, SETTINGS, now_ms=live_clock(), journal=Journal(file.write), salt="x"
    )
    gateway = Gateway(market, SETTINGS, office)
    asyncio.run(server.run(gateway, clock=live_clock, port=0))


def through_socket(count, folder):
    """Return orders per second through a socket, 64 in flight."""
    from bwsresearch.client.access import Access
    from bwsresearch.client.sync import Client

    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, here, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        url = child.stdout.readline().split()[-1]
        clients = {name: Client(url, access=Access(key_of(name))) for name in NAMES}
        orders = iter(wishes(count, random.Random(1)))

        async def worker():
            for name, buy, price, qty in orders:
                await clients[name].aio.order_place(
                    "BTCUSDT", side="BUY" if buy else "SELL", type="LIMIT", time_in_force="GTC",
                    price=price, quantity=f"{qty / 1000:.3f}",
                )  # fmt: skip

        async def everything():
            await asyncio.gather(*(worker() for _ in range(64)))

        begun = time.perf_counter()
        clients["alice"].aio.bridge.run(everything())
        seconds = time.perf_counter() - begun
        for client in clients.values():
            client.close()
    finally:
        child.terminate()
        child.wait()
    return count / seconds


def main():
    """Print a table of medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=5)
    count, repeat = (got := parser.parse_args()).orders, got.repeat
    alone = [engine_alone(count) for _ in range(repeat)]
    print(f"engine alone        {_median(alone)}")
    inside = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            inside.append(in_process(count // 2, folder))
            seconds, records, rows = loaded(folder)
            again = replayed_again(folder)
    print(f"text and journal    {_median(inside)}")
    print(f"journal to frame    {seconds:.2f} s for {records:,} records, {rows:,} rows")
    print(f"journal replayed    {again:,.0f} requests/s")
    print(f"memory              {resting(20_000)[1]:,.0f} bytes per open order")
    for size in (1_000, 10_000, 100_000):
        print(f"matching            {matching_cost(size):.1f} µs an order, {size:,} orders resting")
    sockets = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            sockets.append(through_socket(count // 10, folder))
    print(f"through a socket    {statistics.median(sockets):,.0f} orders/s, 64 in flight")


def _median(runs):
    wall, cpu = (statistics.median(values) for values in zip(*runs, strict=True))
    return f"{wall:,.0f} orders/s, {cpu:,.0f} per CPU second"


if __name__ == "__main__":
    main()
