import contextlib
import random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bwsresearch.store import parquet
from bwsresearch.store.parquet import Damaged, Footer, Misplaced
from bwsresearch.tables import AGG_TRADES, KLINES, SCHEMAS, TRADES, empty, from_arrow, sliced

JANUARY = 1_704_067_200_000
DAY = 86_400_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tree" / "part-0.parquet"


@pytest.fixture
def write(path):
    def written(schema, columns, covered=(), source="network", series=""):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            parquet.write(schema, file, columns, Footer(covered, source, series))

    return written


def columns_of(schema, found):
    return from_arrow(schema, found[0])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_rows_and_coverage_come_back_as_they_were(schema, path, write, bars, ticks, same):
    columns = bars() if schema is KLINES else ticks(schema)
    write(schema, columns, ((5, 9), (20, 30)), source="archive")
    found = parquet.read(schema, path)
    same(columns_of(schema, found), columns)
    footer = found[1]
    assert (footer.coverage, footer.source) == (((5, 9), (20, 30)), "archive")
    assert footer.rows == len(columns[schema.key])
    assert parquet.read_footer(path) == footer


def test_no_rows_still_say_what_is_covered(path, write):
    write(KLINES, empty(KLINES), ((JANUARY, JANUARY + DAY),))
    table, footer = parquet.read(KLINES, path)
    assert (table.num_rows, footer.coverage) == (0, ((JANUARY, JANUARY + DAY),))


def test_without_a_file_there_is_nothing(path):
    assert parquet.read(KLINES, path) is None
    assert parquet.read_footer(path) is None


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, 60_000), (7 * DAY, 8 * DAY), (7 * DAY - 1, 7 * DAY), (-1, 0)]
)
def test_a_range_is_cut_out_of_several_row_groups(start, end, path, write, bars, same):
    columns = bars(JANUARY, JANUARY + 15 * DAY)
    write(KLINES, columns)
    assert pq.ParquetFile(path).num_row_groups == 3
    found = parquet.read(KLINES, path, JANUARY + start, JANUARY + end)
    opens = columns["open_time"] // 1000 - JANUARY
    same(columns_of(KLINES, found), sliced(columns, (opens >= start) & (opens < end)))


def test_trades_whose_times_step_back_are_found_by_time(path, write, ticks):
    columns = ticks(TRADES, 10)
    columns["time"][[4, 5]] = columns["time"][[5, 4]]
    write(TRADES, columns)
    found = columns_of(TRADES, parquet.read(TRADES, path, JANUARY + 2000, JANUARY + 5000))
    assert found["id"].tolist() == [3, 4, 6]


def test_a_file_is_what_other_readers_know_and_read_fast(path, write, bars, ticks):
    def group():
        return pq.ParquetFile(path).metadata.row_group(0)

    write(KLINES, bars())
    assert pq.read_schema(path).types[0] == pa.timestamp("us", tz="UTC")
    assert group().column(0).compression == "ZSTD"
    assert "DELTA_BINARY_PACKED" in group().column(0).encodings
    assert "PLAIN" in group().column(4).encodings
    assert group().sorting_columns == (pq.SortingColumn(0),)
    write(AGG_TRADES, ticks(AGG_TRADES))
    assert "RLE_DICTIONARY" in group().column(2).encodings
    assert group().sorting_columns == (pq.SortingColumn(1),)


def test_a_flipped_bit_never_comes_back_as_another_row(path, write, bars, same):
    columns = bars(JANUARY, JANUARY + 2 * DAY)
    write(KLINES, columns, ((JANUARY, JANUARY + DAY),))
    sound, chance = path.read_bytes(), random.Random(7)
    outcomes = []
    for _ in range(100):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(sound))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            same(columns_of(KLINES, parquet.read(KLINES, path)), columns)
            outcomes.append("same")
        except Damaged:
            outcomes.append("damaged")
    assert outcomes.count("damaged") > 80


def test_a_file_that_is_cut_off_is_damaged(path, write, bars):
    write(KLINES, bars())
    sound = path.read_bytes()
    for kept in [0, 1, 3, 4, 11, 12, 100, len(sound) // 2, len(sound) - 8, len(sound) - 1]:
        path.write_bytes(sound[:kept])
        with pytest.raises(Damaged):
            parquet.read(KLINES, path)
        with pytest.raises(Damaged):
            parquet.read_footer(path)
    path.write_bytes(sound + b"\0")
    with pytest.raises(Damaged):
        parquet.read(KLINES, path)


def test_garbage_raises_nothing_but_damaged(path, write, bars):
    write(KLINES, bars())
    sound, chance = path.read_bytes(), random.Random(3)
    for _ in range(150):
        damaged = bytearray(sound)
        at, count = chance.randrange(len(sound)), chance.choice([1, 4, 64, 1000])
        damaged[at : at + count] = chance.randbytes(min(count, len(sound) - at))
        path.write_bytes(damaged)
        with contextlib.suppress(Damaged):
            parquet.read(KLINES, path)


def test_files_of_others_are_damaged_with_the_reason(path, write, ticks):
    path.parent.mkdir()
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(Damaged, match="no record of what it covers"):
        parquet.read(KLINES, path)
    write(TRADES, ticks(TRADES))
    with pytest.raises(Damaged, match="columns are time, id"):
        parquet.read(KLINES, path)
    for record, reason in (
        (b"{}", "unreadable"),
        (b"\xff", "unreadable"),
        (b'{"coverage":[],"source":"x","version":3}', "version 3 of this cache, not 2"),
        (b'{"coverage":[[1,"x"]],"source":"x"}', "unreadable"),
    ):
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({b"bwsresearch": record}), path)
        with pytest.raises(Damaged, match=reason):
            parquet.read_footer(path)


def test_nulls_are_damage(path, write, bars):
    write(KLINES, bars())
    table = pq.read_table(path, partitioning=None)
    holes = pa.array([None, *table.column("close").to_pylist()[1:]], pa.float64())
    unsealed(table.set_column(4, "close", holes), path)
    with pytest.raises(Damaged, match="nulls"):
        parquet.read(KLINES, path)


def unsealed(table, path):
    """Write a file of the version that had no seal."""
    record = {"version": 1, "source": "network", "coverage": [[5, 9]]}
    text = msgspec.json.encode(record)
    pq.write_table(table.replace_schema_metadata({b"bwsresearch": text}), path)


def test_files_of_the_version_without_a_seal_are_read(path, write, bars, same):
    columns = bars()
    write(KLINES, columns)
    unsealed(pq.read_table(path, partitioning=None), path)
    found = parquet.read(KLINES, path, series="any")
    same(columns_of(KLINES, found), columns)
    assert found[1] == Footer(((5, 9),), "network", version=1, rows=60)


def test_a_file_that_others_have_written_anew_is_damaged(path, write, bars):
    write(KLINES, bars())
    pq.write_table(pq.read_table(path, partitioning=None), path)
    with pytest.raises(Damaged, match="its footer has no seal"):
        parquet.read(KLINES, path)


def test_a_file_of_another_series_says_so(path, write, bars):
    write(KLINES, bars(), series="production/klines/symbol=A/interval=1m")
    found = parquet.read(KLINES, path, series="production/klines/symbol=A/interval=1m")
    assert found[1].series == "production/klines/symbol=A/interval=1m"
    with pytest.raises(Misplaced, match="it is a file of production/klines/symbol=A/interval=1m"):
        parquet.read(KLINES, path, series="production/klines/symbol=B/interval=1m")
    assert parquet.read(KLINES, path) is not None


@pytest.mark.parametrize("schema", [KLINES, AGG_TRADES], ids=lambda s: s.name)
def test_no_flipped_bit_of_a_footer_passes_unnoticed(schema, path, write, bars, ticks):
    """Arrow reads past some of them, and ends the process for others: none may come so far."""
    write(schema, bars() if schema is KLINES else ticks(schema), ((JANUARY, JANUARY + DAY),))
    sound = path.read_bytes()
    begins = len(sound) - 8 - int.from_bytes(sound[-8:-4], "little") - 24
    assert sound[begins : begins + 8] == b"bws seal"
    for bit in range(begins * 8, len(sound) * 8):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            parquet.read_footer(pa.py_buffer(damaged))


def test_the_systems_refusal_is_not_damage(path):
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(NotADirectoryError):
        parquet.read(KLINES, path)
