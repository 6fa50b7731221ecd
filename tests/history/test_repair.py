"""Whatever happens to the files: after a repair the frame is the undisturbed one, bit for bit."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.cache import repair, verify
from bwsresearch.errors import BadParameter, BadSymbol
from bwsresearch.store import Cache, parquet
from bwsresearch.tables import DEPTH, KLINES, SCHEMAS, TRADES, from_arrow, sliced

from .lab import DAY, MINUTE, Exchange, Watched, bars, recorded, refusal, ticks, without

START = 1_704_067_200_000  # 2024-01-01
DAYS = 33  # two files, of five row groups and one
BARS = bars(DAYS * 1440, START)
TRADED = ticks(9000, START + DAY - 60_000, first_id=70)
OTHERS = bars(DAYS * 24, START, 60 * MINUTE, seed=2)
FLIPS = 200 if os.environ.get("BWS_FULL") else 8
LAST = int(TRADED["time"][-1]) // 1000
MONTH = "klines/symbol=BTCUSDT/interval=1m/month=2024-01/part-0.parquet"


def pulled(client, symbol="BTCUSDT", interval="1m"):
    return bws.klines(symbol, interval, start=START, end=START + DAYS * DAY, client=client)


def traded(client, call=bws.trades):
    return call("BTCUSDT", start=START + DAY - 60_000, end=LAST + 1, client=client)


@pytest.fixture(scope="module")
def market():
    return recorded(
        TRADED, BTCUSDT={"1m": BARS}, ETHUSDT={"1h": OTHERS, "1m": bars(DAYS * 1440, START, seed=3)}
    ).gateway.market


@pytest.fixture(scope="module")
def filled(tmp_path_factory, market):
    """A cache with bars of two symbols and trades of both kinds, pulled through a client."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BWS_CACHE_DIR", str(folder))
        exchange = Exchange(Watched(market))
        whole = {
            "BTCUSDT": pulled(exchange.client),
            "ETHUSDT": pulled(exchange.client, "ETHUSDT"),
            "trades": traded(exchange.client),
            "aggs": traded(exchange.client, bws.agg_trades),
        }
    return folder, whole


class Lab:
    """A copy of the filled cache, and the exchange that it came from."""

    def __init__(self, exchange, folder, whole):
        self.exchange, self.whole = exchange, whole
        self.client, self.folder = exchange.client, folder
        self.top = next((folder / "v1").iterdir())

    def file(self, below=MONTH):
        return self.top / below

    def rewrite(self, change, below=MONTH, schema=KLINES):
        """Write a file anew, in the same way, with what a change makes of rows and footer."""
        path = self.file(below)
        table, footer = parquet.read(schema, path)
        columns, footer = change(from_arrow(schema, table), footer)
        with path.open("wb") as file:
            parquet.write(schema, file, columns, footer)

    def repaired(self, **options):
        """Repair, and return the lines of what was done."""
        self.exchange.gateway.calls.clear()
        return repair(self.client, **options)

    def assert_whole(self):
        """All frames are the undisturbed ones, without asking for anything."""
        self.exchange.gateway.calls.clear()
        found = {
            "BTCUSDT": pulled(self.client),
            "ETHUSDT": pulled(self.client, "ETHUSDT"),
            "trades": traded(self.client),
            "aggs": traded(self.client, bws.agg_trades),
        }
        for name, frame in found.items():
            pd.testing.assert_frame_equal(frame, self.whole[name], check_exact=True)
            assert frame.attrs["source"] == "cache"
        assert self.exchange.asked == {}
        assert verify().empty


@pytest.fixture
def lab(filled, market, cache_dir):
    folder, whole = filled
    shutil.copytree(folder, cache_dir)
    return Lab(Exchange(Watched(market)), cache_dir, whole)


def asked(table):
    """What was asked for, as (what, start, end, rows asked, rows got, requests)."""
    lines = table[table["start"].notna()]
    names = ["what", "start", "end", "rows_asked", "rows_got", "requests"]
    return [tuple(row) for row in lines[names].itertuples(index=False)]


def at(text):
    return pd.Timestamp(text, tz="UTC")


def test_nothing_is_done_to_a_sound_cache(lab):
    before = {p: p.stat().st_mtime_ns for p in lab.folder.rglob("*.parquet")}
    table = lab.repaired()
    assert len(table) == 0
    assert list(table) == [
        "kind", "symbol", "interval", "what", "done", "start", "end", "rows_asked", "rows_got",
        "requests", "path",
    ]  # fmt: skip
    assert lab.exchange.asked == {}
    assert {p: p.stat().st_mtime_ns for p in lab.folder.rglob("*.parquet")} == before


def test_an_empty_cache_needs_no_repair(market, cache_dir):
    exchange = Exchange(Watched(market))
    assert len(repair(exchange.client)) == 0
    assert not cache_dir.exists()


# ---- damage --------------------------------------------------------------------------------------


def truncated(share):
    return lambda data: data[: int(len(data) * share)]


DAMAGES = {
    "cut to half": truncated(0.5),
    "cut to a tenth": truncated(0.1),
    "without its end": lambda data: data[:-1],
    "without its beginning": lambda data: data[1:],
    "longer": lambda data: data + b"\0",
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: random.Random(1).randbytes(len(data)),
    "text": lambda _: b"not a file of the cache\n",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_fetched_again_as_a_whole(damage, lab):
    path = lab.file()
    path.write_bytes(damage(path.read_bytes()))
    ((where, what),) = verify()[["path", "what"]].to_numpy()
    assert (where, what) == (str(path), "damage")
    table = lab.repaired()
    assert asked(table) == [("damage", at("2024-01-01"), at("2024-02-01"), 44640, 44640, 46)]
    assert set(table["path"]) == {str(path)}
    assert table["done"].iloc[0].startswith(f"put aside in {lab.folder / '.damaged'}")
    lab.assert_whole()


def test_only_the_damaged_part_of_a_file_is_fetched_again(lab):
    path = lab.file()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4  # in the third week
    path.write_bytes(data)
    assert asked(lab.repaired()) == [
        ("damage", at("2024-01-15"), at("2024-01-22"), 10080, 10080, 12)
    ]
    lab.assert_whole()


@pytest.mark.parametrize("kind", ["trades", "aggs"])
def test_damaged_trades_are_fetched_again(kind, lab):
    path = lab.file(f"{kind}/symbol=BTCUSDT/date=2024-01-02/part-0.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    (line,) = asked(lab.repaired())
    assert line[0] == "damage"
    assert at("2024-01-02") <= line[1] < line[2] == pd.Timestamp(LAST + 1, unit="ms", tz="UTC")
    assert pd.isna(line[3])
    inside = lab.whole[kind].index >= line[1]
    assert line[4] == inside.sum()
    lab.assert_whole()


def test_every_flipped_bit_is_found_and_repaired_or_changes_nothing(lab):
    """Of bits drawn by a seed, each is found by `verify`, or leaves all values as they are."""
    draw, path = random.Random(11), lab.file()
    sound, found = path.read_bytes(), 0
    table, footer = parquet.read(KLINES, path)
    for _ in range(FLIPS):
        data = bytearray(sound)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        if verify().empty:
            again, same = parquet.read(KLINES, path)
            assert again.equals(table)
            assert same == footer
            continue
        found += 1
        before = path.read_bytes()
        lab.repaired()
        assert path.read_bytes() != before
        assert verify().empty
        pd.testing.assert_frame_equal(pulled(lab.client), lab.whole["BTCUSDT"], check_exact=True)
        assert pulled(lab.client).attrs["source"] == "cache"
    assert found > FLIPS * 3 // 4


def test_a_book_that_is_damaged_is_put_aside_and_not_asked_for(lab, cache_dir):
    server = lab.top.name
    rows = {name: np.arange(1, 10) if dtype.kind != "b" else np.arange(9) % 2 == 0 for name, dtype in DEPTH.dtypes.items()}  # fmt: skip
    rows = {name: values.astype(DEPTH.dtypes[name]) for name, values in rows.items()}
    rows["time"] = START * 1000 + rows["time"] * 1000
    Cache(cache_dir, server).write(DEPTH, "BTCUSDT", None, rows, (), source="archive")
    path = lab.file("depth/symbol=BTCUSDT/date=2024-01-01/part-0.parquet")
    path.write_bytes(path.read_bytes()[:99])
    table = lab.repaired()
    assert table["what"].tolist() == ["damage"]
    assert asked(table) == []
    assert lab.exchange.asked == {}
    lab.assert_whole()


# ---- what lies in the wrong place ----------------------------------------------------------------


def test_files_that_belong_to_nobody_are_moved_out(lab):
    alien = [lab.top / "notes.txt", lab.top / "klines" / "part-0.parquet", lab.top.parent / "x.csv"]
    for path in alien:
        path.write_text("mine")
    elsewhere = lab.top.parent / "testnet" / "klines" / "symbol=X" / "interval=1m"
    shutil.copytree(lab.file().parent, elsewhere / "month=2024-01")
    beside = elsewhere / "notes.txt"
    beside.write_text("theirs")
    table = lab.repaired()
    assert sorted(table["path"]) == sorted(map(str, alien))
    assert set(table["what"]) == {"foreign"}
    for done in table["done"]:
        moved = done.removeprefix("moved to ")
        assert moved.startswith(str(lab.folder / ".damaged"))
        assert Path(moved).read_text() == "mine"
    assert beside.exists()  # it lies with another server's rows
    shutil.rmtree(lab.top.parent / "testnet")
    lab.assert_whole()


def test_a_file_of_another_series_is_put_aside_and_its_own_is_fetched(lab):
    other = lab.file(MONTH.replace("BTCUSDT", "ETHUSDT"))
    shutil.copy(other, lab.file())
    ((where, what),) = verify()[["path", "what"]].to_numpy()
    assert (where, what) == (str(lab.file()), "misplaced")
    assert asked(lab.repaired()) == [
        ("misplaced", at("2024-01-01"), at("2024-02-01"), 44640, 44640, 46)
    ]
    lab.assert_whole()


def test_a_file_of_another_month_is_put_aside_and_its_own_is_fetched(lab):
    shutil.copy(lab.file(MONTH.replace("2024-01", "2024-02")), lab.file())
    assert "misplaced" in set(verify()["what"])
    (line,) = asked(lab.repaired())
    assert line[:3] == ("misplaced", at("2024-01-01"), at("2024-02-01"))
    lab.assert_whole()


def test_rows_that_cannot_be_are_fetched_again(lab):
    def change(columns, footer):
        columns["high"][[100, 101, 5000]] = -1.0
        return columns, footer

    lab.rewrite(change)
    assert asked(lab.repaired()) == [
        ("damage", at("2024-01-01 01:40"), at("2024-01-01 01:42"), 2, 2, 1),
        ("damage", at("2024-01-04 11:20"), at("2024-01-04 11:21"), 1, 1, 1),
    ]
    lab.assert_whole()


def test_rows_out_of_order_are_sorted(lab):
    lab.rewrite(lambda columns, footer: (sliced(columns, np.arange(44640)[::-1]), footer))
    assert asked(lab.repaired()) == []
    lab.assert_whole()


# ---- between files -------------------------------------------------------------------------------


def test_coverage_that_reaches_into_the_next_file_is_cut_and_asked_for(lab):
    """The next file is gone and back with less: what the first one claims of it is not true."""
    february = MONTH.replace("2024-01", "2024-02")
    end = START + DAYS * DAY

    def emptier(columns, _):
        rows = sliced(columns, slice(0, 1440))
        return rows, parquet.Footer(((START + 31 * DAY, START + 32 * DAY),), "network")

    def longer(columns, _):
        return columns, parquet.Footer(((START, end),), "network")

    lab.rewrite(emptier, february)
    lab.rewrite(longer)
    assert verify()["what"].tolist() == ["overlap"]
    assert asked(lab.repaired()) == [("overlap", at("2024-02-02"), at("2024-02-03"), 1440, 1440, 2)]
    lab.assert_whole()


def test_a_trade_in_two_files_is_fetched_again(lab):
    first = "trades/symbol=BTCUSDT/date=2024-01-01/part-0.parquet"
    last = first.replace("01-01", "01-02")
    table, _ = parquet.read(TRADES, lab.file(first))
    taken = int(from_arrow(TRADES, table)["id"][5])

    def change(columns, footer):
        columns["id"][3] = taken
        order = np.argsort(columns["id"], kind="stable")
        return sliced(columns, order), footer

    lab.rewrite(change, last, TRADES)
    assert {"overlap"} <= set(verify()["what"])
    lab.repaired()
    lab.assert_whole()


# ---- gaps ----------------------------------------------------------------------------------------


def test_missing_bars_are_asked_for_and_nothing_else(lab):
    gone = [5, 6, 7, 20_000, *range(30_000, 32_500), 44_639]
    lab.rewrite(lambda columns, footer: (without(columns, *gone), footer))
    assert set(verify()["what"]) == {"gap"}
    table = lab.repaired()
    assert asked(table) == [
        ("gap", at("2024-01-01 00:05"), at("2024-01-01 00:08"), 3, 3, 1),
        ("gap", at("2024-01-14 21:20"), at("2024-01-14 21:21"), 1, 1, 1),
        ("gap", at("2024-01-21 20:00"), at("2024-01-23 13:40"), 2500, 2500, 3),
        ("gap", at("2024-01-31 23:59"), at("2024-02-01 00:00"), 1, 1, 1),
    ]
    assert set(table["done"]) == {"fetched"}
    lab.assert_whole()


@pytest.mark.parametrize("kind", ["trades", "aggs"])
def test_missing_trades_are_asked_for(kind, lab):
    below = f"{kind}/symbol=BTCUSDT/date=2024-01-02/part-0.parquet"
    lab.rewrite(lambda c, footer: (without(c, 40, 41, 42, 600), footer), below, SCHEMAS[kind])
    assert verify()["what"].tolist() == ["gap", "gap"]
    table = lab.repaired()
    assert [line[0] for line in asked(table)] == ["gap", "gap"]
    assert table["rows_got"].tolist() == [3, 1]
    assert table["rows_asked"].isna().all()
    lab.assert_whole()


def test_a_gap_that_the_server_confirms_is_not_asked_for_again():
    exchange = recorded(BTCUSDT={"1m": without(BARS, 5, 6, 7, 2000)})
    frame = pulled(exchange.client)
    assert verify()["what"].tolist() == ["gap", "gap"]
    exchange.gateway.calls.clear()
    table = repair(exchange.client)
    assert asked(table) == [
        ("gap", at("2024-01-01 00:05"), at("2024-01-01 00:08"), 3, 0, 1),
        ("gap", at("2024-01-02 09:20"), at("2024-01-02 09:21"), 1, 0, 1),
    ]
    assert set(table["done"]) == {"known to be empty"}
    assert verify().empty
    exchange.gateway.calls.clear()
    assert len(repair(exchange.client)) == 0
    assert exchange.asked == {}
    assert len(repair(exchange.client, refresh=True)) == 2
    assert exchange.asked["klines"] == 2
    exchange.gateway.calls.clear()
    pd.testing.assert_frame_equal(pulled(exchange.client), frame)
    assert exchange.asked == {}


def test_a_gap_of_trades_that_the_server_confirms_is_not_asked_for_again():
    exchange = recorded(without(TRADED, 40, 41, 5000), BTCUSDT={"1m": BARS})
    traded(exchange.client)
    assert verify()["what"].tolist() == ["gap", "gap"]
    table = repair(exchange.client, kind="trades")
    assert set(table["done"]) == {"known to be empty"}
    assert verify().empty
    assert len(repair(exchange.client)) == 0


# ---- whose, which, and what goes wrong -----------------------------------------------------------


def test_only_the_series_that_are_meant_are_mended(lab):
    other = MONTH.replace("BTCUSDT", "ETHUSDT")
    for below in (MONTH, other):
        lab.file(below).write_bytes(b"x")
    notes = lab.top / "notes.txt"
    notes.write_text("x")
    assert set(lab.repaired(symbol="ethusdt")["symbol"]) == {"ETHUSDT"}
    assert verify()["path"].tolist() == [str(lab.file()), str(notes)]
    assert len(lab.repaired(kind="trades")) == 0
    assert len(lab.repaired(interval="1h")) == 0
    assert notes.exists()
    assert len(lab.repaired(interval="1m")) == 2
    lab.repaired()
    lab.assert_whole()


def test_another_servers_rows_are_left_alone(lab):
    other = lab.top.parent / "testnet"
    shutil.copytree(lab.file().parents[1], other / "klines/symbol=BTCUSDT/interval=1m")
    damaged = other / MONTH
    damaged.write_bytes(b"x")
    assert len(lab.repaired()) == 0
    assert damaged.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interval": "1x"}, "interval is '1x'"),
        ({"kind": "ticks"}, "kind is 'ticks'"),
        ({"symbol": "BTC USDT"}, "did you mean 'BTCUSDT'"),
        ({"in_flight": 0}, "in_flight is 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(options, said, lab):
    with pytest.raises(ValueError, match=said):
        lab.repaired(**options)


def test_what_could_not_be_fetched_is_not_forgotten(lab):
    path = lab.file()
    path.write_bytes(b"x")
    lab.exchange.nth(2, refusal(400, -1100, "Illegal characters found in a parameter."))
    with pytest.raises(BadParameter):
        lab.repaired()
    lab.exchange.gateway.interfere = None
    kept = parquet.read(KLINES, path)[1]
    assert 0 < kept.rows < 44_640  # the pages that came are there
    found = verify()
    assert set(found["what"]) == {"damage"}
    assert found["problem"].str.contains("is not fetched again yet").all()
    table = lab.repaired()
    assert table["done"].iloc[0] == "was put aside before"
    assert table["rows_asked"].sum() == table["rows_got"].sum() == 44_640 - kept.rows
    lab.assert_whole()


def test_a_symbol_that_the_server_does_not_know_any_more_stops_nothing(lab):
    other = MONTH.replace("BTCUSDT", "ETHUSDT")
    for below in (MONTH, other):
        lab.file(below).write_bytes(b"x")
    unknown = refusal(400, -1121, "Invalid symbol.")

    def interfere(call):
        return unknown(call) if dict(call.params).get("symbol") == "BTCUSDT" else None

    lab.exchange.gateway.interfere = interfere
    table = lab.repaired()
    done = table[table["start"].notna()].set_index("symbol")["done"]
    assert done.to_dict() == {"BTCUSDT": "not fetched: Invalid symbol.", "ETHUSDT": "fetched"}
    assert verify()["path"].tolist() == [str(lab.file())]
    with pytest.raises(BadSymbol):
        pulled(lab.client)
    lab.exchange.gateway.interfere = None
    lab.repaired()
    lab.assert_whole()
