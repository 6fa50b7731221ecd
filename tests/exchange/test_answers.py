import json
import random
from itertools import product

import pytest

from bwsresearch.enums import INTERVALS
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.market import Ids, Window
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.protocol.session import Options
from bwsresearch.times import DAY_MS

from .asking import Asker, keys_in_order, shape
from .recordings import START, columns_of
from .served import between, trades_between, units

NOW = 1_715_000_000_987
MARKET = SyntheticMarket()
S = "BTCUSDT"
BAD_SYMBOL = (-1121, "Invalid symbol.")
CHARSET = r"^[\w\-._&&[^a-z]]{1,50}$"


def missing(name):
    return -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def illegal(name, legal="^[0-9]{1,20}$"):
    return -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."


@pytest.fixture
def asker():
    return Asker(Gateway(MARKET), NOW)


@pytest.fixture
def micro():
    return Asker(Gateway(MARKET), NOW, Options(time_unit="MICROSECOND"))


# ---- forms, as documented and as received


EXAMPLES = {
    "ping": {},
    "time": {},
    "depth": {"symbol": S, "limit": 5},
    "trades.recent": {"symbol": S, "limit": 1},
    "trades.historical": {"symbol": S, "fromId": 0, "limit": 1},
    "trades.aggregate": {"symbol": S, "fromId": 5000, "limit": 1},
    "klines": {"symbol": S, "interval": "1h", "startTime": 1655969280000, "limit": 1},
    "uiKlines": {"symbol": S, "interval": "1h", "startTime": 1655969280000, "limit": 1},
    "avgPrice": {"symbol": S},
    "ticker.24hr": {"symbol": S},
    "ticker.price": {"symbol": S},
    "ticker.book": {"symbol": S},
}


@pytest.fixture(scope="module")
def documented(real_data):
    """The documented replies by method and number."""
    found = {}
    for path in sorted((real_data / "doc_examples/ws_api").glob("*.json")):
        page = json.loads(path.read_text())
        if page["method"] in {*EXAMPLES, "exchangeInfo"} and page["responses"]:
            found.setdefault(page["method"], []).append([one["frame"] for one in page["responses"]])
    # A method may be shown on several pages: the last is its own.
    return {method: pages[-1] for method, pages in found.items()}


@pytest.mark.parametrize("method", EXAMPLES)
def test_replies_have_the_documented_keys_order_and_padding(documented, asker, method):
    reply = asker.reply(method, **EXAMPLES[method])
    assert keys_in_order(reply) == keys_in_order(documented[method][0]).replace(
        '"id": "text"', '"id": "int"'
    )


def test_lists_and_short_statistics_are_as_documented(documented, asker):
    full, mini, several = documented["ticker.24hr"]
    reply = asker.ask("ticker.24hr", symbol=S, type="MINI")
    assert keys_in_order(reply) == keys_in_order(mini["result"])
    reply = asker.ask("ticker.24hr", symbols=[S, "ETHUSDT"])
    assert keys_in_order(reply) == keys_in_order(several["result"][:1])
    assert keys_in_order(reply[0]) == keys_in_order(full["result"])
    for method in ("ticker.price", "ticker.book"):
        reply = asker.ask(method, symbols=[S, "ETHUSDT"])
        assert keys_in_order(reply) == keys_in_order(documented[method][1]["result"])


def test_exchange_info_has_the_documented_keys_in_their_order(documented, asker):
    (frame,) = documented["exchangeInfo"]
    told, reply = frame["result"], asker.reply("exchangeInfo", symbols=["BNBUSDT"])
    assert list(reply) == list(frame)
    found = reply["result"]
    assert list(found) == [key for key in told if key != "sors"]  # no smart order routing here
    assert keys_in_order(found["rateLimits"]) == keys_in_order(told["rateLimits"])
    kinds = [
        (one["rateLimitType"], one["interval"], one["intervalNum"]) for one in found["rateLimits"]
    ]
    assert kinds == [
        (one["rateLimitType"], one["interval"], one["intervalNum"]) for one in told["rateLimits"]
    ]
    (symbol,), (example,) = found["symbols"], told["symbols"]
    assert list(symbol) == list(example)
    assert {k: type(v) for k, v in symbol.items()} == {k: type(v) for k, v in example.items()}
    filters = {one["filterType"]: keys_in_order(one) for one in symbol["filters"]}
    for one in example["filters"]:
        assert filters[one["filterType"]] == keys_in_order(one)


METHODS_OF_FRAMES = {
    "TestMarketDepth": "depth", "TestMarketTradesRecent": "trades.recent",
    "TestMarketTradesHistorical": "trades.historical", "TestMarketTradesAggregate": "trades.aggregate",
    "TestMarketKlines": "klines", "TestMarketUIKlines": "uiKlines", "TestMarketAvgPrice": "avgPrice",
    "TestWebSocketConnection": "ping", "TestWebSocketServerTime": "time", "time": "time",
}  # fmt: skip


def test_replies_have_the_form_of_received_frames(real_data, asker):
    frames = json.loads((real_data / "ws_api/frames.json").read_text())
    compared = []
    for one in frames:
        method = next(
            (m for n, m in METHODS_OF_FRAMES.items() if one["test"].lower() == n.lower()), None
        )
        if method is None or "result" not in one["frame"]:
            continue
        compared.append(method)
        reply = asker.reply(method, **EXAMPLES[method])
        told = one["frame"]
        assert list(reply) == list(told), one["test"]
        assert keys_in_order(reply["rateLimits"]) == keys_in_order(told["rateLimits"])
        if told["result"]:
            mine, theirs = shape(reply["result"]), shape(told["result"])
            assert json.dumps(mine) == json.dumps(theirs), one["test"]
    for one in frames:  # lists of tickers are one object per symbol
        for name in ("Price", "Book"):
            if one["test"] == f"TestMarketTicker{name}":
                reply = asker.ask(f"ticker.{name.lower()}", symbols=[S])
                assert keys_in_order(reply) == keys_in_order(one["frame"]["result"][:1])
                compared.append(name)
    assert len(set(compared)) >= 4


def test_a_ping_is_an_empty_object_and_the_time_is_the_exchanges(asker, micro):
    assert asker.ask("ping") == {}
    assert asker.ask("time") == {"serverTime": NOW}
    assert micro.ask("time") == {"serverTime": NOW * 1000}
    assert asker.frame('{"id":"a-1_Z","method":"v3/time"}')[0]["id"] == "a-1_Z"


# ---- microseconds


def test_every_time_of_every_method_is_in_the_unit_of_the_connection(asker, micro):
    times = {
        "trades.recent": ("time",), "trades.historical": ("time",), "trades.aggregate": ("T",),
        "avgPrice": ("closeTime",), "ticker.24hr": ("openTime", "closeTime"),
    }  # fmt: skip
    for method, params in EXAMPLES.items():
        one, other = asker.ask(method, **params), micro.ask(method, **params)
        rows, micros = (v if isinstance(v, list) else [v] for v in (one, other))
        for row, longer in zip(rows, micros, strict=True):
            if method.endswith("lines"):
                assert longer[0] == row[0] * 1000
                assert longer[6] == row[6] * 1000 + 999
                assert longer[1:6] + longer[7:] == row[1:6] + row[7:]
            else:
                scaled = {
                    k: v * 1000 for k, v in row.items() if k in times.get(method, ("serverTime",))
                }
                assert longer == {**row, **scaled}
    assert asker.ask("exchangeInfo")["serverTime"] * 1000 == micro.ask("exchangeInfo")["serverTime"]
    assert len(micro.ask("ticker.24hr", symbols=[S])) == 1


def test_times_are_asked_for_in_milliseconds_or_microseconds(asker):
    start = NOW // 60_000 * 60_000 - 600_000
    expected = asker.ask(
        "klines", symbol=S, interval="1m", startTime=start, endTime=start + 120_000
    )
    assert [row[0] for row in expected] == [start, start + 60_000, start + 120_000]
    params = {"symbol": S, "interval": "1m"}
    micros = asker.ask("klines", **params, startTime=start * 1000, endTime=(start + 120_000) * 1000)
    assert micros == expected
    inside = asker.ask(
        "klines", **params, startTime=start * 1000 + 1, endTime=(start + 120_000) * 1000 - 1
    )
    assert inside == expected[1:2]


# ---- what is answered


def test_klines_are_the_markets(asker):
    for interval in INTERVALS:
        rows = asker.ask("klines", symbol=S, interval=interval, limit=3)
        assert rows == json.loads(MARKET.klines(S, interval, Window(None, None, 3), NOW))
        assert asker.ask("uiKlines", symbol=S, interval=interval, limit=3) == rows


@pytest.mark.parametrize(
    ("method", "params", "default", "most"),
    [
        ("klines", {"interval": "1m"}, 500, 1000),
        ("uiKlines", {"interval": "1h"}, 500, 1000),
        ("trades.recent", {}, 500, 1000),
        ("trades.historical", {"fromId": 10}, 500, 1000),
        ("trades.aggregate", {"fromId": 10}, 500, 1000),
    ],
)
def test_limits_have_a_default_and_are_cut_to_the_most(asker, method, params, default, most):
    assert len(asker.ask(method, symbol=S, **params)) == default
    assert len(asker.ask(method, symbol=S, **params, limit=most + 1)) == most
    assert len(asker.ask(method, symbol=S, **params, limit=2**62)) == most
    assert len(asker.ask(method, symbol=S, **params, limit="3")) == 3
    assert len(asker.ask(method, symbol=S, **params, limit=1)) == 1


def test_a_depth_has_exactly_as_many_levels_as_asked(asker):
    for limit, rows in ((None, 100), (7, 7), (1, 1), (5000, 5000), (5001, 5000), (10**15, 5000)):
        book = asker.ask("depth", symbol=S, **({} if limit is None else {"limit": limit}))
        assert (len(book["bids"]), len(book["asks"])) == (rows, rows)


def test_paging_of_klines(asker):
    params = {"symbol": S, "interval": "1m"}
    start = NOW // 60_000 * 60_000 - 3_600_000

    def opens(**window):
        return [(row[0] - start) // 60_000 for row in asker.ask("klines", **params, **window)]

    assert opens(limit=3) == [58, 59, 60]
    assert opens(startTime=start, limit=3) == [0, 1, 2]
    assert opens(endTime=start, limit=3) == [-2, -1, 0]
    assert opens(startTime=start, endTime=start + 600_000, limit=3) == [0, 1, 2]
    assert opens(startTime=start, endTime=start + 600_000) == list(range(11))
    assert opens(startTime=start, endTime=start) == [0]
    assert opens(startTime=start + 1, endTime=start + 1) == []
    assert opens(startTime=start + 1, endTime=start) == []
    assert opens(startTime=NOW + DAY_MS) == []
    assert opens(endTime=0) == []
    assert opens(startTime=2**63 - 1) == []
    assert opens(startTime=0, endTime=2**63 - 1, limit=1) == [
        (asker.ask("klines", **params, startTime=0, limit=1)[0][0] - start) // 60_000
    ]


def test_paging_of_aggregates(asker):
    start = NOW - 3_600_000
    rows = asker.ask("trades.aggregate", symbol=S, startTime=start, endTime=start + 60_000)
    assert start <= rows[0]["T"] <= rows[-1]["T"] <= start + 60_000
    before = asker.ask("trades.aggregate", symbol=S, fromId=rows[0]["a"] - 1, limit=1)
    assert before[0]["T"] < start
    after = asker.ask("trades.aggregate", symbol=S, fromId=rows[-1]["a"] + 1, limit=1)
    assert after[0]["T"] > start + 60_000
    newest = asker.ask("trades.aggregate", symbol=S, endTime=start + 60_000, limit=3)
    assert newest == rows[-3:]
    one = asker.ask("trades.aggregate", symbol=S, startTime=rows[4]["T"], endTime=rows[4]["T"])
    assert one == [row for row in rows if row["T"] == rows[4]["T"]]
    assert asker.ask("trades.aggregate", symbol=S, startTime=start + 1, endTime=start) == []
    assert asker.ask("trades.aggregate", symbol=S, startTime=NOW + 1) == []
    assert len(asker.ask("trades.aggregate", symbol=S)) == 500
    assert asker.ask("trades.aggregate", symbol=S, fromId=2**63 - 1) == []


def test_trades_by_id(asker):
    newest = asker.ask("trades.recent", symbol=S, limit=10)
    assert asker.ask("trades.historical", symbol=S, limit=10) == newest
    assert asker.ask("trades.historical", symbol=S, fromId=newest[3]["id"], limit=2) == newest[3:5]
    assert asker.ask("trades.historical", symbol=S, fromId=newest[-1]["id"] + 1) == []
    assert [t["id"] for t in asker.ask("trades.historical", symbol=S, fromId=0, limit=3)] == [
        0,
        1,
        2,
    ]
    for trade in newest:
        product_ = units(trade["price"]) * units(trade["qty"])
        assert units(trade["quoteQty"]) == product_ // 10**8


def test_an_average_is_that_of_the_last_five_minutes(asker):
    trades = trades_between(MARKET, S, NOW - 300_000 + 1, NOW + 1, NOW)
    volume, quote = sum(t[2] for t in trades), sum(t[3] for t in trades)
    expected = (2 * quote * 10**8 + volume) // (2 * volume)
    assert asker.ask("avgPrice", symbol=S) == {
        "mins": 5, "price": decimal(expected), "closeTime": trades[-1][4],
    }  # fmt: skip


def test_statistics_of_a_day_are_those_of_its_trades(asker):
    day = asker.ask("ticker.24hr", symbol=S)
    found = MARKET.summary(S, NOW - DAY_MS, NOW + 1)
    assert (day["openTime"], day["closeTime"]) == (NOW - DAY_MS, NOW)
    assert (day["firstId"], day["lastId"], day["count"]) == (
        found.first_id, found.last_id, found.count,
    )  # fmt: skip
    first, last = (
        asker.ask("trades.historical", symbol=S, fromId=day[key], limit=1)[0]
        for key in ("firstId", "lastId")
    )
    assert first["time"] >= NOW - DAY_MS
    assert (day["openPrice"], day["lastPrice"], day["lastQty"]) == (
        first["price"], last["price"], last["qty"],
    )  # fmt: skip
    before = asker.ask("trades.historical", symbol=S, fromId=day["firstId"] - 1, limit=1)[0]
    assert before["time"] < NOW - DAY_MS
    assert day["prevClosePrice"] == before["price"]
    change = units(last["price"]) - units(first["price"])
    assert day["priceChange"] == decimal(change)
    assert float(day["priceChangePercent"]) == pytest.approx(
        100 * change / units(first["price"]), abs=5.001e-4
    )
    assert float(day["weightedAvgPrice"]) == pytest.approx(
        float(day["quoteVolume"]) / float(day["volume"]), rel=1e-12
    )
    book = asker.ask("ticker.book", symbol=S)
    assert {k: day[k] for k in ("bidPrice", "bidQty", "askPrice", "askQty")} == {
        k: v for k, v in book.items() if k != "symbol"
    }
    depth = asker.ask("depth", symbol=S, limit=1)
    assert [[book["bidPrice"], book["bidQty"]]] == depth["bids"]
    assert [[book["askPrice"], book["askQty"]]] == depth["asks"]
    assert asker.ask("ticker.price", symbol=S) == {"symbol": S, "price": last["price"]}


@pytest.mark.parametrize(
    ("first", "last", "percent"),
    [
        ("0.01362800", "0.01376700", "1.020"),
        ("23818.97000000", "22880.91000000", "-3.938"),
        ("100.00000000", "100.00000000", "0.000"),
        ("100000.00000000", "99999.99990000", "0.000"),
    ],
)
def test_percentages_have_three_decimals_rounded_half_up(first, last, percent):
    row = [START, first, *[max(first, last), min(first, last)], last, "2.00000000", START + DAY_MS - 1,
           "2.00000000", 2, "1.00000000", "1.00000000", "0"]  # fmt: skip
    market = RecordedMarket({S: Recording({"1d": columns_of([row])})})
    day = Asker(Gateway(market), START + DAY_MS - 1).ask("ticker.24hr", symbol=S)
    assert (day["openPrice"], day["lastPrice"]) == (first, last)
    assert day["priceChangePercent"] == percent


def test_a_symbol_without_trades_yet_is_all_zeros():
    asker = Asker(Gateway(MARKET), 1_500_000_000_000)
    zero = "0.00000000"
    assert asker.ask("klines", symbol="SOLUSDT", interval="1d") == []
    assert asker.ask("trades.recent", symbol="SOLUSDT") == []
    assert asker.ask("ticker.price", symbol="SOLUSDT") == {"symbol": "SOLUSDT", "price": zero}
    assert asker.ask("avgPrice", symbol="SOLUSDT") == {"mins": 5, "price": zero, "closeTime": 0}
    day = asker.ask("ticker.24hr", symbol="SOLUSDT")
    assert (day["count"], day["firstId"], day["lastId"]) == (0, -1, -1)
    assert {
        day[k] for k in ("openPrice", "volume", "weightedAvgPrice", "priceChange", "bidPrice")
    } == {zero}
    assert day["priceChangePercent"] == "0.000"
    assert asker.ask("depth", symbol="SOLUSDT")["bids"] == []


def test_without_recent_trades_an_average_is_the_last_price():
    row = [START, "1.00000000", "3.00000000", "1.00000000", "2.00000000", "60.00000000", START + 59_999,
           "120.00000000", 60, "30.00000000", "60.00000000", "0"]  # fmt: skip
    market = RecordedMarket({S: Recording({"1m": columns_of([row])})})
    asker = Asker(Gateway(market), START + 3 * DAY_MS)
    last = asker.ask("trades.recent", symbol=S, limit=1)[0]
    assert asker.ask("avgPrice", symbol=S) == {
        "mins": 5, "price": "2.00000000", "closeTime": last["time"],
    }  # fmt: skip
    assert asker.ask("ticker.24hr", symbol=S)["prevClosePrice"] == "2.00000000"


# ---- one symbol, several, all


@pytest.mark.parametrize("method", ["ticker.24hr", "ticker.price", "ticker.book"])
def test_one_symbol_is_an_object_and_a_list_is_a_list(asker, method):
    one = asker.ask(method, symbol=S)
    assert asker.ask(method, symbols=[S]) == [one]
    assert asker.ask(method, symbols=json.dumps([S])) == [one]
    several = asker.ask(method, symbols=["ETHUSDT", S])
    assert [row["symbol"] for row in several] == ["ETHUSDT", S]
    assert several[1] == one
    assert [row["symbol"] for row in asker.ask(method)] == list(MARKET.symbols)
    assert asker.ask(method, symbolStatus="HALT") == []
    assert asker.ask(method, symbols=[S], symbolStatus="BREAK") == []
    assert asker.ask(method, symbols=[S], symbolStatus="TRADING") == [one]
    assert asker.refused(method, symbol=S, symbolStatus="HALT") == (
        -1220, "The symbol's status does not match the requested symbolStatus.",
    )  # fmt: skip
    assert asker.refused(method, symbols=[S, S]) == (
        -1151, "Symbol is present multiple times in the list.",
    )  # fmt: skip
    assert asker.refused(method, symbols=[S, "NOSUCH"]) == BAD_SYMBOL
    assert asker.refused(method, symbols=[f"A{i}" for i in range(101)]) == (
        -1101, "Too many values sent for parameter 'symbols', maximum allowed up to 100.",
    )  # fmt: skip
    assert asker.refused(method, symbol=S, symbols=[S]) == (
        -1128, "Combination of optional parameters invalid.",
    )  # fmt: skip


def test_exchange_info_selects_symbols(asker):
    def names(**params):
        return [row["symbol"] for row in asker.ask("exchangeInfo", **params)["symbols"]]

    assert names() == list(MARKET.symbols)
    assert names(symbol=S) == [S]
    assert names(symbols=["ETHUSDT", S]) == ["ETHUSDT", S]
    assert names(permissions="SPOT") == list(MARKET.symbols)
    assert names(permissions=["SPOT", "MARGIN"]) == list(MARKET.symbols)
    assert names(permissions=["LEVERAGED"]) == []
    assert names(symbolStatus="TRADING") == list(MARKET.symbols)
    assert names(symbolStatus="BREAK") == []
    assert asker.ask("exchangeInfo", symbol=S)["symbols"][0]["permissionSets"] == [["SPOT"]]
    shown = asker.ask("exchangeInfo", symbol=S, showPermissionSets=False)
    assert shown["symbols"][0]["permissionSets"] == []
    assert asker.refused("exchangeInfo", symbol="NOSUCH") == BAD_SYMBOL
    assert asker.refused("exchangeInfo", symbols=[S, S])[0] == -1151
    for one, other in [("symbol", "symbols"), ("symbol", "permissions"), ("symbols", "permissions"),
                       ("symbol", "symbolStatus"), ("symbols", "symbolStatus")]:  # fmt: skip
        values = {"symbol": S, "symbols": [S], "permissions": ["SPOT"], "symbolStatus": "TRADING"}
        both = {one: values[one], other: values[other]}
        assert asker.refused("exchangeInfo", **both)[0] == -1128


# ---- refusals


def test_every_method_of_one_symbol_refuses_bad_ones(asker):
    of_symbol = [
        "depth",
        "trades.recent",
        "trades.historical",
        "trades.aggregate",
        "klines",
        "uiKlines",
        "avgPrice",
    ]
    for method in of_symbol:
        more = {"interval": "1m"} if method.endswith("lines") else {}
        assert asker.refused(method, symbol="NOSUCH", **more) == BAD_SYMBOL
        assert asker.refused(method, symbol="btcusdt", **more) == illegal("symbol", CHARSET)
        assert asker.refused(method, symbol="BTC/USDT", **more) == illegal("symbol", CHARSET)
        assert asker.refused(method, symbol="A" * 51, **more) == illegal("symbol", CHARSET)
        assert asker.refused(method, **more) == missing("symbol")
        assert asker.refused(method, symbol="", **more) == missing("symbol")
        assert asker.refused(method, symbol=None, **more) == missing("symbol")


def test_intervals_are_the_sixteen_and_case_matters(asker):
    for interval in ("2m", "1H", "60", "1 m", "1y", "1mo"):
        assert asker.refused("klines", symbol=S, interval=interval) == (-1120, "Invalid interval.")
    assert asker.refused("klines", symbol=S) == missing("interval")
    assert asker.refused("klines", symbol=S, interval="") == missing("interval")
    assert (
        asker.refused("klines", symbol="NOSUCH", interval="2m") == BAD_SYMBOL
    )  # the symbol comes first
    minute, month = (asker.ask("klines", symbol=S, interval=i, limit=1)[0] for i in ("1m", "1M"))
    assert month[6] - month[0] > 27 * DAY_MS > minute[6] - minute[0]


LONG_METHODS = [
    ("klines", {"interval": "1m"}, ("startTime", "endTime")),
    ("trades.historical", {}, ("fromId",)),
    ("trades.aggregate", {}, ("fromId", "startTime", "endTime")),
]


@pytest.mark.parametrize(("method", "more", "names"), LONG_METHODS)
def test_numbers_are_digits_within_64_bits(asker, method, more, names):
    for name in names:
        for bad in ("-1", -1, "1e3", 1.5, "", " 1", "1_0", "٣", "0x10", "9" * 21):
            expected = (-1105, f"Parameter '{name}' was empty.") if bad == "" else illegal(name)
            assert asker.refused(method, symbol=S, **more, **{name: bad}) == expected
        assert asker.refused(method, symbol=S, **more, **{name: 2**63}) == (
            -1108, f"Parameter '{name}' overflowed.",
        )  # fmt: skip
        asker.ask(method, symbol=S, **more, **{name: 2**63 - 1})
        asker.ask(method, symbol=S, **more, **{name: None})


@pytest.mark.parametrize(
    "method", ["depth", "trades.recent", "trades.historical", "trades.aggregate", "klines"]
)
def test_limits_are_digits_above_zero(asker, method):
    more = {"interval": "1m"} if method == "klines" else {}
    assert asker.refused(method, symbol=S, **more, limit=0) == missing("limit")
    assert asker.refused(method, symbol=S, **more, limit="ten") == illegal("limit")
    assert asker.refused(method, symbol=S, **more, limit=-5) == illegal("limit")
    assert asker.refused(method, symbol=S, **more, limit="") == (
        -1105,
        "Parameter 'limit' was empty.",
    )


def test_an_id_excludes_times(asker):
    for name in ("startTime", "endTime"):
        assert asker.refused("trades.aggregate", symbol=S, fromId=1, **{name: 1}) == (
            -1128, "Combination of optional parameters invalid.",
        )  # fmt: skip


def test_words_that_are_none_of_a_list(asker):
    assert asker.refused("ticker.24hr", symbol=S, type="full") == (-1139, "Invalid ticker type.")
    for method in ("depth", "ticker.price"):
        assert asker.refused(method, symbol=S, symbolStatus="OPEN") == (
            -1122,
            "Invalid symbolStatus.",
        )
    assert asker.refused("depth", symbol=S, symbolStatus="HALT") == (
        -1220, "The symbol's status does not match the requested symbolStatus.",
    )  # fmt: skip
    assert asker.refused("exchangeInfo", showPermissionSets="yes")[0] == -1130


def test_parameters_that_nobody_reads(asker):
    assert asker.refused("ping", a=1) == (
        -1104, "Not all sent parameters were read; read '0' parameter(s) but was sent '1'.",
    )  # fmt: skip
    assert asker.refused("depth", symbol=S, symbols=[S]) == (
        -1104, "Not all sent parameters were read; read '1' parameter(s) but was sent '2'.",
    )  # fmt: skip
    assert asker.refused("avgPrice", symbol=S, a=1, b=2) == (
        -1101, "Too many parameters; expected '2' and received '3'.",
    )  # fmt: skip
    reply, _ = asker.frame('{"id":1,"method":"avgPrice","params":{"symbol":"A","symbol":"B"}}')
    assert reply["error"] == {"code": -1101, "msg": "Duplicate values for a parameter detected."}
    assert asker.ask(
        "trades.historical", symbol=S, apiKey="x" * 64, limit=1
    )  # ignored: it was needed once


# ---- time zones


def shift_of(zone):
    sign = -1 if zone.startswith("-") else 1
    hours, _, minutes = zone.lstrip("+-").partition(":")
    return sign * (int(hours) * 3_600_000 + int(minutes or 0) * 60_000)


@pytest.mark.parametrize(
    "zone", ["0", "8", "-1:00", "05:45", "-12:00", "+14:00", "14", "-0:30", "+05:30"]
)
def test_zones_move_the_edges_of_bars_and_nothing_else(asker, zone):
    shift = shift_of(zone)
    for interval in ("30m", "1h", "4h", "1d", "1w", "1M"):
        rows = asker.ask("klines", symbol=S, interval=interval, timeZone=zone, limit=2)
        assert rows == json.loads(MARKET.klines(S, interval, Window(None, None, 2), NOW, shift))
    (day,) = asker.ask("klines", symbol=S, interval="1d", timeZone=zone, limit=1)
    assert (day[0] + shift) % DAY_MS == 0
    start = day[0] + 3_600_000
    assert asker.ask("klines", symbol=S, interval="1d", timeZone=zone, startTime=start) == []


@pytest.mark.parametrize(
    "zone", ["-12:01", "14:01", "15", "-13", "5:60", "UTC", "5:4", "1:000", "²", "--1", "1:"]
)
def test_zones_that_there_are_not(asker, zone):
    assert asker.refused("klines", symbol=S, interval="1d", timeZone=zone) == (
        -1130, "Data sent for parameter 'timeZone' is not valid.",
    )  # fmt: skip


# ---- odd questions, against the plain meaning


def test_random_windows_of_trades_mean_what_they_say(asker):
    start = NOW - 90_000
    every = trades_between(MARKET, S, start, NOW + 1, NOW)
    rows = asker.ask("trades.historical", symbol=S, fromId=every[0][0], limit=1000)
    assert [row["id"] for row in rows] == [row[0] for row in every]
    aggregates = asker.ask("trades.aggregate", symbol=S, startTime=start, limit=1000)
    rng = random.Random(4)
    for _ in range(60):
        limit = rng.choice([1, 3, 1000])
        first = rng.choice([rng.randrange(every[0][0], every[-1][0] + 3), every[-1][0] + 1])
        asked = asker.ask("trades.historical", symbol=S, fromId=first, limit=limit)
        assert asked == [row for row in rows if row["id"] >= first][:limit]
        one, other = (
            rng.choice([rng.randrange(start, NOW + 9), rng.choice(every)[4]]) for _ in "ab"
        )
        asked = asker.ask("trades.aggregate", symbol=S, startTime=one, endTime=other, limit=limit)
        assert asked == [row for row in aggregates if one <= row["T"] <= other][:limit]


def test_bars_of_all_views_agree_through_the_door(asker):
    price = asker.ask("ticker.price", symbol=S)["price"]
    for interval, zone in product(("1m", "1h", "1d", "1M"), ("0", "05:45")):
        (row,) = asker.ask("klines", symbol=S, interval=interval, timeZone=zone, limit=1)
        assert row[4] == price
    minutes = asker.ask("klines", symbol=S, interval="1m", limit=10)
    assert minutes == between(MARKET, S, "1m", minutes[0][0], NOW + 1, NOW)
    last = MARKET.trades(S, Ids(None, 1), NOW)
    assert decimal(int(last.price[0])) == price
