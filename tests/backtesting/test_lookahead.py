import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bwsresearch as bws
from bwsresearch.backtesting import check_lookahead
from bwsresearch.backtesting.exposure import targets
from bwsresearch.backtesting.lookahead import look_ahead
from bwsresearch.errors import BwsError, LookAhead

from .lab import market, sma_cross, steady, walk

KLINES = walk(700, 3)


def rises(close):
    return (close > close.shift(1)).astype(float)


CLEAN = {
    "a moving average": sma_cross,
    "an exponential average": lambda k: rises(k["close"].ewm(span=9).mean()),
    "an expanding maximum": lambda k: k["close"] >= k["close"].cummax(),
    "the day's high so far": lambda k: (
        k["close"] >= k["high"].groupby(k.index.floor("1D")).cummax()
    ),
    "yesterday's high": lambda k: (
        k["close"] > k["high"].resample("1D").max().shift(1).reindex(k.index, method="ffill")
    ),
    "a constant": lambda k: np.full(len(k), 0.5),
    "holding": lambda k: np.full(len(k), np.nan),
    "a sum with noise": lambda k: np.array(
        [np.clip(k["close"].to_numpy()[: n + 1].mean() / 60_000, 0, 1) for n in range(len(k))]
    ),
}
LEAKS = {
    "the next bar": lambda k: rises(k["close"]).shift(-1),
    "the next bar, filled": lambda k: rises(k["close"]).shift(-1, fill_value=0.0),
    "a centred window": lambda k: k["close"] > k["close"].rolling(5, center=True).mean(),
    "the mean of all": lambda k: k["close"] > k["close"].mean(),
    "a scale by the maximum": lambda k: k["close"] / k["close"].max(),
    "filled backwards": lambda k: rises(k["close"]).where(k.index.hour == 7).bfill().fillna(0.0),
    "the day's high": lambda k: (
        k["close"] >= k["high"].groupby(k.index.floor("1D")).transform("max")
    ),
    "the number of bars": lambda k: np.full(len(k), 1.0 / len(k)),
    "the best bar": lambda k: np.arange(len(k)) == int(k["close"].argmax()),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_strategy_that_knows_the_past_alone_passes(name):
    assert check_lookahead(KLINES, CLEAN[name], prefixes=60) is None


@pytest.mark.parametrize("name", LEAKS)
def test_a_strategy_that_knows_the_future_is_refused(name):
    with pytest.raises(LookAhead, match=r"^the strategy looks ahead: its target at 2024-\d\d"):
        check_lookahead(KLINES, LEAKS[name], prefixes=60)


def test_the_error_names_the_first_bar_and_the_change_in_one_line():
    closes = [5.0, 4.0, 6.0, 3.0, 7.0, 2.0]
    with pytest.raises(LookAhead) as caught:
        check_lookahead(market(closes), lambda k: (k["close"].shift(-1) > 3.5).astype(float))
    assert str(caught.value) == (
        "the strategy looks ahead: its target at 2024-01-01 01:00:00+00:00 is 0 by the first 2 bars "
        "and 1 by 6, +1; use this bar and earlier ones alone (shift(-1), center=True, bfill and the "
        "mean or maximum of a whole column look ahead)"
    )
    assert isinstance(caught.value, (BwsError, ValueError))
    assert (bws.LookAhead, bws.check_lookahead) == (LookAhead, check_lookahead)


def test_a_target_that_was_unknown_has_no_difference():
    with pytest.raises(LookAhead, match=r"is nan by the first 2 bars and 1 by 6; use this bar"):
        check_lookahead(
            market([1.0, 2, 3, 4, 5, 6]), lambda k: rises(k["close"].rolling(1).mean()).shift(-1)
        )


@pytest.mark.parametrize("lag", [1, 2, 5, 17])
def test_a_rare_signal_that_comes_early_is_found(lag):
    # Two bars of 700 tell; prefixes that lay evenly alone would miss them.
    def jumps(k):
        return (k["close"].diff() > 800).shift(-lag, fill_value=False)

    assert 1 <= int(jumps(KLINES).sum()) <= 12
    with pytest.raises(LookAhead):
        check_lookahead(KLINES, jumps, prefixes=30)


def test_bars_after_the_first_ones_count_too():
    # The leak needs more bars than the beginnings have.
    def late(k):
        return np.full(len(k), 1.0 if len(k) > 600 else 0.0)

    with pytest.raises(LookAhead, match=r"is 0 by the first 500 bars and 1 by 700, \+1"):
        check_lookahead(KLINES, late, bars=500)


def test_parameters_reach_the_strategy():
    asked = set()

    def strategy(k, fast, slow=12):
        asked.add((fast, slow))
        return sma_cross(k, fast, slow)

    check_lookahead(KLINES, strategy, params={"fast": 3}, prefixes=5)
    assert asked == {(3, 12)}


def test_a_strategy_may_need_some_bars_to_begin():
    def needy(k):
        if len(k) < 50:
            raise IndexError("too few")
        return sma_cross(k)

    assert check_lookahead(KLINES, needy) is None

    def leaky(k):
        return needy(k).shift(-1)

    with pytest.raises(LookAhead, match="the strategy looks ahead"):
        check_lookahead(KLINES, leaky)


def test_a_strategy_that_fails_once_it_has_begun_is_refused():
    def fails(k):
        if len(k) == 699:
            raise KeyError("rare")
        return sma_cross(k)

    with pytest.raises(LookAhead, match=r"fails on the first 699 bars alone \(KeyError: 'rare'\)"):
        check_lookahead(KLINES, fails)


def test_an_answer_that_was_computed_before_is_refused():
    ready = sma_cross(KLINES)
    with pytest.raises(LookAhead, match=r"fails on the first 699 bars alone \(ValueError: the str"):
        check_lookahead(KLINES, lambda _: ready)


def test_random_answers_are_told_from_look_ahead():
    draw = np.random.default_rng(1)
    with pytest.raises(LookAhead, match="answers the same bars differently each time; seed"):
        check_lookahead(KLINES, lambda k: draw.uniform(0, 1, len(k)))


def test_the_answer_that_is_known_is_not_asked_for_again():
    lengths = []

    def strategy(k):
        lengths.append(len(k))
        return sma_cross(k)

    look_ahead(KLINES, strategy, {}, targets(KLINES, sma_cross, {}), prefixes=40)
    assert len(lengths) == len(set(lengths)) == 40
    assert (min(lengths), max(lengths)) == (lengths[0], lengths[-1])
    assert lengths[-1] == 699


def test_the_strategy_cannot_change_the_klines():
    before = KLINES.copy()

    def spoils(k):
        answer = sma_cross(k)
        k["close"] = 0.0
        return answer

    check_lookahead(KLINES, spoils, prefixes=5)
    pd.testing.assert_frame_equal(KLINES, before)


def test_two_bars_cannot_tell():
    assert check_lookahead(KLINES.iloc[:2], LEAKS["the next bar"]) is None


def test_bad_arguments_are_refused():
    with pytest.raises(TypeError, match="strategy is a Series, a check recomputes it"):
        check_lookahead(KLINES, KLINES["close"])
    for bad in ({"prefixes": 0}, {"bars": 2}):
        with pytest.raises(ValueError, match=re.escape("must be 1 and 3 at least")):
            check_lookahead(KLINES, sma_cross, **bad)


@steady
@given(st.integers(1, 40), st.integers(3, 60), st.integers(0, 5))
def test_shifted_signals_are_found_and_unshifted_ones_are_not(lag, window, seed):
    klines = walk(300, seed)

    def honest(k):
        return (k["close"] > k["close"].rolling(window).mean()).astype(float)

    check_lookahead(klines, honest, prefixes=20)
    with pytest.raises(LookAhead):
        check_lookahead(klines, lambda k: honest(k).shift(-lag, fill_value=0.0), prefixes=40)
