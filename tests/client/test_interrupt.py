import asyncio
import os
import signal
import threading

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


def test_no_handler_is_touched_without_a_loop_or_off_the_main_thread():
    before = signal.getsignal(signal.SIGINT)
    interrupt = Interrupt()
    interrupt.listen()
    assert signal.getsignal(signal.SIGINT) is before

    async def off_the_main_thread():
        Interrupt().listen()

    thread = threading.Thread(target=lambda: asyncio.run(off_the_main_thread()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before


async def test_a_loops_handler_is_put_back_and_told():
    told = []

    def handler(signum, _):
        told.append(signum)

    before = signal.signal(signal.SIGINT, handler)
    try:
        interrupt = Interrupt()
        interrupt.listen()
        assert signal.getsignal(signal.SIGINT) == interrupt._receive
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            interrupt.hand_on()
        assert told == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)  # a second one goes to the loop
        assert told == [signal.SIGINT] * 2
        interrupt.restore()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
