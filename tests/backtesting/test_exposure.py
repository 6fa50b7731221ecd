import datetime as dt

import numpy as np
import pandas as pd
import pytest

from bwsresearch.backtesting import backtest
from bwsresearch.backtesting.exposure import changes, checked_klines, own, targets

from .lab import market, sma_cross, walk

KLINES = market([100.0, 101.0, 102.0, 103.0])


def refused(answer):
    """The message with which a strategy's answer is refused."""
    strategy = answer if callable(answer) else lambda _: answer
    with pytest.raises((TypeError, ValueError)) as caught:
        backtest(KLINES, strategy, balances={"USDT": 1})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_answers_are_refused_in_one_line():
    index = KLINES.index
    assert refused(None) == (
        "the strategy returned nothing (None), must return a Series or an array "
        "with one exposure per bar"
    )
    assert "returned a list, must return a Series or an array" in refused([0, 1, 0, 1])
    assert "returned a float" in refused(1.0)
    assert "returned a DataFrame" in refused(pd.DataFrame({"x": [0, 1, 0, 1]}, index=index))
    assert refused(np.ones(3)) == "the strategy returned shape (3,), must be (4,)"
    assert refused(np.ones((4, 1))) == "the strategy returned shape (4, 1), must be (4,)"
    assert refused(pd.Series([1.0, 0.0], index=index[:2])) == (
        "the strategy's Series has 2 rows of another index than the 4 klines; "
        "return one value per bar, such as klines.close > 100"
    )
    assert "4 rows of another index" in refused(pd.Series([0.0] * 4))
    assert refused(np.array([0, 1.5, 0, 0])) == (
        "exposure is 1.5 at 2024-01-01 01:00:00+00:00, must be 0 to 1 (or NaN to hold); "
        "spot can neither be sold short nor bought on credit"
    )
    assert "exposure is -1 at 2024-01-01 03" in refused(pd.Series([0, 1, 0, -1], index=index))
    assert "exposure is inf" in refused(np.array([np.inf, 0, 0, 0]))
    assert "values that are no numbers" in refused(pd.Series(["BUY", "", "SELL", ""], index=index))
    assert "values that are no numbers" in refused(np.array(["BUY", 1, 0, 0], dtype=object))
    assert "values of complex128, must be numbers" in refused(np.ones(4, complex))
    assert "must be numbers" in refused(pd.Series(index, index=index))


def test_what_is_no_strategy_is_refused():
    with pytest.raises(TypeError, match=r"strategy is a list, must be a function of klines or a"):
        backtest(KLINES, [1, 0, 1, 0], balances={"USDT": 1})
    with pytest.raises(ValueError, match=r"params is \{'fast': 3\}, but the strategy is a Series"):
        backtest(KLINES, KLINES["close"], balances={"USDT": 1}, params={"fast": 3})
    with pytest.raises(TypeError, match="unexpected keyword argument 'fasst'"):
        backtest(KLINES, sma_cross, balances={"USDT": 1}, params={"fasst": 3})


@pytest.mark.parametrize(
    "answer",
    [
        pd.Series([True, False, True, False], index=KLINES.index),
        np.array([True, False, True, False]),
        pd.Series([1, 0, 1, 0], index=KLINES.index, dtype="int8"),
        pd.Series([1.0, 0.0, 1.0, 0.0], index=KLINES.index, dtype="float32"),
        pd.Series([1, 0, 1, 0], index=KLINES.index, dtype="Int64"),
        np.array([1, 0, 1, 0], dtype=object),
    ],
)
def test_all_kinds_of_numbers_are_understood(answer):
    found = targets(KLINES, lambda _: answer, {})
    assert (found.dtype, found.tolist()) == (np.float64, [1.0, 0.0, 1.0, 0.0])


def test_a_missing_truth_holds():
    answer = pd.Series([True, None, False, None], index=KLINES.index, dtype="boolean")
    np.testing.assert_array_equal(targets(KLINES, answer, {}), [1.0, np.nan, 0.0, np.nan])


def test_a_sum_of_weights_may_miss_its_bound_by_rounding():
    wanted = np.array([0.1 * 3 + 0.7, 1 + 2e-16, -1e-17, 1.0])
    bars, exposures = changes(targets(KLINES, lambda _: wanted, {}), first=0.0)
    assert (bars.tolist(), exposures.tolist()) == ([0, 2, 3], [10**8, 0, 10**8])
    assert "exposure is 1" in refused(np.array([1 + 1e-6, 0, 0, 0]))


def test_changes_are_bars_whose_target_is_new():
    nan = np.nan
    bars, exposures = changes(np.array([nan, 0.0, 0.5, nan, 0.5, 0.0, nan]), first=0.0)
    assert (bars.tolist(), exposures.tolist()) == ([2, 5], [50_000_000, 0])
    bars, _ = changes(np.array([nan, 0.0, 0.5]), first=nan)
    assert bars.tolist() == [1, 2]
    bars, exposures = changes(np.array([nan, nan]), first=0.0)
    assert (bars.tolist(), exposures.tolist()) == ([], [])


def test_klines_as_they_should_be_are_taken_as_they_are():
    for zone in (dt.UTC, "UTC", "Etc/UTC"):
        frame = KLINES.tz_convert(zone)
        pd.testing.assert_frame_equal(checked_klines(frame), frame)
    for unit in ("s", "ms", "us", "ns"):
        frame = KLINES.set_axis(KLINES.index.as_unit(unit))
        assert backtest(frame, frame["close"] > 100, balances={"USDT": 1}).equity.iloc[-1] > 0.9


def broken(change):
    frame = walk(6, seed=1)
    return change(frame)


def spoiled(name, value):
    frame = walk(6, seed=1)
    frame.iloc[2, frame.columns.get_loc(name)] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([1, 2], r"klines is a list, must be a DataFrame of bws.klines"),
        (broken(lambda f: f["close"]), r"klines is a Series, must be a DataFrame"),
        (broken(lambda f: f.drop(columns=["open", "volume"])), r"klines lack open, volume; take"),
        (broken(lambda f: f.iloc[:0]), r"klines have 0 bars, a backtest needs 2 at least"),
        (broken(lambda f: f.iloc[:1]), r"klines have 1 bars, a backtest needs 2 at least"),
        (broken(lambda f: f.reset_index()), r"an index of int64, must be times in UTC; use df.set"),
        (broken(lambda f: f.tz_localize(None)), r"times without a zone; use df.tz_localize\('UTC'"),
        (broken(lambda f: f.tz_convert("Asia/Tokyo")), r"times of Asia/Tokyo; use df.tz_convert"),
        (broken(lambda f: f[::-1]), r"times of klines do not ascend; use df\[~df.index.duplicated"),
        (broken(lambda f: pd.concat([f[:3], f[2:]])), r"times of klines do not ascend"),
        (spoiled("close", np.nan), r"klines at 2024-01-01 02:00:00\+00:00 hold NaN or a price"),
        (spoiled("volume", np.nan), r"klines at 2024-01-01 02:00:00\+00:00 hold NaN or a price"),
        (spoiled("open", 0.0), r"outside 0.00000001 to 90,000,000,000; drop such bars"),
        (spoiled("low", -1.0), r"outside 0.00000001 to 90,000,000,000; drop such bars"),
        (spoiled("high", np.inf), r"outside 0.00000001 to 90,000,000,000; drop such bars"),
        (spoiled("close", 1e12), r"outside 0.00000001 to 90,000,000,000; drop such bars"),
        (spoiled("close", 1e-9), r"outside 0.00000001 to 90,000,000,000; drop such bars"),
    ],
)
def test_klines_that_cannot_be_walked_through_are_refused_in_one_line(frame, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        backtest(frame, lambda k: k["close"] * 0, balances={"USDT": 1})
    assert "\n" not in str(caught.value)


def test_a_frame_of_its_own_is_reached_by_no_change():
    frame = walk(6, seed=1)
    mine = own(frame)
    kept = mine.copy()
    frame.loc[:, "close"] = 1.0
    frame["more"] = 2.0
    pd.testing.assert_frame_equal(mine, kept)
