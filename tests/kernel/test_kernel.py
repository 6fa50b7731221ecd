"""What NOTEBOOK users do to a kernel: Run All, interrupt, compute, fork, restart, shut down."""

import psutil
import pytest

FIRST = "import asyncio, os, sys, threading, time, warnings; import bwsresearch as bws"


def assert_fine(ran):
    assert (ran.status, ran.error, ran.err) == ("ok", (), "")


@pytest.fixture(autouse=True)
def _imported(request):
    if "kernel" in request.fixturenames:
        assert_fine(request.getfixturevalue("kernel").run(FIRST))


@pytest.fixture
def held(kernel, holding):
    """A client in the kernel, of the server that answers `ping` alone."""
    ran = kernel.run(f"held = bws.Client({holding.url!r}, timeout=3600); held.ping()")
    assert_fine(ran)
    assert holding.asked.get(timeout=60) == "ping"
    yield holding
    assert_fine(kernel.run("held.close()"))


def assert_next_call_works(kernel, holding):
    ran = kernel.run("print(held.ping(), bws.run(held.aio.ping()), await held.aio.ping())")
    assert_fine(ran)
    assert ran.out == "Ping() Ping() Ping()\n"
    assert holding.connections == 1


RUN_ALL = [
    "client = bws.connect(); print(client.ping())",
    "df = bws.klines('BTCUSDT', '1h', start='2023-10-01', end='2023-10-08'); print(len(df))",
    "print((await client.aio.avg_price('BTCUSDT')).mins)",
    "print(len(bws.agg_trades('BTCUSDT', start='2023-10-01', end='2023-10-01 00:01')) > 0)",
    "print(len(await bws.aio.klines('ETHUSDT', '1d', start='2023-10-01', end='2023-10-08')))",
    "async def work(): return client.ping(), await client.aio.ping()\nprint(bws.run(work()))",
    "print(len(df), len(bws.depth('BTCUSDT', limit=5)))",
]
RUN_ALL_SAYS = ["Ping()", "168", "5", "True", "7", "(Ping(), Ping())", "168 10"]


@pytest.mark.parametrize("server", ["a socket", "local"])
def test_run_all_loses_no_cell(server, kernel):
    if server == "local":
        assert_fine(
            kernel.run("os.environ['BWS_SERVER'], before = 'local', os.environ['BWS_SERVER']")
        )
    cells = kernel.wait_all([kernel.queue(code) for code in RUN_ALL])
    for cell in cells:
        assert_fine(cell)
    if server == "a socket":
        assert [cell.out.strip() for cell in cells] == RUN_ALL_SAYS
    else:
        assert [cell.out != "" for cell in cells] == [True] * 7
        assert_fine(kernel.run("os.environ['BWS_SERVER'] = before; bws.connect()"))
    counts = [cell.count for cell in cells]
    assert counts == list(range(counts[0], counts[0] + 7))


def test_the_kernels_loop_is_not_patched(kernel):
    ran = kernel.run(
        "print(hasattr(asyncio.get_running_loop(), '_nest_patched'), "
        "asyncio.Task is asyncio.tasks._CTask, hasattr(asyncio, '_nest_patched'))"
    )
    assert_fine(ran)
    assert ran.out == "False True False\n"


BLOCKING = {
    "a blocking call": ("held.time()", "KeyboardInterrupt"),
    "run": ("bws.run(held.aio.time())", "KeyboardInterrupt"),
    "an awaited twin": ("await held.aio.time()", "CancelledError"),
    "a blocking call in an awaited coroutine": (
        "async def call():\n    return held.time()\nawait call()",
        "CancelledError",
    ),
    "a nested call": (
        "async def call():\n    return held.time()\nbws.run(call())",
        "KeyboardInterrupt",
    ),
    "a gather of twins": (
        "await asyncio.gather(held.aio.time(), held.aio.time())",
        "CancelledError",
    ),
}


@pytest.mark.parametrize("way", BLOCKING)
def test_interrupt_ends_the_cell_and_the_next_call_works(way, kernel, held):
    code, error = BLOCKING[way]
    asked = kernel.queue(code)
    assert held.asked.get(timeout=60) == "time"
    kernel.interrupt()
    ran = kernel.wait(asked)
    assert (ran.status, ran.error[0]) == ("error", error)
    assert_next_call_works(kernel, held)


def test_interrupt_between_fast_calls_leaves_a_working_kernel(kernel, held):
    for _ in range(10):
        asked = kernel.queue("while True: held.ping()")
        held.asked.get(timeout=60)
        kernel.interrupt()
        # Not more: IPython fails to show a traceback that has a frame without a line number.
        assert kernel.wait(asked).status == "error"
        assert_fine(kernel.run("held.ping()"))
        held.forget()  # the server has seen all that was sent before
    assert_next_call_works(kernel, held)


def test_interrupt_of_a_download_keeps_the_kernel(kernel, holding):
    code = f"""
client = bws.connect({holding.url!r}, timeout=3600)
bws.klines("BTCUSDT", "1m", start="2023-01-01", end="2023-02-01", progress=False)
"""
    asked = kernel.queue(code)
    holding.asked.get(timeout=60)
    kernel.interrupt()
    assert kernel.wait(asked).error[0] == "KeyboardInterrupt"
    ran = kernel.run("print(client.ping()); client.close(); bws.connect(); print(bws.run)")
    assert_fine(ran)
    assert ran.out.startswith("Ping()\n")


@pytest.mark.parametrize(
    "work",
    ["time.sleep(0.01)", "sum(i * i for i in range(1000))"],
    ids=["sleeps", "computes"],
)
def test_a_connection_lives_while_a_cell_is_busy(work, kernel, held, tmp_path):
    flag = tmp_path / "flag"
    code = f"print('busy', flush=True)\nwhile not os.path.exists({str(flag)!r}): {work}"
    asked = kernel.queue(code)
    kernel.says(asked, "busy")
    held.pinged(10)  # all are answered while the kernel's own loop stands still
    flag.touch()
    assert_fine(kernel.wait(asked))
    assert_next_call_works(kernel, held)


def test_a_pinging_exchange_keeps_its_connection_through_a_long_cell(kernel, exchange):
    assert_fine(kernel.run("client = bws.connect(); client.ping()"))
    before = exchange.connections
    assert_fine(kernel.run("time.sleep(1)\nend = time.time() + 1\nwhile time.time() < end: pass"))
    assert_fine(kernel.run("client.ping()"))
    assert exchange.connections == before


def test_threads_of_a_cell_share_the_client(kernel):
    code = """
from concurrent.futures import ThreadPoolExecutor
client = bws.connect()
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(lambda _: [client.ping() for _ in range(50)], range(8)))
print(sum(map(len, found)))
"""
    ran = kernel.run(code)
    assert_fine(ran)
    assert ran.out == "400\n"


def test_forked_workers_of_a_cell_have_their_own_connections(kernel):
    code = """
import multiprocessing
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads
client = bws.connect()
client.ping()
def call(n):
    client.ping()
    return os.getpid()
with multiprocessing.get_context("fork").Pool(2) as pool:
    pids = pool.map(call, range(8), chunksize=1)
print(os.getpid() not in pids, client.ping())
"""
    ran = kernel.run(code)
    assert_fine(ran)
    assert ran.out == "True Ping()\n"


def test_asyncio_run_in_a_thread_of_a_cell_works(kernel):
    code = """
client = bws.connect()
found = []
def work():
    for _ in range(2):
        found.append(asyncio.run(client.aio.ping()))
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(found)
"""
    ran = kernel.run(code)
    assert_fine(ran)
    assert ran.out == "[Ping(), Ping()]\n"


def test_an_error_of_the_api_is_short(kernel):
    ran = kernel.run("bws.connect().depth('NOPE')")
    kind, text = ran.error
    assert kind == "BadSymbol"
    assert text == (
        "depth: Invalid symbol. (code -1121, status 400); "
        "client.exchange_info() lists the symbols of this exchange"
    )
    assert len("\n".join(ran.traceback).splitlines()) <= 15


def test_completion_and_help_know_the_methods(kernel):
    assert_fine(kernel.run("client = bws.connect()"))
    assert "klines" in str(kernel.ask("complete", "client.kl", 9)["matches"])
    assert "interval=" in str(kernel.ask("complete", "client.klines(inter", 19)["matches"])
    shown = kernel.ask("inspect", "client.klines", 10, 0)["data"]["text/plain"]
    assert "start_time" in shown
    assert "limit: at most 1000; 500 when left out." in shown


def test_a_restart_in_the_middle_of_a_call_works(fresh, holding):
    assert_fine(fresh.run(f"{FIRST}; print(bws.connect().ping())"))
    fresh.queue(f"bws.Client({holding.url!r}, timeout=3600).time()")
    assert holding.asked.get(timeout=60) == "time"
    old = psutil.Process(fresh.pid)
    fresh.restart()
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
    assert fresh.pid != old.pid
    ran = fresh.run(f"{FIRST}; print(bws.connect().ping())")
    assert_fine(ran)
    assert ran.out == "Ping()\n"


def test_an_idle_kernel_with_a_connection_shuts_down_by_itself(fresh):
    assert_fine(fresh.run(f"{FIRST}; client = bws.connect(); client.ping()"))
    process = psutil.Process(fresh.pid)
    fresh.client.shutdown()
    gone, alive = psutil.wait_procs([process], timeout=10)
    assert (len(gone), alive) == (1, [])
    fresh.log.seek(0)
    log = fresh.log.read()
    assert "Traceback" not in log
    assert "Task was destroyed" not in log
