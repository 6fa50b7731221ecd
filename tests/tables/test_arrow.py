import numpy as np
import pyarrow as pa
import pytest

from bwsresearch.tables import (
    AGG_TRADES,
    SCHEMAS,
    TRADES,
    Collected,
    arrow_schema,
    checked_arrow,
    empty,
    from_arrow,
    to_arrow,
)

COLUMNS = {
    "time": np.array([10**15, 10**15 + 5]),
    "id": np.array([1, 2**62]),
    "price": np.array([0.1, 9007199254740993.0]),
    "qty": np.array([5e-324, 1e300]),
    "quote_qty": np.array([1.0, -0.0]),
    "is_buyer_maker": np.array([True, False]),
}


def test_columns_come_back_from_arrow_bit_by_bit():
    back = from_arrow(TRADES, to_arrow(TRADES, COLUMNS))
    assert list(back) == list(TRADES.dtypes)
    for name, values in back.items():
        assert values.dtype == TRADES.dtypes[name]
        assert values.tobytes() == COLUMNS[name].tobytes()
        assert values.flags.writeable
        assert not np.shares_memory(values, COLUMNS[name])


def test_arrow_types_are_those_that_every_reader_knows():
    types = {str(field.type) for s in SCHEMAS.values() for field in arrow_schema(s)}
    assert types == {"timestamp[us, tz=UTC]", "double", "int64", "bool"}
    assert not any(field.nullable for s in SCHEMAS.values() for field in arrow_schema(s))


def test_numbers_are_shared_with_arrow_not_copied():
    table = to_arrow(TRADES, COLUMNS)
    assert np.shares_memory(table.column("price").chunk(0).to_numpy(), COLUMNS["price"])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_no_rows_go_through_arrow(schema):
    none = from_arrow(schema, arrow_schema(schema).empty_table())
    assert {n: (v.dtype, len(v)) for n, v in none.items()} == {
        n: (dtype, 0) for n, dtype in schema.dtypes.items()
    }
    assert to_arrow(schema, empty(schema)).num_rows == 0


def test_several_chunks_are_one_column():
    table = to_arrow(TRADES, COLUMNS)
    many = pa.concat_tables([table, table.slice(1), table.slice(2)])
    assert from_arrow(TRADES, many)["id"].tolist() == [1, 2**62, 2**62]


def test_another_table_is_refused_by_column():
    table = to_arrow(TRADES, COLUMNS)
    with pytest.raises(ValueError, match=r"columns are time, id, .*, must be time, id, price"):
        checked_arrow(AGG_TRADES, table.schema)
    narrow = table.set_column(2, "price", table.column("price").cast(pa.float32(), safe=False))
    with pytest.raises(ValueError, match="column price is float, must be double"):
        from_arrow(TRADES, narrow)
    holes = table.set_column(1, "id", pa.array([1, None]))
    with pytest.raises(ValueError, match="column id holds 1 nulls, must hold none"):
        from_arrow(TRADES, holes)


@pytest.mark.parametrize("capacity", [0, 1, 5, 100])
def test_tables_are_collected_one_after_the_other(capacity):
    table = to_arrow(TRADES, COLUMNS)
    collected = Collected(TRADES, capacity)
    for part in (table, table.slice(1), table.slice(0, 0), table):
        collected.add(part)
    whole = from_arrow(TRADES, pa.concat_tables([table, table.slice(1), table]))
    for name, values in collected.columns().items():
        assert values.dtype == TRADES.dtypes[name]
        assert values.tobytes() == whole[name].tobytes()
        assert values.flags.writeable


def test_some_fields_are_collected_without_the_others():
    some = TRADES.only(["qty", "price"])
    assert list(some.dtypes) == ["time", "price", "qty"]
    assert some.stamps == {"time"}
    collected = Collected(some, 0)
    collected.add(to_arrow(TRADES, COLUMNS).select(["time", "price", "qty"]))
    assert {name: values.tobytes() for name, values in collected.columns().items()} == {
        name: COLUMNS[name].tobytes() for name in some.dtypes
    }
