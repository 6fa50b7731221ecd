import numpy as np
import pytest

from bwsresearch.exchange.cells import BUY, SELL, Cells
from bwsresearch.exchange.days import ERA, Days, Kind
from bwsresearch.exchange.sides import ENOUGH
from bwsresearch.times import DAY_MS

KIND = Kind("BTC", "USDT", 1_000_000, 1_000, 17_395, 4_300.0, 0.0015, 0.025, 0.85, 9.0e8, 120_000)
UNTIL = 83 * ERA  # 2028


def days(kind=KIND, until=UNTIL, root=11, common=5):
    return Days(kind, root, common, until)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Cells.__slots__)


@pytest.mark.parametrize(
    "first", [17_395, 17_407, 17_408, 17_409, 18_000, 19_199, 19_200, UNTIL - 2]
)
@pytest.mark.parametrize("length", [1, 2, 300])
def test_an_era_by_itself_is_that_of_the_whole_history(first, length):
    start, end = first * DAY_MS, (first + length) * DAY_MS
    every = days().cells
    assert len(every) == UNTIL - KIND.first_day
    assert same(days().within(start, end), every.within(start, end))
    one = days()
    one.within(17_700 * DAY_MS, 17_701 * DAY_MS)
    assert same(one.within(start + 1, end - 1), every.within(start, end))


def test_what_is_before_the_listing_or_after_the_end_is_nothing():
    for start, end in ((0, 17_395), (0, 0), (UNTIL, UNTIL + 9), (18_000, 17_900)):
        assert len(days().within(start * DAY_MS, end * DAY_MS)) == 0
    assert len(days().within(0, 17_396 * DAY_MS)) == 1
    assert len(days().within((UNTIL - 1) * DAY_MS, 2 * UNTIL * DAY_MS)) == 1


def test_an_earlier_horizon_is_a_part_of_a_later_one():
    assert same(days(until=75 * ERA).cells, days().cells.part(slice(0, 75 * ERA - KIND.first_day)))


def test_days_can_be_made_of_trades():
    every = days().cells
    assert (every.low <= np.minimum(every.open, every.close)).all()
    assert (every.high >= np.maximum(every.open, every.close)).all()
    assert every.before.tolist() == [every.open[0], *every.close[:-1]]
    assert np.abs(every.open - every.before).max() <= 2
    assert every.aggs.min() >= 24 * 60 * ENOUGH
    assert (every.trades >= every.aggs).all()
    assert (every.lots >= 50 * every.trades).all()
    for side in (BUY, SELL):
        mean = every.atoms[side] / every.lots[side]
        span = every.high - every.low
        assert (mean >= every.low + span / 8).all()
        assert (mean <= every.high - span / 8).all()


def test_prices_stay_in_the_world_for_eighty_years():
    every = days(until=190 * ERA).cells  # 2103
    price = every.close * KIND.tick / 1e8
    assert price.min() > 500
    assert price.max() < 1e9
    assert np.abs(np.diff(np.log(price))).max() < 0.4
    assert every.atoms.max() < 2**62
