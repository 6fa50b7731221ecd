"""A small watched market: a model behind an engine with three accounts, amounts written as text."""

from decimal import Decimal

from bwsresearch.exchange.fills import ModelConfig, fill_model
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.liquidity import (
    BarOpened,
    BarSeen,
    BookChange,
    BookSeen,
    Print,
)
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol.results import SymbolInfo

TICK, STEP = 1_000_000, 1_000
SYMBOL = "BTCUSDT"
NAMES = ("alice", "bob", "carol")
INFO = SymbolInfo(
    symbol=SYMBOL,
    status="TRADING",
    base_asset="BTC",
    quote_asset="USDT",
    order_types=[
        "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    ],
    iceberg_allowed=True,
    quote_order_qty_market_allowed=True,
    allow_trailing_stop=True,
    amend_allowed=True,
    filters=[
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
         "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    ],
    default_self_trade_prevention_mode="NONE",
    allowed_self_trade_prevention_modes=["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER"],
)  # fmt: skip


def amount(text):
    return units(Decimal(text))


def text(number):
    return f"{(Decimal(number) / 100_000_000).normalize():f}"


def engine(model, *, names=NAMES, usdt="100000000", btc="10000"):
    """Return an engine whose accounts can pay for anything."""
    made = Engine({SYMBOL: Venue(INFO, liquidity=model)}, {name: Account(name) for name in names})
    for name in names:
        made.deposit(made.accounts[name], "USDT", amount(usdt), 0)
        made.deposit(made.accounts[name], "BTC", amount(btc), 0)
    return made


class Lab:
    """One model watched by one engine; every call happens a second after the one before."""

    def __init__(self, model="depth+trades@1", **settings):
        self.model = fill_model(ModelConfig(id=model, **settings), tick=TICK, step=STEP)
        self.engine = engine(self.model)
        self.venue = self.engine.venues[SYMBOL]
        self.now, self.pause, self.number = 1_000_000, 1_000, 0
        self.steps = []

    # ---- orders ------------------------------------------------------------------------------

    def place(self, side, kind="LIMIT", *, by="alice", at=None, **given):
        """Place an order; amounts as text."""
        self.now = self.now + self.pause if at is None else at
        numbers = {
            key: amount(value)
            for key, value in given.items()
            if key in ("price", "qty", "quote_order_qty", "stop_price", "iceberg_qty")
        }
        others = {key: value for key, value in given.items() if key not in numbers}
        ticket = Ticket(SYMBOL, is_buy=side == "BUY", type=kind, **numbers, **others)
        order, step = self.engine.place(self.engine.accounts[by], ticket, self.now)
        self.steps.append(step)
        return order

    def buy(self, qty, price, **given):
        return self.place("BUY", qty=qty, price=price, **given)

    def sell(self, qty, price, **given):
        return self.place("SELL", qty=qty, price=price, **given)

    def market(self, side, qty, **given):
        return self.place(side, "MARKET", qty=qty, **given)

    # ---- the market --------------------------------------------------------------------------

    def observe(self, event):
        self.now = max(self.now, event.time if hasattr(event, "time") else event.close_time)
        self.steps.append(self.engine.observe(event, self.now))

    def book(self, bids=(), asks=(), *, at=None, update_id=None, kind=BookSeen):
        """Show a book: {price: size} or pairs, best first."""
        self.number += 1
        time = self.now + self.pause if at is None else at
        sides = (
            tuple((amount(p), amount(q)) for p, q in dict(side).items()) for side in (bids, asks)
        )
        self.observe(kind(SYMBOL, time, update_id or self.number, *sides))

    def change(self, bids=(), asks=(), **given):
        self.book(bids, asks, kind=BookChange, **given)

    def printed(self, price, qty, taker, *, at=None):
        """A trade of the market, whose taker was a "BUY" or a "SELL"."""
        self.number += 1
        time = self.now + self.pause if at is None else at
        self.observe(Print(SYMBOL, time, self.number, amount(price), amount(qty), taker == "SELL"))

    def opened(self, price, at):
        self.observe(BarOpened(SYMBOL, at, amount(price)))

    def bar(self, opens, high, low, close, volume, at, length=60_000):
        self.observe(
            BarSeen(
                SYMBOL, at, at + length - 1, *(amount(x) for x in (opens, high, low, close, volume))
            )
        )

    # ---- what came of it ---------------------------------------------------------------------

    def fills(self, order):
        """(price, qty, role, rule) of all fills of an order."""
        return [
            (text(f.price), text(f.qty), "MAKER" if f.is_maker else "TAKER", f.evidence.rule)
            for step in self.steps
            for f in step.fills(order)
        ]

    def evidence(self, order):
        return [f.evidence for step in self.steps for f in step.fills(order)]
