import itertools

from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.store.spans import clip, minus, union

moments = st.integers(-3, 25)
loose = st.lists(st.tuples(moments, moments), max_size=6).map(tuple)
spans = loose.map(union)


def moments_of(spans):
    return {t for start, end in spans for t in range(start, end)}


def is_tidy(spans):
    return all(a < b for a, b in spans) and all(
        one[1] < other[0] for one, other in itertools.pairwise(spans)
    )


@given(loose, loose)
def test_a_union_holds_what_either_holds_and_is_tidy(one, other):
    both = union(one, other)
    assert moments_of(both) == moments_of(one) | moments_of(other)
    assert is_tidy(both)
    assert union(both) == both


@given(spans, moments, moments)
def test_clipping_keeps_what_lies_inside(some, start, end):
    inside = clip(some, start, end)
    assert moments_of(inside) == moments_of(some) & set(range(start, end))
    assert is_tidy(inside)


@given(spans, spans)
def test_a_difference_holds_what_only_the_first_holds(one, other):
    left = minus(one, other)
    assert moments_of(left) == moments_of(one) - moments_of(other)
    assert is_tidy(left)


def test_stretches_that_touch_are_one():
    assert union(((5, 7), (1, 3)), ((3, 5),)) == ((1, 7),)
    assert union() == union((), ((4, 4), (6, 2))) == ()
