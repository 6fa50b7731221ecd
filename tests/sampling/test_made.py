import json
from decimal import ROUND_DOWN, Decimal
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bwsresearch as bws
from bwsresearch.client.sync import Client
from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.config import Config, Limits
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import LocalEndpoint
from bwsresearch.tables import KLINES

START = 1_704_067_200_000  # 2024-01-01, a Monday
HOUR = 3_600_000
DAY = 24 * HOUR
NOW = START + 150 * DAY + HOUR // 2
BUY = {"taker_buy_volume": "volume", "taker_buy_quote_volume": "quote_volume"}


def client_of(market):
    # The clock stands still: a limit that is reached would never be over.
    config = Config(Limits(weight_per_minute=10**9))
    return Client(LocalEndpoint(Gateway(market, config), clock=lambda: NOW))


@pytest.fixture(scope="module")
def synthetic():
    client = client_of(SyntheticMarket(seed=7))
    yield client
    client.close()


@pytest.fixture(scope="module")
def recorded():
    """Trades of four months, now and then one, with some that are older than the one before."""
    draw = np.random.default_rng(3)
    count, span = 12_000, 120 * DAY
    times = START + np.sort(draw.integers(0, span, count))
    late = draw.integers(1, count, 50)
    times[late] = times[late - 1] - 3
    price = np.round(100 + np.cumsum(draw.choice([-0.01, 0.0, 0.01], count)), 2)
    qty = np.round(draw.gamma(0.5, 2e4, count) + 0.001, 3)
    trades = {
        "time": times * 1000,
        "id": 5000 + np.arange(count),
        "price": price,
        "qty": qty,
        "quote_qty": np.round(price * qty, 5),
        "is_buyer_maker": draw.random(count) < 0.5,
    }
    client = client_of(RecordedMarket({"BTCUSDT": Recording({}, trades)}))
    yield client
    client.close()


def trades_of(rows, **attrs):
    """A frame of single trades from (ms, price, qty, is_buyer_maker), as bws.trades returns it."""
    times, price, qty, sold = zip(*rows, strict=True) if rows else ((), (), (), ())
    data = {
        "id": np.arange(len(rows), dtype=np.int64),
        "price": np.array(price, np.float64),
        "qty": np.array(qty, np.float64),
        "quote_qty": np.array([float(Decimal(str(p)) * Decimal(str(q))) for p, q in zip(price, qty, strict=True)], np.float64),
        "is_buyer_maker": np.array(sold, np.bool_),
    }  # fmt: skip
    index = pd.DatetimeIndex(np.array(times, "M8[ms]").astype("M8[us]"), name="time")
    frame = pd.DataFrame(data, index=index.tz_localize("UTC"))
    frame.attrs.update(attrs)
    return frame


def bar(rows, begin=None, end=None):
    """The bar of some trades, made with decimals, one after the other."""
    units = Decimal("1e-8")
    quotes = [
        (Decimal(str(p)) * Decimal(str(q))).quantize(units, ROUND_DOWN) for _, p, q, _ in rows
    ]
    prices = [p for _, p, _, _ in rows]
    return {
        "open_time": rows[0][0] if begin is None else begin,
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": float(sum(Decimal(str(q)) for _, _, q, _ in rows)),
        "close_time": rows[-1][0] if end is None else end - 1,
        "quote_volume": float(sum(quotes)),
        "trades": len(rows),
        "taker_buy_volume": float(sum((Decimal(str(q)) for _, _, q, m in rows if not m), Decimal(0))),
        "taker_buy_quote_volume": float(
            sum((q for q, row in zip(quotes, rows, strict=True) if not row[3]), Decimal(0))
        ),
    }  # fmt: skip


def plain(frame):
    """The bars of a frame as dicts, times in ms."""
    table = frame.reset_index()
    for name in ("open_time", "close_time"):
        table[name] = table[name].astype("int64") // 1000
    return table.to_dict("records")


def assert_same(frame, expected):
    pd.testing.assert_frame_equal(frame, expected, check_exact=True, check_freq=False)


cents = st.integers(1, 10**7).map(lambda n: n / 100)
sizes = st.integers(0, 5).flatmap(
    lambda places: st.integers(0, 10**8).map(lambda n: n // 10**places / 10 ** (5 - places))
)
rows_of_trades = st.lists(
    st.tuples(st.integers(0, 2_000_000), cents, sizes, st.booleans()), max_size=60
).map(lambda rows: [(START + t, p, q, m) for t, p, q, m in sorted(rows, key=lambda row: row[0])])


def cut(rows, measure, amount):
    """Rows in stretches that end with the one that reaches the amount; the rest, if any."""
    found, part, held = [], [], Decimal(0)
    for row in rows:
        part.append(row)
        held += measure(row)
        if held >= Decimal(str(amount)):
            found.append(part)
            part, held = [], Decimal(0)
    return found, part


MEASURES = {
    "ticks": lambda _: Decimal(1),
    "volume": lambda row: Decimal(str(row[2])),
    "quote": lambda row: Decimal(str(row[1])) * Decimal(str(row[2])),
}


@given(
    rows_of_trades,
    st.sampled_from(sorted(MEASURES)),
    st.one_of(st.integers(1, 20), st.integers(1, 10**12)),
)
def test_a_bar_ends_with_the_trade_that_fills_it_and_the_next_begins_from_zero(rows, what, amount):
    whole, rest = cut(rows, MEASURES[what], amount)
    frame = trades_of(rows)
    assert plain(bws.bars(frame, **{what: amount})) == [bar(part) for part in whole]
    parts = [*whole, rest] if rest else whole
    assert plain(bws.bars(frame, **{what: amount}, closed=False)) == [bar(part) for part in parts]


@pytest.mark.parametrize("amount", [0.1, 0.3, 7, 1234.5, 1e9])
@pytest.mark.parametrize("what", ["volume", "quote"])
def test_amounts_are_reached_as_decimals_are(what, amount):
    draw = np.random.default_rng(8)
    rows = [
        (START + i, 0.1, float(qty), False)
        for i, qty in enumerate(np.round(draw.integers(1, 9, 3000) / 10, 1))
    ]
    whole, _ = cut(rows, MEASURES[what], amount)
    assert plain(bws.bars(trades_of(rows), **{what: amount})) == [bar(part) for part in whole]


@given(rows_of_trades, st.sampled_from(["15s", "90s", "7m", "1h", "2500ms"]))
def test_bars_of_time_are_those_of_trades_one_by_one(rows, every):
    step = {"15s": 15_000, "90s": 90_000, "7m": 420_000, "1h": HOUR, "2500ms": 2500}[every]
    groups = groupby(rows, key=lambda row: row[0] // step * step)
    expected = [bar(list(part), begin, begin + step) for begin, part in groups]
    found = bws.bars(trades_of(rows), every, empty="drop")
    assert plain(found) == expected
    opens = [one["open_time"] for one in expected]
    assert found.attrs["gaps"] == [[a + step, b] for a, b in pairwise(opens) if a + step != b]
    filled = plain(bws.bars(trades_of(rows), every))
    assert [one["open_time"] for one in filled] == list(
        range(opens[0], opens[-1] + 1, step) if opens else []
    )
    last, by_open = None, dict(zip(opens, expected, strict=True))
    for one in filled:
        begin = one["open_time"]
        flat = (
            bar([(begin, last, 0.0, True)], begin, begin + step) | {"trades": 0} if last else None
        )
        assert one == by_open.get(begin, flat)
        last = one["close"]  # fmt: skip


@pytest.mark.parametrize("interval", ["1s", "1m", "3m", "5m", "15m", "30m", "1h"])
@pytest.mark.parametrize("call", [bws.trades, bws.agg_trades])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "XRPUSDT"])
def test_bars_of_all_trades_equal_the_klines_of_the_exchange(synthetic, symbol, interval, call):
    span = {"start": START, "end": START + 2 * HOUR, "client": synthetic}
    trades = call(symbol, **span)
    klines = bws.klines(symbol, interval, **span)
    made = bws.bars(trades, interval)
    first, last = made.index[0], made.index[-1]
    assert len(klines.loc[:first]) <= 30  # before the first trade its price is not known
    assert_same(made, klines.loc[first:last])
    assert klines.loc[last:].iloc[1:]["trades"].sum() == 0


@pytest.mark.parametrize("interval", INTERVALS[1:])
@pytest.mark.parametrize("call", [bws.trades, bws.agg_trades])
def test_bars_of_recorded_trades_equal_the_klines_of_every_interval(recorded, interval, call):
    span = {"start": START - 3 * DAY, "end": START + 110 * DAY, "client": recorded}
    trades = call("BTCUSDT", **span)
    klines = bws.klines("BTCUSDT", interval, **span)
    whole = klines[klines["close_time"] < trades.index[-1].floor("D")]
    assert len(whole) >= 3
    made = bws.bars(trades, interval, empty="drop")
    assert_same(made.loc[: whole.index[-1]], whole)
    # Behind it is at most the bar of the last day, which the range ends.
    assert len(made) - len(whole) <= DAY // 60_000
    assert made.attrs["interval"] == interval
    assert made.attrs["symbol"] == "BTCUSDT"


def test_trades_are_counted_alike_in_aggregates_and_one_by_one(recorded):
    span = {"start": START, "end": START + 100 * DAY, "client": recorded}
    single, aggregate = bws.trades("BTCUSDT", **span), bws.agg_trades("BTCUSDT", **span)
    assert_same(bws.bars(single, "1d"), bws.bars(aggregate, "1d"))
    for made in (bws.bars(single, ticks=100), bws.bars(aggregate, ticks=100)):
        assert made["trades"].iloc[0] in (100, 101)
    assert (bws.bars(single, ticks=100)["trades"] == 100).all()
    assert (bws.bars(aggregate, ticks=100)["trades"] >= 100).all()


def test_a_bar_that_the_range_does_not_hold_wholly_is_left_out(synthetic):
    span = {"start": START + 90_000, "end": START + 400_000, "client": synthetic}
    trades = bws.trades("BTCUSDT", **span)
    whole = bws.klines(
        "BTCUSDT", "1m", start=START + 120_000, end=START + 360_000, client=synthetic
    )
    assert_same(bws.bars(trades, "1m"), whole)
    every = bws.bars(trades, "1m", closed=False)
    assert len(every) == len(whole) + 2
    assert every["trades"].sum() == len(trades)
    newest = bws.trades("BTCUSDT", limit=1000, client=synthetic)
    assert len(bws.bars(newest, "1m", closed=False)) == len(bws.bars(newest, "1m")) + 2
    newest.attrs.clear()  # a frame of which nothing is known is taken as it is
    assert len(bws.bars(newest, "1m")) == len(bws.bars(newest, "1m", closed=False))


def test_the_running_bar_is_left_out_though_the_range_goes_on(synthetic):
    begin = NOW - HOUR // 2
    trades = bws.trades("BTCUSDT", start=begin, end=NOW + HOUR, client=synthetic)
    running = bws.bars(trades, "1h", closed=False)
    assert running["close_time"].iloc[-1] > pd.Timestamp(NOW, unit="ms", tz="UTC")
    assert bws.bars(trades, "1h").empty
    assert len(bws.bars(trades, "1m")) == 30


def test_where_trades_are_missing_no_bar_is_called_empty():
    minute = 60_000
    rows = [(START + i * minute, 10.0, 1.0, False) for i in (0, 2, 7, 9)]
    lost = [[START + 2 * minute, START + 7 * minute]]
    trades = trades_of(rows, gaps=lost)
    made = bws.bars(trades, "1m")
    opens = (made.index.astype("int64") // 1000 - START) // minute
    assert opens.tolist() == [0, 1, 2, 7, 8, 9]
    assert made["trades"].tolist() == [1, 0, 1, 1, 0, 1]
    assert made.attrs == {
        "trade_gaps": lost,
        "rule": {"every": "1m"},
        "interval": "1m",
        "gaps": [[START + 3 * minute, START + 7 * minute]],
    }
    assert bws.bars(trades, ticks=2).attrs == {"trade_gaps": lost, "rule": {"ticks": 2}}


def test_bars_are_frames_of_klines_that_say_where_they_come_from(synthetic):
    span = {"start": START, "end": START + HOUR, "client": synthetic}
    trades, klines = bws.trades("BTCUSDT", **span), bws.klines("BTCUSDT", "1m", **span)
    for options in ({"every": "7m"}, {"ticks": 100}, {"volume": 5}, {"quote": 1e6}):
        made = bws.bars(trades, **options)
        assert made.dtypes.to_dict() == klines.dtypes.to_dict()
        assert (made.index.dtype, made.index.name) == (klines.index.dtype, "open_time")
        told = {name: made.attrs[name] for name in ("symbol", "server", "start", "end", "source")}
        assert told == {name: trades.attrs[name] for name in told}
        assert json.loads(json.dumps(made.attrs)) == made.attrs
        assert made.attrs["rule"] == options
        made.iloc[0, 0] = 1.0  # writable, and not the trades' own memory
        assert_same(bws.bars(trades.iloc[:0], **options), klines.iloc[:0])


def test_bars_of_no_trades_are_an_empty_frame():
    for options in ({"every": "1m"}, {"ticks": 1}, {"volume": 1}, {"quote": 1}):
        made = bws.bars(trades_of([]), **options)
        assert list(made.reset_index()) == list(KLINES.dtypes)
        assert len(made) == 0


def test_bars_are_for_backtests_too(synthetic):
    span = {"start": START, "end": START + HOUR, "client": synthetic}
    made = bws.bars(bws.agg_trades("BTCUSDT", **span), "1m")
    result = bws.backtest(made, lambda k: (k.close > k.open).astype(float), balances={"USDT": 1000})
    assert result.klines.equals(made)


def test_the_turnover_of_an_aggregate_is_cut_off_behind_eight_decimals():
    rows = [(START, 0.00123457, 0.00123, False), (START + 1, 0.00123457, 0.00123, True)]
    single = trades_of(rows)
    aggregate = single.drop(columns="quote_qty").assign(first_id=single["id"], last_id=single["id"])
    assert bws.bars(aggregate, "1m")["quote_volume"].tolist() == [2 * 0.00000151]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no rule given, must be one; use '5m', ticks=1000"),
        ({"every": "1m", "ticks": 5}, "every and ticks given, must be one"),
        ({"volume": 5, "quote": 5, "ticks": 5}, "ticks and volume and quote given"),
        ({"ticks": 0}, "ticks is 0, must be a whole number of trades from 1"),
        ({"ticks": 1.5}, "ticks is 1.5"),
        ({"ticks": True}, "ticks is True"),
        ({"volume": 0}, "volume is 0, must be a number above 0"),
        ({"volume": -1.0}, "volume is -1.0"),
        ({"quote": float("nan")}, "quote is nan"),
        ({"quote": float("inf")}, "quote is inf"),
        ({"quote": "1e6"}, "quote is '1e6'"),
        ({"every": "5 parsecs"}, "every is '5 parsecs', must be a length such as"),
        ({"every": 60}, "every is 60"),
        ({"every": "0m"}, "every is '0m'"),
        ({"every": "1m", "empty": "fill"}, "empty is 'fill', must be 'flat' or 'drop'"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_a_line_that_says_what_can(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        bws.bars(trades_of([(START, 1.0, 1.0, False)]), **options)
    assert "\n" not in str(caught.value)
