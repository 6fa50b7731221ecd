import datetime as dt
import time

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.errors import CacheError
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.journals import JournalError, read
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES, TRADES

from .lab import NOON, Clock, Server, on_bridge, watching

MINUTE = 60_000


def bars(count, start_ms):
    """Rising and falling bars, a tenth of a percent a minute."""
    opens = start_ms + MINUTE * np.arange(count, dtype=np.int64)
    close = np.round(20_000 * np.exp(0.02 * np.sin(np.arange(count) / 9)), 2)
    first = np.concatenate([[20_000.0], close[:-1]])
    return {
        "open_time": opens * 1000,
        "open": first,
        "high": np.round(np.maximum(first, close) + 1, 2),
        "low": np.round(np.minimum(first, close) - 1, 2),
        "close": close,
        "volume": np.full(count, 10.00001),
        "close_time": (opens + MINUTE - 1) * 1000,
        "quote_volume": np.round(10.0 * close, 2),
        "trades": np.full(count, 50, np.int64),
        "taker_buy_volume": np.full(count, 5.0),
        "taker_buy_quote_volume": np.round(5.0 * close, 2),
    }


def ticks(count, start_ms):
    """A trade each second, to and fro."""
    price = np.round(20_000 + 50 * np.sin(np.arange(count) / 30), 2)
    return {
        "time": (start_ms + 1000 * np.arange(count, dtype=np.int64)) * 1000,
        "id": 100 + np.arange(count, dtype=np.int64),
        "price": price,
        "qty": np.full(count, 0.50001),
        "quote_qty": np.round(price * 0.50001, 7),
        "is_buyer_maker": np.arange(count) % 2 == 0,
    }


@pytest.fixture
def recorded(cache_dir):
    """Put rows into the cache."""

    def put(schema, columns, interval=None, server="production", symbol="BTCUSDT"):
        times = columns[schema.time] // 1000
        span = (int(times[0]), int(times[-1]) + 60_000)
        Cache(cache_dir, server).write(schema, symbol, interval, columns, [span], source="imported")

    return put


# ---- the markets


def test_an_account_has_ten_thousand_dollars_unless_told_otherwise(opened):
    assert opened().balances()["free"].to_dict() == {"USDT": 10_000.0}
    assert opened({"eur": 5, "BTC": "0.1"}).balances()["free"].to_dict() == {"BTC": 0.1, "EUR": 5.0}


def test_recorded_trades_are_traded_by_trades(opened, recorded):
    recorded(TRADES, ticks(3000, NOON - 1_000_000))
    now = Clock()
    paper = opened(market="cache", clock=now)
    assert paper._office.models() == ["trades@1"]
    assert repr(paper).startswith("Paper account on recorded trades\n")
    taken = paper.buy("BTCUSDT", quote=100)
    assert taken.status == "FILLED"
    rest = paper.buy("BTCUSDT", 0.01, limit=float(taken.fills[0].price) - 20)
    for _ in range(20):
        now.pass_by(60)
        paper.balances()
    fills = paper.fills()
    assert set(fills["model"]) == {"trades@1"}
    (maker,) = fills[fills["order_id"] == rest.order_id].itertuples()
    assert (maker.evidence, maker.rule) == ("print", "through")
    prints = dict(zip(100 + np.arange(3000), ticks(3000, NOON - 1_000_000)["price"], strict=True))
    assert prints[maker.evidence_ref] == maker.evidence_price < maker.price


def test_recorded_bars_are_traded_bar_by_bar(opened, recorded):
    recorded(KLINES, bars(600, NOON - 300 * MINUTE), "1m")
    now = Clock(NOON + 30_000)
    paper = opened(market="cache", clock=now)
    assert paper._office.models() == ["klines@1"]
    waiting = paper.buy("BTCUSDT", 0.01)
    assert (waiting.status, waiting.fills) == ("NEW", [])
    assert len(paper.fills()) == 0
    now.pass_by(30)
    (fill,) = paper.fills().itertuples()
    at = bars(600, NOON - 300 * MINUTE)["open"][301]
    assert (fill.evidence, fill.rule, fill.evidence_ref) == ("bar", "open", NOON + MINUTE)
    assert fill.price == pytest.approx(at * 1.0002, abs=0.01)
    assert fill.price > at
    paper.close()
    again = opened(market="cache", clock=now, journal=paper.journal)
    assert on_bridge(again, again._office.state_hash) == on_bridge(paper, paper._office.state_hash)


def test_each_symbol_of_the_cache_has_the_model_that_its_data_allows(opened, recorded):
    recorded(KLINES, bars(600, NOON - 300 * MINUTE), "1m")
    recorded(TRADES, ticks(3000, NOON - 1_000_000), symbol="ETHUSDT")
    now = Clock(NOON + 30_000)
    paper = opened(market="cache", clock=now)
    assert paper.buy("BTCUSDT", 0.01).status == "NEW"
    assert paper.buy("ETHUSDT", 0.01).status == "FILLED"
    now.pass_by(30)
    fills = paper.fills().set_index("symbol")
    assert fills["model"].to_dict() == {"ETHUSDT": "trades@1", "BTCUSDT": "klines@1"}
    assert "klines@1, trades@1" in repr(paper)


def test_a_model_can_be_chosen(opened, recorded):
    recorded(KLINES, bars(100, NOON - 50 * MINUTE), "1m")
    paper = opened(market="cache", clock=Clock(), model={"id": "depth+trades@1"})
    assert paper.buy("BTCUSDT", quote=100).status == "FILLED"
    slipping = opened(model={"id": "klines@1", "slippage_bps": 50})
    assert slipping._office.models() == ["klines@1"]
    with pytest.raises(ValueError, match=r"model.id is 'x', must be one of best, depth"):
        opened(model={"id": "x"})
    with pytest.raises(ValueError, match=r"model.patience is no setting"):
        opened(model={"patience": 1})


def test_the_cache_of_one_server_can_be_named(opened, recorded):
    recorded(KLINES, bars(100, NOON - 50 * MINUTE), "1m", server="testnet")
    recorded(KLINES, bars(100, NOON - 50 * MINUTE), "1m", server="demo", symbol="ETHUSDT")
    with pytest.raises(CacheError, match="holds rows of demo, testnet; name one"):
        opened(market="cache", clock=Clock())
    paper = opened(market="cache", clock=Clock(), server="demo")
    assert paper.exchange_info().symbols[0].symbol == "ETHUSDT"


def test_an_empty_cache_is_an_error(opened):
    with pytest.raises(CacheError, match="holds nothing of production"):
        opened(market="cache", clock="2024-01-31")


def test_a_live_account_is_called_after_its_server(opened):
    server = Server(SyntheticMarket(2))
    paper = opened(market="client", client=watching(server))
    assert repr(paper).startswith(f"Paper account on {server.market.identity}, live\n")
    hours = bws.klines("BTCUSDT", "1h", start=NOON - 7_200_000, end=NOON, client=paper)
    assert hours.attrs["server"] == server.market.identity


def test_the_default_client_is_watched(opened):
    client = bws.connect("local")
    paper = opened(market="client")
    assert paper.ticker_price("BTCUSDT").price > 0
    assert client.weight.count > 0


# ---- the clock


@pytest.mark.parametrize(
    "clock",
    ["2024-01-31T12:00", "2024-01-31T13:00+01:00", dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC)],
)
def test_a_clock_begins_at_a_time_and_runs(opened, clock):
    paper = opened(clock=clock)
    first = paper.time().server_time
    assert NOON <= first < NOON + 60_000
    assert paper.time().server_time >= first
    assert "time    2024-01-31 12:00:" in repr(paper)


def test_a_clock_may_tell_the_time_in_many_ways(opened):
    for told in (
        NOON,
        dt.datetime(2024, 1, 31, 12),
        dt.datetime(2024, 1, 31, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        pd.Timestamp("2024-01-31T12:00:00.000999Z"),
    ):
        assert opened(clock=lambda told=told: told).time().server_time == NOON


def test_time_goes_on_from_where_a_journal_ended(opened):
    now = Clock(NOON + 3_600_000)
    paper = opened(clock=now)
    paper.buy("BTCUSDT", quote=100)
    paper.close()
    now.now_ms = NOON
    again = opened(clock=now, journal=paper.journal)
    assert again.time().server_time == NOON + 3_600_000
    assert again.buy("BTCUSDT", quote=50).transact_time == NOON + 3_600_000
    again.close()
    third = opened(clock="2024-01-31T12:00", journal=paper.journal)
    assert NOON + 3_600_000 <= third.time().server_time < NOON + 3_660_000
    times = [record["t"] for record in read(paper.journal).records]
    assert times == sorted(times)


def test_a_clock_that_is_set_back_stands_still(opened, clock):
    paper = opened()
    first = paper.buy("BTCUSDT", quote=50).transact_time
    clock.now_ms -= 5_000
    assert paper.buy("BTCUSDT", quote=50).transact_time == first


# ---- the journal


def test_journals_lie_below_the_data_folder(opened, tmp_path):
    first, second = opened(), opened()
    begun = tmp_path / "data" / "paper" / "20240131T120000-synthetic-1"
    assert first.journal == begun
    assert second.journal == begun.with_name(f"{begun.name}-2")
    assert repr(first).endswith("  ($BWS_DATA_DIR/paper/20240131T120000-synthetic-1)")


def test_a_journals_place_is_kept_when_one_goes_elsewhere(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paper = opened(journal="orders")
    assert paper.journal == tmp_path / "orders"
    assert repr(paper).endswith("\n  (orders)")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert opened(journal="~/mine").journal == tmp_path / "home" / "mine"


def test_a_journal_keeps_its_settings(opened):
    paper = opened({"BTC": 1}, fee="0.002", fees_in_bnb=False, model={"id": "trades@1"})
    paper.sell("BTCUSDT", 0.01)
    paper.close()
    folder = paper.journal
    again = opened(journal=folder)
    assert again.quote_asset == "BTC"
    assert again._office.model == "trades@1"
    assert float(again.sell("BTCUSDT", 0.01).fills[0].commission) > 0
    assert set(again.fills()["model"]) == {"trades@1"}
    again.close()
    for options, match in (
        ({"model": {"id": "depth+trades@1"}}, "model is depth.trades@1, but the journal"),
        ({"fee": "0.001"}, "fee is 0.001, but the journal"),
        ({"fees_in_bnb": True}, "fees_in_bnb is True, but the journal"),
        ({"seed": 2}, "was written on local-.*, not on local-"),
    ):
        with pytest.raises(ValueError, match=match):
            opened(journal=folder, **options)
    assert len(opened(journal=folder, fee=0.002, model={"id": "trades@1"}).requests()) == 2


def test_a_journal_of_another_market_is_left_as_it_is(opened):
    paper = opened()
    paper.close()
    before = [file.read_bytes() for file in sorted(paper.journal.iterdir())]
    with pytest.raises(ValueError, match="take it up on the same market"):
        opened(market="client", client=watching(Server(SyntheticMarket(9))), journal=paper.journal)
    assert [file.read_bytes() for file in sorted(paper.journal.iterdir())] == before


def test_a_data_folder_that_cannot_be_is_an_error(opened, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BWS_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(JournalError, match="cannot be made"):
        opened()


def test_a_folder_that_is_none_is_an_error(opened, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be written"):
        opened(journal=tmp_path / "file")


# ---- what cannot be meant


def test_what_cannot_be_meant_is_said(opened):
    for options, match in (
        ({"balances": {}}, "balances is empty, give at least one"),
        ({"balances": {"USDT": -1}}, "balance of USDT is -1, must be 0 or more"),
        ({"balances": {"USDT": "many"}}, "balance of USDT is 'many', must be a number"),
        ({"balances": {"USDT": float("inf")}}, "balance of USDT is inf, must be finite"),
        ({"market": "binance"}, "market is 'binance', must be 'client', 'cache' or 'synthetic'"),
        ({"market": "cache"}, "market='cache' needs clock="),
        ({"market": "client", "clock": "2024-01-31"}, "clock is '2024-01-31', but a client's"),
        ({"clock": "noon"}, "clock is 'noon', must be an ISO time such as"),
        ({"fee": 1}, "fee is 1, must be 0 or more and below 1; 0.001 is 0.1 %"),
        ({"fee": "-0.1"}, "fee is -0.1, must be 0 or more"),
        ({"server": "testnet"}, "server is 'testnet', but market='synthetic'"),
        (
            {"client": bws.connect("local")},
            "client is <Client local closed>, but market='synthetic'",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            opened(**options)
    client = watching(Server(SyntheticMarket(2)))
    with pytest.raises(ValueError, match="model is klines@1, but a client's market"):
        opened(market="client", client=client, model={"id": "klines@1"})
    with pytest.raises(TypeError, match=r"client is 'local', must be what bws\.connect"):
        opened(market="client", client="local")


def test_a_server_that_is_not_there_is_said_at_once(opened):
    nobody = bws.connect("ws://127.0.0.1:1/ws-api/v3")
    before = time.monotonic()
    with pytest.raises(bws.Disconnected):
        opened(market="client", client=nobody)
    assert time.monotonic() - before < 60


def test_fees_are_those_that_were_chosen(opened):
    paper = opened({"USDT": 1000, "BNB": 1}, fee=0, fees_in_bnb=True)
    assert paper.buy("BTCUSDT", quote=100).fills[0].commission == 0
    dear = opened({"USDT": 1000, "BNB": 1}, fee="0.01", fees_in_bnb=True)
    dear.ticker_price("BNBUSDT")
    dear.order_test("BNBUSDT", side="BUY", type="MARKET", quantity=1)  # lets it see a price of BNB
    fill = dear.buy("BTCUSDT", quote=100).fills[0]
    assert fill.commission_asset == "BNB"
