import asyncio
import time
from dataclasses import dataclass, field

import pytest

import bwsresearch as bws
from bwsresearch import server
from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.sync import Client
from bwsresearch.errors import Banned, Disconnected, RateLimited, ServerError, Timeout
from bwsresearch.exchange.config import Config, Limits
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.history import bars as history_bars
from bwsresearch.history import ticks as history_ticks
from bwsresearch.history.download import Lane
from bwsresearch.history.progress import Progress
from bwsresearch.history.retries import choose
from bwsresearch.local import LocalEndpoint
from bwsresearch.protocol.methods import Klines

from .faulty import klines
from .lab import AT_ONCE, MINUTE, NOW, Clock, Exchange, Watched, bars, recorded, refusal, result

START = 1_704_067_200_000  # 2024-01-01
PAGES = 40
COLUMNS = bars(PAGES * 1000, START)
SPAN = {"start": START, "end": START + PAGES * 1000 * MINUTE}
FIRST_PAGES = 1 + 7
"""The question where history begins, and seven pages."""


@pytest.fixture(scope="module")
def market():
    return RecordedMarket({"BTCUSDT": Recording({"1m": COLUMNS})})


@pytest.fixture
def exchange(market):
    return Exchange(Watched(market))


def pull(exchange, client=None, **options):
    client = client or exchange.client
    return bws.klines("BTCUSDT", "1m", client=client, **SPAN, **options)


def assert_whole(frame):
    assert frame["close"].tolist() == COLUMNS["close"].tolist()
    assert frame.attrs["gaps"] == []


def kept():
    return int(bws.cache.info()["rows"].sum())


@dataclass
class Held:
    """An endpoint that holds replies back until `width` requests wait, or all that are expected.

    Counts the requests of `method` that are on their way. The reply number `stop` does not come
    any more, and `stuck` is set. Does nothing of this before `arm`.
    """

    inner: LocalEndpoint
    width: int = 1
    method: bytes = b'"klines"'
    stop: int = 10**9
    expected: int = 0
    sent: int = 0
    waiting: int = 0
    most: int = 0
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, expected):
        self.expected, self.sent, self.waiting, self.most = expected, 0, 0, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def connect(self):
        return _HeldTransport(self, await self.inner.connect())


class _HeldTransport:
    is_vouched_for = False

    def __init__(self, held, inner):
        self.held, self.inner = held, inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def send(self, frame):
        held = self.held
        if held.expected and held.method in frame:
            held.sent += 1
            held.waiting += 1
            held.most = max(held.most, held.waiting)
            held.arrived.set()
        await self.inner.send(frame)

    async def receive(self):
        frame = await self.inner.receive()
        if self.held.waiting:
            await self._enough(self.held)
            self.held.waiting -= 1
        return frame

    async def _enough(self, held):
        """Wait for as many requests as may be on their way, and then for one too many."""
        answered = held.sent - held.waiting
        while held.waiting < min(held.width, held.expected - answered):
            held.arrived.clear()
            await held.arrived.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        if answered >= held.stop - 1:
            held.stuck.set()
            await asyncio.Event().wait()

    async def close(self):
        await self.inner.close()


def held_client(exchange, **options):
    held = Held(LocalEndpoint(exchange.gateway, exchange.clock), **options)
    client = exchange.new_client(held)
    # A reply that is held back, for however long, does not queue: all places stay open.
    client.aio.clock = lambda: 0.0
    return held, client


@pytest.mark.parametrize("width", [1, 2, 16, 40])
def test_exactly_so_many_requests_are_on_their_way(exchange, width):
    held, client = held_client(exchange, width=width)
    # A known first bar saves the question where bars begin.
    bws.klines("BTCUSDT", "1m", start=START, end=START + 1, client=client)
    held.arm(PAGES)
    assert_whole(pull(exchange, client, in_flight=width))
    assert (held.most, held.sent) == (width, PAGES)


def test_sixteen_is_the_default_and_for_all_symbols_together(synthetic):
    exchange = Exchange(Watched(synthetic))
    held, client = held_client(exchange, width=16)
    names = ["BTCUSDT", "ETHUSDT", "BNBUSDT"]
    bws.klines(names, "1m", start=START, end=START + 2000 * MINUTE, client=client)
    held.arm(3 * 18)
    span = {"start": START, "end": START + 20_000 * MINUTE}
    assert len(bws.klines(names, "1m", client=client, **span)) == 20_000
    assert (held.most, held.sent) == (16, 54)


@pytest.mark.parametrize("width", [1, 4])
def test_pages_of_trades_are_on_their_way_together_too(synthetic, width):
    exchange = Exchange(Watched(synthetic))
    held, client = held_client(exchange, width=width, method=b'"trades.historical"')
    span = {"start": START, "end": START + 300 * MINUTE}
    rows = bws.agg_trades("BTCUSDT", client=client, **span)
    count = int(rows["last_id"].iloc[-1]) - int(rows["first_id"].iloc[0]) + 1
    pages = -(-count // 1000)
    assert pages > 4
    held.arm(pages)
    frame = bws.trades("BTCUSDT", client=client, in_flight=width, **span)
    assert (held.most, held.sent) == (width, pages)
    assert len(frame) == count


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (refusal(503, -1008, "Server is overloaded."), ServerError, r"overloaded.*-1008.*503"),
        (
            refusal(418, -1003, "Way too much.", serverTime=NOW, retryAfter=NOW + 120_000),
            Banned,
            r"Way too much.*try again in 120 s",
        ),
        (refusal(429, -1003, "Too much request weight used."), RateLimited, r"-1003, status 429"),
        (result({"a": 1}), ServerError, r"klines: the server sent a broken page"),
        (result([[1, 2]]), ServerError, r"klines: the server sent a broken page: row 0"),
        (result(b'[["x"]]'), ServerError, r"klines: the server sent a broken page"),
    ],
)
def test_a_failure_keeps_the_pages_before_it_and_the_next_call_fetches_the_rest(
    exchange, answer, error, message
):
    exchange.nth(FIRST_PAGES + 1, answer)
    with pytest.raises(error, match=message) as caught:
        pull(exchange, in_flight=1)
    assert "\n" not in str(caught.value)
    assert kept() == 7000
    exchange.gateway.interfere = None
    exchange.gateway.calls.clear()
    exchange.clock.now_ms += 120_000  # a ban is over by then
    frame = pull(exchange)
    starts = sorted(int(page["startTime"]) for page in exchange.pages())
    assert starts == [START + page * 1000 * MINUTE for page in range(7, PAGES)]
    assert_whole(frame)
    assert frame.attrs["source"] == "mixed"


def test_a_failure_among_many_in_flight_loses_nothing_that_came(exchange):
    exchange.nth(25, refusal(503, -1008, "Server is overloaded."))
    with pytest.raises(ServerError):
        pull(exchange)
    before = kept()
    assert 8000 <= before < PAGES * 1000
    exchange.gateway.interfere = None
    exchange.gateway.calls.clear()
    assert_whole(pull(exchange))
    assert len(exchange.pages()) == PAGES - before // 1000


def row(open_ms):
    close = open_ms + MINUTE - 1
    return [open_ms, "1.0", "2.0", "1.0", "2.0", "1.0", close, "1.0", 1, "1.0", "1.0", "0"]


@pytest.mark.parametrize(
    "rows",
    [
        [row(START + 2 * MINUTE), row(START + MINUTE)],
        [row(START + MINUTE), row(START + MINUTE)],
        [row(START - MINUTE), row(START)],
        [row(START + 999 * MINUTE), row(START + 1000 * MINUTE)],
    ],
)
@pytest.mark.parametrize("cache", [True, False])
def test_rows_out_of_order_or_range_are_refused(exchange, rows, cache):
    exchange.nth(1, result(rows))
    span = {"start": START, "end": START + 1000 * MINUTE, "client": exchange.client}
    with pytest.raises(ServerError, match=r"BTCUSDT 1m.*do not ascend within \[2024-01-01, .*\)"):
        bws.klines("BTCUSDT", "1m", cache=cache, **span)
    assert kept() == 0
    assert len(bws.klines("BTCUSDT", "1m", cache=cache, **span)) == 1000


def test_an_answer_about_the_beginning_is_checked_too(exchange):
    exchange.nth(1, result([row(START - MINUTE)]))
    with pytest.raises(ServerError, match="do not ascend within"):
        pull(exchange)


def scenario(work):
    """Run on the loop that holds the connections, as a blocking call does."""
    return bws.run(asyncio.wait_for(work, 60))


def test_a_cancelled_download_keeps_the_pages_that_came(exchange):
    held, client = held_client(exchange, stop=12)
    held.arm(PAGES + 1)

    async def work():
        task = asyncio.ensure_future(
            history_bars.klines("BTCUSDT", "1m", client=client, in_flight=4, **SPAN)
        )
        stuck = asyncio.ensure_future(held.stuck.wait())
        await asyncio.wait({task, stuck}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    scenario(work())
    assert kept() == 10_000  # the first answer told where history begins
    exchange.gateway.calls.clear()
    assert_whole(pull(exchange))
    assert len(exchange.pages()) == PAGES - 10


def test_cancelled_trades_keep_the_pages_that_came(synthetic):
    exchange = Exchange(Watched(synthetic))
    held, client = held_client(exchange, stop=4, method=b'"fromId"')
    held.arm(10**9)
    span = {"start": START, "end": START + 300 * MINUTE}

    async def work():
        task = asyncio.ensure_future(
            history_ticks.agg_trades("BTCUSDT", client=client, in_flight=1, **span)
        )
        stuck = asyncio.ensure_future(held.stuck.wait())
        await asyncio.wait({task, stuck}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    scenario(work())
    assert kept() == 3000
    exchange.gateway.calls.clear()
    frame = bws.agg_trades("BTCUSDT", client=exchange.client, **span)
    pages = [page for page in exchange.pages("trades.aggregate") if "fromId" in page]
    whole = bws.agg_trades("BTCUSDT", client=exchange.client, cache=False, **span)
    assert frame["id"].tolist() == whole["id"].tolist()
    # The last moment that was seen may go on in the page that did not come: it is asked for again.
    assert len(whole) - 3000 <= len(pages) * 1000 < len(whole) - 1000


def test_a_server_that_never_answers_is_a_timeout_that_keeps_the_pages(exchange):
    held, client = held_client(exchange, stop=5)
    held.arm(PAGES + 1)
    with pytest.raises(Timeout, match=r"klines: no reply .*within 1 s"):
        pull(exchange, client, in_flight=1, timeout=1.0)
    assert kept() == 3000  # the first answer told where history begins
    assert_whole(pull(exchange))


def test_a_rate_limit_is_waited_for_by_all_together(market):
    clock = Clock(NOW // MINUTE * MINUTE + 59_900)
    gateway = Watched(market, Config(Limits(weight_per_minute=60)))
    refused = []

    def note(answer):
        if b'"status":429' in answer.text:
            refused.append((clock.now_ms, time.monotonic()))

    def turn(_):
        # The minute is over for those who waited; who did not is refused again.
        if refused and refused[-1][0] == clock.now_ms and time.monotonic() > refused[0][1] + 0.05:
            clock.now_ms += MINUTE

    gateway.after, gateway.interfere = note, turn
    exchange = Exchange(gateway, clock)
    assert_whole(pull(exchange))
    assert 1 <= len(refused) <= 16


def test_a_limit_that_opens_at_once_is_not_hammered(exchange):
    limited = refusal(429, -1003, "Too much.", serverTime=NOW, retryAfter=NOW)
    refused = []

    def interfere(call):
        if call.method != "klines" or (refused and time.monotonic() > refused[0] + 0.25):
            return None
        refused.append(time.monotonic())
        return limited(call)

    exchange.gateway.interfere = interfere
    assert_whole(pull(exchange, in_flight=1))
    assert len(refused) <= 4


def test_a_pause_is_told_on_the_bar(exchange, capsys):
    # The clock stands still, so that every page behind it waits as long again.
    limited = refusal(429, -1003, "Too much.", serverTime=NOW, retryAfter=NOW + 1)
    exchange.nth(FIRST_PAGES, limited)
    assert_whole(pull(exchange, in_flight=1, progress=True))
    assert "limit reached, waiting 0 s" in capsys.readouterr().err


def test_a_window_that_is_full_is_waited_for_and_told_on_the_bar(market, capsys):
    clock, refused = Clock(NOW // MINUTE * MINUTE + 20_000), []
    gateway = Watched(market, Config(Limits(weight_per_minute=60)))
    gateway.after = lambda answer: refused.append(b'"status":429' in answer.text)

    async def sleep(seconds):
        clock.now_ms += round(seconds * 1000)

    async def work():
        client = AsyncClient(LocalEndpoint(gateway, clock), sleep=sleep)
        with Progress("", wanted=True) as shown:
            shown.expect(40)
            lane = Lane(client, shown)
            for _ in range(40):
                await lane.text(Klines("BTCUSDT", "1m"))

    scenario(work())
    assert refused == [False] * 40
    assert "weight 56/60 used, waiting 40 s" in capsys.readouterr().err


def test_a_connection_that_drops_in_the_middle_goes_unnoticed(market):
    gateway, clock = Watched(market), Clock()
    with server.hosted(gateway, clock=clock, latency_ms=5) as running:
        exchange = Exchange(gateway, clock)
        exchange.nth(20, lambda _: running.drop())
        with Client(running.url) as client:
            assert_whole(pull(exchange, client))
        assert running.connections == 2


def test_a_connection_that_keeps_dropping_is_an_error_and_the_next_call_goes_on(market):
    gateway, clock = Watched(market), Clock()
    with server.hosted(gateway, clock=clock, latency_ms=5) as running:
        seen = []

        def drop(call):
            seen.append(call)
            if len(seen) > 20 and call.method == "klines":
                running.drop()

        gateway.interfere = drop
        with Client(running.url) as client:
            choose(client.aio, AT_ONCE)
            exchange = Exchange(gateway, clock)
            with pytest.raises(Disconnected, match=r"klines: ws://127\.0\.0\.1:\d+ dropped"):
                pull(exchange, client)
            before = kept()
            gateway.interfere = None
            gateway.calls.clear()
            assert_whole(pull(exchange, client))
            assert len(exchange.pages()) == PAGES - before // 1000


def test_a_server_that_is_gone_is_an_error_and_not_an_empty_frame(market):
    gateway, clock = Watched(market), Clock()
    with server.hosted(gateway, clock=clock) as running:
        client = Client(running.url)
        choose(client.aio, AT_ONCE)
        span = {"start": START, "end": START + 1000 * MINUTE, "client": client}
        assert len(bws.klines("BTCUSDT", "1m", **span)) == 1000
    for cache in (False, "refresh"):
        with pytest.raises(Disconnected, match=r"nothing listens there.*bwsresearch serve"):
            bws.klines("BTCUSDT", "1m", cache=cache, **span)


def test_a_page_is_one_request_of_the_api(exchange):
    frame = bws.klines(
        "BTCUSDT", "1m", start=START, end=START + 10 * MINUTE, client=exchange.client
    )
    request = Klines("BTCUSDT", "1m", start_time=START, end_time=START + 10 * MINUTE - 1, limit=10)
    assert len(exchange.client.call(request)) == len(frame)


def test_a_long_download_is_written_in_between():
    exchange = recorded(BTCUSDT={"1m": bars(1400, START)})
    seen = []

    def look(_):
        if len(exchange.gateway.calls) in (100, 140):
            seen.append(kept())

    exchange.gateway.interfere = look
    klines(exchange.client, START, START + 1400 * MINUTE, rows=10, in_flight=1)
    assert seen == [0, 1280]
    assert kept() == 1400


def test_each_symbol_is_written_when_it_is_whole():
    names = ["AUSDT", "BUSDT", "CUSDT"]
    columns = bars(3000, START)
    exchange = recorded(**{name: {"1m": columns} for name in names})
    exchange.nth(8, refusal(503, -1000, "Failed."))
    seen = []
    exchange.gateway.after = lambda _: seen.append(kept())
    span = {"start": START, "end": START + 3000 * MINUTE, "client": exchange.client}
    with pytest.raises(ServerError):
        bws.klines(names, "1m", in_flight=1, **span)
    assert seen[3:8] == [0, 3000, 3000, 3000, 6000]
    assert kept() == 7000
