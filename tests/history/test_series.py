import asyncio
from itertools import pairwise

import pytest

import bwsresearch as bws
from bwsresearch import tables
from bwsresearch.history.series import Series
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES, TRADES

from .lab import DAY, MINUTE, bars, recorded, ticks, without

START = 1_704_067_200_000  # 2024-01-01


def test_a_row_that_was_kept_but_not_final_gives_way_to_the_fetched_one():
    old, new = bars(60, START, seed=1), bars(60, START, seed=2)
    exchange = recorded(BTCUSDT={"1m": new})
    cache = Cache(bws.cache.path(), exchange.gateway.market.identity)
    kept = without(old, *range(10), *range(20, 60))
    cache.write(KLINES, "BTCUSDT", "1m", kept, (), source="network")
    span = {"start": START, "end": START + 60 * MINUTE, "client": exchange.client}
    for source in ("mixed", "cache"):
        frame = bws.klines("BTCUSDT", "1m", **span)
        assert frame["close"].tolist() == new["close"].tolist()
        assert frame.attrs["source"] == source


def test_what_was_not_read_from_the_cache_does_not_come_from_it(exchange):
    span = {"start": START, "end": START, "client": exchange.client}
    for mode, source in ((True, "cache"), (False, "network"), ("refresh", "network")):
        assert bws.klines("BTCUSDT", "1h", cache=mode, **span).attrs["source"] == source


def test_a_long_emptiness_of_seconds_is_not_kept_day_by_day(exchange):
    span = {"start": "2017-07-01", "end": "2020-08-01", "client": exchange.client}
    for _ in range(2):
        assert len(bws.klines("SOLUSDT", "1s", **span)) == 0
        assert len(exchange.pages()) == 1
    assert len(bws.cache.info()) == 0


def test_a_short_emptiness_of_seconds_is_kept(exchange):
    span = {"start": "2020-08-01", "end": "2020-08-10", "client": exchange.client}
    for requests in (1, 0):
        assert len(bws.klines("SOLUSDT", "1s", **span)) == 0
        assert len(exchange.pages()) == requests


def pages(count, start_ms, size=10):
    """Pages of trades, and the time that each completes."""
    columns = ticks(count * size, start_ms)
    for at in range(0, count * size, size):
        page = tables.sliced(columns, slice(at, at + size))
        first, last = int(page["time"][0]) // 1000, int(page["time"][-1]) // 1000
        yield page, ((first + 1, last),) if first + 1 < last else ()


def test_the_file_of_a_day_is_rewritten_fewer_times_the_longer_it_is():
    series = Series(TRADES, "BTCUSDT", None, "somewhere", True, is_kept=False)
    waiting = []

    async def main():
        for page, covered in pages(3000, START):
            await series.add(page, covered)
            waiting.append(len(series._unsaved))

    asyncio.run(main())
    written = [before + 1 for before, after in pairwise(waiting) if not after]
    assert written == [128, 128, 256, 512, 1024]
    assert max(waiting) < 1024


def test_each_day_begins_with_few_pages_again():
    series = Series(TRADES, "BTCUSDT", None, "somewhere", True, is_kept=False)

    async def main():
        for day in range(3):
            for page, covered in pages(128, START + day * DAY):
                await series.add(page, covered)
            assert not series._unsaved

    asyncio.run(main())


@pytest.mark.parametrize("names", [None, ["price"]])
def test_rows_that_are_read_again_are_those_that_came(names):
    series = Series(TRADES, "BTCUSDT", None, "somewhere", True, is_reread=True, columns=names)
    whole = ticks(2000, START)

    async def main():
        for page, covered in pages(200, START):
            await series.add(page, covered)
        assert not series._parts  # memory has nothing but what is not written
        await series.flush()
        return await series.reread(START, START + DAY)

    columns = asyncio.run(main())
    assert set(columns) == set(whole if names is None else ["time", "id", "price"])
    for name, values in columns.items():
        assert values.tolist() == whole[name].tolist()


def test_a_cache_that_was_cleared_meanwhile_has_lost_rows():
    series = Series(TRADES, "BTCUSDT", None, "somewhere", True, is_reread=True)

    async def main():
        for page, covered in pages(20, START):
            await series.add(page, covered)
        await series.flush()
        bws.cache.clear()
        return await series.reread(START, START + DAY)

    assert asyncio.run(main()) is None
