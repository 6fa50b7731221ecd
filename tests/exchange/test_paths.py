import numpy as np

from bwsresearch.exchange.paths import stretched


def ints(*values):
    return np.array(values, np.int64)


def test_what_lies_beyond_the_ends_reaches_its_goals_and_the_rest_stays():
    path = ints(10, 30, 15, 0, 20)
    found = stretched(path, (ints(10), ints(20)), (ints(0), ints(30)), (ints(-5), ints(40)))
    assert found.tolist() == [10, 40, 15, -5, 20]


def test_a_path_is_pressed_together_where_the_goal_is_near():
    path = ints(10, 30, 26, 20)
    found = stretched(path, (ints(10), ints(20)), (ints(10), ints(30)), (ints(10), ints(22)))
    assert found.tolist() == [10, 22, 21, 20]


def test_a_goal_that_is_too_far_is_left_to_one_leap():
    found = stretched(
        ints(10, 12, 10), (ints(10), ints(10)), (ints(10), ints(12)), (ints(10), ints(99))
    )
    assert found.tolist() == [10, 16, 10]
