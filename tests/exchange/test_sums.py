from fractions import Fraction

import numpy as np
import pytest

from bwsresearch.exchange.sums import coarser

from .recordings import START, columns_of, random_trades
from .served import made_of_bars, made_of_trades, units

HOUR = 3_600_000
ROWS = made_of_trades(
    random_trades(2, 26 * 60, tick=10**6, step=10, price=4 * 10**6, each=9, lots=10**7), "15m"
)


def opens(columns):
    return (columns["open_time"] // 1000).tolist()


@pytest.mark.parametrize("interval", ["30m", "1h", "4h", "8h", "1d"])
def test_prices_counts_and_times_are_as_they_are_and_volumes_exact_to_one_rounding(interval):
    found = coarser(columns_of(ROWS), "15m", interval, 0)
    expected = [row for row in made_of_bars(ROWS, interval) if row[6] < START + 26 * HOUR]
    assert opens(found) == [row[0] for row in expected]
    for i, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close")):
        assert found[name].tolist() == [float(row[i]) for row in expected]
    assert found["trades"].tolist() == [row[8] for row in expected]
    assert (found["close_time"] // 1000).tolist() == [row[6] for row in expected]
    for i, name in ((5, "volume"), (7, "quote_volume"), (10, "taker_buy_quote_volume")):
        for value, row in zip(found[name].tolist(), expected, strict=True):
            exact = Fraction(units(row[i]), 10**8)
            assert abs(Fraction(value) - exact) <= exact * Fraction(1, 10**15)


def test_what_reaches_beyond_the_rows_is_left_out():
    inner = columns_of(ROWS[1:-1])
    assert opens(coarser(inner, "15m", "1h", 0)) == [START + i * HOUR for i in range(1, 25)]
    assert opens(coarser(inner, "15m", "1d", 0)) == []


def test_a_zone_moves_the_edges():
    found = coarser(columns_of(ROWS), "15m", "1h", 30 * 60_000)
    assert opens(found) == [START + i * HOUR + HOUR // 2 for i in range(25)]


def test_a_missing_part_is_missing_in_the_sum_and_a_missing_bar_stays_missing():
    kept = columns_of(ROWS[:5] + ROWS[6:8] + ROWS[12:])
    found = coarser(kept, "15m", "1h", 0)
    assert opens(found) == [START + i * HOUR for i in range(26) if i != 2]
    assert found["trades"][1] == sum(ROWS[i][8] for i in (4, 6, 7))


def test_a_halt_in_the_last_part_ends_the_longer_bar():
    columns = columns_of(ROWS[:8])
    columns["close_time"][3] -= 60_000_000
    found = coarser(columns, "15m", "1h", 0)
    assert (found["close_time"] // 1000).tolist() == [START + HOUR - 60_001, START + 2 * HOUR - 1]


def test_sums_of_large_volumes_do_not_wrap():
    columns = columns_of(ROWS[:4])
    columns["quote_volume"] = np.full(4, 90_000_000_000.25)
    assert coarser(columns, "15m", "1h", 0)["quote_volume"].tolist() == [360_000_000_001.0]
