"""A local exchange on a real socket, and the interpreter that has the clients that are not ours."""

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config, Limits
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.server import hosted

from .asked import NOW
from .backtested import play, read
from .foreign import ALL, Speaker

SCRIPTS = {one.script: one.package for one in ALL} | {"ask_ccxt.py": "ccxt"}
PYTHON = "BWS_CONFORMANCE_PYTHON"
INSTALL = (
    "python3 -m venv .venv-conformance && .venv-conformance/bin/pip install '.[conformance]' "
    f"&& export {PYTHON}=$PWD/.venv-conformance/bin/python"
)


@contextlib.contextmanager
def served(gateway, clock=lambda: NOW):
    """Serve an exchange on a socket; its clock stands still unless it is given another."""
    with hosted(gateway, clock=clock) as server:
        yield server
        server.drop()  # some clients never say good-bye, and would be waited for


def exchange_of(market, **limits):
    return served(Gateway(market, Config(limits=Limits(connections_5m=10**6, **limits))))


@pytest.fixture(scope="session")
def market():
    return SyntheticMarket(seed=1)


@pytest.fixture(scope="session")
def exchange(market):
    """An exchange that all tests share; its weight is no limit, but is counted."""
    with exchange_of(market, weight_per_minute=10**9) as server:
        yield server


@pytest.fixture(scope="session")
def limited(market):
    """A function that starts an exchange of so much weight, fresh for everyone who asks."""
    with contextlib.ExitStack() as running:

        def start(weight, **limits):
            return running.enter_context(exchange_of(market, weight_per_minute=weight, **limits))

        yield start


@pytest.fixture(scope="session")
def ours(exchange):
    """Our own client of the shared exchange."""
    with Client(exchange.url) as client:
        yield client


@pytest.fixture(scope="session")
def expected(ours):
    """A function that returns what our own client gets for a request, asked once."""
    known = {}

    def of(request):
        if repr(request) not in known:
            known[repr(request)] = json.loads(ours.raw(request))
        return known[repr(request)]

    return of


def interpreter_with(package):
    """Return the path of a Python that can import `package`, None without one."""
    if path := os.environ.get(PYTHON):
        if not Path(path).exists():
            pytest.fail(f"{PYTHON} is {path!r}, which does not exist; to make it: {INSTALL}")
        return str(Path(path).absolute())  # no symbolic link resolved: that would leave its venv
    return sys.executable if importlib.util.find_spec(package) else None


@pytest.fixture(scope="session")
def speaker():
    """A function that returns who speaks for a script of `clients/`, or skips without its client."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    started = {}

    def of(script):
        if script not in started:
            python = interpreter_with(SCRIPTS[script])
            if python is None:
                pytest.skip(f"{SCRIPTS[script]} is not installed; to try it: {INSTALL}")
            started[script] = Speaker(python, script, clean)
        return started[script]

    yield of
    for speaker in started.values():
        speaker.close()


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """A function that returns what a package made of a backtest; they are played once, by all workers."""
    python = interpreter_with("vectorbt")
    if python is None:
        pytest.skip(f"vectorbt is not installed; to try it: {INSTALL}")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "backtests"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            play(folder, python)
            (folder / "done").touch()

    def of(name, peer):
        run = read(folder, name, peer)
        if run is None:
            pytest.skip("BWS_REAL_DATA is not set, which names the folder of real bars")
        return run

    return of
