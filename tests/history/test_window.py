import asyncio
import heapq

import pytest

from bwsresearch.history.window import Window


def run(window, pages, *, line_s, travel_s):
    """Send `pages` over a line that carries one reply at a time; return what each one took, and all.

    A page is `line_s` on the line, and `travel_s` on its way beside that.
    """
    now, line_free, waits = 0.0, 0.0, []
    in_flight = []
    for _ in range(pages):
        while len(in_flight) >= window.width:
            now, sent = heapq.heappop(in_flight)
            waits.append(now - sent)
            window.replied(now - sent)
        line_free = max(line_free, now + travel_s) + line_s
        heapq.heappush(in_flight, (line_free, now))
    return waits, line_free


@pytest.mark.parametrize("travel_s", [0.005, 0.05, 0.2, 0.5])
def test_all_places_stay_open_while_replies_do_not_queue(travel_s):
    window = Window(16)
    run(window, 500, line_s=0.001, travel_s=travel_s)
    assert window.width == 16


@pytest.mark.parametrize("line_s", [0.1, 0.4, 1.4])
def test_a_thin_line_gets_fewer_and_stays_busy(line_s):
    window = Window(16)
    waits, took = run(window, 300, line_s=line_s, travel_s=0.05)
    assert window.width < 16
    assert max(waits[100:]) < max(0.5, 2.1 * line_s) + 0.05
    assert took < 300 * line_s * 1.02 + 1


def test_the_width_comes_back_when_the_line_is_free_again():
    window = Window(16)
    run(window, 300, line_s=0.4, travel_s=0.05)
    assert window.width == 2
    run(window, 600, line_s=0.001, travel_s=0.05)
    assert window.width == 16


def test_one_in_flight_stays_one():
    window = Window(1)
    run(window, 50, line_s=2.0, travel_s=0.05)
    assert window.width == 1


async def test_no_more_are_let_in_than_the_width_while_it_changes():
    window, inside, most = Window(8), 0, []

    async def visit(number):
        nonlocal inside
        async with window.place():
            inside += 1
            most.append((number, inside, window.width))
            await asyncio.sleep(0)
            # The first is the quickest; those that follow wait, until replies are quick again.
            window.replied(0.01 if number < 8 or number > 150 else 2.0)
            inside -= 1

    await asyncio.gather(*(visit(number) for number in range(300)))
    assert window.width == 8
    narrow = [count for number, count, _ in most if 100 < number < 150]
    assert max(narrow) == 2
    assert max(count for _, count, _ in most) == 8


async def test_a_cancelled_visitor_gives_its_place_back():
    window = Window(1)

    async def stay():
        async with window.place():
            await asyncio.Event().wait()

    first, second = asyncio.ensure_future(stay()), asyncio.ensure_future(stay())
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(5), window.place():
        pass
