"""Clients that we did not write trade on a market that is watched, with the evidence it gives."""

from decimal import Decimal

import pytest

from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.protocol import methods

from .conftest import served
from .foreign import ALL
from .traded import (
    ALICE,
    BTC,
    START,
    TAKES,
    Step,
    Twin,
    exchange,
    keys_of,
    new,
    result_or_refusal,
    told,
)

MODEL = "depth+trades@1"
FIRST = 1_717_243_496_700  # a moment that books are shown at
LATER = FIRST + 600_000
TICK, STEP = Decimal("0.01"), Decimal("0.00001")


def price(units):
    return (Decimal(units) / UNIT).quantize(TICK)


@pytest.fixture(scope="module")
def steps(market):
    """What is asked first, and what is asked ten minutes later; prices are near what the book shows."""
    book = market.depth(BTC, 20, FIRST)
    bid, third = price(book.bids[0][0]), price(book.asks[2][0])
    three = Decimal(sum(size for _, size in book.asks[:3])) / UNIT
    half = (three / 2).quantize(STEP)
    below, above = ((bid * Decimal(part)).quantize(TICK) for part in ("0.9997", "1.0003"))
    first = [
        Step(ALICE, methods.Depth(BTC, limit=20)),
        new(ALICE, "walk", "BUY", None, half, kind="MARKET", tif=None, want=None),
        new(ALICE, "cross", "BUY", third, three, tif="IOC", want=None),
        new(ALICE, "join", "BUY", bid, "0.01", want=None),
        new(ALICE, "under", "BUY", below, "0.02", want=None),
        new(ALICE, "over", "SELL", above, "0.02", want=None),
        new(ALICE, "stop", "SELL", None, "0.05", kind="STOP_LOSS", tif=None, stop_price=below,
            want=None),
        new(ALICE, "gain", "SELL", above, "0.05", kind="TAKE_PROFIT_LIMIT", stop_price=above,
            want=None),
        new(ALICE, "far", "BUY", bid / 2, "0.01", want=None),
        new(ALICE, "post", "SELL", bid, "0.1", kind="LIMIT_MAKER", tif=None, want=TAKES),
        Step(ALICE, methods.AccountStatus()),
    ]  # fmt: skip
    later = [
        Step(ALICE, methods.OpenOrdersStatus(BTC)),
        *(Step(ALICE, methods.OrderStatus(BTC, orig_client_order_id=name))
          for name in ("join", "under", "over", "stop", "gain", "far")),
        Step(ALICE, methods.AllOrders(BTC)),
        Step(ALICE, methods.MyTrades(BTC)),
        Step(ALICE, methods.MyTrades(BTC, start_time=FIRST + 1, end_time=LATER)),
        Step(ALICE, methods.AccountStatus()),
        Step(ALICE, methods.OpenOrdersCancelAll(BTC)),
    ]  # fmt: skip
    return first, later


@pytest.fixture(scope="module")
def twins(market, steps):
    """The replies that a twin gets, to what a client has of both."""

    def of(client=None):
        twin = Twin(exchange(market, model=MODEL, now=FIRST), now=FIRST, askers=[ALICE])
        replies = []
        for twin.now, part in zip((FIRST, LATER), steps, strict=True):
            own = [one for one in part if client is None or client.has(one.request)]
            replies.append([twin.ask(one.who, one.request) for one in own])
        return replies

    return of


@pytest.fixture(scope="module")
def results(twins):
    return [list(map(result_or_refusal, part)) for part in twins()]


def test_an_order_at_market_walks_the_book_that_is_shown(results):
    book, placed = results[0][:2]
    left, walked = Decimal(placed["origQty"]), []
    for level, size in book["asks"]:
        part = min(left, Decimal(size))
        walked.append((level, f"{part:.8f}"))
        left -= part
        if not left:
            break
    assert [(fill["price"], fill["qty"]) for fill in placed["fills"]] == walked
    assert placed["status"] == "FILLED"


def test_what_the_book_showed_is_had_once(results):
    book, walk, cross = results[0][:3]
    shown = {level: Decimal(size) for level, size in book["asks"][:3]}
    taken = dict.fromkeys(shown, Decimal(0))
    for fill in (*walk["fills"], *cross["fills"]):
        taken[fill["price"]] += Decimal(fill["qty"])
    assert taken == shown
    assert (cross["status"], cross["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")


def test_a_maker_that_would_take_is_refused(results):
    assert results[0][9] == TAKES


def test_the_market_fills_what_it_comes_to(results):
    trades = results[1][9]
    assert {trade["isMaker"] for trade in trades} == {True, False}  # resting, and stops
    orders = {order["orderId"]: order for order in results[1][7]}
    for trade in trades:
        order = orders[trade["orderId"]]
        assert FIRST < trade["time"] <= LATER
        if trade["isMaker"]:
            assert trade["price"] == order["price"]
    far = results[1][6]
    assert (far["status"], far["executedQty"]) == ("NEW", "0.00000000")


def test_the_account_has_what_its_trades_have_left(results):
    has = {asset: Decimal(amount) for asset, amount in START.items()}
    for trade in results[1][8]:
        sign = 1 if trade["isBuyer"] else -1
        has["BTC"] += sign * Decimal(trade["qty"])
        has["USDT"] -= sign * Decimal(trade["quoteQty"])
        has[trade["commissionAsset"]] -= Decimal(trade["commission"])
    balances = results[1][10]["balances"]
    assert {
        one["asset"]: Decimal(one["free"]) + Decimal(one["locked"])
        for one in balances
        if one["asset"] in has
    } == has


@pytest.mark.parametrize("client", [pytest.param(one, id=one.name) for one in ALL])
def test_it_is_told_what_our_own_session_is(client, market, speaker, steps, twins):
    now = FIRST
    with served(exchange(market, model=MODEL, now=FIRST), lambda: now) as server:
        for now, part, replies in zip((FIRST, LATER), steps, twins(client), strict=True):
            calls = [client.spelled(one.request, ALICE) for one in part if client.has(one.request)]
            outcomes = speaker(client.script).ask(server.url, calls, keys=keys_of("HMAC"), now=now)
            found = [told(client, *both) for both in zip(outcomes, replies, strict=True)]
            assert found == list(map(result_or_refusal, replies))
