"""An exchange in memory with accounts, spoken to in frames as over a connection."""

import itertools
import json
from decimal import Decimal

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.journal import Journal, parsed
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.protocol.session import Options, ServerSession
from bwsresearch.protocol.signing import Key, payload

NOW_MS = 1_706_702_400_000  # 2024-01-31T12:00
MARKET = SyntheticMarket(1)


def secret_of(name):
    """Return an API key and its HMAC secret: 64 letters each, made of the name."""
    return (name * 64)[:64], (name[::-1] * 64)[:64]


class Lab:
    """One exchange, one connection, a clock that is set by hand, and accounts with HMAC keys."""

    def __init__(self, *names, model="self@1", config=None, market=MARKET, permissions=None):
        self.now, self.lines, self._ids = NOW_MS, [], itertools.count(1)
        self.keys = {name: Key(*secret_of(name)) for name in names or ("alice", "bob", "carol")}
        settings = Config.of({"model": {"id": model}, **(config or {})})
        self.journal = Journal(self.lines.append)
        specs = [
            AccountSpec(
                name,
                {"USDT": self.units("1000000"), "BTC": self.units("10"), "BNB": self.units("5")},
                keys=[
                    ApiKey(
                        key.api_key, name, key.public(),
                        **({"permissions": frozenset(permissions)} if permissions else {}),
                    )
                ],
            )
            for name, key in self.keys.items()
        ]  # fmt: skip
        self.office = opened(
            market, specs, settings, now_ms=self.now, journal=self.journal, salt="lab"
        )
        self.gateway = Gateway(market, settings, self.office)
        self.session = ServerSession(Options(), connected_since_ms=self.now)

    @staticmethod
    def units(text):
        return units(Decimal(text))

    def frame(self, name, method, params, **signing):
        """Return a frame as a client sends it; `signing` replaces or (None) drops what signs it."""
        params = {key: value for key, value in params.items() if value is not None}
        if name is not None:
            key = self.keys[name]
            params |= {"apiKey": key.api_key, "timestamp": self.now} | signing
            params = {key_: value for key_, value in params.items() if value is not None}
            if "signature" not in signing:
                texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()}
                params["signature"] = key.sign(payload(texts))
        return json.dumps({"id": next(self._ids), "method": method, "params": params})

    def send(self, frame):
        """Return the reply to a frame."""
        call = self.session.receive(frame)
        if isinstance(call, bytes):
            return json.loads(call)
        return json.loads(self.gateway.handle(call, self.session, "127.0.0.1", self.now).text)

    def ask(self, name, method, params=None, /, **signing):
        """Return the reply to a request of an account (None: unsigned)."""
        return self.send(self.frame(name, method, params or {}, **signing))

    def result(self, name, method, params=None, /, **signing):
        """Return the result of a request that must succeed."""
        reply = self.ask(name, method, params, **signing)
        assert reply["status"] == 200, reply
        return reply["result"]

    def error(self, name, method, params=None, /, **signing):
        """Return (status, code, msg) of a request that must fail."""
        reply = self.ask(name, method, params, **signing)
        return reply["status"], reply["error"]["code"], reply["error"]["msg"]

    def limit(self, name, side, price, quantity, **others):
        """Place a LIMIT GTC order of BTCUSDT."""
        self.now += 1
        return self.result(
            name,
            "order.place",
            {
                "symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC",
                "price": str(price), "quantity": str(quantity), **others,
            },
        )  # fmt: skip

    @property
    def records(self):
        """The journal so far."""
        return self.recorded(0)

    def recorded(self, since):
        """The records that came after so many commits."""
        return [parsed(line) for line in b"".join(self.lines[since:]).splitlines()]


def send(lab, dice):
    """Send one random request of one of the accounts; return its reply."""
    lab.now += dice.randrange(1, 40)
    name = dice.choice(list(lab.keys))
    middle = 16_350
    choice = dice.random()
    if choice < 0.7:
        kind = dice.choice(["LIMIT", "LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS_LIMIT"])
        params = {"symbol": "BTCUSDT", "side": dice.choice(["BUY", "SELL"]), "type": kind}
        params["quantity"] = f"{dice.randrange(1, 200) / 1000:.3f}"
        if kind != "MARKET":
            params["price"] = f"{middle + dice.randrange(-40, 41)}"
        if kind in ("LIMIT", "STOP_LOSS_LIMIT"):
            params["timeInForce"] = dice.choice(["GTC", "GTC", "IOC", "FOK"])
        if kind == "STOP_LOSS_LIMIT":
            params["stopPrice"] = f"{middle + dice.randrange(-40, 41)}"
        method = dice.choice(["order.place"] * 9 + ["order.test"])
        return lab.ask(name, method, params)
    if choice < 0.9:
        return lab.ask(
            name, "order.cancel", {"symbol": "BTCUSDT", "orderId": dice.randrange(1, 60)}
        )
    if choice < 0.95:
        return lab.ask(
            name, "order.amend.keepPriority",
            {"symbol": "BTCUSDT", "orderId": dice.randrange(1, 60), "newQty": "0.001"},
        )  # fmt: skip
    return lab.ask(name, "openOrders.cancelAll", {"symbol": "BTCUSDT"})
