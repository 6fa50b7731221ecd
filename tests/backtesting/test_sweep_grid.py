import numpy as np
import pytest

from bwsresearch.backtesting.sweeping.grid import batches, grid


def test_a_grid_is_every_combination_the_last_parameter_fastest():
    assert grid({"fast": range(1, 3), "slow": [8, 9]}, None) == [
        {"fast": 1, "slow": 8}, {"fast": 1, "slow": 9}, {"fast": 2, "slow": 8}, {"fast": 2, "slow": 9},
    ]  # fmt: skip


def test_values_of_numpy_become_plain_numbers():
    points = grid({"fast": np.arange(2), "part": np.linspace(0, 1, 2)}, None)
    assert {type(value) for point in points for value in point.values()} == {int, float}


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("fast < slow", [(1, 2), (1, 3), (2, 3)]),
        (" slow<=fast ", [(1, 1), (2, 1), (2, 2)]),
        ("fast==slow", [(1, 1), (2, 2)]),
        ("fast != slow", [(1, 2), (1, 3), (2, 1), (2, 3)]),
        ("slow >= fast", [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)]),
        ("slow>fast", [(1, 2), (1, 3), (2, 3)]),
        (lambda point: point["slow"] - point["fast"] == 1, [(1, 2), (2, 3)]),
    ],
)
def test_where_chooses_points(where, kept):
    points = grid({"fast": [1, 2], "slow": [1, 2, 3]}, where)
    assert [(point["fast"], point["slow"]) for point in points] == kept


@pytest.mark.parametrize(
    "where", ["fast", "fast <", "fast < 3", "fast < slo", "fast < slow or True", "__import__('os')"]
)
def test_a_condition_that_compares_no_two_parameters_is_refused(where):
    with pytest.raises(ValueError, match=r"must compare two of fast, slow, such as 'fast < slow'"):
        grid({"fast": [1], "slow": [2]}, where)


def test_what_is_no_grid_is_refused():
    with pytest.raises(ValueError, match=r"parameters is \{\}, give values by name"):
        grid({}, None)
    with pytest.raises(TypeError, match=r"fast is 5, give a list of values, such as \[5\]"):
        grid({"fast": 5}, None)
    with pytest.raises(TypeError, match=r"kind is 'ab', give a list of values, such as \['ab'\]"):
        grid({"kind": "ab"}, None)
    with pytest.raises(ValueError, match="fast has no values"):
        grid({"fast": []}, None)
    with pytest.raises(ValueError, match="where leaves none of 1 points, widen the parameters"):
        grid({"fast": [3], "slow": [2]}, "fast < slow")


def _made(points, order, room):
    """How many values are made when the last `room` of them are remembered."""
    held, made = [], 0
    for place in order:
        for value in points[place].items():
            if value in held:
                held.remove(value)
            else:
                made += 1
            held = [*held, value][-room:]
    return made


def order(points, room, size=10):
    return [place for batch in batches(points, room, size) for place in batch]


def test_points_run_in_an_order_that_needs_little_memory():
    points = grid({"fast": range(6), "slow": range(100, 140)}, None)
    assert _made(points, order(points, 12), 12) == 46
    assert _made(points, range(240), 12) > 200


def test_what_does_not_fit_into_memory_runs_in_blocks():
    points = grid({"fast": range(30), "slow": range(100, 140)}, None)
    assert sorted(order(points, 20)) == list(range(1200))
    assert _made(points, order(points, 20), 20) == 30 + 3 * 40
    assert _made(points, order(points, 1_000), 20) > 1_000


def test_batches_end_where_the_slow_parameters_change():
    points = grid({"fast": range(6), "slow": range(100, 104), "kind": ["a", "b"]}, "fast < slow")
    found = batches(points, 100, 5)
    assert {len(batch) for batch in found} == {4}
    for batch in found:
        assert len({(points[n]["fast"], points[n]["slow"]) for n in batch}) == 2


@pytest.mark.parametrize("size", [1, 3, 7, 500])
def test_batches_are_about_as_long_as_asked(size):
    points = grid({"fast": range(5), "slow": range(100, 123)}, None)
    found = batches(points, 100, size)
    assert sorted(place for batch in found for place in batch) == list(range(115))
    assert max(map(len, found)) <= max(2 * size, 1)


def test_the_order_of_one_parameter_is_its_own():
    points = grid({"kind": ["a", "b", "c"]}, None)
    assert order(points, 4) == order(points, 0) == [0, 1, 2]
