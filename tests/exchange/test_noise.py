import numpy as np

from bwsresearch.exchange.noise import BELL_SD, bell, key, keys, uniform


def mixed(value):
    """SplitMix64's finalizer in plain whole numbers."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def test_keys_are_splitmix_of_their_parts():
    for part in (0, 1, -1, 1_700_000_000_000):
        inner = mixed(7 ^ mixed(part % 2**64))
        expected = mixed(inner ^ mixed(5))
        assert keys(7, np.array([part]), 5).tolist() == [expected]


def test_names_have_the_same_key_on_every_machine():
    assert key("bwsresearch", 2, 1, "BTCUSDT") == 6_324_639_825_698_431_866


def test_names_are_not_run_together():
    assert len({key("a", "bc"), key("ab", "c"), key("abc"), key("a", "b", "c")}) == 4


def test_keys_of_one_element_are_those_of_many():
    row, column = np.arange(5)[:, None], np.arange(7)
    every = keys(3, row, column)
    assert every.shape == (5, 7)
    assert len(np.unique(every)) == 35
    assert [every[2, 4]] == keys(3, 2, 4).tolist() == keys(keys(3, 2), 4).tolist()


def test_draws_are_even_and_shaped_as_they_say():
    many = keys(1, np.arange(200_000))
    for shift in (0, 13, 48):
        draws = uniform(many, shift)
        assert (draws.min(), draws.max()) == (0, 65_535)
        assert np.abs(np.histogram(draws, 16)[0] - 12_500).max() < 600
    bells = bell(many)
    assert abs(bells.mean()) < 300
    assert abs(bells.std() / BELL_SD - 1) < 0.01
    assert np.abs(bells).max() <= 131_070


def test_neighbours_have_nothing_in_common():
    draws = bell(keys(9, np.arange(100_000))).astype(float)
    for lag in (1, 2, 24, 60):
        assert abs(np.corrcoef(draws[lag:], draws[:-lag])[0, 1]) < 0.015
