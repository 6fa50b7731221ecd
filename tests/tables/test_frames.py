import numpy as np
import pandas as pd
import pytest

from bwsresearch.tables import (
    AGG_TRADES,
    KLINES,
    SCHEMAS,
    TRADES,
    BadRow,
    depth_frame,
    empty,
    frame,
    wide,
)

UTC = "datetime64[us, UTC]"
ATTRS = {
    "symbol": "BTCUSDT",
    "interval": "1h",
    "server": "production",
    "start": 1_704_067_200_000,
    "end": 1_704_074_400_000,
    "source": "cache",
    "gaps": [[1_704_070_800_000, 1_704_074_400_000]],
}


def klines(hours=(0, 1), start=1.0):
    opens = 1_704_067_200_000_000 + np.array(hours, np.int64) * 3_600_000_000
    return {
        name: opens + (3_599_999_000 if name == "close_time" else 0)
        if name in KLINES.stamps
        else (np.arange(len(opens)) + start).astype(dtype)
        for name, dtype in KLINES.dtypes.items()
    }


def rows(schema):
    return klines() if schema is KLINES else {
        name: np.arange(1, 3).astype(dtype) for name, dtype in schema.dtypes.items()
    }  # fmt: skip


def test_klines_have_the_columns_that_are_promised():
    found = frame(KLINES, klines(), ATTRS)
    assert found.index.name == "open_time"
    assert found.index.dtype == UTC
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "open": "float64",
        "high": "float64",
        "low": "float64",
        "close": "float64",
        "volume": "float64",
        "close_time": UTC,
        "quote_volume": "float64",
        "trades": "int64",
        "taker_buy_volume": "float64",
        "taker_buy_quote_volume": "float64",
    }
    assert found.index.tolist() == list(pd.date_range("2024", periods=2, freq="h", tz="UTC"))
    assert found["close_time"].iloc[0] == pd.Timestamp("2024-01-01 00:59:59.999", tz="UTC")


def test_trades_have_the_columns_that_are_promised():
    aggs = frame(AGG_TRADES, rows(AGG_TRADES), {})
    assert list(aggs) == ["id", "price", "qty", "first_id", "last_id", "is_buyer_maker"]
    assert aggs.index.name == "time"
    single = frame(TRADES, rows(TRADES), {})
    assert {name: str(dtype) for name, dtype in single.dtypes.items()} == {
        "id": "int64",
        "price": "float64",
        "qty": "float64",
        "quote_qty": "float64",
        "is_buyer_maker": "bool",
    }
    assert single.index.dtype == UTC


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_an_empty_frame_has_the_same_dtypes(schema):
    some, none = frame(schema, rows(schema), ATTRS), frame(schema, empty(schema), ATTRS)
    assert none.dtypes.equals(some.dtypes)
    assert none.index.dtype == some.index.dtype
    assert none.index.name == some.index.name
    assert len(none) == 0
    assert none.attrs == ATTRS


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_frames_can_be_written_into(schema):
    table = frame(schema, rows(schema), {})
    for name in table.columns:
        table.loc[table.index[0], name] = table[name].iloc[1]
        assert table[name].iloc[0] == table[name].iloc[1]
    table["new"] = 1.0
    table.iloc[0, 0] = table.iloc[1, 0]


def test_read_only_arrays_are_copied_so_that_the_frame_can_be_written_into():
    columns = klines()
    for values in columns.values():
        values.flags.writeable = False
    table = frame(KLINES, columns, {})
    table.loc[table.index[0], ["close", "trades"]] = 9.0, 9
    table.loc[table.index[0], "close_time"] = table.index[1]
    assert table["close"].iloc[0] == 9.0
    assert columns["close"][0] == 1.0


def test_numbers_are_taken_over_not_copied():
    columns = klines()
    table = frame(KLINES, columns, {})
    assert np.shares_memory(table["close"].to_numpy(), columns["close"])


def test_attrs_survive_a_parquet_file(tmp_path):
    table = frame(KLINES, klines(), ATTRS)
    table.to_parquet(tmp_path / "x.parquet")
    back = pd.read_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(back, table)
    assert back.attrs == table.attrs == ATTRS


def test_attrs_are_copied_and_hold_json_only():
    given = {"gaps": [(1, 2)], "symbol": "BTCUSDT"}
    table = frame(KLINES, klines(), given)
    assert table.attrs == {"gaps": [[1, 2]], "symbol": "BTCUSDT"}
    given["symbol"] = "other"
    assert table.attrs["symbol"] == "BTCUSDT"
    with pytest.raises(TypeError):
        frame(KLINES, klines(), {"x": object()})


def test_several_symbols_stand_side_by_side():
    one = frame(KLINES, klines((0, 1)), ATTRS)
    two = frame(KLINES, klines((1, 2), start=10.0), ATTRS | {"symbol": "ETHUSDT", "gaps": []})
    both = wide({"BTCUSDT": one, "ETHUSDT": two})
    assert both.columns.names == ["field", "symbol"]
    assert list(both.columns.get_level_values("field").unique()) == list(one.columns)
    assert both.index.dtype == UTC
    assert both.index.name == "open_time"
    close = both["close"]
    assert list(close) == ["BTCUSDT", "ETHUSDT"]
    np.testing.assert_array_equal(close.to_numpy(), [[1, np.nan], [2, 10], [np.nan, 11]])
    assert both["close_time"].dtypes.astype(str).tolist() == [UTC, UTC]
    assert both["close_time"]["BTCUSDT"].isna().tolist() == [False, False, True]
    assert both.attrs == ATTRS | {
        "symbol": ["BTCUSDT", "ETHUSDT"],
        "gaps": {"BTCUSDT": ATTRS["gaps"], "ETHUSDT": []},
    }


def test_symbols_with_the_same_bars_keep_their_dtypes():
    tables = {name: frame(KLINES, klines(), ATTRS) for name in ("A", "B", "C")}
    both = wide(tables)
    assert both["trades"].dtypes.astype(str).tolist() == ["int64"] * 3
    assert both.xs("B", level="symbol", axis=1).equals(tables["B"])
    both.loc[both.index[0], ("close", "A")] = 5.0
    assert both["close"]["A"].iloc[0] == 5.0
    one = wide({"A": tables["A"]})
    assert one["close"].columns.tolist() == ["A"]


def test_no_bars_of_several_symbols_keep_dtypes_and_index():
    none = wide({name: frame(KLINES, empty(KLINES), ATTRS) for name in ("A", "B")})
    assert len(none) == 0
    assert none.index.dtype == UTC
    assert none["close"].dtypes.astype(str).tolist() == ["float64"] * 2
    half = wide({"A": frame(KLINES, klines(), {}), "B": frame(KLINES, empty(KLINES), {})})
    assert half["close"]["A"].tolist() == [1.0, 2.0]
    assert half["close"]["B"].isna().all()


def test_what_has_no_common_rows_is_refused():
    with pytest.raises(ValueError, match="symbols is empty"):
        wide({})
    columns = rows(TRADES)
    columns["time"][:] = 5
    with pytest.raises(ValueError, match="times of A repeat"):
        wide({"A": frame(TRADES, columns, {})})


def test_a_book_is_one_row_per_level_with_running_sums():
    book = depth_frame(
        [("10.5", "1"), ("10.4", "2.5")], [("10.6", "0.5"), ("10.7", "4")], {"last_update_id": 7}
    )
    wanted = pd.DataFrame(
        {
            "side": pd.Categorical(["bid", "bid", "ask", "ask"], ["bid", "ask"]),
            "price": [10.5, 10.4, 10.6, 10.7],
            "qty": [1.0, 2.5, 0.5, 4.0],
            "cum_qty": [1.0, 3.5, 0.5, 4.5],
        }
    )
    pd.testing.assert_frame_equal(book, wanted)
    assert book.attrs == {"last_update_id": 7}
    none = depth_frame([], [], {})
    assert none.dtypes.equals(book.dtypes)


def test_a_book_with_a_level_that_is_no_number_is_refused():
    with pytest.raises(BadRow, match="row 1: qty is nan"):
        depth_frame([("10.5", "1")], [("10.6", "nan")], {})
