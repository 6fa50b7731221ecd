import contextlib
import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.tables import (
    AGG_TRADES,
    KLINES,
    TRADES,
    BadRow,
    decode_agg_trades,
    decode_klines,
    decode_trades,
)

MINUTE = 60_000
OPENED = 1_735_689_600_000
FLOATS = ("open", "high", "low", "close", "volume", "quote_volume")


@st.composite
def amounts(draw):
    """Text of a decimal: up to 27 digits, up to 18 of them behind the point."""
    digits = draw(st.one_of(st.integers(0, 2**40), st.integers(2**53 - 3, 10**27)))
    places = draw(st.sampled_from([0, 1, 2, 8, 8, 8, 18]))
    return format(Decimal(digits).scaleb(-places), "f")


# Ties and neighbours of ties between two doubles, where one wrong rounding shows.
TIES = [
    "9007199254740993",
    "9007199254740992.99999999",
    "9007199254740993.00000001",
    "0.1",
    "0.30000000000000004",
    "1.00000000000000011102230246251565404",
    "2.00000000000000022204460492503130808",
    "92233720368.54775807",
    "123456789012345678.12345678",
    "0.00000001",
    "1e-7",
    "5e-324",
    "1.7976931348623157e308",
]


def kline(i=0, **changed):
    row = {
        "open_time": OPENED + i * MINUTE,
        "open": "1.50",
        "high": "2",
        "low": "1",
        "close": "1.75",
        "volume": "10",
        "close_time": OPENED + (i + 1) * MINUTE - 1,
        "quote_volume": "15",
        "trades": 7,
        "taker_buy_volume": "5",
        "taker_buy_quote_volume": "7.5",
        "ignore": "0",
    }
    return list((row | changed).values())


def agg(i=0, **changed):
    row = {
        "a": i,
        "p": "1.5",
        "q": "2",
        "f": 10 + i,
        "l": 10 + i,
        "T": OPENED,
        "m": True,
        "M": True,
    }
    return row | changed


def trade(i=0, **changed):
    row = {"id": i, "price": "1.5", "qty": "2", "quoteQty": "3", "time": OPENED}
    return row | {"isBuyerMaker": False, "isBestMatch": True} | changed


def text(*rows):
    return json.dumps(rows).encode()


@given(st.lists(amounts(), min_size=6, max_size=6))
def test_amounts_of_klines_are_the_float_of_their_text(amount):
    rows = text(kline(), kline(1, **dict(zip(FLOATS, amount, strict=True))))
    columns = decode_klines(rows)
    assert [columns[name][1] for name in FLOATS] == [float(a) for a in amount]


@given(amounts(), amounts(), amounts())
def test_amounts_of_trades_are_the_float_of_their_text(price, qty, quote):
    columns = decode_trades(text(trade(price=price, qty=qty, quoteQty=quote)))
    assert [columns[n][0] for n in ("price", "qty", "quote_qty")] == [
        float(price),
        float(qty),
        float(quote),
    ]
    columns = decode_agg_trades(text(agg(p=price, q=qty)))
    assert [columns[n][0] for n in ("price", "qty")] == [float(price), float(qty)]


@pytest.mark.parametrize("amount", TIES)
def test_ties_round_as_python_rounds(amount):
    assert decode_klines(text(kline(close=amount)))["close"].tolist() == [float(amount)]
    assert decode_trades(text(trade(qty=amount)))["qty"].tolist() == [float(amount)]


def test_klines_become_columns_of_the_schema():
    columns = decode_klines(text(kline(), kline(1, trades=2**53 - 1)))
    assert {name: values.dtype for name, values in columns.items()} == KLINES.dtypes
    assert list(columns) == list(KLINES.dtypes)
    assert columns["open_time"].tolist() == [OPENED * 1000, (OPENED + MINUTE) * 1000]
    assert columns["close_time"].tolist() == [
        (OPENED + MINUTE - 1) * 1000,
        (OPENED + 2 * MINUTE - 1) * 1000,
    ]
    assert columns["trades"].tolist() == [7, 2**53 - 1]


def test_agg_trades_become_columns_of_the_schema():
    columns = decode_agg_trades(text(agg(5), agg(6, f=11, l=13, m=False)))
    assert {name: values.dtype for name, values in columns.items()} == AGG_TRADES.dtypes
    assert {name: values.tolist() for name, values in columns.items()} == {
        "time": [OPENED * 1000] * 2,
        "id": [5, 6],
        "price": [1.5, 1.5],
        "qty": [2.0, 2.0],
        "first_id": [15, 11],
        "last_id": [15, 13],
        "is_buyer_maker": [True, False],
    }


def test_trades_become_columns_of_the_schema():
    columns = decode_trades(text(trade(5), trade(6, isBuyerMaker=True)))
    assert {name: values.dtype for name, values in columns.items()} == TRADES.dtypes
    assert {name: values.tolist() for name, values in columns.items()} == {
        "time": [OPENED * 1000] * 2,
        "id": [5, 6],
        "price": [1.5, 1.5],
        "qty": [2.0, 2.0],
        "quote_qty": [3.0, 3.0],
        "is_buyer_maker": [False, True],
    }


def test_columns_can_be_written_to_and_share_nothing():
    columns = decode_klines(text(kline(), kline(1)))
    for values in columns.values():
        assert values.flags.writeable
        assert values.flags.owndata
        values[:] = 0


def test_milliseconds_and_microseconds_give_the_same_rows():
    micros = kline(open_time=OPENED * 1000, close_time=(OPENED + MINUTE) * 1000 - 1)
    one, other = decode_klines(text(kline())), decode_klines(text(micros))
    assert {name: v.tolist() for name, v in one.items()} == {
        n: v.tolist() for n, v in other.items()
    }
    exact = decode_trades(text(trade(time=OPENED * 1000 + 123_456)))["time"]
    assert exact.tolist() == [OPENED * 1000 + 123_000]


@pytest.mark.parametrize("decode", [decode_klines, decode_agg_trades, decode_trades])
def test_no_rows_are_columns_of_the_same_dtypes(decode):
    some = {decode_klines: kline(), decode_agg_trades: agg(), decode_trades: trade()}[decode]
    none = decode(b" [] ")
    assert {n: v.dtype for n, v in none.items()} == {
        n: v.dtype for n, v in decode(text(some)).items()
    }
    assert {len(values) for values in none.values()} == {0}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "Infinity", "-Infinity", "NaN"])
@pytest.mark.parametrize("field", ["open", "taker_buy_quote_volume"])
def test_words_that_are_no_numbers_are_refused(field, value):
    with pytest.raises(
        BadRow, match=rf"row 2: {field} is -?(nan|inf), must be a finite"
    ) as refused:
        decode_klines(text(kline(), kline(1), kline(2, **{field: value})))
    assert refused.value.row == 2


@pytest.mark.parametrize(
    "value", ["", " 1", "abc", "+1", ".5", "1.", "1_0", "0x1f", "1e400", None, True, [], {}, "01"]
)
def test_what_is_no_decimal_is_refused_by_row_field_and_value(value):
    shown = json.dumps(value)
    with pytest.raises(BadRow) as refused:
        decode_klines(text(kline(), kline(1, low=value)))
    assert str(refused.value) == (
        f"row 1: low is {shown}, must be a finite number; get the data again"
    )
    assert refused.value.row == 1
    with pytest.raises(BadRow) as refused:
        decode_agg_trades(text(agg(), agg(1), agg(2, q=value)))
    assert str(refused.value) == f"row 2: q is {shown}, must be a finite number; get the data again"


@pytest.mark.parametrize(
    ("field", "value"),
    [("trades", 1.5), ("trades", 2**53), ("open_time", "1e300"), ("close_time", OPENED + 0.5)],
)
def test_times_and_counts_must_be_whole_and_exact(field, value):
    with pytest.raises(
        BadRow, match=rf"row 0: {field} is .*, must be a whole number below 2\*\*53"
    ):
        decode_klines(text(kline(**{field: value})))


def test_ids_must_be_exact():
    assert decode_trades(text(trade(2**53 - 1)))["id"].tolist() == [2**53 - 1]
    with pytest.raises(BadRow, match="row 1: id is"):
        decode_trades(text(trade(), trade(2**53 + 1)))


@pytest.mark.parametrize("value", ["maybe", 2, None, "nan"])
def test_flags_must_be_true_or_false(value):
    with pytest.raises(BadRow) as refused:
        decode_trades(text(trade(), trade(1, isBuyerMaker=value)))
    assert str(refused.value).startswith(
        f"row 1: isBuyerMaker is {json.dumps(value)}, must be true or false"
    )


def test_rows_of_another_shape_are_refused_by_row():
    with pytest.raises(BadRow, match="row 1: Expected `array` of length 12") as refused:
        decode_klines(text(kline(), kline()[:11]))
    assert refused.value.row == 1
    with pytest.raises(BadRow, match="row 1: Expected `array` of length 12"):
        decode_klines(text(kline(), [*kline(), 0]))
    with pytest.raises(BadRow, match="row 1: Expected `array`, got `object`"):
        decode_klines(text(kline(), trade()))
    with pytest.raises(BadRow, match="row 2: Object missing required field `qty`"):
        decode_trades(text(trade(), trade(1), {k: v for k, v in trade().items() if k != "qty"}))


@pytest.mark.parametrize(
    "broken", [b"", b"[", b"{}", b"null", b"7", b'["', b"[] x", b"[NaN]", b"\xff\xfe[]"]
)
@pytest.mark.parametrize("decode", [decode_klines, decode_agg_trades, decode_trades])
def test_text_that_is_no_array_is_refused_as_a_whole(decode, broken):
    with pytest.raises(BadRow, match="get the data again") as refused:
        decode(broken)
    assert refused.value.row is None


@given(st.binary(max_size=40), st.integers(0, 200), st.booleans())
def test_garbage_raises_nothing_but_bad_row(garbage, at, instead):
    rows = text(kline(), kline(1))
    damaged = rows[:at] + garbage + rows[at + (len(garbage) if instead else 0) :]
    with contextlib.suppress(BadRow):
        assert all(np.isfinite(values).all() for values in decode_klines(damaged).values())


def test_text_that_is_cut_off_behind_a_wrong_value_is_refused():
    rows = text(kline(open="x"), kline(1))
    with pytest.raises(BadRow, match="truncated"):
        decode_klines(rows[:-20])


def test_unknown_fields_are_ignored():
    assert decode_trades(text(trade(new="x")))["id"].tolist() == [0]
