import subprocess
import sys

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.errors import CacheError

from .lab import HOUR, MINUTE, bars, recorded, refusal, ticks, without

START = 1_704_067_200_000  # 2024-01-01
COLUMNS = {"symbol", "what", "rows", "fetched", "gaps", "source"}


@pytest.fixture
def market():
    """Two symbols of 25 hours, one with a hole, and trades of the first."""
    whole = bars(1500, START)
    holed = without(bars(1500, START, seed=2), *range(700, 705))
    return recorded(ticks(4000, START, first_id=5), BTCUSDT={"1m": whole}, ETHUSDT={"1m": holed})


SPAN = {"start": START, "end": START + 1500 * MINUTE}


def test_several_symbols_and_intervals_are_pulled_together_and_read_from_the_cache(market):
    done = bws.pull(["BTCUSDT", "ethusdt"], ["1m", "1h"], client=market.client, **SPAN)
    assert set(done.columns) == COLUMNS
    hole = [START + 700 * MINUTE, START + 705 * MINUTE]
    assert done.drop(columns="source").to_numpy().tolist() == [
        ["BTCUSDT", "1m", 1500, 1500, []],
        ["ETHUSDT", "1m", 1495, 1495, [hole]],
        ["BTCUSDT", "1h", 25, 25, []],
        ["ETHUSDT", "1h", 25, 25, []],
    ]
    assert set(done["source"]) == {"network"}
    assert done.attrs == {"server": market.gateway.market.identity, **SPAN}
    market.gateway.calls.clear()
    for symbol, interval, rows, *_ in done.to_numpy().tolist():
        frame = bws.klines(symbol, interval, client=market.client, **SPAN)
        assert (len(frame), frame.attrs["source"]) == (rows, "cache")
    assert market.asked == {}


def test_a_second_pull_asks_nothing_and_tells_the_same(market):
    ask = {"client": market.client, **SPAN}
    first = bws.pull(["BTCUSDT", "ETHUSDT"], ["1m", "agg_trades"][:1], **ask)
    market.gateway.calls.clear()
    second = bws.pull(["BTCUSDT", "ETHUSDT"], "1m", **ask)
    assert market.asked == {}
    assert second["fetched"].tolist() == [0, 0]
    assert set(second["source"]) == {"cache"}
    same = ["symbol", "what", "rows", "gaps"]
    pd.testing.assert_frame_equal(first[same], second[same])


def test_what_is_there_is_not_asked_for_again_unless_refreshed(market):
    half = {"start": START, "end": START + 1000 * MINUTE, "client": market.client}
    bws.pull("BTCUSDT", "1m", **half)
    market.gateway.calls.clear()
    done = bws.pull("BTCUSDT", "1m", client=market.client, **SPAN)
    (row,) = done.to_dict("records")
    assert (row["rows"], row["fetched"], row["source"]) == (1500, 500, "mixed")
    assert len(market.pages()) == 1
    again = bws.pull("BTCUSDT", "1m", refresh=True, client=market.client, **SPAN)
    assert again["fetched"].tolist() == [1500]


def test_trades_of_both_kinds_are_pulled_beside_klines(market):
    span = {"start": START, "end": START + HOUR, "client": market.client}
    done = bws.pull("BTCUSDT", ["trades", "1m", "agg_trades"], **span)
    rows = {row["what"]: row["rows"] for row in done.to_dict("records")}
    market.gateway.calls.clear()
    assert rows == {
        "trades": len(bws.trades("BTCUSDT", **span)),
        "agg_trades": len(bws.agg_trades("BTCUSDT", **span)),
        "1m": 60,
    }
    assert market.asked == {}


def test_a_pull_that_failed_is_taken_up_where_it_stopped():
    exchange = recorded(BTCUSDT={"1m": bars(20_000, START)})
    span = {"start": START, "end": START + 20_000 * MINUTE, "client": exchange.client}
    exchange.gateway.interfere = lambda call: (
        refusal(418, -1003, "Way too much.", serverTime=0, retryAfter=0)(call)
        if len(exchange.gateway.calls) > 11 and call.method == "klines"
        else None
    )
    with pytest.raises(bws.Banned):
        bws.pull("BTCUSDT", "1m", in_flight=2, **span)
    exchange.gateway.interfere = None
    kept = int(bws.cache.info()["rows"].sum())
    assert 0 < kept < 20_000
    exchange.gateway.calls.clear()
    client = exchange.new_client()
    done = bws.pull("BTCUSDT", "1m", **{**span, "client": client})
    assert done["rows"].tolist() == [20_000]
    assert done["fetched"].tolist() == [20_000 - kept]


def test_nothing_but_the_pages_that_are_not_written_stays_in_memory():
    """A pull of three times as much takes no more memory."""
    code = """
import sys, tracemalloc
import bwsresearch as bws
from bwsresearch.history import pulls
from bwsresearch.history.download import Lane
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import Span
sys.path.insert(0, sys.argv[1])
from lab import HOUR, bars, recorded
START = 1_501_545_600_000
exchange = recorded(BTCUSDT={"1h": bars(60_000, START, HOUR)})
exchange.gateway.interfere = lambda call: exchange.gateway.calls.clear()

def pull(first, after):
    span = Span(START + first * HOUR, START + after * HOUR, None)
    ask = pulls._Ask(["BTCUSDT"], ["1h"], span, False)
    # One at a time: what waits for a slow disk is another matter.
    lane = Lane(exchange.client.aio, Progress("", wanted=False), 1, page=100)
    done = bws.run(pulls._summary(ask, lane))
    assert done["fetched"].tolist() == [after - first]

pull(0, 500)
tracemalloc.start()
for span in ((500, 15_000), (15_000, 60_000)):
    tracemalloc.reset_peak()
    pull(*span)
    print(tracemalloc.get_traced_memory()[1])
"""
    command = [sys.executable, "-c", code, __file__.rsplit("/", 1)[0]]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    first, second = map(int, told.split())
    # 30,500 rows more are 2.7 MB as columns; the pages between two writes are 1.1 MB.
    assert second - first < 1_000_000


def test_a_cache_that_cannot_be_written_is_an_error_not_a_warning(market, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BWS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(CacheError, match="set BWS_CACHE_DIR to another folder"):
        bws.pull("BTCUSDT", "1m", client=market.client, **SPAN)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("BTCUSDT", "1x"), {"period": "1d"}, r"what is '1x', must be one of 1s 1m .* agg_trades"),
        (("BTCUSDT", []), {"period": "1d"}, "what is empty"),
        (("BTCUSDT", 5), {"period": "1d"}, "what is 5, must be text"),
        (("BTCUSDT", ["1m", "1m"]), {"period": "1d"}, "1m is named twice"),
        (("BTCUSDT", "1m"), {}, "no range is given; pass start= or period="),
        (([], "1m"), {"period": "1d"}, "symbols is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    market, arguments, options, message
):
    with pytest.raises((ValueError, TypeError), match=message):
        bws.pull(*arguments, client=market.client, **options)
    assert market.asked == {}


def test_an_unknown_symbol_is_named_and_the_others_are_kept(market):
    with pytest.raises(bws.BadSymbol, match="NOSUCH"):
        bws.pull(["BTCUSDT", "NOSUCH"], "1m", client=market.client, **SPAN)


def test_an_empty_range_is_an_empty_row(market):
    done = bws.pull("BTCUSDT", "1m", start=START, end=START, client=market.client)
    assert done[["rows", "fetched"]].to_numpy().tolist() == [[0, 0]]


async def test_it_can_be_awaited(market):
    done = await bws.aio.pull("BTCUSDT", "1m", client=market.client, **SPAN)
    assert done["rows"].tolist() == [1500]


def test_trades_of_a_symbol_are_written_before_those_of_the_next_are_asked_for(exchange):
    held = []

    def look(call):
        if dict(call.params).get("symbol") == "ETHUSDT" and "fromId" in dict(call.params):
            held.append(bws.cache.info()["symbol"].tolist())

    exchange.gateway.interfere = look
    span = {"start": START, "end": START + HOUR, "client": exchange.client, "in_flight": 1}
    bws.pull(["BTCUSDT", "ETHUSDT"], "agg_trades", **span)
    assert held[0] == ["BTCUSDT"]
