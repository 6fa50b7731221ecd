import bwsresearch as bws
from bwsresearch.history import clock
from bwsresearch.history.clock import server_now

from .lab import NOW


def now(exchange):
    return bws.run(server_now(exchange.client.aio, None))


def test_the_time_is_asked_for_once_and_carried_on(exchange):
    first, second = now(exchange), now(exchange)
    assert exchange.asked == {"time": 1}
    assert NOW == first <= second < NOW + 60_000


def test_each_client_has_a_time_of_its_own(exchange):
    now(exchange)
    exchange.clock.now_ms += 5_000_000
    other = exchange.new_client()
    assert bws.run(server_now(other.aio, None)) == NOW + 5_000_000


def test_the_time_that_is_carried_on_lags_and_never_leads():
    reading = clock._Reading(server_ms=1_000_000, monotonic_s=0.0, wall_s=0.0)
    assert reading.at(monotonic_s=100.0, wall_s=100.0) == 1_000_000 + 99_950
    assert reading.at(monotonic_s=599.0, wall_s=599.9) < 1_599_000


def test_a_reading_does_not_outlive_ten_minutes_nor_a_sleep_of_the_machine():
    reading = clock._Reading(server_ms=1_000_000, monotonic_s=0.0, wall_s=0.0)
    assert reading.at(monotonic_s=601.0, wall_s=601.0) is None
    assert reading.at(monotonic_s=10.0, wall_s=12.0) is None
    assert reading.at(monotonic_s=10.0, wall_s=8.0) is None
