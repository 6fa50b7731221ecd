import asyncio
import contextvars
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

import bwsresearch as bws
from bwsresearch.client.bridge import Bridge, Inline, default_bridge
from bwsresearch.errors import BadSymbol, Timeout
from bwsresearch.protocol import results


async def within(work, seconds=30.0):
    """A test that would hang fails."""
    return await asyncio.wait_for(work, seconds)


async def forever():
    await asyncio.Event().wait()


def nested(bridge, depth):
    async def level(left):
        return 0 if left == 0 else 1 + bridge.run(level(left - 1))

    return level(depth)


def test_nothing_runs_before_the_first_call():
    bridge = Bridge()
    assert not bridge.is_running
    bridge.stop()
    assert not bridge.is_running


def test_the_result_of_a_coroutine_is_returned(bridge):
    async def here():
        await asyncio.sleep(0)
        return bridge.is_here, threading.current_thread().name

    assert bridge.run(here()) == (True, "bwsresearch-io")
    assert not bridge.is_here
    assert bridge.is_running


def test_blocking_calls_nest_32_deep(bridge):
    assert bridge.run(nested(bridge, 32)) == 32


def test_deeper_nesting_is_refused_and_the_next_call_works(bridge):
    with pytest.raises(RuntimeError) as caught:
        bridge.run(nested(bridge, 33))
    assert str(caught.value) == (
        "32 blocking calls are nested, at most 32; await the async twin here"
    )
    assert bridge.run(nested(bridge, 32)) == 32


async def test_a_blocking_call_on_the_bridge_itself_nests(exchange, connected, bridge):
    client = connected(exchange.url)

    async def work():
        return client.ping(), client.avg_price("BTCUSDT").mins

    assert await asyncio.to_thread(bridge.run, work()) == (results.Ping(), 5)


async def test_blocking_calls_of_a_gather_on_the_bridge_overlap(scripted, connected, bridge):
    async def script(link):
        for request in [await link.request() for _ in range(5)]:
            await link.answer(request, {"serverTime": request["id"]})

    async with scripted(script) as server:
        client = connected(server.url)

        async def one():
            return client.time().server_time

        async def all_of_them():
            return await asyncio.gather(*(one() for _ in range(5)))

        found = await asyncio.wait_for(asyncio.to_thread(bridge.run, all_of_them()), 20)
    assert sorted(found) == [1, 2, 3, 4, 5]


def test_a_timeout_cancels_the_coroutine(bridge):
    ended = threading.Event()

    async def work():
        try:
            await forever()
        finally:
            ended.set()

    with pytest.raises(Timeout, match=r"^not done within 0.01 s; pass a longer timeout=$"):
        bridge.run(work(), timeout=0.01)
    assert ended.wait(10)


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, None])
def test_a_timeout_may_be_endless(timeout, bridge):
    assert bridge.run(nested(bridge, 1), timeout=timeout) == 1


def test_a_nested_timeout_cancels_the_inner_coroutine_alone(bridge):
    ended = []

    async def inner():
        try:
            await forever()
        finally:
            ended.append("inner")

    async def outer():
        with pytest.raises(Timeout, match=r"^not done within 0.01 s"):
            bridge.run(inner(), timeout=0.01)
        await asyncio.sleep(0)
        return "outer"

    assert bridge.run(outer()) == "outer"
    assert ended == ["inner"]


async def test_cancelling_the_twin_cancels_the_coroutine(bridge):
    started, ended = threading.Event(), threading.Event()

    async def work():
        started.set()
        try:
            await forever()
        finally:
            ended.set()

    twin = asyncio.ensure_future(bridge.await_(work()))
    await asyncio.to_thread(started.wait)
    twin.cancel()
    with pytest.raises(asyncio.CancelledError):
        await twin
    assert await asyncio.to_thread(ended.wait, 10)


async def test_cancelling_an_outer_call_ends_the_nested_ones(bridge):
    started, over, ended = threading.Event(), threading.Event(), []

    async def work(depth):
        try:
            if depth:
                bridge.run(work(depth - 1))
            else:
                started.set()
                await forever()
        finally:
            ended.append(depth)
            if depth == 3:
                over.set()

    twin = asyncio.ensure_future(bridge.await_(work(3)))
    await asyncio.to_thread(started.wait)
    twin.cancel()
    with pytest.raises(asyncio.CancelledError):
        await twin
    assert await asyncio.to_thread(over.wait, 30)
    assert ended == [0, 1, 2, 3]
    assert bridge._depth == 0


async def test_the_twin_runs_on_the_bridge_and_its_errors_come_back(bridge):
    async def here():
        return bridge.is_here

    async def failing():
        raise KeyError("x")

    async def twice():
        return await bridge.await_(here())

    assert await bridge.await_(here())
    assert await bridge.await_(twice())
    with pytest.raises(KeyError, match="x"):
        await bridge.await_(failing())


@pytest.mark.parametrize("thing", [5, None, forever])
def test_only_coroutines_can_be_run(thing, bridge):
    with pytest.raises(TypeError, match=r"^run takes a coroutine, not "):
        bridge.run(thing)


def test_eight_threads_of_fifty_calls_share_one_connection(exchange, connected):
    client = connected(exchange.url)

    def calls(_):
        return [client.ping() for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(calls, range(8)))
    assert found == [[results.Ping()] * 50] * 8
    assert exchange.connections == 1


def test_one_client_serves_two_loops_in_a_row_and_blocking_calls(exchange, connected):
    client = connected(exchange.url)

    async def main():
        return await client.aio.ping(), client.ping()

    assert asyncio.run(main()) == asyncio.run(main()) == (results.Ping(), results.Ping())
    assert client.ping() == results.Ping()
    assert exchange.connections == 1


def test_an_error_of_the_api_shows_the_callers_frames_only(exchange, connected):
    client = connected(exchange.url)
    with pytest.raises(BadSymbol) as caught:
        client.depth("NOPE")
    shown = "".join(traceback.format_exception(caught.value))
    assert "During handling" not in shown
    assert "direct cause" not in shown
    assert len(traceback.extract_tb(caught.value.__traceback__)) <= 7


def test_other_errors_keep_their_traceback(bridge):
    async def failing():
        return {}["missing"]

    with pytest.raises(KeyError) as caught:
        bridge.run(failing())
    assert "failing" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_a_coroutine_that_ends_the_process_ends_its_caller_only(end, bridge):
    async def work():
        raise end

    with pytest.raises(end):
        bridge.run(work())
    thread = bridge._thread
    assert bridge.run(nested(bridge, 2)) == 2
    assert bridge._thread is thread


def test_the_callers_context_reaches_the_coroutine(bridge):
    colour = contextvars.ContextVar("colour", default="none")
    colour.set("red")

    async def seen():
        return colour.get()

    assert bridge.run(seen()) == "red"


def test_stop_ends_thread_and_calls_and_a_later_call_starts_anew(exchange, connected, bridge):
    client = connected(exchange.url)
    client.ping()
    thread = bridge._thread
    bridge.stop()
    assert not thread.is_alive()
    assert not bridge.is_running
    assert not client.is_open
    assert client.ping() == results.Ping()
    assert exchange.connections == 2


def test_closing_an_unused_client_starts_no_thread(connected, bridge):
    client = connected("ws://127.0.0.1:1")
    client.close()
    assert not bridge.is_running


def test_all_share_one_bridge_by_default():
    async def here():
        return default_bridge().is_here

    assert bws.run(here())
    assert bws.run(here(), timeout=60)


def test_two_threads_start_one_thread(bridge):
    together = threading.Barrier(8)

    async def thread():
        return threading.current_thread()

    def call(_):
        together.wait()
        return bridge.run(thread())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(call, range(8)))) == 1


NESTING = """
    import asyncio, sys
    import bwsresearch as bws
    from bwsresearch.client.bridge import default_bridge
    async def inner(): return 5
    async def outer(): return bws.run(inner())
    assert bws.run(outer()) == 5
"""


async def test_asyncio_itself_is_not_patched(script):
    code = f"""
    {NESTING}
    assert asyncio.Task is asyncio.tasks._CTask
    assert asyncio.Future is asyncio.futures._CFuture
    assert asyncio.run.__module__ == "asyncio.runners"
    assert not hasattr(asyncio.SelectorEventLoop, "_nest_patched")
    assert not hasattr(asyncio.BaseEventLoop, "_nest_patched")
    """
    assert await (await script(code)).end() == (0, [], "")


NEST = "nest_asyncio2" if sys.version_info >= (3, 14) else "nest_asyncio"


@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_users_own_nest_asyncio_does_no_harm(order, exchange, script):
    apply = f"import {NEST}; {NEST}.apply()"
    first, second = (apply, "") if order == "before" else ("", apply)
    code = f"""
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    import asyncio, sys
    asyncio.set_event_loop(asyncio.new_event_loop())
    {first}
    from bwsresearch.client.sync import Client
    import bwsresearch as bws
    client = Client(sys.argv[1])
    client.ping()
    {second}
    async def main():
        client.ping()
        await client.aio.ping()
        return asyncio.get_event_loop().run_until_complete(client.aio.ping())
    print(asyncio.get_event_loop().run_until_complete(main()))
    async def nested(): return client.ping()
    print(bws.run(nested()))
    client.close()
    asyncio.get_event_loop().close()
    """
    assert await (await script(code, exchange.url)).end() == (0, ["Ping()", "Ping()"], "")


FORK = """
    import os, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1])
    client.ping()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            assert not client.is_open
            for _ in range(20):
                client.ping()
            assert client.is_open
            names = sorted(t.name for t in threading.enumerate())
            assert names == ["MainThread", "bwsresearch-io"], names
            {leave}
        children.append(child)
        for _ in range(20):
            client.ping()
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    for _ in range(20):
        client.ping()
"""


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)"])
async def test_a_forked_child_has_its_own_thread_and_connection(leave, exchange, script):
    ran = await script(FORK.format(leave=leave), exchange.url)
    assert await ran.end() == (0, ["[0, 0, 0]"], "")
    assert exchange.connections == 4


async def test_a_process_that_does_not_close_ends_cleanly_and_says_goodbye(scripted, script):
    codes = []

    async def serve(link):
        await link.answer(await link.request(), {})
        await link.socket.wait_closed()
        codes.append(link.socket.close_code)

    code = """
    import sys
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1])
    print(client.ping())
    """
    async with scripted(serve) as server:
        assert await (await script(code, server.url)).end() == (0, ["Ping()"], "")
        await server.closed(1)
    assert codes == [1000]


IN_A_CALL = """
    import sys, threading
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1], timeout=3600)
    threading.Thread(target=lambda: print(client.ping()), daemon=sys.argv[2] == "daemon").start()
    sys.stdin.read()
"""


async def test_a_process_can_end_while_a_daemon_thread_is_in_a_call(scripted, script):
    async def serve(link):
        await link.request()

    async with scripted(serve) as server:
        running = await script(IN_A_CALL, server.url, "daemon")
        await within(server.requested(1))
        assert await running.end() == (0, [], "")


async def test_a_thread_that_the_process_waits_for_gets_its_reply(scripted, script):
    main_has_ended = asyncio.Event()

    async def serve(link):
        request = await link.request()
        await main_has_ended.wait()
        await link.answer(request, {})

    async with scripted(serve) as server:
        running = await script(IN_A_CALL, server.url, "waited for")
        await within(server.requested(1))
        running.process.stdin.close()
        main_has_ended.set()
        assert await running.end() == (0, ["Ping()"], "")


def test_an_inline_bridge_runs_coroutines_on_the_callers_thread_in_any_loop():
    inline = Inline()

    async def here():
        await asyncio.sleep(0)
        return threading.get_ident()

    async def in_a_loop():
        return inline.run(here()), inline.call(here)

    assert inline.run(here()) == threading.get_ident()
    assert asyncio.run(in_a_loop()) == (threading.get_ident(),) * 2
    with pytest.raises(Timeout):
        inline.run(asyncio.sleep(60), timeout=0.01)
    inline.stop()
    inline.stop()
    assert not inline.is_running


def test_an_inline_bridge_ends_what_is_left_on_it():
    inline, ended = Inline(), []

    async def linger():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def begin():
        task = asyncio.ensure_future(linger())
        await asyncio.sleep(0)
        return task

    task = inline.run(begin())
    inline.stop()
    assert (task.cancelled(), ended) == (True, [True])
