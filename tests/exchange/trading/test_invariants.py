"""What must hold after every step of the engine, whatever is sent to it."""

import random
from collections import Counter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import fee_of, notional
from bwsresearch.exchange.trading.orders import OPEN, Ticket
from bwsresearch.protocol.messages import Refusal

from .conftest import BTCUSDT, STP, Floor, amount

RUNS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
NAMES = ("alice", "bob", "carol")
LEGAL = {
    "NEW": {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"},
    "PARTIALLY_FILLED": {
        "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH",
    },
}  # fmt: skip
UNFILTERED = [row for row in BTCUSDT.filters if row["filterType"] != "PERCENT_PRICE_BY_SIDE"]


def floor():
    made = Floor(msgspec.structs.replace(BTCUSDT, filters=UNFILTERED))
    made.give("bob", BNB="1")
    made.engine.accounts["bob"].commission = Commission(maker=75_000, in_bnb=True)
    made.engine.accounts["carol"].commission = Commission(maker=0, taker=123_457)
    return made


def ticket(dice):
    """Return a random order around 100, of any type; many are refused, which is part of it."""
    kind = dice.choices(
        ["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
         "TAKE_PROFIT_LIMIT"],
        [50, 14, 8, 7, 7, 7, 7],
    )[0]  # fmt: skip
    given = {"qty": dice.randrange(1, 300_000) * 1_000}
    if kind == "MARKET" and dice.random() < 0.4:
        given = {"quote_order_qty": dice.randrange(6, 400) * 100_000_007}
    if "LIMIT" in kind:
        given["price"] = amount("100") + dice.randrange(-300, 301) * 1_000_000
    if kind == "LIMIT":
        given["time_in_force"] = dice.choice(["GTC", "GTC", "GTC", "IOC", "FOK"])
        if given["time_in_force"] == "GTC" and dice.random() < 0.15:
            given["iceberg_qty"] = max(1_000, given["qty"] // 5_000 * 1_000)
    if kind.startswith(("STOP", "TAKE")):
        given["stop_price"] = amount("100") + dice.randrange(-200, 201) * 1_000_000
        if dice.random() < 0.3:
            given["trailing_delta"] = dice.randrange(10, 300)
    given["stp"] = dice.choice(["NONE", *STP])
    if dice.random() < 0.2:
        given["client_order_id"] = f"id-{dice.randrange(6)}"
    return Ticket("BTCUSDT", is_buy=dice.random() < 0.5, type=kind, **given)


def step(made, dice):
    """Send one random command; return the step, None when it was refused."""
    made.now += dice.randrange(3)
    account = made.engine.accounts[dice.choice(NAMES)]
    mine = list(account.open_orders["BTCUSDT"].values())
    choice = dice.random()
    try:
        if choice < 0.75 or not mine:
            return made.engine.place(account, ticket(dice), made.now)[1]
        order = dice.choice(mine)
        if choice < 0.9:
            return made.engine.cancel(account, order, made.now)[1]
        if choice < 0.98:
            left = order.executed + order.prevented
            qty = left + (order.qty - left) * dice.randrange(1, 10) // 10 // 1_000 * 1_000
            return made.engine.amend(account, order, qty, made.now)[1]
        return made.engine.cancel_all(account, "BTCUSDT", made.now)
    except Refusal:
        return None


def snapshot(engine):
    """Return everything that a refused request must leave alone."""
    venue = engine.venues["BTCUSDT"]
    return (
        [(a.name, dict(a.free), dict(a.locked), len(a.deals["BTCUSDT"]))
         for a in engine.accounts.values()],
        [(o.order_id, o.status, o.executed, o.qty, o.reserved, o.client_order_id)
         for o in venue.orders.values()],
        (venue.next_order_id, venue.next_trade_id, venue.next_execution_id, venue.last),
    )  # fmt: skip


def check_balances(engine):
    for account in engine.accounts.values():
        orders = account.open_orders["BTCUSDT"].values()
        assert min([*account.free.values(), *account.locked.values()]) >= 0
        assert account.locked["USDT"] == sum(o.reserved for o in orders if o.is_buy)
        assert account.locked["BTC"] == sum(o.reserved for o in orders if not o.is_buy)
        for order in orders:
            if order.is_resting:
                assert order.reserved == order.need()
                assert order.remaining > 0
                assert 0 < order.visible <= order.remaining
        names = Counter(o.client_order_id for o in orders)
        assert not names or max(names.values()) == 1


def check_orders(engine, before):
    """Terminal orders stay as they are, statuses go forward, quantities add up."""
    deals = {}
    for account in engine.accounts.values():
        for deal in account.deals["BTCUSDT"]:
            assert deal.quote == notional(deal.price, deal.qty)
            deals.setdefault(deal.order_id, []).append(deal)
    for order in engine.venues["BTCUSDT"].orders.values():
        mine = deals.get(order.order_id, [])
        assert 0 <= order.executed <= order.qty
        assert order.executed + order.prevented <= order.qty
        assert order.executed == sum(d.qty for d in mine)
        assert order.quote == sum(d.quote for d in mine)
        if order.price:
            assert all(
                (d.price <= order.price) if order.is_buy else (d.price >= order.price) for d in mine
            )
            assert all(d.price == order.price for d in mine if d.is_maker)
        was = before.get(order.order_id)
        if was is not None:
            status, updated, facts = was
            assert order.update_time >= updated
            if status in OPEN:
                assert order.status in LEGAL[status]
            else:
                assert (order.status, facts_of(order)) == (status, facts)


def facts_of(order):
    return order.executed, order.quote, order.prevented, order.reserved, order.client_order_id


def check_commissions(made, done):
    for report in done.reports:
        fill = report.fill
        if report.execution == "TRADE" and fill.commission_asset != "BNB":
            rates = made.engine.accounts[report.order.owner].commission
            rate = rates.maker if fill.is_maker else rates.taker
            received = fill.qty if report.order.is_buy else fill.quote
            assert fill.commission == fee_of(received, rate)


def check_book(engine):
    venue = engine.venues["BTCUSDT"]
    bids, asks = venue.shown(1)
    best = venue.book.bids.best, venue.book.asks.best
    assert best == (bids[0][0] if bids else None, asks[0][0] if asks else None)
    if bids and asks:
        assert bids[0][0] < asks[0][0]


@RUNS
@given(st.integers(0, 2**32))
def test_money_orders_and_ids_are_consistent_after_every_step(seed):
    made, dice = floor(), random.Random(seed)
    engine, total = made.engine, made.engine.settlement.totals()
    ids = (0, 0, 0)
    for _ in range(100):
        before = {
            o.order_id: (o.status, o.update_time, facts_of(o))
            for o in engine.venues["BTCUSDT"].orders.values()
        }
        was = snapshot(engine)
        done = step(made, dice)
        if done is None:
            assert snapshot(engine) == was
            continue
        assert engine.settlement.totals() == total
        check_balances(engine)
        check_orders(engine, before)
        check_commissions(made, done)
        check_book(engine)
        venue = engine.venues["BTCUSDT"]
        now = venue.next_order_id, venue.next_trade_id, venue.next_execution_id
        assert all(a >= b for a, b in zip(now, ids, strict=True))
        ids = now
    executions = [d.trade_id for a in engine.accounts.values() for d in a.deals["BTCUSDT"]]
    assert all(count == 2 for count in Counter(executions).values())


@RUNS
@given(st.integers(0, 2**32))
def test_better_prices_and_longer_waits_are_filled_first(seed):
    made, dice = floor(), random.Random(seed)
    for _ in range(100):
        side = {}
        for order in made.engine.venues["BTCUSDT"].orders.values():
            if order.is_resting:
                side[order.order_id] = (order.is_buy, order.price)
        queue = {
            price: list(level)
            for book in (
                made.engine.venues["BTCUSDT"].book.bids,
                made.engine.venues["BTCUSDT"].book.asks,
            )
            for price, level in book.ordered()
        }
        done = step(made, dice)
        if done is None:
            continue
        makers = [
            r.order for r in done.reports
            if r.execution == "TRADE" and r.fill.is_maker and r.order.order_id in side
        ]  # fmt: skip
        for is_buy in (True, False):
            prices = [o.price for o in makers if o.is_buy is is_buy]
            assert prices == sorted(prices, reverse=is_buy)
        for price in {o.price for o in makers}:
            plain = [o.order_id for o in makers if o.price == price and not o.ticket.iceberg_qty]
            waited = [number for number in queue[price] if number in plain]
            assert list(dict.fromkeys(plain)) == waited[: len(dict.fromkeys(plain))]


@RUNS
@given(st.integers(0, 2**32), st.integers(1, 99))
def test_the_beginning_of_a_run_does_not_depend_on_its_end(seed, length):
    def told(steps):
        made, dice = floor(), random.Random(seed)
        lines = []
        for _ in range(steps):
            done = step(made, dice)
            lines.append(
                None if done is None
                else [(r.order.order_id, r.execution, r.status, r.executed, r.fill) for r in done.reports]
            )  # fmt: skip
        return lines

    assert told(length) == told(100)[:length]
