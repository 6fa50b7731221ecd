import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.tables import (
    KLINES,
    SCHEMAS,
    TRADES,
    BadRow,
    checked,
    concat,
    empty,
    length,
    micros,
    millis,
    sliced,
    unique,
)


def trades(*ids, price=1.0):
    count = len(ids)
    return {
        "time": np.arange(count) * 1000 + 10**15,
        "id": np.array(ids, np.int64),
        "price": np.full(count, price),
        "qty": np.arange(count, dtype=float),
        "quote_qty": np.ones(count),
        "is_buyer_maker": np.zeros(count, bool),
    }


@given(st.lists(st.integers(0, 6)))
def test_of_equal_keys_the_last_row_stays(ids):
    columns = trades(*ids)
    last = dict(zip(ids, columns["qty"].tolist(), strict=True))
    found = unique(TRADES, columns)
    assert found["id"].tolist() == sorted(last)
    assert found["qty"].tolist() == [last[key] for key in sorted(last)]


def test_what_is_unique_already_is_not_copied():
    columns = trades(1, 2, 5)
    assert unique(TRADES, columns) is columns
    none = empty(TRADES)
    assert unique(TRADES, none) is none


@given(st.integers(10**11, 10**14 - 1))
def test_a_time_in_ms_or_us_is_told_by_its_size(ms):
    both = np.array([ms, ms * 1000, ms * 1000 + 999])
    assert micros(both).tolist() == [ms * 1000] * 3
    assert millis({"time": micros(both)}, "time").tolist() == [ms] * 3


def test_parts_are_joined_in_new_arrays():
    one, other = trades(1, 2), trades(3)
    joined = concat(TRADES, [one, other])
    assert joined["id"].tolist() == [1, 2, 3]
    assert length(joined) == 3
    joined["id"][0] = 9
    assert one["id"][0] == 1
    alone = concat(TRADES, [one])
    assert not np.shares_memory(alone["id"], one["id"])


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_nothing_joined_is_empty_columns(schema):
    none = concat(schema, [])
    assert {name: (values.dtype, len(values)) for name, values in none.items()} == {
        name: (dtype, 0) for name, dtype in schema.dtypes.items()
    }


@pytest.mark.parametrize(
    "where", [slice(1, 3), np.array([False, True, True, False]), np.array([1, 2])]
)
def test_a_cut_is_a_copy(where):
    columns = trades(1, 2, 5, 7)
    part = sliced(columns, where)
    assert part["id"].tolist() == [2, 5]
    part["id"][:] = 0
    assert columns["id"].tolist() == [1, 2, 5, 7]


def test_raw_numbers_are_brought_to_the_dtypes():
    raw = {name: values.astype(np.float64) for name, values in trades(1, 2).items()}
    found = checked(TRADES, raw)
    assert {name: values.dtype for name, values in found.items()} == TRADES.dtypes
    assert found["id"].tolist() == [1, 2]


def test_the_first_wrong_number_is_named():
    raw = {name: np.ones(3) for name in KLINES.dtypes}
    raw["high"][1:] = np.nan, np.inf
    with pytest.raises(BadRow, match="row 1: high is nan, must be a finite number") as refused:
        checked(KLINES, raw)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (again.row, again.what, str(again)) == (1, refused.value.what, str(refused.value))
