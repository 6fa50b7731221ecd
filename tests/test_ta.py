from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bwsresearch as bws
from bwsresearch.ta import atr, crossover, ema, rsi, sma, std, zscore
from bwsresearch.ta.memo import Memo, active, remembering
from bwsresearch.ta.sums import prefix

steady = settings(max_examples=60, deadline=None, derandomize=True)
EVERY = [sma, ema, std, zscore, rsi]


def walk(bars, seed=1, decimals=2):
    draw = np.random.default_rng(seed)
    values = np.round(30_000 * np.exp(np.cumsum(draw.normal(0, 0.01, bars))), decimals)
    index = pd.date_range("2024-01-01", periods=bars, freq="1h", tz="UTC", name="open_time")
    return pd.Series(values, index=index, name="close")


def exact_mean(values, window):
    """The mean of the decimals that floats stand for, rounded once."""
    parts = [Fraction(repr(float(value))) for value in values]
    return [
        float(sum(parts[n + 1 - window : n + 1]) / window) if n + 1 >= window else None
        for n in range(len(parts))
    ]


@steady
@given(
    st.lists(st.integers(1, 10_000_000), min_size=1, max_size=40),
    st.integers(1, 12),
    st.sampled_from([0, 2, 5, 8]),
)
def test_sma_is_the_mean_of_decimals_rounded_once(ticks, window, decimals):
    values = np.array([float(f"{tick}e-{decimals}") for tick in ticks])
    found = sma(values, window)
    assert [None if np.isnan(x) else x for x in found.tolist()] == exact_mean(values, window)


def test_sma_does_not_drift_over_many_bars():
    values = walk(200_000).to_numpy()
    found = sma(values, 50)
    assert found[-40:].tolist() == exact_mean(values[-89:], 50)[49:]


def test_means_that_are_equal_in_decimals_are_equal():
    # 0.1 + 0.2 is not 0.3 in floats.
    values = np.array([0.1, 0.2, 0.3, 0.2, 0.2, 0.2])
    assert sma(values, 3)[2] == sma(values, 3)[5] == 0.2


@steady
@given(
    st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=40), st.integers(1, 12)
)
def test_sma_of_any_numbers_is_as_fine_as_its_largest(values, window):
    array = np.array(values)
    found = sma(array, window)
    expected = np.array([np.nan if x is None else x for x in exact_mean(array, window)], float)
    tolerance = abs(array).max() * 2.0**-51
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [1e-250, 1e-30, 1.0, 1e30, 1e300])
def test_sma_of_very_small_and_large_numbers_is_finite(scale):
    values = np.array([1.1, 2.7, 3.3, 9.2]) * scale
    np.testing.assert_allclose(sma(values, 2)[1:] / scale, [1.9, 3.0, 6.25], rtol=1e-14)
    assert sma(np.zeros(3), 2).tolist()[1:] == [0.0, 0.0]


def test_a_window_with_an_unknown_value_is_unknown():
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0, np.inf, 7.0, 8.0])
    np.testing.assert_array_equal(
        sma(values, 2), [np.nan, 1.5, np.nan, np.nan, 4.5, np.nan, np.nan, 7.5]
    )


def test_long_windows_of_large_values_do_not_overflow():
    values = np.full(5_000, 99_999_999.99)
    assert sma(values, 4_000)[-1] == 99_999_999.99


@pytest.mark.parametrize("indicator", EVERY)
@pytest.mark.parametrize("window", [2, 14, 50])
def test_indicators_begin_with_nan_and_keep_index_and_name(indicator, window):
    values = walk(200)
    found = indicator(values, window)
    assert found.index.equals(values.index)
    assert (found.name, found.dtype) == ("close", np.float64)
    known = np.flatnonzero(found.notna())
    assert known[0] == (window if indicator is rsi else window - 1)
    assert len(known) == len(values) - known[0]


@pytest.mark.parametrize("indicator", EVERY)
def test_an_array_gives_the_array_that_a_series_holds(indicator):
    values = walk(120)
    found = indicator(values.to_numpy(), 9)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, indicator(values, 9).to_numpy())
    found[:] = 0.0  # it is the caller's own


@pytest.mark.parametrize("indicator", EVERY)
def test_indicators_look_at_the_past_alone(indicator):
    values = walk(90)
    whole = indicator(values, 7)
    for bars in (1, 6, 8, 40, 89):
        pd.testing.assert_series_equal(
            indicator(values.iloc[:bars], 7), whole.iloc[:bars], check_freq=False
        )


def test_ema_std_and_zscore_are_those_of_pandas():
    values = walk(300)
    expected = values.ewm(span=10, adjust=False).mean().where(np.arange(300) >= 9)
    pd.testing.assert_series_equal(ema(values, 10), expected)
    rolled = values.rolling(20)
    pd.testing.assert_series_equal(std(values, 20), rolled.std())
    pd.testing.assert_series_equal(zscore(values, 20), (values - rolled.mean()) / rolled.std())


def test_a_line_that_does_not_move_has_no_zscore_and_an_rsi_of_fifty():
    flat = np.full(6, 5.0)
    assert np.isnan(zscore(flat, 3)).all()
    np.testing.assert_array_equal(rsi(flat, 3), [np.nan] * 3 + [50.0] * 3)
    assert rsi(np.arange(6.0), 3)[3:].tolist() == [100.0] * 3
    assert rsi(np.arange(6.0)[::-1], 3)[3:].tolist() == [0.0] * 3


def test_rsi_is_wilders_by_a_loop():
    values = walk(80).to_numpy()
    changes = np.diff(values)
    up, down = changes.clip(min=0), (-changes).clip(min=0)
    gain, loss = up[:14].mean(), down[:14].mean()
    expected = [100 * gain / (gain + loss)]
    for rise, fall in zip(up[14:], down[14:], strict=True):
        gain, loss = (gain * 13 + rise) / 14, (loss * 13 + fall) / 14
        expected.append(100 * gain / (gain + loss))
    np.testing.assert_allclose(rsi(values)[14:], expected, rtol=1e-12)


def test_rsi_of_a_line_that_begins_later_begins_later():
    values = walk(60).to_numpy()
    late = np.concatenate([[np.nan] * 5, values])
    np.testing.assert_array_equal(rsi(late, 9), np.concatenate([[np.nan] * 5, rsi(values, 9)]))
    assert np.isnan(rsi(np.full(8, np.nan), 3)).all()


def test_atr_is_wilders_by_a_loop():
    draw = np.random.default_rng(4)
    close = walk(50)
    klines = pd.DataFrame(
        {"high": close + draw.uniform(0, 90, 50), "low": close - draw.uniform(0, 90, 50),
         "close": close}
    )  # fmt: skip
    ranges = [
        max(h - lo, abs(h - c), abs(lo - c))
        for h, lo, c in zip(klines.high[1:], klines.low[1:], klines.close, strict=False)
    ]
    average = sum(ranges[:5]) / 5
    expected = [np.nan] * 5 + [average]
    for one in ranges[5:]:
        average = (average * 4 + one) / 5
        expected.append(average)
    found = atr(klines, 5)
    assert (found.name, found.index.equals(klines.index)) == ("atr", True)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_touch_is_no_crossing():
    fast = np.array([1.0, 3.0, 2.0, 3.0, 1.0, 2.0, 2.0, 3.0, np.nan, 3.0])
    slow = np.full(10, 2.0)
    up = [False, True, False, False, False, False, False, False, False, False]
    assert crossover(fast, slow).tolist() == up
    assert crossover(fast, 2).tolist() == up
    assert crossover(np.array([3.0, 1.0, 2.0, 1.0]), 2.0).tolist() == [False] * 4
    assert crossover(slow, np.array([1.0, 3.0] * 5)).tolist() == [False] + [False, True] * 4 + [
        False
    ]
    series = pd.Series(fast, name="fast")
    pd.testing.assert_series_equal(crossover(series, 2.0), pd.Series(up, name="fast"))


def test_what_cannot_be_meant_is_refused():
    values = walk(5)
    for window in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="must be a whole number of 1 or more"):
            sma(values, window)
    with pytest.raises(ValueError, match="window is 1, must be a whole number of 2 or more"):
        std(values, 1)
    with pytest.raises(TypeError, match="values are a list, must be a Series or an array"):
        sma([1.0, 2.0], 2)
    with pytest.raises(TypeError, match=r"have shape \(2, 2\), must be one number per bar"):
        sma(np.ones((2, 2)), 2)


def test_indicators_are_public_as_bws_ta():
    assert bws.ta.sma is sma
    assert "ta" in dir(bws)


def owned(bars=64):
    frame = pd.DataFrame({"open": walk(bars, 2), "close": walk(bars)}, copy=True)
    columns = [frame[name].to_numpy() for name in frame]
    for column in columns:
        column.flags.writeable = False
    return frame, Memo(columns, limit=6 * columns[0].nbytes)


@pytest.mark.parametrize("indicator", EVERY)
def test_a_sweep_computes_an_indicator_of_its_columns_once(indicator):
    frame, memo = owned()
    plain = indicator(frame["close"], 5)
    with remembering(memo):
        assert active() is memo
        pd.testing.assert_series_equal(indicator(frame["close"], 5), plain)
        count = memo.computed
        pd.testing.assert_series_equal(indicator(frame["close"], 5), plain)
        assert memo.computed == count
        assert not indicator(frame["open"], 5).equals(plain)
        assert memo.computed > count
    assert active() is None


def test_what_a_strategy_does_with_an_indicator_does_not_reach_the_next_one():
    frame, memo = owned()
    plain = sma(frame["close"], 5)
    with remembering(memo):
        for given in (frame["close"], frame["close"].to_numpy()):
            spoilt = sma(given, 5)
            spoilt[:] = 0.0
            np.testing.assert_array_equal(sma(given, 5), plain.to_numpy())


def test_parts_and_changed_columns_are_other_columns():
    frame, memo = owned()
    plain = sma(frame["close"], 5)
    with remembering(memo):
        sma(frame["close"], 5)
        pd.testing.assert_series_equal(sma(frame["close"].iloc[:30], 5), plain.iloc[:30])
        close = frame["close"]
        close.iloc[3] = 1.0
        assert sma(close, 5).iloc[4] != plain.iloc[4]
        np.testing.assert_array_equal(
            sma(frame["close"].to_numpy()[::2], 5), sma(frame["close"].to_numpy()[::2].copy(), 5)
        )
        count = memo.computed
        sma(frame["close"] * 2.0, 5)
        assert memo.computed == count


def test_a_memo_keeps_to_its_size_and_forgets_the_least_used():
    frame, memo = owned()
    size = frame["close"].to_numpy().nbytes
    with remembering(memo):
        for window in (3, 4, 5, 6, 7, 8, 3, 9):
            sma(frame["close"], window)
        assert memo.nbytes <= 6 * size
        count = memo.computed
        sma(frame["close"], 9)
        assert memo.computed == count
        sma(frame["close"], 4)
        assert memo.computed == count + 1
    tiny = Memo([frame["close"].to_numpy()], limit=1)
    with remembering(tiny):
        sma(frame["close"], 4)
    assert (tiny.nbytes, tiny.computed) == (0, 2)


def test_columns_that_may_change_are_not_remembered():
    column = np.arange(9.0)
    memo = Memo([column])
    assert memo.place(column) is None
    column.flags.writeable = False
    assert Memo([column]).place(column) is not None
    assert Memo([column]).place(column.copy()) is None


def test_prefix_sums_tell_which_windows_they_are_exact_for():
    assert prefix(np.array([1.25, 2.5]), 10).scale == 100.0
    assert prefix(np.array([1.0, 3.0]), 10).scale == 1.0
    assert prefix(np.array([1 / 3]), 10).scale == 2.0 ** (62 - 10 + 1)
