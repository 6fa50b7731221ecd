import asyncio
import json

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.errors import BadSymbol, ServerError
from bwsresearch.history import ticks as history_ticks
from bwsresearch.protocol.methods import TradesAggregate, TradesHistorical
from bwsresearch.store import Cache
from bwsresearch.tables import AGG_TRADES, TRADES

from .lab import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    Exchange,
    Watched,
    recorded,
    refusal,
    result,
    ticks,
    without,
)

START = 1_704_067_200_000  # 2024-01-01
BURSTS = ((700, 1300), (2500, 5200), (5990, 6010))
"""Within one page's edge, over more than two whole pages, and around the last edge."""
TICKS = ticks(6500, START, BURSTS, first_id=4_000_000_000)
LAST = int(TICKS["time"][-1]) // 1000


def framed(columns):
    """Columns of trades as a frame, built without the package."""
    names = ["id", "price", "qty", "quote_qty", "is_buyer_maker"]
    index = pd.to_datetime(columns["time"] // 1000, unit="ms", utc=True).as_unit("us")
    data = {name: columns[name] for name in names}
    return pd.DataFrame(data, index=pd.DatetimeIndex(index, name="time"))


def between(frame, start_ms, end_ms):
    times = frame.index.astype("int64") // 1000
    return frame[(times >= start_ms) & (times < end_ms)]


def aggregated(frame):
    """Trades of equal time, price and side in a row as one each, the way pandas groups."""
    keys = frame.reset_index()[["time", "price", "is_buyer_maker"]]
    group = (keys != keys.shift()).any(axis=1).cumsum().to_numpy() - 1
    grouped = frame.reset_index().groupby(group)
    return pd.DataFrame(
        {
            "id": np.arange(len(grouped)),
            "price": grouped["price"].first(),
            "qty": grouped["qty"].sum(),
            "first_id": grouped["id"].first(),
            "last_id": grouped["id"].last(),
            "is_buyer_maker": grouped["is_buyer_maker"].first(),
        }
    ).set_index(pd.DatetimeIndex(grouped["time"].first(), name="time"))


def assert_same(frame, expected, **options):
    options = {"check_exact": True, "check_freq": False} | options
    pd.testing.assert_frame_equal(frame, expected, **options)


WHOLE = framed(TICKS)
AGGREGATES = aggregated(WHOLE)


@pytest.fixture(scope="module")
def market():
    return recorded(trades=TICKS).gateway.market


@pytest.fixture
def exchange(market):
    return Exchange(Watched(market))


def ranges():
    draw = np.random.default_rng(5)
    edges = np.sort(draw.integers(START - 500, LAST + 500, (12, 2)))
    at = int(TICKS["time"][2600]) // 1000  # the moment of the widest burst
    fixed = [
        (START, LAST + 1),
        (at, at + 1),
        (at + 1, LAST),
        (START, at),
        (at, at),
        (START - 2 * DAY, START),
    ]
    return [*((int(a), int(b)) for a, b in edges), *fixed]


@pytest.mark.parametrize(("start", "end"), ranges())
def test_trades_of_a_range_are_all_and_only_those(exchange, start, end):
    expected = between(WHOLE, start, end)
    span = {"start": start, "end": end, "client": exchange.client}
    frame = bws.trades("BTCUSDT", **span)
    assert_same(frame, expected)
    exchange.gateway.calls.clear()
    again = bws.trades("BTCUSDT", **span)
    assert exchange.gateway.calls == []
    assert_same(again, expected)


@pytest.mark.parametrize(("start", "end"), ranges())
def test_aggregate_trades_of_a_range_are_all_and_only_those(exchange, start, end):
    span = {"start": start, "end": end, "client": exchange.client}
    frame = bws.agg_trades("BTCUSDT", **span)
    assert_same(frame, between(AGGREGATES, start, end), check_exact=False, rtol=1e-12)
    exchange.gateway.calls.clear()
    assert_same(bws.agg_trades("BTCUSDT", **span), frame)
    assert exchange.gateway.calls == []


def one_by_one(client, kind, first, after):
    """The rows of [first, after) from plain requests, each after the last row of the one before."""
    rows, key = [], "a" if kind is TradesAggregate else "id"
    while first < after:
        found = json.loads(client.raw(kind("BTCUSDT", from_id=first, limit=777)))
        rows += [row for row in found if row[key] < after]
        first = found[-1][key] + 1
    return rows


def test_rows_are_those_of_single_requests_number_by_number(synthetic):
    exchange = Exchange(Watched(synthetic))
    span = {"start": START, "end": START + 3 * HOUR, "client": exchange.client}
    aggregates, singles = bws.agg_trades("BTCUSDT", **span), bws.trades("BTCUSDT", **span)
    assert len(aggregates) > 1500
    rows = one_by_one(
        exchange.client, TradesAggregate, int(aggregates["id"].iloc[0]),
        int(aggregates["id"].iloc[-1]) + 1,
    )  # fmt: skip
    for name, key, kind in (
        ("id", "a", int), ("price", "p", float), ("qty", "q", float), ("first_id", "f", int),
        ("last_id", "l", int), ("is_buyer_maker", "m", bool),
    ):  # fmt: skip
        assert aggregates[name].tolist() == [kind(row[key]) for row in rows]
    assert (aggregates.index.astype("int64") // 1000).tolist() == [row["T"] for row in rows]
    rows = one_by_one(
        exchange.client, TradesHistorical, int(singles["id"].iloc[0]),
        int(singles["id"].iloc[-1]) + 1,
    )  # fmt: skip
    for name, key, kind in (
        ("id", "id", int), ("price", "price", float), ("qty", "qty", float),
        ("quote_qty", "quoteQty", float), ("is_buyer_maker", "isBuyerMaker", bool),
    ):  # fmt: skip
        assert singles[name].tolist() == [kind(row[key]) for row in rows]
    assert (singles.index.astype("int64") // 1000).tolist() == [row["time"] for row in rows]
    # The next rows on both sides lie outside of the range.
    before = one_by_one(exchange.client, TradesHistorical, rows[0]["id"] - 1, rows[0]["id"])
    assert before[0]["time"] < START
    after = one_by_one(exchange.client, TradesHistorical, rows[-1]["id"] + 1, rows[-1]["id"] + 2)
    assert after[0]["time"] >= START + 3 * HOUR


def assert_covered_time_is_complete(exchange, schema, whole):
    """What the cache claims to be complete has every row of that time."""
    cache = Cache(bws.cache.path(), exchange.gateway.market.identity)
    columns, covered = cache.read(schema, "BTCUSDT", None, 0, 2**43)
    times = columns["time"] // 1000
    for start, end in covered:
        kept = columns["id"][(times >= start) & (times < end)]
        assert kept.tolist() == between(whole, start, end)["id"].tolist()
    return covered


@pytest.mark.parametrize("failing", range(1, 8))
@pytest.mark.parametrize("width", [1, 3])
def test_trades_that_were_interrupted_are_resumed_without_loss(exchange, failing, width):
    span = {"start": START - 5, "end": LAST + 5, "client": exchange.client}
    exchange.nth(failing, refusal(503, -1000, "Failed."), method="trades.historical")
    with pytest.raises(ServerError):
        bws.trades("BTCUSDT", in_flight=width, **span)
    assert_covered_time_is_complete(exchange, TRADES, WHOLE)
    exchange.gateway.interfere = None
    assert_same(bws.trades("BTCUSDT", **span), WHOLE)
    covered = assert_covered_time_is_complete(exchange, TRADES, WHOLE)
    assert covered == ((START - 5, LAST + 5),)


def test_pages_that_arrive_in_any_order_claim_only_complete_time(exchange):
    # One page after the other fails, so that each time others are there.
    span = {"start": START, "end": LAST + 5, "client": exchange.client}
    for failing in (4, 2, 3, 1, 1, 2, 1):
        exchange.nth(failing, refusal(503, -1000, "Failed."), method="trades.historical")
        try:
            bws.trades("BTCUSDT", in_flight=4, **span)
        except ServerError:
            assert_covered_time_is_complete(exchange, TRADES, WHOLE)
    exchange.gateway.interfere = None
    assert_same(bws.trades("BTCUSDT", **span), WHOLE)


def test_an_interrupted_moment_is_not_claimed(exchange):
    # Trades 2500 to 5199 share a millisecond: the second and the third page have only these.
    at = int(TICKS["time"][2600]) // 1000
    span = {"start": int(TICKS["time"][1500]) // 1000, "end": LAST, "client": exchange.client}
    exchange.nth(4, refusal(503, -1000, "Failed."), method="trades.historical")
    with pytest.raises(ServerError):
        bws.trades("BTCUSDT", in_flight=1, **span)
    (first,) = assert_covered_time_is_complete(exchange, TRADES, WHOLE)
    assert first == (span["start"], at)


def test_only_what_is_missing_is_fetched(exchange):
    middle = int(TICKS["time"][5500]) // 1000
    bws.trades("BTCUSDT", start=middle, end=LAST, client=exchange.client)
    exchange.gateway.calls.clear()
    frame = bws.trades("BTCUSDT", start=START, end=LAST, client=exchange.client)
    pages = exchange.pages("trades.historical")
    assert len(pages) == 6
    assert frame.attrs["source"] == "mixed"
    assert_same(frame, between(WHOLE, START, LAST))


def test_a_range_before_the_first_trade_is_empty_and_remembered():
    exchange = recorded(trades=ticks(3000, START))  # ids from 0
    span = {"start": START - DAY, "end": START, "client": exchange.client}
    for requests in ({"time": 1, "trades.aggregate": 2}, {}):
        frame = bws.trades("BTCUSDT", **span)
        assert len(frame) == 0
        assert exchange.asked == requests
    assert_same(frame, framed(ticks(3000, START)).iloc[:0])


def test_a_long_emptiness_is_asked_about_again_rather_than_kept_day_by_day(exchange):
    for _ in range(2):
        frame = bws.trades("BTCUSDT", start=0, end=LAST, client=exchange.client)
        assert_same(frame, between(WHOLE, START, LAST))
        assert frame.attrs["start"] == 1_498_867_200_000
    assert "trades.historical" not in exchange.asked or len(exchange.gateway.calls) == 0
    (file,) = bws.cache.path().rglob("*.parquet")
    assert "date=2024-01-01" in str(file)


def test_a_stretch_without_trades_is_remembered(exchange):
    span = {"start": LAST + 1, "end": LAST + HOUR, "client": exchange.client}
    for call in (bws.trades, bws.agg_trades):
        for requests in (1, 0):
            exchange.gateway.calls.clear()
            assert len(call("BTCUSDT", **span)) == 0
            assert len(exchange.pages("trades.aggregate")) == requests


@pytest.mark.parametrize("call", [bws.trades, bws.agg_trades])
def test_the_future_is_empty_and_not_remembered(exchange, call):
    frame = call("BTCUSDT", start=NOW + DAY, end=NOW + 2 * DAY, client=exchange.client)
    assert len(frame) == 0
    assert exchange.asked == {"time": 1}
    assert len(bws.cache.info()) == 0


def test_the_newest_minute_is_not_kept(exchange):
    exchange.clock.now_ms = LAST + 30_000
    frame = bws.trades("BTCUSDT", period="1h", client=exchange.client)
    assert_same(frame, WHOLE)
    cache = Cache(bws.cache.path(), exchange.gateway.market.identity)
    _, covered = cache.read(TRADES, "BTCUSDT", None, 0, 2**43)
    assert all(end <= LAST - 30_000 + 5_000 for _, end in covered)
    exchange.clock.now_ms = LAST + MINUTE + HOUR
    frame = bws.trades("BTCUSDT", start=START, end=LAST + 1, client=exchange.new_client())
    assert_same(frame, WHOLE)


@pytest.mark.parametrize(("call", "whole"), [(bws.trades, WHOLE), (bws.agg_trades, AGGREGATES)])
def test_without_a_range_the_newest_rows_come_and_are_not_kept(exchange, call, whole):
    for limit, count in ((None, 1000), (7, 7), (1000, 1000)):
        frame = call("BTCUSDT", limit=limit, client=exchange.client)
        assert_same(frame, whole.iloc[-count:], check_exact=False, rtol=1e-12)
        assert frame.attrs == {
            "symbol": "BTCUSDT",
            "server": exchange.gateway.market.identity,
            "source": "network",
            "gaps": [],
        }
    assert len(bws.cache.info()) == 0


def test_the_frame_tells_all_of_its_origin(exchange):
    def attrs(cache=True):
        frame = bws.trades("btcusdt", start=START, end=LAST, cache=cache, client=exchange.client)
        return frame.attrs

    expected = {
        "symbol": "BTCUSDT",
        "server": exchange.gateway.market.identity,
        "start": START,
        "end": LAST,
        "source": "network",
        "gaps": [],
    }
    assert attrs() == expected
    assert attrs() == expected | {"source": "cache"}
    assert attrs("refresh") == expected
    assert attrs(cache=False) == expected


def test_missing_ids_are_gaps():
    columns = without(ticks(5000, START), *range(1500, 1600), *range(2000, 4400))
    exchange = recorded(trades=columns)
    times = columns["time"] // 1000
    span = {"start": START, "end": int(times[-1]) + 1, "client": exchange.client}
    for _ in range(2):
        frame = bws.trades("BTCUSDT", **span)
        assert frame["id"].tolist() == columns["id"].tolist()
        assert frame.attrs["gaps"] == [
            [int(times[1499]), int(times[1500])],
            [int(times[1899]), int(times[1900])],
        ]


@pytest.mark.parametrize("cache", [True, False, "refresh"])
@pytest.mark.parametrize(("call", "whole"), [(bws.trades, WHOLE), (bws.agg_trades, AGGREGATES)])
def test_some_columns_are_those_of_the_whole_frame(exchange, call, whole, cache):
    span = {"start": START, "end": LAST + 1, "client": exchange.client, "cache": cache}
    every = call("BTCUSDT", **span)
    for names in (["qty", "price"], ["id"], ["is_buyer_maker", "id"]):
        bws.cache.clear()
        for _ in range(2):
            some = call("BTCUSDT", columns=names, **span)
            assert_same(some, every[[name for name in every if name in names]])
            assert some.attrs["gaps"] == []
    assert_same(call("BTCUSDT", **span), every)
    newest = call("BTCUSDT", columns=["price"], client=exchange.client)
    assert_same(newest, whole[["price"]].iloc[-1000:])


def test_missing_ids_are_gaps_without_the_ids_too():
    exchange = recorded(trades=without(ticks(5000, START), *range(1500, 1600)))
    span = {"start": START, "end": START + DAY, "client": exchange.client}
    gaps = bws.trades("BTCUSDT", **span).attrs["gaps"]
    assert len(gaps) == 1
    assert bws.trades("BTCUSDT", columns=["price"], **span).attrs["gaps"] == gaps


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], r"columns is \[\], must be some of id price qty quote_qty is_buyer_maker"),
        (["price", "time"], "must be some of id price"),
        (["volume"], "must be some of id price"),
        ([None], "must be some of id price"),
    ],
)
def test_columns_that_there_are_not_are_refused_in_a_line(exchange, columns, message):
    with pytest.raises(ValueError, match=message) as caught:
        bws.trades("BTCUSDT", columns=columns, client=exchange.client)
    assert "\n" not in str(caught.value)
    for wrong in ("price", 5):
        with pytest.raises(TypeError, match="must be a list such as"):
            bws.trades("BTCUSDT", columns=wrong, client=exchange.client)
    assert exchange.gateway.calls == []


def test_a_range_that_is_not_over_says_up_to_when_it_is_known(exchange):
    for _ in range(2):
        frame = bws.trades("BTCUSDT", start=START, end=NOW + DAY, client=exchange.client)
        assert NOW <= frame.attrs["until"] < NOW + DAY
        for end in (NOW, LAST):
            frame = bws.trades("BTCUSDT", start=START, end=end, client=exchange.client)
            assert "until" not in frame.attrs


@pytest.mark.parametrize("broken", ["", ".locks"])
def test_a_cache_that_cannot_be_used_costs_a_warning_and_no_row(exchange, cache_dir, broken):
    span = {"start": START, "end": LAST + 1, "client": exchange.client}
    (cache_dir / broken).parent.mkdir(exist_ok=True)
    (cache_dir / broken).write_text("a file where a folder should be")
    for columns in (None, ["price"]):
        with pytest.warns(RuntimeWarning, match=f"{cache_dir}.*the rows are returned, not kept"):
            frame = bws.trades("BTCUSDT", columns=columns, **span)
        assert_same(frame, WHOLE if columns is None else WHOLE[columns])
        assert frame.attrs["source"] == "network"


def test_files_that_are_lost_while_others_are_fetched_are_fetched_again():
    columns = ticks(4000, START + DAY - 15_000)
    exchange = recorded(trades=columns)
    times = columns["time"] // 1000
    assert times[1000] < START + DAY < times[-1000]
    bws.trades("BTCUSDT", start=START, end=START + DAY, client=exchange.client)
    (file,) = bws.cache.path().rglob("*.parquet")

    whole = bws.trades(
        "BTCUSDT", start=START, end=int(times[-1]) + 1, cache=False, client=exchange.client
    )
    exchange.nth(1, lambda _: file.unlink(), method="trades.historical")
    frame = bws.trades("BTCUSDT", start=START, end=int(times[-1]) + 1, client=exchange.client)
    assert_same(frame, whole)
    assert file.exists()


AGGREGATE = {"a": 5, "p": "1.0", "q": "1.0", "f": 9, "l": 9, "T": START, "m": True, "M": True}
TRADE = {
    "id": 5, "price": "1.0", "qty": "1.0", "quoteQty": "1.0", "time": START, "isBuyerMaker": True,
    "isBestMatch": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "nth", "value"),
    [
        ("trades.historical", 2, []),
        ("trades.historical", 2, [TRADE]),
        ("trades.historical", 2, [TRADE | {"id": 2**40 + 1}, TRADE | {"id": 2**40}]),
        ("trades.historical", 2, [TRADE | {"id": 2**40}] * 2),
        ("trades.aggregate", 1, [AGGREGATE | {"T": START - 1}]),
    ],
)
def test_rows_that_were_not_asked_for_are_refused(exchange, method, nth, value):
    exchange.nth(nth, result(value), method=method)
    with pytest.raises(ServerError, match="BTCUSDT: the server sent other rows than") as caught:
        bws.trades("BTCUSDT", start=START, end=LAST, client=exchange.client, in_flight=1)
    assert "\n" not in str(caught.value)
    exchange.gateway.interfere = None
    frame = bws.trades("BTCUSDT", start=START, end=LAST, client=exchange.client)
    assert_same(frame, between(WHOLE, START, LAST))


def test_newest_rows_that_do_not_ascend_are_refused(exchange):
    exchange.nth(1, result([TRADE, TRADE]), method="trades.recent")
    with pytest.raises(ServerError, match="ascending ids"):
        bws.trades("BTCUSDT", client=exchange.client)


@pytest.mark.parametrize(
    ("symbol", "options", "message"),
    [
        ("BTCUSDT", {"limit": 5, "period": "1d"}, "limit is 5 beside a range"),
        ("BTCUSDT", {"limit": 0}, "limit is 0, must be 1 to 1000 rows; for more give start="),
        ("BTCUSDT", {"limit": 1001}, "limit is 1001, must be 1 to 1000"),
        ("BTCUSDT", {"limit": "10"}, "limit is '10'"),
        ("BTCUSDT", {"end": START}, f"end is {START} without start"),
        ("BTCUSDT", {"start": START, "end": START - 1}, "is after end"),
        ("BTCUSDT", {"start": 1_704_067_200}, "seconds × 1000"),
        ("BTC-/USDT", {"period": "1d"}, "did you mean 'BTC-USDT'"),
        ("BTCUSDT", {"cache": "no"}, "cache is 'no'"),
        ("BTCUSDT", {"in_flight": 0}, "in_flight is 0"),
    ],
)
@pytest.mark.parametrize("call", [bws.trades, bws.agg_trades])
def test_what_cannot_be_meant_is_a_line_that_says_what_can(
    exchange, call, symbol, options, message
):
    with pytest.raises(ValueError, match=message) as caught:
        call(symbol, client=exchange.client, **options)
    assert "\n" not in str(caught.value)
    assert exchange.gateway.calls == []


@pytest.mark.parametrize("call", [bws.trades, bws.agg_trades])
def test_trades_come_for_one_symbol(exchange, call):
    with pytest.raises(TypeError, match=r"symbol is \['BTCUSDT'\], must be one text"):
        call(["BTCUSDT"], client=exchange.client)
    with pytest.raises(BadSymbol, match="NOSUCH was asked for"):
        call("NOSUCH", client=exchange.client)
    with pytest.raises(BadSymbol, match="NOSUCH was asked for"):
        call("NOSUCH", period="1d", client=exchange.client)


def test_trades_that_were_not_recorded_say_so(synthetic):
    exchange = recorded(trades=TICKS)
    assert "implied" not in bws.agg_trades("BTCUSDT", client=exchange.client).attrs
    plain = Exchange(Watched(synthetic))
    assert "implied" not in bws.trades("BTCUSDT", client=plain.client).attrs


def test_a_moment_may_be_asked_for_from_any_loop(exchange):
    async def main():
        return await history_ticks.trades("BTCUSDT", start=START, end=LAST, client=exchange.client)

    assert_same(bws.run(main()), between(WHOLE, START, LAST))
    frame = asyncio.run(bws.aio.trades("BTCUSDT", start=START, end=LAST, client=exchange.client))
    assert_same(frame, between(WHOLE, START, LAST))


def test_aggregates_are_kept_apart_from_trades(exchange):
    span = {"start": START, "end": LAST, "client": exchange.client}
    bws.trades("BTCUSDT", **span)
    assert len(bws.agg_trades("BTCUSDT", **span)) == len(between(AGGREGATES, START, LAST))
    assert bws.cache.info()["kind"].tolist() == ["aggs", "trades"]
    assert_covered_time_is_complete(exchange, AGG_TRADES, AGGREGATES)
