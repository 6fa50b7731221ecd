import pytest

from bwsresearch.errors import ServerError
from bwsresearch.history.pace import ServerPace

from .lab import NOW, refusal


class Machine:
    """This machine's clocks, which are set: the monotonic one stands still while it sleeps."""

    def __init__(self):
        self.monotonic_s, self.wall_s = 500.0, 1_000_000.0

    def pass_(self, seconds):
        self.monotonic_s += seconds
        self.wall_s += seconds


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def pace(exchange, machine):
    return ServerPace(exchange.client.aio, 5.0, lambda: machine.monotonic_s, lambda: machine.wall_s)


def now(pace):
    return pace.client.bridge.run(pace.now())


def test_the_time_is_asked_for_once_and_carried_on(exchange, machine, pace):
    assert now(pace) == NOW
    machine.pass_(599.5)
    assert now(pace) == NOW + 599_500
    assert pace.about() == NOW + 599_500
    assert exchange.asked == {"time": 1}


def test_a_reply_was_on_its_way_for_half_of_the_time(exchange, machine, pace):
    exchange.gateway.after = lambda _: machine.pass_(0.2)
    assert now(pace) == NOW + 100


def test_after_ten_minutes_it_is_asked_for_again_and_nothing_waits(exchange, machine, pace):
    now(pace)
    machine.pass_(601)
    exchange.clock.now_ms += 602_000

    async def both():
        first = await pace.now()
        await pace._asking
        return first, await pace.now()

    assert pace.client.bridge.run(both()) == (NOW + 601_000, NOW + 602_000)
    assert exchange.asked == {"time": 2}


def test_a_machine_that_has_slept_asks_before_it_goes_on(exchange, machine, pace):
    now(pace)
    machine.wall_s += 3600
    exchange.clock.now_ms += 3_600_000
    assert now(pace) == NOW + 3_600_000


def test_a_time_that_cannot_be_had_is_an_error_at_first_and_none_later(exchange, machine, pace):
    error = refusal(500, -1000, "An unknown error occurred.")
    exchange.gateway.interfere = error
    with pytest.raises(ServerError):
        now(pace)
    exchange.gateway.interfere = None
    now(pace)
    exchange.gateway.interfere = error
    machine.pass_(700)

    async def again():
        await pace.now()
        await pace._asking
        return await pace.now()

    assert pace.client.bridge.run(again()) == NOW + 700_000


def test_a_time_that_has_come_is_not_waited_for(pace):
    now(pace)
    pace.client.bridge.run(pace.until(NOW), 10)
    pace.client.bridge.run(pace.until(NOW - 5000), 10)
