import datetime as dt

import pytest

from bwsresearch.client.sync import Client
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import (
    LocalEndpoint,
    Onward,
    Standing,
    live_clock,
    running_from,
    server_of,
)


def test_a_clock_never_runs_back():
    now = [100]
    clock = Onward(lambda: now[0])
    assert clock() == 100
    now[0] = 90
    assert clock() == 100
    now[0] = 101
    assert clock() == 101


def test_a_clock_waits_for_its_time_to_come():
    now = [100]
    clock = Onward(lambda: now[0])
    clock.go_on_from(150)
    assert clock() == 150
    now[0] = 149
    assert clock() == 150
    now[0] = 160
    assert clock() == 160


def test_a_movable_clock_runs_on_from_there():
    now = [100]
    clock = Onward(lambda: now[0], is_movable=True)
    clock.go_on_from(150)
    assert clock() == 150
    now[0] = 110
    assert clock() == 160
    clock.go_on_from(50)
    assert clock() == 160


@pytest.mark.parametrize("hours", [0, -3])
def test_a_chosen_time_runs_from_now_on(hours):
    zone = dt.timezone(dt.timedelta(hours=hours))
    ticks = [7_000_000_000]
    clock = running_from(dt.datetime(2024, 1, 31, 12 + hours, tzinfo=zone), lambda: ticks[0])
    assert clock() == 1_706_702_400_000
    ticks[0] += 1_999_999
    assert clock() == 1_706_702_400_001


def test_the_live_clock_is_this_machines():
    before = dt.datetime.now(dt.UTC).timestamp() * 1000
    assert before - 1 <= live_clock() <= dt.datetime.now(dt.UTC).timestamp() * 1000


async def test_an_exchange_in_this_process_is_known_without_asking():
    market = SyntheticMarket()
    client = Client(LocalEndpoint(Gateway(market), live_clock, "k" * 64))
    assert await server_of(client.aio) == market.identity
    assert not client.is_open
    assert "kkk" not in repr(client.aio.endpoint)


def test_a_standing_clock_shows_what_it_was_moved_to_and_never_less():
    clock = Standing(1000)
    clock.to(3000)
    clock.to(2000)
    assert clock() == 3000
