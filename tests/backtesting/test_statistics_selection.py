import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.backtesting.statistics import (
    deflated_sharpe,
    expected_max_sharpe,
    overfitting,
    probabilistic_sharpe,
)

from .lab import steady


def test_the_probability_of_a_sharpe_ratio_is_the_one_of_the_paper():
    # Monthly, 24 returns; the normal and the skewed fund of the paper's example, 0.458 a month.
    plain = probabilistic_sharpe(0.458, returns_count=24)
    skewed = probabilistic_sharpe(0.458, returns_count=24, skew=-2.448, kurtosis=10.164)
    assert plain == pytest.approx(0.982, abs=5e-4)
    assert skewed == pytest.approx(0.913, abs=5e-4)


def test_the_deflated_sharpe_ratio_is_the_one_of_the_paper():
    # 2.5 a year of 250 days, 5 years; the best of 100 trials whose ratios have variance 1/2 a year.
    daily = 2.5 / math.sqrt(250)
    trials = np.array([-1.0, 1.0]) * math.sqrt(0.5 / 250) / math.sqrt(2)
    assert expected_max_sharpe(trials, trials=100) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(
        daily, trials_sharpe=trials, trials=100, returns_count=1250, skew=-3.0, kurtosis=10.0
    )
    assert found == pytest.approx(0.9004, abs=5e-5)
    fewer = deflated_sharpe(
        daily, trials_sharpe=trials, trials=46, returns_count=1250, skew=-3.0, kurtosis=10.0
    )
    assert fewer == pytest.approx(0.9505, abs=5e-5)


def test_a_single_trial_is_not_deflated():
    one = deflated_sharpe(0.1, trials_sharpe=np.array([0.1]), returns_count=100)
    assert one == probabilistic_sharpe(0.1, returns_count=100)


def test_trials_without_a_ratio_count_for_nothing():
    known = np.array([0.1, -0.2, 0.05])
    with_idle = np.append(known, [np.nan, np.inf])
    assert expected_max_sharpe(with_idle) == expected_max_sharpe(known)


def test_no_trials_are_refused():
    with pytest.raises(
        ValueError, match="trials is 0, must be 1 or more: nothing can be the best of none"
    ):
        deflated_sharpe(0.1, trials_sharpe=np.array([]), returns_count=100)


def test_the_tail_of_a_probability_keeps_its_digits():
    found = probabilistic_sharpe(-1.0, returns_count=122, kurtosis=1.0)
    assert found == pytest.approx(1.9106595744986568e-28, rel=1e-9)  # 11 deviations below


def test_what_has_no_distribution_has_no_probability():
    assert math.isnan(probabilistic_sharpe(1.0, returns_count=1))
    assert math.isnan(probabilistic_sharpe(math.nan, returns_count=10))
    assert math.isnan(probabilistic_sharpe(1.0, returns_count=10, skew=5.0))


@steady
@given(st.integers(2, 200), st.floats(0.001, 0.5))
def test_more_trials_make_the_same_ratio_less_of_a_find(trials, spread):
    sharpes = spread * np.array([-1.0, 1.0])
    one, more = (
        deflated_sharpe(0.2, trials_sharpe=sharpes, trials=count, returns_count=50)
        for count in (trials, trials + 50)
    )
    assert more <= one


def _by_loop(returns, blocks):
    """Logits of every halving of the blocks, one after the other."""
    parts = np.split(returns, blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[n] for n in chosen])
        outside = np.concatenate([parts[n] for n in range(blocks) if n not in chosen])
        sharpes = [half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (inside, outside)]
        best = sharpes[0].argmax()
        rank = (sharpes[1] < sharpes[1][best]).sum() + 1
        relative = rank / (returns.shape[1] + 1)
        logits.append(math.log(relative / (1 - relative)))
    return logits


@pytest.mark.parametrize(("trials", "blocks"), [(7, 6), (30, 8), (2, 2)])
def test_every_halving_is_judged_as_a_loop_judges_it(trials, blocks):
    returns = np.random.default_rng(1).normal(0.001, 0.02, (blocks * 20, trials))
    found = overfitting(returns, blocks=blocks)
    expected = _by_loop(returns, blocks)
    assert found.logits.tolist() == pytest.approx(expected)
    assert found.probability == np.mean(np.array(expected) <= 0)
    assert len(found.logits) == math.comb(blocks, blocks // 2)


def test_a_trial_that_is_always_better_is_no_luck():
    returns = np.random.default_rng(2).normal(0, 0.01, (480, 20))
    returns[:, 3] += 0.01
    found = overfitting(returns)
    assert (found.probability, found.loss_probability) == (0.0, 0.0)
    assert found.out_of_sample.mean() == pytest.approx(1.0, abs=0.1)


def test_the_best_of_worthless_trials_is_in_the_lower_half_about_as_often_as_not():
    returns = np.random.default_rng(3).normal(0, 0.01, (960, 100))
    returns -= returns.mean(axis=0)  # what one half gained the other has lost
    found = overfitting(returns)
    assert found.probability > 0.9
    assert found.loss_probability > 0.9
    assert found.in_sample.min() > 0


def test_trials_that_do_nothing_share_a_rank_in_the_middle():
    found = overfitting(np.zeros((40, 5)), blocks=4)
    assert found.logits.tolist() == [0.0] * 6
    assert found.in_sample.tolist() == [0.0] * 6


def test_trials_in_many_parts_are_judged_as_in_one(monkeypatch):
    from bwsresearch.backtesting.statistics import selection

    returns = np.random.default_rng(4).normal(0, 0.01, (160, 9))
    whole = overfitting(returns, blocks=8)
    monkeypatch.setattr(selection, "_AT_ONCE", 9 * 4)
    parts = overfitting(returns, blocks=8)
    np.testing.assert_allclose(parts.logits, whole.logits)
    np.testing.assert_allclose(parts.out_of_sample, whole.out_of_sample)


def test_blocks_are_as_equal_as_can_be_where_time_does_not_divide():
    returns = np.random.default_rng(5).normal(0, 0.01, (103, 4))
    assert len(overfitting(returns, blocks=10).logits) == 252


@pytest.mark.parametrize(
    ("returns", "blocks", "message"),
    [
        (np.zeros(9), 4, r"returns have shape \(9,\), must be periods × 2 or more trials"),
        (np.zeros((9, 1)), 4, r"returns have shape \(9, 1\), must be periods × 2 or more trials"),
        (np.zeros((99, 2)), 5, "blocks is 5, must be even, 2 to 20"),
        (np.zeros((99, 2)), 22, "blocks is 22, must be even, 2 to 20"),
        (
            np.zeros((9, 2)),
            6,
            "returns have 9 periods, must have 2 for each of 6 blocks; use fewer",
        ),
        (
            np.full((9, 2), np.nan),
            4,
            "returns are not all finite, put 0 where a trial returned nothing",
        ),
    ],
)
def test_returns_that_cannot_be_halved_are_refused(returns, blocks, message):
    with pytest.raises(ValueError, match=message):
        overfitting(returns, blocks=blocks)


def test_a_normal_distribution_is_the_standard_librarys():
    found = probabilistic_sharpe(0.3, returns_count=26, kurtosis=1.0)
    assert found == pytest.approx(NormalDist().cdf(1.5), rel=1e-14)
