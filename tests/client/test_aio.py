import asyncio
import gc
import json
import typing

import pytest

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.described import method_name
from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import BadSymbol, BinanceError, Disconnected, OutcomeUnknown, Timeout
from bwsresearch.protocol import methods, results
from bwsresearch.protocol.request import Request, SymbolText, result_type
from bwsresearch.protocol.weights import Fixed

CALLS = {
    "ping": (),
    "time": (),
    "exchange_info": (),
    "depth": ("BTCUSDT",),
    "trades_recent": ("BTCUSDT",),
    "trades_historical": ("BTCUSDT",),
    "trades_aggregate": ("BTCUSDT",),
    "klines": ("BTCUSDT", "1h"),
    "ui_klines": ("BTCUSDT", "1h"),
    "avg_price": ("BTCUSDT",),
    "ticker_24hr": ("BTCUSDT",),
    "ticker_price": ("BTCUSDT",),
    "ticker_book": ("BTCUSDT",),
}
KINDS = {method_name(kind): kind for kind in methods.CATALOGUE.values()}


class Order(Request[results.Ping], frozen=True):
    """A request that must not be sent twice."""

    method = "order.place"
    heading = "Place new order"
    weight_rule = Fixed(1)
    is_read = False

    symbol: SymbolText


async def within(work, seconds=20.0):
    """A test that would hang fails."""
    return await asyncio.wait_for(work, seconds)


@pytest.mark.parametrize("name", CALLS)
async def test_every_method_answers_with_its_record_in_both_clients(name, exchange, connected):
    client = connected(exchange.url)
    awaited = await getattr(client.aio, name)(*CALLS[name])
    blocking = await asyncio.to_thread(getattr(client, name), *CALLS[name])
    assert blocking == awaited
    kinds = [result_type(KINDS[name])]
    if typing.get_args(kinds[0]) and typing.get_origin(kinds[0]) is not list:
        kinds = typing.get_args(kinds[0])[:1]  # one record for one symbol
    if typing.get_origin(kinds[0]) is list:
        assert len(awaited) == 500
        assert all(type(row) is typing.get_args(kinds[0])[0] for row in awaited)
    else:
        assert type(awaited) is kinds[0]


async def test_tickers_of_several_symbols_are_lists(exchange, connected):
    client = connected(exchange.url).aio
    for call, kind in [
        (client.ticker_24hr, results.Ticker24hr),
        (client.ticker_price, results.PriceTicker),
        (client.ticker_book, results.BookTicker),
    ]:
        rows = await call(symbols=["BTCUSDT", "ETHUSDT"])
        assert [(type(row), row.symbol) for row in rows] == [(kind, "BTCUSDT"), (kind, "ETHUSDT")]


async def test_parameters_reach_the_wire_under_their_names(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), [])

    async with scripted(script) as server:
        await connected(server.url).aio.klines(
            "BTCUSDT", "1m", start_time=5, end_time=6, time_zone="1:00", limit=7
        )
    assert server.requests == [
        (
            1,
            {
                "id": 1,
                "method": "klines",
                "params": {
                    "symbol": "BTCUSDT",
                    "interval": "1m",
                    "startTime": 5,
                    "endTime": 6,
                    "timeZone": "1:00",
                    "limit": 7,
                },
            },
        )
    ]


async def test_replies_out_of_order_find_their_requests(scripted, connected):
    async def script(link):
        asked = [await link.request() for _ in range(64)]
        for request in reversed(asked):
            await link.answer(request, {"serverTime": request["params"]["limit"]})

    async with scripted(script) as server:
        client = connected(server.url).aio
        calls = [client.raw(methods.TradesRecent("A", limit=n)) for n in range(1, 65)]
        replies = await within(asyncio.gather(*calls))
    assert [json.loads(reply)["serverTime"] for reply in replies] == list(range(1, 65))
    assert len({request["id"] for _, request in server.requests}) == 64


async def test_an_error_reply_is_raised_with_code_and_method(exchange, connected):
    client = connected(exchange.url)
    with pytest.raises(BadSymbol) as caught:
        await client.aio.depth("NOPE")
    error = caught.value
    assert (error.code, error.msg, error.status, error.method) == (
        -1121,
        "Invalid symbol.",
        400,
        "depth",
    )
    assert await client.aio.ping() == results.Ping()
    assert exchange.connections == 1


async def test_a_late_reply_is_ignored_and_the_connection_stays(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})
        late, next_one = await link.request(), await link.request()
        await link.answer(late, {"serverTime": 1})
        await link.answer(next_one, {"serverTime": 2})

    async with scripted(script) as server:
        client = connected(server.url).aio
        await client.ping()
        with pytest.raises(Timeout, match=r"^time: no reply of ws://127.0.0.1:\d+ within 0.05 s; "):
            await client.call(methods.Time(), timeout=0.05)
        assert await client.time() == results.ServerTime(2)
    assert [number for number, _ in server.requests] == [1, 1, 1]


async def test_a_timeout_covers_the_handshake_too(front_door, exchange, connected):
    async def silent(reader, _):
        await reader.read()

    async with front_door(silent, exchange.url) as url:
        client = connected(url).aio
        with pytest.raises(Timeout, match=r"^ping: no reply of ws://127.0.0.1:\d+ within 0.05 s"):
            await client.call(methods.Ping(), timeout=0.05)
        await client.close()
        assert await client.ping() == results.Ping()


async def test_each_request_has_its_own_timeout(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})
        asked = [await link.request() for _ in range(2)]
        await link.request()  # sent when the impatient one has given up
        for request in asked:
            await link.answer(request, {"serverTime": 1})

    async with scripted(script) as server:
        client = connected(server.url, timeout=3600).aio
        await client.ping()
        patient = asyncio.ensure_future(client.time())
        for _ in range(2):
            with pytest.raises(Timeout):
                await client.call(methods.Time(), timeout=0.02)
        assert await within(patient) == results.ServerTime(1)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_a_timeout_that_cannot_be_is_refused(timeout, connected):
    with pytest.raises(ValueError, match=r"^timeout is .*, must be above 0 seconds; 30 is usual$"):
        connected("ws://127.0.0.1:1", timeout=timeout)
    client = connected("ws://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"^timeout is "):
        await client.aio.call(methods.Ping(), timeout=timeout)


async def test_a_reply_of_20_megabytes_is_received(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), "x" * 20_000_000)

    async with scripted(script) as server:
        text = await connected(server.url).aio.raw(methods.ExchangeInfo())
    assert len(text) == 20_000_002


async def test_a_read_is_sent_again_once_on_the_next_connection(scripted, connected):
    async def script(link):
        request = await link.request()
        if link.number == 1:
            link.cut()
        else:
            await link.answer(request, {"serverTime": 5})

    async with scripted(script) as server:
        assert await connected(server.url).aio.time() == results.ServerTime(5)
    assert server.requests == [(1, {"id": 1, "method": "time"}), (2, {"id": 1, "method": "time"})]


async def test_a_read_is_not_sent_a_third_time(scripted, connected):
    async def script(link):
        await link.request()
        link.cut()

    async with scripted(script) as server:
        client = connected(server.url).aio
        with pytest.raises(Disconnected, match=r"^time: ws://127.0.0.1:\d+ dropped the connection"):
            await client.time()
        assert len(server.requests) == 2


async def test_an_order_is_never_sent_again(scripted, connected):
    async def script(link):
        request = await link.request()
        if link.number == 1:
            link.cut()
        else:
            await link.answer(request, {})

    async with scripted(script) as server:
        client = connected(server.url).aio
        with pytest.raises(OutcomeUnknown, match=r"after send \(ws://127.0.0.1:\d+ dropped"):
            await client.call(Order("BTCUSDT"))
        assert await client.ping() == results.Ping()
    assert [(number, request["method"]) for number, request in server.requests] == [
        (1, "order.place"),
        (2, "ping"),
    ]


async def test_a_drop_fails_all_that_is_in_flight_at_once(scripted, connected):
    async def script(link):
        for _ in range(20):
            await link.request()
        link.cut()

    async with scripted(script) as server:
        client = connected(server.url, timeout=3600).aio
        calls = [client.call(Order("BTCUSDT")) for _ in range(20)]
        errors = await within(asyncio.gather(*calls, return_exceptions=True))
    assert [type(error) for error in errors] == [OutcomeUnknown] * 20
    assert len({id(error) for error in errors}) == 20
    assert len(server.requests) == 20


async def test_reads_of_a_dropped_connection_share_the_next_one(scripted, connected):
    async def script(link):
        asked = [await link.request() for _ in range(20)]
        if link.number == 1:
            link.cut()
        for request in asked:
            await link.answer(request, {"serverTime": link.number})

    async with scripted(script) as server:
        client = connected(server.url).aio
        replies = await within(asyncio.gather(*(client.time() for _ in range(20))))
    assert replies == [results.ServerTime(2)] * 20
    assert len(server.handshakes) == 2


async def test_the_next_call_after_a_drop_connects_again(exchange, connected):
    client = connected(exchange.url)
    await client.aio.ping()
    exchange.drop()
    assert await client.aio.ping() == results.Ping()
    assert exchange.connections == 2


async def test_an_attempt_that_fails_fails_all_who_wait_for_it(front_door, connected):
    attempts = []

    async def refuse(reader, writer):
        attempts.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with front_door(refuse) as url:
        client = connected(url).aio
        errors = await within(
            asyncio.gather(*(client.ping() for _ in range(10)), return_exceptions=True)
        )
    assert {str(error) for error in errors} == {str(errors[0])}
    assert "HTTP 503" in str(errors[0])
    assert len(attempts) == 1
    assert len({id(error) for error in errors}) == 10


async def test_a_shutdown_notice_drains_the_old_connection(scripted, connected):
    answered = asyncio.Event()

    async def script(link):
        request = await link.request()
        if link.number == 1:
            ping = await link.request()
            await link.say({"event": {"e": "serverShutdown", "E": 1}})
            await link.answer(ping, {})
            await answered.wait()
        await link.answer(request, {"serverTime": link.number})

    async with scripted(script) as server:
        client = connected(server.url).aio
        draining = asyncio.ensure_future(client.call(Order("BTCUSDT")))
        await server.requested(1)
        await client.ping()
        assert not client.is_open
        assert await client.time() == results.ServerTime(2)
        answered.set()
        assert await within(draining) == results.Ping()
        await within(server.closed(1))
        assert client.is_open
    assert [(number, request["method"]) for number, request in server.requests] == [
        (1, "order.place"),
        (1, "ping"),
        (2, "time"),
    ]


async def test_an_idle_connection_leaves_when_the_server_announces_its_end(exchange, connected):
    client = connected(exchange.url)
    await client.aio.ping()
    farewell = asyncio.run_coroutine_threadsafe(exchange.say_goodbye(), exchange.loop)
    await within(asyncio.wrap_future(farewell))
    assert exchange.open_connections == 0
    assert not client.is_open
    assert await client.aio.ping() == results.Ping()


async def test_a_connection_is_renewed_before_24_hours_and_drained(scripted, bridge):
    now = [0.0]
    answered = asyncio.Event()

    async def script(link):
        request = await link.request()
        if request["method"] == "ping":
            await link.answer(request, {})
            request = await link.request()
        if link.number == 1:
            await answered.wait()
        await link.answer(request, {"serverTime": link.number})

    async with scripted(script) as server:
        client = AsyncClient(WebSocketEndpoint(server.url), bridge=bridge, clock=lambda: now[0])
        await client.ping()
        now[0] = 23.4 * 3600
        old = asyncio.ensure_future(client.time())
        await server.requested(2)
        now[0] = 23.6 * 3600
        assert await client.time() == results.ServerTime(2)
        assert not old.done()
        answered.set()
        assert await within(old) == results.ServerTime(1)
        await within(server.closed(1))


async def test_an_error_that_belongs_to_no_request_ends_the_connection(scripted, connected):
    async def script(link):
        request = await link.request()
        if link.number == 1:
            error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
            await link.say({"id": None, "status": 401, "error": error})
        else:
            await link.answer(request, {})

    async with scripted(script) as server:
        client = connected(server.url).aio
        with pytest.raises(BinanceError, match=r"^ping: Invalid API-key") as caught:
            await client.ping()
        assert (caught.value.code, caught.value.status) == (-2015, 401)
        await within(server.closed(1))
        assert await client.ping() == results.Ping()


async def test_an_idle_connection_is_closed_after_such_an_error(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})
        if link.number == 1:
            await link.say({"id": None, "status": 401, "error": {"code": -2015, "msg": "m"}})

    async with scripted(script) as server:
        client = connected(server.url).aio
        await client.ping()
        await within(server.closed(1))
        assert await client.ping() == results.Ping()


@pytest.mark.parametrize(
    "frame",
    ["garbage", "[1]", "{}", '{"id":2,"status":200}', '{"event":5}', '{"event":{"e":1}}', "\x00"],
)
async def test_garbage_is_an_error_that_names_the_server(frame, scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})
        request = await link.request()
        if link.number == 1:
            await link.socket.send(frame)
        else:
            await link.answer(request, {})

    async with scripted(script) as server:
        client = connected(server.url).aio
        await client.ping()
        name = client.endpoint.name
        with pytest.raises(OutcomeUnknown) as caught:
            await client.call(Order("BTCUSDT"))
        assert f"connection lost after send ({name} sends " in str(caught.value)
        assert "\n" not in str(caught.value)
        assert await client.ping() == results.Ping()


@pytest.mark.parametrize(
    "rest", [',"status":200,"result":{"serverTi', ',"status":200}', ',"status":"x"}', ", \x00"]
)
async def test_garbage_that_names_its_request_fails_no_other(rest, scripted, connected):
    async def script(link):
        if link.number == 2:
            return await link.answer(await link.request(), {"serverTime": 2})
        first, order, last = [await link.request() for _ in range(3)]
        await link.socket.send(f'{{"id":{first["id"]}{rest}')
        await link.server.requested(4)
        await link.answer(order, {})
        return await link.answer(last, {"serverTime": 1})

    async with scripted(script) as server:
        client = connected(server.url).aio
        first = asyncio.ensure_future(client.time())
        await server.requested(1)
        order = asyncio.ensure_future(client.call(Order("BTCUSDT")))
        await server.requested(2)
        last = asyncio.ensure_future(client.time())
        assert await within(first) == results.ServerTime(2)
        assert await within(order) == results.Ping()
        assert await within(last) == results.ServerTime(1)
        await within(server.closed(1))
    assert [number for number, _ in server.requests] == [1, 1, 1, 2]


async def test_unknown_events_are_ignored(scripted, connected):
    async def script(link):
        request = await link.request()
        await link.say({"event": {"e": "somethingNew"}})
        await link.answer(request, {})

    async with scripted(script) as server:
        assert await connected(server.url).aio.ping() == results.Ping()


async def test_a_result_of_another_shape_is_an_error_that_names_the_server(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {"serverTime": "noon"})
        await link.answer(await link.request(), {"serverTime": 12})

    async with scripted(script) as server:
        client = connected(server.url).aio
        with pytest.raises(BinanceError, match=r"^time: ws://127.0.0.1:\d+ sends another result"):
            await client.time()
        assert await client.time() == results.ServerTime(12)


async def test_close_fails_what_is_in_flight_and_a_later_call_works(scripted, connected):
    async def script(link):
        request = await link.request()
        if link.number == 2:
            await link.answer(request, {})

    async with scripted(script) as server:
        client = connected(server.url).aio
        waiting = asyncio.ensure_future(client.call(Order("BTCUSDT")))
        await server.requested(1)
        await client.close()
        with pytest.raises(OutcomeUnknown, match="was closed"):
            await within(waiting)
        assert not client.is_open
        assert await client.ping() == results.Ping()


async def test_close_ends_an_attempt_to_connect(front_door, exchange, connected):
    arrived = asyncio.Event()

    async def silent(reader, _):
        arrived.set()
        await reader.read()

    async with front_door(silent, exchange.url) as url:
        client = connected(url).aio
        waiting = asyncio.ensure_future(client.ping())
        await arrived.wait()
        await client.close()
        with pytest.raises(Disconnected, match=r"to ws://127.0.0.1:\d+ was closed"):
            await within(waiting)
        assert await client.ping() == results.Ping()


async def test_a_cancelled_call_leaves_the_connection_and_its_reply_is_ignored(scripted, connected):
    async def script(link):
        first, second = await link.request(), await link.request()
        await link.answer(first, {"serverTime": 1})
        await link.answer(second, {"serverTime": 2})

    async with scripted(script) as server:
        client = connected(server.url).aio
        waiting = asyncio.ensure_future(client.time())
        await server.requested(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await client.time() == results.ServerTime(2)
    assert [number for number, _ in server.requests] == [1, 1]


async def test_a_client_that_is_dropped_leaves_its_server(scripted, connected):
    async def script(link):
        await link.answer(await link.request(), {})

    async with scripted(script) as server:
        await connected(server.url).aio.ping()
        gc.collect()
        await within(server.closed(1))


async def test_the_context_manager_closes(exchange, connected):
    async with connected(exchange.url).aio as client:
        await client.ping()
        assert client.is_open
    assert not client.is_open


async def test_weight_is_what_the_last_reply_said(exchange, connected):
    client = connected(exchange.url)
    assert client.weight is None
    await client.aio.depth("BTCUSDT")
    assert (client.weight.count, client.weight.limit) == (7, 6000)  # connecting costs 2


async def test_headers_are_those_of_the_handshake(exchange, connected):
    client = connected(exchange.url)
    assert client.aio.headers == {}
    headers = await client.aio.open()
    assert headers["x-bws-market"] == exchange.gateway.market.identity
    assert client.aio.headers == headers
    assert client.is_open
