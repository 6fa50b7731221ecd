"""A journal as frames: dtypes, joins, exact amounts, Parquet and worth."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bwsresearch as bws
from bwsresearch.exchange.journal import Journal, parsed
from bwsresearch.journals import Frames, JournalError

NOON = 1_706_702_400_000
TABLES = ("requests", "orders", "order_events", "fills", "balances")
KINDS = {
    "requests": {
        "seq": "int64", "account": "text", "method": "category", "symbol": "category",
        "side": "category", "type": "category", "time_in_force": "category", "price": "float64",
        "stop_price": "float64", "quantity": "float64", "quote_order_qty": "float64",
        "order_id": "int64", "client_order_id": "text", "status": "int64", "code": "int64",
        "msg": "text", "outcome": "category", "latency_us": "int64", "weight": "int64",
        "params": "text",
    },
    "orders": {
        "account": "text", "symbol": "category", "order_id": "int64", "client_order_id": "text",
        "side": "category", "type": "category", "time_in_force": "category", "status": "category",
        "price": "float64", "stop_price": "float64", "orig_qty": "float64",
        "executed_qty": "float64", "cummulative_quote_qty": "float64", "expiry_reason": "category",
        "update_time": "datetime64[us, UTC]",
    },
    "fills": {
        "account": "text", "symbol": "category", "order_id": "int64", "trade_id": "int64",
        "side": "category", "price": "float64", "qty": "float64", "quote_qty": "float64",
        "role": "category", "commission": "float64", "commission_asset": "category",
        "model": "category", "evidence": "category", "evidence_ref": "int64",
        "evidence_time": "datetime64[us, UTC]", "evidence_price": "float64",
        "available": "float64", "rule": "category", "ahead_before": "float64",
        "ahead_after": "float64",
    },
    "balances": {"account": "text", "asset": "category", "free": "float64", "locked": "float64"},
}  # fmt: skip


def kinds(frame):
    found = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    return {name: "text" if kind in ("object", "str") else kind for name, kind in found.items()}


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A journal of an hour of trading on a synthetic market."""
    now, folder = [NOON], tmp_path_factory.mktemp("journal")
    paper = bws.paper(
        {"USDT": 10_000, "ETH": 1}, market="synthetic", clock=lambda: now[0], journal=folder
    )
    paper.buy("BTCUSDT", quote=1000)
    last = float(paper.ticker_price("BTCUSDT").price)
    paper.buy("BTCUSDT", 0.05, limit=last * 0.9998)
    gone = paper.buy("BTCUSDT", 0.01, limit=last * 0.9)
    paper.sell("ETHUSDT", 0.5)
    for _ in range(6):
        now[0] += 600_000
        paper.balances()
    paper.cancel(gone)
    with pytest.raises(bws.UnknownOrder):
        paper.cancel(gone)
    paper.order_test("BTCUSDT", side="SELL", type="MARKET", quantity=1)
    paper.close()
    return folder


@pytest.fixture(scope="module")
def frames(journal):
    return Frames.of(journal)


def made(*records):
    """Frames of records that were written by hand: (kind, ms, body)."""
    lines = []
    journal = Journal(lines.append)
    for kind, ms, body in records:
        journal.add(kind, ms, body)
    journal.commit()
    kinds = {}
    for line in b"".join(lines).splitlines():
        kinds.setdefault(parsed(line)["k"], []).append(line)
    return Frames(kinds)


# ---- shapes


@pytest.mark.parametrize("table", KINDS)
def test_dtypes_are_the_same_with_rows_and_without(frames, table):
    full, empty = getattr(frames, table)(), getattr(Frames({}), table)()
    assert kinds(full) == KINDS[table]
    assert kinds(empty) == KINDS[table]
    assert len(full) > 0
    for frame in (full, empty):
        assert frame.index.name == "time"
        assert str(frame.index.dtype) == "datetime64[us, UTC]"


def test_events_have_what_orders_have_and_why(frames):
    events, orders = frames.order_events(), frames.orders()
    assert set(events) - set(orders) == {"execution", "cause", "execution_id"}
    last = events.groupby("order_id", sort=False)["status"].last()
    named = orders[orders["symbol"] == "BTCUSDT"].set_index("order_id")["status"]
    assert named.astype(str).to_dict() == last.astype(str).to_dict() | {1: "FILLED"}


def test_frames_can_be_written_into(frames):
    frame = frames.fills()
    frame.loc[frame.index[0], "price"] = 1.0
    assert frame["price"].iloc[0] == 1.0


# ---- exact amounts


@pytest.mark.parametrize("table", TABLES)
def test_decimals_are_exactly_what_was_written(frames, table):
    exact, rounded = getattr(frames, table)(decimal=True), getattr(frames, table)()
    amounts = [name for name, dtype in rounded.dtypes.items() if dtype == np.float64]
    assert amounts
    for name in amounts:
        assert exact[name].dtype == pd.ArrowDtype(pa.decimal128(38, 8))
        floats = [np.nan if value is pd.NA else float(value) for value in exact[name]]
        np.testing.assert_array_equal(np.array(floats), rounded[name].to_numpy())
    others = [name for name in rounded if name not in amounts]
    pd.testing.assert_frame_equal(exact[others], rounded[others])


def test_a_decimal_keeps_what_a_float_cannot():
    frames = made(
        ("bal", 0, {"account": "a", "asset": "X", "free": "90071992547.40993001", "locked": "0"})
    )
    assert frames.balances(decimal=True)["free"].tolist() == [Decimal("90071992547.40993001")]
    assert frames.balances()["free"].tolist() == [90071992547.40993]


def test_sums_of_decimals_are_exact(frames):
    fills = frames.fills(decimal=True)
    bought = fills[fills["order_id"] == 1]
    first = bought[bought["symbol"] == "BTCUSDT"]
    orders = frames.orders(decimal=True)
    order = orders[(orders["order_id"] == 1) & (orders["symbol"] == "BTCUSDT")].iloc[0]
    assert sum(first["qty"]) == order["executed_qty"]
    assert sum(first["quote_qty"]) == order["cummulative_quote_qty"]


def test_a_refused_request_may_say_anything():
    def asked(**params):
        return (
            "req",
            0,
            {"method": "order.place", "account": "a", "refused": True, "params": params},
        )

    frames = made(
        asked(price="abc", quantity="1e-9", orderId="x", side="HOLD"),
        asked(price="inf", quantity="0.5", quoteOrderQty="nan", orderId="9" * 30),
        asked(price="", quantity=True, symbol=None),
    )
    for table in (frames.requests(), frames.requests(decimal=True)):
        assert table["price"].isna().all()
        assert table["order_id"].tolist() == [0, 0, 0]
        assert table["quote_order_qty"].isna().all()
    assert frames.requests()["quantity"].tolist()[1] == 0.5
    assert frames.requests()["side"].tolist()[0] == "HOLD"


# ---- joins


def test_requests_have_their_answers(frames):
    table = frames.requests()
    assert table["method"].tolist() == [
        *["order.place"] * 4, "order.cancel", "order.cancel", "order.test",
    ]  # fmt: skip
    assert table["status"].tolist() == [200, 200, 200, 200, 200, 400, 200]
    assert table["code"].tolist() == [0, 0, 0, 0, 0, -2011, 0]
    assert table["msg"].tolist()[5] == "Unknown order sent."
    assert table["order_id"].tolist() == [1, 2, 3, 1, 3, 3, 0]
    assert table["client_order_id"].str.len().tolist() == [22, 22, 22, 22, 22, 0, 0]
    assert table["weight"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert table["params"].str.contains('"timestamp"').all()
    assert not table["params"].str.contains("apiKey|signature").any()
    assert table["outcome"].isna().all()


def test_a_request_without_answer_stands_alone():
    frames = made(
        ("req", 5, {"method": "order.place", "account": "", "params": {"symbol": "X", "price": 7}})
    )
    (row,) = frames.requests().itertuples()
    assert (row.status, row.code, row.symbol, row.price, row.latency_us) == (0, 0, "X", 7.0, 0)


def test_a_replacement_is_about_the_new_order():
    params = {"symbol": "X", "cancelOrderId": "3", "newClientOrderId": "mine"}
    request = ("req", 0, {"method": "order.cancelReplace", "account": "", "params": params})
    halves = {
        "cancelResponse": {"orderId": 3, "clientOrderId": "c"},
        "newOrderResponse": {"orderId": 4, "clientOrderId": "mine"},
    }
    both = made(request, ("res", 1, {"of": 1, "status": 200, "body": halves})).requests()
    assert both[["order_id", "client_order_id"]].to_numpy().tolist() == [[4, "mine"]]
    failed = halves | {"newOrderResponse": {"code": -2010, "msg": "no"}}
    half = made(
        request, ("res", 1, {"of": 1, "status": 409, "code": -2021, "data": failed})
    ).requests()
    assert half[["order_id", "code", "status"]].to_numpy().tolist() == [[3, -2021, 409]]
    none = made(request, ("res", 1, {"of": 1, "status": 400, "code": -2010})).requests()
    assert none["order_id"].tolist() == [3]


def test_latency_is_by_the_clock_of_who_asked():
    frames = made(
        ("req", 100, {"method": "order.place", "account": "", "params": {}, "recv_ns": 5_000_000}),
        ("res", 101, {"of": 1, "status": 200, "body": {}, "done_ns": 5_750_000}),
        ("req", 200, {"method": "order.place", "account": "", "params": {}}),
        ("res", 203, {"of": 3, "status": 200, "body": {}}),
    )
    assert frames.requests()["latency_us"].tolist() == [750, 3000]


def test_an_order_is_there_once_by_the_time_it_was_placed(frames):
    orders = frames.orders()
    assert len(orders) == 4
    assert (orders.index == pd.Timestamp(NOON, unit="ms", tz="UTC")).all()
    gone = orders[orders["order_id"] == 3].iloc[0]
    assert gone["status"] == "CANCELED"
    assert gone["update_time"] == pd.Timestamp(NOON + 3_600_000, unit="ms", tz="UTC")


def test_every_fill_has_its_evidence(frames):
    fills = frames.fills()
    assert set(fills["evidence"]) <= {"print", "level"}
    assert (fills["qty"] <= fills["available"]).all()
    makers = fills[fills["role"] == "MAKER"]
    assert len(makers) > 0
    assert (makers["evidence_price"] < makers["price"]).all()  # all of them bought
    assert (makers["evidence_time"] == makers.index).all()
    assert (makers["ahead_before"].dropna() >= 0).all()


# ---- worth


def test_equity_is_what_is_held_at_the_prices_of_then(frames):
    equity = frames.equity("USDT")
    assert equity.name == "equity"
    assert equity.index.is_unique
    held = frames.balances().groupby("asset", observed=True).last()
    total = held["free"] + held["locked"]
    prices = {asset: series.iloc[-1] for asset, series in frames.prices("USDT").items()}
    assert equity.iloc[-1] == pytest.approx(sum(total[a] * prices.get(a, 1.0) for a in total.index))
    assert equity.iloc[0] == pytest.approx(10_000 + prices["ETH"], rel=0.05)


def test_prices_of_ones_own_can_be_used(frames):
    times = pd.date_range("2024-01-31T12:00", periods=4, freq="1h", tz="UTC")
    prices = {"BTC": pd.Series([1.0, 2.0, 3.0, 4.0], times), "ETH": pd.Series(0.0, times)}
    equity = frames.equity("USDT", prices)
    table = frames.balances().groupby("asset", observed=True).last()
    held = table["free"] + table["locked"]
    assert equity.iloc[-1] == pytest.approx(held["USDT"] + 4 * held["BTC"])


def balance(ms, asset, free, account="a"):
    return ("bal", ms, {"account": account, "asset": asset, "free": str(free), "locked": "0"})


def listed(*pairs):
    return ("open", 0, {"symbols": [
        {"symbol": base + quote, "baseAsset": base, "quoteAsset": quote} for base, quote in pairs
    ]})  # fmt: skip


def mark(ms, **last):
    return ("mark", ms, {"of": 0, "last": {name: str(price) for name, price in last.items()}})


def test_a_price_is_found_in_either_direction_and_by_way_of_a_third():
    frames = made(
        listed(("BTC", "USDT"), ("ETH", "BTC"), ("USDT", "TRY")),
        mark(1, BTCUSDT=20_000),
        mark(2, BTCUSDT=25_000, ETHBTC="0.05", USDTTRY=8),
    )
    prices = frames.prices("USDT")
    assert {name: series.tolist() for name, series in prices.items()} == {
        "BTC": [20_000.0, 25_000.0], "ETH": [1250.0], "TRY": [0.125],
    }  # fmt: skip
    assert frames.prices("BTC")["USDT"].tolist() == [1 / 20_000, 1 / 25_000]
    assert frames.prices("XYZ") == {}
    assert Frames({}).prices("USDT") == {}


def test_an_asset_counts_at_its_first_price_before_it_has_one():
    frames = made(
        listed(("BTC", "USDT")), balance(0, "USDT", 100), balance(0, "BTC", 2), balance(1, "XYZ", 7),
        mark(5, BTCUSDT=10), mark(9, BTCUSDT=20),
    )  # fmt: skip
    assert frames.equity("USDT").tolist() == [120.0, 120.0, 120.0, 140.0]


def test_what_was_done_later_counts_later_whatever_its_time():
    # Two symbols were looked at one after the other, each up to now.
    frames = made(balance(0, "USDT", 100), balance(9, "USDT", 50), balance(5, "USDT", 20))
    assert frames.equity("USDT").iloc[-1] == 20.0


def test_one_of_several_accounts_must_be_named():
    frames = made(balance(0, "USDT", 1, "alice"), balance(0, "USDT", 2, "bob"))
    assert frames.equity("USDT", account="bob").tolist() == [2.0]
    with pytest.raises(ValueError, match=r"^account is left out, must be one of alice, bob$"):
        frames.equity("USDT")
    assert Frames({}).equity("USDT").empty


# ---- files


def test_parquet_keeps_everything_exactly(frames, tmp_path):
    files = frames.to_parquet(tmp_path / "tables")
    assert [file.stem for file in files] == list(TABLES)
    for file in files:
        exact = getattr(frames, file.stem)(decimal=True)
        schema = pq.read_schema(file)
        for name, dtype in exact.dtypes.items():
            if dtype == pd.ArrowDtype(pa.decimal128(38, 8)):
                assert schema.field(name).type == pa.decimal128(38, 8)
        assert schema.field("time").type == pa.timestamp("us", tz="UTC")
        back = pd.read_parquet(file, dtype_backend="pyarrow")
        assert back.index.astype("int64").tolist() == exact.index.astype("int64").tolist()
        for name in exact:
            told = [None if value is pd.NA or value != value else value for value in exact[name]]  # noqa: PLR0124
            kept = [None if value is pd.NA else value for value in back[name]]
            assert kept == told, name


def test_a_journal_that_is_being_written_can_be_read(journal, tmp_path):
    whole = b"".join(file.read_bytes() for file in sorted(journal.glob("*.jsonl")))
    cut = tmp_path / "journal-1-00001.jsonl"
    lengths = []
    for part in (0.3, 0.6, 1.0):
        cut.write_bytes(whole[: int(len(whole) * part)])
        lengths.append([len(getattr(Frames.of(tmp_path), table)()) for table in TABLES])
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[2] == [len(getattr(Frames.of(journal), table)()) for table in TABLES]


def test_a_folder_without_a_journal_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="holds no journal"):
        Frames.of(tmp_path)
