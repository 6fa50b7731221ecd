"""A server that is killed under a stream of orders: what it acknowledged is there, and nothing twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal

from bwsresearch.client.access import Access
from bwsresearch.client.sync import Client
from bwsresearch.errors import Disconnected, OutcomeUnknown, UnknownOrder
from bwsresearch.journals import read
from bwsresearch.protocol.signing import Key

KILLS = 50
ORDERS = 24
SERVER = """
import asyncio, sys
from pathlib import Path
from bwsresearch import local, server
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket

folder = Path(sys.argv[1])
market = SyntheticMarket(1)
config = Config.of({"model": {"id": "self@1"}, "limits": {"orders_10s": 10**6}})
specs = local.accounts_of(folder / "accounts.toml")
office = local.office_of(
    market, specs, config, clock=local.live_clock, journal=folder / "journal", fsync="off"
)
gateway = Gateway(market, config, office)
asyncio.run(server.run(gateway, clock=local.live_clock, port=0))
"""
ACCOUNT = """
[[account]]
name = "{name}"
balances = {{ BTC = "1000", USDT = "100000000" }}
[[account.key]]
api_key = "{key}"
secret = "{name}"
"""
NAMES = ("alice", "bob")


def key_of(name):
    return Key((name * 64)[:64], name)


class Life:
    """One life of the server, from its start to its death."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        url = self.process.stdout.readline().split()[-1]
        self.clients = {
            name: Client(url, timeout=60, access=Access(key_of(name))) for name in NAMES
        }

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)

    def end(self):
        for client in self.clients.values():
            client.close()
        self.process.kill()
        self.process.communicate()


def stream(life, dice, names, kill_after):
    """Send orders at once and kill the server when so many are answered; return what became of them."""
    answered, acknowledged, lost = [0], {}, []

    async def send(owner, client_order_id, wish):
        try:
            report = await life.clients[owner].aio.order_place(
                "BTCUSDT", new_client_order_id=client_order_id, **wish
            )
            acknowledged[client_order_id] = owner, report
        except OutcomeUnknown as unknown:
            lost.append((owner, unknown.client_order_id))
        except Disconnected:
            lost.append((owner, client_order_id))  # never sent: must not be there either way
        answered[0] += 1
        if answered[0] == kill_after:
            life.kill()

    async def everything():
        await asyncio.gather(*(send(*one) for one in orders))

    orders = [
        (
            dice.choice(NAMES),
            name,
            {
                "side": dice.choice(["BUY", "SELL"]), "type": "LIMIT", "time_in_force": "GTC",
                "quantity": f"0.{dice.randrange(1, 100):03d}",
                "price": str(dice.randrange(16_000, 16_100)),
            },
        )
        for name in names
    ]  # fmt: skip
    life.clients["alice"].aio.bridge.run(everything())
    return acknowledged, lost


def check(life, acknowledged, lost):
    """Hold what the server knows against what was heard of it."""
    for name, (owner, report) in acknowledged.items():
        found = life.clients[owner].order_status("BTCUSDT", orig_client_order_id=name)
        assert (found.order_id, found.orig_qty) == (report.order_id, report.orig_qty)
        assert found.executed_qty >= report.executed_qty
    for owner, name in lost:
        try:
            found = life.clients[owner].order_status("BTCUSDT", orig_client_order_id=name)
        except UnknownOrder:
            continue  # it was not executed, and the client knows it now
        assert found.client_order_id == name


def check_money(life):
    """Every coin is in an account or was paid as commission."""
    totals = Counter()
    for client in life.clients.values():
        for balance in client.account_status().balances:
            totals[balance.asset] += balance.free + balance.locked
        for trade in client.my_trades("BTCUSDT", limit=1000):
            totals[trade.commission_asset] += trade.commission
    assert totals["BTC"] == Decimal(2000)
    assert totals["USDT"] == Decimal(200_000_000)


def test_fifty_kills_lose_no_acknowledged_order_and_double_none(tmp_path):
    accounts = "".join(ACCOUNT.format(name=name, key=key_of(name).api_key) for name in NAMES)
    (tmp_path / "accounts.toml").write_text(accounts)
    dice, acknowledged, lost = random.Random(7), {}, []
    life = Life(tmp_path)
    try:
        for number in range(KILLS):
            names = [f"{number}-{n}" for n in range(ORDERS)]
            heard, unheard = stream(life, dice, names, dice.randrange(1, ORDERS))
            life.end()
            life = Life(tmp_path)
            check(life, heard, unheard)
            acknowledged |= heard
            lost += unheard
        check_money(life)
    finally:
        life.end()
    records = read(tmp_path / "journal").records
    placed = Counter(
        (r["account"], r["order"]["clientOrderId"])
        for r in records
        if r["k"] == "order" and r["cause"] == "place"
    )
    assert max(placed.values()) == 1
    assert len(acknowledged) + len(lost) == KILLS * ORDERS
    assert lost
    assert {(owner, name) for name, (owner, _) in acknowledged.items()} <= set(placed)
