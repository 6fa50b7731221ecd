import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.protocol.limits import OrderCount
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.results import RateLimit

SECOND, DAY = 1000, 86_400_000


def counts(count, now_ms):
    return [record.count for record in count.records(now_ms)]


def told(count, steps):
    """Return the count after each step: (second, "place" | "taker" | "maker" | None)."""
    found = []
    for second, step in steps:
        now_ms = second * SECOND
        if step == "place":
            count.add(1, now_ms)
        elif step is not None:
            count.filled(now_ms, is_maker=step == "maker")
        found.append(counts(count, now_ms)[0])
    return found


# faqs/order_count_decrement.md: its tables, None where an order trades again, ends or is cancelled.
TAKER = [
    (1, "place"),
    (2, "place"),
    (2, "taker"),
    (3, "place"),
    (4, None),
    (4, None),
    (5, "place"),
    (5, "taker"),
]
MAKER = [
    (1, "place"),
    (1, "place"),
    (2, "place"),
    (2, "place"),
    (2, "place"),
    (3, "maker"),
    (4, "place"),
    (4, "place"),
    (5, None),
    (5, None),
    (5, "maker"),
    (6, "place"),
]
ENDED = [
    (1, "place"),
    (2, None),
    (2, "place"),
    (3, "place"),
    (3, "taker"),
    (5, "place"),
    (6, "place"),
    (6, None),
    (7, None),
    (7, "place"),
]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (TAKER, [1, 2, 1, 2, 2, 2, 3, 2]),
        (MAKER, [1, 2, 3, 4, 5, 0, 1, 2, 2, 2, 0, 1]),
        (ENDED, [1, 1, 2, 3, 2, 3, 4, 4, 4, 5]),
    ],
)
def test_unfilled_orders_are_counted_as_documented(steps, expected):
    assert told(OrderCount.of(50, 160_000), steps) == expected


def test_a_fill_counts_in_the_window_of_its_moment_whenever_the_order_was_placed():
    # The same page's table over midnight has one order less for each fill, makers' too.
    count, found, hour = OrderCount.of(50, 160_000, maker=1), [], 3_600_000
    for hours, placed, filled in [(9, 5, 0), (24, 0, 0), (33, 10, 0), (36, 0, 5), (37, 0, 5)]:
        for _ in range(placed):
            count.add(1, hours * hour)
        for _ in range(filled):
            count.filled(hours * hour, is_maker=True)
        found.append(counts(count, hours * hour)[1])
    assert found == [5, 0, 10, 5, 0]
    count.add(2, 38 * hour)
    for _ in range(5):
        count.filled(39 * hour, is_maker=True)
    assert counts(count, 39 * hour)[1] == 0


def test_the_records_are_those_of_a_reply():
    count = OrderCount.of(50, 160_000)
    count.add(1, 0)
    assert count.records(10 * SECOND) == [
        RateLimit("ORDERS", "SECOND", 10, 50, 0),
        RateLimit("ORDERS", "DAY", 1, 160_000, 1),
    ]


def refused(count, amount, now_ms):
    with pytest.raises(Refusal) as caught:
        count.add(amount, now_ms)
    return caught.value.status, caught.value.body


def test_too_many_orders_are_told_when_they_may_go_on():
    count = OrderCount.of(2, 10)
    count.add(2, 3 * SECOND)
    status, body = refused(count, 1, 9 * SECOND)
    assert (status, body.code) == (429, -1015)
    assert body.msg == "Too many new orders; current limit is 2 orders per 10 SECOND."
    assert body.data == {"serverTime": 9 * SECOND, "retryAfter": 10 * SECOND}
    count.add(1, 10 * SECOND)


def test_a_refused_order_is_counted_nowhere():
    count = OrderCount.of(5, 6)
    count.add(5, 0)
    count.add(1, 10 * SECOND)
    assert refused(count, 1, 10 * SECOND)[1].msg == (
        "Too many new orders; current limit is 6 orders per 1 DAY."
    )
    assert counts(count, 10 * SECOND) == [1, 6]
    assert counts(count, DAY) == [0, 0]


def test_the_window_that_opens_last_is_told():
    count = OrderCount.of(2, 2)
    count.add(2, 0)
    assert refused(count, 1, 0)[1].data["retryAfter"] == DAY


@given(
    st.lists(
        st.tuples(
            st.integers(0, 30_000),
            st.sampled_from(["place", "taker", "maker", "refund"]),
        )
    )
)
def test_the_counts_are_those_of_a_recount(steps):
    count, now_ms = OrderCount.of(4, 9), DAY - 30_000
    used = {}
    for wait, step in steps:
        now_ms += wait
        windows = (("SECOND", now_ms // 10_000), ("DAY", now_ms // DAY))
        amount = {"place": 1, "taker": -1, "maker": -5, "refund": -2}[step]
        fits = used.get(windows[0], 0) + amount <= 4 and used.get(windows[1], 0) + amount <= 9
        if fits:
            used |= {window: max(0, used.get(window, 0) + amount) for window in windows}
        if step == "place":
            try:
                count.add(1, now_ms)
            except Refusal:
                assert not fits
            else:
                assert fits
        elif step == "refund":
            count.refund(2, now_ms)
        else:
            count.filled(now_ms, is_maker=step == "maker")
        assert counts(count, now_ms) == [used.get(window, 0) for window in windows]
