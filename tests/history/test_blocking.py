import asyncio
import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch import aio, history
from bwsresearch.history import bars as history_bars

START = 1_704_067_200_000  # 2024-01-01
DAY = 86_400_000
SPAN = {"start": START, "end": START + DAY}
NAMES = ("klines", "trades", "agg_trades", "depth")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("module", [history, aio])
def test_the_twins_have_one_signature_and_text(module, name):
    twin = getattr(module, name)
    own = inspect.unwrap(twin)
    assert inspect.signature(twin).parameters == inspect.signature(own).parameters
    assert inspect.signature(twin).return_annotation is pd.DataFrame
    assert twin.__doc__ == own.__doc__
    assert inspect.iscoroutinefunction(twin) == (module is aio)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("module", [history, aio])
def test_the_twins_reach_other_processes_by_their_name(module, name):
    twin = getattr(module, name)
    assert pickle.loads(pickle.dumps(twin)) is twin


async def test_the_async_twin_is_awaited_on_any_loop(exchange):
    frame = await bws.aio.klines("BTCUSDT", "1h", client=exchange.client, **SPAN)
    assert len(frame) == 24
    both = await asyncio.gather(
        bws.aio.klines("ETHUSDT", "1h", client=exchange.client, **SPAN),
        bws.aio.depth("BTCUSDT", client=exchange.client),
    )
    assert [len(one) for one in both] == [24, 200]
    with pytest.raises(ValueError, match="did you mean '1h'"):
        await bws.aio.klines("BTCUSDT", "1hr", client=exchange.client)


async def test_a_blocking_call_works_where_a_loop_is_running(exchange):
    frame = bws.klines("BTCUSDT", "1h", client=exchange.client, **SPAN)
    assert len(frame) == 24


def test_run_runs_a_coroutine_in_which_both_twins_work(exchange):
    async def main():
        awaited = await bws.aio.klines("BTCUSDT", "1h", client=exchange.client, **SPAN)
        nested = bws.klines("BTCUSDT", "1h", cache=False, client=exchange.client, **SPAN)
        return awaited, nested

    awaited, nested = bws.run(main())
    pd.testing.assert_frame_equal(awaited, nested)


def test_threads_may_share_a_client(exchange):
    def pull(symbol):
        frame = bws.klines(symbol, "1h", client=exchange.client, **SPAN)
        return threading.current_thread(), frame

    symbols = ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"] * 3
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(pull, symbols))
    assert len({thread for thread, _ in found}) > 1
    for symbol, (_, frame) in zip(symbols, found, strict=True):
        alone = bws.klines(symbol, "1h", cache=False, client=exchange.client, **SPAN)
        pd.testing.assert_frame_equal(frame, alone)
        assert frame.attrs["symbol"] == symbol


async def test_a_cancelled_await_cancels_the_download(exchange):
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    exchange.nth(3, lambda _: loop.call_soon_threadsafe(reached.set))
    pull = asyncio.ensure_future(
        bws.aio.klines(
            "BTCUSDT", "1m", start=START, end=START + 30 * DAY, in_flight=1,
            client=exchange.client,
        )
    )  # fmt: skip
    await reached.wait()
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    # The next call finds the loop free, and the pages that came.
    frame = await bws.aio.klines(
        "BTCUSDT", "1m", start=START, end=START + 30 * DAY, client=exchange.client
    )
    assert len(frame) == 30 * 1440
    assert len(exchange.gateway.calls) < 70  # both in full were 90


def test_a_mistake_is_raised_without_the_frames_of_the_package():
    assert inspect.unwrap(bws.klines) is history_bars.klines
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'interval'"):
        bws.klines("BTCUSDT")
