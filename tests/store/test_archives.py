import gzip
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bwsresearch import tables
from bwsresearch.cache import import_, info
from bwsresearch.errors import ArchiveError, CacheError
from bwsresearch.store import Cache
from bwsresearch.store.archives import import_archives, read_archive
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, length, sliced

DECEMBER = 1_733_011_200_000  # 2024-12-01
HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_767_225_600_000  # 2026-01-01


def csv_of(columns, *, unit=1000):
    """The columns as the exchange's archives write klines, with times in ms (1000) or us (1)."""
    lines = []
    for i in range(length(columns)):
        row = {name: values[i] for name, values in columns.items()}
        row["open_time"] //= unit
        row["close_time"] = row["close_time"] // unit + (999 if unit == 1 else 0)
        lines.append(",".join(str(value) for value in [*row.values(), 0]))
    return "\n".join(lines) + "\n"


def json_of(columns, *, unit=1000):
    """The columns as native rows of the API, one a line."""
    lines = []
    for line in csv_of(columns, unit=unit).splitlines():
        row = line.split(",")
        lines.append(json.dumps([int(c) if i in (0, 6, 8) else c for i, c in enumerate(row)]))
    return "\n".join(lines) + "\n"


@pytest.fixture
def hours(bars):
    """A week of 1h klines of December 2024."""
    return bars(DECEMBER, DECEMBER + 7 * DAY, "1h")


@pytest.fixture
def put(tmp_path):
    """Write a file of that name and return its path."""

    def written(name, data, *, checksum=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = data.encode() if isinstance(data, str) else data
        if name.endswith(".gz"):
            raw = gzip.compress(raw)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{path.stem}.csv", raw)
            raw = path.read_bytes()
        path.write_bytes(raw)
        if checksum is not None:
            line = f"{hashlib.sha256(raw).hexdigest()}  {path.name}\n"
            path.with_name(f"{path.name}.CHECKSUM").write_text(line if checksum else "0" * 64)
        return path

    return written


def read(path, **options):
    return read_archive(path, now_ms=NOW, **options)


def refused(path, now_ms=NOW, **options):
    with pytest.raises(ArchiveError) as error:
        read_archive(path, now_ms=now_ms, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- one file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1000, 1])
@pytest.mark.parametrize(
    "name",
    [
        "BTCUSDT-1h-2024-12.csv",
        "BTCUSDT-1h-2024-12.csv.gz",
        "BTCUSDT-1h-2024-12.zip",
        "BTCUSDT/1h.jsonl",
        "BTCUSDT/1h.jsonl.gz",
        "BTCUSDT/1h.json.gz",
    ],
)
def test_the_same_klines_are_read_from_every_kind_of_file(name, unit, hours, put, same):
    text = (json_of if ".json" in name else csv_of)(hours, unit=unit)
    archive = read(put(name, text))
    assert (archive.schema, archive.symbol, archive.interval) == (KLINES, "BTCUSDT", "1h")
    same(archive.columns, hours)


def test_trades_and_aggregates_are_read(put, ticks, same):
    for schema, name, order in (
        (TRADES, "trades", ["id", "price", "qty", "quote_qty", "time", "is_buyer_maker"]),
        (
            AGG_TRADES,
            "aggTrades",
            ["id", "price", "qty", "first_id", "last_id", "time", "is_buyer_maker"],
        ),
    ):
        columns = ticks(schema, 50, start=DECEMBER)
        table = pd.DataFrame(columns)[order].assign(is_best_match=True)
        table["time"] //= 1000
        archive = read(put(f"BTCUSDT-{name}-2024-12-01.csv", table.to_csv(index=False)))
        assert (archive.schema, archive.symbol, archive.interval) == (schema, "BTCUSDT", None)
        same(archive.columns, columns)
        assert archive.covered == ((DECEMBER + 1, DECEMBER + 49_000),)


def test_a_bar_that_still_runs_is_left_out(hours, put, same):
    path = put("BTCUSDT-1h-2024-12.csv", csv_of(hours))
    now = DECEMBER + 7 * DAY - 1  # the last bar closes in this very millisecond
    archive = read_archive(path, now_ms=now)
    same(archive.columns, sliced(hours, slice(-1)))
    assert archive.covered == ((DECEMBER, DECEMBER + 7 * DAY - HOUR),)
    assert length(read_archive(path, now_ms=now + 1).columns) == 7 * 24


def test_rows_of_the_future_are_refused(hours, put):
    path = put("BTCUSDT-1h-2024-12.csv", csv_of(hours))
    said = refused(path, now_ms=DECEMBER + 5 * HOUR - 1)
    assert f"{path}, row 6: open_time is {(DECEMBER + 5 * HOUR) * 1000} us, not between" in said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("open_time", (DECEMBER + 5 * HOUR) * 1000, "must ascend"),
        ("open_time", (DECEMBER + 9 * HOUR) * 1000 + 1000, "is no opening of a 1h bar"),
        ("open_time", 5_000_000, "must ascend"),
        ("close_time", (DECEMBER + 10 * HOUR) * 1000, "is not in the 1h bar"),
        ("close_time", (DECEMBER + 9 * HOUR) * 1000 - 1000, "is not in the 1h bar"),
        ("open", -1.0, "open is -1.0, must be finite and not negative"),
        ("high", 3.0, "are no bar"),
        ("low", 90_000.0, "are no bar"),
        ("volume", -0.1, "volume is -0.1"),
        ("trades", -1, "trades is -1"),
        ("close", np.nan, "close is nan, must be a finite number"),
    ],
)
def test_a_row_that_cannot_be_is_named_and_nothing_is_kept(
    field, value, said, hours, put, cache_dir
):
    hours[field][9] = value
    path = put("BTCUSDT-1h-2024-12.csv", csv_of(hours))
    message = refused(path)
    assert message.startswith(f"{path}, row 10: ")
    assert said in message
    assert message.endswith("nothing was imported")
    with pytest.raises(ArchiveError, match="row 10"):
        import_(path)
    assert not cache_dir.exists()


def test_the_first_of_several_wrong_rows_is_named(hours, put):
    hours["low"][100] = 1e9
    hours["volume"][20] = -1
    assert "row 21: volume" in refused(put("BTCUSDT-1h-2024-12.csv", csv_of(hours)))


def test_bars_of_another_interval_are_refused(hours, put, bars):
    path = put("BTCUSDT-4h-2024-12.csv", csv_of(hours))
    assert "row 2: close_time" in refused(path) or "row 2: open_time" in refused(path)
    assert "check symbol and interval" in refused(path)
    months = csv_of(bars(DECEMBER, DECEMBER + 60 * DAY, "1M"))
    assert length(read(put("BTCUSDT-1mo-2024.csv", months)).columns) == 2
    assert "1d bar" in refused(put("BTCUSDT-1d-2024.csv", months))


def test_broken_aggregates_are_refused(put):
    row = "7,1.5,2,10,9,1733011200000,True,True\n"
    said = refused(put("BTCUSDT-aggTrades-2024-12-01.csv", row))
    assert "row 1: first_id 10 is above last_id 9" in said


def test_times_before_everything_are_refused(put):
    row = "7,1.5,2,3,1033011200000,True,True\n"
    assert "not between 2009 and now" in refused(put("BTCUSDT-trades-2024-12-01.csv", row))


# ---- what it covers ------------------------------------------------------------------------------


def holed(columns, *holes):
    kept = np.ones(length(columns), bool)
    for start, end in holes:
        opens = columns["open_time"] // 1000
        kept &= (opens < start) | (opens >= end)
    return sliced(columns, kept)


@pytest.mark.parametrize(
    ("start", "end", "is_covered"),
    [
        (5 * HOUR, 6 * HOUR, True),
        (DAY, DAY + 10 * HOUR, True),
        (DAY + 2 * HOUR, 2 * DAY + 11 * HOUR, True),  # 33 hours, as in February 2018
        (DAY + HOUR, 3 * DAY + HOUR, True),
        (DAY + HOUR, 3 * DAY + 2 * HOUR, False),
        (DAY, 2 * DAY, False),  # as if a daily file were missing
        (DAY, 3 * DAY, False),
    ],
)
def test_a_hole_is_an_outage_unless_it_is_long_or_made_of_whole_days(
    start, end, is_covered, hours, put
):
    start, end = DECEMBER + start, DECEMBER + end
    archive = read(put("BTCUSDT-1h-x.csv", csv_of(holed(hours, (start, end)))))
    whole = (DECEMBER, DECEMBER + 7 * DAY)
    assert archive.covered == ((whole,) if is_covered else ((whole[0], start), (end, whole[1])))


def test_a_verified_month_is_covered_from_its_beginning_to_its_end(hours, put):
    part = sliced(hours, slice(50, 100))
    path = put("BTCUSDT-1h-2024-12.zip", csv_of(part), checksum=True)
    assert read(path).covered == ((DECEMBER, DECEMBER + 31 * DAY),)
    running = read_archive(path, now_ms=DECEMBER + 20 * DAY)
    assert running.covered == ((DECEMBER + 50 * HOUR, DECEMBER + 100 * HOUR),)


def test_an_archive_without_checksum_covers_what_it_holds(hours, put):
    part = sliced(hours, slice(50, 100))
    archive = read(put("BTCUSDT-1h-2024-12.zip", csv_of(part)))
    assert archive.covered == ((DECEMBER + 50 * HOUR, DECEMBER + 100 * HOUR),)


def test_a_wrong_checksum_imports_nothing(hours, put, cache_dir):
    path = put("BTCUSDT-1h-2024-12.zip", csv_of(hours), checksum=False)
    assert "fetch it again" in refused(path)
    with pytest.raises(ArchiveError):
        import_(path)
    assert not cache_dir.exists()


def test_the_last_native_row_is_kept_but_asked_for_again(hours, put):
    archive = read(put("BTCUSDT/1h.jsonl", json_of(hours)))
    assert length(archive.columns) == 7 * 24
    assert archive.covered == ((DECEMBER, DECEMBER + 7 * DAY - HOUR),)
    assert read(put("BTCUSDT/1h.json", json_of(sliced(hours, slice(1))))).covered == ()


def test_trades_cover_the_time_between_ids_that_follow_each_other(put):
    rows = [(1, 0), (2, 0), (3, 5), (4, 9), (7, 9), (8, 12), (20, 30)]
    text = "".join(f"{i},1.5,2,3,{DECEMBER + t},True,True\n" for i, t in rows)
    archive = read(put("BTCUSDT-trades-2024-12-01.csv", text))
    # Between 4 and 7 trades are missing; the first and the last moment may have more.
    assert archive.covered == ((DECEMBER + 1, DECEMBER + 9), (DECEMBER + 10, DECEMBER + 12))
    path = put("BTCUSDT-trades-2024-12-01.zip", text, checksum=True)
    assert read(path).covered == ((DECEMBER, DECEMBER + DAY),)


def test_no_rows_cover_nothing(put):
    header = "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch\n"
    archive = read(put("BTCUSDT-trades-2024-12-01.csv", header))
    assert (length(archive.columns), archive.covered) == (0, ())
    path = put("BTCUSDT-trades-2024-12-01.zip", header, checksum=True)
    assert read(path).covered == ((DECEMBER, DECEMBER + DAY),)
    archive = read(put("BTCUSDT/1h.json", "[]"))
    assert (length(archive.columns), archive.covered) == (0, ())


# ---- into the cache ------------------------------------------------------------------------------


def test_files_are_imported_and_listed(hours, put, ticks, same, cache):
    trades = pd.DataFrame(ticks(TRADES, 5, start=DECEMBER))
    trades = trades[["id", "price", "qty", "quote_qty", "time", "is_buyer_maker"]].assign(best=1)
    paths = [
        put("BTCUSDT-1h-2024-12.zip", csv_of(hours), checksum=True),
        put("ETHUSDT/1h.jsonl.gz", json_of(hours)),
        put("BTCUSDT-trades-2024-12-01.csv", trades.to_csv(index=False, header=False)),
        put("BTCUSDT-aggTrades-2024-12-02.csv", "a,p,q,f,l,t,m,b\n"),
    ]
    listed = import_(*map(str, paths))
    start, end = pd.Timestamp("2024-12-01", tz="UTC"), pd.Timestamp("2024-12-07 23:00", tz="UTC")
    pd.testing.assert_frame_equal(
        listed,
        pd.DataFrame(
            {
                "path": list(map(str, paths)),
                "kind": ["klines", "klines", "trades", "aggs"],
                "symbol": ["BTCUSDT", "ETHUSDT", "BTCUSDT", "BTCUSDT"],
                "interval": ["1h", "1h", "", ""],
                "rows": [168, 168, 5, 0],
                "start": [start, start, start, pd.NaT],
                "end": [end, end, start + pd.Timedelta("4s"), pd.NaT],
            }
        ).astype({"start": "datetime64[us, UTC]", "end": "datetime64[us, UTC]"}),
    )
    found, covered = cache.read(KLINES, "BTCUSDT", "1h", DECEMBER, DECEMBER + 40 * DAY)
    same(found, hours)
    assert covered == ((DECEMBER, DECEMBER + 31 * DAY),)


def test_what_is_imported_for_a_server_is_that_servers(hours, put):
    import_(put("BTCUSDT-1h-2024-12.csv", csv_of(hours)), server="testnet")
    assert info()["server"].tolist() == ["testnet"]


def test_files_before_a_wrong_one_stay_imported(hours, put):
    good, bad = put("BTCUSDT-1h-2024-12.csv", csv_of(hours)), put("ETHUSDT-1h-2024-12.csv", "1,2\n")
    with pytest.raises(ArchiveError, match="ETHUSDT"):
        import_(good, bad)
    assert info()["symbol"].tolist() == ["BTCUSDT"]
    import_(good)  # again changes nothing
    assert info()["rows"].tolist() == [168]


def test_checksums_among_the_files_are_not_archives(hours, put):
    path = put("BTCUSDT-1h-2024-12.zip", csv_of(hours), checksum=True)
    listed = import_(*sorted(path.parent.glob("BTCUSDT-1h-*")))
    assert listed["path"].tolist() == [str(path)]
    path.unlink()
    with pytest.raises(ArchiveError, match="CHECKSUM"):
        import_(f"{path}.CHECKSUM")


def test_no_file_is_an_error():
    with pytest.raises(ValueError, match="no file is given"):
        import_()
    with pytest.raises(TypeError, match=r"^a file is \['a.csv'\], must be a path; give a list as"):
        import_(["a.csv"])


def test_a_home_folder_is_understood(hours, put, monkeypatch, tmp_path):
    put("BTCUSDT-1h-2024-12.csv", csv_of(hours))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert import_("~/BTCUSDT-1h-2024-12.csv")["rows"].tolist() == [168]


def test_a_cache_that_cannot_be_written_is_named(hours, put, tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file", "production")
    with pytest.raises(CacheError, match="cannot be written"):
        import_archives(cache, [put("BTCUSDT-1h-2024-12.csv", csv_of(hours))], now_ms=NOW)


# ---- real archives -------------------------------------------------------------------------------


def native(path, start, end):
    """Rows of a file of native rows with an open time in [start, end), as text."""
    with gzip.open(path) as lines:
        rows = json.loads(b"[" + b",".join(lines) + b"]")
    return [row for row in rows if start <= row[0] < end]


def assert_is(columns, rows):
    """Assert that columns are `float` and `int` of native rows."""
    fields = list(KLINES.dtypes)
    for at, name in enumerate(fields):
        kind = int if KLINES.dtypes[name] == np.int64 else float
        scale = 1000 if name in KLINES.stamps else 1
        assert columns[name].tolist() == [kind(row[at]) * scale for row in rows], name


def test_the_exchanges_monthly_files_are_the_rows_of_its_api(real_data, cache):
    files = sorted((real_data / "klines" / "vision").glob("BTCUSDT-1h-*.csv"))
    assert len(files) == 2
    import_(*files)
    start, end = DECEMBER, int(pd.Timestamp("2025-02-01", tz="UTC").value // 10**6)
    columns, covered = cache.read(KLINES, "BTCUSDT", "1h", 0, 2**42)
    api = native(real_data / "klines" / "api" / "BTCUSDT" / "1h.jsonl.gz", start, end)
    assert len(api) == 62 * 24
    assert_is(columns, api)
    assert covered == ((start, end),)


@pytest.mark.parametrize(
    ("symbol", "interval"), [("BTCUSDT", i) for i in ("15m", "1h", "1d", "3d", "1w", "1M")]
)
def test_native_rows_are_imported_to_the_last_bit(symbol, interval, real_data, cache):
    path = real_data / "klines" / "api" / symbol / f"{interval}.jsonl.gz"
    (line,) = import_(path).itertuples(index=False)
    rows = native(path, 0, 2**42)
    assert line.rows == len(rows)
    columns, covered = cache.read(KLINES, symbol, interval, 0, 2**42)
    assert_is(columns, rows)
    # No outage of the exchange was longer than two days: none is asked for again.
    assert covered == ((rows[0][0], rows[-1][0]),)
    if interval == "15m":  # the hour that is missing for everybody is known to be empty
        day = int(pd.Timestamp("2023-03-24", tz="UTC").value // 10**6)
        columns, covered = cache.read(KLINES, symbol, interval, day, day + DAY)
        assert (length(columns), covered) == (96 - 5, ((day, day + DAY),))


def test_windows_of_minutes_cover_only_themselves(real_data, cache):
    path = real_data / "klines" / "1m" / "BTCUSDT-1m-windows.csv.gz"
    import_(path)
    columns, covered = cache.read(KLINES, "BTCUSDT", "1m", 0, 2**42)
    with gzip.open(path) as lines:
        assert length(columns) == sum(1 for line in lines if line[:1].isdigit())
    assert len(covered) == 2
    assert sum(b - a for a, b in covered) == len(columns["open"]) * 60_000


def test_real_trades_are_imported_to_the_last_bit(real_data, cache):
    path = real_data / "trades" / "BTCUSDT-trades-2024-08-08_09.csv.gz"
    import_(path)
    columns, covered = cache.read(TRADES, "BTCUSDT", None, 0, 2**42)
    with gzip.open(path, "rt") as lines:
        rows = [line.strip().split(",") for line in lines]
    rows = [row for row in rows if row[0].isdigit()]
    assert columns["id"].tolist() == [int(row[0]) for row in rows]
    for at, name in ((1, "price"), (2, "qty"), (3, "quote_qty")):
        assert columns[name].tolist() == [float(row[at]) for row in rows]
    assert columns["time"].tolist() == [int(row[4]) * 1000 for row in rows]
    assert columns["is_buyer_maker"].tolist() == [row[5] == "True" for row in rows]
    assert covered == ((int(rows[0][4]) + 1, int(rows[-1][4])),)


@pytest.mark.parametrize("year", ["2023-11-17", "2026-09-15"])
def test_real_aggregates_are_imported_in_ms_and_us(year, real_data, cache):
    path = real_data / "trades" / f"BTCUSDT-aggTrades-{year}.head.csv"
    import_(path)
    columns, _ = cache.read(AGG_TRADES, "BTCUSDT", None, 0, 2**42)
    rows = [line.split(",") for line in Path(path).read_text().splitlines()]
    assert columns["id"].tolist() == [int(row[0]) for row in rows]
    assert columns["price"].tolist() == [float(row[1]) for row in rows]
    assert {str(np.datetime64(int(t), "us"))[:10] for t in columns["time"]} == {year}
    assert (tables.millis(columns, "time") * 1000 == columns["time"]).all()
