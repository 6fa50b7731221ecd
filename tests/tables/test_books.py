import json

import numpy as np
import pandas as pd
import pytest

from bwsresearch.tables import (
    BOOKS,
    BadRow,
    books_frame,
    concat,
    decode_book,
    empty,
    first_books,
    unique,
    wide_books_frame,
)

DUE = 1_704_067_200_000


def book(due_ms=DUE, update=7, bids=2, asks=3, request_ms=None):
    text = json.dumps(
        {
            "lastUpdateId": update,
            "bids": [[f"{100 - i}.10000000", f"0.{i + 1}0000000"] for i in range(bids)],
            "asks": [[f"{101 + i}.30000000", f"2.{i + 1}0000000"] for i in range(asks)],
        }
    ).encode()
    asked = due_ms + 3 if request_ms is None else request_ms
    return decode_book(text, due_ms=due_ms, request_ms=asked, reply_ms=due_ms + 80)


def test_a_reply_becomes_rows_of_the_exact_floats():
    columns = book()
    assert list(columns) == list(BOOKS.dtypes)
    assert {name: values.dtype for name, values in columns.items()} == BOOKS.dtypes
    assert columns["price"].tolist() == [100.1, 99.1, 101.3, 102.3, 103.3]
    assert columns["qty"].tolist() == [0.1, 0.2, 2.1, 2.2, 2.3]
    assert columns["is_ask"].tolist() == [False, False, True, True, True]
    assert columns["level"].tolist() == [1, 2, 1, 2, 3]
    assert set(columns["time"].tolist()) == {DUE * 1000}
    assert set(columns["request_time"].tolist()) == {(DUE + 3) * 1000}
    assert set(columns["reply_time"].tolist()) == {(DUE + 80) * 1000}
    assert set(columns["last_update_id"].tolist()) == {7}


def test_a_book_without_levels_has_no_rows():
    assert {len(values) for values in book(bids=0, asks=0).values()} == {0}


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b'{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["nan","1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1","inf"]],"asks":[]}',
        b'{"lastUpdateId":9223372036854775808,"bids":[],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1","2","3"]],"asks":[]}',
    ],
)
def test_what_is_no_book_is_refused(text):
    with pytest.raises(BadRow):
        decode_book(text, due_ms=DUE, request_ms=DUE, reply_ms=DUE)


def test_of_two_books_of_one_time_the_first_that_was_asked_for_counts():
    early, late = book(update=9, request_ms=DUE + 1), book(update=8, request_ms=DUE + 5)
    alone = book(DUE + 1000, update=11)
    columns = unique(BOOKS, concat(BOOKS, [late, early, alone]))
    kept = columns["last_update_id"][first_books(columns)]
    assert kept.tolist() == [9] * 5 + [11] * 5
    assert first_books(empty(BOOKS)).tolist() == []


def test_a_long_frame_has_a_row_for_each_level():
    columns = concat(BOOKS, [book(), book(DUE + 1000, asks=1)])
    frame = books_frame(columns, ["price", "qty"], {"symbol": "BTCUSDT"})
    assert list(frame.columns) == ["side", "level", "price", "qty"]
    assert frame.index.name == "time"
    assert str(frame.index.dtype) == "datetime64[us, UTC]"
    assert frame["side"].tolist() == ["bid"] * 2 + ["ask"] * 3 + ["bid"] * 2 + ["ask"]
    assert frame.loc["2024-01-01 00:00:01", "price"].tolist() == [100.1, 99.1, 101.3]
    assert frame.attrs == {"symbol": "BTCUSDT"}
    other = books_frame(columns, ["reply_time", "last_update_id"], {})
    assert other["reply_time"].iloc[0] == pd.Timestamp(DUE + 80, unit="ms", tz="UTC")
    none = books_frame(empty(BOOKS), ["price", "qty"], {})
    assert none.dtypes.equals(frame.dtypes)
    assert none.index.dtype == frame.index.dtype


def test_a_wide_frame_has_a_row_for_each_time():
    columns = concat(BOOKS, [book(), book(DUE + 1000, asks=1)])
    frame = wide_books_frame(columns, ["price", "qty", "last_update_id"], 3, {})
    assert list(frame.columns) == ["last_update_id"] + [
        f"{side}_{name}_{level}"
        for side in ("bid", "ask")
        for level in (1, 2, 3)
        for name in ("price", "qty")
    ]
    assert frame["ask_price_1"].tolist() == [101.3, 101.3]
    assert frame["bid_qty_2"].tolist() == [0.2, 0.2]
    assert frame["bid_qty_3"].isna().all()
    np.testing.assert_array_equal(frame["ask_price_3"], [103.3, np.nan])
    none = wide_books_frame(empty(BOOKS), ["price", "qty", "last_update_id"], 3, {})
    assert none.dtypes.equals(frame.dtypes)
    assert none.index.dtype == frame.index.dtype
