"""A small exchange: one symbol, three accounts, amounts written as text."""

from decimal import Decimal

import msgspec
import pytest

from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol.results import SymbolInfo

FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "141.67845966", "stepSize": "0"},
    {
        "filterType": "TRAILING_DELTA",
        "minTrailingAboveDelta": 10,
        "maxTrailingAboveDelta": 2000,
        "minTrailingBelowDelta": 10,
        "maxTrailingBelowDelta": 2000,
    },
    {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "2",
        "bidMultiplierDown": "0.5",
        "askMultiplierUp": "2",
        "askMultiplierDown": "0.5",
        "avgPriceMins": 5,
    },
    {
        "filterType": "NOTIONAL",
        "minNotional": "5",
        "applyMinToMarket": True,
        "maxNotional": "9000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    },
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
]
STP = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]
TYPES = [
    "LIMIT", "LIMIT_MAKER", "MARKET",
    "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
]  # fmt: skip

BTCUSDT = SymbolInfo(
    symbol="BTCUSDT",
    status="TRADING",
    base_asset="BTC",
    quote_asset="USDT",
    order_types=TYPES,
    iceberg_allowed=True,
    quote_order_qty_market_allowed=True,
    allow_trailing_stop=True,
    amend_allowed=True,
    filters=FILTERS,
    default_self_trade_prevention_mode="NONE",
    allowed_self_trade_prevention_modes=STP,
)


def amount(text):
    return units(Decimal(text))


class Floor:
    """The engine with a short way to say things."""

    def __init__(self, *infos, liquidity=None, names=("alice", "bob", "carol")):
        self.engine = Engine(
            {i.symbol: Venue(i, liquidity=liquidity) for i in infos or (BTCUSDT,)},
            {name: Account(name) for name in names},
        )
        self.now = 1_000_000
        for name in names:
            self.give(name, USDT="1000000", BTC="100")

    def give(self, name, **amounts):
        for asset, text in amounts.items():
            self.engine.deposit(self.engine.accounts[name], asset, amount(text), self.now)

    def place(self, name, side, kind="LIMIT", symbol="BTCUSDT", **given):
        """Place an order: `price`, `qty` and other amounts as text."""
        numbers = {
            key: amount(value)
            for key, value in given.items()
            if key in ("price", "qty", "quote_order_qty", "stop_price", "iceberg_qty")
        }
        others = {key: value for key, value in given.items() if key not in numbers}
        ticket = Ticket(symbol, is_buy=side == "BUY", type=kind, **numbers, **others)
        self.now += 1
        order, self.step = self.engine.place(self.engine.accounts[name], ticket, self.now)
        return order

    def cancel(self, order, **options):
        self.now += 1
        account = self.engine.accounts[order.owner]
        report, self.step = self.engine.cancel(account, order, self.now, **options)
        return report

    def free(self, name, asset):
        return text(self.engine.accounts[name].free[asset])

    def locked(self, name, asset):
        return text(self.engine.accounts[name].locked[asset])

    @property
    def trades(self):
        """Price and quantity of the fills of the last step, each trade once."""
        seen = {}
        for report in self.step.reports:
            if report.execution == "TRADE":
                seen[report.fill.trade_id] = (text(report.fill.price), text(report.fill.qty))
        return list(seen.values())

    @property
    def told(self):
        """(owner, execution, status) of the reports of the last step."""
        return [(r.order.owner, r.execution, r.status) for r in self.step.reports]


def text(units_):
    value = (Decimal(units_) / 100_000_000).normalize()
    return f"{value:f}"


@pytest.fixture
def floor():
    return Floor()


@pytest.fixture
def made():
    """Make a floor with changed rules of BTCUSDT, or with other symbols."""

    def make(*infos, **changes):
        if changes:
            infos = (msgspec.structs.replace(BTCUSDT, **changes),)
        return Floor(*infos)

    return make
