import contextlib
import io
import os
import re
import sys

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

import bwsresearch as bws
from bwsresearch.history.progress import Progress

from .lab import MINUTE, bars, recorded, refusal

START = 1_704_067_200_000  # 2024-01-01


class Terminal(io.StringIO):
    """Where somebody looks."""

    def isatty(self):
        return True


@pytest.fixture
def terminal():
    return Terminal()


def last_state(screen):
    """The last `done/all` that was drawn, None without a bar."""
    found = re.findall(r"(\d+)/(\d+) \[", screen.getvalue())
    return tuple(map(int, found[-1])) if found else None


@pytest.mark.parametrize(("pages", "state"), [(1, None), (3, None), (4, (4, 4)), (9, (9, 9))])
def test_a_bar_is_worth_showing_above_three_pages_and_ends_full(terminal, pages, state):
    exchange = recorded(BTCUSDT={"1m": bars(pages * 1000, START)})
    span = {"start": START, "end": START + pages * 1000 * MINUTE}
    with contextlib.redirect_stderr(terminal):
        bws.klines("BTCUSDT", "1m", client=exchange.client, **span)
    assert last_state(terminal) == state
    assert bool(state) == ("BTCUSDT 1m: " in terminal.getvalue())
    said = f"{pages * 1000:,} rows, "
    assert bool(state) == (said in terminal.getvalue())


def test_the_bar_tells_rows_a_second_the_weight_used_and_the_time_left(terminal):
    exchange = recorded(BTCUSDT={"1m": bars(9000, START)})
    span = {"start": START, "end": START + 9000 * MINUTE}
    with contextlib.redirect_stderr(terminal):
        bws.klines("BTCUSDT", "1m", client=exchange.client, **span)
    last = terminal.getvalue().split("\r")[-1]
    # The question for the time, where bars begin, and nine pages.
    used = exchange.client.weight.count
    assert re.search(
        rf"9/9 \[\d+:\d+<00:00, .*9,000 rows, [\d,]+ rows/s, weight {used}/6,000", last
    )


def test_what_comes_from_the_cache_shows_no_bar(terminal):
    exchange = recorded(BTCUSDT={"1m": bars(9000, START)})
    span = {"start": START, "end": START + 9000 * MINUTE, "client": exchange.client}
    with contextlib.redirect_stderr(terminal):
        bws.klines("BTCUSDT", "1m", progress=False, **span)
        bws.klines("BTCUSDT", "1m", **span)
    assert terminal.getvalue() == ""


def test_several_symbols_share_one_bar(terminal):
    columns = bars(3000, START)
    exchange = recorded(BTCUSDT={"1m": columns}, ETHUSDT={"1m": columns})
    span = {"start": START, "end": START + 3000 * MINUTE}
    with contextlib.redirect_stderr(terminal):
        bws.klines(["BTCUSDT", "ETHUSDT"], "1m", client=exchange.client, **span)
    assert last_state(terminal) == (6, 6)
    assert "2 symbols 1m: " in terminal.getvalue()


def test_trades_show_a_bar_too(terminal, exchange):
    span = {"start": START, "end": START + 300 * MINUTE}
    with contextlib.redirect_stderr(terminal):
        frame = bws.agg_trades("BTCUSDT", client=exchange.client, **span)
    pages = -(-len(frame) // 1000)
    assert pages > 3
    assert last_state(terminal) == (pages, pages)
    assert "BTCUSDT aggs: " in terminal.getvalue()


def test_where_nobody_looks_there_is_no_bar_unless_wanted(capsys):
    exchange = recorded(BTCUSDT={"1m": bars(5000, START)})
    span = {"start": START, "end": START + 5000 * MINUTE, "client": exchange.client}
    for wanted, shown in ((None, False), (False, False), (True, True)):
        bws.klines("BTCUSDT", "1m", progress=wanted, cache=False, **span)
        assert ("5/5" in capsys.readouterr().err) == shown


def test_a_failure_leaves_the_bar_where_it_was(terminal):
    exchange = recorded(BTCUSDT={"1m": bars(9000, START)})
    exchange.nth(6, refusal(503, -1000, "Failed."))
    span = {"start": START, "end": START + 9000 * MINUTE, "in_flight": 1}
    with pytest.raises(bws.ServerError), contextlib.redirect_stderr(terminal):
        bws.klines("BTCUSDT", "1m", client=exchange.client, **span)
    assert last_state(terminal) == (4, 9)
    assert terminal.getvalue().endswith("\n")


def test_pages_that_turn_up_later_are_added(terminal):
    with contextlib.redirect_stderr(terminal), Progress("pages", wanted=True) as progress:
        for pages in (2, 2, 3):
            progress.expect(pages)
        for _ in range(7):
            progress.arrived(10)
    assert last_state(terminal) == (7, 7)
    assert "70 rows" in terminal.getvalue()


@pytest.fixture
def cells(tmp_path):
    """A function that runs a cell in a real kernel and returns its messages, by kind."""
    manager = KernelManager(connection_file=str(tmp_path / "kernel.json"))
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name="this Python")
    environment = os.environ | {"BWS_SERVER": "local"}
    with (tmp_path / "kernel.log").open("w") as log:
        manager.start_kernel(env=environment, stdout=log, stderr=log)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)

        def run(code):
            asked, found = client.execute(code), []
            while True:
                message = client.get_iopub_msg(timeout=60)
                if message["parent_header"].get("msg_id") == asked:
                    found.append((message["msg_type"], message["content"]))
                    if found[-1] == ("status", {"execution_state": "idle"}):
                        return found

        yield run
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_in_a_notebook_the_bar_belongs_to_the_cell_and_ends_full(cells):
    def outcome(code):
        found = cells(code)
        states = [content["data"]["state"] for kind, content in found if kind == "comm_msg"]
        shown = [content["data"] for kind, content in found if kind == "display_data"]
        results = [
            content["data"]["text/plain"] for kind, content in found if kind == "execute_result"
        ]
        noise = [content for kind, content in found if kind in ("stream", "error")]
        assert noise == []
        return shown, states, results

    pull = "bws.klines('BTCUSDT', '1m', start='2024-01-01', end='2024-01-{:02}')"
    shown, _, results = outcome(f"import bwsresearch as bws; len({pull.format(2)})")
    assert (shown, results) == ([], ["1440"])
    # The thread that draws began in the cell before.
    for day in (9, 17):
        blocking = f"len({pull.format(day)})"
        code = blocking if day == 9 else blocking.replace("bws.", "await bws.aio.")
        (bar,), states, results = outcome(code)
        assert "application/vnd.jupyter.widget-view+json" in bar
        assert results == [str((day - 1) * 1440)]
        assert "success" in [state.get("bar_style") for state in states]
