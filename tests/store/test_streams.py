"""Recordings of combined streams: what is read, what is refused, and what lies in the cache then."""

import gzip
import json

import duckdb
import numpy as np
import pytest

from bwsresearch import cache as caches
from bwsresearch import tables
from bwsresearch.errors import ArchiveError
from bwsresearch.store.streams import is_recording, read_streams
from bwsresearch.tables import DEPTH, TRADES

NS = 1_723_161_253_937_085_768
MS = 1_723_161_255_208


def line(at, **message):
    return f"{NS + at * 1_000_000} {json.dumps(message)}"


def depth(at, first, last, bids=(), asks=(), symbol="BTCUSDT"):
    return line(
        at,
        stream=f"{symbol.lower()}@depth@100ms",
        data={
            "e": "depthUpdate", "E": MS + at, "s": symbol, "U": first, "u": last,
            "b": list(bids), "a": list(asks),
        },
    )  # fmt: skip


def whole(at, last, bids=(), asks=()):
    return line(at, lastUpdateId=last, bids=list(bids), asks=list(asks))


def ticker(at, update_id, bid=("99.00", "1.5"), ask=("101.00", "2.5"), symbol="BTCUSDT"):
    data = {"u": update_id, "s": symbol, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
    return line(at, stream=f"{symbol.lower()}@bookTicker", data=data)


def trade(at, number, price="61837.63", qty="0.00012", symbol="BTCUSDT"):
    data = {
        "e": "trade", "E": MS + at + 1, "s": symbol, "t": number, "p": price, "q": qty,
        "T": MS + at, "m": True, "M": True,
    }  # fmt: skip
    return line(at, stream=f"{symbol.lower()}@trade", data=data)


SOUND = (
    depth(0, 5, 8, [("98.00", "4")]),
    ticker(1, 9),
    trade(2, 70),
    whole(3, 9, [("99.00", "1.5"), ("98.00", "4.0")], [("101.00", "2.5")]),
    depth(100, 9, 10, [("98.00", "0.00")], [("101.00", "2.75"), ("102.00", "1")]),
    trade(60, 71, qty="1.0"),
    depth(200, 11, 11, [("99.00", "2")]),
)


@pytest.fixture
def recorded(tmp_path):
    """Write lines as a recording, and return its path."""

    def write(*lines, name="any.gz"):
        path = tmp_path / name
        text = "\n".join(lines).encode() + b"\n"
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write


def rows(columns):
    return list(zip(*(values.tolist() for values in columns.values()), strict=True))


def test_changes_of_the_book_become_rows_and_a_whole_book_those_of_id_0(recorded):
    found = read_streams(recorded(*SOUND)).depth
    at = [(MS + ms) * 1_000 for ms in (0, 100, 200)]
    seen = [NS + ms * 1_000_000 for ms in (0, 3, 100, 200)]
    assert list(found) == [
        "time", "first_update_id", "last_update_id", "is_bid", "price", "qty", "local_ns",
    ]  # fmt: skip
    assert rows(found) == [
        (at[0], 5, 8, True, 98.0, 4.0, seen[0]),
        (at[1], 0, 9, False, 101.0, 2.5, seen[1]),
        (at[1], 0, 9, True, 98.0, 4.0, seen[1]),
        (at[1], 0, 9, True, 99.0, 1.5, seen[1]),
        (at[1], 9, 10, False, 101.0, 2.75, seen[2]),
        (at[1], 9, 10, False, 102.0, 1.0, seen[2]),
        (at[1], 9, 10, True, 98.0, 0.0, seen[2]),
        (at[2], 11, 11, True, 99.0, 2.0, seen[3]),
    ]


def test_trades_are_those_of_the_trades_kind_with_their_quote_cut_to_eight_decimals(recorded):
    found = read_streams(recorded(*SOUND)).trades
    assert list(found) == list(TRADES.dtypes)
    assert rows(found) == [
        ((MS + 2) * 1_000, 70, 61_837.63, 0.00012, 7.4205156, True),
        ((MS + 60) * 1_000, 71, 61_837.63, 1.0, 61_837.63, True),
    ]


def test_book_tickers_have_the_recorders_time(recorded):
    found = read_streams(recorded(*SOUND)).book_tickers
    stamp = (NS + 1_000_000) // 1_000_000 * 1_000  # cut to the millisecond, as all times
    assert rows(found) == [(stamp, 9, 99.0, 1.5, 101.0, 2.5, NS + 1_000_000)]


@pytest.mark.parametrize("name", ["plain.txt", "packed.gz"])
def test_a_recording_is_known_by_how_it_begins(recorded, tmp_path, name):
    assert is_recording(recorded(*SOUND, name=name))
    other = tmp_path / "BTCUSDT-1h-2024-12.csv"
    other.write_text("1723161253937,1,2,3\n")
    assert not is_recording(other)
    assert not is_recording(tmp_path / "none.gz")


def test_other_streams_are_left_out(recorded):
    other = line(1, stream="btcusdt@kline_1m", data={"k": {}})
    assert rows(read_streams(recorded(other, *SOUND)).depth) == rows(
        read_streams(recorded(*SOUND)).depth
    )


def test_a_change_of_no_level_still_counts_the_ids(recorded):
    found = read_streams(recorded(*SOUND, depth(300, 12, 14), depth(400, 15, 15, [("97", "1")])))
    assert found.gaps == []
    assert [row[1:6] for row in rows(found.depth)[-2:]] == [
        (12, 14, True, 0.0, 0.0), (15, 15, True, 97.0, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "number", "says"),
    [
        ([SOUND[0], depth(1, 8, 9)], 2, "change 8 to 9 does not follow 8; keep the lines as they"),
        ([SOUND[0], depth(1, 5, 8)], 2, "change 5 to 8 does not follow 8"),
        ([SOUND[0], depth(1, 12, 9)], 2, "change 12 to 9 does not follow 8"),
        ([SOUND[0], depth(1, 11, 12)], 2, "changes 9 to 10 are missing, and no whole book follows"),
        ([whole(0, 3), SOUND[0]], 1, "book of update 3 is older than the change 5 that comes next"),
        ([SOUND[0], ticker(1, 9, symbol="ETHUSDT")], 2, "holds BTCUSDT and ETHUSDT, must hold one"),
        ([SOUND[0], SOUND[1][:-9]], 2, "Input data was truncated; check that the line is whole"),
        ([SOUND[0], "no line"], 2, "'no line' is no `local_ns {json}`"),
        ([SOUND[0], "1600000000000000 {}"], 2, "local time is 1600000000000000 ns"),
        ([SOUND[0].replace('"98.00"', '"many"')], 1, "price: could not convert string to float"),
        ([SOUND[0].replace('"U"', '"V"')], 1, "missing required field `U`"),
        ([whole(0, 3)], 1, "it holds no depth, bookTicker or trade"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(recorded, lines, number, says):
    path = recorded(*lines)
    with pytest.raises(ArchiveError) as failure:
        caches.import_(path)
    assert str(failure.value).startswith(f"{path}, line {number}: ")
    assert says in str(failure.value)
    assert str(failure.value).endswith("nothing was imported")
    assert caches.info().empty


def test_a_gap_that_a_whole_book_follows_is_told_and_not_covered(recorded):
    path = recorded(
        *SOUND,
        depth(300, 20, 22, [("97", "1")]),
        whole(301, 21, [("90", "1")], [("110", "1")]),
        depth(400, 23, 24, [("91", "1")]),
    )
    found = read_streams(path)
    assert found.gaps == [(11, 20)]
    spans = {schema.name: covered for schema, _, covered in found.parts()}
    assert spans["depth"] == ((MS + 1, MS + 200), (MS + 301, MS + 400))


def test_a_recording_fills_three_kinds_of_the_cache_and_comes_back(recorded, cache_dir):
    path = recorded(*SOUND)
    listed = caches.import_(path)
    assert listed["kind"].tolist() == ["depth", "trades", "book_tickers"]
    assert listed["rows"].tolist() == [8, 2, 1]
    assert set(listed["symbol"]) == {"BTCUSDT"}
    assert caches.verify().empty
    found = read_streams(path)
    store = caches.Cache(cache_dir, "production")
    for schema, columns, covered in found.parts():
        back, spans = store.read(schema, "BTCUSDT", None, MS - 10_000, MS + 10_000)
        assert rows(back) == rows(columns)
        assert spans == covered


def test_importing_twice_and_in_parts_changes_nothing(recorded, cache_dir):
    caches.import_(recorded(*SOUND[:5], name="a.gz"), recorded(*SOUND[5:], name="b.gz"))
    caches.import_(recorded(*SOUND))
    store = caches.Cache(cache_dir, "production")
    back, _ = store.read(DEPTH, "BTCUSDT", None, MS - 10_000, MS + 10_000)
    assert rows(back) == rows(read_streams(recorded(*SOUND)).depth)


def test_options_that_contradict_the_recording_are_refused(recorded):
    path = recorded(*SOUND)
    with pytest.raises(ArchiveError, match="is of BTCUSDT, but symbol is ethusdt; leave the opt"):
        caches.import_(path, symbol="ethusdt")
    with pytest.raises(ArchiveError, match="has no interval; leave it out"):
        caches.import_(path, interval="1m")
    assert len(caches.import_(path, symbol="btcusdt")) == 3


def test_other_readers_see_the_changes_of_the_book(recorded, cache_dir):
    caches.import_(recorded(*SOUND))
    found = duckdb.sql(
        "select first_update_id, last_update_id, is_bid, price, qty, local_ns, epoch_ms(time) "
        f"from read_parquet('{cache_dir}/v1/production/depth/**/*.parquet', hive_partitioning=true) "
        "where symbol = 'BTCUSDT' and date = '2024-08-08' order by all"
    ).fetchall()
    assert found[0] == (0, 9, False, 101.0, 2.5, NS + 3_000_000, MS + 100)
    assert len(found) == 8


def test_the_real_recordings_are_read_whole_and_agree_with_the_trades_of_the_exchange(real_data):
    parts = [
        read_streams(real_data / f"raw_streams/btcusdt_{day}.gz")
        for day in ("20240808", "20240809")
    ]
    assert [part.gaps for part in parts] == [[], []]
    assert [len(set(part.depth["last_update_id"].tolist())) for part in parts] == [3_452, 3_044]
    assert [tables.length(part.book_tickers) for part in parts] == [28_040, 45_134]
    trades = tables.concat(TRADES, [part.trades for part in parts])
    assert tables.length(trades) == 19_904
    assert parts[0].depth["last_update_id"][-1] + 1 == parts[1].depth["first_update_id"][0]
    (archive,) = real_data.glob("trades/BTCUSDT-trades-*.csv.gz")
    told = np.loadtxt(archive, delimiter=",", dtype=str)
    by_id = {int(row[0]): row for row in told}
    for number, price, qty, quote, time, maker in zip(
        *(
            trades[n].tolist()
            for n in ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
        ),
        strict=True,
    ):
        row = by_id[number]
        assert (price, qty, time) == (float(row[1]), float(row[2]), int(row[4]) * 1_000)
        assert quote == float(row[3])
        assert str(maker).lower() == row[5].lower()
