"""The control port: one line moves the clock, one line says what time it is."""

import asyncio
import json

import pytest

from bwsresearch.local import Standing
from bwsresearch.server import controlled

NOON = 1_706_702_400_000


def conversation(*lines, clock=None):
    """What a control port answers to lines that are sent one after the other."""
    clock = clock or Standing(NOON)

    async def talk():
        answers = []
        async with controlled(clock, 0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for line in lines:
                writer.write(line)
                answers.append(json.loads(await reader.readline()))
            writer.write_eof()
            rest = await reader.read()
            writer.close()
        return answers, rest

    answers, rest = asyncio.run(talk())
    assert rest == b""
    return answers, clock()


def test_the_clock_moves_as_it_is_told():
    answers, now = conversation(b"{}\n", b'{"to": 1706702460000}\n', b'{"to":1706702460000}\n')
    assert answers == [{"now": NOON}, {"now": NOON + 60_000}, {"now": NOON + 60_000}]
    assert now == NOON + 60_000


def test_it_never_runs_back():
    (answer,), now = conversation(b'{"to": 1706702399999}\n')
    assert "the clock never runs back" in answer["error"]
    assert now == NOON


@pytest.mark.parametrize(
    "line",
    [b"GET / HTTP/1.1\n", b'{"too": 1}\n', b'{"to": "later"}\n', b'{"to": 1e30}\n', b"x" * 300],
)
def test_what_is_no_line_of_it_ends_the_connection(line):
    (answer,), now = conversation(line)
    assert list(answer) == ["error"]
    assert now == NOON


def test_lines_may_come_together_and_in_pieces():
    clock = Standing(NOON)

    async def talk():
        async with controlled(clock, 0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"to":1706702400001}\n{"to":17067')
            first = await reader.readline()
            writer.write(b"02400005}\n")
            second = await reader.readline()
            writer.close()
        return json.loads(first)["now"], json.loads(second)["now"]

    assert asyncio.run(talk()) == (NOON + 1, NOON + 5)
