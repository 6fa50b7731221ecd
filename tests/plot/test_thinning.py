import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch import plot
from bwsresearch.plot.thinning import bundles

from .lab import bars, stamps, walk


@pytest.mark.parametrize("count", [6_001, 9_000, 100_003, 525_600])
def test_thinning_keeps_every_extreme_and_both_ends(count):
    values = np.cumsum(np.random.default_rng(3).normal(0, 1, count))
    values[777], values[-5] = 9_999.0, -9_999.0
    when, kept = plot.thinned(stamps(count), values)
    assert len(kept) <= 4 * 1_501
    assert (kept.max(), kept.min()) == (9_999.0, -9_999.0)
    assert (when[0], when[-1]) == (stamps(count)[0], stamps(count)[-1])
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    assert (np.diff(when) > np.timedelta64(0, "us")).all()
    row = np.searchsorted(stamps(count), when)
    np.testing.assert_array_equal(values[row], kept)
    # Between two points that are kept nothing lies outside their strip's range.
    per = -(-count // 1_500)
    edges = np.arange(0, count, per)
    assert np.isin(edges, row).all()
    assert np.isin(edges[1:] - 1, row).all()
    lowest = np.minimum.reduceat(values, np.arange(0, count, per))
    np.testing.assert_array_equal(
        np.minimum.reduceat(kept, np.searchsorted(row, np.arange(0, count, per))), lowest
    )


def test_a_short_series_is_drawn_whole():
    values = np.arange(6_000.0)
    assert plot.thinned(stamps(6_000), values)[1] is values


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_thinning_any_series_keeps_its_range_its_ends_and_its_order(values, strips):
    values = np.array(values)
    when, kept = plot.thinned(stamps(len(values)), values, strips)
    assert len(kept) <= 4 * (strips + 1)
    assert (kept.min(), kept.max()) == (values.min(), values.max())
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    places = np.searchsorted(stamps(len(values)), when)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(values[places], kept)


waits = st.lists(st.integers(0, 10**10), min_size=2, max_size=200)  # to the next bar, microseconds


@given(waits, st.integers(2, 60), st.integers(0, 5))
def test_fewer_bars_keep_extremes_ends_and_volume_of_any_times(steps, most, seed):
    opened = stamps(1)[0] + np.cumsum(np.array(steps)).astype("m8[us]")
    whole = bars(walk(len(steps), seed), opened, np.arange(len(steps)))
    few, name = plot.resampled(whole, most)
    assert len(few.opened) <= max(most, 0)
    assert bool(name) == (len(steps) > most)
    assert (few.high.max(), few.low.min()) == (whole.high.max(), whole.low.min())
    assert (few.open[0], few.close[-1]) == (whole.open[0], whole.close[-1])
    assert (few.opened[0], few.ended[-1]) == (whole.opened[0], whole.ended[-1])
    assert few.volume.sum() == whole.volume.sum()
    assert (few.high >= np.maximum(few.open, few.close)).all()
    assert (few.low <= np.minimum(few.open, few.close)).all()
    assert (few.ended[:-1] <= few.opened[1:]).all()


def test_each_longer_bar_is_made_of_the_bars_in_it():
    whole = bars(walk(10_000), volume=np.arange(10_000))
    few, name = plot.resampled(whole, 100)
    assert name == "2h"
    assert len(few.opened) == 84
    for at, begin in enumerate(range(0, 10_000, 120)):
        rows = whole.part(slice(begin, begin + 120))
        assert few.part(slice(at, at + 1)) == (
            rows.opened[0], rows.ended[-1], rows.open[0], rows.high.max(), rows.low.min(),
            rows.close[-1], rows.volume.sum(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("step_s", "count", "most", "name"),
    [
        (60, 525_600, 750, "12h"),
        (60, 525_600, 1_500, "6h"),
        (3_600, 70_000, 750, "4d"),
        (86_400, 3_000, 1_500, "4d"),
        (420, 9_000, 1_000, "9 bars"),  # of 7 minutes: no length of a clock's is theirs
        (60, 750, 750, ""),
    ],
)
def test_bundles_have_the_length_of_a_clock_that_people_think_in(step_s, count, most, name):
    first, found = bundles(stamps(count, step_s * 1_000_000), most)
    assert found == name
    assert len(first) <= most


def test_bundles_of_a_day_begin_at_midnight_and_span_no_hole():
    opened = stamps(4_000, 3_600_000_000) + np.timedelta64(5, "h")
    opened = np.delete(opened, slice(100, 300))
    first, name = bundles(opened, 200)
    assert name == "1d"
    np.testing.assert_array_equal(opened[first].astype("M8[D]"), np.unique(opened.astype("M8[D]")))
