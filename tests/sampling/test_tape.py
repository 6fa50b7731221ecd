import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.sampling.tape import read

from .test_made import START, trades_of

SINGLE = trades_of([(START + i // 2, 100.0 + i, 1.5, i % 2 == 0) for i in range(10)])
AGGREGATE = SINGLE.drop(columns="quote_qty").assign(
    first_id=np.arange(10) * 3, last_id=np.arange(10) * 3 + 2
)


def test_numbers_are_shared_with_the_frame():
    for frame in (SINGLE, AGGREGATE):
        tape = read(frame)
        assert np.shares_memory(tape.price, frame["price"].to_numpy())
        assert np.shares_memory(tape.qty, frame["qty"].to_numpy())
    assert read(SINGLE).count is None
    assert read(AGGREGATE).count.tolist() == [3] * 10


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_may_have_any_unit_and_zone(unit):
    index = SINGLE.index.as_unit(unit).tz_convert("Asia/Tokyo")
    frame = SINGLE.set_axis(index)
    assert read(frame).time.tolist() == read(SINGLE).time.tolist()
    pd.testing.assert_frame_equal(bws.bars(frame, "1s"), bws.bars(SINGLE, "1s"))


def test_ids_are_not_needed_where_times_ascend():
    frame = SINGLE.drop(columns="id")
    pd.testing.assert_frame_equal(bws.bars(frame, ticks=3), bws.bars(SINGLE, ticks=3))


@pytest.mark.parametrize(
    ("trades", "message"),
    [
        ([1, 2], "trades is a list, must be a frame as bws.trades or bws.agg_trades return it"),
        (None, "trades is a NoneType"),
        (SINGLE["price"], "trades is a Series"),
    ],
)
def test_what_is_no_frame_is_refused_in_a_line(trades, message):
    with pytest.raises(TypeError, match=message) as caught:
        bws.bars(trades, "1m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("trades", "message"),
    [
        (SINGLE.drop(columns="price"), "trades has no column price; give what bws.trades"),
        (SINGLE.drop(columns="is_buyer_maker"), "no column is_buyer_maker; .* among columns="),
        (AGGREGATE.drop(columns="last_id"), "no column last_id"),
        (AGGREGATE[["price", "qty", "is_buyer_maker"]], "no column first_id"),
        (pd.DataFrame(), "no column price"),
        (pd.concat({"BTCUSDT": SINGLE}, axis=1), "columns of several levels; give the trades of one"),
        (SINGLE.astype({"price": str}), "column price of trades is str, must be float64; use .astype"),
        (SINGLE.astype({"qty": "float32"}), "column qty of trades is float32"),
        (AGGREGATE.astype({"first_id": float}), "column first_id of trades is float64, must be int64"),
        (SINGLE.reset_index(), "the index of trades is int64, must be times with a zone"),
        (SINGLE.tz_localize(None), r"datetime64\[us\], must be times with a zone"),
        (SINGLE.set_axis([pd.NaT, *SINGLE.index[1:]]), "must be times with a zone"),
        (SINGLE.iloc[::-1], r"trades are not in order: row 1 has id 8 after 9; use .sort_values\('id'\)"),
        (pd.concat([SINGLE, SINGLE]), "row 10 has id 0 after 9"),
        (SINGLE.drop(columns="id").iloc[::-1], "not in order: row 2 has time 2024-01-01 00:00:00.003"),
        (SINGLE.assign(price=[*[1.0] * 9, np.nan]), "price of trades is nan in row 9, must be at least 0"),
        (SINGLE.assign(qty=[*[1.0] * 9, -1.0]), "qty of trades is -1.0 in row 9"),
        (SINGLE.assign(quote_qty=[np.inf, *[1.0] * 9]), "quote_qty of trades is inf in row 0"),
        (AGGREGATE.assign(last_id=0), "first_id 27 and last_id 0 in row 9, must be at least one trade"),
    ],
)  # fmt: skip
def test_rows_that_are_no_trades_in_order_are_refused_in_a_line(trades, message):
    with pytest.raises(ValueError, match=message) as caught:
        bws.bars(trades, "1m")
    assert "\n" not in str(caught.value)
