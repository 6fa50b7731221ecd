"""One client pulls the same 1m klines in its own natural way, and tells how long that took.

    python pull.py CLIENT WS_URL REST_URL BARS REPEAT

Run by `peers.py` in the environment that has the client. Prints one line of JSON: seconds of wall
clock and of CPU for each repetition, and a sum of the closes that must be the same for all.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from typing import NamedTuple

import pandas as pd

START_MS = 1_672_531_200_000  # 2023-01-01
MINUTE_MS = 60_000
PAGE = 1000
SYMBOL, INTERVAL = "BTCUSDT", "1m"

logging.disable(logging.CRITICAL)


class Addresses(NamedTuple):
    """Where the exchange is."""

    ws: str
    rest: str


def windows(bars):
    """The pages that a person asks for one after the other."""
    for first in range(0, bars, PAGE):
        start = START_MS + first * MINUTE_MS
        yield start, start + PAGE * MINUTE_MS - 1


def frame(rows):
    """What most people write."""
    return pd.DataFrame(rows).apply(pd.to_numeric)


def measured(work, repeat):
    """Run `work`, which returns rows or a frame, and print the seconds."""
    told = {"wall": [], "cpu": [], "sum": []}
    for _ in range(repeat):
        used = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        found = work()
        df = found if isinstance(found, pd.DataFrame) else frame(found)
        told["wall"].append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_SELF)
        told["cpu"].append(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
        told["sum"].append(round(float(df["close" if "close" in df else 4].sum()), 2))
    print(json.dumps(told), flush=True)


def bwsresearch(at, bars, repeat):
    import bwsresearch as bws

    bws.connect(at.ws)
    end = START_MS + bars * MINUTE_MS
    # Modules are loaded and the connection is made, as those of the others are.
    bws.klines(SYMBOL, INTERVAL, start=START_MS, end=START_MS + MINUTE_MS)

    def work():
        bws.cache.clear()
        return bws.klines(SYMBOL, INTERVAL, start=START_MS, end=end, progress=False)

    measured(work, repeat)


def python_binance_history(at, bars, repeat):
    from binance.base_client import BaseClient
    from binance.client import Client

    BaseClient.API_URL = f"{at.rest}/api"
    client = Client(ping=False)
    end = START_MS + bars * MINUTE_MS - 1
    measured(lambda: client.get_historical_klines(SYMBOL, INTERVAL, START_MS, end), repeat)


def python_binance_ws(at, bars, repeat):
    from binance.async_client import AsyncClient
    from binance.base_client import BaseClient

    BaseClient.WS_API_URL = at.ws
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    client = AsyncClient()

    async def pull():
        rows = []
        for start, end in windows(bars):
            rows += await client.ws_get_klines(
                symbol=SYMBOL, interval=INTERVAL, startTime=start, endTime=end, limit=PAGE
            )
        return rows

    loop.run_until_complete(client.ws_ping())
    measured(lambda: loop.run_until_complete(pull()), repeat)


def sdk_ws(at, bars, repeat):
    from binance_common.configuration import ConfigurationWebSocketAPI
    from binance_sdk_spot.spot import Spot

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    api = Spot(config_ws_api=ConfigurationWebSocketAPI(stream_url=at.ws)).websocket_api
    loop.run_until_complete(api.create_connection())

    async def pull():
        rows = []
        for start, end in windows(bars):
            reply = await api.klines(
                symbol=SYMBOL, interval=INTERVAL, start_time=start, end_time=end, limit=PAGE
            )
            rows += [[getattr(v, "actual_instance", v) for v in row] for row in reply.data().result]
        return rows

    measured(lambda: loop.run_until_complete(pull()), repeat)


def sdk_rest(at, bars, repeat):
    from binance_common.configuration import ConfigurationRestAPI
    from binance_sdk_spot.spot import Spot

    api = Spot(config_rest_api=ConfigurationRestAPI(api_key="k", base_path=at.rest)).rest_api

    def pull():
        rows = []
        for start, end in windows(bars):
            reply = api.klines(
                symbol=SYMBOL, interval=INTERVAL, start_time=start, end_time=end, limit=PAGE
            )
            rows += [[getattr(v, "actual_instance", v) for v in row] for row in reply.data()]
        return rows

    measured(pull, repeat)


async def _ccxt(ws, rest):
    import ccxt.pro as ccxt

    exchange = ccxt.binance(
        {"options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]},
                     "crossMarginPairsData": [], "isolatedMarginPairsData": []}}
    )  # fmt: skip
    exchange.has["fetchCurrencies"] = False
    exchange.urls["api"]["public"] = f"{rest}/api/v3"
    exchange.urls["api"]["ws"]["ws-api"]["spot"] = ws
    await exchange.load_markets()
    return exchange


def _with_ccxt(pull):
    def client(at, bars, repeat):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        exchange = loop.run_until_complete(_ccxt(at.ws, at.rest))
        measured(lambda: loop.run_until_complete(pull(exchange, bars)), repeat)
        loop.run_until_complete(exchange.close())

    return client


async def _ccxt_ws(exchange, bars):
    rows = []
    for start, end in windows(bars):
        rows += await exchange.fetch_ohlcv_ws("BTC/USDT", INTERVAL, start, PAGE, {"until": end})
    return rows


async def _ccxt_rest(exchange, bars):
    rows = []
    for start, end in windows(bars):
        rows += await exchange.fetch_ohlcv("BTC/USDT", INTERVAL, start, PAGE, {"until": end})
    return rows


async def _ccxt_paginate(exchange, bars):
    # It counts its calls back from now, and begins no earlier than they reach.
    end = START_MS + bars * MINUTE_MS - 1
    params = {"paginate": True, "paginationCalls": 100_000, "until": end}
    return await exchange.fetch_ohlcv("BTC/USDT", INTERVAL, START_MS, None, params)


def unicorn(at, bars, repeat):
    from unicorn_binance_websocket_api import BinanceWebSocketApiManager

    manager = BinanceWebSocketApiManager(
        websocket_api_base_uri=at.ws, warn_on_update=False, output_default="dict"
    )
    stream = manager.create_stream(api=True, api_key="k" * 64, api_secret="s" * 64)
    manager.wait_till_stream_has_started(stream)

    def pull():
        rows = []
        for start, end in windows(bars):
            reply = manager.api.spot.get_klines(
                symbol=SYMBOL, interval=INTERVAL, start_time=start, end_time=end, limit=PAGE,
                return_response=True, stream_id=stream,
            )  # fmt: skip
            rows += reply["result"]
        return rows

    measured(pull, repeat)
    manager.stop_manager()


CLIENTS = {
    "bwsresearch": bwsresearch,
    "python-binance get_historical_klines": python_binance_history,
    "python-binance ws_get_klines": python_binance_ws,
    "binance-sdk-spot ws klines": sdk_ws,
    "binance-sdk-spot REST klines": sdk_rest,
    "ccxt fetch_ohlcv_ws": _with_ccxt(_ccxt_ws),
    "ccxt fetch_ohlcv": _with_ccxt(_ccxt_rest),
    "ccxt fetch_ohlcv paginate": _with_ccxt(_ccxt_paginate),
    "unicorn get_klines": unicorn,
}

if __name__ == "__main__":
    name, ws, rest, bars, repeat = sys.argv[1:]
    CLIENTS[name](Addresses(ws, rest), int(bars), int(repeat))
