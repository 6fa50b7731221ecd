import asyncio
import os
import signal
import threading
import weakref

import pytest

from bwsresearch.client.interrupt import Interrupt

WAYS = {
    "a blocking call": "client.time()",
    "a blocking call inside asyncio.run": "asyncio.run(blocking())",
    "a nested blocking call": "bws.run(nested())",
    "a nested blocking call inside asyncio.run": "asyncio.run(in_a_loop())",
    "an awaited twin inside asyncio.run": "asyncio.run(awaiting())",
}


@pytest.mark.parametrize("way", WAYS)
async def test_ctrl_c_ends_the_call_at_once_and_the_next_call_works(way, scripted, script):
    async def serve(link):
        while True:
            request = await link.request()
            if request["method"] == "ping":
                await link.answer(request, {})

    code = f"""
    import asyncio, signal, sys
    from bwsresearch.client.sync import Client
    import bwsresearch as bws
    client = Client(sys.argv[1], timeout=3600)
    async def blocking(): client.time()
    async def awaiting(): await client.aio.time()
    async def nested(): client.time()
    async def in_a_loop(): bws.run(nested())
    try:
        {WAYS[way]}
    except KeyboardInterrupt:
        print("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(client.ping())
    """
    async with scripted(serve) as server:
        running = await script(code, server.url)
        await asyncio.wait_for(server.requested(1), 30)
        os.kill(running.pid, signal.SIGINT)
        assert await running.end() == (0, ["interrupted", "Ping()"], "")
    assert [request["method"] for _, request in server.requests] == ["time", "ping"]


FAST = """
    import sys
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1])
    client.ping()
    for _ in range(int(sys.argv[2])):
        try:
            print("go", flush=True)
            while True: client.ping()
        except KeyboardInterrupt: pass
    print(client.ping())
"""


async def test_ctrl_c_between_fast_calls_never_breaks_the_client(exchange, script):
    times = 50
    running = await script(FAST, exchange.url, str(times))
    for _ in range(times):
        assert await running.line() == "go"
        os.kill(running.pid, signal.SIGINT)
    assert await running.end() == (0, ["Ping()"], "")


def test_a_task_never_ends_where_python_would_lose_ctrl_c(bridge):
    unshielded = signal.getsignal(signal.SIGINT)
    ended = []
    kept = []

    def note(_):
        is_main = threading.current_thread() is threading.main_thread()
        ended.append(is_main and signal.getsignal(signal.SIGINT) is unshielded)

    async def work():
        kept.append(weakref.ref(asyncio.current_task(), note))

    for _ in range(200):
        bridge.run(work())
    bridge.stop()
    assert ended == [False] * 200


async def test_a_users_own_handler_is_called_and_the_call_goes_on(scripted, script):
    answered = asyncio.Event()

    async def serve(link):
        request = await link.request()
        await answered.wait()
        await link.answer(request, {})

    code = """
    import signal, sys
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1], timeout=3600)
    signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
    print(client.ping())
    """
    async with scripted(serve) as server:
        running = await script(code, server.url)
        await asyncio.wait_for(server.requested(1), 30)
        os.kill(running.pid, signal.SIGINT)
        assert await running.line() == "heard"
        answered.set()
        assert await running.end() == (0, ["Ping()"], "")


async def test_a_task_can_catch_the_interrupt_as_a_cancellation(scripted, script):
    async def serve(link):
        while True:
            request = await link.request()
            if request["method"] == "ping":
                await link.answer(request, {})

    code = """
    import asyncio, sys
    from bwsresearch.client.sync import Client
    client = Client(sys.argv[1], timeout=3600)
    async def main():
        try:
            client.time()
        except asyncio.CancelledError:
            print("cancelled")
            raise
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted")
    """
    async with scripted(serve) as server:
        running = await script(code, server.url)
        await asyncio.wait_for(server.requested(1), 30)
        os.kill(running.pid, signal.SIGINT)
        assert await running.end() == (0, ["cancelled", "interrupted"], "")


@pytest.fixture
def handler():
    """Stand in for a handler of the user's, or a loop's: it notes that it was called."""
    told = []

    def note(signum, _):
        told.append(signum)

    before = signal.signal(signal.SIGINT, note)
    note.told = told
    yield note
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def woken():
    return []


@pytest.fixture
def interrupt(woken):
    return Interrupt(lambda: woken.append(True))


def test_ctrl_c_is_noted_and_raised_where_it_is_taken(interrupt, woken):
    before = signal.getsignal(signal.SIGINT)
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupt:
        interrupt.take()
        signal.raise_signal(signal.SIGINT)
        reached.append("after the signal")
        assert woken == [True]
        interrupt.take()
        reached.append("never")
    assert reached == ["after the signal"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_that_nobody_took_is_raised_at_the_end(interrupt):
    with pytest.raises(KeyboardInterrupt), interrupt:
        signal.raise_signal(signal.SIGINT)


def test_a_users_handler_is_called_and_the_wait_goes_on(handler, interrupt):
    with interrupt:
        signal.raise_signal(signal.SIGINT)
        assert handler.told == []
        interrupt.take()
        interrupt.take()
        assert handler.told == [signal.SIGINT]
    assert handler.told == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


async def test_a_task_is_left_by_cancellation_when_its_loop_handles_ctrl_c(handler, interrupt):
    with pytest.raises(asyncio.CancelledError), interrupt:
        signal.raise_signal(signal.SIGINT)
        interrupt.take()
    assert handler.told == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_ignored_ctrl_c_stays_ignored(interrupt, woken):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
        assert woken == []
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_touch_no_handler(interrupt):
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with interrupt:
            seen.append(signal.getsignal(signal.SIGINT))
            interrupt.take()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
