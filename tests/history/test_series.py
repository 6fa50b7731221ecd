import bwsresearch as bws
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

from .lab import MINUTE, bars, recorded, without

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
