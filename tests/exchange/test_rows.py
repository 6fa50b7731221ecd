import json
import random

import numpy as np
import pytest

from bwsresearch.exchange import rows
from bwsresearch.exchange.amounts import UNIT, Amounts, divided
from bwsresearch.exchange.market import AggTrades, Bars, Trades

from .recordings import KLINE

WIDTHS = [0, 1, 9, 10, 9_999, 10_000, 99_999_999, 100_000_000, 10**12, 10**12 - 1, 2**62]


def ints(values):
    return np.array(values, np.int64)


def amounts(values):
    return Amounts(*divided(ints(values), UNIT))


def text(units):
    return f"{units // UNIT}.{units % UNIT:08d}"


@pytest.mark.parametrize("width", [1, 4, 5, 8, 9, 12, 13, 16, 18])
def test_rows_of_klines_are_written_as_plain_formatting_writes_them(width):
    rng = random.Random(width)
    columns = [[rng.choice([*WIDTHS, rng.randrange(10**width)]) for _ in range(40)] for _ in KLINE]
    made = [
        ints(values) if i in (0, 1, 2, 3, 4, 6, 8) else amounts(values)
        for i, values in enumerate(columns)
    ]
    expected = [
        [*row[:1], *map(text, row[1:6]), row[6], text(row[7]), row[8], *map(text, row[9:]), "0"]
        for row in zip(*columns, strict=True)
    ]
    found = rows.klines_json(Bars(*made))
    assert found.decode() == json.dumps(expected, separators=(",", ":"))


def test_pages_of_a_blob_are_slices_of_the_rows():
    columns = [ints(range(i, i + 9)) for i in range(11)]
    bars = Bars(
        *(Amounts(*divided(c, UNIT)) if i in (5, 7, 9, 10) else c for i, c in enumerate(columns))
    )
    every, blob = json.loads(rows.klines_json(bars)), rows.klines_blob(bars)
    for first in range(10):
        for last in range(first, 10):
            assert json.loads(rows.page(blob, first, last)) == every[first:last]


def test_amounts_beyond_64_bits_of_units_are_written_whole():
    one = Amounts(ints([123_456_789_012_345_678]), ints([9]))
    bars = Bars(*(one if i in (5, 7, 9, 10) else ints([1]) for i in range(11)))
    assert json.loads(rows.klines_json(bars))[0][5] == "123456789012345678.00000009"


def test_recorded_floats_come_back_from_their_text():
    rng = random.Random(1)
    texts = [text(rng.randrange(10 ** rng.randrange(1, 16))) for _ in range(500)]
    texts += [f"{rng.randrange(10**15)}.{rng.randrange(10**8):08d}" for _ in range(500)]
    values = np.array([float(one) for one in texts])
    columns = dict.fromkeys(KLINE, values) | {
        name: np.arange(1000) * 1000 for name in ("open_time", "close_time", "trades")
    }
    served = json.loads(rows.page(rows.recorded_blob(columns), 0, 1000))
    for i in (1, 5, 7, 10):
        assert [float(row[i]) for row in served] == values.tolist()
    assert [row[0] for row in served] == list(range(1000))


def test_trades_are_objects_with_flags_and_true_best_matches():
    trades = Trades(ints([0, 12345]), ints([1, UNIT]), ints([10, 3]), ints([0, 3]), ints([5, 10**12]),
                    np.array([True, False]))  # fmt: skip
    assert json.loads(rows.trades_json(trades)) == [
        {"id": 0, "price": "0.00000001", "qty": "0.00000010", "quoteQty": "0.00000000", "time": 5,
         "isBuyerMaker": True, "isBestMatch": True},
        {"id": 12345, "price": "1.00000000", "qty": "0.00000003", "quoteQty": "0.00000003",
         "time": 10**12, "isBuyerMaker": False, "isBestMatch": True},
    ]  # fmt: skip
    aggregates = AggTrades(ints([7]), ints([UNIT]), ints([2]), ints([70]), ints([71]), ints([9]),
                           np.array([False]))  # fmt: skip
    assert json.loads(rows.agg_trades_json(aggregates)) == [
        {
            "a": 7,
            "p": "1.00000000",
            "q": "0.00000002",
            "f": 70,
            "l": 71,
            "T": 9,
            "m": False,
            "M": True,
        }
    ]


def test_nothing_is_an_empty_array():
    none = ints([])
    bars = Bars(*(Amounts(none, none) if i in (5, 7, 9, 10) else none for i in range(11)))
    assert rows.klines_json(bars) == b"[]"
    assert rows.trades_json(Trades(none, none, none, none, none, none.astype(bool))) == b"[]"
    assert rows.page(rows.klines_blob(bars), 0, 0) == b"[]"


@pytest.mark.parametrize(
    ("units", "written"),
    [(0, "0.00000000"), (1, "0.00000001"), (-1, "-0.00000001"), (-123_456_789, "-1.23456789"), (10**20, "1000000000000.00000000")],
)  # fmt: skip
def test_an_amount_has_eight_decimals_and_its_sign(units, written):
    assert rows.decimal(units) == written
