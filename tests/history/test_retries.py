"""What one read bears, seen through downloads from an exchange in this process."""

import asyncio

import pytest

import bwsresearch as bws
from bwsresearch import server
from bwsresearch.client.sync import Client
from bwsresearch.errors import BadSymbol, Banned, Disconnected, ServerError, Timeout
from bwsresearch.exchange.faults import Fault, FaultPlan
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.history.retries import Retries, choose

from .lab import MINUTE, NOW, Clock, Exchange, Watched, bars, refusal, result, ticks

START = 1_704_067_200_000  # 2024-01-01
SPAN = {"start": START, "end": START + 1000 * MINUTE}
COLUMNS = bars(1000, START)
TRADES = ticks(2000, START)
BUSY = refusal(503, -1008, "Server is overloaded.")


class Sleeps(list):
    """Pauses that are noted, and take no time."""

    async def __call__(self, seconds):
        self.append(seconds)


@pytest.fixture
def sleeps():
    return Sleeps()


@pytest.fixture
def exchange():
    return Exchange(Watched(RecordedMarket({"BTCUSDT": Recording({"1m": COLUMNS}, TRADES)})))


@pytest.fixture
def client(exchange, sleeps):
    return exchange.new_client(retries=Retries(sleep=sleeps))


def failing(exchange, answer, times, method="klines"):
    """Let the first `times` calls of a method fail."""
    left = [answer] * times

    def interfere(call):
        return left.pop()(call) if call.method == method and left else None

    exchange.gateway.interfere = interfere


def test_failures_are_borne_with_growing_pauses(exchange, client, sleeps):
    failing(exchange, BUSY, 3)
    frame = bws.klines("BTCUSDT", "1m", client=client, **SPAN)
    assert frame["close"].tolist() == COLUMNS["close"].tolist()
    assert sleeps == [0.25, 1.0, 4.0]


def test_the_fourth_failure_is_raised_and_says_how_often_it_was_asked(exchange, client):
    failing(exchange, BUSY, 4)
    with pytest.raises(ServerError, match=r"overloaded.*code -1008, status 503\); asked 4 times$"):
        bws.klines("BTCUSDT", "1m", client=client, **SPAN)
    assert exchange.asked == {"time": 1, "klines": 4}
    assert len(bws.klines("BTCUSDT", "1m", client=client, **SPAN)) == 1000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, -1121, "Invalid symbol."), BadSymbol),
        (refusal(418, -1003, "Way too much.", serverTime=NOW, retryAfter=NOW + 1), Banned),
    ],
)
def test_what_no_second_try_can_mend_is_raised_at_once(answer, error, exchange, client, sleeps):
    failing(exchange, answer, 1)
    with pytest.raises(error):
        bws.klines("BTCUSDT", "1m", client=client, **SPAN)
    assert exchange.asked["klines"] == 1
    assert sleeps == []


def test_each_read_has_a_patience_of_its_own(exchange, client, sleeps):
    seen = {}

    def interfere(call):
        page = str(call.params)
        seen[page] = seen.get(page, 0) + 1
        return BUSY(call) if call.method == "klines" and seen[page] == 1 else None

    exchange.gateway.interfere = interfere
    choose(client.aio, Retries(pauses=(0.5,), sleep=sleeps))
    frame = bws.klines("BTCUSDT", "1m", start=START - 5000 * MINUTE, end=SPAN["end"], client=client)
    assert len(frame) == 1000
    assert len(sleeps) > 1
    assert set(sleeps) == {0.5}


READS = {
    "the time": ("time", lambda client: bws.klines("BTCUSDT", "1m", period="1d", client=client)),
    "where trades lie": (
        "trades.aggregate",
        lambda client: bws.trades("BTCUSDT", start=START, end=START + MINUTE, client=client),
    ),
    "trades": (
        "trades.historical",
        lambda client: bws.trades("BTCUSDT", start=START, end=START + MINUTE, client=client),
    ),
    "the newest trades": ("trades.recent", lambda client: bws.trades("BTCUSDT", client=client)),
    "the book": ("depth", lambda client: bws.depth("BTCUSDT", client=client)),
}


@pytest.mark.parametrize("answer", [BUSY, result({"a": 1}), result("x")])
@pytest.mark.parametrize("name", READS)
def test_every_read_of_a_download_is_asked_again(name, answer, exchange, sleeps):
    method, read = READS[name]
    whole = read(exchange.client)
    bws.cache.clear()
    other = exchange.new_client(retries=Retries(sleep=sleeps))
    failing(exchange, answer, 2, method)
    assert read(other).equals(whole)
    assert len(sleeps) == 2  # of one page, or of two at once


def test_a_silent_reply_is_asked_for_once_more(exchange):
    plan = FaultPlan((Fault("silence", at=1, method="klines"),))
    with faulty(exchange, plan) as client:
        assert len(bws.klines("BTCUSDT", "1m", timeout=0.2, client=client, **SPAN)) == 1000
    assert plan.counts == {"silence": 1}


def test_the_second_silence_is_raised(exchange):
    plan = FaultPlan((Fault("silence", every=1, method="klines"),))
    with faulty(exchange, plan) as client:
        with pytest.raises(Timeout, match=r"no reply .*within 0.05 s; asked 2 times; try again"):
            bws.klines("BTCUSDT", "1m", timeout=0.05, client=client, **SPAN)
        plan.begin()
        assert len(bws.klines("BTCUSDT", "1m", client=client, **SPAN)) == 1000


def test_a_connection_that_died_in_silence_is_left(exchange):
    plan = FaultPlan((Fault("stuck", at=1, method="klines", seconds=3600.0),))
    with faulty(exchange, plan) as client:
        assert len(bws.klines("BTCUSDT", "1m", timeout=0.2, client=client, **SPAN)) == 1000


def faulty(exchange, plan):
    return _Faulty(exchange, plan)


class _Faulty:
    """A client of a server with a plan, both end with the block."""

    def __init__(self, exchange, plan):
        self.hosted = server.hosted(exchange.gateway, clock=exchange.clock, faults=plan)

    def __enter__(self):
        self.client = Client(self.hosted.__enter__().url)
        choose(self.client.aio, Retries())
        return self.client

    def __exit__(self, *error):
        self.client.close()
        self.hosted.__exit__(*error)


def test_an_address_that_never_answered_is_not_asked_again(sleeps):
    client = Client("ws://127.0.0.1:1")
    choose(client.aio, Retries(sleep=sleeps))
    with pytest.raises(Disconnected, match="cannot connect"):
        bws.klines("BTCUSDT", "1m", client=client, **SPAN)
    assert sleeps == []


def test_a_server_that_comes_back_is_found(exchange):
    """It is gone when the first pause begins, and there again when it ends."""
    gateway, clock = exchange.gateway, Clock()
    with server.hosted(gateway, clock=clock) as first:
        port = first.port
        client = Client(first.url)
        client.ping()

    async def back(_):
        work = server.serve(gateway, clock=clock, port=port)
        running.append((work, await work.__aenter__()))

    running = []
    choose(client.aio, Retries(sleep=back))
    try:
        assert len(bws.klines("BTCUSDT", "1m", client=client, **SPAN)) == 1000
    finally:
        client.close()
        for work, _ in running:
            bws.run(work.__aexit__(None, None, None))
    assert len(running) == 1


def test_a_pause_holds_up_no_other_page():
    exchange = Exchange(
        Watched(RecordedMarket({"BTCUSDT": Recording({"1m": bars(40_000, START)})}))
    )
    # The question where bars begin is not asked when a first bar is known.
    bws.klines("BTCUSDT", "1m", start=START, end=START + MINUTE, client=exchange.client)
    exchange.gateway.calls.clear()
    failing(exchange, BUSY, 1)
    others_came, paused = asyncio.Event(), []

    def note(_):
        if len(exchange.gateway.calls) == 1 + 40:  # the time, and all pages once
            others_came.set()

    async def pause(_):
        await asyncio.wait_for(others_came.wait(), 30)
        paused.append(len(exchange.gateway.calls))

    exchange.gateway.after = note
    span = {"start": START, "end": START + 40_000 * MINUTE}
    client = exchange.new_client(retries=Retries(sleep=pause))
    assert len(bws.klines("BTCUSDT", "1m", client=client, **span)) == 40_000
    assert paused == [1 + 40]
